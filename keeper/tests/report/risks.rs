//! Who is at risk is whom the program would liquidate.

use bulwark_keeper::report::amount::Amount;
use bulwark_keeper::report::risk::Standing;
use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::program::state::{Market, MarketStatus};
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{BTC, SOL};

use crate::scene::{edge_and_rock, report_on};

#[test]
fn the_nearest_comes_first_with_its_health_and_its_distance() {
    let (mut world, edge, rock) = edge_and_rock();
    let idle = world.funded_trader(5 * DOLLAR);
    let report = report_on(&world, &[&rock, &idle, &edge], (None, &[]));
    let counts = report.risks.counts;
    assert_eq!((counts.accounts, counts.positions), (3, 2));
    assert_eq!((counts.in_trouble, counts.doubtful, counts.indebted, counts.unknown), (0, 0, 0, 0));
    let [first, second] = &report.risks.nearest[..] else { panic!("{:?}", report.risks) };
    assert_eq!((&first.account, &second.account), (&edge.margin.to_string(), &rock.margin.to_string()));
    let health = world.health(&edge.margin, HealthType::Maint);
    assert_eq!((first.equity, first.requirement), (health.equity.into(), health.requirement.into()));
    assert_eq!((first.first, first.standing, first.auction_elapsed), (Some(SOL), Standing::Healthy, None));
    // 989.5 dollars of equity on 15,000, of which 3.1 % are needed: 1 − (1 − 0.06597) / (1 − 0.031) = 3.6 %.
    let distance = first.distance_ppm.expect("a distance");
    assert!((-36_200..-36_000).contains(&distance), "{distance}");
    // A hundred thousand dollars carry a hundred SOL whatever they cost.
    assert_eq!(second.distance_ppm, None);
}

#[test]
fn an_account_in_trouble_is_counted_and_shows_its_auction() {
    let (mut world, edge, rock) = edge_and_rock();
    world.move_price(SOL, 143 * PRINT);
    let keeper = world.funded_trader(50_000 * DOLLAR);
    world.liquidate(&keeper, &edge.margin, SOL, 0).expect("starts the auction");
    world.advance_slots(5);
    let report = report_on(&world, &[&edge, &rock, &keeper], (None, &[]));
    assert_eq!(report.risks.counts.in_trouble, 1);
    let first = &report.risks.nearest[0];
    assert_eq!((first.standing, first.auction_elapsed), (Standing::InTrouble, Some(5)));
    assert!(first.equity < first.requirement && first.distance_ppm > Some(0), "{first:?}");
}

#[test]
fn whom_only_a_refresh_may_save_is_doubtful() {
    let (mut world, edge, rock) = edge_and_rock();
    world.move_price(SOL, 143 * PRINT);
    world.advance(120);
    let report = report_on(&world, &[&edge, &rock], (None, &[]));
    let counts = report.risks.counts;
    assert_eq!((counts.in_trouble, counts.doubtful), (0, 1), "{counts:?}");
    assert_eq!(report.risks.nearest[0].standing, Standing::Doubtful);
    assert_eq!((report.markets[0].oracle, report.markets[0].age_seconds), ("stale", 120));
}

#[test]
fn a_market_is_shown_as_it_stands() {
    let (world, edge, rock) = edge_and_rock();
    let report = report_on(&world, &[&edge, &rock], (None, &[]));
    let (shown, core) = (&report.markets[0], world.market(SOL).core);
    assert_eq!((shown.index, shown.status.as_str(), shown.price.as_str()), (SOL, "active", "150.000000"));
    assert_eq!((shown.long_base.as_str(), shown.short_base.as_str()), ("200.000000000", "0.000000000"));
    let worth = Amount::from(core.notional(core.book.long.lots).expect("worth"));
    assert_eq!((shown.long, shown.short, shown.skew), (worth, Amount::ZERO, worth));
    assert_eq!(shown.equity, core.book.equity(core.mark()).expect("equity").into());
    assert_eq!((shown.oi_scale_ppm, shown.deleveraging_slots, shown.settling_since), (1_000_000, None, None));
}

#[test]
fn a_market_that_reduces_exposure_or_settles_says_since_when() {
    let (mut world, edge, rock) = edge_and_rock();
    let (slot, now) = (world.slot(), world.now());
    world.tamper::<Market>(&address::market(SOL), |market| market.core.deleveraging_since = slot - 7);
    world.tamper::<Market>(&address::market(BTC), |market| {
        (market.status, market.core.settling_since) = (MarketStatus::Settling.to_byte(), now - 60);
        market.pause = 1;
    });
    let report = report_on(&world, &[&edge, &rock], (None, &[-10]));
    let [sol, btc] = &report.markets[..] else { panic!("{:?}", report.markets) };
    assert_eq!((sol.deleveraging_slots, sol.remark().as_str()), (Some(7), "deleveraging for 7 slots"));
    assert_eq!((btc.status.as_str(), btc.settling_since), ("settling, paused", Some(now - 60)));
    // A frozen price is not shocked: the pool's equity there is what it was.
    let equity = report.solvency[0].pool_equity.iter().find(|held| held.market == BTC).expect("equity");
    assert_eq!(equity.equity, btc.equity);
}
