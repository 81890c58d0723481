//! Parameters that are judged together, by what there is, or that reach further than their own account.

use bulwark_sdk::address;
use bulwark_sdk::engine::collateral::{CollateralParams, QuoteWeight};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{Exchange, Vault};
use bulwark_tests::fixtures::{DOLLAR, SOL_ASSET};
use bulwark_tests::{SOL, SOL_VAULT, World};

use super::rows::VAULT_BASE;
use super::{Kind, Parameters, market, quote_vault, refuse, set_vault, vault};

/// By the admin at once, and by a change: both refused as out of bounds.
#[track_caller]
fn refuse_both<P: Parameters>(world: &mut World, (kind, params): (&Kind<P>, P), says: &str) {
    let admin = world.admin.insecure_clone();
    let says = ("ParameterOutOfBounds", says);
    refuse(world, says, |world| kind.tighten(world, &admin, params));
    refuse(world, says, |world| kind.propose(world, params));
}

/// By the admin at once in a copy of the world, and by a change in another one: both in force.
#[track_caller]
fn accept_both<P: Parameters>(world: &World, kind: &Kind<P>, params: P) {
    let (mut at_once, mut later, admin) = (world.fork(), world.fork(), world.admin.insecure_clone());
    kind.tighten(&mut at_once, &admin, params).expect("tighten");
    later.enact((kind.payload)(params)).expect("a change");
    assert_eq!([kind.params(&at_once), kind.params(&later)], [params; 2]);
}

#[test]
fn maintenance_margin_survives_the_gap_whether_it_is_tightened_or_changed() {
    let (mut world, kind) = (World::new(), market());
    // 0.5 % impact, 0.5 % fee, 0.2 % start of the auction, 1.9 % gap.
    let base = MarketParams { mmf_ppm: 31_000, ..SOL_ASSET.market_params() };
    (kind.write)(&mut world, base, 604_800);
    let says = "parameter mmf_ppm = 31000 is outside 31001..=800000";
    refuse_both(&mut world, (&kind, MarketParams { max_gap_ppm: 19_001, ..base }), says);
    for params in
        [MarketParams { max_impact_ppm: 5_001, ..base }, MarketParams { liquidation_fee_ppm: 5_001, ..base }]
    {
        refuse(&mut world, ("ParameterOutOfBounds", says), |world| kind.propose(world, params));
    }
    let says = "parameter mmf_ppm = 30999 is outside 31000..=800000";
    refuse(&mut world, ("ParameterOutOfBounds", says), |world| {
        kind.propose(world, MarketParams { mmf_ppm: 30_999, ..base })
    });
    accept_both(&world, &kind, MarketParams { max_gap_ppm: 19_001, mmf_ppm: 31_001, ..base });
}

#[test]
fn initial_margin_stays_a_quarter_above_whether_it_is_tightened_or_changed() {
    let (mut world, kind) = (World::new(), market());
    let base = MarketParams { mmf_ppm: 36_000, imf_ppm: 50_000, ..SOL_ASSET.market_params() };
    (kind.write)(&mut world, base, 604_800);
    let high = MarketParams { mmf_ppm: 45_000, ..base };
    refuse_both(&mut world, (&kind, high), "parameter imf_ppm = 50000 is outside 56250..=1000000");
    accept_both(&world, &kind, MarketParams { imf_ppm: 56_250, ..high });
}

#[test]
fn haircuts_stay_in_order_and_the_quote_token_has_none() {
    let mut world = World::new();
    let crossed = CollateralParams { haircut_maint_ppm: 35_000, haircut_init_ppm: 30_000, ..VAULT_BASE };
    for kind in [vault(), quote_vault()] {
        (kind.write)(&mut world, CollateralParams { haircut_init_ppm: 30_000, ..VAULT_BASE }, 604_800);
    }
    refuse_both(
        &mut world,
        (&vault(), crossed),
        "parameter haircut_maint_ppm = 35000 is outside 10000..=30000",
    );
    accept_both(&world, &quote_vault(), crossed);
}

#[test]
fn the_floor_of_what_may_leave_is_bounded_when_it_rises_and_not_when_the_cap_falls() {
    for kind in [vault(), quote_vault()] {
        let mut world = World::new();
        let outflow = |floor| OutflowParams { floor, ..VAULT_BASE.outflow };
        let full = CollateralParams { outflow: outflow(50_000_000), ..VAULT_BASE };
        (kind.write)(&mut world, full, 604_800);
        for max_deposits in [999_999_999, 1, 0] {
            accept_both(&world, &kind, CollateralParams { max_deposits, ..full });
        }
        let says = "parameter outflow floor = 50000001 is outside 0..=49999999";
        let higher = CollateralParams { max_deposits: 999_999_999, outflow: outflow(50_000_001), ..full };
        refuse(&mut world, ("ParameterOutOfBounds", says), |world| kind.propose(world, higher));
        let doubled = CollateralParams { max_deposits: 2_000_000_000, outflow: outflow(100_000_000), ..full };
        world.enact((kind.payload)(doubled)).expect("the cap rises, too");
        assert_eq!(kind.params(&world), doubled);
    }
}

/// The largest amount worth ten million dollars.
fn ten_million_dollars(world: &World, vault: u16) -> u64 {
    let price = u128::from(world.vault(vault).core.oracle.price.to_bits());
    let beyond = (((10_000_000 * u128::from(DOLLAR) + 1) << 32) - 1) / price;
    u64::try_from(beyond).expect("an amount")
}

#[test]
fn a_cap_is_opened_to_ten_million_dollars() {
    for (kind, index) in [(vault(), SOL_VAULT), (quote_vault(), Vault::QUOTE)] {
        let mut world = World::new();
        let with = |max_deposits| CollateralParams { max_deposits, ..VAULT_BASE };
        let most = ten_million_dollars(&world, index);
        assert!(world.vault(index).core.recorded <= most, "more would be allowed");
        set_vault(&mut world, index, with(0), 0);
        kind.propose(&mut world, with(most)).expect("ten million");
        let says = "parameter worth of max_deposits = 10000000000001 is outside 0..=10000000000000";
        refuse(&mut world, ("ParameterOutOfBounds", says), |world| kind.propose(world, with(most + 1)));
        // What is open may double whatever it is worth.
        set_vault(&mut world, index, with(most), 0);
        kind.propose(&mut world, with(2 * most)).expect("doubled");
    }
}

#[test]
fn a_cap_is_opened_by_a_price_of_now() {
    let (mut world, kind) = (World::new(), vault());
    set_vault(&mut world, SOL_VAULT, CollateralParams { max_deposits: 0, ..VAULT_BASE }, 0);
    let nonce = kind.propose(&mut world, VAULT_BASE).expect("propose");
    world.set_clock(world.change(nonce).timelock.eta);
    let failure = world.execute(nonce, None).expect_err("a price of two days ago");
    assert!(failure.is("PriceStale"), "{failure:?}");
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    world.refresh_sol_vault();
    world.execute(nonce, None).expect("a price of now");
    assert_eq!(kind.params(&world), VAULT_BASE);
}

#[test]
fn the_quote_tokens_weight_has_the_floor_of_its_haircut_in_force() {
    let (mut world, kind) = (World::new(), quote_vault());
    let weight = |world: &World| world.exchange().quote_weight;
    let with = |haircut_init_ppm| CollateralParams { haircut_init_ppm, ..VAULT_BASE };
    let judged = QuoteWeight { until: i64::MAX, fresh_ppm: 990_000, floor_ppm: 900_000 };
    let exchange = address::exchange();
    for (before, [tightened, changed]) in
        [(judged, [850_000, 925_000]), (QuoteWeight::WHOLE, [1_000_000, 1_000_000])]
    {
        set_vault(&mut world, Vault::QUOTE, with(100_000), 0);
        world.tamper::<Exchange>(&exchange, |exchange| exchange.quote_weight = before);
        let guardian = world.guardian.insecure_clone();
        kind.tighten(&mut world, &guardian, with(150_000)).expect("tighten");
        assert_eq!(weight(&world), QuoteWeight { floor_ppm: tightened, ..before });
        world.enact((kind.payload)(with(75_000))).expect("a change");
        assert_eq!(weight(&world), QuoteWeight { floor_ppm: changed, ..before });
    }
    // The haircuts of another vault say nothing about it.
    world.tamper::<Exchange>(&exchange, |exchange| exchange.quote_weight = judged);
    let guardian = world.guardian.insecure_clone();
    set_vault(&mut world, SOL_VAULT, VAULT_BASE, 0);
    vault().tighten(&mut world, &guardian, with(150_000)).expect("tighten");
    assert_eq!(weight(&world), judged);
}

#[test]
fn a_risk_group_changes_when_nobody_is_in_the_market() {
    let (mut world, kind) = (World::new(), market());
    let params = MarketParams { risk_group: 3, ..kind.params(&world) };
    world.set_price(SOL, SOL_ASSET.price);
    let trader = world.trader(10_000 * DOLLAR);
    world.deposit(&trader, 10_000 * DOLLAR).expect("deposit");
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    let nonce = kind.propose(&mut world, params).expect("propose");
    world.set_clock(world.change(nonce).timelock.eta);
    let failure = world.execute(nonce, None).expect_err("somebody is in it");
    assert!(failure.is("MarketNotEmpty"), "{failure:?}");
    world.set_price(SOL, SOL_ASSET.price);
    world.close(&trader, SOL, u64::MAX).expect("close");
    world.execute(nonce, None).expect("nobody is in it");
    assert_eq!(kind.params(&world), params);
}
