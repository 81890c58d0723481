//! A collateral is sold for quote, by the account it stands for: never more of it than is wanted, never at a price that leaves
//! an account with positions worse off, and at last at any price.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::auction::{RAMP_SLOTS, SHARE_ONE, TAKEOVER_SLOTS};
use bulwark_engine::collateral::Collateral;
use bulwark_engine::margin::HealthType;
use bulwark_engine::price::DEAD_AFTER;
use bulwark_engine::sale::{CLEARING_SLOTS, DECAY, OUTAGE, Reason};
use model::vault::collateral;
use model::world::{NOW, ONE, any_lots, oracle};
use model::{Exact, config, int, of_price, ratio};
use proptest::prelude::*;

fn share(bits: u64) -> Exact {
    ratio(bits, SHARE_ONE)
}

fn token(haircut: u32, mark: u64) -> Collateral {
    collateral([haircut.max(20_000), haircut], oracle(mark))
}

const fn margin(elapsed: u64, positions: bool) -> Reason {
    Reason::Margin { elapsed, positions }
}

fn any_reason() -> impl Strategy<Value = Reason> {
    prop_oneof![1 => Just(Reason::Debt), 4 => (prop_oneof![0..200_u64, 0..10_000_u64], any::<bool>()).prop_map(|(t, p)| margin(t, p))]
}

proptest! {
    #![proptest_config(config(600))]

    /// In units of 2^-32: haircut and start lose less than one, the ramp one, and the way to everything one.
    #[test]
    fn the_discount_rises_to_the_haircut_and_without_positions_to_everything(
        haircut in 10_000..=1_000_000_u32, mark in ONE / 2..ONE * 2,
    ) {
        let (token, bit) = (token(haircut, mark), ratio(3, SHARE_ONE));
        let most = ratio(haircut, 1_000_000);
        let start = ratio(2_000, 1_000_000).min(&most / int(4));
        for positions in [true, false] {
            let mut last = 0;
            for elapsed in (0..60).chain((100..=TAKEOVER_SLOTS + CLEARING_SLOTS).step_by(895)) {
                let discount = token.discount(margin(elapsed, positions), NOW).unwrap();
                let ramp = &start + (&most - &start) * ratio(elapsed.min(RAMP_SLOTS), RAMP_SLOTS);
                let late = ratio(elapsed.saturating_sub(TAKEOVER_SLOTS).min(CLEARING_SLOTS), CLEARING_SLOTS);
                let exact = if positions { ramp } else { &ramp + (int(1) - &ramp) * late };
                prop_assert!(share(discount) <= exact && share(discount) > exact - &bit);
                prop_assert!(discount >= last);
                prop_assert!(!positions || share(discount) <= most);
                last = discount;
            }
            prop_assert!(positions || last == SHARE_ONE, "it clears to nothing, exactly");
            let debt = token.discount(Reason::Debt, NOW).unwrap();
            prop_assert_eq!(debt, token.discount(margin(0, positions), NOW).unwrap());
        }
    }

    /// A price that is dead for a day loses its worth over six more, as a discount and in the account's value alike. Before,
    /// nothing is sold at a price that is no fill's: for a debt only at a Fresh one, in an auction at a Wide one too.
    #[test]
    fn a_dead_price_fades_over_a_week(
        haircut in 10_000..=1_000_000_u32, age in prop_oneof![0..60_i64, DEAD_AFTER + 1..8 * 86_400_i64], disputed in any::<bool>(),
        wide in any::<bool>(), reason in any_reason(), amount in any_lots(36), mark in ONE / 2..ONE * 2,
    ) {
        let (mut token, now) = (token(haircut, mark), NOW + age);
        token.oracle.divergent = u8::from(disputed);
        token.oracle.conf = if wide { mark / 4 } else { 0 };
        let faded = u64::try_from((age - OUTAGE).clamp(0, DECAY)).unwrap() * 1_000_000 / DECAY.unsigned_abs();
        prop_assert_eq!(u64::from(token.faded_ppm(now).unwrap()), faded);
        let fill = !disputed && age <= 5;
        let allowed = if reason == Reason::Debt { fill && !wide } else { fill || faded > 0 };
        match token.discount(reason, now) {
            Err(EngineError::PriceNotUsable { .. }) => prop_assert!(!allowed),
            discount if faded > 0 => {
                prop_assert!(reason != Reason::Debt);
                prop_assert_eq!(int(discount.unwrap()), (ratio(faded, 1_000_000) * int(SHARE_ONE)).floor());
            }
            discount => {
                token.oracle = oracle(mark);
                prop_assert!(allowed && discount == token.discount(reason, NOW));
            }
        }
        if age < 60 {
            return Ok(());
        }
        let worth = int(amount) * of_price(token.oracle.price);
        let counted = (worth.floor() * (int(1) - ratio(faded, 1_000_000))).floor();
        prop_assert_eq!(int(token.value(amount, HealthType::Liquidate, now).unwrap()), counted);
        prop_assert!(age <= OUTAGE + DECAY || faded == 1_000_000);
    }

    /// The buyer pays what was asked, rounded up at the price and at the discount: less than two units more.
    #[test]
    fn no_more_is_sold_than_is_wanted_and_the_buyer_pays_the_rounding(
        haircut in 10_000..=1_000_000_u32, mark in ONE / 1_000..ONE * 1_000, held in any_lots(40),
        most in prop_oneof![Just(u64::MAX), any_lots(40)], wanted in any_lots(40), reason in any_reason(),
    ) {
        let token = token(haircut, mark);
        let discount = token.discount(reason, NOW).unwrap();
        let sale = token.sell((held, most), wanted, discount).unwrap();
        prop_assert!(sale.amount <= held.min(most) && sale.amount > 0 && sale.discount == discount);
        let kept = int(1) - share(discount);
        let price = of_price(token.oracle.price) * &kept;
        let exact = int(sale.amount) * &price;
        prop_assert!(int(sale.proceeds) >= exact && int(sale.proceeds) < &exact + int(2));
        if sale.amount < held.min(most) {
            prop_assert!(exact >= int(wanted), "what is wanted comes in");
        }
        // A token unit less would bring in less than is wanted and a unit.
        prop_assert!(int(sale.amount - 1) * price < int(wanted) + int(1));
        prop_assert!(discount < SHARE_ONE || sale.proceeds == 0 && sale.amount == held.min(most));
    }

    /// With positions the discount stays below the haircut: what is sold brings in no less than it counted for. An account's
    /// equity does not fall, nor does its equity over its requirement, but for the two units by which the rest rounds down.
    #[test]
    fn equity_does_not_fall_by_a_sale_while_there_are_positions(
        haircut in 10_000..=1_000_000_u32, mark in ONE / 1_000..ONE * 1_000, held in any_lots(40), most in any_lots(40),
        wanted in any_lots(40), elapsed in 0..200_u64, dead in prop::option::of(OUTAGE..8 * 86_400),
    ) {
        let (token, now) = (token(haircut, mark), NOW + dead.unwrap_or(0));
        let Ok(discount) = token.discount(margin(elapsed, true), now) else { return Ok(()) };
        let sale = token.sell((held, most), wanted, discount).unwrap();
        let value = |amount| i128::from(token.value(amount, HealthType::Liquidate, now).unwrap());
        let change = i128::from(sale.proceeds) + value(held - sale.amount) - value(held);
        prop_assert!(change >= -1, "{}", change);
    }

    #[test]
    fn nothing_is_sold_for_nothing_wanted(held in any_lots(40), wanted in any_lots(40), reason in any_reason()) {
        let token = token(100_000, ONE);
        let discount = token.discount(reason, NOW).unwrap();
        prop_assert_eq!(token.sell((held, held), 0, discount), Err(EngineError::ZeroAmount));
        prop_assert_eq!(token.sell((0, held), wanted, discount), Err(EngineError::ZeroAmount));
        prop_assert_eq!(token.sell((held, 0), wanted, discount), Err(EngineError::ZeroAmount));
    }
}

#[test]
fn a_sale_by_hand() {
    // Haircut 10 %, price 2: 0.2 % at first, half way 5.1 %, 10 % from slot 20 on; all of it 9 000 slots after slot 50.
    let token = token(100_000, 2 * ONE);
    let ppm = |elapsed, positions| {
        let discount = token.discount(margin(elapsed, positions), NOW).unwrap();
        (u128::from(discount) * 1_000_000).div_ceil(u128::from(SHARE_ONE))
    };
    assert_eq!(
        [0, 10, 20, 50, 90, 130].map(|t| ppm(t, true)),
        [2_000, 51_000, 100_000, 100_000, 100_000, 100_000]
    );
    assert_eq!(
        [0, 50, 51, 4_550, 9_050].map(|t| ppm(t, false)),
        [2_000, 100_000, 100_100, 550_000, 1_000_000]
    );
    // 900 wanted at 10 % off: 1 000 worth, 500 tokens. Q32 rounds the discount down, so a hair more comes in.
    let at = token.discount(margin(20, true), NOW).unwrap();
    let sold =
        |held, most, wanted| token.sell((held, most), wanted, at).map(|sale| (sale.amount, sale.proceeds));
    assert_eq!(sold(1_000, 1_000, 900), Ok((500, 901)));
    assert_eq!(sold(400, 1_000, 900), Ok((400, 721)));
    assert_eq!(sold(1_000, 300, 900), Ok((300, 541)));
    assert_eq!(sold(1_000, 1_000, 1), Ok((1, 2)), "a token at least");
    let all = token.sell((1_000, 700), 1, SHARE_ONE).unwrap();
    assert_eq!((all.amount, all.proceeds), (700, 0), "at everything off all is given away");
}
