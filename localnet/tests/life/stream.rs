//! The stream of events outlives its connection.

use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{EventBatch, Subscription, Update};

use crate::actor::{Actor, DOLLAR, network, soon};

/// Waits for a deposit of this amount. Returns whether the connection was made anew before it.
async fn deposit_seen(events: &mut Subscription<EventBatch>, amount: u64) -> bool {
    let mut reconnected = false;
    loop {
        match soon(events.next()).await.expect("the stream goes on") {
            Update::Reconnected => reconnected = true,
            Update::Item { value, .. } => {
                let hit =
                    |event: &Event| matches!(event, Event::Deposited(deposit) if deposit.amount == amount);
                if value.events.iter().any(hit) {
                    return reconnected;
                }
            }
        }
    }
}

#[tokio::test]
async fn accounts_are_told_as_they_change() {
    let (network, client) = network().await;
    let trader = Actor::open(&network, &client, "trader").await;
    let mut everything = client.everything().await.unwrap();
    let mut accounts = client.accounts::<MarginAccount>(Vec::new()).await.unwrap();
    for amount in [5 * DOLLAR, 6 * DOLLAR] {
        let before = trader.context().await.account.quote.0;
        let receipt = trader.deposit(amount).await;
        let Update::Item { slot, value: (key, account) } = soon(accounts.next()).await.unwrap() else {
            panic!("not lost")
        };
        assert_eq!((key, account.quote.0 - before), (trader.margin, i64::try_from(amount).unwrap()));
        println!("included in {}, told in {slot}", receipt.slot);
        let told = async {
            while !matches!(everything.next().await, Some(Update::Item { value: (told, _), .. }) if told == key)
            {
            }
        };
        soon(told).await;
    }
}

/// Waits until the stream says that its connection was made anew: what is sent from then on is told.
async fn reconnected(events: &mut Subscription<EventBatch>) {
    while !matches!(soon(events.next()).await.expect("the stream goes on"), Update::Reconnected) {}
}

#[tokio::test]
async fn events_are_told_after_the_connections_were_cut() {
    let (mut network, client) = network().await;
    let trader = Actor::open(&network, &client, "trader").await;
    let mut events = client.events().await.unwrap();
    trader.deposit(5 * DOLLAR).await;
    assert!(!deposit_seen(&mut events, 5 * DOLLAR).await);

    network.drop_connections().await.unwrap();
    reconnected(&mut events).await;
    trader.deposit(6 * DOLLAR).await;
    deposit_seen(&mut events, 6 * DOLLAR).await;
    assert_eq!(trader.context().await.account.quote.0, 11_000_000);
}

#[tokio::test]
async fn events_are_told_after_the_endpoint_was_restarted() {
    let (mut network, client) = network().await;
    let trader = Actor::open(&network, &client, "trader").await;
    let mut events = client.events().await.unwrap();
    trader.deposit(5 * DOLLAR).await;
    assert!(!deposit_seen(&mut events, 5 * DOLLAR).await);

    // Another chain at the same address: nothing of the old one is left.
    network.reset().await.unwrap();
    reconnected(&mut events).await;
    let trader = Actor::open(&network, &client, "trader").await;
    trader.deposit(7 * DOLLAR).await;
    deposit_seen(&mut events, 7 * DOLLAR).await;
    assert_eq!(trader.context().await.account.quote.0, 7_000_000);
}
