//! What keeps people in for longer than the delay, with numbers: the limit of the outflow, and positions that pool money backs.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, SOL, Signer};

use crate::after_the_delay::take_source;
use crate::leaving::require_all_out;
use crate::payloads::*;
use crate::stage::*;
use crate::volley::*;

/// Everything is tightened and stopped, and something is proposed; everybody asks for his money. When it is ripe.
fn begin(stage: &mut Stage) -> i64 {
    let key = stage.admin.insecure_clone();
    tighten_all(stage, &key);
    stop_markets(stage, &key);
    let fee_recipient = key.pubkey();
    let nonce = stage.propose(ChangePayload::FeeRecipient { fee_recipient }).expect("proposes");
    stage.ask_for_all();
    stage.change(nonce).timelock.eta
}

/// Lets the hours until a change is ripe pass; in one of them everything is paused, and again whenever that goes.
fn endure(stage: &mut Stage, eta: i64, pauses: i64) {
    let key = stage.guardian.insecure_clone();
    while stage.now() < eta - 1 {
        if stage.hour() >= pauses {
            let _ = pause(stage, &key, None, 15);
        }
        if stage.hour() > 0 {
            stage.leave();
        }
        let next = (stage.now() + HOUR).min(eta - 1);
        stage.set_clock(next);
        stage.refresh();
    }
    stage.leave();
}

#[test]
fn attack_a_pause_in_any_hour_of_the_least_delay_keeps_nobody_in() {
    for pauses in [0, 4, 11, 12, 13, 18, 22, 23, 24, 25, 26, 27, 29, 30, 31, 36, 41] {
        let mut stage = Stage::of(86_400, WIDE);
        let eta = begin(&mut stage);
        assert_eq!(eta - stage.began, 42 * HOUR);
        endure(&mut stage, eta, pauses);
        println!("paused in hour {pauses}");
        require_all_out(&stage);
    }
}

#[test]
fn attack_a_narrow_outflow_keeps_a_large_provider_in_and_nobody_else() {
    // A tenth of the vault an hour, and at once half of that: with 8 of 11 million in one ticket its hourly part is below a
    // tenth, so its window ends after six hours.
    for (delay, pauses, opens) in [(172_800, 0, 24), (172_800, 24, 36), (86_400, 0, 24), (86_400, 24, 36)] {
        let mut stage = Stage::of(delay, NARROW);
        let eta = begin(&mut stage);
        endure(&mut stage, eta, pauses);
        for person in &stage.traders {
            assert_eq!(stage.balances(person), [0, 0], "{}", person.name);
        }
        assert_eq!(stage.pool().core.senior.shares, 0);
        let (taken, summary) = (stage.taken("junior"), stage.summary());
        println!("delay {delay}, paused in hour {pauses}: {summary:?}");
        let (first, last, _) = summary[&("junior", 0)];
        assert!(first >= opens && last <= opens + 6, "{first} to {last}");
        assert!((1_100_000..1_300_000).contains(&(taken / DOLLAR)), "{taken}");
    }
}

#[test]
fn attack_positions_of_his_own_keep_pool_money_in_for_sources_of_his_own() {
    // A tenth of a million of his own makes him long as much of either market as its curve allows. Tightened, the cap of the
    // skew asks for twice that in either market, and that he may take when his delay is over.
    let mut stage = Stage::new();
    let (attacker, key) = (stage.attacker.again(), stage.admin.insecure_clone());
    for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
        let step = stage.market(market).core.params.step;
        let mut lots = asset.lots_worth(1_500_000) / step * step;
        while stage.world.open(&attacker.trader, market, Side::Long, lots).is_err() {
            lots = lots * 99 / 100 / step * step;
        }
        println!("long {lots} lots of market {market}");
    }
    stage.begin();
    tighten_all(&mut stage, &key);
    stop_markets(&mut stage, &key);
    let sources = [SOL, BTC].map(|market| {
        let wish = ChangePayload::MarketSources { market, sources: fake_sources() };
        stage.propose(wish).expect("proposes")
    });
    stage.ask_for_all();
    let eta = stage.change(sources[0]).timelock.eta;
    endure(&mut stage, eta, 24);
    let skews = [SOL, BTC].map(|market| {
        let core = stage.market(market).core;
        core.notional(core.book.skew().expect("valid").count()).expect("fits")
    });
    let cash = [SOL, BTC].map(|market| stage.market(market).core.book.cash);
    let providers = stage.taken("junior") + stage.taken("senior");
    println!("skews {skews:?}, cash {cash:?}, providers have {providers}");
    // Twice the skew stays, and of that the unrealised losses of nobody else: traders are out.
    for (skew, cash) in skews.into_iter().zip(cash) {
        assert!(cash <= 2 * skew + skew / 100, "{cash} of {skew}");
    }
    assert!(providers > 10_000_000 * DOLLAR - cash[0] - cash[1] - 150_000 * DOLLAR, "{providers}");

    stage.set_clock(eta + 1);
    stage.refresh();
    let before = i128::from(stage.margin(&attacker.trader.margin).quote.0);
    for (market, nonce, dollars) in
        [(SOL, sources[0], [300, 15_000]), (BTC, sources[1], [119_000, 6_000_000])]
    {
        take_source(&mut stage, (market, nonce), dollars).expect("nothing can be opened there");
        stage.world.close(&attacker.trader, market, u64::MAX).expect("close");
    }
    let booked = i128::from(stage.margin(&attacker.trader.margin).quote.0) - before;
    println!("he books {booked}");
    assert!(booked > 0 && booked <= i128::from(cash[0] + cash[1]) + i128::from(DOLLAR), "{booked}");
    // Nobody else's money was there to take.
    assert!(stage.traders.iter().all(|person| stage.balances(person) == [0, 0]));
}
