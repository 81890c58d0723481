//! The stream of events outlives its connection.

use bulwark_sdk::event::Event;
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
async fn events_are_told_after_the_connections_were_cut() {
    let (mut network, client) = network().await;
    let trader = Actor::open(&network, &client, "trader").await;
    let mut events = client.events().await.unwrap();
    trader.deposit(5 * DOLLAR).await;
    assert!(!deposit_seen(&mut events, 5 * DOLLAR).await);

    network.drop_connections().await.unwrap();
    // It says so by itself; what is sent from then on is told.
    loop {
        if matches!(soon(events.next()).await.expect("the stream goes on"), Update::Reconnected) {
            break;
        }
    }
    trader.deposit(6 * DOLLAR).await;
    deposit_seen(&mut events, 6 * DOLLAR).await;
    assert_eq!(trader.context().await.account.quote.0, 11_000_000);
}
