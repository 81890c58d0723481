//! What a transaction brings the keeper's margin account, read from its events.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::{PPM, Price};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{Liquidated, LiquidationKind};

/// Quote units that events bring a margin account: pay, and what taking over and closing comes to. A position or a collateral
/// that is kept counts for its concession.
#[must_use]
pub fn earnings(events: &[Event], own: &Pubkey) -> i64 {
    let mut sum = 0_i64;
    for (at, event) in events.iter().enumerate() {
        let brought = match event {
            Event::Liquidated(fill) if fill.liquidator == *own => {
                let closed = closed(events.get(at..).unwrap_or_default(), fill);
                let concession = match fill.kind {
                    LiquidationKind::Takeover if !closed => signed(fill.concession),
                    _ => 0,
                };
                signed(fill.keeper).saturating_add(concession)
            }
            Event::Traded(trade) if trade.account == *own => {
                let fees = [trade.fee_pool, trade.fee_insurance, trade.fee_protocol];
                fees.into_iter().fold(trade.paid, |paid, fee| paid.saturating_sub(signed(fee)))
            }
            Event::CollateralSold(sale) if sale.liquidator == *own => {
                let worth = Price::from_bits(sale.price).and_then(|price| price.mul_floor(sale.amount));
                signed(worth.unwrap_or(0)).saturating_sub(signed(sale.proceeds))
            }
            Event::TriggerExecuted(trigger) if trigger.keeper == *own => signed(trigger.fee),
            _ => 0,
        };
        sum = sum.saturating_add(brought);
    }
    sum
}

/// Whether a takeover is closed again by what follows.
fn closed(rest: &[Event], fill: &Liquidated) -> bool {
    let closes = |event: &Event| matches!(event, Event::Traded(t) if t.account == fill.liquidator && t.market == fill.market);
    rest.iter().any(closes)
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// Lamports that a transaction costs: the base fee for each signature, and what its compute limit costs at its price, rounded
/// up.
#[must_use]
pub fn cost(signatures: u8, limit: u32, price: Option<u64>) -> u64 {
    let priority = (u128::from(limit) * u128::from(price.unwrap_or(0))).div_ceil(u128::from(PPM));
    let base = BASE_FEE.saturating_mul(u64::from(signatures));
    u64::try_from(priority).unwrap_or(u64::MAX).saturating_add(base)
}

/// Lamports for each signature.
const BASE_FEE: u64 = 5_000;
