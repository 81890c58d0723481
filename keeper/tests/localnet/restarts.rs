//! The binary: killed and started again, and told to end.

use crate::crash::{require_no_harm, tell};
use crate::harness::crash::Fall;
use crate::harness::crowd::Crowd;
use crate::harness::keeper::CAPITAL;
use crate::harness::observer::Observer;
use crate::harness::process::{Process, folder};
use crate::harness::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_was_killed_goes_on_where_it_was_and_ends_when_it_is_told() {
    let (stage, folder) = (Stage::start().await, folder("killed"));
    let members = Crowd::narrow(24).gather(&stage).await;
    stage.fund("keeper", CAPITAL).await;
    let keeper = Process::start(&stage, ("keeper", &folder), &[]);
    keeper.at_work().await;
    let observer = Observer::start(&stage).await;
    let first = Fall::of(45_000);
    first.run(stage.network.oracles()).await;
    keeper.until(|reading| reading.confirmed("liquidate") > 0).await;
    keeper.signal("KILL").await;
    let (status, _) = keeper.end().await;
    assert_eq!(status.code(), None, "killed");

    // Prices go on while nobody works.
    let second = first.on(55_000);
    second.run(stage.network.oracles()).await;
    let keeper = Process::start(&stage, ("keeper", &folder), &[]);
    second.on(65_000).run(stage.network.oracles()).await;
    let seen = observer.calm(&stage).await;
    let counted = keeper.reading().await;
    tell("killed", &seen, &counted);
    assert_eq!(stage.reduced(&members).await, members.len(), "the fall reaches them all");
    require_no_harm(&seen);

    keeper.signal("TERM").await;
    let (status, log) = keeper.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
}
