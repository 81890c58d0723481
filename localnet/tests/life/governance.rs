//! A change: proposed, explained, waited for, executed, felt.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::event::Event;
use bulwark_sdk::explain::{Status, explain_change};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Change, ChangePayload};
use bulwark_sdk::rpc::{Receipt, SendError};
use solana_signer::Signer;

use crate::actor::{Actor, ONE_SOL, SOL, network, only, options, refusal};

/// What a trade of ten SOL cost in fees, quote units.
async fn fees(trader: &Actor) -> u64 {
    let receipt = trader.buy(10 * ONE_SOL).await.unwrap();
    only(&receipt, |event| match event {
        Event::Traded(trade) => Some(trade.fee_pool + trade.fee_insurance + trade.fee_protocol),
        _ => None,
    })
}

#[tokio::test]
async fn a_change_of_a_fee_is_felt_after_its_delay() {
    let (network, client) = network().await;
    let admin = network.wallets().key("admin");
    let trader = Actor::funded(&network, &client, ("trader", 10_000)).await;
    let before = fees(&trader).await;

    let all = client.market_context(&trader.listings).await.unwrap();
    let params = MarketParams { taker_fee_ppm: 1_000, ..all.markets[&SOL].core.params };
    let (nonce, payload) = (all.exchange.next_change, ChangePayload::MarketParams { market: SOL, params });
    let keys = (admin.pubkey(), admin.pubkey());
    let propose = ix::propose_change(&trader.listings, keys, nonce, payload).unwrap();
    client.send(&[propose], &[&admin], &options()).await.unwrap();

    let change = client.require::<Change>("change", address::change(nonce)).await.unwrap();
    let all = client.market_context(&trader.listings).await.unwrap();
    let snapshot = all.snapshot();
    let explained = explain_change(&change, &all.in_force(&snapshot)).unwrap();
    let [moved] = &explained.explanation.moves[..] else { panic!("{explained}") };
    assert_eq!(
        (moved.name.as_str(), moved.from.as_str(), moved.to.as_str()),
        ("taker_fee_ppm", "500", "1000")
    );
    let Status::Waits(seconds) = explained.status else { panic!("{explained}") };
    assert!((172_700..=172_800).contains(&seconds), "{seconds}");

    assert_eq!(refusal(execute(&trader, &change).await), "ChangeTooEarly");
    network.advance(seconds).await.unwrap();
    execute(&trader, &change).await.unwrap();
    let after = fees(&trader).await;
    // Twice the rate, on ten SOL at a price that the skew has moved a little.
    assert!((before * 2..before * 2 + before / 100).contains(&after), "{before} {after}");
}

/// Anyone executes: the trader.
async fn execute(trader: &Actor, change: &Change) -> Result<Receipt, SendError> {
    let execute = ix::execute_change(&trader.listings, change, None)?;
    trader.send(&[execute]).await
}
