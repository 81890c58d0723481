//! The life of a listing: created by an executed change, suspended and resumed by anyone, closed once it has settled.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::state::Change;
use bulwark::{accounts, instruction as data};

use super::{OracleAccounts, instruction};
use crate::address::{self, INSTRUCTIONS, SYSTEM_PROGRAM};

/// Lists a collateral, as an executed change says. Signed by admin and payer.
#[must_use]
pub fn create_vault(
    (admin, payer): (Pubkey, Pubkey),
    (mint, token_program): (Pubkey, Pubkey),
    oracles: OracleAccounts,
    change: &Change,
) -> Instruction {
    let accounts = accounts::CreateVault {
        admin,
        payer,
        exchange: address::exchange(),
        change: address::change(change.nonce),
        change_payer: change.payer,
        vault: address::vault(&mint),
        token_account: address::vault_tokens(&mint),
        mint,
        primary: oracles.primary,
        secondary: oracles.secondary,
        token_program,
        instructions: INSTRUCTIONS,
        system_program: SYSTEM_PROGRAM,
    };
    instruction(&accounts, &data::CreateVault {})
}

/// Lists a market under the exchange's next free index, as an executed change says: both instructions, in this order, in one
/// transaction or two. Signed by admin and payer.
#[must_use]
pub fn create_market(
    (admin, payer): (Pubkey, Pubkey),
    index: u16,
    oracles: OracleAccounts,
    change: &Change,
) -> [Instruction; 2] {
    let accounts = accounts::CreateMarket {
        admin,
        payer,
        exchange: address::exchange(),
        change: address::change(change.nonce),
        change_payer: change.payer,
        market: address::market(index),
        primary: oracles.primary,
        secondary: oracles.secondary,
        instructions: INSTRUCTIONS,
        system_program: SYSTEM_PROGRAM,
    };
    let step = instruction(&accounts, &data::CreateMarket {});
    [step.clone(), step]
}

/// Stops increases of a market without a price for its `max_outage`. No signer.
#[must_use]
pub fn suspend_market(market: u16) -> Instruction {
    instruction(&accounts::SuspendMarket { market: address::market(market) }, &data::SuspendMarket {})
}

/// Activates a suspended market that has a price again. No signer.
#[must_use]
pub fn resume_market(market: u16) -> Instruction {
    instruction(&accounts::ResumeMarket { market: address::market(market) }, &data::ResumeMarket {})
}

/// Closes a market that has settled; `payer` is the recorded one, who gets the rent. No signer.
#[must_use]
pub fn close_market(market: u16, payer: Pubkey) -> Instruction {
    let accounts = accounts::CloseMarket {
        payer,
        exchange: address::exchange(),
        market: address::market(market),
        pool: address::pool(),
        insurance_fund: address::insurance_fund(),
    };
    instruction(&accounts, &data::CloseMarket {})
}
