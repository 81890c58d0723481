//! The node goes away in the middle of a crash, and comes back: as it was, or with another chain.

use crate::crash::{require_in_time, tell};
use crate::harness::crash::{Fall, fall_to};
use crate::harness::crowd::{Crowd, DROP_PPM};
use crate::harness::keeper::{CAPITAL, Keeper};
use crate::harness::observer::Observer;
use crate::harness::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_in_a_crash_cost_nobody_anything() {
    let mut stage = Stage::start().await;
    let members = Crowd::narrow(24).gather(&stage).await;
    let keeper = Keeper::start(&stage).await;
    let observer = Observer::start(&stage).await;
    let mut fall = Fall::of(20_000);
    fall.run(stage.network.oracles()).await;
    for (cuts, to_ppm) in (1..).zip([30_000, 40_000, 65_000]) {
        stage.network.drop_connections().await.unwrap();
        fall = fall.on(to_ppm);
        let heals = keeper.until(|reading| {
            ["reconnects_total", "resyncs_total"].iter().all(|total| reading.get(total) >= cuts)
        });
        tokio::join!(fall.run(stage.network.oracles()), heals);
    }
    let seen = observer.calm(&stage).await;
    keeper.at_work().await;
    assert_eq!(keeper.problems(), Vec::<String>::new(), "/healthz is content");
    let (counted, _) = keeper.stop().await;
    tell("cut", &seen, &counted);
    assert_eq!(stage.reduced(&members).await, members.len(), "the fall reaches them all");
    require_in_time(&seen);
    assert_eq!(counted.ended("unknown"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_has_begun_anew_is_worked_on_without_a_restart() {
    let mut stage = Stage::start().await;
    Crowd::tight(4).gather(&stage).await;
    let keeper = Keeper::start(&stage).await;
    keeper.until(|reading| reading.get("accounts") == 6).await;

    // Nothing of the old chain is left: neither the accounts, nor the keeper's own.
    stage.network.reset().await.unwrap();
    keeper.until(|reading| reading.get("synced") == 1 && reading.get("accounts") <= 1).await;
    stage.refund("keeper", CAPITAL).await;
    let members = Crowd::tight(8).gather(&stage).await;
    let observer = Observer::start(&stage).await;
    fall_to(stage.network.oracles(), DROP_PPM).await;
    let seen = observer.calm(&stage).await;
    let (counted, _) = keeper.stop().await;
    tell("anew", &seen, &counted);
    assert_eq!(stage.reduced(&members).await, members.len());
    require_in_time(&seen);
}
