//! What a keeper has earned and spent, from the transactions that name its margin account.
//!
//! Only transactions that went through moved money, so only their events count; a failed one has cost its fee. Amounts are
//! those of the events, which the program computed: income is pay for what the keeper did for others, and what it did
//! on its own account stands apart. A takeover's concession and a collateral's discount are profit only once
//! what was taken over is sold: what has become of it is in the realised and unrealised PnL.

use std::collections::BTreeMap;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::units::Price;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{
    CollateralSold, Liquidated, LiquidationKind, PositionSettled, Traded, TriggerExecuted,
};
use serde::Serialize;

use super::amount::Amount;

/// A transaction that names the margin account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Slot.
    pub slot: u64,
    /// Time of its block, unix seconds, if the node knows it.
    pub time: Option<i64>,
    /// Whether it failed: its events did not happen.
    pub failed: bool,
    /// Fee, lamports.
    pub fee: u64,
    /// Whether the keeper's wallet paid that.
    pub own_fee: bool,
    /// Events in order.
    pub events: Vec<Event>,
    /// Whether the log was cut: events may be missing.
    pub truncated: bool,
}

/// Transactions, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Those that could be read.
    pub read: Vec<Entry>,
    /// How many the node named and did not have.
    pub missing: usize,
    /// Whether there are older ones.
    pub cut: bool,
}

/// From when to when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Slots of the first and of the last transaction.
    pub slots: Option<[u64; 2]>,
    /// Times of their blocks, unix seconds.
    pub times: Option<[i64; 2]>,
    /// Transactions read.
    pub transactions: usize,
    /// How many the node named and did not have.
    pub missing: usize,
    /// How many had a log that was cut.
    pub truncated: usize,
    /// Whether there are older ones.
    pub cut: bool,
}

/// Something that happened so many times and paid so much, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paid {
    /// How many times.
    pub count: usize,
    /// What it paid together.
    pub amount: Amount,
}

/// Token units in and out of a vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Deposited.
    pub deposited: Amount,
    /// Withdrawn.
    pub withdrawn: Amount,
}

/// What a keeper has earned and spent. Quote units unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Earnings {
    /// From when to when.
    pub span: Span,
    /// Pay for handing positions to the pool.
    pub to_pool: Paid,
    /// Pay for reducing exposure.
    pub deleveraging: Paid,
    /// Fees for executing triggers of others.
    pub triggers: Paid,
    /// Positions taken over, and what they were worth at the mark, rounded up.
    pub takeovers: Paid,
    /// Price concessions of these.
    pub concession: Amount,
    /// Collateral bought, and what it was worth at its price beyond what was paid, rounded down.
    pub collateral: Paid,
    /// PnL realised by own trades, fees excluded.
    pub trades: Paid,
    /// Fees of these.
    pub trade_fees: Amount,
    /// Toxic-exit fees of these.
    pub toxic_fees: Amount,
    /// Own positions that others liquidated or deleveraged, and the change of the quote balance.
    pub liquidated: Paid,
    /// Own positions settled, and what was paid to the account less its losses.
    pub settled: Paid,
    /// Token units in and out, by vault; 0 is the quote token.
    pub moved: BTreeMap<u16, Moved>,
    /// Lamports of fees that the wallet paid, for failed transactions too.
    pub lamports: u64,
    /// Failed transactions that the wallet paid for.
    pub failed: usize,
}

impl Paid {
    fn add(&mut self, amount: impl Into<Amount>) {
        self.count += 1;
        self.amount.add(amount);
    }
}

impl Earnings {
    /// Adds up what happened to the margin account `own`.
    ///
    /// # Errors
    /// [`EngineError`] for an event whose amounts can't be valued.
    pub fn of(own: &Pubkey, entries: &Entries) -> Result<Self, EngineError> {
        let mut earnings = Self { span: Span::of(entries), ..Self::default() };
        for entry in &entries.read {
            if entry.own_fee {
                earnings.lamports = earnings.lamports.saturating_add(entry.fee);
                earnings.failed += usize::from(entry.failed);
            }
            if !entry.failed {
                entry.events.iter().try_for_each(|event| earnings.count(own, event))?;
            }
        }
        Ok(earnings)
    }

    /// Pay for what was done for others, quote units.
    #[must_use]
    pub fn pay(&self) -> Amount {
        [self.to_pool, self.deleveraging, self.triggers].iter().map(|paid| paid.amount).sum()
    }

    fn count(&mut self, own: &Pubkey, event: &Event) -> Result<(), EngineError> {
        match event {
            Event::Liquidated(event) if event.account == *own => self.liquidated.add(event.quote_change),
            Event::Liquidated(event) if event.liquidator == *own => self.liquidate(event)?,
            Event::CollateralSold(event) if event.liquidator == *own => self.buy(event)?,
            Event::TriggerExecuted(TriggerExecuted { account, keeper, fee, .. })
                if keeper == own && account != own =>
            {
                self.triggers.add(*fee);
            }
            Event::Traded(event) if event.account == *own => self.trade(event),
            Event::PositionSettled(event) if event.account == *own => self.settle(event),
            Event::Deposited(event) if event.account == *own => {
                self.moved.entry(event.vault).or_default().deposited.add(event.amount);
            }
            Event::Withdrawn(event) if event.account == *own => {
                self.moved.entry(event.vault).or_default().withdrawn.add(event.amount);
            }
            _ => {}
        }
        Ok(())
    }

    fn liquidate(&mut self, event: &Liquidated) -> Result<(), EngineError> {
        match event.kind {
            LiquidationKind::Takeover => {
                self.takeovers.add(Price::from_bits(event.price)?.mul_ceil(event.lots)?);
                self.concession.add(event.concession);
            }
            LiquidationKind::PoolReduction | LiquidationKind::PoolTakeover => self.to_pool.add(event.keeper),
            LiquidationKind::Deleveraging => self.deleveraging.add(event.keeper),
        }
        Ok(())
    }

    fn buy(&mut self, event: &CollateralSold) -> Result<(), EngineError> {
        let worth = Amount::from(Price::from_bits(event.price)?.mul_floor(event.amount)?);
        self.collateral.add(worth.minus(event.proceeds));
        Ok(())
    }

    fn trade(&mut self, event: &Traded) {
        self.trades.add(event.realised);
        [event.fee_pool, event.fee_insurance, event.fee_protocol]
            .into_iter()
            .for_each(|fee| self.trade_fees.add(fee));
        self.toxic_fees.add(event.toxic_fee);
    }

    fn settle(&mut self, event: &PositionSettled) {
        let paid: Amount = [event.claim_paid, event.profit].map(Amount::from).into_iter().sum();
        self.settled.add(paid.minus(event.loss));
    }
}

impl Span {
    fn of(entries: &Entries) -> Self {
        let read = &entries.read;
        let slots = read.iter().map(|entry| entry.slot);
        let times = || read.iter().filter_map(|entry| entry.time);
        Self {
            slots: slots.clone().min().zip(slots.max()).map(|(first, last)| [first, last]),
            times: times().min().zip(times().max()).map(|(first, last)| [first, last]),
            transactions: read.len(),
            missing: entries.missing,
            truncated: read.iter().filter(|entry| entry.truncated).count(),
            cut: entries.cut,
        }
    }
}
