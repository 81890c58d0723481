//! What happens to a crowd when nobody liquidates: the measure of what a keeper does, and of the observer.

use crate::harness::crash::Fall;
use crate::harness::crowd::Crowd;
use crate::harness::observer::Observer;
use crate::harness::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_keeper_a_crash_leaves_accounts_in_trouble() {
    let stage = Stage::start().await;
    let members = Crowd::wide(200).gather(&stage).await;
    let observer = Observer::start(&stage).await;
    Fall::of(50_000).run(stage.network.oracles()).await;
    let seen = observer.finish().await;
    let looked = (seen.looks, seen.slots.1 - seen.slots.0);
    println!("{} of {} in trouble; {} looks in {} slots", seen.open(), members.len(), looked.0, looked.1);
    assert!(seen.open() > 20, "the fall reaches more than a tenth of them");
    assert_eq!(seen.open(), seen.accounts().len(), "nobody helps them");
    assert_eq!((seen.insolvent.len(), seen.bankruptcies), (0, 0));
}
