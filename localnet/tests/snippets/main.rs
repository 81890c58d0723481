//! The Rust snippets of the book: whole functions between anchors, run here against a network of their own.

mod keeper;
mod provider;
mod signer;
mod trader;

use bulwark_localnet::{Localnet, Options};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_tests::fixtures::PRINT;

use crate::trader::{Result, Trader};

const SOL: u16 = 0;
/// Longest wait for what the network tells by itself.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

async fn network() -> Localnet {
    Localnet::start(Options::for_tests()).await.unwrap_or_else(|error| panic!("{error:#}"))
}

async fn funded(network: &Localnet, name: &str, dollars: &str) -> Result<Trader> {
    let urls = network.description();
    let trader = Trader::connect(&urls.rpc_url, &urls.ws_url, network.wallets().key(name)).await?;
    trader::open_account(&trader).await?;
    trader::deposit(&trader, dollars).await?;
    Ok(trader)
}

#[tokio::test]
async fn a_trader_opens_looks_and_leaves() -> Result<()> {
    let network = network().await;
    let trader = funded(&network, "trader", "10000").await?;
    let mut events = trader.client.events().await?;

    let preview = trader::quote(&trader, SOL, "5000").await?;
    let lots = preview.report.fill.lots.count();
    let opened = trader::buy(&trader, SOL, lots).await?;
    let [trade] = &traded(&opened.events)[..] else { panic!("{:?}", opened.events) };
    assert_eq!((trade.lots, trade.market), (i64::try_from(lots)?, SOL));
    let told = tokio::time::timeout(PATIENCE, trader::next_trade(&mut events)).await?;
    assert_eq!(told.as_ref(), Some(trade));

    let placed = trader::stop_loss(&trader, SOL).await?;
    let view = trader::look(&trader).await?;
    assert_eq!(view.positions[0].lots, lots);
    let trigger = trader.context().await?.account.triggers[0];
    assert!(placed.events.iter().any(|e| matches!(e, Event::TriggerPlaced(p) if p.id == trigger.id)));
    trader::cancel_trigger(&trader, trigger.id).await?;

    let greedy = trader::buy(&trader, SOL, 50 * lots).await.expect_err("there is no margin for that");
    assert!(trader::what_to_do(greedy.downcast_ref().expect("a refusal")).contains("deposit more"));

    let table = trader::lookup_table(&trader).await?;
    assert!(table.addresses.contains(&bulwark_sdk::address::exchange()));

    trader::close(&trader, SOL).await?;
    trader::leave(&trader).await?;
    assert!(trader.client.fetch::<MarginAccount>(&trader.margin).await?.is_none());
    network.stop().await?;
    Ok(())
}

fn traded(events: &[Event]) -> Vec<bulwark_sdk::program::events::Traded> {
    let trades = events.iter().filter_map(|event| match event {
        Event::Traded(trade) => Some(trade.clone()),
        _ => None,
    });
    trades.collect()
}

#[tokio::test]
async fn a_provider_and_a_staker_come_and_go() -> Result<()> {
    let network = network().await;
    let trader = funded(&network, "trader2", "1000").await?;
    trader::buy(&trader, SOL, 1_000_000_000).await?;
    let added = provider::add_liquidity(&trader, "10000").await?;
    let shares = added.events.iter().find_map(|event| match event {
        Event::LiquidityAdded(added) => Some(added.shares),
        _ => None,
    });
    let shares = shares.expect("shares");
    provider::request_redeem(&trader, 1, shares).await?;
    assert!(provider::redeem(&trader, 1).await.is_err(), "it is too early");
    network.advance(86_400).await?;
    let paid = provider::redeem(&trader, 1).await?;
    assert!(paid.events.iter().any(|event| matches!(event, Event::Redeemed(_))));

    let staked = provider::stake(&trader, "1000").await?;
    assert!(staked.events.iter().any(|event| matches!(event, Event::BackstopStaked(_))));
    network.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_keeper_finds_an_account_in_trouble_and_takes_it_over() -> Result<()> {
    let network = network().await;
    let trader = funded(&network, "trader", "1000").await?;
    let keeper = funded(&network, "keeper", "50000").await?;
    trader::buy(&trader, SOL, 100_000_000_000).await?;
    assert!(keeper::in_trouble(&keeper).await?.is_empty());
    network.oracles().set("SOL", 144 * PRINT).await?;
    keeper::refresh(&keeper, SOL).await?;
    assert_eq!(keeper::in_trouble(&keeper).await?, [(trader.margin, Some(SOL))]);

    let receipt = keeper::take_over(&keeper, trader.margin, SOL).await?;
    assert!(receipt.events.iter().any(|event| matches!(event, Event::Liquidated(_))));
    let held = trader::look(&keeper).await?.positions[0].lots;
    assert!(held > 0);

    network.oracles().set("SOL", 120 * PRINT).await?;
    let receipt = keeper::hand_to_pool(&keeper, trader.margin, SOL).await?;
    assert!(receipt.events.iter().any(|event| matches!(event, Event::Liquidated(_))));
    let receipt = keeper::resolve(&keeper, trader.margin, SOL).await?;
    assert!(receipt.events.iter().any(|event| matches!(event, Event::BankruptcyResolved(_))));
    network.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_signer_reads_before_he_signs() -> Result<()> {
    let network = network().await;
    let admin = funded_admin(&network).await?;
    let (nonce, proposing) = signer::lower_the_fee(&admin, SOL).await?;
    let text = signer::explain_proposal(&admin, &proposing).await?;
    assert!(text.contains("taker_fee_ppm"), "{text}");
    admin.send(&[proposing]).await?;
    assert!(signer::execute(&admin, nonce).await.is_err(), "it has to wait");
    let waiting = signer::explain_stored(&admin).await?;
    assert!(waiting[0].contains("taker_fee_ppm"), "{waiting:?}");
    network.advance(172_800).await?;
    signer::execute(&admin, nonce).await?;
    let market = admin.client.market_context(&admin.listings).await?.markets[&SOL].core.params;
    assert_eq!(market.taker_fee_ppm, 400);
    network.stop().await?;
    Ok(())
}

async fn funded_admin(network: &Localnet) -> Result<Trader> {
    let urls = network.description();
    Trader::connect(&urls.rpc_url, &urls.ws_url, network.wallets().key("admin")).await
}
