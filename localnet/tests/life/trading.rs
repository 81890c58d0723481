//! A trader's day: in, a position, a take-profit that a keeper executes, another one closed by hand, and out.

use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Order, TriggerOrder};
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::units::parse_price;
use bulwark_tests::fixtures::PRINT;

use crate::actor::{Actor, DOLLAR, ONE_SOL, SOL, network, only, options, refusal};

#[tokio::test]
async fn a_traders_day() {
    let (network, client) = network().await;
    let trader = Actor::funded(&network, &client, ("trader", 10_000)).await;
    let before = trader.tokens().await;
    assert_eq!(before, 990_000 * DOLLAR);

    // Ten SOL long at 150 dollars, to be sold at 160.
    let opened = trader.buy(10 * ONE_SOL).await.unwrap();
    let trade = only(&opened, |event| if let Event::Traded(trade) = event { Some(trade) } else { None });
    assert_eq!((trade.market, trade.lots, trade.position_lots), (SOL, 10_000_000_000, 10_000_000_000));
    let price = |text| parse_price(text, 6, 9).unwrap().to_bits();
    let now = trader.context().await.all.now;
    let order = Order { market: SOL, lots: u64::MAX, limit_price: price("158") };
    let take_profit = TriggerOrder {
        kind: TriggerKind::TakeProfit,
        side: Side::Long,
        trigger_price: price("160"),
        order,
        expiry: now + 3_600,
    };
    let authority = solana_signer::Signer::pubkey(&trader.key);
    let placed = trader
        .act(None, |c| ix::place_trigger(&trader.listings, authority, c.margin(), &take_profit))
        .await
        .unwrap();
    let id =
        only(&placed, |event| if let Event::TriggerPlaced(placed) = event { Some(placed.id) } else { None });

    // A keeper tries too early, then the price comes.
    let keeper = Actor::funded(&network, &client, ("keeper", 100)).await;
    assert_eq!(refusal(execute(&trader, &keeper, id).await), "TriggerNotMet");
    network.oracles().set("SOL", 165 * PRINT).await.unwrap();
    let executed = execute(&trader, &keeper, id).await.unwrap();
    let fee =
        only(&executed, |event| if let Event::TriggerExecuted(done) = event { Some(done.fee) } else { None });
    assert!(fee > 0 && fee <= DOLLAR / 10, "{fee}");
    assert_eq!(keeper.context().await.account.quote.0, i64::try_from(100 * DOLLAR + fee).unwrap());
    let sold = trader.context().await;
    assert!(!sold.account.has_positions());
    // Ten times fifteen dollars, less fees and a spread that the jump has widened.
    let profit = sold.account.quote.0 - 10_000_000_000;
    assert!((100_000_000..150_000_000).contains(&profit), "{profit}");

    // Another one, closed by hand where it was opened: it costs fees and spread, nothing more.
    trader.buy(ONE_SOL).await.unwrap();
    trader.close().await.unwrap();
    let closed = trader.context().await;
    let lost = sold.account.quote.0 - closed.account.quote.0;
    assert!((1..5_000_000).contains(&lost), "{lost}");

    // Everything back to the wallet, and the account closed.
    let all = u64::try_from(closed.account.quote.0).unwrap();
    trader
        .act(None, |c| ix::withdraw(&trader.listings, c.margin(), Vault::QUOTE, (trader.quote, all)))
        .await
        .unwrap();
    assert_eq!(trader.tokens().await, before + all);
    trader.send(&[ix::close_margin_account(authority, trader.margin)]).await.unwrap();
    assert_eq!(client.margin_accounts(&authority).await.unwrap().len(), 0);
}

async fn execute(
    trader: &Actor,
    keeper: &Actor,
    id: u64,
) -> Result<bulwark_sdk::rpc::Receipt, bulwark_sdk::rpc::SendError> {
    let context = trader.context().await;
    let execute = ix::execute_trigger(&trader.listings, context.margin(), id, Some(keeper.margin)).unwrap();
    keeper.client.send_refreshed((&context, Some(SOL)), &[execute], &[&keeper.key], &options()).await
}
