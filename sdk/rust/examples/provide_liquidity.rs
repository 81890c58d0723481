//! Adds a thousand dollars to the pool's junior tranche and says what the shares are worth.
//!
//! It values every market, so it takes a lookup table of the exchange once there are many: name one in `BULWARK_TABLE`.
//! Run it with `cargo run -p bulwark-sdk --features rpc --example provide_liquidity`.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::rpc::{Client, Options, wallet};
use bulwark_sdk::units::format_amount;
use solana_signer::Signer;

const TRANCHE: TrancheKind = TrancheKind::Junior;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, wallet) = (Client::from_env(), wallet()?);
    let mut options = Options::default();
    if let Ok(table) = std::env::var("BULWARK_TABLE") {
        options = options.with_tables([client.lookup_table(&table.parse()?).await?]);
    }
    let listings = client.listings().await?;
    let context = client.market_context(&listings).await?;
    // The pool is valued at prices as young as for a trade.
    let refreshes = context.snapshot().refresh_pool(Age::Trade)?;
    client.send_after(&[], &refreshes, &[&wallet], &options).await?;

    let context = client.market_context(&listings).await?;
    let decimals = context.exchange.quote_decimals;
    let amount = 1_000 * 10_u64.pow(u32::from(decimals));
    let nav = context.snapshot().nav(&context.pool)?;
    let expected = { context.pool.core }.issue(TRANCHE, amount, &nav, context.now)?;

    let (owner, quote) = (wallet.pubkey(), listings.vault(0).ok_or("no quote vault")?);
    let share_mint = (address::share_mint(TRANCHE), address::TOKEN_PROGRAM);
    let source = address::associated_token(&owner, &quote.mint, &quote.token_program);
    let shares = address::associated_token(&owner, &share_mint.0, &share_mint.1);
    let least = expected - expected / 100;
    let accounts = (owner, source, shares);
    let instructions = [
        ix::create_associated_token(owner, owner, share_mint),
        ix::add_liquidity(&listings, TRANCHE, accounts, (amount, least))?,
    ];
    let refreshes = context.snapshot().refresh_pool(Age::Trade)?;
    let receipt = client.send_after(&refreshes, &instructions, &[&wallet], &options).await?;
    println!("{}: {:?}", receipt.signature, receipt.events.last());

    let context = client.market_context(&listings).await?;
    let worth = context.snapshot().share_value(&context.pool, TRANCHE, expected)?;
    println!("{expected} shares expected, worth {}", format_amount(i64::try_from(worth)?, decimals));
    Ok(())
}
