//! What liquidation and deleveraging share: an account in trouble, the position that has to go, and the keeper's pay.

use core::slice::Iter;

use anchor_lang::prelude::*;
use bulwark_engine::auction::Lot;
use bulwark_engine::liquidation::LiquidationReport;
use bulwark_engine::margin::{Health, HealthType, Legs, Portfolio};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};

use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::{Liquidated, LiquidationKind};
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Market};

/// An account below maintenance margin, seen from one of its positions.
pub(super) struct Case {
    /// Its other legs and its quote balance.
    others: Portfolio,
    /// Its health at the live prices.
    pub health: Health,
    /// The position.
    pub lot: Lot,
    /// Side of the position.
    pub side: Side,
}

impl Case {
    /// The account must be below its requirement with every doubt in its favour, and no other position may require more.
    ///
    /// # Errors
    /// A healthy account, another position that has to go first, a missing leg, a price that can't be used.
    pub fn open(
        exchange: &Exchange,
        (account, market): (&MarginAccount, &mut Market),
        legs: &mut Iter<'_, AccountInfo<'_>>,
        now: i64,
    ) -> core::result::Result<Self, Refusal> {
        market.core.accrue(now)?;
        let what = (HealthType::Liquidate, now);
        let position = account.position_in(market.index).ok_or(BulwarkError::NoPosition)?;
        let others = Legs { skip_market: Some(market.index), ..account.legs() };
        let others = health::of_legs(&others, legs, what)?;
        let mut all = others;
        let requirement = all.count(&market.core, position, what)?;
        all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
        let health = all.in_trouble(&exchange.params.risk_groups)?;
        all.require_worst(requirement)?;
        let group = (market.core.params.risk_group, position);
        let relief = all.relief(group, requirement, &exchange.params.risk_groups)?;
        let lot = market.core.lot(position, relief, now)?;
        Ok(Self { others, health, lot, side: position.side()? })
    }

    /// The account's health now, after its position has changed.
    fn health_after(
        &self,
        exchange: &Exchange,
        account: &MarginAccount,
        (market, now): (&Market, i64),
    ) -> bulwark_engine::Result<Health> {
        let mut all = self.others;
        if let Some(position) = account.position_in(market.index) {
            all.count(&market.core, position, (HealthType::Liquidate, now))?;
        }
        all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
        all.health(&exchange.params.risk_groups)
    }

    /// Ends the auction if the account is out of trouble.
    ///
    /// # Errors
    /// Overflow.
    pub fn close(
        &self,
        exchange: &Exchange,
        account: &mut MarginAccount,
        at: (&Market, i64),
    ) -> bulwark_engine::Result<()> {
        let health = self.health_after(exchange, account, at)?;
        account.auction.end_if_over(health)
    }
}

/// Pays a keeper what the market can spare, once the account's debt is posted; without one its insurance keeps it.
///
/// # Errors
/// Overflow.
pub(super) fn pay_keeper(
    keeper: Option<&AccountLoader<'_, MarginAccount>>,
    market: &mut Market,
    report: LiquidationReport,
) -> Result<LiquidationReport> {
    let report = market.core.pay_keeper(report, keeper.is_some()).or_error()?;
    if let Some(keeper) = keeper {
        keeper.load_mut()?.credit(Quote::from_units(report.keeper).or_error()?).or_error()?;
    }
    Ok(report)
}

/// The accounts of an event, and what it tells.
pub(super) struct Fill {
    /// Whose position it was.
    pub account: Pubkey,
    /// Who took it over, or was paid for the call; the account itself if nobody was.
    pub liquidator: Pubkey,
    /// What happened.
    pub kind: LiquidationKind,
    /// Slots since the start of the auction.
    pub elapsed: u64,
    /// Side of the position.
    pub side: Side,
    /// The account's position afterwards, and that of who took over.
    pub positions: [Position; 2],
    /// What moved.
    pub report: LiquidationReport,
}

impl Fill {
    /// The event.
    ///
    /// # Errors
    /// Never in practice.
    pub fn event(self, market: &mut Market) -> Result<Liquidated> {
        let Self { account, liquidator, kind, elapsed, side, positions: [position, taken], report } = self;
        Ok(Liquidated {
            account,
            market: market.index,
            sequence: state::next(&mut market.sequence)?,
            liquidator,
            kind,
            elapsed,
            side: side.to_byte(),
            lots: report.lots,
            price: market.core.mark().to_bits(),
            cost: report.cost.0,
            concession: report.concession,
            realised: report.realised.0,
            paid: report.paid.0,
            claim: report.claim,
            insurance: report.insurance.0,
            keeper: report.keeper,
            quote_change: report.quote_change.0,
            unwound_lots: report.unwound.lots,
            unwound_quote: report.unwound.quote.0,
            position_lots: position.lots.0,
            position_quote: position.quote.0,
            liquidator_lots: taken.lots.0,
            liquidator_quote: taken.quote.0,
        })
    }
}
