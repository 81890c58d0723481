//! Ways to run a keeper: once, dry, and on some accounts only.

use std::collections::BTreeSet;

use bulwark_keeper::config::{Address, Config};
use bulwark_sdk::Pubkey;

use crate::harness::crash::fall_to;
use crate::harness::crowd::{Crowd, DROP_PPM, Member};
use crate::harness::keeper::{CAPITAL, Keeper, config};
use crate::harness::observer::troubled;
use crate::harness::stage::Stage;

/// A crowd of which everybody is in trouble, and a funded keeper that does not run yet.
async fn struck(count: u64) -> (Stage, Vec<Member>) {
    let stage = Stage::start().await;
    stage.fund("keeper", CAPITAL).await;
    let members = Crowd::tight(count).gather(&stage).await;
    fall_to(stage.network.oracles(), DROP_PPM).await;
    assert_eq!(troubled(&stage).await.unwrap(), keys(&members));
    (stage, members)
}

fn keys(members: &[Member]) -> BTreeSet<Pubkey> {
    members.iter().map(|member| member.margin).collect()
}

fn only(member: &Member) -> BTreeSet<Address> {
    BTreeSet::from([Address(member.margin)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_sends_nothing_and_one_run_works_off_what_is_there() {
    let (stage, members) = struck(8).await;
    let wallet = stage.network.wallets().get("keeper");
    let lamports = async || {
        stage.client.rpc().get_balance(&solana_signer::Signer::pubkey(&wallet.keypair)).await.unwrap()
    };
    let before = lamports().await;
    let dry = Keeper::with(Config { dry_run: true, ..config(&stage, "keeper") });
    dry.until(|reading| reading.ended("dry_run") >= 8).await;
    let (counted, summary) = dry.stop().await;
    assert_eq!((counted.ended("confirmed"), counted.ended("failed"), summary.confirmed), (0, 0, 0));
    assert_eq!(lamports().await, before, "nothing was paid");
    assert_eq!(troubled(&stage).await.unwrap(), keys(&members), "nobody was helped");

    let once = Keeper::with(Config { once: true, ..config(&stage, "keeper") });
    let (counted, summary) = once.end().await;
    println!("once: {}", counted.tell("transactions_total"));
    assert!(summary.confirmed >= 8, "{summary:?}");
    assert_eq!(troubled(&stage).await.unwrap(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_are_allowed_are_acted_on_and_nobody_who_is_denied() {
    let (stage, members) = struck(6).await;
    let mut left = keys(&members);
    let once = Config { once: true, ..config(&stage, "keeper") };
    let allowed = Config { allow: only(&members[0]), ..once.clone() };
    Keeper::with(allowed).end().await;
    left.remove(&members[0].margin);
    assert_eq!(troubled(&stage).await.unwrap(), left);

    let denied = Config { deny: only(&members[1]), ..once };
    Keeper::with(denied).end().await;
    assert_eq!(troubled(&stage).await.unwrap(), BTreeSet::from([members[1].margin]));
}
