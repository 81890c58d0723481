//! What opening, closing and triggers share: accounts, the steps of a trade, and its event.

use anchor_lang::prelude::*;
use bulwark_engine::auction::Auction;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::position::Position;
use bulwark_engine::trade::{Order, TradeReport};
use bulwark_engine::trigger::Trigger;
use bulwark_engine::units::{Quote, Side};

use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::Traded;
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Market, MarketStatus, Pause};

/// Accounts of a trade. Remaining: the account's other markets, then its vaults, in slot order.
#[derive(Accounts)]
pub struct Trade<'info> {
    /// Owner or delegate of the margin account.
    pub authority: Signer<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The trader's account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

/// `Ok` if `signer` may trade this very incarnation of the account.
///
/// # Errors
/// [`BulwarkError::Unauthorized`], [`BulwarkError::WrongIncarnation`].
pub(super) fn require_trader(account: &MarginAccount, signer: &Pubkey, incarnation: u64) -> Result<()> {
    require!(account.may_trade(signer), BulwarkError::Unauthorized);
    require!(account.incarnation == incarnation, BulwarkError::WrongIncarnation);
    Ok(())
}

/// `Ok` if positions of the market may be increased.
///
/// # Errors
/// [`BulwarkError::Paused`], [`BulwarkError::Settling`], [`BulwarkError::ReduceOnly`].
pub(super) fn require_open(exchange: &Exchange, market: &Market) -> Result<()> {
    require!(!Pause::INCREASE.is_set(exchange.pause | market.pause), BulwarkError::Paused);
    require!(market.status != MarketStatus::Settling.to_byte(), BulwarkError::Settling);
    require!(market.status == MarketStatus::Active.to_byte(), BulwarkError::ReduceOnly);
    Ok(())
}

/// An account at a market, with what its margin is judged by.
pub(super) struct Desk<'a, 'info> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// The trader's account.
    pub account: &'a mut MarginAccount,
    /// The market.
    pub market: &'a mut Market,
    /// The account's other markets, then its vaults, in slot order.
    pub legs: &'a [AccountInfo<'info>],
    /// What a keeper is paid for the trade at most, quote units.
    pub keeper_fee: u64,
}

/// A trade that went through.
pub(super) struct Done {
    /// The position afterwards.
    pub position: Position,
    /// What moved.
    pub report: TradeReport,
    /// What the keeper is paid, quote units.
    pub keeper_fee: u64,
}

impl Desk<'_, '_> {
    /// Increases a position; the account must hold initial margin afterwards.
    ///
    /// # Errors
    /// What the engine refuses; a missing leg.
    pub fn increase(&mut self, side: Side, order: &Order) -> core::result::Result<Done, Refusal> {
        let slot = self.account.position_or_free(self.market.index, side);
        let slot = slot.ok_or(BulwarkError::NoFreePositionSlot)?;
        let report = self.market.core.increase(slot, side, order)?;
        let position = *slot;
        // Its own debt backs no new risk: the caps were judged without it, and nothing was paid from it.
        self.account.lift(self.market)?;
        let quote = self.account.post(self.market, side, report.quote_change)?;

        let legs = (&mut self.legs.iter(), order.now);
        let health = health::initial(self.exchange, self.account, Some(self.market), legs)?;
        health.require()?;
        self.account.auction = Auction::default(); // out of trouble
        // No more than what the account has to spare.
        let fee = self.keeper_fee.min(health.excess()?.units_or_zero());
        let keeper_fee = Trigger::keeper_fee(fee, report.fee, quote);
        self.account.credit(Quote::ZERO.minus(Quote::from_units(keeper_fee)?)?)?;
        Ok(Done { position, report, keeper_fee })
    }

    /// Decreases a position; equity over maintenance margin must not fall, or else the account must be healthy.
    ///
    /// # Errors
    /// What the engine refuses; a missing leg.
    pub fn decrease(&mut self, order: &Order) -> core::result::Result<Done, Refusal> {
        self.market.core.accrue(order.now)?;
        self.account.lift(self.market)?;
        let quote = self.account.quote;
        let slot = self.account.position_mut(self.market.index).ok_or(BulwarkError::NoPosition)?;
        let (side, before) = (slot.side()?, leg(self.market, slot, quote)?);
        let report = self.market.core.decrease(slot, order)?;
        let position = *slot;
        let quote = self.account.post(self.market, side, report.quote_change)?;
        let after = leg(self.market, &position, quote)?;

        let offset = self.exchange.params.risk_groups.offset(self.market.core.params.risk_group);
        if !after.is_no_worse_than(before, offset)? {
            self.with_leg(&position, order.now)?.require()?;
        }
        let keeper_fee =
            self.pay_keeper(&position, Trigger::keeper_fee(self.keeper_fee, report.fee, quote), order.now)?;
        Ok(Done { position, report, keeper_fee })
    }

    /// Maintenance health of the whole account with its position in this market.
    fn with_leg(&self, position: &Position, now: i64) -> core::result::Result<Health, Refusal> {
        let mut portfolio = self.others((HealthType::Maint, now))?;
        portfolio.add(Health { equity: self.account.quote, requirement: Quote::ZERO })?;
        if position.is_open() {
            let leg = leg(self.market, position, Quote::ZERO)?;
            portfolio.add_position(leg, self.market.core.params.risk_group, position)?;
        }
        Ok(portfolio.health(&self.exchange.params.risk_groups)?)
    }

    /// Takes a keeper's fee from an account that is healthy after it: whatever can't be shown to be, pays nobody.
    fn pay_keeper(&mut self, position: &Position, fee: u64, now: i64) -> core::result::Result<u64, Refusal> {
        if fee == 0 {
            return Ok(0);
        }
        let before = self.account.quote;
        self.account.quote = before.minus(Quote::from_units(fee)?)?;
        if self.with_leg(position, now).is_ok_and(|health| health.require().is_ok()) {
            return Ok(fee);
        }
        self.account.quote = before;
        Ok(0)
    }

    fn others(
        &self,
        what: (HealthType, i64),
    ) -> core::result::Result<bulwark_engine::margin::Portfolio, Refusal> {
        let others = Legs { skip_market: Some(self.market.index), ..self.account.legs() };
        health::of_legs(&others, &mut self.legs.iter(), what)
    }

    /// The event of the trade.
    ///
    /// # Errors
    /// Never in practice.
    pub fn event(&mut self, account: Pubkey, Done { position, report, .. }: &Done) -> Result<Traded> {
        Ok(Traded {
            account,
            market: self.market.index,
            sequence: state::next(&mut self.market.sequence)?,
            lots: report.fill.lots.0,
            price: self.market.core.mark().to_bits(),
            curve: report.fill.curve.0,
            spread: report.fill.spread,
            fee_pool: report.fees.pool,
            fee_insurance: report.fees.insurance,
            fee_protocol: report.fees.protocol,
            realised: report.realised.0,
            toxic_fee: report.toxic_fee,
            paid: report.paid.0,
            claim: report.claim,
            unwound_lots: report.unwound.lots,
            unwound_quote: report.unwound.quote.0,
            position_lots: position.lots.0,
            position_quote: position.quote.0,
        })
    }
}

/// The traded leg together with the quote balance, under maintenance margin.
fn leg(market: &Market, position: &Position, quote: Quote) -> bulwark_engine::Result<Health> {
    let balance = Health { equity: quote, requirement: Quote::ZERO };
    if !position.is_open() {
        return Ok(balance);
    }
    Health::of_position_at_stored_price(&market.core, position, HealthType::Maint)?.plus(balance)
}

/// The order of somebody who wants to buy like a long or sell like a short.
///
/// # Errors
/// A limit price that nothing could meet.
pub(super) fn order(direction: Side, lots: u64, limit_price: u64) -> Result<Order> {
    let now = Clock::get()?.unix_timestamp;
    Ok(Order { lots, limit: Order::limit(direction, limit_price).or_error()?, now })
}
