//! Opens a margin account, deposits a thousand dollars, opens a position and closes it again.
//!
//! `BULWARK_RPC_URL`, `BULWARK_WS_URL` and `BULWARK_KEYPAIR` say where and who; without them it is the local network's trader.
//! Run it with `cargo run -p bulwark-sdk --features rpc --example quickstart`.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trade;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::Intent;
use bulwark_sdk::instruction::{self as ix, Order};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{Client, Options, wallet};
use bulwark_sdk::units::format_amount;
use bulwark_sdk::{Pubkey, address};
use solana_keypair::Keypair;
use solana_signer::Signer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, wallet, options) = (Client::from_env(), wallet()?, Options::default());
    let listings = client.listings().await?;
    let (owner, margin) = (wallet.pubkey(), address::margin_account(&wallet.pubkey(), 0));
    if client.fetch::<MarginAccount>(&margin).await?.is_none() {
        client.send(&[ix::open_margin_account(owner, owner, 0)], &[&wallet], &options).await?;
    }

    let quote = listings.vault(0).ok_or("no quote vault")?;
    let decimals = client.market_context(&listings).await?.exchange.quote_decimals;
    let thousand = 1_000 * 10_u64.pow(u32::from(decimals));
    let source = address::associated_token(&owner, &quote.mint, &quote.token_program);
    client.send(&[ix::deposit(owner, margin, quote, (source, thousand))], &[&wallet], &options).await?;

    let market = *listings.markets.keys().next().ok_or("no market is listed")?;
    let lots = quote_trade(&client, (&wallet, margin), market).await?;
    let context = client.context(&listings, &margin).await?;
    let limit = context.all.markets[&market].core.mark().to_bits();
    let limit_price = limit + limit / 100;
    let order = Order { market, lots, limit_price };
    let open = ix::open_position(&listings, owner, context.margin(), (Side::Long, order))?;
    let opened = client.send_refreshed((&context, Some(market)), &[open], &[&wallet], &options).await?;
    println!("opened in slot {}, {:?} CU: {}", opened.slot, opened.units, opened.signature);

    let context = client.context(&listings, &margin).await?;
    let health = context.snapshot().health(&context.account, HealthType::Init)?;
    println!("equity {}, requirement {}", health.equity.0, health.requirement.0);

    let limit = context.all.markets[&market].core.mark().to_bits();
    let order = Order { market, lots: u64::MAX, limit_price: limit - limit / 100 };
    let close = ix::close_position(&listings, owner, context.margin(), order)?;
    let closed = client.send_refreshed((&context, Some(market)), &[close], &[&wallet], &options).await?;
    let account = client.require::<MarginAccount>("margin account", margin).await?;
    println!("closed: {}; quote {}", closed.signature, format_amount(account.quote.0, decimals));
    Ok(())
}

/// Brings the prices up to date and asks the engine what half of the balance buys. Returns the lots.
async fn quote_trade(
    client: &Client,
    (wallet, margin): (&Keypair, Pubkey),
    market: u16,
) -> Result<u64, Box<dyn std::error::Error>> {
    let listings = client.listings().await?;
    let context = client.context(&listings, &margin).await?;
    let refreshes = context.snapshot().refresh_account(&context.account, Some(market))?;
    client.send(&refreshes, &[wallet], &Options::default()).await?;

    let context = client.context(&listings, &margin).await?;
    let half = u64::try_from(context.account.quote.0 / 2)?;
    let lots = context.snapshot().lots_worth(market, half)?;
    let order = trade::Order { lots, limit: None, now: context.all.now };
    let preview = context.snapshot().quote(&context.account, (market, Intent::Open(Side::Long)), &order)?;
    println!(
        "{lots} lots of market {market}: worth {}, fee {}",
        preview.report.fill.notional, preview.report.fee
    );
    Ok(lots)
}
