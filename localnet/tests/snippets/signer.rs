//! Snippets for signers of the governance multisig.

// ANCHOR: propose
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::explain::{explain_change, explain_payload};
use bulwark_sdk::instruction::{self as ix, proposal};
use bulwark_sdk::program::state::{Change, ChangePayload};
use bulwark_sdk::rpc::Receipt;
use bulwark_sdk::{Instruction, address};
use solana_signer::Signer;

use crate::trader::{Result, Trader};

/// Number and instruction of a proposal. For a multisig: take the instruction to where it signs.
pub async fn lower_the_fee(admin: &Trader, market: u16) -> Result<(u64, Instruction)> {
    let context = admin.client.market_context(&admin.listings).await?;
    // Whole parameter sets: what is signed is what will be in force.
    let params = MarketParams { taker_fee_ppm: 400, ..context.markets[&market].core.params };
    let payload = ChangePayload::MarketParams { market, params };
    let (nonce, keys) = (context.exchange.next_change, (admin.key.pubkey(), admin.key.pubkey()));
    Ok((nonce, ix::propose_change(&admin.listings, keys, nonce, payload)?))
}
// ANCHOR_END: propose

// ANCHOR: explain_proposal
/// What an instruction proposes, decoded from its very bytes.
pub async fn explain_proposal(signer: &Trader, instruction: &Instruction) -> Result<String> {
    let (nonce, payload) = proposal(instruction).ok_or("this instruction proposes nothing")?;
    let context = signer.client.market_context(&signer.listings).await?;
    let snapshot = context.snapshot();
    let explanation = explain_payload(&payload, &context.in_force(&snapshot))?;
    if !explanation.refusals.is_empty() {
        return Err(format!("the program would refuse it: {:?}", explanation.refusals).into());
    }
    Ok(format!("change {nonce}: {explanation}"))
}
// ANCHOR_END: explain_proposal

// ANCHOR: explain_stored
/// Everything that waits: what it would do, and when.
pub async fn explain_stored(signer: &Trader) -> Result<Vec<String>> {
    let context = signer.client.market_context(&signer.listings).await?;
    let snapshot = context.snapshot();
    let in_force = context.in_force(&snapshot);
    let changes = signer.client.fetch_all::<Change>().await?;
    let explained = changes.iter().map(|(_, change)| Ok(explain_change(change, &in_force)?.to_string()));
    explained.collect()
}

/// Anyone can, once the delay is over.
pub async fn execute(anyone: &Trader, nonce: u64) -> Result<Receipt> {
    let change = anyone.client.require::<Change>("change", address::change(nonce)).await?;
    anyone.send(&[ix::execute_change(&anyone.listings, &change, None)?]).await
}
// ANCHOR_END: explain_stored
