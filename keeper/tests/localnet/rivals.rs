//! Two keepers at the same work.

use bulwark_keeper::config::Config;

use crate::crash::{require_in_time, tell};
use crate::harness::crash::Fall;
use crate::harness::crowd::Crowd;
use crate::harness::keeper::{CAPITAL, Keeper, config};
use crate::harness::observer::Observer;
use crate::harness::stage::Stage;

/// Of a hundred transactions that did what they should, how many may have been sent in vain.
const LOST_OF_HUNDRED: i64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keepers_at_the_same_crash_do_no_harm_and_lose_few_fees() {
    let stage = Stage::start().await;
    let members = Crowd::narrow(24).gather(&stage).await;
    stage.fund("trader2", CAPITAL).await;
    let (one, two) = (Keeper::start(&stage).await, Keeper::with(Config { ..config(&stage, "trader2") }));
    two.at_work().await;
    let observer = Observer::start(&stage).await;
    Fall::of(65_000).run(stage.network.oracles()).await;
    let seen = observer.calm(&stage).await;
    let ((one, _), (two, _)) = (one.stop().await, two.stop().await);
    tell("the first of two", &seen, &one);
    tell("the second of two", &seen, &two);
    assert_eq!(stage.reduced(&members).await, members.len(), "the fall reaches them all");
    require_in_time(&seen);
    let both = |what: &str| one.ended(what) + two.ended(what);
    let (confirmed, failed) = (both("confirmed"), both("failed"));
    println!("two keepers: {confirmed} did what they should, {failed} came too late");
    assert!(one.confirmed("liquidate") > 0 && two.confirmed("liquidate") > 0, "both have work");
    assert!(failed * 100 <= confirmed * LOST_OF_HUNDRED);
    assert_eq!(both("unknown"), 0);
}
