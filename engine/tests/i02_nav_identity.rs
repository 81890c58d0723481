//! I2: what the traders and the pool own together is what there is, at any price, settled or not.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::units::Side;
use model::world::{
    ACCOUNTS, Done, HALF, ONE, Op, PARAMS, Twin, World, any_lend, any_move, any_side, any_trade, any_unwind,
    price,
};
use model::{config, int, of_carry, of_price, pnl, within_above};
use proptest::prelude::*;

fn any_history() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(
        prop_oneof![8 => any_trade(), 2 => any_move(), 1 => any_unwind(), 1 => any_lend()],
        1..60,
    )
}

/// The parts of a report sum exactly, and the change of the account's quote is what the ledgers say.
fn require_sums(op: &Op, done: &Done, before: &World, after: &World) {
    let (cash_in, fees_in) = (
        i128::from(after.market.book.cash) - i128::from(before.market.book.cash),
        i128::from(after.market.book.fees.total().unwrap())
            - i128::from(before.market.book.fees.total().unwrap()),
    );
    match done {
        Done::Trade(report) => {
            assert_eq!(fees_in, i128::from(report.fee), "{op:?}");
            assert_eq!(report.fees.total(), Ok(report.fee), "{op:?}");
            assert_eq!(cash_in, -i128::from(report.paid.0), "{op:?}");
            assert_eq!(i128::from(report.quote_change.0), -cash_in - fees_in, "{op:?}");
            assert_eq!(
                i128::from(report.realised.0),
                i128::from(report.paid.0) + i128::from(report.claim),
                "{op:?}"
            );
            assert_eq!(report.fill.cost.0, report.fill.curve.0 + i64::try_from(report.fill.spread).unwrap());
        }
        Done::Settle(report) => {
            assert_eq!((fees_in, cash_in), (0, -i128::from(report.quote_change.0)), "{op:?}");
            let parts = i128::from(report.claim_paid) - i128::from(report.loss);
            assert_eq!(i128::from(report.quote_change.0), parts, "{op:?}");
        }
        Done::Unwind(_) => assert_eq!((fees_in, cash_in), (0, 0), "{op:?}"),
        Done::Moved => {}
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn money_is_neither_made_nor_lost_by_any_operation_at_any_price(history in any_history()) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        let money = world.money();
        for op in &history {
            let before = world.clone();
            if let Ok(done) = world.apply(op) {
                require_sums(op, &done, &before, &world);
            }
            prop_assert_eq!(world.money(), money, "{:?}", op);
        }
    }

    /// Market equity, fees and account values sum to the money there is; the market rounds what it owes up by
    /// less than a unit per side, each account its value down by less than a unit.
    #[test]
    fn equity_and_account_values_sum_to_the_money_there_is(
        history in prop::collection::vec(prop_oneof![6 => any_trade(), 2 => any_move(), 1 => any_lend()], 1..50),
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        let money = world.money();
        for op in &history {
            let _ = world.apply(op);
            let (book, mark) = (&world.market.book, world.market.mark());
            let mut sum = i128::from(book.equity(mark).unwrap().0) + world.outside;
            sum += i128::from(book.insurance) + i128::from(book.fees.total().unwrap());
            for account in &world.accounts {
                let position = &account.position;
                let ladder = book.side(position.side().unwrap());
                let at = bulwark_engine::units::NormalPrice::new(mark, ladder.carry).unwrap();
                let holding = if position.is_open() { ladder.member(position).unwrap() } else { Default::default() };
                sum += i128::from(account.quote) + i128::from(holding.pnl(at).unwrap().0);
            }
            let most = i128::try_from(ACCOUNTS).unwrap() + 2;
            prop_assert!(sum <= money && sum > money - most, "{}: {} of {}", sum - money, sum, money);
        }
    }

    /// With unwinds too T is never understated at any price at or above both carries, and overstated by no more
    /// than the dust: every unwind rounds each occupied bucket once, and every operation and account at most one
    /// member, by less than a lot and a unit.
    #[test]
    fn what_traders_are_owed_is_never_understated(
        history in prop::collection::vec(
            prop_oneof![6 => any_trade(), 2 => any_move(), 3 => any_unwind(), 1 => any_lend()], 1..60,
        ),
        elsewhere in ONE / 4..ONE * 8,
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        let money = world.money();
        let mut roundings = ACCOUNTS;
        for op in &history {
            match world.apply(op) {
                Ok(Done::Unwind(report)) => roundings += usize::try_from(report.buckets).unwrap(),
                Ok(Done::Trade(_) | Done::Settle(_)) => roundings += 1,
                _ => {}
            }
            let book = &world.market.book;
            for at in [world.market.mark(), price(elsewhere)] {
                let carries = Side::BOTH.map(|side| of_carry(book.side(side).carry));
                if carries.iter().any(|carry| of_price(at) < *carry) {
                    continue; // below its carry a lot is a debt of a long: rounding it away favours the holder
                }
                let (mut owed, mut slack) = (int(0), int(2));
                for carry in &carries {
                    slack += (of_price(at) - carry + int(1)) * int(roundings);
                }
                for (who, account) in world.accounts.iter().enumerate() {
                    let side = usize::from(account.position.side);
                    owed += pnl(world.holding(who), &of_price(at), &carries[side]);
                }
                let stated = int(book.traders_pnl(at).unwrap().0);
                prop_assert!(within_above(&owed, &stated, &slack), "{:?}: {} for {}", op, stated, owed);
                let venue = int(book.equity(at).unwrap().0) + int(book.tokens().unwrap() - book.cash) + int(world.outside);
                let quotes = world.accounts.iter().fold(int(0), |sum, a| sum + int(a.quote));
                prop_assert!(venue + quotes + owed <= int(money), "{:?}: promised more than there is", op);
            }
        }
    }

    /// The engine's value of an account is never above the exact one, and below it by less than 6 units a trade.
    #[test]
    fn an_account_is_worth_what_the_exact_model_says(
        history in prop::collection::vec(prop_oneof![6 => any_trade(), 2 => any_move(), 1 => any_lend()], 1..40),
    ) {
        let mut twin = Twin::new(&PARAMS, HALF, 1 << 40);
        for op in &history {
            let _ = twin.apply(op);
            let slack = int(6 * twin.trades);
            for who in 0..ACCOUNTS {
                let (engine, exact) = (twin.world.value(who), twin.model.value(who));
                prop_assert!(within_above(&engine, &exact, &slack), "{:?}: {} of {}", op, engine, exact);
            }
        }
    }

    /// Settling after each unwind or once at the end: each settling rounds the lots by less than a lot and the
    /// quote by less than a unit against the holder, so the values differ by less than `unwinds · (P + 1)` either
    /// way, and settling leaves no more than what was there before rounding.
    #[test]
    fn settling_lazily_or_eagerly_agrees(
        opened in prop::collection::vec((any_side(), 1_000_000_u64..1 << 32), ACCOUNTS),
        unwinds in prop::collection::vec((any_side(), 0..FRACTION_ONE / 2), 1..10),
    ) {
        let mut lazy = World::new(&PARAMS, HALF, 1 << 50);
        for (who, &(side, lots)) in opened.iter().enumerate() {
            let _ = lazy.apply(&Op::Increase { who, side, lots });
        }
        let mut eager = lazy.clone();
        for &(side, h) in &unwinds {
            // Far from every entry: each side is wholly in profit.
            let far = Op::Price { bits: if side == Side::Long { ONE } else { HALF / 2 } };
            for world in [&mut lazy, &mut eager] {
                world.apply(&far).unwrap();
                world.apply(&Op::Unwind { side, h }).unwrap();
            }
            for who in 0..ACCOUNTS {
                let _ = eager.apply(&Op::Settle { who });
            }
        }
        let most: Vec<_> = (0..ACCOUNTS).map(|who| lazy.unrounded_value(who)).collect();
        for (who, most) in most.iter().enumerate() {
            let _ = lazy.apply(&Op::Settle { who });
            prop_assert!(lazy.value(who) <= *most);
            let slack = (of_price(lazy.market.mark()) + int(1)) * int(unwinds.len());
            let difference = lazy.value(who) - eager.value(who);
            prop_assert!(-slack.clone() < difference && difference < slack, "{}", difference);
        }
    }

    /// T(P) of the ladders is Σ PnL of the members but for the dust of lazy settlement, at any other price too.
    #[test]
    fn the_sum_formula_holds_at_every_price(
        history in prop::collection::vec(any_trade(), 1..30), bits in ONE / 8..ONE * 8,
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        for op in &history {
            let _ = world.apply(op);
        }
        let book = &world.market.book;
        let exact = (0..ACCOUNTS).fold(int(0), |sum, who| {
            let carry = of_carry(book.side(world.accounts[who].position.side().unwrap()).carry);
            sum + pnl(world.holding(who), &of_price(price(bits)), &carry)
        });
        let owed = int(book.traders_pnl(price(bits)).unwrap().0);
        prop_assert!(within_above(&exact, &owed, &int(2)), "{} of {}", owed, exact);
    }
}
