//! A day in a few minutes: the clock goes in steps, prices walk, traders trade, and the keeper keeps everything going.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{EventBatch, Subscription, Update};

use crate::harness::crash::fall_to;
use crate::harness::crowd::Crowd;
use crate::harness::keeper::CAPITAL;
use crate::harness::process::{Process, folder};
use crate::harness::reading::Reading;
use crate::harness::stage::{MILLI_SOL, SOL, Stage, soon};

/// Seconds of a step.
const STEP: i64 = 900;
/// Steps of a day.
const STEPS: u32 = 96;
/// Steps between two trades.
const TRADE_EVERY: u32 = 4;
/// Label of SOL's fees.
const FEES: (&str, &str) = ("leg", "market0");
/// Memory that a keeper may gain in three quarters of a day beside a tenth of what it has.
const GROWTH: u64 = 4 << 20;

/// Prices of the day, ppm below the first ones: down to the middle of the day, and up again.
fn below_first(step: u32) -> i64 {
    let half = i64::from(STEPS / 2);
    (half - (i64::from(step) - half).abs()) * 30_000 / half
}

/// Waits until every market's stored price is of a moment or later: somebody has refreshed it.
async fn refreshed(stage: &Stage, moment: i64) {
    soon(async {
        loop {
            let all = stage.client.market_context(&stage.listings).await;
            let fresh = |all: &bulwark_sdk::rpc::MarketContext| {
                all.markets.values().all(|market| market.core.oracle.publish_time >= moment)
            };
            if all.is_ok_and(|all| fresh(&all)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Reads on in what happened, one event after another, until there is one like this.
async fn until(events: &mut Subscription<EventBatch>, like: impl Fn(&Event) -> bool) {
    soon(async {
        loop {
            match events.next().await.expect("the runtime is there") {
                Update::Item { value, .. } if value.events.iter().any(&like) => return,
                Update::Item { .. } => {}
                Update::Reconnected => panic!("events may be missing"),
            }
        }
    })
    .await;
}

async fn triggers(stage: &Stage) -> usize {
    let accounts = stage.client.fetch_all::<MarginAccount>().await.unwrap();
    accounts
        .iter()
        .map(|(_, account)| account.triggers.iter().filter(|trigger| trigger.is_set()).count())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_passes_without_a_missed_crank_and_without_growing_memory() {
    let (stage, folder) = (Stage::start().await, folder("day"));
    stage.fund("keeper", CAPITAL).await;
    // Three stop-losses among them, and margin that a fall of 3 % leaves alone.
    Crowd { count: 60, margins_ppm: (150_000, 200_000), large: false }.gather(&stage).await;
    let trader = stage.fund("trader2", 100_000).await;
    assert_eq!(triggers(&stage).await, 3);
    let mut events = stage.client.events().await.unwrap();
    let keeper = Process::start(&stage, ("keeper", &folder), &[]);
    keeper.at_work().await;
    let (began, oracles) = (stage.network.now().await.unwrap(), stage.network.oracles());
    let (mut early, mut paid, mut longest) = (0, began, 0);
    for step in 1..=STEPS {
        fall_to(oracles, below_first(step)).await;
        stage.network.advance(STEP).await.unwrap();
        refreshed(&stage, began + i64::from(step) * STEP).await;
        if step % TRADE_EVERY == 0 {
            // The clock does not go on before what was paid an hour ago is distributed, and the keeper knows.
            until(&mut events, |event| matches!(event, Event::MarketSwept(sweep) if sweep.market == SOL))
                .await;
            longest = longest.max(stage.network.now().await.unwrap() - paid);
            let young = |reading: &Reading| reading.sum("fees_age_seconds", &[FEES]) < STEP;
            keeper.until(|reading| reading.get("synced") == 1 && young(reading)).await;
            stage.increase("trader2", (SOL, Side::Long), 100 * MILLI_SOL).await;
            until(&mut events, |event| matches!(event, Event::Traded(trade) if trade.account == trader))
                .await;
            paid = stage.network.now().await.unwrap();
            // Nor before it knows of the new fees: their hour begins.
            keeper.until(|reading| reading.has("fees_age_seconds", FEES)).await;
        }
        if step == STEPS / 4 {
            early = keeper.resident_bytes();
        }
    }
    let (late, counted) = (keeper.resident_bytes(), keeper.reading().await);
    let took = stage.network.now().await.unwrap() - began;
    println!("a day of {took} s: {}", counted.tell("transactions_total"));
    println!("  memory {early} -> {late} bytes, {} lamports", counted.get("fees_lamports_total"));
    println!("  fees waited for {longest} s at most; refusals {}", counted.tell("refusals_total"));
    assert_eq!(triggers(&stage).await, 0, "executed");
    // Some were brought along by what else was to be done.
    assert!(counted.confirmed("refresh") >= i64::from(STEPS / 4 * 3));
    assert!(counted.confirmed("sweep") >= i64::from(STEPS / TRADE_EVERY / 2));
    assert_eq!(counted.ended("failed") + counted.ended("unknown"), 0);
    assert!(late <= early + early / 10 + GROWTH, "{early} -> {late}");
    keeper.signal("TERM").await;
    assert_eq!(keeper.end().await.0.code(), Some(0));
}
