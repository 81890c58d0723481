//! What a transaction brings the keeper's margin account, read from its events.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::{PPM, Price};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{Liquidated, LiquidationKind, Traded};

/// Quote units that events bring a margin account: pay, and what taking over and closing comes to. A position or a collateral
/// that is kept counts for its concession, and what a trade leaves of a position keeps its profit: then only what the trade
/// itself cost counts.
#[must_use]
pub fn earnings(events: &[Event], own: &Pubkey) -> i64 {
    earnings_from(events, own, None)
}

/// The same, for work about one account in a transaction that may have liquidated others, too.
#[must_use]
pub fn earnings_from(events: &[Event], own: &Pubkey, account: Option<Pubkey>) -> i64 {
    let elsewhere = |fill: &Liquidated| account.is_some_and(|account| account != fill.account);
    let mut sum = 0_i64;
    for (at, event) in events.iter().enumerate() {
        let brought = match event {
            Event::Liquidated(fill) if fill.liquidator == *own && !elsewhere(fill) => {
                let closed = closed(events.get(at..).unwrap_or_default(), fill);
                let concession = match fill.kind {
                    LiquidationKind::Takeover if !closed => signed(fill.concession),
                    _ => 0,
                };
                signed(fill.keeper).saturating_add(concession)
            }
            Event::Traded(trade) if trade.account == *own => {
                let fees = [trade.fee_pool, trade.fee_insurance, trade.fee_protocol];
                let moved = if trade.position_lots == 0 { trade.paid } else { at_mark(trade) };
                fees.into_iter().fold(moved, |moved, fee| moved.saturating_sub(signed(fee)))
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

/// Whether a takeover is closed again by what follows, and nothing is left.
fn closed(rest: &[Event], fill: &Liquidated) -> bool {
    let closes = |trade: &Traded| {
        trade.account == fill.liquidator && trade.market == fill.market && trade.position_lots == 0
    };
    rest.iter().any(|event| matches!(event, Event::Traded(trade) if closes(trade)))
}

/// What a trade brings against the mark, fees not taken off: never more than nothing but for the curve.
fn at_mark(trade: &Traded) -> i64 {
    let (lots, price) = (trade.lots.unsigned_abs(), Price::from_bits(trade.price));
    let worth = if trade.lots < 0 {
        price.and_then(|price| price.mul_ceil(lots)).map_or(i64::MAX, signed).saturating_neg()
    } else {
        price.and_then(|price| price.mul_floor(lots)).map_or(0, signed)
    };
    let lost = [trade.spread, trade.toxic_fee].into_iter().map(signed);
    lost.fold(worth.saturating_sub(trade.curve), i64::saturating_sub)
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

#[cfg(test)]
mod tests {
    use bulwark_sdk::program::events::{CollateralSold, TriggerExecuted};

    use super::*;

    const OWN: Pubkey = Pubkey::new_from_array([1; 32]);
    const OTHER: Pubkey = Pubkey::new_from_array([2; 32]);
    /// One quote unit a lot.
    const PRICE: u64 = 1 << 32;

    fn liquidated(liquidator: Pubkey, kind: LiquidationKind, (concession, keeper): (u64, u64)) -> Event {
        Event::Liquidated(Liquidated {
            account: OTHER,
            market: 3,
            sequence: 0,
            liquidator,
            kind,
            elapsed: 0,
            side: 1,
            lots: 1_000,
            price: PRICE,
            cost: 0,
            concession,
            realised: 0,
            paid: 0,
            claim: 0,
            insurance: 0,
            keeper,
            quote_change: 0,
            unwound_lots: 0,
            unwound_quote: 0,
            position_lots: 0,
            position_quote: 0,
            liquidator_lots: 0,
            liquidator_quote: 0,
        })
    }

    /// Buys 1,000 lots for 1,004 with a spread of 2 and fees of 5 + 3 + 1.
    fn bought(account: Pubkey, (paid, left): (i64, i64)) -> Event {
        Event::Traded(Traded {
            account,
            market: 3,
            sequence: 0,
            lots: 1_000,
            price: PRICE,
            curve: 1_004,
            spread: 2,
            fee_pool: 5,
            fee_insurance: 3,
            fee_protocol: 1,
            realised: paid,
            toxic_fee: 0,
            paid,
            claim: 0,
            unwound_lots: 0,
            unwound_quote: 0,
            position_lots: left,
            position_quote: 0,
        })
    }

    #[test]
    fn a_takeover_that_is_closed_brings_what_is_paid_less_fees_and_one_that_is_kept_its_concession() {
        let taken = liquidated(OWN, LiquidationKind::Takeover, (50, 0));
        assert_eq!(earnings(std::slice::from_ref(&taken), &OWN), 50);
        assert_eq!(earnings(&[taken.clone(), bought(OWN, (44, 0))], &OWN), 44 - 9);
        assert_eq!(earnings(&[taken.clone(), bought(OTHER, (44, 0))], &OWN), 50, "somebody else's trade");
        assert_eq!(earnings(&[taken, bought(OWN, (44, 0))], &OTHER), 0);
    }

    #[test]
    fn beside_a_position_that_stays_the_concession_counts_less_what_closing_cost_whatever_is_realised() {
        let taken = liquidated(OWN, LiquidationKind::Takeover, (50, 0));
        for paid in [-1_000_000, 0, 1_000_000] {
            let both = [taken.clone(), bought(OWN, (paid, -7))];
            assert_eq!(earnings(&both, &OWN), 50 - 4 - 2 - 9);
        }
    }

    #[test]
    fn pay_for_calls_collateral_and_triggers_adds_up() {
        let sale = Event::CollateralSold(CollateralSold {
            account: OTHER,
            vault: 1,
            sequence: 0,
            liquidator: OWN,
            amount: 500,
            price: PRICE,
            discount: 0,
            proceeds: 480,
        });
        let trigger = Event::TriggerExecuted(TriggerExecuted {
            account: OTHER,
            market: 3,
            sequence: 0,
            id: 1,
            keeper: OWN,
            fee: 7,
        });
        let tip = liquidated(OWN, LiquidationKind::PoolReduction, (50, 30));
        assert_eq!(earnings(&[sale, trigger, tip], &OWN), 20 + 7 + 30);
        assert_eq!(earnings(&[], &OWN), 0);
    }

    #[test]
    fn who_went_together_earned_what_their_own_account_brought() {
        let tip = |account, keeper| match liquidated(OWN, LiquidationKind::PoolReduction, (0, keeper)) {
            Event::Liquidated(fill) => Event::Liquidated(Liquidated { account, ..fill }),
            other => other,
        };
        let accounts = [4, 5, 6].map(|byte| Pubkey::new_from_array([byte; 32]));
        let events = [tip(accounts[0], 100), tip(accounts[1], 30)];
        assert_eq!(accounts.map(|account| earnings_from(&events, &OWN, Some(account))), [100, 30, 0]);
        assert_eq!(earnings_from(&events, &OWN, None), 130);
    }

    #[test]
    fn a_transaction_costs_its_signatures_and_what_its_limit_costs() {
        assert_eq!(cost(1, 200_000, None), 5_000);
        assert_eq!(cost(2, 200_000, Some(1)), 10_001, "rounded up");
        assert_eq!(cost(1, 1_000_000, Some(50)), 5_050);
        assert_eq!(cost(1, u32::MAX, Some(u64::MAX)), u64::MAX);
    }
}
