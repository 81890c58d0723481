//! An account that nobody can help, or whose help always fails, among others who can be helped.

use std::time::Duration;

use bulwark_keeper::config::{Amount, Config, Limits};
use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Order};
use bulwark_sdk::program::state::MarginAccount;

use crate::crash::{require_in_time, tell};
use crate::harness::crash::Fall;
use crate::harness::crowd::{Crowd, Member, Plan};
use crate::harness::keeper::{CAPITAL, Keeper, config};
use crate::harness::observer::Observer;
use crate::harness::reading::Reading;
use crate::harness::stage::{DOLLAR, MILLI_SOL, SOL, Stage, options, soon};

/// Lots of a hundred SOL, and lamports of as much.
const HUNDRED_SOL: u64 = 100_000 * MILLI_SOL;

/// A fall that leaves a debt of more than a thousand dollars, ppm.
const FALL_PPM: i64 = 30_000;

/// Somebody with SOL in the account and hardly anything else, who is going to lose more than a thousand dollars.
async fn speculator(stage: &Stage) -> Member {
    let plan = Plan {
        market: SOL,
        side: Side::Long,
        lots: 4 * HUNDRED_SOL,
        quote: 100 * DOLLAR,
        lamports: HUNDRED_SOL,
        stop: None,
    };
    stage.populate(&[plan]).await.pop().unwrap()
}

/// Somebody who owes more than the exchange lends and has only SOL to pay with: a sale that a keeper without room for
/// collateral can't make.
async fn ruin(stage: &Stage, member: &Member) {
    let context = stage.context(&member.margin).await;
    let order = Order { market: SOL, lots: u64::MAX, limit_price: 0 };
    let owner = context.account.owner;
    let close = ix::close_position(&stage.listings, owner, context.margin(), order).unwrap();
    stage.client.send_refreshed((&context, Some(SOL)), &[close], &[&member.key], &options()).await.unwrap();
    let owed = -stage.context(&member.margin).await.account.quote.0;
    assert!(owed > 1_000_000_000, "more than the exchange lends: {owed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_nobody_can_help_does_not_keep_the_others_waiting() {
    let stage = Stage::start().await;
    stage.fund("keeper", CAPITAL).await;
    let poisoned = speculator(&stage).await;
    let members = Crowd::narrow(16).gather(&stage).await;
    Fall::of(FALL_PPM).run(stage.network.oracles()).await;
    ruin(&stage, &poisoned).await;
    let limits = Limits { max_collateral: Amount::from(0), ..Limits::default() };
    let keeper = Keeper::with(Config { limits, ..config(&stage, "keeper") });
    keeper.at_work().await;
    // One second, two, four …: in a quarter of a minute no more than half a dozen looks, and nothing is sent in vain.
    let looks = |reading: &Reading| reading.sum("tasks_total", &[("role", "liquidate")]);
    let before = keeper.reading();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = keeper.reading();
    println!("{} looks, {}", looks(&after) - looks(&before), after.tell("refusals_total"));
    assert!(looks(&after) - looks(&before) <= 8);
    assert_eq!(after.ended("failed"), 0);
    let observer = Observer::start(&stage).await;
    Fall::of(FALL_PPM).on(65_000).run(stage.network.oracles()).await;
    let seen = observer.calm(&stage).await;
    let (counted, _) = keeper.stop().await;
    tell("poisoned", &seen, &counted);
    assert_eq!(stage.reduced(&members).await, members.len(), "the fall reaches them all");
    require_in_time(&seen);
    assert!(stage.context(&poisoned.margin).await.account.quote.0 < 0, "it still owes");
}

/// Writes into an account what the market of SOL holds back for it, whatever the market knows: with a sum that the market does
/// not know, the program refuses to liquidate the account, to settle it, and to let it trade.
async fn write_debt(stage: &Stage, margin: &Pubkey, held: u64) {
    let mut account = stage.client.rpc().get_account(margin).await.unwrap();
    let state: &mut MarginAccount = bytemuck::from_bytes_mut(&mut account.data[8..]);
    state.debts.held[usize::from(SOL)] = held;
    stage.network.cheats().set_account(margin, &account).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_liquidation_always_fails_does_not_keep_the_others_waiting() {
    let stage = Stage::start().await;
    let mut others = Crowd::narrow(16).gather(&stage).await;
    // The first of them to come into trouble.
    let broken = [others.remove(0)];
    write_debt(&stage, &broken[0].margin, u64::MAX / 4).await;
    let keeper = Keeper::start(&stage).await;
    let observer = Observer::but(&stage, Some(broken[0].margin)).await;
    Fall::of(65_000).run(stage.network.oracles()).await;
    let seen = observer.calm(&stage).await;
    let counted = keeper.reading();
    tell("broken", &seen, &counted);
    assert_eq!((stage.reduced(&broken).await, stage.reduced(&others).await), (0, others.len()));
    require_in_time(&seen);
    let refused = counted.sum("transactions_total", &[("role", "liquidate"), ("outcome", "refused")]);
    assert!((3..=12).contains(&refused), "tried again and again, and seldom: {refused}");
    assert_eq!(counted.ended("failed"), 0, "it was simulated");

    write_debt(&stage, &broken[0].margin, 0).await;
    soon(async {
        while stage.reduced(&broken).await == 0 {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    })
    .await;
    keeper.stop().await;
}
