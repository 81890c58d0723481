//! The values of a struct in their order, as text: what both languages can print of anything.

use anchor_lang::Event as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulwark_sdk::event::Event;
use serde_json::{Value, json};

/// Bytes as text.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Numbers, truth values, addresses and names of variants in the order of the fields, from what `Debug` prints.
pub fn of(value: &impl std::fmt::Debug) -> Vec<String> {
    let text = format!("{value:?}");
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut leaves = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        // What a struct, a tuple, a field or a variant with fields is called is not a value.
        if !after.starts_with(" {") && !after.starts_with('(') && !after.starts_with(':') {
            leaves.push(word.to_string());
        }
        rest = after;
    }
    leaves
}

macro_rules! event_data {
    ($event:expr, $($name:ident),* $(,)?) => {
        match $event {
            $(Event::$name(inner) => (stringify!($name), inner.data(), of(inner)),)*
        }
    };
}

/// An event: its bytes, its name and its values.
pub fn event(event: &Event) -> Value {
    let (name, data, leaves) = event_data!(
        event,
        ExchangeInitialized,
        VaultCreated,
        MarketCreated,
        MarketRefreshed,
        VaultRefreshed,
        MarginAccountOpened,
        MarginAccountClosed,
        DelegateSet,
        Deposited,
        Withdrawn,
        Traded,
        TriggerPlaced,
        TriggerExecuted,
        TriggerCancelled,
        PositionSettled,
        AuctionCalled,
        Liquidated,
        CollateralSold,
        ClaimForfeited,
        BankruptcyResolved,
        MarketRebalanced,
        MarketSettling,
        InsuranceFunded,
        BackstopStaked,
        UnstakeRequested,
        Unstaked,
        UnstakeCancelled,
        LiquidityAdded,
        RedeemRequested,
        RedeemCancelled,
        Redeemed,
        LiquidityAllocated,
        MarketSwept,
        InvariantsChecked,
        ChangeProposed,
        ChangeExecuted,
        ChangeCancelled,
        Tightened,
        PauseSet,
        AdminNominated,
        AdminChanged,
        MarketStatusChanged,
        MarketClosed,
        ProtocolFeesCollected,
    );
    json!({ "name": name, "data": base64(&data), "leaves": leaves })
}
