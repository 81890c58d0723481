//! What the wallet's margin accounts hold, need, and when they would be liquidated; then again whenever one changes.
//!
//! Run it with `cargo run -p bulwark-sdk --features rpc --example account_health`.

use bulwark_sdk::Pubkey;
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{Client, Update, wallet};
use bulwark_sdk::units::{format_amount, format_price};
use solana_signer::Signer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, owner) = (Client::from_env(), wallet()?.pubkey());
    let listings = client.listings().await?;
    let accounts = client.margin_accounts(&owner).await?;
    let (first, _) = *accounts.first().ok_or("the wallet has no margin account: run the quickstart first")?;
    // Subscribed first, read afterwards: what happens in between is seen.
    let mut changes = client.account::<MarginAccount>(first).await?;
    for (address, _) in &accounts {
        show(&client, &listings, address).await?;
    }
    while let Some(change) = changes.next().await {
        match change {
            Update::Item { value: None, .. } => break,
            Update::Item { .. } | Update::Reconnected => show(&client, &listings, &first).await?,
        }
    }
    Ok(())
}

async fn show(
    client: &Client,
    listings: &Listings,
    address: &Pubkey,
) -> Result<(), Box<dyn std::error::Error>> {
    let context = client.context(listings, address).await?;
    let decimals = context.all.exchange.quote_decimals;
    let view = context.snapshot().view(&context.account)?;
    println!("{address} in slot {}: quote {}", context.all.slot, format_amount(view.quote.0, decimals));
    for position in &view.positions {
        let scales = (decimals, context.all.markets[&position.market].core.params.lot_decimals);
        let liquidation = position.liquidation_price.map(|price| format_price(price, scales, 4));
        let (mark, pnl) = (format_price(position.mark, scales, 4), format_amount(position.pnl.0, decimals));
        println!(
            "  market {} {:?} {} lots at {mark}, PnL {pnl}, liquidated at {}",
            position.market,
            position.side,
            position.lots,
            liquidation.as_deref().unwrap_or("no price of its own")
        );
    }
    match &view.initial {
        Ok(health) => println!("  equity {}, needs {}", health.equity.0, health.requirement.0),
        Err(error) => println!("  {error}"),
    }
    Ok(())
}
