//! Whoever holds only the guardian's key, or none: he stops what he may stop, for as long as he may, and nobody is kept in.

use bulwark_sdk::engine::governance::{EXIT_REST, MAX_DELAY, MAX_EXIT_PAUSE};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, Failure, Keypair, Outcome, SOL, SOL_VAULT, Signer, World};

use crate::impostures::{place_trigger, refuse_impostures};
use crate::in_force::InForce;
use crate::payloads::*;
use crate::stage::*;
use crate::volley::*;

/// Two days, which another guardian always waits.
const TWO_DAYS: i64 = 172_800;

fn guardian(world: &World) -> Keypair {
    world.guardian.insecure_clone()
}

fn cancel(world: &mut World, key: &Keypair, nonce: u64) -> Result<Outcome, Failure> {
    let call = ix::cancel_change(key.pubkey(), &world.change(nonce));
    world.send(&[call], &[key])
}

#[test]
fn attack_the_guardian_alone_moves_no_token_and_decides_nothing() {
    let mut stage = Stage::new();
    let trader = stage.traders[0].again();
    place_trigger(&mut stage, &trader);
    stage.ask_for_all();
    let (key, before) = (guardian(&stage), InForce::now(&stage));
    let wallet = stage.wallet(key.pubkey());
    refuse_impostures(&mut stage, &key, wallet);
    let fake =
        ChangePayload::CreateVault { mint: fake_mint(), sources: fake_sources(), params: fake_collateral() };
    stage.create_mint(fake_mint(), 6);
    stage.print(&FAKE, FAKE.price, 0);
    let change = stage.approve(fake).expect("the admin may");
    stage.refresh();
    let keys = (key.pubkey(), stage.payer.pubkey());
    let fees = stage.exchange().protocol_fees;
    let nonce = stage.exchange().next_change;
    let wish = ChangePayload::Guardian { guardian: key.pubkey() };
    for call in [
        ix::propose_change(&stage.listings, keys, nonce, wish).expect("builds"),
        ix::collect_protocol_fees(&stage.listings, key.pubkey(), (wallet, fees)).expect("builds"),
        ix::nominate_admin(key.pubkey(), key.pubkey()),
        ix::create_vault(keys, (fake_mint(), address::TOKEN_PROGRAM), World::oracles(&FAKE), &change),
    ] {
        refused(stage.send(&[call], &[&key]), "Unauthorized");
    }
    loosen_at_once(&mut stage, &key, key.pubkey());
    before.require_no_looser(&stage);
    assert_eq!([0, 1].map(|vault| stage.tokens_of(vault)), stage.held);
}

#[test]
fn attack_the_guardian_alone_clears_no_pause_and_can_be_replaced_within_two_days() {
    let mut stage = Stage::new();
    let (old, new) = (guardian(&stage), stage.keypair());
    pause(&mut stage, &old, None, 15).expect("may pause");
    pause(&mut stage, &old, Some(SOL), 5).expect("may pause");
    for (market, bits) in [(None, 15), (Some(SOL), 5)] {
        refused(tighten(&mut stage, &old, ChangePayload::Unpause { market, bits }), "NotTightenable");
    }
    let (replace, unpause) = (
        stage.propose(ChangePayload::Guardian { guardian: new.pubkey() }).expect("proposes"),
        stage.propose(ChangePayload::Unpause { market: None, bits: 15 }).expect("proposes"),
    );
    // He takes back what he may, and makes everything to come wait a week: not his replacement.
    refused(cancel(&mut stage, &old, replace), "Unauthorized");
    cancel(&mut stage, &old, unpause).expect("the guardian may");
    let params = tight_exchange(&stage.exchange().params);
    tighten(&mut stage, &old, ChangePayload::ExchangeParams { params }).expect("a longer delay is safe");
    assert_eq!(stage.exchange().params.delay, MAX_DELAY);
    let second = stage.propose(ChangePayload::Guardian { guardian: new.pubkey() }).expect("proposes");
    for nonce in [replace, second] {
        assert_eq!(stage.change(nonce).timelock.eta - stage.now(), TWO_DAYS);
    }
    stage.advance(TWO_DAYS - 1);
    refused(cancel(&mut stage, &old, replace), "Unauthorized");
    refused(stage.execute(replace, None), "ChangeTooEarly");
    stage.advance(1);
    stage.execute(replace, None).expect("ripe");
    assert_eq!(stage.exchange().guardian, new.pubkey());
    refused(stage.execute(second, None), "ChangeVoid");
    refused(pause(&mut stage, &old, Some(BTC), 1), "Unauthorized");
    refused(tighten(&mut stage, &old, ChangePayload::Unpause { market: None, bits: 1 }), "Unauthorized");
    // What he has done lasts for a week more: new risk was stopped for nine days.
    let unpause = stage.propose(ChangePayload::Unpause { market: None, bits: 15 }).expect("proposes");
    let eta = stage.change(unpause).timelock.eta;
    assert_eq!(eta - stage.began, TWO_DAYS + i64::from(MAX_DELAY));
    stage.set_clock(eta);
    stage.execute(unpause, None).expect("ripe");
    assert_eq!(stage.exchange().pause, 0);
}

#[test]
fn attack_the_guardian_sets_more_bits_to_void_an_unpause_until_there_are_no_more() {
    let mut stage = Stage::new();
    let key = guardian(&stage);
    pause(&mut stage, &key, None, 1).expect("may pause");
    for (bits, voids) in [(1, false), (2, true), (2, false), (12, true), (15, false)] {
        let unpause = stage.propose(ChangePayload::Unpause { market: None, bits: 15 }).expect("proposes");
        let mut other = stage.fork_world();
        pause(&mut other, &key, None, bits).expect("within the same half day");
        let eta = other.change(unpause).timelock.eta;
        other.set_clock(eta);
        let executed = other.execute(unpause, None);
        if voids {
            refused(executed, "ChangeVoid")
        } else {
            assert!(executed.is_ok(), "{bits}: {executed:?}")
        }
        pause(&mut stage, &key, None, bits).expect("within the same half day");
    }
}

#[test]
fn attack_pausing_again_keeps_nobody_in_for_more_than_half_a_day_in_two_and_a_half() {
    let mut stage = Stage::new();
    let (key, idle) = (guardian(&stage), stage.traders[2].again());
    pause(&mut stage, &key, None, 8).expect("may pause");
    let start = stage.now();
    // Another bit in the last second ends with the first.
    stage.set_clock(start + MAX_EXIT_PAUSE - 1);
    pause(&mut stage, &key, None, 2).expect("adds to the one that runs");
    assert_eq!(stage.take_out(&idle, 0), None);
    stage.set_clock(start + MAX_EXIT_PAUSE);
    assert_eq!(stage.take_out(&idle, 0), Some(100_000 * DOLLAR));
    for bits in [1, 2, 4, 8, 10, 14, 15] {
        for seconds in [0, 1, EXIT_REST / 2, EXIT_REST - 1] {
            let mut other = stage.fork_world();
            other.set_clock(start + MAX_EXIT_PAUSE + seconds);
            // A bit that is new stops a way in; no way out is stopped.
            let paused = pause(&mut other, &key, None, bits);
            if [2, 8, 10].contains(&bits) {
                refused(paused, "ExitPauseTooSoon");
            } else {
                paused.expect("a new bit");
            }
            assert_eq!(other.exchange().exits.until, start + MAX_EXIT_PAUSE);
            let out = other.withdraw(&idle.trader, SOL_VAULT, (idle.sol, 1));
            out.expect("no way out is stopped");
        }
    }
    assert_eq!(stage.take_out(&idle, SOL_VAULT), Some(2_000 * ONE_SOL));
    stage.set_clock(start + MAX_EXIT_PAUSE + EXIT_REST);
    pause(&mut stage, &key, None, 14).expect("rested");
}

#[test]
fn attack_tightening_everything_keeps_no_trader_in() {
    let mut stage = Stage::new();
    let key = guardian(&stage);
    assert_eq!(tighten_all(&mut stage, &key), 4);
    assert_eq!(stop_markets(&mut stage, &key), 2);
    // The margin that liquidates drifts up to 1.25 times what it was within hours; nobody at 3x notices.
    for _ in 0..6 {
        stage.pass(1);
    }
    assert_eq!(stage.market(SOL).core.mmf_ppm(), 38_750);
    for trader in 0..3 {
        let person = stage.traders[trader].again();
        let before = stage.balances(&person);
        for market in [SOL, BTC].into_iter().take(if trader == 2 { 0 } else { 2 }) {
            // Half, and then the rest: a close needs no initial margin.
            let account = stage.margin(&person.trader.margin);
            let lots = account.positions[account.position(market).expect("open")].lots.0.unsigned_abs();
            let step = stage.market(market).core.params.step;
            stage.world.close(&person.trader, market, lots / 2 / step * step).expect("half");
            stage.world.close(&person.trader, market, u64::MAX).expect("the rest");
        }
        for vault in [0, SOL_VAULT] {
            assert!(stage.take_out(&person, vault) > Some(0));
        }
        assert_eq!(stage.balances(&person), [0, 0]);
        let gained = stage.gained(&person);
        assert_eq!(gained[1], i128::from(before[1]));
        // Fees, spread and two days' carry of a million.
        assert!(gained[0] > i128::from(before[0]) - i128::from(4_000 * DOLLAR), "{gained:?} of {before:?}");
    }
}

#[test]
fn attack_tightening_the_skew_keeps_back_twice_the_skew_and_no_more() {
    // Traders stay where they are: 200,000 dollars of SOL and 100,000 of BTC more on one side than on the other.
    let mut stage = Stage::new();
    let key = guardian(&stage);
    tighten_all(&mut stage, &key);
    stop_markets(&mut stage, &key);
    for market in [SOL, BTC] {
        pause(&mut stage, &key, Some(market), 5).expect("may pause");
    }
    stage.ask_for_all();
    stage.pass(23);
    pause(&mut stage, &key, None, 14).expect("before the windows open");
    let before = stage.pool().core.idle;
    for hour in 24..=42 {
        stage.pass(1);
        stage.move_back();
        for provider in [1, 0] {
            if stage.ticket(provider).is_some() {
                let redeemed = stage.redeem(provider);
                assert_eq!(
                    redeemed.as_ref().is_err_and(|f| f.is("Paused")),
                    hour < 35,
                    "{hour}: {redeemed:?}"
                );
            }
        }
    }
    let nav = stage.ask(|snapshot| snapshot.nav(&stage.pool()).expect("nav"));
    println!("idle before {before}, now {}, worth {}, exposed {}", stage.pool().core.idle, nav.low, nav.used);
    let paid: u64 = stage.left.iter().map(|(.., amount)| amount).sum();
    let skew = [(SOL, SOL_ASSET, 200_000), (BTC, BTC_ASSET, 100_000)];
    let kept: u64 = skew.iter().map(|(.., dollars)| 2 * dollars * DOLLAR).sum();
    assert!(paid > 10_000_000 * DOLLAR - kept - 20_000 * DOLLAR, "{paid}");
    // And when the traders go, so does the rest.
    for trader in [0, 1] {
        let person = stage.traders[trader].again();
        for market in [SOL, BTC] {
            stage.world.close(&person.trader, market, u64::MAX).expect("close");
        }
    }
    for market in [SOL, BTC] {
        let back = ix::allocate_liquidity(&stage.listings, market);
        stage.send(&[back], &[]).expect("the rest");
        assert_eq!(stage.market(market).core.book.cash, 0);
    }
}

#[test]
fn attack_liquidity_bits_keep_no_pool_money_in_markets() {
    for (market, bits) in [(None, 4), (Some(SOL), 4), (Some(SOL), 5), (None, 15)] {
        let mut stage = Stage::new();
        let key = guardian(&stage);
        stage.ask_for_all();
        pause(&mut stage, &key, market, bits).expect("may pause");
        let cash = stage.market(SOL).core.book.cash;
        let back = ix::allocate_liquidity(&stage.listings, SOL);
        stage.send(&[back], &[]).expect("back to the pool");
        // What 200,000 dollars of skew need stays.
        let left = stage.market(SOL).core.book.cash;
        assert!(cash > 3_900_000 * DOLLAR && left < 210_000 * DOLLAR, "{cash} {left}");
        // The other way it is stopped: nobody asks for his money any more, but nothing goes in.
        let mut other = Stage::new();
        pause(&mut other, &key, market, bits).expect("may pause");
        let more = other.world.trader(5_000_000 * DOLLAR);
        if market.is_some() {
            other.world.add_liquidity(&more, 5_000_000 * DOLLAR).expect("add_liquidity");
            let into = ix::allocate_liquidity(&other.listings, SOL);
            refused(other.send(&[into], &[]), "Paused");
        } else {
            refused(other.world.add_liquidity(&more, 5_000_000 * DOLLAR), "Paused");
        }
    }
}

/// A change that activates or stops a market, or settles it.
pub fn status(market: u16, status: MarketStatus, price: u64) -> ChangePayload {
    ChangePayload::MarketStatus { market, status, price }
}

/// Account that anyone can send lamports to.
pub fn send_dust(world: &mut World, key: Pubkey, lamports: u64) {
    let mut account = world.svm.get_account(&key).unwrap_or_default();
    account.lamports += lamports;
    world.svm.set_account(key, account).expect("set account");
}
