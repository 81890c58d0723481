//! Hard bounds of exchange, pool, insurance fund, vaults and limits: the last value inside goes, the first one outside does not, and the log
//! names it.

use bulwark_sdk::address;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, Vault};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{Signer, World};

use crate::instances::ETH_ASSET;
use crate::support::*;

/// A parameter, how it is set, and its least and largest value.
type Bound<T> = (&'static str, fn(&mut T, u64), u64, u64);

fn small(value: u64) -> u32 {
    u32::try_from(value).expect("a u32")
}

const POOL: [Bound<PoolParams>; 6] = [
    ("redeem_delay", |p, v| p.redeem_delay = small(v), 3_600, 2_592_000),
    ("redeem_window", |p, v| p.redeem_window = small(v), 3_600, 172_800),
    ("redeem_fee_ppm", |p, v| p.redeem_fee_ppm = small(v), 0, 10_000),
    ("senior_rate_ppm", |p, v| p.senior_rate_ppm = small(v), 0, 300_000),
    ("max_senior_ratio_ppm", |p, v| p.max_senior_ratio_ppm = small(v), 0, 3_000_000),
    ("max_utilisation_ppm", |p, v| p.max_utilisation_ppm = small(v), 100_000, 900_000),
];

const EXCHANGE: [Bound<ExchangeParams>; 3] = [
    ("trigger_fee", |p, v| p.trigger_fee = v, 0, 10_000_000),
    ("auto_exchange_threshold", |p, v| p.auto_exchange_threshold = v, 0, 1_000_000_000_000),
    ("delay", |p, v| p.delay = small(v), 86_400, 604_800),
];

const INSURANCE: [Bound<InsuranceParams>; 1] =
    [("stake_income_ppm", |p, v| p.stake_income_ppm = small(v), 0, 1_000_000)];

/// Of a vault with a cap of a million.
const VAULT: [Bound<CollateralParams>; 3] = [
    ("cap_growth_ppm", |p, v| p.cap_growth_ppm = small(v), 10_000, 1_000_000),
    ("outflow floor", |p, v| p.outflow.floor = v, 0, 50_000),
    ("outflow max_ppm", |p, v| p.outflow.max_ppm = small(v), 50_000, 1_000_000),
];

const CAP: u64 = 1_000_000;

/// How a parameter is set, to which value, and what the log says if that is outside.
type Case<T> = (fn(&mut T, u64), u64, Option<String>);

/// Values inside, and those outside on either side, with what the log says of them.
fn cases<T>((name, set, min, max): Bound<T>) -> Vec<Case<T>> {
    let says = |value: u64| Some(format!("parameter {name} = {value} is outside {min}..={max}"));
    let below = min.checked_sub(1).map(|value| (set, value, says(value)));
    let far = u64::from(u32::MAX).max(max + 1);
    let far = (set, far, says(far));
    [(set, min, None), (set, max, None), (set, max + 1, says(max + 1)), far]
        .into_iter()
        .chain(below)
        .collect()
}

/// Initializes a new chain with changed arguments: accepted, or refused with these words.
#[track_caller]
fn initialize(change: impl FnOnce(&mut InitializeExchangeArgs), says: Option<&str>) {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let (deployer, mut args) = (world.deployer.insecure_clone(), world.initialize_args());
    change(&mut args);
    let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
    match says {
        None => {
            accept(&mut world, &init, &[&deployer]);
            assert_eq!(world.pool().core.params, args.pool_params);
            assert_eq!(world.get::<Vault>(&address::vault(&mint)).core.params, args.quote_params);
            assert_eq!(world.exchange().params, args.exchange_params);
            assert_eq!(world.fund().core.params(), args.insurance_params);
        }
        Some(says) => refuse_saying(&mut world, &init, &[&deployer], ("ParameterOutOfBounds", says)),
    }
}

#[test]
fn the_pool_is_initialized_within_its_bounds() {
    for bound in POOL {
        for (set, value, says) in cases(bound) {
            initialize(|args| set(&mut args.pool_params, value), says.as_deref());
        }
    }
}

#[test]
fn exchange_and_insurance_fund_are_initialized_within_their_bounds() {
    for bound in EXCHANGE {
        for (set, value, says) in cases(bound) {
            initialize(|args| set(&mut args.exchange_params, value), says.as_deref());
        }
    }
    for bound in INSURANCE {
        for (set, value, says) in cases(bound) {
            initialize(|args| set(&mut args.insurance_params, value), says.as_deref());
        }
    }
}

#[test]
fn the_quote_vault_is_initialized_within_its_bounds() {
    for bound in VAULT {
        for (set, value, says) in cases(bound) {
            let change = |args: &mut InitializeExchangeArgs| {
                args.quote_params = CollateralParams { max_deposits: CAP, ..collateral_params(CAP) };
                set(&mut args.quote_params, value);
            };
            initialize(change, says.as_deref());
        }
    }
}

#[test]
fn a_collateral_is_listed_within_its_bounds() {
    for bound in VAULT {
        for (set, value, says) in cases(bound) {
            let mut world = World::empty();
            let mint = fixtures::address("mint ETH");
            world.create_mint(mint, 8);
            world.print(&ETH_ASSET, ETH_ASSET.price, 1);
            let mut params = collateral_params(CAP);
            set(&mut params, value);
            let admin = world.admin.insecure_clone();
            let sources = [fixtures::pyth_source(ETH_ASSET.feed(0)), OracleSource::NONE];
            match says {
                None => {
                    let (token, oracles) = ((mint, address::TOKEN_PROGRAM), World::oracles(&ETH_ASSET));
                    world.list_collateral(token, (sources, params), oracles).expect("create_vault");
                    assert_eq!(world.vault(1).core.params, params);
                }
                Some(says) => {
                    let payload = ChangePayload::CreateVault { mint, sources, params };
                    let keys = (admin.pubkey(), world.payer.pubkey());
                    let propose = ix::propose_change(&world.listings, keys, 0, payload).expect("builds");
                    refuse_saying(&mut world, &propose, &[&admin], ("ParameterOutOfBounds", &says));
                }
            }
        }
    }
}

#[test]
fn a_floor_is_judged_by_its_own_vaults_cap() {
    // A twentieth, rounded down: of nothing nothing, of 39 units one.
    for (max_deposits, floor) in [(0, 0), (19, 0), (39, 1), (u64::MAX, u64::MAX / 20)] {
        let of = |floor| {
            move |args: &mut InitializeExchangeArgs| {
                let outflow = OutflowParams { floor, ..args.quote_params.outflow };
                args.quote_params = CollateralParams { max_deposits, outflow, ..args.quote_params };
            }
        };
        initialize(of(floor), None);
        let says = format!("parameter outflow floor = {} is outside 0..={floor}", floor + 1);
        initialize(of(floor + 1), Some(&says));
    }
}

#[test]
fn a_keepers_fee_is_bounded() {
    for (trigger_fee, says) in [
        (0, None),
        (10_000_000, None),
        (10_000_001, Some("parameter trigger_fee = 10000001 is outside 0..=10000000")),
        (u64::MAX, Some("is outside 0..=10000000")),
    ] {
        initialize(|args| args.exchange_params.trigger_fee = trigger_fee, says);
    }
}
