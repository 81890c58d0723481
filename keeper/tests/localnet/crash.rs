//! The crash: prices fall by an eighth within five minutes, and two hundred accounts come into trouble on the way.

use crate::harness::crash::Fall;
use crate::harness::crowd::Crowd;
use crate::harness::keeper::Keeper;
use crate::harness::observer::{Chronicle, Observer};
use crate::harness::reading::Reading;
use crate::harness::stage::Stage;

/// Slots within which an account has to be closed or restored.
pub const IN_TIME: u64 = 25;

/// Prints what happened, for people.
pub fn tell(what: &str, seen: &Chronicle, counted: &Reading) {
    let slots = seen.durations();
    let at = |share: usize| slots.get((slots.len().saturating_sub(1)) * share / 100).copied().unwrap_or(0);
    println!("{what}: {} accounts in trouble {} times", seen.accounts().len(), slots.len());
    println!("  slots: {} at least, {} half, {} of a hundred 95, {} at most", at(0), at(50), at(95), at(100));
    println!("  transactions: {}", counted.tell("transactions_total"));
    println!("  refusals: {}", counted.tell("refusals_total"));
    println!("  lost races: {}", counted.tell("lost_races_total"));
    println!("  earned (quote units): {}", counted.tell("earned_quote_units_total"));
    println!("  fees: {} lamports", counted.get("fees_lamports_total"));
    println!(
        "  reconnects {}, resyncs {}, differences {}",
        counted.get("reconnects_total"),
        counted.get("resyncs_total"),
        counted.get("resync_differences_total")
    );
    println!("  a liquidation takes {} ms", counted.action_ms("liquidate"));
    println!("  insurance {} -> {}", seen.insurance.0, seen.insurance.1);
}

/// Nobody is left in trouble, nobody is worth less than nothing, and the insurance paid for nothing.
pub fn require_no_harm(seen: &Chronicle) {
    assert_eq!(seen.open(), 0, "nobody is left in trouble");
    assert_eq!((seen.insolvent.len(), seen.bankruptcies), (0, 0), "no debt is left to others");
    assert!(seen.insurance.1 >= seen.insurance.0, "{:?}", seen.insurance);
}

/// The same, and each of them in time.
pub fn require_in_time(seen: &Chronicle) {
    let most = seen.durations().last().copied().unwrap_or(0);
    assert!(most <= IN_TIME, "{most} slots");
    require_no_harm(seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_with_200_accounts_is_worked_off() {
    let stage = Stage::start().await;
    Crowd::wide(200).gather(&stage).await;
    let keeper = Keeper::start(&stage).await;
    let observer = Observer::start(&stage).await;
    Fall::slowly(130_000).run(stage.network.oracles()).await;
    let seen = observer.calm(&stage).await;
    let (counted, summary) = keeper.stop().await;
    tell("crash", &seen, &counted);
    println!("  {summary:?}");
    assert!(seen.accounts().len() > 150, "the fall reaches most of them");
    require_in_time(&seen);
    assert!(counted.confirmed("liquidate") < counted.done("liquidate"), "some go together");
    assert_eq!(counted.ended("unknown") + counted.ended("expired"), 0);
}
