//! The keeper's own margin account: what it holds, and what it has earned.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::view::PositionView;
use serde::Serialize;

use super::amount::{Amount, price_text};
use super::history::{Earnings, Entries};
use super::risk::Ground;
use crate::roles;

/// Whose account it is, and the transactions that name it, or why they could not be read.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who signs, and the margin account.
    pub own: roles::Own,
    /// Transactions.
    pub history: Result<Entries, String>,
}

/// A position or a claim of the keeper. Amounts are quote units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnPosition {
    /// Market index.
    pub market: u16,
    /// `long` or `short`; a claim keeps the side that it came from.
    pub side: &'static str,
    /// Base, decimal; zero for a claim.
    pub base: String,
    /// Quote per whole base, decimal.
    pub mark: String,
    /// Lots at the last price, rounded up.
    pub notional: Amount,
    /// Unrealised PnL, carry included; for a claim, what is owed.
    pub pnl: Amount,
}

/// A collateral that the keeper holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnCollateral {
    /// Vault index.
    pub vault: u16,
    /// Tokens, decimal.
    pub tokens: String,
    /// What it counts for in maintenance margin, after the haircut, quote units.
    pub value: Amount,
}

/// The account at the last prices, taken for sure. Amounts are quote units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    /// Quote balance.
    pub quote: Amount,
    /// Worth in maintenance margin.
    pub equity: Amount,
    /// Maintenance requirement.
    pub requirement: Amount,
    /// Initial margin that is free for takeovers; below zero it is missing.
    pub free_initial: Amount,
    /// Whether a price has to be refreshed before the program says the same.
    pub needs_refresh: bool,
    /// Positions and claims.
    pub positions: Vec<OwnPosition>,
    /// Collaterals.
    pub collaterals: Vec<OwnCollateral>,
}

/// The keeper's margin account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Own {
    /// Owner.
    pub authority: String,
    /// Margin account.
    pub account: String,
    /// What it holds; none if it is not open.
    pub holdings: Option<Holdings>,
    /// What it has earned and spent; none if the node does not say.
    pub earnings: Option<Earnings>,
    /// Why there are no earnings.
    pub history_error: Option<String>,
}

impl Own {
    /// The account of an identity, among all.
    ///
    /// # Errors
    /// [`HealthError`] if the engine can't value what it holds.
    pub fn of(
        ground: Ground<'_>,
        accounts: &[(Pubkey, Box<MarginAccount>)],
        identity: &Identity,
    ) -> Result<Self, HealthError> {
        let key = identity.own.margin;
        let account = accounts.iter().find(|(other, _)| *other == key);
        let earnings = identity.history.as_ref().ok().map(|entries| Earnings::of(&key, entries));
        Ok(Self {
            authority: identity.own.authority.to_string(),
            account: key.to_string(),
            holdings: account.map(|(_, account)| Holdings::of(ground, account)).transpose()?,
            earnings: earnings.transpose()?,
            history_error: identity.history.as_ref().err().cloned(),
        })
    }
}

impl Holdings {
    fn of(ground: Ground<'_>, account: &MarginAccount) -> Result<Self, HealthError> {
        let view = ground.sure.view(account)?;
        let (maintenance, initial) = (view.maintenance?, view.initial?);
        let collateral = |held: &bulwark_sdk::view::CollateralView| {
            let vault = ground.sure.vaults.get(&held.vault).ok_or(HealthError::UnknownVault(held.vault))?;
            let tokens = Amount::from(held.amount).text(vault.decimals);
            Ok(OwnCollateral { vault: held.vault, tokens, value: held.value.into() })
        };
        let positions = view.positions.iter().map(|held| position(ground.sure, held));
        Ok(Self {
            quote: view.quote.into(),
            equity: maintenance.equity.into(),
            requirement: maintenance.requirement.into(),
            free_initial: initial.excess()?.into(),
            needs_refresh: ground.live.health(account, HealthType::Maint).is_err(),
            positions: positions.collect::<Result<_, _>>()?,
            collaterals: view.collaterals.iter().map(collateral).collect::<Result<_, HealthError>>()?,
        })
    }
}

fn position(snapshot: &Snapshot<'_>, held: &PositionView) -> Result<OwnPosition, HealthError> {
    let market = snapshot.markets.get(&held.market).ok_or(HealthError::UnknownMarket(held.market))?;
    let lot_decimals = market.core.params.lot_decimals;
    let decimals = (snapshot.exchange.quote_decimals, lot_decimals);
    Ok(OwnPosition {
        market: held.market,
        side: if held.side == Side::Long { "long" } else { "short" },
        base: Amount::from(held.lots).text(lot_decimals),
        mark: price_text(held.mark, decimals),
        notional: held.notional.into(),
        pnl: held.pnl.into(),
    })
}
