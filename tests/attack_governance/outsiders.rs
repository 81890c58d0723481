//! Whoever holds no key at all: what is for anyone to call does only what it is for.

use bulwark_sdk::address;
use bulwark_sdk::engine::governance::CHANGE_WINDOW;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::events::CancelReason;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_tests::fixtures::{self, SOL_ASSET};
use bulwark_tests::{BTC, Failure, Keypair, Outcome, SOL, Signer, World};
use solana_account::ReadableAccount;

use crate::griefing::{send_dust, status};
use crate::impostures::place_trigger;
use crate::payloads::*;
use crate::stage::*;
use crate::volley::*;

fn lamports(world: &World, key: &bulwark_sdk::Pubkey) -> u64 {
    world.svm.accounts_db().get_account_ref(key).map_or(0, ReadableAccount::lamports)
}

/// Changes what a market's traders pay: neither tighter nor looser.
fn other_fee(world: &World, market: u16) -> ChangePayload {
    let params = world.market(market).core.params;
    ChangePayload::MarketParams { market, params: MarketParams { taker_fee_ppm: 400, ..params } }
}

fn cancel(world: &mut World, key: &Keypair, nonce: u64) -> Result<Outcome, Failure> {
    let call = ix::cancel_change(key.pubkey(), &world.change(nonce));
    world.send(&[call], &[key])
}

#[test]
fn attack_a_market_is_suspended_only_when_it_has_had_no_price() {
    let mut stage = Stage::new();
    let outage = i64::from(stage.market(SOL).core.params.max_outage);
    let published = stage.market(SOL).core.oracle.publish_time;
    for age in [0, outage / 2, outage] {
        stage.set_clock(published + age);
        refused(stage.send(&[ix::suspend_market(SOL)], &[]), "NoOutage");
    }
    refused(stage.send(&[ix::resume_market(SOL)], &[]), "NotSuspended");
    let mut quiet = stage.fork_world();
    quiet.set_clock(published + outage + 1);
    quiet.send(&[ix::suspend_market(SOL)], &[]).expect("an outage");
    refused(quiet.send(&[ix::suspend_market(SOL)], &[]), "ReduceOnly");
    // Whoever refreshes in time stops that.
    stage.refresh();
    stage.set_clock(published + outage + 1);
    refused(stage.send(&[ix::suspend_market(SOL)], &[]), "NoOutage");
}

#[test]
fn attack_a_suspension_lets_people_out_and_ends_when_there_is_a_price_again() {
    let mut stage = Stage::new();
    let outage = i64::from(stage.market(SOL).core.params.max_outage);
    stage.advance(outage + 1);
    stage.send(&[ix::suspend_market(SOL)], &[]).expect("an outage");
    stage.refresh();
    let bull = stage.traders[0].again();
    refused(
        stage.world.open(&bull.trader, SOL, bulwark_sdk::engine::units::Side::Long, SOL_ASSET.one()),
        "ReduceOnly",
    );
    stage.world.close(&bull.trader, SOL, u64::MAX).expect("close");
    stage.advance(outage - 1);
    stage.refresh();
    refused(stage.send(&[ix::resume_market(SOL)], &[]), "NotSuspended");
    stage.advance(61);
    refused(stage.send(&[ix::resume_market(SOL)], &[]), "PriceStale");
    stage.refresh();
    stage.send(&[ix::resume_market(SOL)], &[]).expect("there is a price");
    assert!(stage.market(SOL).is(MarketStatus::Active));
    refused(stage.send(&[ix::suspend_market(SOL)], &[]), "NoOutage");
    // What governance stops, nobody resumes.
    let key = stage.guardian.insecure_clone();
    tighten(&mut stage, &key, status(SOL, MarketStatus::ReduceOnly, 0)).expect("stops");
    stage.advance(10 * outage);
    stage.refresh();
    refused(stage.send(&[ix::resume_market(SOL)], &[]), "NotSuspended");
}

#[test]
fn attack_governance_takes_over_a_suspension_that_an_outsider_began() {
    let mut stage = Stage::new();
    let outage = i64::from(stage.market(SOL).core.params.max_outage);
    stage.advance(outage + 1);
    stage.send(&[ix::suspend_market(SOL)], &[]).expect("an outage");
    let key = stage.guardian.insecure_clone();
    tighten(&mut stage, &key, status(SOL, MarketStatus::ReduceOnly, 0)).expect("for good");
    stage.advance(2 * outage);
    stage.refresh();
    refused(stage.send(&[ix::resume_market(SOL)], &[]), "NotSuspended");
}

#[test]
fn attack_nobody_voids_a_change_of_a_market_that_is_kept() {
    let mut stage = Stage::new();
    let nonce = {
        let wish = other_fee(&stage, SOL);
        stage.propose(wish).expect("proposes")
    };
    let (eta, bull) = (stage.change(nonce).timelock.eta, stage.traders[0].again());
    while stage.now() + HOUR <= eta {
        stage.pass(1);
        for call in [
            ix::suspend_market(SOL),
            ix::resume_market(SOL),
            ix::sweep_market(SOL),
            ix::allocate_liquidity(&stage.listings, SOL),
            ix::settle_position(bull.trader.margin, SOL),
            ix::check_invariants(Some(&stage.listings.vaults[0]), Some(SOL), [bull.trader.margin]),
            ix::close_market(SOL, stage.market(SOL).payer),
        ] {
            let _ = stage.send(&[call], &[]);
        }
    }
    stage.set_clock(eta);
    stage.execute(nonce, None).expect("nobody has voided it");
    assert_eq!(stage.market(SOL).core.params.taker_fee_ppm, 400);
}

#[test]
fn attack_a_suspension_of_a_market_that_nobody_keeps_voids_no_change() {
    let mut stage = Stage::new();
    let wish = other_fee(&stage, SOL);
    let nonce = stage.propose(wish).expect("proposes");
    let (eta, outage) =
        (stage.change(nonce).timelock.eta, i64::from(stage.market(SOL).core.params.max_outage));
    stage.advance(outage + 1);
    stage.send(&[ix::suspend_market(SOL)], &[]).expect("an outage");
    let mut suspended = stage.fork_world();
    stage.advance(outage);
    stage.refresh();
    stage.send(&[ix::resume_market(SOL)], &[]).expect("there is a price");
    for world in [&mut suspended, &mut stage.world] {
        world.set_clock(eta);
        world.execute(nonce, None).expect("neither has voided it");
        assert_eq!(world.market(SOL).core.params.taker_fee_ppm, 400);
    }
}

#[test]
fn attack_executing_a_change_at_its_eta_does_what_was_proposed_and_pays_nobody() {
    let mut stage = Stage::new();
    let payload = other_fee(&stage, SOL);
    let nonce = stage.propose(payload).expect("proposes");
    let change = stage.change(nonce);
    let thief = stage.keypair();
    let rent = lamports(&stage, &address::change(nonce));
    let call = |payer| {
        let mut call = ix::execute_change(&stage.listings, &change, None).expect("builds");
        call.accounts[0].pubkey = payer;
        call
    };
    let (right, wrong) = (call(change.payer), call(thief.pubkey()));
    let mut other_market = right.clone();
    let (sol, btc) = (address::market(SOL), address::market(BTC));
    for meta in other_market.accounts.iter_mut().filter(|meta| meta.pubkey == sol) {
        meta.pubkey = btc;
    }
    stage.set_clock(change.timelock.eta - 1);
    refused(stage.send(std::slice::from_ref(&right), &[]), "ChangeTooEarly");
    stage.set_clock(change.timelock.eta);
    refused(stage.send(&[wrong], &[]), "WrongAccount");
    refused(stage.send(&[other_market], &[]), "WrongAccount");
    let (payer, before) = (stage.payer.pubkey(), stage.market(SOL).core.params);
    let held = lamports(&stage, &payer);
    stage.send(std::slice::from_ref(&right), &[]).expect("ripe");
    assert_eq!(lamports(&stage, &payer), held + rent - 5_000, "the rent less the fee of the transaction");
    assert_eq!(stage.market(SOL).core.params, MarketParams { taker_fee_ppm: 400, ..before });
    refused(stage.send(&[right], &[]), "AccountOwnedByWrongProgram");
}

#[test]
fn attack_dust_on_the_address_of_a_change_or_a_listing_stops_neither() {
    for dust in [1, 890_880, 1_000_000_000_000] {
        let mut stage = Stage::new();
        let nonce = stage.exchange().next_change;
        let vault = address::vault(&fake_mint());
        for key in [
            address::change(nonce),
            address::change(nonce + 1),
            address::market(2),
            vault,
            address::vault_tokens(&fake_mint()),
        ] {
            send_dust(&mut stage, key, dust);
        }
        stage.create_mint(fake_mint(), 6);
        let (mint, sources, params) = (fake_mint(), fake_sources(), fake_collateral());
        let nonces = [
            ChangePayload::CreateVault { mint, sources, params },
            ChangePayload::CreateMarket { sources, params: FAKE.listed_params() },
        ]
        .map(|listing| stage.propose(listing).expect("proposes"));
        assert_eq!(nonces, [nonce, nonce + 1]);
        let eta = stage.change(nonce).timelock.eta;
        stage.set_clock(eta);
        stage.print(&FAKE, FAKE.price, 0);
        for nonce in nonces {
            stage.execute(nonce, None).expect("ripe");
            send_dust(&mut stage, address::change(nonce), 1);
        }
        let admin = stage.admin.insecure_clone();
        let keys = (admin.pubkey(), stage.payer.pubkey());
        let [vault, market] = nonces.map(|nonce| stage.change(nonce));
        let create = ix::create_vault(keys, (mint, address::TOKEN_PROGRAM), World::oracles(&FAKE), &vault);
        stage.send(&[create], &[&admin]).expect("create_vault");
        let [first, second] = ix::create_market(keys, 2, World::oracles(&FAKE), &market);
        stage.send(&[first], &[&admin]).expect("allocates");
        send_dust(&mut stage, address::market(2), dust);
        stage.send(&[second], &[&admin]).expect("create_market");
        assert_eq!(stage.exchange().market_count, 3);
        // All lamports of a change, dust included, went to who paid for it.
        assert_eq!([nonce, nonce + 1].map(|nonce| lamports(&stage, &address::change(nonce))), [0, 0]);
        let rent = stage.svm.minimum_balance_for_rent_exemption(bulwark_sdk::program::state::Market::SPACE);
        assert!(lamports(&stage, &address::market(2)) >= rent);
    }
}

#[test]
fn attack_a_stranger_cancels_a_change_only_when_it_is_of_no_use() {
    let mut stage = Stage::new();
    let stranger = stage.attacker.trader.key.insecure_clone();
    let payload = other_fee(&stage, SOL);
    let nonce = stage.propose(payload).expect("proposes");
    let timelock = stage.change(nonce).timelock;
    assert_eq!(timelock.expiry - timelock.eta, CHANGE_WINDOW);
    for moment in [stage.now(), timelock.eta - 1, timelock.eta, timelock.expiry] {
        stage.set_clock(moment);
        refused(cancel(&mut stage, &stranger, nonce), "Unauthorized");
    }
    let mut under_another = stage.fork_world();
    stage.set_clock(timelock.expiry + 1);
    refused(stage.execute(nonce, None), "ChangeExpired");
    let mut to_himself = ix::cancel_change(stranger.pubkey(), &stage.change(nonce));
    to_himself.accounts[1].pubkey = stranger.pubkey();
    refused(stage.send(&[to_himself], &[&stranger]), "WrongAccount");
    let (rent, payer) = (lamports(&stage, &address::change(nonce)), stage.payer.pubkey());
    let held = lamports(&stage, &payer);
    cancel(&mut stage, &stranger, nonce).expect("it has lapsed");
    assert_eq!(lamports(&stage, &payer), held + rent - 10_000, "two signatures");

    // Under another admin it is void, whoever that is.
    let next = under_another.keypair();
    let admin = under_another.admin.insecure_clone();
    let nominate = ix::nominate_admin(admin.pubkey(), next.pubkey());
    under_another.set_clock(timelock.eta - 172_800);
    under_another.send(&[nominate], &[&admin]).expect("nominates");
    under_another.set_clock(timelock.eta);
    refused(cancel(&mut under_another, &stranger, nonce), "Unauthorized");
    under_another.send(&[ix::accept_admin(next.pubkey())], &[&next]).expect("accepts");
    refused(under_another.execute(nonce, None), "ChangeVoid");
    cancel(&mut under_another, &stranger, nonce).expect("it is void");
}

#[test]
fn attack_an_index_that_is_taken_again_executes_no_old_trigger_and_no_old_change() {
    let mut stage = Stage::new();
    let [bull, bear, _] = [0, 1, 2].map(|trader| stage.traders[trader].again());
    place_trigger(&mut stage, &bull);
    let key = stage.guardian.insecure_clone();
    let payer = stage.market(SOL).payer;
    refused(stage.send(&[ix::close_market(SOL, payer)], &[]), "MarketNotEmpty");
    tighten(&mut stage, &key, status(SOL, MarketStatus::ReduceOnly, 0)).expect("stops");
    let settling = stage.propose(status(SOL, MarketStatus::Settling, 0)).expect("proposes");
    let eta = stage.change(settling).timelock.eta;
    stage.set_clock(eta);
    stage.refresh();
    stage.execute(settling, None).expect("ripe");
    let old = other_fee(&stage, SOL);
    let [fee, unpause] = [old, ChangePayload::Unpause { market: Some(SOL), bits: 5 }]
        .map(|payload| stage.propose(payload).expect("proposes"));
    refused(stage.send(&[ix::close_market(SOL, payer)], &[]), "MarketNotEmpty");
    for _ in 0..2 {
        for person in [&bull, &bear] {
            let _ = stage.settle(&person.trader.margin, SOL);
        }
    }
    stage.send(&[ix::close_market(SOL, payer)], &[]).expect("nobody is in it");
    let index = stage.list_market(&SOL_ASSET, SOL_ASSET.live_params());
    assert_eq!(index, SOL);

    // Bull is long again in the new market; the price is what his old trigger waits for.
    stage.refresh();
    let into = ix::allocate_liquidity(&stage.listings, SOL);
    stage.send(&[into], &[]).expect("allocate_liquidity");
    stage
        .world
        .open(&bull.trader, SOL, bulwark_sdk::engine::units::Side::Long, SOL_ASSET.one())
        .expect("open");
    stage.prices[0] = 3 * fixtures::PRINT;
    stage.advance(1);
    stage.refresh();
    let account = stage.margin(&bull.trader.margin);
    let margin = Margin { address: bull.trader.margin, account: &account };
    let execute = ix::execute_trigger(&stage.listings, margin, account.triggers[0].id, None).expect("builds");
    let outcome = stage.send(&[execute], &[]).expect("cancels it");
    let cancelled = outcome
        .events
        .iter()
        .any(|event| matches!(event, Event::TriggerCancelled(e) if e.reason == CancelReason::MarketClosed));
    assert!(cancelled, "{:?}", outcome.events);
    let traded = outcome.events.iter().any(|event| matches!(event, Event::Traded(_)));
    assert!(!traded);
    assert!(stage.margin(&bull.trader.margin).position(SOL).is_some(), "the new position is untouched");

    // What was proposed for the old one is void.
    let eta = stage.change(fee).timelock.eta;
    stage.set_clock(eta);
    for nonce in [fee, unpause] {
        refused(stage.execute(nonce, None), "ChangeVoid");
    }
}
