//! A provider asks for money, waits, and is paid.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::RedeemTicket;
use bulwark_sdk::rpc::{Receipt, SendError};
use solana_signer::Signer;

use crate::actor::{Actor, DOLLAR, network, only, options, refusal, tokens};

/// Sends an instruction that needs the pool's worth.
async fn send(provider: &Actor, instruction: bulwark_sdk::Instruction) -> Result<Receipt, SendError> {
    let all = provider.client.market_context(&provider.listings).await?;
    let refreshes = all.snapshot().refresh_pool(Age::Trade)?;
    provider.client.send_after(&refreshes, &[instruction], &[&provider.key], &options()).await
}

#[tokio::test]
async fn a_provider_is_paid_after_the_delay() {
    let (network, client) = network().await;
    let provider = Actor::open(&network, &client, "provider").await;
    let owner = provider.key.pubkey();
    let mint = address::share_mint(TrancheKind::Junior);
    let shares = address::associated_token(&owner, &mint, &address::TOKEN_PROGRAM);
    let (before, held) = (provider.tokens().await, tokens(&client, &shares).await);
    assert_eq!(held, 40_000_000 * DOLLAR);

    let keys = (owner, owner, shares);
    let request = ix::request_redeem(&provider.listings, TrancheKind::Junior, keys, (7, 1_000_000 * DOLLAR));
    send(&provider, request).await.unwrap();
    assert_eq!(tokens(&client, &shares).await, 39_000_000 * DOLLAR);
    let redeem = || async {
        let ticket =
            client.require::<RedeemTicket>("ticket", address::redeem_ticket(&owner, 7)).await.unwrap();
        let redeem = ix::redeem(&provider.listings, &ticket, (provider.quote, 998_000 * DOLLAR)).unwrap();
        send(&provider, redeem).await
    };
    assert_eq!(refusal(redeem().await), "RedeemTooEarly");
    network.advance(86_400).await.unwrap();
    let redeemed = redeem().await.unwrap();
    only(&redeemed, |event| matches!(event, Event::Redeemed(_)).then_some(()));
    // Nobody has traded: a dollar a share, less 0.1 %.
    assert_eq!(provider.tokens().await, before + 999_000 * DOLLAR);
}
