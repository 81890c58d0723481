//! Increase, decrease, settle: the only ways a position changes by its owner's or a keeper's hand.
//!
//! Each operation takes the market and one position, and returns a report whose parts sum exactly: what the
//! account's quote balance changes by is what `cash` and the fees change by, with the sign turned. Realised
//! profit is paid from `cash` as far as it reaches; the rest stays in the slot as a claim. A realised loss
//! always moves to `cash` at once, so the account's quote may go negative.
//!
//! Invariants I10 (a round trip never profits, splitting never helps) and I16 (rounding gives nothing away).

use crate::book::Fees;
use crate::fill::Fill;
use crate::ladder::Unwound;
use crate::limits;
use crate::market::Market;
use crate::position::{Holding, Position};
use crate::price::{Action, Age};
use crate::units::{Lots, NormalPrice, Price, Quote, Side, ppm_ceil};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// An order as the trader sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Lots to trade; for a decrease [`Order::ALL`] stands for the whole position.
    pub lots: u64,
    /// Worst fill price, fees excluded; `None` takes any.
    pub limit: Option<Price>,
    /// Clock, unix seconds.
    pub now: i64,
}

impl Order {
    /// All lots of the position.
    pub const ALL: u64 = u64::MAX;

    /// The limit price of an order that buys or sells, from Q32.32 quote units per lot as a client sends it.
    ///
    /// A number beyond the range of prices on the generous side (for a seller 0, for a buyer 2^64 − 1) takes
    /// any price.
    ///
    /// # Errors
    /// [`EngineError::PriceOutOfRange`] beyond the range on the other side: no fill could meet it.
    pub fn limit(direction: Side, bits: u64) -> Result<Option<Price>> {
        match direction {
            Side::Long if bits > Price::MAX.to_bits() => Ok(None),
            Side::Short if bits < Price::MIN.to_bits() => Ok(None),
            _ => Price::from_bits(bits).map(Some),
        }
    }
}

/// What a trade moved, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeReport {
    /// The fill.
    pub fill: Fill,
    /// Taker fee.
    pub fee: u64,
    /// The fee by receiver.
    pub fees: Fees,
    /// Pending unwind that was applied first.
    pub unwound: Unwound,
    /// PnL realised by the closed lots, fees excluded.
    pub realised: Quote,
    /// Toxic-exit fee: part of a profit that stays in `cash`, for the pool.
    pub toxic_fee: u64,
    /// Part of `realised − toxic_fee` that moved between `cash` and the account: all of a loss, what cash covers of a
    /// profit.
    pub paid: Quote,
    /// Part of `realised − toxic_fee` that stays in the slot as a claim.
    pub claim: u64,
    /// Change of the account's quote balance: `paid − fee`.
    pub quote_change: Quote,
}

/// What the holder of a position owes, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owes {
    /// For this market.
    pub here: u64,
    /// In all.
    pub all: u64,
}

/// What settling a position moved, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettleReport {
    /// Pending unwind that was applied.
    pub unwound: Unwound,
    /// Claim paid from `cash`.
    pub claim_paid: u64,
    /// Loss realised at mark because claims are waiting, or at the frozen price.
    pub loss: u64,
    /// Profit realised at mark because its holder owes quote.
    pub profit: u64,
    /// Part of a claim that a settled market could not pay.
    pub forgone: u64,
    /// Change of the account's quote balance: `claim_paid + profit − loss`.
    pub quote_change: Quote,
}

impl Market {
    /// Adds lots to a position on `side`; an empty slot must have been prepared by [`Position::new`].
    ///
    /// # Errors
    /// A price that is not Fresh, a size that is zero or no multiple of the step, a fill beyond the limit
    /// price or the impact, a cap of [`limits`], or a position on the other side.
    pub fn increase(&mut self, position: &mut Position, side: Side, order: &Order) -> Result<TradeReport> {
        self.require_trading()?;
        self.oracle.require(&self.params.oracle, (Action::Increase, Age::Trade), order.now)?;
        self.require_size(order.lots)?;
        self.accrue(order.now)?;
        if !position.is_open() {
            return Err(EngineError::NoPosition);
        }
        if position.side()? != side {
            return Err(EngineError::OppositeSide);
        }
        let (delta, skew, curve) = (Lots::on(side, order.lots)?, self.book.skew()?, self.curve(order.now)?);
        let fill = curve.fill(skew, delta)?;
        curve.require_impact(skew, delta)?;
        fill.require_limit(order.limit)?;

        let unwound = self.take_out(position)?;
        let carry_part = self.book.side(side).carry.mul_floor(delta)?;
        let held = Holding { lots: position.lots, quote: position.quote };
        self.put_back(position, held.increased(delta, fill.cost, carry_part)?)?;
        position.increased_at = order.now;

        self.require_min_notional(position.lots.count())?;
        limits::require_caps(self, (side, position.lots), skew)?;
        self.update_borrow_rate()?;
        self.charge(TradeReport { fill, unwound, ..TradeReport::default() })
    }

    /// Takes lots off a position and realises their PnL.
    ///
    /// # Errors
    /// A price that is neither Fresh nor Wide, a size that is zero, no multiple of the step, larger than the
    /// position or leaves less than `min_notional`, or a fill beyond the limit price.
    pub fn decrease(&mut self, position: &mut Position, order: &Order) -> Result<TradeReport> {
        self.require_trading()?;
        self.oracle.require(&self.params.oracle, (Action::Close, Age::Trade), order.now)?;
        if !position.is_open() {
            return Err(EngineError::NoPosition);
        }
        self.accrue(order.now)?;
        let (side, skew) = (position.side()?, self.book.skew()?);
        let held = self.book.side(side).member(position)?.lots.count();
        let count = if order.lots == Order::ALL { held } else { order.lots };
        if count > held {
            return Err(EngineError::CloseExceedsPosition { asked: count, held });
        }
        let delta = Lots::on(side.opposite(), count)?;
        let fill = self.curve(order.now)?.fill(skew, delta)?;
        fill.require_limit(order.limit)?;
        if count != held {
            self.require_size(count)?;
            self.require_min_notional(held.saturating_sub(count))?;
        }

        let unwound = self.take_out(position)?;
        let carry_part = self.book.side(side).carry.mul_floor(delta)?;
        let holding = Holding { lots: position.lots, quote: position.quote };
        let (rest, realised) = holding.decreased(count, fill.cost, carry_part)?;
        let toxic_fee = self.toxic_fee(position, &fill, order.now)?.min(realised.units_or_zero());
        let (paid, claim) = self.pay(realised.minus(Quote::from_units(toxic_fee)?)?)?;
        let rest = Holding { quote: rest.quote.plus(Quote::from_units(claim)?)?, ..rest };
        self.put_back(position, rest)?;
        self.update_borrow_rate()?;
        self.charge(TradeReport { fill, unwound, realised, toxic_fee, paid, claim, ..TradeReport::default() })
    }

    /// What a close so soon after the position's increase pays of its profit at most: a share of the notional that falls
    /// to zero over the window, rounded up. A price on the free option of the oracle's latency; the spread that grows with
    /// volatility and age is the other one, which a hedge elsewhere does not avoid. On a steep curve a close in parts realises
    /// its profit in the last of them, and pays less by at most `lots²·P / K`.
    fn toxic_fee(&self, position: &Position, fill: &Fill, now: i64) -> Result<u64> {
        let (window, elapsed) =
            (i64::from(self.params.toxic_window), now.saturating_sub(position.increased_at));
        let left = u64::try_from(window.saturating_sub(elapsed.max(0))).unwrap_or(0);
        if left == 0 {
            return Ok(0);
        }
        let whole = ppm_ceil(fill.notional, self.params.toxic_fee_ppm)?;
        wide::mul_div(whole, left, u64::from(self.params.toxic_window), Round::Up)
    }

    /// Applies a pending unwind, pays a claim as far as cash allows, realises the loss of a losing position as far as claims
    /// wait for it (only at a Fresh price; equity does not change), and files the position under its
    /// present entry price. A profit is realised as far as its holder owes quote, wherever he lost it. For anyone to call.
    ///
    /// # Errors
    /// [`EngineError::NoPosition`], [`EngineError::Overflow`].
    pub fn settle(&mut self, position: &mut Position, (debts, now): (Owes, i64)) -> Result<SettleReport> {
        if !position.is_open() {
            return Err(EngineError::NoPosition);
        }
        self.accrue(now)?;
        let claim = position.is_claim();
        let unwound = self.take_out(position)?;
        let mut holding = Holding { lots: position.lots, quote: position.quote };
        if self.is_settling() {
            return self.settle_finally(position, (unwound, holding), (claim, debts.here, now));
        }
        let mut report = SettleReport { unwound, ..SettleReport::default() };
        if claim {
            report.claim_paid = holding.quote.units_or_zero().min(self.book.payable());
            self.book.cash = self.book.cash.saturating_sub(report.claim_paid); // at most cash: exact
            report.quote_change = Quote::from_units(report.claim_paid)?;
            holding.quote = holding.quote.minus(report.quote_change)?;
        } else {
            let carry = self.book.side(position.side()?).carry;
            let pnl = holding.pnl(NormalPrice::new(self.mark(), carry)?)?;
            let paid = if pnl > Quote::ZERO {
                // Not while an exit would pay for being so quick.
                let settled =
                    now.saturating_sub(position.increased_at) >= i64::from(self.params.toxic_window);
                let due = if debts.all > 0 && settled && self.is_sure(now) { debts.all } else { 0 };
                self.pay(pnl.min(Quote::from_units(due)?))?.0
            } else if holding.lots == Lots::ZERO {
                self.pay(pnl)?.0 // dust that an unwind left: owed whatever the price
            } else if self.is_sure(now) {
                self.pay(pnl.max(Quote::ZERO.minus(Quote::from_units(self.waiting())?)?))?.0
            } else {
                Quote::ZERO
            };
            report.profit = paid.units_or_zero();
            report.loss = Quote::ZERO.minus(paid)?.units_or_zero();
            report.quote_change = paid;
            holding.quote = holding.quote.minus(paid)?;
        }
        self.put_back(position, holding)?;
        Ok(report)
    }

    /// Whether the price is Fresh.
    fn is_sure(&self, now: i64) -> bool {
        self.oracle.require(&self.params.oracle, (Action::Waterfall, Age::Margin), now).is_ok()
    }

    /// Settles a member's pending unwind and takes it out of ladder and claims.
    pub(crate) fn take_out(&mut self, position: &mut Position) -> Result<Unwound> {
        let side = position.side()?;
        if position.lots == Lots::ZERO && position.quote == Quote::ZERO {
            return Ok(Unwound::default()); // a new slot is no member yet
        }
        if position.is_claim() {
            self.book.unpaid_claims = self.book.unpaid_claims.saturating_sub(position.quote.units_or_zero());
        } else {
            let left = self.book.positions.checked_sub(1);
            self.book.positions =
                left.ok_or(EngineError::Corrupt("a position that its market does not count"))?;
        }
        let ladder = self.book.side_mut(side);
        let unwound = ladder.settle(position)?;
        ladder.leave(position)?;
        Ok(unwound)
    }

    /// Writes what a position holds now and makes it a member again; one that holds nothing frees its slot.
    pub(crate) fn put_back(&mut self, position: &mut Position, holding: Holding) -> Result<()> {
        if holding == Holding::default() {
            *position = Position::EMPTY;
            return Ok(());
        }
        if holding.lots == Lots::ZERO && holding.quote < Quote::ZERO {
            return Err(EngineError::Corrupt("a position without lots owes money"));
        }
        let side = position.side()?;
        position.lots = holding.lots;
        position.quote = holding.quote;
        if position.is_claim() {
            let sum = self.book.unpaid_claims.checked_add(holding.quote.units_or_zero());
            self.book.unpaid_claims = sum.ok_or(EngineError::Overflow)?;
        } else {
            self.book.positions = self.book.positions.checked_add(1).ok_or(EngineError::Overflow)?;
        }
        self.book.side_mut(side).join(position)
    }

    /// Moves a realised amount between `cash` and the account: what was paid, and what is left as a claim.
    pub(crate) fn pay(&mut self, realised: Quote) -> Result<(Quote, u64)> {
        let cash = self.book.cash;
        if realised <= Quote::ZERO {
            self.book.cash = cash.checked_add(realised.0.unsigned_abs()).ok_or(EngineError::Overflow)?;
            return Ok((realised, 0));
        }
        let profit = realised.units_or_zero();
        let paid = profit.min(self.book.payable());
        self.book.cash = cash.saturating_sub(paid); // at most cash: exact
        Ok((Quote::from_units(paid)?, profit.saturating_sub(paid)))
    }

    /// Charges the taker fee on the fill and completes the report.
    fn charge(&mut self, report: TradeReport) -> Result<TradeReport> {
        let fee = ppm_ceil(report.fill.notional, self.params.taker_fee_ppm)?;
        let fees = self.split_fee(fee)?;
        self.book.fees.add(&fees)?;
        Ok(TradeReport { fee, fees, quote_change: report.paid.minus(Quote::from_units(fee)?)?, ..report })
    }

    fn require_size(&self, lots: u64) -> Result<()> {
        let step = self.params.step;
        match lots.checked_rem(step) {
            _ if lots == 0 => Err(EngineError::ZeroAmount),
            Some(0) => Ok(()),
            _ => Err(EngineError::NotAMultipleOfStep { lots, step }),
        }
    }

    pub(crate) fn require_min_notional(&self, lots: u64) -> Result<()> {
        let (notional, minimum) = (self.notional(lots)?, self.params.min_notional);
        if notional < minimum { Err(EngineError::BelowMinNotional { notional, minimum }) } else { Ok(()) }
    }
}
