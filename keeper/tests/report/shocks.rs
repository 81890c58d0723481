//! What a shock would do is what it does.

use bulwark_keeper::report::amount::Amount;
use bulwark_keeper::report::{Report, Scenario, Target};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, World};

use crate::scene::{edge_and_rock, report_on};

const ALONE: Target = Target::Market(SOL);

fn scenario(report: &Report, target: Target, percent: i32) -> &Scenario {
    let shock = bulwark_keeper::report::Shock::percent(percent).expect("a shock");
    let found = report.solvency.iter().find(|s| (s.target, s.shock_percent) == (target, shock));
    found.expect("a scenario")
}

/// Dollars and the price of a SOL in a print, to quote units of so many SOL.
fn worth(sol: u64, dollars: u64) -> i128 {
    i128::from(sol) * i128::from(dollars) * i128::from(DOLLAR)
}

#[test]
fn five_per_cent_put_exactly_the_one_on_the_edge_below_maintenance_and_ten_below_zero() {
    let (world, edge, rock) = edge_and_rock();
    let report = report_on(&world, &[&edge, &rock], (None, &[-10, -5, 5]));
    let counts = |percent| {
        let found = scenario(&report, ALONE, percent);
        (found.below_maintenance, found.negative, found.unknown)
    };
    assert_eq!(counts(5), (0, 0, 0));
    assert_eq!(counts(-5), (1, 0, 0));
    assert_eq!(counts(-10), (1, 1, 0));
    assert_eq!(scenario(&report, ALONE, -5).bad_debt, Amount::ZERO);

    // A thousand dollars, less 7.50 of fee and 3.00 of spread on 15,000 dollars, less 0.5625 that the trade has moved the price
    // by on average (a skew of 15,000 on a scale of 200 million), less 1,500 at 135 dollars: 511.0625 are missing.
    let bad = scenario(&report, ALONE, -10).bad_debt.0;
    assert!((bad - 511_062_500).abs() <= 24, "{bad}: a step of the price is 23 units of 100 SOL");
    // To the unit: what the account has, what its lots are worth at 135 dollars, and what they have cost.
    let account = world.margin(&edge.margin);
    let cost = i128::from(account.positions[0].quote.0);
    let exact = -(i128::from(account.quote.0) + worth(100, 135) + cost);
    assert!((bad - exact).abs() <= 24, "{bad} {exact}");
}

#[test]
fn health_and_pool_equity_at_a_shocked_price_are_those_after_the_price_has_moved() {
    let (mut world, edge, rock) = edge_and_rock();
    let short = world.funded_trader(50_000 * DOLLAR);
    world.open(&short, SOL, Side::Short, 30 * SOL_ASSET.one()).expect("open");
    let report = report_on(&world, &[&edge, &rock, &short], (None, &[-20, -10, 10]));
    let before = world.market(BTC);
    for (percent, dollars) in [(-20, 120), (-10, 135), (10, 165)] {
        let mut moved = world.fork();
        moved.move_price(SOL, dollars * PRINT);
        let core = moved.market(SOL).core;
        let equity = Amount::from(core.book.equity(core.mark()).expect("equity"));
        for target in [ALONE, Target::AllMarkets] {
            let found = scenario(&report, target, percent);
            assert_eq!(
                (found.pool_equity[0].market, found.pool_equity[0].equity),
                (SOL, equity),
                "{percent}"
            );
        }
        let below = moved.health(&edge.margin, HealthType::Maint).equity.0.min(0);
        assert_eq!(scenario(&report, ALONE, percent).bad_debt.0, -i128::from(below));
    }
    // Alone, only SOL moves; nobody holds BTC, so its pool keeps its equity wherever the price goes.
    assert_eq!(scenario(&report, ALONE, -10).pool_equity.len(), 1);
    let equity = before.core.book.equity(before.core.mark()).expect("equity");
    assert_eq!(scenario(&report, Target::AllMarkets, -20).pool_equity[1].equity, equity.into());
}

#[test]
fn collateral_moves_with_the_market_of_its_own_price_source_and_with_all_but_with_no_other() {
    let mut world = World::new();
    let holder = world.funded_trader(100 * DOLLAR);
    world.deposit_collateral(&holder, SOL_VAULT, 20 * SOL_ASSET.one()).expect("collateral");
    // 36,000 dollars need 1,116. 20 SOL count for 2,850 less what the trade has cost, at half the price for 1,425.
    world.open(&holder, BTC, Side::Long, BTC_ASSET.one() * 6 / 10).expect("open");
    let report = report_on(&world, &[&holder], (None, &[-70, 5]));
    let below = |target, percent| scenario(&report, target, percent).below_maintenance;
    assert_eq!([below(ALONE, -70), below(ALONE, 5)], [1, 0], "SOL backs it");
    assert_eq!(scenario(&report, ALONE, -70).negative, 0, "only its collateral has shrunk");
    assert_eq!(scenario(&report, Target::Market(BTC), -70).negative, 1);
    let alone = scenario(&report, Target::Market(BTC), -70).bad_debt;
    let all = scenario(&report, Target::AllMarkets, -70).bad_debt;
    // 20 SOL lose 70 % of 150 dollars, of which 95 % counted.
    let lost = worth(20, 105) * 95 / 100;
    assert!((all.0 - alone.0 - lost).abs() <= 24, "{all:?} {alone:?}");
}

#[test]
fn what_the_tiers_would_pay_is_what_they_pay_when_it_happens() {
    let (mut world, edge, rock) = edge_and_rock();
    let donor = world.trader(10_000 * DOLLAR);
    world.fund_insurance(&donor, 400 * DOLLAR).expect("fund");
    world.stake(&donor, 200 * DOLLAR).expect("stake");
    let report = report_on(&world, &[&edge, &rock], (None, &[-10, -7]));

    // At 139.50 dollars some 60 are missing: a quarter of the reserve is enough.
    let mild = scenario(&report, ALONE, -7);
    assert!(mild.suffices && mild.bad_debt > Amount::ZERO);
    assert_eq!(mild.payers.reserve, mild.bad_debt);
    assert_eq!((mild.payers.stake, mild.payers.rest), (Amount::ZERO, Amount::ZERO));

    // At 135 a quarter of the reserve and half of the stake pay 200 dollars of some 510.
    let hard = scenario(&report, ALONE, -10);
    assert!(!hard.suffices);
    assert_eq!(hard.stands_against, Amount::from(600 * DOLLAR));
    assert_eq!((hard.payers.reserve, hard.payers.stake), ((100 * DOLLAR).into(), (100 * DOLLAR).into()));
    assert_eq!(hard.payers.rest, hard.bad_debt.minus(200 * DOLLAR));

    world.move_price(SOL, 135 * PRINT);
    world.liquidate_to_pool(&edge.margin, SOL, None).expect("what reduces the skew goes at once");
    let outcome = world.resolve_bankruptcy(&edge.margin, SOL).expect("bankrupt");
    let resolved = outcome.events.iter().find_map(|event| match event {
        Event::BankruptcyResolved(resolved) => Some(resolved.clone()),
        _ => None,
    });
    let resolved = resolved.expect("a resolution");
    // The bound is rounded down with the position's worth, the fill is not.
    assert!((0..=1).contains(&hard.bad_debt.minus(resolved.debt).0), "{hard:?} {resolved:?}");
    assert_eq!(
        [hard.payers.insurance, hard.payers.reserve, hard.payers.stake],
        [resolved.insurance, resolved.reserve, resolved.backstop].map(Amount::from)
    );
}

#[test]
fn debts_of_an_account_are_those_of_the_markets_where_it_would_lose_them() {
    let mut world = World::new();
    let both = world.funded_trader(3_000 * DOLLAR);
    world.open(&both, SOL, Side::Long, 100 * SOL_ASSET.one()).expect("open");
    world.open(&both, BTC, Side::Long, BTC_ASSET.one() / 4).expect("open");
    // Only the BTC market has insurance: it pays for BTC alone.
    world.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(BTC), |market| {
        market.core.book.insurance = 100_000 * DOLLAR;
    });
    let report = report_on(&world, &[&both], (None, &[-30]));
    let [sol, btc, all] =
        [ALONE, Target::Market(BTC), Target::AllMarkets].map(|target| scenario(&report, target, -30).clone());
    // What the BTC trade has cost is lost there whatever SOL does: 3.00 of spread and 0.5625 of impact on 15,000 dollars.
    assert!((sol.payers.insurance.0 - 3_562_500).abs() <= 2, "{sol:?}");
    assert_eq!((sol.payers.rest, sol.suffices), (sol.bad_debt.minus(sol.payers.insurance), false));
    assert_eq!(sol.stands_against, (100_000 * DOLLAR).into());
    assert_eq!((btc.payers.insurance, btc.payers.rest, btc.suffices), (btc.bad_debt, Amount::ZERO, true));
    assert!(all.payers.insurance > Amount::ZERO && all.payers.rest > Amount::ZERO && !all.suffices);
    // The parts are rounded up, each by less than a unit.
    let parts = all.payers.insurance.0 + all.payers.rest.0;
    assert!((all.bad_debt.0..=all.bad_debt.0 + 2).contains(&parts));
}

#[test]
fn what_has_no_price_after_a_shock_makes_its_holders_unknown() {
    let (mut world, edge, rock) = edge_and_rock();
    world.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(SOL), |market| {
        let least = bulwark_sdk::engine::units::Price::MIN;
        (market.core.oracle.price, market.core.oracle.ema) = (least, least);
    });
    let report = report_on(&world, &[&edge, &rock], (None, &[-5]));
    let found = scenario(&report, ALONE, -5);
    assert_eq!((found.unknown, found.negative, found.pool_equity.len()), (2, 0, 0));
}

#[test]
fn who_is_in_trouble_already_is_so_wherever_another_market_goes() {
    let (mut world, edge, rock) = edge_and_rock();
    world.move_price(SOL, 135 * PRINT);
    let report = report_on(&world, &[&edge, &rock], (None, &[-5, 5]));
    let now = -i128::from(world.health(&edge.margin, HealthType::Maint).equity.0);
    for percent in [-5, 5] {
        let found = scenario(&report, Target::Market(BTC), percent);
        assert_eq!((found.below_maintenance, found.negative, found.bad_debt.0), (1, 1, now));
        // The market that bears the debt has no insurance, whichever one moves.
        assert_eq!(found.payers.rest, found.bad_debt);
    }
}
