//! Orders that wait for a price.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::instructions::PlaceTriggerArgs;
use bulwark::state::MarginAccount;
use bulwark::{accounts, instruction as data};
use bulwark_engine::trigger::{Trigger, TriggerKind};
use bulwark_engine::units::Side;

use super::{BuildError, Margin, Order, instruction, trade, with_readonly};
use crate::listings::Listings;

/// A trigger. Prices are Q32.32 quote units per lot; see [`crate::units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerOrder {
    /// Limit entry, take-profit or stop-loss.
    pub kind: TriggerKind,
    /// Side of the position that it opens, increases or decreases.
    pub side: Side,
    /// Mark price to wait for.
    pub trigger_price: u64,
    /// What to do then.
    pub order: Order,
    /// Last moment at which it can be executed, unix seconds.
    pub expiry: i64,
}

/// Places a trigger. Signed by owner or delegate.
///
/// # Errors
/// [`BuildError::UnknownMarket`].
pub fn place_trigger(
    listings: &Listings,
    authority: Pubkey,
    margin: Margin<'_>,
    trigger: &TriggerOrder,
) -> Result<Instruction, BuildError> {
    let index = trigger.order.market;
    let market = *listings.market(index).ok_or(BuildError::UnknownMarket(index))?;
    let args = PlaceTriggerArgs {
        incarnation: margin.account.incarnation,
        kind: trigger.kind.to_byte(),
        side: trigger.side.to_byte(),
        reduce_only: trigger.kind.is_reduce_only(),
        lots: trigger.order.lots,
        trigger_price: trigger.trigger_price,
        limit_price: trigger.order.limit_price,
        expiry: trigger.expiry,
    };
    let accounts = accounts::PlaceTrigger { authority, margin_account: margin.address, market };
    Ok(instruction(&accounts, &data::PlaceTrigger { args }))
}

/// Cancels a trigger. Signed by owner or delegate, or by anyone once it has expired.
#[must_use]
pub fn cancel_trigger(authority: Pubkey, margin: Margin<'_>, id: u64) -> Instruction {
    let accounts = accounts::CancelTrigger { authority, margin_account: margin.address };
    instruction(&accounts, &data::CancelTrigger { incarnation: margin.account.incarnation, id })
}

/// A trigger that an account has set; `None` if it has none with this number.
#[must_use]
pub fn find_trigger(account: &MarginAccount, id: u64) -> Option<&Trigger> {
    account.triggers.iter().find(|trigger| trigger.is_set() && trigger.id == id)
}

/// Executes a trigger of a trader's account; the fee goes to the margin account `keeper`. No signer.
///
/// # Errors
/// [`BuildError`] if the listings are out of date or the account has no such trigger.
pub fn execute_trigger(
    listings: &Listings,
    margin: Margin<'_>,
    id: u64,
    keeper: Option<Pubkey>,
) -> Result<Instruction, BuildError> {
    let trigger = find_trigger(margin.account, id).ok_or(BuildError::UnknownTrigger(id))?;
    let (trade, legs) = trade(listings, margin.address, margin, trigger.market)?;
    let accounts = accounts::ExecuteTrigger {
        exchange: trade.exchange,
        margin_account: margin.address,
        market: trade.market,
        keeper_account: keeper,
    };
    Ok(with_readonly(instruction(&accounts, &data::ExecuteTrigger { id }), legs))
}
