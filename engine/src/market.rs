//! One market: parameters, price and book together.
//!
//! This is the pod that a market account embeds, and the only thing that a trade needs to know besides the
//! position: whatever happens in one market can be decided from its own bytes.

use bytemuck::{Pod, Zeroable};

use crate::book::{Book, Fees};
use crate::carry::{CarryParams, CarryState};
use crate::coverage::Cover;
use crate::deleverage::DeleverageParams;
use crate::fill::Curve;
use crate::margin::GROUPS;
use crate::price::{OracleParams, OracleState, Selection, half_spread_ppm, within};
use crate::units::{MAX_LOTS, PPM, PPM_ONE, Price, Quote, ppm_floor};
use crate::volatility::{VolatilityParams, VolatilityState};
use crate::waterfall::{Draws, WaterfallParams};
use crate::{EngineError, Result};

/// Risk parameters of a market. Ratios in ppm, lots in lots, amounts in quote units.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct MarketParams {
    /// Skew at which the price curve would reach 100 %, lots.
    pub skew_scale: u64,
    /// Cap of a side's open interest, lots. Zero forbids every increase.
    pub max_oi: u64,
    /// Open interest of a side below which an account's share is not capped, lots.
    pub share_floor: u64,
    /// Least worth of a position after a trade, quote units.
    pub min_notional: u64,
    /// Orders are multiples of this, lots.
    pub step: u64,
    /// Worth of a side's open interest from which on initial margin grows with it, quote units.
    pub oi_margin_low: u64,
    /// Worth at which initial margin is 100 %, quote units.
    pub oi_margin_high: u64,
    /// Fee on notional.
    pub taker_fee_ppm: u32,
    /// The insurance fund's share of fees.
    pub insurance_share_ppm: u32,
    /// The protocol's share of fees; the pool gets the rest.
    pub protocol_share_ppm: u32,
    /// Least half spread.
    pub base_spread_ppm: u32,
    /// Half spread per confidence, ppm of `conf / price`.
    pub conf_spread_ppm: u32,
    /// Largest price impact.
    pub max_impact_ppm: u32,
    /// Cap of |S|·P, ppm of the market's equity.
    pub max_skew_ppm: u32,
    /// Cap of the traders' profit `T(P)`, ppm of `cash`.
    pub profit_cap_ppm: u32,
    /// Cap of an account's share of its side's open interest.
    pub max_share_ppm: u32,
    /// Least maintenance margin fraction.
    pub mmf_ppm: u32,
    /// Least initial margin fraction.
    pub imf_ppm: u32,
    /// Weight of positive unrealised profit in initial margin; withdrawals always use 0.
    pub profit_weight_ppm: u32,
    /// Liquidation fee.
    pub liquidation_fee_ppm: u32,
    /// Largest jump of the price that margin must survive.
    pub max_gap_ppm: u32,
    /// Share of the pool that is allocated to this market.
    pub target_weight_ppm: u32,
    /// After an increase, seconds in which a close in profit pays the toxic-exit fee.
    pub toxic_window: u32,
    /// Toxic-exit fee of a close at the time of the increase, ppm of its notional; falls to zero over the window.
    pub toxic_fee_ppm: u32,
    /// A lot is 10^-`lot_decimals` of the base asset.
    pub lot_decimals: u8,
    /// Risk group, 1 to 8; 0 for none. Longs and shorts of one group offset each other's margin.
    pub risk_group: u8,
    /// Seconds without a price after which anyone may stop increases.
    pub max_outage: u16,
    /// Funding and borrow.
    pub carry: CarryParams,
    /// How spread and margin follow volatility.
    pub volatility: VolatilityParams,
    /// Who pays for a loss that margin did not cover.
    pub waterfall: WaterfallParams,
    /// When exposure is reduced.
    pub deleverage: DeleverageParams,
    /// How the oracle is judged.
    pub oracle: OracleParams,
}

/// Largest least worth of a position, quote units: a thousand dollars of six decimals.
const MAX_MIN_NOTIONAL: u64 = 1_000_000_000;
/// Largest part of the pool that a new market may be given, ppm.
const MAX_LISTED_WEIGHT_PPM: u32 = 100_000;
/// Largest share of the reserve that a new market may draw in a day, ppm.
const MAX_LISTED_RESERVE_SHARE_PPM: u32 = 250_000;
/// Smallest price concession of a liquidation auction, ppm.
pub const AUCTION_START_PPM: u32 = 2_000;

impl MarketParams {
    /// Checks what a new market may have, which later changes extend step by step.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate_listing(&self) -> Result<()> {
        within("target_weight_ppm", self.target_weight_ppm, 0, MAX_LISTED_WEIGHT_PPM)?;
        let share = self.waterfall.reserve_share_ppm;
        within("reserve_share_ppm", share, 0, MAX_LISTED_RESERVE_SHARE_PPM)?;
        self.validate()
    }

    /// Checks the hard bounds of the program and the gap-safe condition
    /// `mmf ≥ max_impact + liquidation_fee + π_0 + max_gap`, `imf ≥ 1.25·mmf`.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("skew_scale", self.skew_scale, 1, MAX_LOTS)?;
        within("max_oi", self.max_oi, 0, MAX_LOTS)?;
        within("share_floor", self.share_floor, 0, MAX_LOTS)?;
        within("step", self.step, 1, MAX_LOTS)?;
        within("min_notional", self.min_notional, 1, MAX_MIN_NOTIONAL)?;
        within("taker_fee_ppm", self.taker_fee_ppm, 0, 10_000)?;
        within("insurance_share_ppm", self.insurance_share_ppm, 0, 1_000_000)?;
        let left = PPM_ONE.saturating_sub(self.insurance_share_ppm);
        within("protocol_share_ppm", self.protocol_share_ppm, 0, left.min(500_000))?;
        within("base_spread_ppm", self.base_spread_ppm, 0, 10_000)?;
        within("conf_spread_ppm", self.conf_spread_ppm, 0, 5_000_000)?;
        within("max_impact_ppm", self.max_impact_ppm, 0, 100_000)?;
        within("max_skew_ppm", self.max_skew_ppm, 0, 2_000_000)?;
        within("profit_cap_ppm", self.profit_cap_ppm, 0, PPM_ONE)?;
        within("max_share_ppm", self.max_share_ppm, 0, PPM_ONE)?;
        within("liquidation_fee_ppm", self.liquidation_fee_ppm, 0, 50_000)?;
        within("max_gap_ppm", self.max_gap_ppm, 1_000, 500_000)?;
        within("profit_weight_ppm", self.profit_weight_ppm, 0, PPM_ONE)?;
        within("target_weight_ppm", self.target_weight_ppm, 0, PPM_ONE)?;
        within("lot_decimals", self.lot_decimals, 0, 18)?;
        let gap_safe = u64::from(self.max_impact_ppm)
            .saturating_add(u64::from(self.liquidation_fee_ppm))
            .saturating_add(u64::from(AUCTION_START_PPM))
            .saturating_add(u64::from(self.max_gap_ppm));
        within("mmf_ppm", u64::from(self.mmf_ppm), gap_safe.max(5_000), 800_000)?;
        let least_imf = u64::from(self.mmf_ppm).saturating_mul(5).div_ceil(4);
        within("imf_ppm", u64::from(self.imf_ppm), least_imf, PPM)?;
        within("oi_margin_low", self.oi_margin_low, 0, MAX_LOTS)?;
        within("oi_margin_high", self.oi_margin_high, self.oi_margin_low.saturating_add(1), u64::MAX)?;
        within("toxic_window", self.toxic_window, 0, 600)?;
        within("toxic_fee_ppm", self.toxic_fee_ppm, 0, 10_000)?;
        within("risk_group", self.risk_group, 0, GROUPS)?;
        within("max_outage", self.max_outage, 600, 43_200)?;
        self.carry.validate()?;
        self.volatility.validate()?;
        self.waterfall.validate()?;
        self.deleverage.validate(self.min_notional)?;
        self.oracle.validate()
    }
}

/// Worth of a lot that a new market must have, quote units in Q32.32: 0.01 to 1. Flooring a lot then never
/// costs anybody more than a unit.
const LOT_WORTH: core::ops::RangeInclusive<u64> = 42_949_673..=1 << 32;

/// Parameters, price and book of one market.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Market {
    /// Risk parameters.
    pub params: MarketParams,
    /// Price.
    pub oracle: OracleState,
    /// Volatility, and the margin fractions in force.
    pub volatility: VolatilityState,
    /// Funding and borrow rates in force.
    pub carry: CarryState,
    /// What the market has drawn on others lately.
    pub draws: Draws,
    /// Its part of the insurance fund's sums.
    pub cover: Cover,
    /// Since when it reduces exposure, slot; 0 while it does not.
    pub deleveraging_since: u64,
    /// When a refresh last looked at its exposure, slot.
    pub exposure_seen: u64,
    /// Since when it settles, unix seconds; 0 while it does not.
    pub settling_since: i64,
    /// Share of `max_oi` that the insurance fund covers, ppm.
    pub oi_scale_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
    /// Money and positions.
    pub book: Book,
}

impl Market {
    /// Prepares a zeroed market in place.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] if a parameter or the worth of a lot is out of bounds.
    pub fn initialize(&mut self, params: &MarketParams, oracle: OracleState) -> Result<()> {
        params.validate()?;
        within("worth of a lot (Q32.32)", oracle.price.to_bits(), *LOT_WORTH.start(), *LOT_WORTH.end())?;
        self.params = *params;
        self.oracle = oracle;
        self.volatility = VolatilityState::initial(params, oracle.publish_time)?;
        self.carry = CarryState { accrued_at: oracle.publish_time, ..CarryState::default() };
        self.oi_scale_ppm = PPM_ONE;
        self.book.initialize(oracle.price);
        Ok(())
    }

    /// Puts other parameters in force at `now`: what has accrued until then accrued under the old ones. The maintenance
    /// fraction drifts to its new target, the initial fraction is there at once.
    ///
    /// # Errors
    /// [`EngineError::Settling`], [`EngineError::ParameterOutOfBounds`]; [`EngineError::MarketNotEmpty`] for another risk group
    /// while there are positions: an offset comes and goes in steps; [`EngineError::Overflow`].
    pub fn change_params(&mut self, params: &MarketParams, now: i64) -> Result<()> {
        self.require_trading()?;
        params.validate()?;
        if params.risk_group != self.params.risk_group && self.book.positions != 0 {
            return Err(EngineError::MarketNotEmpty);
        }
        self.accrue(now)?;
        self.volatility.drift(&self.params, now)?;
        self.params = *params;
        self.volatility.floor_sigma(&self.params.volatility);
        self.volatility.set_fractions(&self.params)?;
        self.update_borrow_rate()
    }

    /// Takes in the first print of other sources; what the old ones printed last no longer binds them. It must agree with a
    /// price that is alive unless that is `waived`, see [`OracleState::succeed`]; in a market without positions nothing needs
    /// to.
    ///
    /// # Errors
    /// As [`OracleState::succeed`] and [`Market::refresh`].
    pub fn change_sources(&mut self, selection: Selection, (waived, now): (bool, i64)) -> Result<()> {
        if self.book.positions != 0 {
            self.oracle.succeed(&selection, &self.params.oracle, (waived, now))?;
        }
        self.oracle.forget_sources();
        self.refresh(selection, now)
    }

    /// Takes in what [`crate::price::select`] chose: accrues carry at the old price, moves price, average and
    /// volatility, lets the maintenance fraction drift.
    ///
    /// # Errors
    /// As [`OracleState::accept`].
    pub fn refresh(&mut self, selection: Selection, now: i64) -> Result<()> {
        self.require_trading()?;
        self.accrue(now)?;
        let before = self.oracle;
        self.oracle.accept(selection, &self.params.oracle)?;
        // The maintenance fraction drifts to what was known before: one print cannot move it, however long the gap.
        self.volatility.drift(&self.params, now)?;
        let elapsed = self.oracle.publish_time.saturating_sub(before.publish_time);
        if let Ok(elapsed @ 1..) = u32::try_from(elapsed) {
            let prices = [before.price, self.oracle.price];
            self.volatility.observe(prices, elapsed, &self.params.volatility)?;
            self.update_borrow_rate()?;
        }
        self.volatility.set_fractions(&self.params)
    }

    /// The curve at the live price, with the spread that the oracle's confidence, the price's age at `now` and the
    /// market's volatility ask for.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn curve(&self, now: i64) -> Result<Curve> {
        let params = &self.params;
        let age = u64::try_from(now.saturating_sub(self.oracle.publish_time)).unwrap_or(0);
        let volatile = self.volatility.half_spread_ppm(&params.volatility, age)?;
        let base = u64::from(params.base_spread_ppm).max(volatile);
        Ok(Curve {
            price: self.oracle.price,
            skew_scale: params.skew_scale,
            max_impact_ppm: params.max_impact_ppm,
            half_spread_ppm: half_spread_ppm(&self.oracle, base, params.conf_spread_ppm)?,
        })
    }

    /// Splits a fee: shares rounded down, the pool gets what is left, so that the parts sum exactly.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for valid parameters.
    pub fn split_fee(&self, fee: u64) -> Result<Fees> {
        let insurance = ppm_floor(fee, self.params.insurance_share_ppm)?;
        let protocol = ppm_floor(fee, self.params.protocol_share_ppm)?;
        let pool =
            fee.checked_sub(insurance).and_then(|x| x.checked_sub(protocol)).ok_or(EngineError::Overflow)?;
        Ok(Fees { pool, insurance, protocol })
    }

    /// Takes the accrued fees out of the book, to be credited part by part; none while `cash` does not cover what losers
    /// have not paid.
    pub fn sweep(&mut self) -> Fees {
        if self.book.is_covered() { core::mem::take(&mut self.book.fees) } else { Fees::default() }
    }

    /// Worth of `lots` at the live price, rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn notional(&self, lots: u64) -> Result<u64> {
        self.oracle.price.mul_floor(lots)
    }

    /// What the market is worth at the better of live price and average, quote units.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub(crate) fn equity_at_best(&self) -> Result<Quote> {
        Ok(self.book.equity(self.mark())?.max(self.book.equity(self.oracle.ema)?))
    }

    /// The live price.
    #[must_use]
    pub const fn mark(&self) -> Price {
        self.oracle.price
    }
}
