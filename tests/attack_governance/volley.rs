//! All that somebody with the keys of admin and guardian can send at one moment, and what the program says to it.

use anchor_lang::prelude::pubkey;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, NONCE_AHEAD};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::fixtures;
use bulwark_tests::{BTC, Failure, Keypair, Outcome, SOL, SOL_VAULT, Signer, World};
use solana_message::Message;
use solana_transaction::Transaction;

use crate::payloads::*;
use crate::stage::*;

/// Sysvar of recent blockhashes.
const BLOCKHASHES: Pubkey = pubkey!("SysvarRecentB1ockHashes11111111111111111111");

/// Sends a payload to `tighten`, signed by this key.
pub fn tighten(world: &mut World, key: &Keypair, payload: ChangePayload) -> Result<Outcome, Failure> {
    let call = ix::tighten(&world.listings, key.pubkey(), payload).expect("a listed target");
    world.send(&[call], &[key])
}

/// Sets pause bits, signed by this key.
pub fn pause(world: &mut World, key: &Keypair, market: Option<u16>, bits: u8) -> Result<Outcome, Failure> {
    world.send(&[ix::set_pause(key.pubkey(), market, bits)], &[key])
}

/// Tightens everything as far as it goes now. How much was tightened.
pub fn tighten_all(world: &mut World, key: &Keypair) -> usize {
    let mut done = 0;
    let mut push = |world: &mut World, payloads: [ChangePayload; 2]| {
        let mut result = tighten(world, key, payloads[0]);
        if result.as_ref().is_err_and(|failure| failure.is("StepTooSoon")) {
            result = tighten(world, key, payloads[1]);
        }
        match result {
            Ok(_) => done += 1,
            Err(failure) => assert!(failure.is("NothingChanges"), "{failure:#?}"),
        }
    };
    for market in [SOL, BTC] {
        let from = world.market(market).core.params;
        let payload = |gradual| ChangePayload::MarketParams { market, params: tight_market(&from, gradual) };
        push(world, [true, false].map(payload));
    }
    for vault in [0, SOL_VAULT] {
        let from = world.vault(vault).core.params;
        let payload = |gradual| ChangePayload::VaultParams { vault, params: tight_vault(&from, gradual) };
        push(world, [true, false].map(payload));
    }
    done
}

/// Lets both markets only be reduced. How many were active.
pub fn stop_markets(world: &mut World, key: &Keypair) -> usize {
    let stop = |market| ChangePayload::MarketStatus { market, status: MarketStatus::ReduceOnly, price: 0 };
    let results = [SOL, BTC].map(|market| tighten(world, key, stop(market)));
    results
        .into_iter()
        .filter(|result| match result {
            Ok(_) => true,
            Err(failure) => {
                assert!(failure.is("BadTransition"), "{failure:#?}");
                false
            }
        })
        .count()
}

/// What may not be tightened: all that loosens, or has no safe direction, or is no set of parameters.
pub fn loosen_at_once(world: &mut World, key: &Keypair, attacker: Pubkey) {
    for wish in wishes(world, attacker) {
        let expected = match wish {
            ChangePayload::MarketParams { .. }
            | ChangePayload::VaultParams { .. }
            | ChangePayload::ExchangeParams { .. }
            | ChangePayload::PoolParams { .. }
            | ChangePayload::InsuranceParams { .. } => "Loosens",
            _ => "NotTightenable",
        };
        refused(tighten(world, key, wish), expected);
    }
    for market in [SOL, BTC] {
        for (status, price) in [(MarketStatus::Active, 0), (MarketStatus::Settling, 1 << 32)] {
            let wish = ChangePayload::MarketStatus { market, status, price };
            let failure = tighten(world, key, wish).expect_err("not at once");
            assert!(failure.is("BadTransition") || failure.is("NotTightenable"), "{failure:#?}");
        }
    }
}

/// What may not even be proposed: further than a step, beyond a bound, from an oracle of one's own.
pub fn propose_without_bounds(world: &mut World) {
    let market = |params| ChangePayload::MarketParams { market: SOL, params };
    let m = world.market(SOL).core.params;
    let (quote, sol) = (world.vault(0).core.params, world.vault(SOL_VAULT).core.params);
    let e = world.exchange().params;
    let p = world.pool().core.params;
    let vault = |vault, params| ChangePayload::VaultParams { vault, params };
    let outflow = |floor, max_ppm| OutflowParams { floor, max_ppm, _padding: 0 };
    let least = loose_market(&m).mmf_ppm;
    for payload in [
        market(MarketParams { mmf_ppm: least - 1, max_impact_ppm: m.max_impact_ppm / 2, ..loose_market(&m) }),
        market(MarketParams { imf_ppm: loose_market(&m).imf_ppm - 1, ..loose_market(&m) }),
        market(MarketParams { max_oi: 2 * m.max_oi + (1 << 43) + 1, ..m }),
        market(MarketParams { lot_decimals: m.lot_decimals + 1, ..m }),
        vault(
            0,
            CollateralParams {
                outflow: outflow(2 * quote.outflow.floor + 1, quote.outflow.max_ppm),
                ..deep(&quote)
            },
        ),
        vault(0, CollateralParams { max_deposits: 2 * quote.max_deposits.max(1) + 1, ..deep(&quote) }),
        vault(SOL_VAULT, CollateralParams { haircut_maint_ppm: sol.haircut_maint_ppm - 25_001, ..sol }),
        ChangePayload::PoolParams { params: PoolParams { redeem_delay: 2 * p.redeem_delay + 1, ..p } },
    ] {
        refused(world.propose(payload), "StepTooLarge");
    }
    let bad_growth = CollateralParams { cap_growth_ppm: 1_000_001, ..fake_collateral() };
    let fake = |sources, params| ChangePayload::CreateVault { mint: fake_mint(), sources, params };
    for payload in [
        ChangePayload::ExchangeParams { params: ExchangeParams { delay: 86_399, ..e } },
        ChangePayload::ExchangeParams { params: ExchangeParams { delay: 0, ..e } },
        market(MarketParams { max_gap_ppm: m.mmf_ppm, ..m }),
        vault(0, CollateralParams { outflow: outflow(quote.outflow.floor, 1_000_001), ..quote }),
        vault(0, CollateralParams { cap_growth_ppm: 1_000_001, ..quote }),
        fake(fake_sources(), bad_growth),
        fake(fake_sources(), CollateralParams { haircut_init_ppm: 19_999, ..fake_collateral() }),
        ChangePayload::CreateMarket {
            sources: fake_sources(),
            params: MarketParams { mmf_ppm: 14_000, ..FAKE.listed_params() },
        },
    ] {
        refused(world.propose(payload), "ParameterOutOfBounds");
    }
    // A program of his own that prints what he likes; no oracle; one oracle twice; an owner of another kind.
    let genuine = fake_sources()[0];
    let own = OracleSource { owner: fixtures::address("his own program"), ..genuine };
    let odd = OracleSource { kind: 3, ..genuine };
    let dirty = OracleSource { _padding: [1; 7], ..genuine };
    for bad in [
        [own, OracleSource::NONE],
        [OracleSource::NONE; 2],
        [genuine; 2],
        [genuine, own],
        [odd, OracleSource::NONE],
        [dirty, OracleSource::NONE],
    ] {
        refused(world.propose(fake(bad, fake_collateral())), "InvalidPayload");
        refused(
            world.propose(ChangePayload::CreateMarket { sources: bad, params: FAKE.listed_params() }),
            "InvalidPayload",
        );
        refused(world.propose(ChangePayload::MarketSources { market: SOL, sources: bad }), "InvalidPayload");
        refused(
            world.propose(ChangePayload::VaultSources { vault: SOL_VAULT, sources: bad }),
            "InvalidPayload",
        );
    }
    for (market, bits) in [(None, 0), (None, 16), (Some(SOL), 2), (Some(SOL), 8)] {
        refused(world.propose(ChangePayload::Unpause { market, bits }), "InvalidPayload");
    }
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), world.payer.pubkey());
    for nonce in [world.exchange().next_change + NONCE_AHEAD, world.exchange().next_change - 1] {
        let payload = ChangePayload::FeeRecipient { fee_recipient: admin.pubkey() };
        let call = ix::propose_change(&world.listings, keys, nonce, payload).expect("builds");
        refused(world.send(&[call], &[&admin]), "BadNonce");
    }
}

/// The parameters with a cap so high that no floor of the outflow is out of bounds for it.
fn deep(from: &CollateralParams) -> CollateralParams {
    CollateralParams { max_deposits: from.max_deposits * 2, ..*from }
}

/// A transaction that stays valid for ever: its blockhash is the stored value of a nonce account of `key`.
pub fn sign_for_ever(world: &mut World, key: &Keypair, instruction: Instruction) -> Transaction {
    let nonce = world.keypair().pubkey();
    let value = solana_sha256_hasher::hash(nonce.as_ref());
    let mut data = [1_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat(); // current version, initialized
    data.extend(key.pubkey().as_ref());
    data.extend(value.as_ref());
    data.extend(5_000_u64.to_le_bytes());
    world.set_account(nonce, address::SYSTEM_PROGRAM, data);
    let accounts = vec![
        AccountMeta::new(nonce, false),
        AccountMeta::new_readonly(BLOCKHASHES, false),
        AccountMeta::new_readonly(key.pubkey(), true),
    ];
    let advance =
        Instruction { program_id: address::SYSTEM_PROGRAM, accounts, data: 4_u32.to_le_bytes().to_vec() };
    let payer = world.payer.insecure_clone();
    let message = Message::new(&[advance, instruction], Some(&payer.pubkey()));
    let mut transaction = Transaction::new_unsigned(message);
    transaction.try_sign(&[&payer, key], value).expect("both sign");
    transaction
}

/// Sends what was signed before. `Err` with the name of the program's error, or the runtime's.
pub fn send_signed(world: &mut World, transaction: Transaction) -> Result<(), String> {
    let Err(failed) = world.svm.send_transaction(transaction) else { return Ok(()) };
    let named = failed.meta.logs.iter().find_map(|line| line.split_once("Error Code: ")?.1.split_once('.'));
    Err(named.map_or_else(|| format!("{:?}", failed.err), |(name, _)| name.to_string()))
}
