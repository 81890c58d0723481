//! Snippets for providers of liquidity and stakers.

// ANCHOR: add_liquidity
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::program::state::{RedeemTicket, Vault};
use bulwark_sdk::rpc::{Options, Receipt};
use bulwark_sdk::units::parse_amount;
use bulwark_sdk::{Pubkey, address, instruction as ix};
use solana_signer::Signer;

use crate::trader::{Result, Trader, USDC};

const JUNIOR: TrancheKind = TrancheKind::Junior;

/// Quote tokens of the wallet.
fn wallet(provider: &Trader) -> Result<Pubkey> {
    let vault = provider.listings.vault(Vault::QUOTE).ok_or("no quote vault")?;
    Ok(address::associated_token(&provider.key.pubkey(), &vault.mint, &vault.token_program))
}

/// Shares of a mint in the wallet.
fn shares_of(provider: &Trader, mint: &Pubkey) -> Pubkey {
    address::associated_token(&provider.key.pubkey(), mint, &address::TOKEN_PROGRAM)
}

pub async fn add_liquidity(provider: &Trader, dollars: &str) -> Result<Receipt> {
    let (owner, mint) = (provider.key.pubkey(), address::share_mint(JUNIOR));
    let context = provider.client.market_context(&provider.listings).await?;
    let snapshot = context.snapshot();
    let (amount, nav) = (parse_amount(dollars, USDC)?, snapshot.nav(&context.pool)?);
    let expected = { context.pool.core }.issue(JUNIOR, amount, &nav, context.now)?;
    let accounts = (owner, wallet(provider)?, shares_of(provider, &mint));
    let instructions = [
        ix::create_associated_token(owner, owner, (mint, address::TOKEN_PROGRAM)),
        // At least 99 % of what is expected: prices move.
        ix::add_liquidity(&provider.listings, JUNIOR, accounts, (amount, expected - expected / 100))?,
    ];
    let refreshes = snapshot.refresh_pool(Age::Trade)?;
    let (client, options) = (&provider.client, Options::default());
    Ok(client.send_after(&refreshes, &instructions, &[&provider.key], &options).await?)
}
// ANCHOR_END: add_liquidity

// ANCHOR: redeem
pub async fn request_redeem(provider: &Trader, nonce: u64, shares: u64) -> Result<Receipt> {
    let owner = provider.key.pubkey();
    let keys = (owner, owner, shares_of(provider, &address::share_mint(JUNIOR)));
    let request = ix::request_redeem(&provider.listings, JUNIOR, keys, (nonce, shares));
    let context = provider.client.market_context(&provider.listings).await?;
    let refreshes = context.snapshot().refresh_pool(Age::Margin)?;
    let (client, options) = (&provider.client, Options::default());
    Ok(client.send_after(&refreshes, &[request], &[&provider.key], &options).await?)
}

/// After the delay, and within the window.
pub async fn redeem(provider: &Trader, nonce: u64) -> Result<Receipt> {
    let client = &provider.client;
    let at = address::redeem_ticket(&provider.key.pubkey(), nonce);
    let ticket = client.require::<RedeemTicket>("redeem ticket", at).await?;
    let redeem = ix::redeem(&provider.listings, &ticket, (wallet(provider)?, 1))?;
    let context = client.market_context(&provider.listings).await?;
    let refreshes = context.snapshot().refresh_pool(Age::Trade)?;
    Ok(client.send_after(&refreshes, &[redeem], &[&provider.key], &Options::default()).await?)
}
// ANCHOR_END: redeem

// ANCHOR: stake
pub async fn stake(staker: &Trader, dollars: &str) -> Result<Receipt> {
    let (owner, mint) = (staker.key.pubkey(), address::backstop_mint());
    let accounts = (owner, wallet(staker)?, shares_of(staker, &mint));
    let amount = parse_amount(dollars, USDC)?;
    staker
        .send(&[
            ix::create_associated_token(owner, owner, (mint, address::TOKEN_PROGRAM)),
            ix::stake_backstop(&staker.listings, accounts, (amount, 1))?,
        ])
        .await
}
// ANCHOR_END: stake
