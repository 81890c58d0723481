//! A small multisig, for tests only: it stands in for Squads v4, whose compiled program is not at hand. It is never
//! deployed.
//!
//! What matters to a program that it governs is as in Squads: a vault, which is an address of this program without a
//! key, signs by cross-program invocation once enough members have approved; whoever else must sign, such as the payer
//! of a rent, signs the outer transaction.

#![allow(
    missing_docs,
    reason = "what Anchor generates for entry points and accounts structs has no documentation"
)]

use anchor_lang::prelude::*;
use anchor_lang::solana_program::program::invoke_signed;

#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod state;

use state::*;

declare_id!("BuLwarkTestMu1tisigNeverDep1oyed111111111111");

/// The entry points.
#[program]
pub mod bulwark_test_multisig {
    use super::*;

    /// Creates a multisig.
    pub fn create(ctx: Context<Create>, threshold: u8, members: Vec<Pubkey>) -> Result<()> {
        let mut distinct = members.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let possible = (1..=members.len()).contains(&usize::from(threshold));
        let few = members.len() <= MOST_MEMBERS && distinct.len() == members.len();
        require!(few && possible, MultisigError::WrongMembers);
        let (create_key, vault_bump) = (ctx.accounts.create_key.key(), ctx.bumps.vault);
        let created = Multisig { create_key, threshold, members, proposals: 0, vault_bump };
        ctx.accounts.multisig.set_inner(created);
        Ok(())
    }

    /// Stores an instruction to be decided on.
    pub fn propose(ctx: Context<Propose>, instruction: Proposed) -> Result<()> {
        let multisig = &mut ctx.accounts.multisig;
        multisig.require_member(ctx.accounts.member.key)?;
        multisig.proposals = multisig.proposals.saturating_add(1);
        let stored = Proposal { multisig: multisig.key(), instruction, approvals: vec![], executed: false };
        ctx.accounts.proposal.set_inner(stored);
        Ok(())
    }

    /// Approves a proposal.
    pub fn approve(ctx: Context<Decide>) -> Result<()> {
        let Decide { multisig, member, proposal, .. } = ctx.accounts;
        multisig.require_member(member.key)?;
        require!(!proposal.approvals.contains(member.key), MultisigError::AlreadyApproved);
        proposal.approvals.push(*member.key);
        Ok(())
    }

    /// Executes a proposal that enough members have approved. Its accounts and its program follow as remaining
    /// accounts.
    pub fn execute<'info>(ctx: Context<'info, Decide<'info>>) -> Result<()> {
        let Decide { multisig, member, vault, proposal } = ctx.accounts;
        multisig.require_member(member.key)?;
        require!(!proposal.executed, MultisigError::AlreadyExecuted);
        let needed = usize::from(multisig.threshold);
        require!(proposal.approvals.len() >= needed, MultisigError::NotEnoughApprovals);
        let given = ctx.remaining_accounts;
        require!(proposal.instruction.is_given(given, vault.key), MultisigError::WrongAccounts);
        proposal.executed = true;
        // Written down before the call, which could come back here.
        proposal.exit(ctx.program_id)?;

        let seeds: &[&[u8]] = &[SEED, multisig.create_key.as_ref(), VAULT, &[multisig.vault_bump]];
        invoke_signed(&proposal.instruction.clone().into_instruction(), given, &[seeds])?;
        Ok(())
    }
}

/// Accounts of `create`.
#[derive(Accounts)]
pub struct Create<'info> {
    /// What the addresses are derived from.
    pub create_key: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The multisig.
    #[account(
        init, payer = payer, space = 8 + Multisig::INIT_SPACE, seeds = [SEED, create_key.key().as_ref()], bump
    )]
    pub multisig: Account<'info, Multisig>,
    /// CHECK: the vault; only its address matters.
    #[account(seeds = [SEED, create_key.key().as_ref(), VAULT], bump)]
    pub vault: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `propose`.
#[derive(Accounts)]
#[instruction(instruction: Proposed)]
pub struct Propose<'info> {
    /// The multisig.
    #[account(mut)]
    pub multisig: Account<'info, Multisig>,
    /// Who proposes.
    pub member: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The proposal.
    #[account(
        init, payer = payer, space = Proposal::space(&instruction),
        seeds = [SEED, multisig.key().as_ref(), PROPOSAL, &multisig.proposals.to_le_bytes()], bump
    )]
    pub proposal: Account<'info, Proposal>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `approve` and `execute`.
#[derive(Accounts)]
pub struct Decide<'info> {
    /// The multisig.
    pub multisig: Account<'info, Multisig>,
    /// Who approves or executes.
    pub member: Signer<'info>,
    /// CHECK: the vault; only its address matters.
    #[account(seeds = [SEED, multisig.create_key.as_ref(), VAULT], bump = multisig.vault_bump)]
    pub vault: UncheckedAccount<'info>,
    /// The proposal.
    #[account(mut, has_one = multisig)]
    pub proposal: Account<'info, Proposal>,
}
