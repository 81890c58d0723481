//! A margin account: what one trader has and holds.

use anchor_lang::prelude::*;
use bulwark_engine::auction::{Auction, Moment};
use bulwark_engine::debt::Debts;
use bulwark_engine::margin::{CollateralSlot, Health, Legs, MAX_COLLATERALS, MAX_POSITIONS};
use bulwark_engine::position::Position;
use bulwark_engine::trigger::{MAX_TRIGGERS, Trigger};
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::WaterfallReport;

use super::Market;
use crate::errors::BulwarkError;

/// One trader's account. Seeds: `margin`, owner, sub-id (u16, little endian).
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct MarginAccount {
    /// May do everything.
    pub owner: Pubkey,
    /// May trade, never withdraw. All zeros: nobody.
    pub delegate: Pubkey,
    /// Quote balance, quote units; a realised loss may turn it negative.
    pub quote: Quote,
    /// Unique among all accounts that ever lived at this address: signed arguments name it, so that nothing
    /// signed for a closed account runs on the one that follows it.
    pub incarnation: u64,
    /// Volatile collaterals.
    pub collaterals: [CollateralSlot; MAX_COLLATERALS],
    /// Positions and claims.
    pub positions: [Position; MAX_POSITIONS],
    /// Orders that wait for a price.
    pub triggers: [Trigger; MAX_TRIGGERS],
    /// What the account owes, by the markets where it was lost.
    pub debts: Debts,
    /// Its liquidation auction.
    pub auction: Auction,
    /// Triggers placed so far: the id of the last one.
    pub trigger_count: u64,
    /// Which of the owner's accounts this is.
    pub sub_id: u16,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 4],
    /// Room for later fields.
    pub reserved: [u8; 128],
}

impl MarginAccount {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"margin";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();

    /// Whether `signer` may trade.
    #[must_use]
    pub fn may_trade(&self, signer: &Pubkey) -> bool {
        self.owner == *signer || (self.delegate == *signer && self.delegate != Pubkey::default())
    }

    /// The slot of a market's position, if it has one.
    #[must_use]
    pub fn position(&self, market: u16) -> Option<usize> {
        self.positions.iter().position(|p| p.is_open() && p.market == market)
    }

    /// The slot of a market's position, or a free one prepared for `side`. One position per market.
    #[must_use]
    pub fn position_or_free(&mut self, market: u16, side: Side) -> Option<&mut Position> {
        let slot = self.position(market).or_else(|| self.positions.iter().position(|p| !p.is_open()))?;
        let position = self.positions.get_mut(slot)?;
        if !position.is_open() {
            *position = Position::new(market, side);
        }
        Some(position)
    }

    /// The position of a market, to read.
    #[must_use]
    pub fn position_in(&self, market: u16) -> Option<&Position> {
        self.positions.iter().find(|p| p.is_open() && p.market == market)
    }

    /// The position of a market.
    #[must_use]
    pub fn position_mut(&mut self, market: u16) -> Option<&mut Position> {
        self.positions.iter_mut().find(|p| p.is_open() && p.market == market)
    }

    /// Whether the account holds some of a collateral.
    #[must_use]
    pub fn holds(&self, vault: u16) -> bool {
        self.collaterals.iter().any(|c| c.amount != 0 && c.vault == vault)
    }

    /// The slot of a collateral, or a free one prepared for it.
    #[must_use]
    pub fn collateral_or_free(&mut self, vault: u16) -> Option<&mut CollateralSlot> {
        let held = self.collaterals.iter().position(|c| c.amount != 0 && c.vault == vault);
        let slot = held.or_else(|| self.collaterals.iter().position(|c| c.amount == 0))?;
        let slot = self.collaterals.get_mut(slot)?;
        slot.vault = vault;
        Some(slot)
    }

    /// The trigger with this id.
    ///
    /// # Errors
    /// [`BulwarkError::NoTrigger`].
    pub(crate) fn trigger(&mut self, id: u64) -> Result<&mut Trigger> {
        let mut triggers = self.triggers.iter_mut();
        triggers.find(|t| t.is_set() && t.id == id).ok_or(BulwarkError::NoTrigger.into())
    }

    /// Takes the id of the next trigger, from 1 on.
    ///
    /// # Errors
    /// Never in practice: after 2^64 triggers.
    pub(crate) fn next_trigger(&mut self) -> Result<u64> {
        self.trigger_count = self.trigger_count.checked_add(1).ok_or(BulwarkError::Overflow)?;
        Ok(self.trigger_count)
    }

    /// Whether nothing is at risk: no debt, and no position but claims, which are owed whatever the price.
    #[must_use]
    pub fn is_unencumbered(&self) -> bool {
        self.quote >= Quote::ZERO && self.positions.iter().all(|p| !p.is_open() || p.is_claim())
    }

    /// Whether the account holds nothing at all and may be closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quote == Quote::ZERO
            && self.debts.is_clear()
            && !self.positions.iter().any(Position::is_open)
            && self.collaterals.iter().all(|c| c.amount == 0)
    }

    /// Everything the account holds besides quote.
    #[must_use]
    pub const fn legs(&self) -> Legs<'_> {
        Legs {
            positions: &self.positions,
            collaterals: &self.collaterals,
            skip_market: None,
            skip_vault: None,
        }
    }

    /// Whether the account holds a position that is not a mere claim.
    #[must_use]
    pub fn has_positions(&self) -> bool {
        self.positions.iter().any(|p| p.is_open() && !p.is_claim())
    }

    /// Counts a call of its liquidation auction, see [`Auction::call`].
    ///
    /// # Errors
    /// A healthy account.
    pub fn call_auction(&mut self, slot: u64, health: Health) -> bulwark_engine::Result<Moment> {
        let positions = self.has_positions();
        self.auction.call(slot, (health, positions))
    }

    /// First half of an operation in a market, see [`Debts::lift`].
    ///
    /// # Errors
    /// A corrupt state.
    pub fn lift(&self, market: &mut Market) -> bulwark_engine::Result<()> {
        self.debts.lift(market.index, &mut market.core.book)
    }

    /// Second half: adds what an operation in a market changed the quote balance by, see [`Debts::post`].
    ///
    /// # Errors
    /// Overflow of the balance.
    pub fn post(&mut self, market: &mut Market, side: Side, change: Quote) -> bulwark_engine::Result<Quote> {
        let (place, balance) = ((market.index, side), (self.quote, change));
        self.quote = self.debts.post(place, balance, &mut market.core.book)?;
        Ok(self.quote)
    }

    /// Second half of a resolution: what the tiers paid is no longer owed, see [`Debts::forgive`].
    ///
    /// # Errors
    /// Overflow.
    pub fn forgive(&mut self, market: &mut Market, report: &WaterfallReport) -> bulwark_engine::Result<()> {
        self.debts.forgive(market.index, (self.quote, report.unpaid), &mut market.core.book)?;
        self.quote = self.quote.plus(Quote::from_units(report.paid()?)?)?;
        Ok(())
    }

    /// Adds `change`, which no market made, to the quote balance.
    ///
    /// # Errors
    /// Overflow of the balance.
    pub fn credit(&mut self, change: Quote) -> bulwark_engine::Result<Quote> {
        self.quote = self.quote.plus(change)?;
        Ok(self.quote)
    }
}

const _: () =
    assert!(MarginAccount::SPACE == 8 + 64 + 16 + 16 * 8 + 40 * 16 + 48 * 8 + 776 + 32 + 8 + 8 + 128);
const _: () = assert!(MarginAccount::SPACE <= 4096);
