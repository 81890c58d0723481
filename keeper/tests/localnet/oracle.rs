//! An oracle that says nothing any more, and then speaks again.

use std::time::Duration;

use crate::crash::{IN_TIME, require_no_harm, tell};
use crate::harness::crash::{below, fall_to};
use crate::harness::crowd::{Crowd, DROP_PPM};
use crate::harness::keeper::Keeper;
use crate::harness::observer::Observer;
use crate::harness::stage::Stage;
use bulwark_tests::fixtures::SOL_ASSET;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_tried_at_a_price_that_is_gone_and_all_is_done_once_it_is_back() {
    let stage = Stage::start().await;
    let members = Crowd::tight(12).gather(&stage).await;
    let keeper = Keeper::start(&stage).await;
    let oracles = stage.network.oracles();
    oracles.freeze("SOL").await.unwrap();
    stage.network.advance(90).await.unwrap();
    keeper.until(|reading| reading.sum("price_age_seconds", &[("leg", "market0")]) >= 90).await;

    // BTC falls meanwhile: those who hold it are judged without SOL, and all is done for them.
    let (before, lamports) = (keeper.reading(), keeper.reading().get("own_lamports"));
    let observer = Observer::start(&stage).await;
    fall_to(stage.network.oracles(), DROP_PPM).await;
    observer.calm(&stage).await;
    assert_eq!(stage.reduced(&members).await, 3, "one in four holds BTC");
    // A price that nobody prints is asked for nothing: no refresh, no liquidation, no trigger.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let frozen = keeper.reading();
    let refused = frozen.ended("refused") - before.ended("refused");
    assert!(refused <= 3, "{refused} refused: {}", frozen.tell("refusals_total"));
    assert_eq!(frozen.ended("failed") - before.ended("failed"), 0);
    println!("while SOL was silent: {} lamports", lamports - frozen.get("own_lamports"));

    let observer = Observer::start(&stage).await;
    oracles.set("SOL", below(&SOL_ASSET, DROP_PPM)).await.unwrap();
    oracles.resume("SOL").await.unwrap();
    let seen = observer.calm(&stage).await;
    let (counted, _) = keeper.stop().await;
    tell("frozen", &seen, &counted);
    assert_eq!(stage.reduced(&members).await, 12, "three in four hold SOL");
    assert!(seen.durations().iter().all(|slots| *slots <= IN_TIME));
    require_no_harm(&seen);
}
