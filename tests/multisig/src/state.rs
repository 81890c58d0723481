//! What the multisig stores, and why it refuses.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};

/// Seed of all addresses.
pub const SEED: &[u8] = b"multisig";
/// Seed of the vault.
pub const VAULT: &[u8] = b"vault";
/// Seed of a proposal.
pub const PROPOSAL: &[u8] = b"proposal";
/// Members at most.
pub const MOST_MEMBERS: usize = 10;

/// Who decides.
#[account]
#[derive(InitSpace)]
pub struct Multisig {
    /// What its addresses are derived from.
    pub create_key: Pubkey,
    /// Approvals that execute.
    pub threshold: u8,
    /// Who proposes, approves and executes.
    #[max_len(MOST_MEMBERS)]
    pub members: Vec<Pubkey>,
    /// Proposals so far: index of the next one.
    pub proposals: u64,
    /// Bump of the vault.
    pub vault_bump: u8,
}

/// What is decided.
#[account]
pub struct Proposal {
    /// Of which multisig.
    pub multisig: Pubkey,
    /// The instruction.
    pub instruction: Proposed,
    /// Who has approved.
    pub approvals: Vec<Pubkey>,
    /// Whether it was executed.
    pub executed: bool,
}

/// An instruction as it is stored.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The program.
    pub program_id: Pubkey,
    /// Its accounts, in order.
    pub accounts: Vec<ProposedAccount>,
    /// Its data.
    pub data: Vec<u8>,
}

/// An account of a stored instruction.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposedAccount {
    /// The address.
    pub key: Pubkey,
    /// Whether it signs.
    pub is_signer: bool,
    /// Whether it is written to.
    pub is_writable: bool,
}

/// Why something is refused.
#[error_code]
pub enum MultisigError {
    /// See the message.
    #[msg("members must be different, ten at most, and the threshold between one and their number")]
    WrongMembers,
    /// See the message.
    #[msg("only a member may do this")]
    NotAMember,
    /// See the message.
    #[msg("this member has approved already")]
    AlreadyApproved,
    /// See the message.
    #[msg("too few members have approved")]
    NotEnoughApprovals,
    /// See the message.
    #[msg("the proposal was executed already")]
    AlreadyExecuted,
    /// See the message.
    #[msg("the accounts are not those of the proposal")]
    WrongAccounts,
}

impl Multisig {
    pub(crate) fn require_member(&self, key: &Pubkey) -> Result<()> {
        require!(self.members.contains(key), MultisigError::NotAMember);
        Ok(())
    }
}

impl Proposal {
    /// Size of its account: the instruction as serialized, and the four lengths of 32 bits.
    pub(crate) fn space(instruction: &Proposed) -> usize {
        let accounts = instruction.accounts.len().saturating_mul(size_of::<ProposedAccount>());
        let fixed = 8 + 32 + 32 + 4 + 4 + 4 + 32 * MOST_MEMBERS + 1;
        accounts.saturating_add(instruction.data.len()).saturating_add(fixed)
    }
}

impl Proposed {
    /// Whether these are its accounts followed by its program, signing and written to as it says; the vault's
    /// signature is added here.
    pub(crate) fn is_given(&self, given: &[AccountInfo], vault: &Pubkey) -> bool {
        let Some((program, accounts)) = given.split_last() else { return false };
        let fits = |(said, info): (&ProposedAccount, &AccountInfo)| {
            said.key == *info.key
                && (!said.is_writable || info.is_writable)
                && (!said.is_signer || info.is_signer || said.key == *vault)
        };
        *program.key == self.program_id
            && accounts.len() == self.accounts.len()
            && self.accounts.iter().zip(accounts).all(fits)
    }

    pub(crate) fn into_instruction(self) -> Instruction {
        let meta = |account: ProposedAccount| AccountMeta {
            pubkey: account.key,
            is_signer: account.is_signer,
            is_writable: account.is_writable,
        };
        let accounts = self.accounts.into_iter().map(meta).collect();
        Instruction { program_id: self.program_id, accounts, data: self.data }
    }
}
