//! A position falls below its margin, and somebody takes it over.

use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Liquidator, Order};
use bulwark_sdk::rpc::{Receipt, SendError};
use bulwark_tests::fixtures::PRINT;
use solana_signer::Signer;

use crate::actor::{Actor, ONE_SOL, SOL, network, options, refusal};

async fn liquidate(trader: &Actor, keeper: &Actor) -> Result<Receipt, SendError> {
    let (context, own) = (trader.context().await, keeper.context().await);
    let liquidator = Liquidator { authority: keeper.key.pubkey(), margin: own.margin() };
    let order = Order { market: SOL, lots: u64::MAX, limit_price: u64::MAX };
    let liquidate = ix::liquidate(&trader.listings, liquidator, context.margin(), order)?;
    keeper.client.send_refreshed((&context, Some(SOL)), &[liquidate], &[&keeper.key], &options()).await
}

#[tokio::test]
async fn a_position_below_its_margin_is_taken_over() {
    let (network, client) = network().await;
    let trader = Actor::funded(&network, &client, ("trader", 1_000)).await;
    let keeper = Actor::funded(&network, &client, ("keeper", 50_000)).await;
    trader.buy(100 * ONE_SOL).await.unwrap();
    let context = trader.context().await;
    let view = context.snapshot().view(&context.account).unwrap();
    let alarm = view.positions[0].liquidation_price.expect("a price at which it is in trouble");
    assert_eq!(refusal(liquidate(&trader, &keeper).await), "Healthy");

    // A little below the price that the SDK names: dollars with eight decimals from units per lot.
    let price = i64::try_from((u128::from(alarm.to_bits()) * 100_000_000_000) >> 32).unwrap();
    assert!((100 * PRINT..149 * PRINT).contains(&price), "{price}");
    network.oracles().set("SOL", price - PRINT / 2).await.unwrap();

    let mut taken = 0;
    for _ in 0..20 {
        let receipt = match liquidate(&trader, &keeper).await {
            Ok(receipt) => receipt,
            Err(error) => {
                assert_eq!(refusal::<Receipt>(Err(error)), "Healthy");
                break;
            }
        };
        let lots = receipt.events.iter().filter_map(|event| match event {
            Event::Liquidated(liquidated) => Some(liquidated.lots),
            _ => None,
        });
        taken += lots.sum::<u64>();
    }
    assert!(taken > 0);
    let (context, own) = (trader.context().await, keeper.context().await);
    assert!(context.snapshot().distress(&context.account, context.all.clock_slot).unwrap().is_none());
    let left = context.account.position_in(SOL).map_or(0, |_| {
        context.snapshot().view(&context.account).unwrap().positions.first().map_or(0, |held| held.lots)
    });
    let held = own.snapshot().view(&own.account).unwrap().positions[0].lots;
    assert_eq!((held, held + left), (taken, 100 * ONE_SOL));
    assert!(context.account.quote.0 + context.snapshot().pnl(&context.account.positions[0]).unwrap().0 > 0);
}
