//! Snippets for liquidators.

// ANCHOR: in_trouble
use bulwark_sdk::instruction::{self as ix, Liquidator, Order};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::rpc::{Options, Receipt};
use bulwark_sdk::{Instruction, Pubkey};
use solana_signer::Signer;

use crate::trader::{Result, Trader};

/// Accounts that can be liquidated, with the market of the position that has to go first.
pub async fn in_trouble(keeper: &Trader) -> Result<Vec<(Pubkey, Option<u16>)>> {
    let accounts = keeper.client.fetch_all::<MarginAccount>().await?;
    let context = keeper.client.market_context(&keeper.listings).await?;
    let snapshot = context.snapshot();
    let mut found = Vec::new();
    for (address, account) in &accounts {
        match snapshot.distress(account, context.clock_slot) {
            Ok(Some(distress)) => found.push((*address, distress.first)),
            Ok(None) => {}
            Err(stale) => eprintln!("{address}: {stale}"), // a price has to be refreshed first
        }
    }
    Ok(found)
}
// ANCHOR_END: in_trouble

pub async fn refresh(keeper: &Trader, market: u16) -> Result<Receipt> {
    let context = keeper.client.market_context(&keeper.listings).await?;
    let refresh = context.snapshot().refresh(Leg::Market(market))?;
    keeper.send(refresh.as_slice()).await
}

// ANCHOR: take_over
pub async fn take_over(keeper: &Trader, margin: Pubkey, market: u16) -> Result<Receipt> {
    let context = keeper.client.context(&keeper.listings, &margin).await?;
    let own = keeper.context().await?;
    let liquidator = Liquidator { authority: keeper.key.pubkey(), margin: own.margin() };
    // What the auction offers, at its price: the mark less a concession. A limit protects from a moving mark.
    let mark = context.all.markets[&market].core.mark().to_bits();
    let order = Order { market, lots: u64::MAX, limit_price: mark + mark / 200 };
    let liquidate = ix::liquidate(&keeper.listings, liquidator, context.margin(), order)?;
    let about = (&context, Some(market));
    Ok(keeper.client.send_refreshed(about, &[liquidate], &[&keeper.key], &Options::default()).await?)
}
// ANCHOR_END: take_over

// ANCHOR: hand_to_pool
/// At once for what brings the skew nearer to zero, after 50 slots for all; a call that is too early keeps the auction
/// running. The keeper's pay goes to its margin account.
pub async fn hand_to_pool(keeper: &Trader, margin: Pubkey, market: u16) -> Result<Receipt> {
    let context = keeper.client.context(&keeper.listings, &margin).await?;
    let pay_to = Some(keeper.margin);
    let hand = ix::liquidate_to_pool(&keeper.listings, context.margin(), market, pay_to)?;
    send_refreshed(keeper, (margin, market), hand).await
}

/// What is left when there is neither position nor collateral: the waterfall, in one instruction.
pub async fn resolve(keeper: &Trader, margin: Pubkey, market: u16) -> Result<Receipt> {
    let context = keeper.client.context(&keeper.listings, &margin).await?;
    let resolve = ix::resolve_bankruptcy(&keeper.listings, context.margin(), market)?;
    send_refreshed(keeper, (margin, market), resolve).await
}

async fn send_refreshed(
    keeper: &Trader,
    (margin, market): (Pubkey, u16),
    instruction: Instruction,
) -> Result<Receipt> {
    let context = keeper.client.context(&keeper.listings, &margin).await?;
    let about = (&context, Some(market));
    Ok(keeper.client.send_refreshed(about, &[instruction], &[&keeper.key], &Options::default()).await?)
}
// ANCHOR_END: hand_to_pool
