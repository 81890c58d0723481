//! A collateral is sold for what restores the account: no more of it than needed, and never at a price that makes it worse.
//!
//! Every unit of quote that comes in at `1 − δ` counted for `1 − h`: `(1.05·MM − E)·(1 − δ)/(h − δ)` restore the account, its debt
//! goes in any case, and more than debt and requirement together is never asked for. Worth is rounded down twice, so a sale may cost two units.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::auction::{RAMP_SLOTS, SHARE_ONE};
use bulwark_engine::collateral::Collateral;
use bulwark_engine::debt::owed;
use bulwark_engine::margin::{Health, HealthType};
use bulwark_engine::sale::Reason;
use bulwark_engine::units::Quote;
use model::vault::collateral;
use model::world::{NOW, ONE, any_lots, oracle};
use model::{Exact, config, int, of_price, ratio};
use proptest::prelude::*;

fn token(haircut: u32, mark: u64) -> Collateral {
    collateral([haircut.max(20_000), haircut], oracle(mark))
}

fn share(bits: u64) -> Exact {
    ratio(bits, SHARE_ONE)
}

/// An account in trouble: what it needs, its equity, its quote balance.
fn any_health() -> impl Strategy<Value = (Health, Quote)> {
    let quote = prop_oneof![2 => any_lots(36).prop_map(|owed| -owed.cast_signed()), 1 => 0..1_i64 << 36];
    (any_lots(36), 0..1_000_000_u64, quote).prop_map(|(needs, part, quote)| {
        let equity = i64::try_from(u128::from(needs) * u128::from(part) / 1_000_000).unwrap();
        (Health { equity: Quote(equity), requirement: Quote(needs.cast_signed()) }, Quote(quote))
    })
}

proptest! {
    #![proptest_config(config(2_000))]

    /// The haircut in Q32 is rounded down, by less than a bit, which counts for the account.
    #[test]
    fn what_is_wanted_is_that_of_the_formula(
        haircut in 10_000..=1_000_000_u32, (health, quote) in any_health(), elapsed in 0..30_u64, any in 0..=SHARE_ONE, ramp in any::<bool>(),
    ) {
        let token = token(haircut, ONE);
        let discount = match ramp {
            true => token.discount(Reason::Margin { elapsed, positions: true }, NOW).unwrap(),
            false => any,
        };
        let most = (health.requirement.0 - quote.0).max(0).unsigned_abs();
        prop_assert_eq!(token.wanted(health, (quote, false), discount), Ok(most), "without positions all");
        let gained = (u64::from(haircut) * SHARE_ONE / 1_000_000).saturating_sub(discount);
        let target = (int(health.requirement.0) * ratio(21, 20)).ceil();
        let restoring = if gained == 0 { int(0) } else {
            ((target - int(health.equity.0)) * int(SHARE_ONE - discount) / int(gained)).ceil()
        };
        let expected = restoring.max(int(owed(quote))).min(int(most));
        let wanted = token.wanted(health, (quote, true), discount).unwrap();
        prop_assert_eq!(int(wanted), expected);
        prop_assert!(gained > 0 || wanted == owed(quote).min(most), "where nothing is gained only the debt goes");
        prop_assert!(!ramp || elapsed < RAMP_SLOTS || gained == 0, "at the end of the ramp it is sold for what it counts");
    }

    #[test]
    fn a_sale_restores_the_account_and_a_token_less_would_not(
        haircut in 10_000..=1_000_000_u32, mark in ONE / 64..ONE * 64, (health, quote) in any_health(), elapsed in 0..30_u64,
        held in any_lots(50),
    ) {
        let token = token(haircut, mark);
        let discount = token.discount(Reason::Margin { elapsed, positions: true }, NOW).unwrap();
        let wanted = token.wanted(health, (quote, true), discount).unwrap();
        if wanted == 0 {
            return Ok(());
        }
        let sale = token.sell((held, u64::MAX), wanted, discount).unwrap();
        let worth = |amount| token.value(amount, HealthType::Liquidate, NOW).unwrap().cast_signed();
        let after = health.equity.0 + sale.proceeds.cast_signed() + worth(held - sale.amount) - worth(held);
        prop_assert!(after >= health.equity.0 - 1, "E/MM never falls: MM stays");
        prop_assert!(sale.proceeds <= wanted + 2 + token.oracle.price.mul_ceil(1).unwrap());
        let most = (health.requirement.0 - quote.0).max(0).unsigned_abs();
        let target = int(health.requirement.0) * ratio(21, 20);
        let restoring = wanted > owed(quote).min(most) || quote.0 >= 0;
        if restoring && wanted < most && sale.amount < held {
            prop_assert!(int(after) >= &target - int(2), "{} of {}", after, target);
        }
        // A token less: E + (amount − 1)·P·(h − δ) is not enough, where restoring is why it is sold at all. What is wanted and its
        // worth are rounded up to a unit, the target too, and what is gained down to a bit.
        let bits = (u64::from(haircut) * SHARE_ONE / 1_000_000).saturating_sub(discount);
        if restoring && bits > 0 {
            let (gained, kept) = (ratio(haircut, 1_000_000) - share(discount), int(1) - share(discount));
            let slack = &gained / kept + &gained + int(2) + (&target - int(health.equity.0)) / int(bits);
            let without = int(health.equity.0) + int(sale.amount - 1) * of_price(token.oracle.price) * gained;
            prop_assert!(without <= target + slack, "{} sold", sale.amount);
        }
    }
}

#[test]
fn what_is_wanted_by_hand() {
    // Haircut 10 %, MM 1 000, E 900: 150 are missing.
    let token = token(100_000, ONE);
    let health = Health { equity: Quote(900), requirement: Quote(1_000) };
    let at = |elapsed| token.discount(Reason::Margin { elapsed, positions: true }, NOW).unwrap();
    let wanted = |quote, elapsed| token.wanted(health, (Quote(quote), true), at(elapsed)).unwrap();
    // At 0.2 % off 150 · 0.998 / 0.098 = 1 527.6; at 5.1 % 150 · 0.949 / 0.049 = 2 905.1.
    assert_eq!([0, 10].map(|t| wanted(-5_000, t)), [5_000, 5_000], "the debt is more");
    assert_eq!([0, 10].map(|t| wanted(-1_000, t)), [1_528, 2_000], "never more than debt and requirement");
    assert_eq!([0, 10].map(|t| wanted(-2_500, t)), [2_500, 2_906]);
    assert_eq!([0, 10].map(|t| wanted(200, t)), [800, 800], "what there is counts");
    assert_eq!([wanted(-700, 20), wanted(200, 20)], [700, 0], "at the haircut nothing is gained");
    assert_eq!(wanted(1_001, 0), 0);
    assert_eq!(token.wanted(health, (Quote(-700), false), at(0)), Ok(1_700));
    let broke = Health { equity: Quote(-700), requirement: Quote(0) };
    assert_eq!(token.wanted(broke, (Quote(-700), false), SHARE_ONE), Ok(700));
    // 1 528 come in for 1 532 tokens, which counted 1 378.8: 1 050 again.
    let sale = token.sell((10_000, u64::MAX), wanted(-1_000, 0), at(0)).unwrap();
    assert_eq!((sale.amount, sale.proceeds), (1_532, 1_529));
    let worth = |amount| token.value(amount, HealthType::Liquidate, NOW).unwrap();
    assert_eq!(900 + sale.proceeds + worth(10_000 - 1_532) - worth(10_000), 1_050);
}
