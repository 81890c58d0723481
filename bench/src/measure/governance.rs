//! Changes, what is instant, roles, the life of a market, and the protocol's fees.

use bulwark_sdk::Pubkey;
use bulwark_sdk::address;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::NONCE_AHEAD;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange, MarketStatus, Pause};
use bulwark_tests::oracle_accounts as oracles;
use bulwark_tests::world::Failure;
use bulwark_tests::{Signer, World};

use super::{print_all, send, send_create_market};
use crate::shapes::{Bench, is_first, market_asset};

/// As [`send`], signed by the admin.
fn send_as_admin(bench: &mut Bench, instruction: bulwark_sdk::Instruction) -> Result<u64, Failure> {
    let admin = bench.world.admin.insecure_clone();
    send(bench, instruction, &[&admin])
}

/// As [`send`], signed by the guardian.
fn send_as_guardian(bench: &mut Bench, instruction: bulwark_sdk::Instruction) -> Result<u64, Failure> {
    let guardian = bench.world.guardian.insecure_clone();
    send(bench, instruction, &[&guardian])
}

/// Other parameters of the market: the largest payload with the longest table.
fn market_params(bench: &Bench) -> ChangePayload {
    let (market, params) = (bench.market(), bench.world.market(bench.market()).core.params);
    ChangePayload::MarketParams { market, params: MarketParams { max_oi: params.max_oi / 2, ..params } }
}

/// A change that can be executed.
fn ripe(bench: &mut Bench, payload: ChangePayload) -> Result<Box<Change>, Failure> {
    let nonce = bench.world.propose_in_time(payload)?;
    Ok(bench.world.change(nonce))
}

fn execute(
    bench: &mut Bench,
    payload: ChangePayload,
    oracles: Option<OracleAccounts>,
) -> Result<u64, Failure> {
    let nonce = ripe(bench, payload)?.nonce;
    bench.world.execute(nonce, oracles).map(|outcome| outcome.compute_units)
}

pub fn propose_change(bench: &mut Bench) -> Result<u64, Failure> {
    let next = bench.world.exchange().next_change;
    let mut numbers = next..next + NONCE_AHEAD;
    let nonce = numbers.find(|nonce| is_first(&[Change::SEED, &nonce.to_le_bytes()])).expect("a number");
    let (keys, payload) = ((bench.world.admin.pubkey(), bench.world.payer.pubkey()), market_params(bench));
    let propose = ix::propose_change(&bench.world.listings, keys, nonce, payload).expect("builds");
    send_as_admin(bench, propose)
}

pub fn execute_market_params(bench: &mut Bench) -> Result<u64, Failure> {
    let payload = market_params(bench);
    execute(bench, payload, None)
}

/// Two sources, which must agree with each other and with the price that there is.
pub fn execute_sources(bench: &mut Bench) -> Result<u64, Failure> {
    let market = bench.market();
    let keys = [0, 1].map(|n| World::oracle_key(market_asset(market), 10 + n));
    let kinds = [SourceKind::PythPush, SourceKind::Switchboard];
    let owners = [oracles::PYTH_PUSH_PROGRAM, oracles::SWITCHBOARD_ON_DEMAND];
    let accounts = [0, 1].map(|n| (keys[n], owners[n], kinds[n]));
    let sources = accounts.map(|(key, owner, kind): (Pubkey, Pubkey, _)| OracleSource {
        owner,
        feed: key.to_bytes(),
        kind: kind as u8,
        _padding: [0; 7],
    });
    print_all(bench, &accounts, market_asset(market).price);
    let [primary, secondary] = keys;
    let oracles = OracleAccounts { primary, secondary: Some(secondary) };
    execute(bench, ChangePayload::MarketSources { market, sources }, Some(oracles))
}

pub fn execute_vault_params(bench: &mut Bench) -> Result<u64, Failure> {
    let (vault, params) = (bench.vault(), bench.world.vault(bench.vault()).core.params);
    let params = CollateralParams { soft_cap: params.soft_cap / 2, ..params };
    execute(bench, ChangePayload::VaultParams { vault, params }, None)
}

pub fn execute_pool_params(bench: &mut Bench) -> Result<u64, Failure> {
    let params = bench.world.pool().core.params;
    let params = PoolParams { redeem_fee_ppm: params.redeem_fee_ppm + 1, ..params };
    execute(bench, ChangePayload::PoolParams { params }, None)
}

pub fn cancel_change(bench: &mut Bench) -> Result<u64, Failure> {
    let payload = market_params(bench);
    let change = ripe(bench, payload)?;
    let cancel = ix::cancel_change(bench.world.admin.pubkey(), &change);
    send_as_admin(bench, cancel)
}

/// By the admin, who must show that he signs for now.
pub fn tighten(bench: &mut Bench) -> Result<u64, Failure> {
    let (admin, payload) = (bench.world.admin.pubkey(), market_params(bench));
    let tighten = ix::tighten(&bench.world.listings, admin, payload).expect("builds");
    send_as_admin(bench, tighten)
}

pub fn set_pause(bench: &mut Bench) -> Result<u64, Failure> {
    let pause = ix::set_pause(bench.world.guardian.pubkey(), None, Pause::ALL);
    send_as_guardian(bench, pause)
}

fn nominee(bench: &mut Bench) -> Result<(u64, bulwark_tests::Keypair), Failure> {
    let nominee = bench.world.keypair();
    let nominate = ix::nominate_admin(bench.world.admin.pubkey(), nominee.pubkey());
    send_as_admin(bench, nominate).map(|units| (units, nominee))
}

pub fn nominate_admin(bench: &mut Bench) -> Result<u64, Failure> {
    nominee(bench).map(|(units, _)| units)
}

pub fn accept_admin(bench: &mut Bench) -> Result<u64, Failure> {
    let (_, nominee) = nominee(bench)?;
    let now = bench.world.now();
    bench.world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.nomination.eta = now);
    send(bench, ix::accept_admin(nominee.pubkey()), &[&nominee])
}

fn suspend(bench: &mut Bench) -> Result<(u64, i64), Failure> {
    let market = bench.market();
    let outage = i64::from(bench.world.market(market).core.params.max_outage);
    bench.world.advance(outage + 1);
    send(bench, ix::suspend_market(market), &[]).map(|units| (units, outage))
}

pub fn suspend_market(bench: &mut Bench) -> Result<u64, Failure> {
    suspend(bench).map(|(units, _)| units)
}

pub fn resume_market(bench: &mut Bench) -> Result<u64, Failure> {
    let (_, outage) = suspend(bench)?;
    bench.world.advance(outage);
    let market = bench.market();
    bench.reprice(market, 10_000);
    send(bench, ix::resume_market(market), &[])
}

/// A market that nobody has used.
pub fn close_market(bench: &mut Bench) -> Result<u64, Failure> {
    let (market, asset) = (bench.shape.positions, market_asset(0));
    bench.world.print(asset, asset.price, 1);
    let sources = bench.world.market(0).sources;
    send_create_market(bench, sources, World::oracles(asset))?;
    bench.world.listings.markets.insert(market, address::market(market));
    let settling = ChangePayload::MarketStatus { market, status: MarketStatus::Settling, price: 0 };
    execute(bench, settling, None)?;
    send(bench, ix::close_market(market, bench.world.payer.pubkey()), &[])
}

pub fn collect_protocol_fees(bench: &mut Bench) -> Result<u64, Failure> {
    send(bench, ix::sweep_market(bench.market()), &[])?;
    let Exchange { protocol_fees, fee_recipient, .. } = *bench.world.exchange();
    let mint = bench.world.listings.vaults[0].mint;
    let destination = bench.world.create_tokens(mint, fee_recipient, 0);
    let admin = bench.world.admin.pubkey();
    let collect = ix::collect_protocol_fees(&bench.world.listings, admin, (destination, protocol_fees));
    send_as_admin(bench, collect.expect("builds"))
}
