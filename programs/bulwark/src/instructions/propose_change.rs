//! Propose a change: checked now, to be executed by anyone once its delay is over.

use anchor_lang::prelude::*;
use bulwark_engine::governance::{NONCE_AHEAD, Timelock};

use crate::errors::BulwarkError;
use crate::events::ChangeProposed;
use crate::governance::{Stage, Targets};
use crate::signing;
use crate::state::{Change, ChangePayload, Exchange, InsuranceFund, Market, Pool, VERSION, Vault};

/// Accounts of `propose_change`.
#[derive(Accounts)]
#[instruction(nonce: u64)]
pub struct ProposeChange<'info> {
    /// Admin.
    pub admin: Signer<'info>,
    /// Pays the rent, and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The change.
    #[account(init, payer = payer, space = Change::SPACE, seeds = [Change::SEED, &nonce.to_le_bytes()], bump)]
    pub change: AccountLoader<'info, Change>,
    /// The pool: who asks for his money now has it before the change is in force.
    pub pool: AccountLoader<'info, Pool>,
    /// The market that it is about.
    pub market: Option<AccountLoader<'info, Market>>,
    /// The vault that it is about.
    pub vault: Option<AccountLoader<'info, Vault>>,
    /// The insurance fund, if it is about the fund.
    pub insurance_fund: Option<AccountLoader<'info, InsuranceFund>>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl ProposeChange<'_> {
    fn validate(&self, nonce: u64) -> Result<()> {
        let exchange = self.exchange.load()?;
        signing::require_admin(&exchange, self.admin.key, &self.instructions)?;
        let ahead = nonce.checked_sub(exchange.next_change);
        require!(ahead.is_some_and(|ahead| ahead < NONCE_AHEAD), BulwarkError::BadNonce);
        Ok(())
    }
}

pub(crate) fn handler(ctx: Context<ProposeChange>, nonce: u64, payload: &ChangePayload) -> Result<()> {
    let accounts = &ctx.accounts;
    accounts.validate(nonce)?;
    let now = Clock::get()?.unix_timestamp;
    let targets = Targets {
        exchange: &accounts.exchange,
        market: accounts.market.as_ref(),
        vault: accounts.vault.as_ref(),
        pool: Some(&accounts.pool),
        insurance_fund: accounts.insurance_fund.as_ref(),
        oracles: [None; 2],
    };
    targets.run(payload, Stage::Proposed, now)?;

    let revision = targets.revision(payload)?;
    let mut exchange = accounts.exchange.load_mut()?;
    exchange.next_change = nonce.checked_add(1).ok_or(BulwarkError::Overflow)?;
    let mut change = accounts.change.load_init()?;
    change.proposer = accounts.admin.key();
    change.payer = accounts.payer.key();
    change.nonce = nonce;
    change.proposed_at = now;
    let wait = payload.wait(exchange.params.delay, &accounts.pool.load()?.core.params);
    change.timelock = Timelock::new(now, wait);
    change.revision = revision;
    change.admin_epoch = exchange.admin_epoch;
    change.set_payload(payload)?;
    change.bump = ctx.bumps.change;
    change.version = VERSION;

    emit!(ChangeProposed {
        nonce,
        proposer: change.proposer,
        eta: change.timelock.eta,
        expiry: change.timelock.expiry,
        payload_hash: change.payload_hash,
        payload: *payload,
    });
    Ok(())
}
