//! Governance: changes, what is instant, roles, and the protocol's fees.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::state::{Change, ChangePayload, Vault};
use bulwark::{accounts, instruction as data};

use super::{BuildError, OracleAccounts, instruction};
use crate::address::{self, INSTRUCTIONS, SYSTEM_PROGRAM};
use crate::listings::Listings;

/// The accounts that a payload is about.
#[derive(Default)]
struct Targets {
    market: Option<Pubkey>,
    vault: Option<Pubkey>,
    pool: Option<Pubkey>,
    insurance_fund: Option<Pubkey>,
}

impl Targets {
    fn of(listings: &Listings, payload: &ChangePayload) -> Result<Self, BuildError> {
        let market = |index: u16| {
            let market = Some(*listings.market(index).ok_or(BuildError::UnknownMarket(index))?);
            Ok(Self { market, ..Self::default() })
        };
        let vault = |index: u16| {
            let vault = Some(listings.vault(index).ok_or(BuildError::UnknownVault(index))?.address);
            Ok(Self { vault, ..Self::default() })
        };
        match payload {
            ChangePayload::MarketParams { market: index, .. }
            | ChangePayload::MarketSources { market: index, .. }
            | ChangePayload::MarketStatus { market: index, .. }
            | ChangePayload::Unpause { market: Some(index), .. } => market(*index),
            ChangePayload::VaultParams { vault: index, .. }
            | ChangePayload::VaultSources { vault: index, .. } => vault(*index),
            ChangePayload::PoolParams { .. } => Ok(Self { pool: Some(address::pool()), ..Self::default() }),
            ChangePayload::InsuranceParams { .. } => {
                Ok(Self { insurance_fund: Some(address::insurance_fund()), ..Self::default() })
            }
            _ => Ok(Self::default()),
        }
    }
}

/// Proposes a change under a number that is at least the exchange's `next_change`. Signed by admin and payer, who gets the
/// rent back.
///
/// # Errors
/// [`BuildError::UnknownMarket`], [`BuildError::UnknownVault`].
pub fn propose_change(
    listings: &Listings,
    (admin, payer): (Pubkey, Pubkey),
    nonce: u64,
    payload: ChangePayload,
) -> Result<Instruction, BuildError> {
    let targets = Targets::of(listings, &payload)?;
    let accounts = accounts::ProposeChange {
        admin,
        payer,
        exchange: address::exchange(),
        change: address::change(nonce),
        pool: address::pool(),
        market: targets.market,
        vault: targets.vault,
        insurance_fund: targets.insurance_fund,
        instructions: INSTRUCTIONS,
        system_program: SYSTEM_PROGRAM,
    };
    Ok(instruction(&accounts, &data::ProposeChange { nonce, payload }))
}

/// What a proposing instruction proposes: its number and payload; `None` for any other instruction.
#[must_use]
pub fn proposal(instruction: &Instruction) -> Option<(u64, ChangePayload)> {
    use anchor_lang::{AnchorDeserialize, Discriminator};
    if instruction.program_id != address::PROGRAM {
        return None;
    }
    let mut fields = instruction.data.strip_prefix(data::ProposeChange::DISCRIMINATOR)?;
    let data::ProposeChange { nonce, payload } = data::ProposeChange::deserialize(&mut fields).ok()?;
    fields.is_empty().then_some((nonce, payload))
}

/// Executes a change whose delay is over. A change of sources needs the accounts of the new ones. No signer.
///
/// # Errors
/// [`BuildError::UnknownMarket`], [`BuildError::UnknownVault`]; [`BuildError::UnreadableChange`] for bytes that are no payload.
pub fn execute_change(
    listings: &Listings,
    change: &Change,
    oracles: Option<OracleAccounts>,
) -> Result<Instruction, BuildError> {
    let payload = change.payload().map_err(|_| BuildError::UnreadableChange(change.nonce))?;
    let targets = Targets::of(listings, &payload)?;
    let accounts = accounts::ExecuteChange {
        payer: change.payer,
        exchange: address::exchange(),
        change: address::change(change.nonce),
        market: targets.market,
        vault: targets.vault,
        pool: address::pool(),
        insurance_fund: targets.insurance_fund,
        primary: oracles.map(|oracles| oracles.primary),
        secondary: oracles.and_then(|oracles| oracles.secondary),
    };
    Ok(instruction(&accounts, &data::ExecuteChange {}))
}

/// Cancels a change. Signed by admin or guardian, or by anyone once it can't be executed any more.
#[must_use]
pub fn cancel_change(authority: Pubkey, change: &Change) -> Instruction {
    let accounts = accounts::CancelChange {
        authority,
        payer: change.payer,
        exchange: address::exchange(),
        change: address::change(change.nonce),
        instructions: INSTRUCTIONS,
    };
    instruction(&accounts, &data::CancelChange {})
}

/// Puts stricter parameters in force at once, or stops a market's increases. Signed by admin or guardian.
///
/// # Errors
/// [`BuildError::UnknownMarket`], [`BuildError::UnknownVault`].
pub fn tighten(
    listings: &Listings,
    authority: Pubkey,
    payload: ChangePayload,
) -> Result<Instruction, BuildError> {
    let targets = Targets::of(listings, &payload)?;
    let accounts = accounts::Tighten {
        authority,
        exchange: address::exchange(),
        market: targets.market,
        vault: targets.vault,
        pool: targets.pool,
        insurance_fund: targets.insurance_fund,
        instructions: INSTRUCTIONS,
    };
    Ok(instruction(&accounts, &data::Tighten { payload }))
}

/// Sets pause bits of a market, or of the exchange without one. Signed by guardian or admin.
#[must_use]
pub fn set_pause(authority: Pubkey, market: Option<u16>, bits: u8) -> Instruction {
    let accounts = accounts::SetPause {
        authority,
        exchange: address::exchange(),
        market: market.map(address::market),
        instructions: INSTRUCTIONS,
    };
    instruction(&accounts, &data::SetPause { bits })
}

/// Nominates the next admin. Signed by the admin; the default key takes a nomination back, which the guardian may, too.
#[must_use]
pub fn nominate_admin(authority: Pubkey, nominee: Pubkey) -> Instruction {
    let accounts =
        accounts::NominateAdmin { authority, exchange: address::exchange(), instructions: INSTRUCTIONS };
    instruction(&accounts, &data::NominateAdmin { nominee })
}

/// Accepts a nomination after its delay. Signed by the nominee.
#[must_use]
pub fn accept_admin(nominee: Pubkey) -> Instruction {
    let accounts =
        accounts::AcceptAdmin { nominee, exchange: address::exchange(), instructions: INSTRUCTIONS };
    instruction(&accounts, &data::AcceptAdmin {})
}

/// Moves `amount` quote units of protocol fees to a quote token account of the recorded recipient. Signed by the admin.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn collect_protocol_fees(
    listings: &Listings,
    admin: Pubkey,
    (destination, amount): (Pubkey, u64),
) -> Result<Instruction, BuildError> {
    let vault = listings.vault(Vault::QUOTE).ok_or(BuildError::UnknownVault(Vault::QUOTE))?;
    let accounts = accounts::CollectProtocolFees {
        admin,
        exchange: address::exchange(),
        quote_vault: vault.address,
        token_account: vault.token_account,
        destination,
        mint: vault.mint,
        token_program: vault.token_program,
        instructions: INSTRUCTIONS,
    };
    Ok(instruction(&accounts, &data::CollectProtocolFees { amount }))
}
