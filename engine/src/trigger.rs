//! Orders that wait for a price.
//!
//! A trigger is a promise to the keepers: once the refreshed mark is at its price, anyone may execute it and is paid
//! for it. A limit entry buys low or sells high; take-profit and stop-loss close what there is and never more. The
//! limit price bounds the fill as it does for an order that its owner sends, so waiting for the trigger and
//! waiting for the limit are two different things: a fill beyond the limit leaves the trigger where it is.

use bytemuck::{Pod, Zeroable};

use crate::market::Market;
use crate::position::Position;
use crate::trade::Order;
use crate::units::{MAX_LOTS, Price, Quote, Side};
use crate::{EngineError, Result};

/// Triggers an account can hold.
pub const MAX_TRIGGERS: usize = 8;
/// Longest life of a trigger, seconds: 90 days.
pub const MAX_LIFE: i64 = 7_776_000;

/// What a trigger waits for, and what it does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TriggerKind {
    /// Increase a position once the price is as good as the trigger's or better.
    Limit = 0,
    /// Decrease a position once the price has moved as far in its favour.
    TakeProfit = 1,
    /// Decrease a position once the price has moved as far against it.
    StopLoss = 2,
}

impl TriggerKind {
    /// The stored form.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Limit => 0,
            Self::TakeProfit => 1,
            Self::StopLoss => 2,
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`EngineError::InvalidTrigger`] for any other byte.
    pub const fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(Self::Limit),
            1 => Ok(Self::TakeProfit),
            2 => Ok(Self::StopLoss),
            _ => Err(EngineError::InvalidTrigger("kind: 0 limit, 1 take-profit, 2 stop-loss")),
        }
    }

    /// Whether it can only make a position smaller.
    #[must_use]
    pub const fn is_reduce_only(self) -> bool {
        matches!(self, Self::TakeProfit | Self::StopLoss)
    }
}

/// One slot of a margin account.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Trigger {
    /// Unique among the account's triggers; 0 in an empty slot.
    pub id: u64,
    /// Lots to trade; for a reduce-only trigger [`Order::ALL`] stands for the whole position.
    pub lots: u64,
    /// Mark price to wait for, Q32.32 quote units per lot.
    pub trigger_price: u64,
    /// Worst fill price, Q32.32 quote units per lot, fees excluded.
    pub limit_price: u64,
    /// Last moment at which it can be executed, unix seconds.
    pub expiry: i64,
    /// Market index.
    pub market: u16,
    /// [`TriggerKind`] as a byte.
    pub kind: u8,
    /// [`Side`] of the position that it opens, increases or decreases.
    pub side: u8,
    /// 1 if a delegate placed it: it goes with him.
    pub by_delegate: u8,
    /// Which of the markets that had this index it was placed in.
    pub generation: u8,
    /// Explicit padding.
    pub _padding: [u8; 2],
}

impl Trigger {
    /// Whether the slot is in use.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.id != 0
    }

    /// Checks a trigger that is to be placed at `now`, against the step of its market.
    ///
    /// # Errors
    /// [`EngineError::InvalidTrigger`], [`EngineError::PriceOutOfRange`], [`EngineError::ZeroAmount`],
    /// [`EngineError::NotAMultipleOfStep`].
    pub fn validate(&self, step: u64, now: i64) -> Result<()> {
        let (kind, side) = (TriggerKind::from_byte(self.kind)?, Side::from_byte(self.side)?);
        Price::from_bits(self.trigger_price)?;
        Order::limit(self.direction(kind, side), self.limit_price)?;
        let life = self.expiry.saturating_sub(now);
        if life <= 0 || life > MAX_LIFE {
            return Err(EngineError::InvalidTrigger("expiry: must be ahead, by 90 days at most"));
        }
        match self.lots.checked_rem(step) {
            _ if kind.is_reduce_only() && self.lots == Order::ALL => Ok(()),
            _ if self.lots == 0 => Err(EngineError::ZeroAmount),
            _ if self.lots > MAX_LOTS => Err(EngineError::InvalidTrigger("lots: more than any order")),
            Some(0) => Ok(()),
            _ => Err(EngineError::NotAMultipleOfStep { lots: self.lots, step }),
        }
    }

    /// Whether it can only make a position smaller.
    ///
    /// # Errors
    /// [`EngineError::InvalidTrigger`].
    pub const fn is_reduce_only(&self) -> Result<bool> {
        match TriggerKind::from_byte(self.kind) {
            Ok(kind) => Ok(kind.is_reduce_only()),
            Err(error) => Err(error),
        }
    }

    /// Whether its time is over.
    #[must_use]
    pub const fn is_expired(&self, now: i64) -> bool {
        now > self.expiry
    }

    /// `Ok` once the mark has reached the trigger's price.
    ///
    /// # Errors
    /// [`EngineError::TriggerNotMet`] with both prices, [`EngineError::Corrupt`].
    pub fn require_met(&self, mark: Price) -> Result<()> {
        let (kind, side) = (TriggerKind::from_byte(self.kind)?, Side::from_byte(self.side)?);
        let (mark, price) = (mark.to_bits(), self.trigger_price);
        // A long enters low, takes its profit high and stops its loss low; a short the other way round.
        let waits_for_a_rise = (kind == TriggerKind::TakeProfit) == (side == Side::Long);
        let met = if waits_for_a_rise { mark >= price } else { mark <= price };
        if met { Ok(()) } else { Err(EngineError::TriggerNotMet { mark, trigger: price }) }
    }

    /// The order that it sends at `now`.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`].
    pub fn order(&self, now: i64) -> Result<Order> {
        let (kind, side) = (TriggerKind::from_byte(self.kind)?, Side::from_byte(self.side)?);
        let limit = Order::limit(self.direction(kind, side), self.limit_price)?;
        Ok(Order { lots: self.lots, limit, now })
    }

    /// The order of a reduce-only trigger for what the position holds: all of it if there is no more, or if less would
    /// leave too little.
    ///
    /// # Errors
    /// [`EngineError::NoPosition`] if there is nothing on the trigger's side, [`EngineError::Overflow`].
    pub fn reduction(&self, market: &Market, position: Option<&Position>, now: i64) -> Result<Order> {
        let position = position.filter(|p| p.side == self.side && p.is_open());
        let position = position.ok_or(EngineError::NoPosition)?;
        let held = market.book.side(position.side()?).member(position)?.lots.count();
        if held == 0 {
            return Err(EngineError::NoPosition);
        }
        let order = self.order(now)?;
        let left = market.notional(held.saturating_sub(order.lots))?;
        let lots = if left < market.params.min_notional { Order::ALL } else { order.lots };
        Ok(Order { lots, ..order })
    }

    /// What its keeper may be paid, quote units: the exchange's fee, as far as the taker fee of the trade and the account's
    /// quote reach. So a fee is never borrowed, and to pay oneself costs more than it brings.
    #[must_use]
    pub fn keeper_fee(fee: u64, taker_fee: u64, quote: Quote) -> u64 {
        fee.min(taker_fee).min(quote.units_or_zero())
    }

    /// Buys like a long or sells like a short.
    const fn direction(&self, kind: TriggerKind, side: Side) -> Side {
        if kind.is_reduce_only() { side.opposite() } else { side }
    }

    /// Whether it is cancelled when it fails with this error: the account as it stands can't do it. An entry without
    /// margin goes, though margin may return with the price; what protects a position stays as long as there is one.
    ///
    /// A price that is not usable, a pause, a fill beyond the limit price, and the market's caps, which others can fill
    /// and free again, pass by themselves: the trigger waits.
    #[must_use]
    pub const fn is_cancelled_by(&self, error: &EngineError) -> bool {
        match error {
            EngineError::NoPosition | EngineError::OppositeSide | EngineError::NotAMultipleOfStep { .. } => {
                true
            }
            EngineError::InsufficientMargin { .. } | EngineError::BelowMinNotional { .. } => {
                matches!(self.is_reduce_only(), Ok(false))
            }
            _ => false,
        }
    }
}

const _: () = assert!(size_of::<Trigger>() == 48);
