//! What signers are told of a change is what the program makes of it.

mod status;

use bulwark_sdk::address;
use bulwark_sdk::engine::tighten::Effect;
use bulwark_sdk::explain::{
    ChangeExplanation, ExplainError, Explanation, InForce, Moved, delay, explain_change, explain_payload,
};
use bulwark_sdk::health::HealthError;
use bulwark_sdk::program::state::{Change, ChangePayload, MarketStatus, Vault};
use bulwark_tests::fixtures::{self, SOL_ASSET};
use bulwark_tests::{BTC, Failure, SOL, SOL_VAULT, World};

use crate::changes::kinds::{cases, world};
use crate::stage::{DAY, WEEK, initialized, stake_income, trigger_fee};

/// Asks the SDK with what is in force now.
fn ask<T>(world: &World, question: impl FnOnce(&InForce<'_>) -> T) -> T {
    let (pool, insurance_fund) = (world.pool(), world.fund());
    world.ask(|snapshot| question(&InForce { snapshot, pool: &pool, insurance_fund: &insurance_fund }))
}

/// What a payload would do now.
pub fn explain(world: &World, payload: &ChangePayload) -> Explanation {
    ask(world, |now| explain_payload(payload, now).expect("an explanation"))
}

/// What a stored change would do, and when.
pub fn explain_stored(world: &World, nonce: u64) -> ChangeExplanation {
    ask(world, |now| explain_change(&world.change(nonce), now).expect("an explanation"))
}

fn moved(name: &str, from: impl ToString, to: impl ToString, effect: Effect) -> Moved {
    Moved { name: name.to_string(), from: from.to_string(), to: to.to_string(), effect }
}

/// Titles and moves of the cases, in their order.
fn expected(world: &World) -> Vec<(String, Vec<Moved>)> {
    use Effect::{Loosens, Shifts, Tightens};
    let (sol, cap) = (world.market(SOL).core.params, world.vault(SOL_VAULT).core.params.max_deposits);
    let feed = |n: u8| {
        let hex: String = SOL_ASSET.feed(n).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("PythPull of rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ feed {hex}")
    };
    let quote = "PythPull of rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ feed \
                 5553440101010101010101010101010101010101010101010101010101010101";
    let (guardian, recipient) = (world.exchange().guardian, world.exchange().fee_recipient);
    let soft_cap = world.vault(Vault::QUOTE).core.params.soft_cap;
    let status = |from, to, effect| vec![moved("status", from, to, effect)];
    let rows = [
        (
            "parameters of market 0",
            vec![
                moved("max_oi", sol.max_oi, 2 * sol.max_oi, Loosens),
                moved("taker_fee_ppm", 500, 700, Shifts),
                moved("max_share_ppm", 500_000, 400_000, Tightens),
            ],
        ),
        ("oracles of market 0", vec![moved("primary", feed(0), feed(1), Loosens)]),
        ("status of market 0", status("Active", "ReduceOnly", Tightens)),
        ("status of market 1", status("ReduceOnly", "Active", Loosens)),
        ("status of market 1", status("ReduceOnly", "Settling", Loosens)),
        ("unpause market 0", vec![moved("pause", "increase+liquidity", "increase", Loosens)]),
        (
            "parameters of vault 1",
            vec![
                moved("max_deposits", cap, 2 * cap, Loosens),
                moved("haircut_init_ppm", 100_000, 120_000, Tightens),
            ],
        ),
        ("parameters of vault 0", vec![moved("soft_cap", soft_cap, soft_cap / 2, Tightens)]),
        ("oracles of vault 1", vec![moved("primary", feed(0), feed(1), Loosens)]),
        ("oracles of vault 0", vec![moved("primary", "none", quote, Loosens)]),
        (
            "parameters of the exchange",
            vec![moved("trigger_fee", 100_000, 70_000, Shifts), moved("delay", 172_800, 100_000, Loosens)],
        ),
        (
            "parameters of the pool",
            vec![
                moved("redeem_delay", 86_400, 100_000, Shifts),
                moved("redeem_fee_ppm", 1_000, 2_000, Shifts),
            ],
        ),
        ("parameters of the insurance fund", vec![moved("stake_income_ppm", 500_000, 250_000, Shifts)]),
        ("list the collateral ", vec![]),
        ("list a market", vec![]),
        ("the guardian", vec![moved("guardian", guardian, fixtures::address("next guardian"), Loosens)]),
        (
            "the recipient of protocol fees",
            vec![moved("fee_recipient", recipient, fixtures::address("next recipient"), Shifts)],
        ),
        (
            "unpause the exchange",
            vec![moved("pause", "increase+withdraw+liquidity+stake", "liquidity+stake", Loosens)],
        ),
    ];
    rows.into_iter().map(|(title, moves)| (title.to_string(), moves)).collect()
}

#[test]
fn each_kind_says_what_moves_and_which_way() {
    let world = world();
    let (cases, expected) = (cases(&world), expected(&world));
    assert_eq!(cases.len(), expected.len());
    for (case, (title, moves)) in cases.iter().zip(expected) {
        if case.payload.is_listing() {
            continue; // below
        }
        let explained = explain(&world, &case.payload);
        assert_eq!(explained, Explanation { title, moves, refusals: vec![] });
        let loosens = explained.moves.iter().any(|moved| moved.effect == Effect::Loosens);
        assert_eq!(explained.loosens(), loosens);
    }
}

#[test]
fn of_a_listing_everything_is_new() {
    let world = world();
    let listings: Vec<_> = cases(&world).into_iter().filter(|case| case.payload.is_listing()).collect();
    let mint = fixtures::address("a mint");
    // Every field and both oracles.
    for (case, (title, fields)) in
        listings.iter().zip([(format!("list the collateral {mint}"), 12), ("list a market".into(), 50)])
    {
        let explained = explain(&world, &case.payload);
        assert_eq!(
            (explained.title, explained.moves.len(), explained.refusals.len()),
            (title, fields + 2, 0)
        );
        assert!(explained.moves.iter().all(|moved| moved.from == "(new)" && moved.effect == Effect::Loosens));
        let names: Vec<_> = explained.moves[..2].iter().map(|moved| moved.name.as_str()).collect();
        assert_eq!(names, ["primary", "secondary"]);
    }
    let ChangePayload::CreateMarket { params, .. } = listings[1].payload else { panic!("a market") };
    let explained = explain(&world, &listings[1].payload);
    let of =
        |name: &str| explained.moves.iter().find(|moved| moved.name == name).expect("a field").to.clone();
    assert_eq!(of("mmf_ppm"), params.mmf_ppm.to_string());
    assert_eq!(of("oracle.ema_half_life"), params.oracle.ema_half_life.to_string());
    assert_eq!(of("secondary"), "none");
}

#[test]
fn what_stays_is_not_mentioned() {
    let world = World::new();
    let params = world.market(SOL).core.params;
    let explained = explain(&world, &ChangePayload::MarketParams { market: SOL, params });
    assert_eq!(explained.moves, []);
    assert_eq!(explained.to_string(), "parameters of market 0\n  nothing moves\n");
    assert!(!explained.loosens());
}

/// Payloads, and a word of the refusal if they are refused.
fn judged(world: &World) -> Vec<(ChangePayload, Option<&'static str>)> {
    let market = |set: fn(&mut bulwark_sdk::engine::market::MarketParams)| {
        let mut params = world.market(SOL).core.params;
        set(&mut params);
        ChangePayload::MarketParams { market: SOL, params }
    };
    let listed = |set: fn(&mut bulwark_sdk::engine::market::MarketParams)| {
        let mut params = SOL_ASSET.listed_params();
        set(&mut params);
        let sources = world.market(SOL).sources;
        ChangePayload::CreateMarket { sources, params }
    };
    let vault = |vault: u16, set: fn(&mut bulwark_sdk::engine::collateral::CollateralParams)| {
        let mut params = world.vault(vault).core.params;
        set(&mut params);
        ChangePayload::VaultParams { vault, params }
    };
    let collateral = |set: fn(&mut bulwark_sdk::engine::collateral::CollateralParams)| {
        let mut params = fixtures::collateral_params(1_000_000);
        set(&mut params);
        let (mint, sources) = (fixtures::address("a mint"), world.market(SOL).sources);
        ChangePayload::CreateVault { mint, sources, params }
    };
    let exchange = |set: fn(&mut bulwark_sdk::engine::governance::ExchangeParams)| {
        let mut params = world.exchange().params;
        set(&mut params);
        ChangePayload::ExchangeParams { params }
    };
    let pool = |set: fn(&mut bulwark_sdk::engine::pool::PoolParams)| {
        let mut params = world.pool().core.params;
        set(&mut params);
        ChangePayload::PoolParams { params }
    };
    vec![
        (market(|_| ()), None),
        (market(|p| p.taker_fee_ppm = 10_000), None),
        (market(|p| p.taker_fee_ppm = 10_001), Some("taker_fee_ppm")),
        (market(|p| p.skew_scale *= 2), None),
        (market(|p| p.skew_scale = 2 * p.skew_scale + 1), Some("skew_scale")),
        (market(|p| p.max_skew_ppm /= 2), None),
        (market(|p| p.max_skew_ppm = p.max_skew_ppm / 2 - 1), Some("max_skew_ppm")),
        (market(|p| (p.mmf_ppm, p.imf_ppm) = (38_750, 60_000)), None),
        (market(|p| (p.mmf_ppm, p.imf_ppm) = (38_751, 60_000)), Some("mmf_ppm")),
        (market(|p| p.imf_ppm = 38_750), None),
        (market(|p| p.imf_ppm = 38_749), Some("imf_ppm")),
        (market(|p| p.mmf_ppm = 27_500), Some("mmf_ppm")),
        (market(|p| (p.mmf_ppm, p.max_gap_ppm) = (27_200, 15_200)), None),
        (market(|p| p.lot_decimals = 8), Some("lot_decimals")),
        (market(|p| p.risk_group = 1), None),
        (market(|p| p.max_outage = 599), Some("max_outage")),
        (market(|p| p.oracle.max_margin_age *= 3), Some("oracle.max_margin_age")),
        (listed(|_| ()), None),
        (listed(|p| p.step = 0), Some("step")),
        (listed(|p| p.target_weight_ppm = 100_001), Some("target_weight_ppm")),
        (listed(|p| p.waterfall.reserve_share_ppm = 250_001), Some("reserve_share_ppm")),
        (listed(|p| p.max_outage = 43_201), Some("max_outage")),
        (vault(SOL_VAULT, |p| p.max_deposits *= 2), None),
        (vault(SOL_VAULT, |p| p.max_deposits = 2 * p.max_deposits + 1), Some("max_deposits")),
        (vault(SOL_VAULT, |p| p.max_deposits = 0), None),
        (vault(SOL_VAULT, |p| p.haircut_init_ppm = 19_999), Some("haircut_init_ppm")),
        (vault(SOL_VAULT, |p| p.haircut_maint_ppm = 75_001), Some("haircut_maint_ppm")),
        (vault(SOL_VAULT, |p| p.cap_growth_ppm = 9_999), Some("cap_growth_ppm")),
        (vault(Vault::QUOTE, |p| p.haircut_init_ppm = 75_000), None),
        (vault(Vault::QUOTE, |p| p.outflow.floor = 2 * p.outflow.floor + 1), Some("floor")),
        (collateral(|_| ()), None),
        (collateral(|p| p.haircut_maint_ppm = p.haircut_init_ppm + 1), Some("haircut_maint_ppm")),
        (collateral(|p| p.oracle.ema_half_life = 0), Some("ema_half_life")),
        (exchange(|p| p.delay = 86_400), None),
        (exchange(|p| p.delay = 86_399), Some("delay")),
        (
            exchange(|p| p.auto_exchange_threshold = 2 * p.auto_exchange_threshold + 1),
            Some("auto_exchange_threshold"),
        ),
        (exchange(|p| p.risk_groups.offset_ppm[3] = 50_001), Some("offset_ppm")),
        (pool(|p| p.redeem_delay = 43_200), None),
        (pool(|p| p.redeem_delay = 43_199), Some("redeem_delay")),
        (pool(|p| p.max_utilisation_ppm = 900_001), Some("max_utilisation_ppm")),
        (stake_income(1_000_000), None),
        (stake_income(1_000_001), Some("stake_income_ppm")),
    ]
}

#[test]
fn what_is_said_to_be_refused_is_refused_and_nothing_else() {
    let base = World::new();
    for (payload, refusal) in judged(&base) {
        let refusals = explain(&base, &payload).refusals;
        let proposed = base.fork().propose(payload);
        match (refusal, proposed) {
            (None, Ok(_)) => assert_eq!(refusals, [""; 0], "{payload:?}"),
            (Some(word), Err(Failure { name: Some(name), .. })) => {
                assert!(refusals[0].contains(word), "{word}: {refusals:?}");
                let known = ["ParameterOutOfBounds", "StepTooLarge"].contains(&name.as_str());
                assert!(known, "{name}");
            }
            (refusal, proposed) => panic!("{payload:?}: {refusal:?}, {proposed:?}"),
        }
    }
}

#[test]
fn every_step_that_is_too_large_is_named() {
    let world = World::new();
    let mut params = world.market(SOL).core.params;
    params.skew_scale *= 3;
    params.max_skew_ppm = 1;
    params.taker_fee_ppm = 10_001;
    let refusals = explain(&world, &ChangePayload::MarketParams { market: SOL, params }).refusals;
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    assert_eq!(refusals[0], "parameter taker_fee_ppm = 10001 is outside 0..=10000");
    assert_eq!(
        refusals[2],
        "max_skew_ppm cannot go from 1000000 to 1 at once: one change reaches 500000..=2000000"
    );
}

#[test]
fn the_delay_is_that_of_a_proposal() {
    for (delays, wait) in [([86_400, 3_600], DAY), ([172_800, 86_400], 2 * DAY), ([604_800, 86_400], WEEK)] {
        let mut world = initialized(|args| {
            (args.exchange_params.delay, args.pool_params.redeem_delay) = (delays[0], delays[1]);
        })
        .expect("initialize_exchange");
        let guardian = ChangePayload::Guardian { guardian: fixtures::address("next guardian") };
        let payload = trigger_fee(&world, 1);
        for (payload, wait) in [(payload, wait), (guardian, 2 * DAY)] {
            assert_eq!(ask(&world, |now| delay(&payload, now)), wait);
            let nonce = world.propose(payload).expect("propose_change");
            assert_eq!(world.change(nonce).timelock.eta, world.now() + wait);
        }
    }
}

#[test]
fn without_its_target_there_is_no_explanation() {
    let world = World::new();
    let missing = ChangePayload::MarketStatus { market: 9, status: MarketStatus::ReduceOnly, price: 0 };
    let unknown = |payload: ChangePayload| ask(&world, |now| explain_payload(&payload, now));
    assert_eq!(unknown(missing), Err(ExplainError::Missing(HealthError::UnknownMarket(9))));
    let params = world.vault(SOL_VAULT).core.params;
    let missing = ChangePayload::VaultParams { vault: 9, params };
    assert_eq!(unknown(missing), Err(ExplainError::Missing(HealthError::UnknownVault(9))));
}

#[test]
fn bytes_that_are_no_payload_are_not_explained() {
    let mut world = World::empty();
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    for spoil in [
        (|change: &mut Change| change.payload[0] = 13) as fn(&mut Change),
        |change| change.payload_len += 1,
        |change| change.payload_len -= 1,
        |change| change.payload_len = u16::MAX,
    ] {
        let mut world = world.fork();
        world.tamper(&address::change(nonce), spoil);
        let explained = ask(&world, |now| explain_change(&world.change(nonce), now));
        assert_eq!(explained, Err(ExplainError::Unreadable(nonce)));
    }
}

#[test]
fn a_change_is_shown_as_a_text() {
    let mut world = World::new();
    let mut params = world.market(BTC).core.params;
    params.skew_scale = params.skew_scale / 2 * 3;
    params.taker_fee_ppm = 600;
    params.imf_ppm = 40_000;
    params.max_outage = 1_800;
    let nonce = world.propose(ChangePayload::MarketParams { market: BTC, params }).expect("propose_change");
    world.advance(DAY);
    let text = "\
change 3: parameters of market 1
  shifts   skew_scale: 333333333333333 -> 499999999999998
  shifts   taker_fee_ppm: 500 -> 600
  LOOSENS  imf_ppm: 50000 -> 40000
  tightens max_outage: 3600 -> 1800
  can be executed in 86400 s, from 1800172800";
    assert_eq!(explain_stored(&world, nonce).to_string(), text);
    let refused = explain(&world, &stake_income(2_000_000)).to_string();
    let text = "\
parameters of the insurance fund
  shifts   stake_income_ppm: 500000 -> 2000000
  REFUSED  parameter stake_income_ppm = 2000000 is outside 0..=1000000
";
    assert_eq!(refused, text);
    world.set_clock(world.change(nonce).timelock.expiry);
    assert!(explain_stored(&world, nonce).to_string().ends_with("\n  can be executed now, for 0 s more"));
    world.advance(1);
    assert!(explain_stored(&world, nonce).to_string().ends_with("\n  has lapsed"));
}
