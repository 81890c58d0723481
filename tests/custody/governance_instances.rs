//! Instances of governance's instructions: changes, what is instant, roles, the life of a market, and the protocol's fees.

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::InsuranceParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::state::{Change, ChangePayload, MarketStatus, Pause};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::oracle_accounts::{PYTH_RECEIVER, Print, Verification, pyth_pull};
use bulwark_tests::{SOL, SOL_VAULT, Signer, World};

use crate::instances::{ETH_ASSET, Instance, Stage};

const PROPOSE: &[&str] = &[
    "admin",
    "payer",
    "exchange",
    "change",
    "pool",
    "market",
    "vault",
    "insurance_fund",
    "instructions",
    "system_program",
];
const EXECUTE: &[&str] =
    &["payer", "exchange", "change", "market", "vault", "pool", "insurance_fund", "primary", "secondary"];
const CANCEL: &[&str] = &["authority", "payer", "exchange", "change", "instructions"];
const TIGHTEN: &[&str] =
    &["authority", "exchange", "market", "vault", "pool", "insurance_fund", "instructions"];
const SET_PAUSE: &[&str] = &["authority", "exchange", "market", "instructions"];
const NOMINATE: &[&str] = &["authority", "exchange", "instructions"];

/// Proposing, executing and cancelling.
fn changes() -> Vec<Instance> {
    let stage = Stage::new();
    let (admin, guardian) = (stage.world.admin.pubkey(), stage.world.guardian.pubkey());
    let listings = stage.world.listings.clone();
    let payload = stage.waiting.payload().expect("a payload");
    let nonce = stage.world.exchange().next_change;
    let keys = (admin, stage.sponsor.pubkey());
    let propose = ix::propose_change(&listings, keys, nonce, payload).expect("builds");
    let execute = ix::execute_change(&listings, &stage.waiting, None).expect("builds");
    let cancel = ix::cancel_change(guardian, &stage.waiting);
    // A change that has lapsed is anyone's to cancel: Bob does.
    let mut lapsed = Stage::new();
    lapsed.world.tamper::<Change>(&address::change(lapsed.waiting.nonce), |change| {
        change.timelock.expiry = GENESIS - 1;
    });
    let anyones = ix::cancel_change(lapsed.bob.key.pubkey(), &lapsed.waiting);
    vec![
        stage.into_instance(("propose_change", PROPOSE), propose),
        Stage::new().into_instance(("execute_change", EXECUTE), execute),
        Stage::new().into_instance(("cancel_change", CANCEL), cancel),
        lapsed.into_instance(("cancel_change, late", CANCEL), anyones),
    ]
}

/// The execution of a change of every other target.
fn executions() -> Vec<Instance> {
    let mut sources = Stage::new();
    let publish_time = sources.world.now();
    let print = Print { price: SOL_ASSET.price, conf: 1, exponent: EXPONENT, publish_time, posted_slot: 0 };
    let data = pyth_pull(SOL_ASSET.feed(1), &print, Verification::Full);
    sources.world.set_account(World::oracle_key(&SOL_ASSET, 1), PYTH_RECEIVER, data);
    let both = [0, 1].map(|n| fixtures::pyth_source(SOL_ASSET.feed(n)));
    let oracles =
        OracleAccounts { secondary: Some(World::oracle_key(&SOL_ASSET, 1)), ..World::oracles(&SOL_ASSET) };
    let vault = Stage::new();
    let params = vault.world.vault(SOL_VAULT).core.params;
    let soft_cap = params.soft_cap / 2;
    let cases = [
        (
            "execute_change, sources",
            sources,
            ChangePayload::MarketSources { market: SOL, sources: both },
            Some(oracles),
        ),
        (
            "execute_change, vault",
            vault,
            ChangePayload::VaultParams { vault: SOL_VAULT, params: CollateralParams { soft_cap, ..params } },
            None,
        ),
        (
            "execute_change, pool",
            Stage::new(),
            ChangePayload::PoolParams { params: PoolParams { redeem_fee_ppm: 2_000, ..POOL_PARAMS } },
            None,
        ),
        (
            "execute_change, insurance",
            Stage::new(),
            ChangePayload::InsuranceParams { params: InsuranceParams { stake_income_ppm: 0 } },
            None,
        ),
    ];
    let instance = |(name, mut stage, payload, oracles): (_, Stage, _, _)| {
        let change = stage.ripe(payload);
        let execute = ix::execute_change(&stage.world.listings, &change, oracles).expect("builds");
        stage.into_instance((name, EXECUTE), execute)
    };
    cases.into_iter().map(instance).collect()
}

/// What is done at once.
fn instant() -> Vec<Instance> {
    let stage = Stage::new();
    let (admin, guardian) = (stage.world.admin.pubkey(), stage.world.guardian.pubkey());
    let listings = stage.world.listings.clone();
    let params = stage.world.market(SOL).core.params;
    let params = MarketParams { max_oi: params.max_oi / 2, ..params };
    let market = ChangePayload::MarketParams { market: SOL, params };
    let params = stage.world.vault(SOL_VAULT).core.params;
    let soft_cap = params.soft_cap / 2;
    let params = CollateralParams { soft_cap, ..params };
    let vault = ChangePayload::VaultParams { vault: SOL_VAULT, params };
    let [market, vault] =
        [market, vault].map(|payload| ix::tighten(&listings, guardian, payload).expect("builds"));
    let mut nominated = Stage::new();
    let nominee = nominated.bob.key.pubkey();
    nominated.nominate(nominee);
    let taken_back = ix::nominate_admin(guardian, Pubkey::default());
    let mut ripe = Stage::new();
    ripe.nominate(nominee);
    vec![
        stage.into_instance(("tighten", TIGHTEN), market),
        Stage::new().into_instance(("tighten, vault", TIGHTEN), vault),
        Stage::new().into_instance(("set_pause", SET_PAUSE), ix::set_pause(guardian, None, Pause::ALL)),
        Stage::new().into_instance(
            ("set_pause, market", SET_PAUSE),
            ix::set_pause(guardian, Some(SOL), Pause::OF_A_MARKET),
        ),
        Stage::new().into_instance(("nominate_admin", NOMINATE), ix::nominate_admin(admin, nominee)),
        nominated.into_instance(("nominate_admin, taken back", NOMINATE), taken_back),
        ripe.into_instance(
            ("accept_admin", &["nominee", "exchange", "instructions"]),
            ix::accept_admin(nominee),
        ),
    ]
}

/// The life of a market, and fees.
fn lives() -> Vec<Instance> {
    let market = &["market"];
    let mut silent = Stage::new();
    let outage = i64::from(SOL_ASSET.market_params().max_outage);
    silent.world.advance(outage + 1);
    let mut suspended = Stage::new();
    suspended.world.advance(outage + 1);
    suspended.world.send(&[ix::suspend_market(SOL)], &[]).expect("suspend_market");
    suspended.world.advance(outage);
    suspended.world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    let refresh = ix::refresh_market(SOL, World::oracles(&SOL_ASSET));
    suspended.world.send(&[refresh], &[]).expect("refresh_market");

    let mut settled = Stage::new();
    let (admin, sponsor) = (settled.world.admin.insecure_clone(), settled.sponsor.insecure_clone());
    let (keys, change) = ((admin.pubkey(), sponsor.pubkey()), settled.market_change.clone());
    let create = ix::create_market(keys, 2, World::oracles(&ETH_ASSET), &change);
    settled.world.send(&create, &[&admin, &sponsor]).expect("create_market");
    settled.world.listings.markets.insert(2, address::market(2));
    let settling = ChangePayload::MarketStatus { market: 2, status: MarketStatus::Settling, price: 0 };
    let change = settled.ripe(settling);
    settled.world.execute(change.nonce, None).expect("execute_change");

    let mut earned = Stage::new();
    earned.world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
    let fees = earned.world.exchange().protocol_fees;
    assert!(fees > 0);
    let (mint, recipient) = (earned.world.listings.vaults[0].mint, earned.world.exchange().fee_recipient);
    let destination = earned.world.create_tokens(mint, recipient, 0);
    let collect = ix::collect_protocol_fees(&earned.world.listings, keys.0, (destination, fees));
    vec![
        silent.into_instance(("suspend_market", market), ix::suspend_market(SOL)),
        suspended.into_instance(("resume_market", market), ix::resume_market(SOL)),
        settled.into_instance(
            ("close_market", &["payer", "exchange", "market", "pool", "insurance_fund"]),
            ix::close_market(2, keys.1),
        ),
        earned.into_instance(
            (
                "collect_protocol_fees",
                &[
                    "admin",
                    "exchange",
                    "quote_vault",
                    "token_account",
                    "destination",
                    "mint",
                    "token_program",
                    "instructions",
                ],
            ),
            collect.expect("builds"),
        ),
    ]
}

/// An instance of each.
pub fn governance() -> Vec<Instance> {
    [changes(), executions(), instant(), lives()].into_iter().flatten().collect()
}
