//! Instances of the providers' instructions, one for each tranche.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::RedeemTicket;
use bulwark_tests::Signer;
use bulwark_tests::fixtures::DOLLAR;

use crate::instances::{Instance, Stage};

const ADD: &[&str] = &[
    "provider",
    "exchange",
    "pool",
    "quote_vault",
    "token_account",
    "source",
    "mint",
    "share_mint",
    "shares",
    "token_program",
    "share_token_program",
];
const REQUEST: &[&str] = &[
    "provider",
    "payer",
    "exchange",
    "pool",
    "ticket",
    "share_mint",
    "shares",
    "share_token_program",
    "system_program",
];
const REDEEM: &[&str] = &[
    "provider",
    "payer",
    "exchange",
    "pool",
    "ticket",
    "quote_vault",
    "token_account",
    "destination",
    "mint",
    "token_program",
];
const CANCEL: &[&str] =
    &["authority", "payer", "exchange", "pool", "ticket", "share_mint", "shares", "share_token_program"];

/// Adding liquidity and the three steps of a redemption; the sponsor paid for the tickets.
pub fn liquidity() -> Vec<Instance> {
    let names = [
        ["add_liquidity", "request_redeem", "redeem", "cancel_redeem", "cancel_redeem, late"],
        [
            "add_liquidity, senior",
            "request_redeem, senior",
            "redeem, senior",
            "cancel_redeem, senior",
            "cancel_redeem, senior, late",
        ],
    ];
    let mut instances = Vec::new();
    for ((tranche, nonce), [add, request, redeem, cancel, late]) in
        TrancheKind::BOTH.into_iter().zip(0..).zip(names)
    {
        let stage = Stage::new();
        let listings = stage.world.listings.clone();
        let (provider, tokens) = (stage.alice.key.pubkey(), stage.alice.tokens);
        let shares = stage.shares[usize::from(tranche.to_byte())];
        let ticket = stage.world.get::<RedeemTicket>(&address::redeem_ticket(&provider, nonce));
        let added = ix::add_liquidity(&listings, tranche, (provider, tokens, shares), (1_000 * DOLLAR, 1))
            .expect("builds");
        let keys = (provider, stage.sponsor.pubkey(), shares);
        let requested = ix::request_redeem(&listings, tranche, keys, (2 + nonce, 1_000 * DOLLAR));
        let redeemed = ix::redeem(&listings, &ticket, (tokens, 1)).expect("builds");
        let cancelled = ix::cancel_redeem(provider, &ticket, shares);
        // A ticket whose window is over is anyone's to cancel: Bob does.
        let mut over = Stage::new();
        let key = address::redeem_ticket(&provider, nonce);
        over.world.tamper::<RedeemTicket>(&key, |ticket| ticket.core.requested_at -= 21_601);
        let returned = ix::cancel_redeem(over.bob.key.pubkey(), &ticket, shares);
        instances.extend([
            over.into_instance((late, CANCEL), returned),
            stage.into_instance((add, ADD), added),
            Stage::new().into_instance((request, REQUEST), requested),
            Stage::new().into_instance((redeem, REDEEM), redeemed),
            Stage::new().into_instance((cancel, CANCEL), cancelled),
        ]);
    }
    instances
}
