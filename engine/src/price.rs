//! From an oracle's print to a price that may be used, and for what.
//!
//! A source prints a mantissa with an exponent. [`normalise`] turns it into quote units per lot. [`select`]
//! decides which source counts; the caller has no say: a source that the market itself has seen alive must be
//! passed alive, so nobody can choose the fallback, or leave out the source that would object, by passing an
//! old account. [`OracleState::accept`] stores the print and moves the average. What a price may then be
//! used for is one table, [`OracleState::require`]:
//!
//! | action | Fresh | Wide | Stale | Divergent |
//! |---|---|---|---|---|
//! | increase | yes | no | no | no |
//! | close | yes | yes, at the wide spread | no | no |
//! | deposit, repay; withdraw with nothing at risk | yes | yes | yes | yes |
//! | withdraw with something at risk | yes | no | no | no |
//! | liquidate | yes | only against a price moved by conf in the account's favour | no | no |
//! | bankruptcy, deleveraging; pool shares | yes | no | no | no |
//!
//! Invariant I13: publish times never go back, and every cell of the table holds.

mod source;

pub use source::{Selection, select};

use bytemuck::{Pod, Zeroable};

use crate::decay;
use crate::governance::DEAD_FOR_SETTLEMENT;
use crate::units::{PPM, PPM_ONE, Price, ppm_ceil, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// How far a print may be ahead of the clock, seconds: validators' clocks drift by a few.
pub const MAX_LEAD_SECONDS: i64 = 30;
/// Longest gap that the average counts, seconds.
pub const MAX_AVERAGE_GAP: u32 = 60;
/// Most that one print moves the average, ppm of the average.
pub const MAX_AVERAGE_STEP_PPM: u32 = 20_000;
/// Seconds without a print after which a price is dead, and not merely in want of a refresh.
pub const DEAD_AFTER: i64 = 600;
/// Largest decimal exponent: its power of ten still fits.
const MAX_EXPONENT: i32 = 19;
/// Least decimal exponent: a print of eighteen decimals in lots of many is within it.
const MIN_EXPONENT: i32 = -38;

/// What a source said: `price · 10^exponent` quote per base, give or take `conf · 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// Price mantissa, above zero.
    pub price: u64,
    /// Confidence, in the unit of `price`.
    pub conf: u64,
    /// Decimal exponent of both.
    pub exponent: i32,
    /// When the source published it, unix seconds.
    pub publish_time: i64,
}

/// A print in quote units per lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Price, rounded to the nearest step below.
    pub price: Price,
    /// Confidence in Q32.32 quote units per lot, rounded up.
    pub conf: u64,
    /// Unix seconds.
    pub publish_time: i64,
}

/// Converts a print to quote units per lot: `price · 10^(exponent + quote_decimals − lot_decimals)`.
///
/// The price is rounded down, which loses less than 1 ppm for every price in range; the confidence is
/// rounded up.
///
/// # Errors
/// [`EngineError::PriceOutOfRange`] for a zero price, an exponent outside −38 to 19 or a result out of range.
pub fn normalise(print: &Print, quote_decimals: u8, lot_decimals: u8) -> Result<Reading> {
    let shift = i32::from(quote_decimals).wrapping_sub(i32::from(lot_decimals));
    let exponent = print.exponent.checked_add(shift).ok_or(EngineError::PriceOutOfRange)?;
    let price = scale(print.price, exponent, Round::Down)?;
    let conf = scale(print.conf, exponent, Round::Up)?;
    Ok(Reading { price: Price::from_bits(price)?, conf, publish_time: print.publish_time })
}

/// `mantissa · 10^exponent` in Q32.32.
fn scale(mantissa: u64, exponent: i32, round: Round) -> Result<u64> {
    if !(MIN_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
        return Err(EngineError::PriceOutOfRange);
    }
    let power = |digits: u32| 10_u64.checked_pow(digits).ok_or(EngineError::PriceOutOfRange);
    let scaled = if exponent < 0 {
        // A quotient of a quotient, both rounded alike, is the quotient by the product.
        let digits = exponent.unsigned_abs();
        let (first, rest) = (digits.min(MAX_EXPONENT.unsigned_abs()), digits.saturating_sub(19));
        let rest = power(rest)?;
        wide::mul_div(mantissa, decay::ONE, power(first)?, round)
            .and_then(|part| wide::mul_div(part, 1, rest, round))
    } else {
        let power = power(exponent.unsigned_abs())?;
        mantissa
            .checked_mul(power)
            .ok_or(EngineError::Overflow)
            .and_then(|x| wide::mul_div(x, decay::ONE, 1, round))
    };
    scaled.map_err(|_| EngineError::PriceOutOfRange)
}

/// How an oracle is judged. All ages in seconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct OracleParams {
    /// Widest confidence of a Fresh price, ppm of the price.
    pub max_conf_ppm: u32,
    /// Largest difference between two valid sources, ppm of the lower.
    pub max_divergence_ppm: u32,
    /// Oldest price that a trade may use.
    pub max_trade_age: u32,
    /// Oldest price that margin may use.
    pub max_margin_age: u32,
    /// Half-life of the average.
    pub ema_half_life: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl OracleParams {
    /// 1 % confidence, 2 % divergence, 5 s for trades, 60 s for margin, 300 s half-life.
    pub const DEFAULT: Self = Self {
        max_conf_ppm: 10_000,
        max_divergence_ppm: 20_000,
        max_trade_age: 5,
        max_margin_age: 60,
        ema_half_life: 300,
        _padding: 0,
    };

    /// Checks the hard bounds of the program. They are as bad on the narrow side: nobody could leave if no price were ever
    /// good enough.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("max_conf_ppm", self.max_conf_ppm, 1_000, 50_000)?;
        within("max_divergence_ppm", self.max_divergence_ppm, 5_000, 100_000)?;
        within("max_trade_age", self.max_trade_age, 3, 60)?;
        within("max_margin_age", self.max_margin_age, self.max_trade_age.max(20), 300)?;
        within("ema_half_life", self.ema_half_life, 60, 3_600)
    }
}

/// `Ok` if `min ≤ value ≤ max`.
///
/// # Errors
/// [`EngineError::ParameterOutOfBounds`] with the name.
pub fn within<T: Into<u64>>(name: &'static str, value: T, min: T, max: T) -> Result<()> {
    let (value, min, max) = (value.into(), min.into(), max.into());
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(EngineError::ParameterOutOfBounds { name, value, min, max })
    }
}

/// State of a price at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Young, narrow and undisputed.
    Fresh,
    /// The confidence interval is wider than `max_conf_ppm`.
    Wide,
    /// Older than the age that the use allows.
    Stale,
    /// Two valid sources disagree.
    Divergent,
}

/// What a price is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Increase a position.
    Increase,
    /// Decrease or close a position.
    Close,
    /// Deposit or repay.
    Deposit,
    /// Withdraw when nothing is at risk: no position, no debt.
    WithdrawUnencumbered,
    /// Withdraw with open positions, or against volatile collateral.
    Withdraw,
    /// Liquidate.
    Liquidate,
    /// Bankruptcy, deleveraging, settlement of losses.
    Waterfall,
    /// Mint or redeem pool shares, move pool money between markets.
    PoolShares,
}

/// Which age limit applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// The price fills a trade: `max_trade_age`.
    Trade,
    /// The price values an account: `max_margin_age`.
    Margin,
}

/// The price of a market or a collateral as accounts store it. Prices are Q32.32 quote units per lot.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct OracleState {
    /// Last accepted price.
    pub price: Price,
    /// Exponential average of the price.
    pub ema: Price,
    /// Last accepted confidence, Q32.32 quote units per lot.
    pub conf: u64,
    /// Publish time of `price`, unix seconds.
    pub publish_time: i64,
    /// Publish time of the last valid print of the primary source, unix seconds.
    pub primary_time: i64,
    /// Publish time of the last valid print of the secondary source, unix seconds.
    pub secondary_time: i64,
    /// 1 while two valid sources disagree.
    pub divergent: u8,
    /// Explicit padding.
    pub _padding: [u8; 7],
}

/// Prices that hold whichever of live and average is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrictPrice {
    /// `min(price, ema)`: assets and long profits.
    pub low: Price,
    /// `max(price, ema)`: liabilities and short profits.
    pub high: Price,
}

/// Seconds since `time`, 0 if it is ahead.
fn age(now: i64, time: i64) -> i64 {
    now.saturating_sub(time).max(0)
}

impl OracleState {
    /// The state after the first print: the average starts at the price.
    #[must_use]
    pub fn first(reading: &Reading) -> Self {
        Self {
            price: reading.price,
            ema: reading.price,
            conf: reading.conf,
            publish_time: reading.publish_time,
            primary_time: reading.publish_time,
            secondary_time: 0,
            divergent: 0,
            _padding: [0; 7],
        }
    }

    /// The state without the memory of sources that nobody can choose an old account of, to [`select`] by.
    #[must_use]
    pub fn trusting(self, [primary, secondary]: [bool; 2]) -> Self {
        Self {
            primary_time: if primary { 0 } else { self.primary_time },
            secondary_time: if secondary { 0 } else { self.secondary_time },
            ..self
        }
    }

    /// Stores what [`select`] chose and moves the average towards it.
    ///
    /// A print with the stored publish time changes neither price nor average; a divergence leaves the price as
    /// it is. An error changes nothing.
    ///
    /// # Errors
    /// [`EngineError::PublishTimeWentBack`].
    pub fn accept(&mut self, selection: Selection, params: &OracleParams) -> Result<()> {
        let (reading, [primary_time, secondary_time]) = match selection {
            Selection::Primary(reading) => (reading, [reading.publish_time, 0]),
            Selection::Secondary(reading) => (reading, [0, reading.publish_time]),
            Selection::Agreed(reading, secondary_time) => (reading, [reading.publish_time, secondary_time]),
            Selection::Divergent(times) => {
                self.divergent = 1;
                self.see(times);
                return Ok(());
            }
        };
        let (offered, stored) = (reading.publish_time, self.publish_time);
        if offered < stored {
            return Err(EngineError::PublishTimeWentBack { offered, stored });
        }
        let elapsed = u32::try_from(offered.saturating_sub(stored)).unwrap_or(u32::MAX);
        if elapsed > 0 {
            self.ema = next_average(self.ema, reading.price, elapsed, params.ema_half_life)?;
            self.price = reading.price;
            self.publish_time = offered;
        }
        self.conf = self.conf_after(&reading, elapsed);
        self.divergent = 0;
        self.see([primary_time, secondary_time]);
        Ok(())
    }

    /// The state after the first selection of a new listing.
    ///
    /// # Errors
    /// [`EngineError::NoValidSource`] for a selection without a reading.
    pub fn of(selection: Selection, params: &OracleParams) -> Result<Self> {
        let limit_seconds = i64::from(params.max_margin_age);
        let none = EngineError::NoValidSource { age_seconds: i64::MAX, limit_seconds };
        let mut state = Self::first(&selection.reading().ok_or(none)?);
        state.accept(selection, params)?;
        Ok(state)
    }

    /// `Ok` if other sources may take the place of the present ones. While the stored price is young and undisputed the new one must agree with it as two sources must; if it is
    /// not, or that can be waived, the new one is between half of it and double, as long as there was a price within a day.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`] if they disagree; [`EngineError::Overflow`].
    pub fn succeed(
        &self,
        selection: &Selection,
        params: &OracleParams,
        (waived, now): (bool, i64),
    ) -> Result<()> {
        let alive = matches!(self.validity(params, Age::Margin, now)?, Validity::Fresh | Validity::Wide);
        let age_seconds = age(now, self.publish_time);
        let reading = selection.reading().filter(|_| age_seconds <= DEAD_FOR_SETTLEMENT);
        if let Some(Reading { price, .. }) = reading {
            let [low, high] = [self.price.min(price), self.price.max(price)].map(Price::to_bits);
            let most = if alive && !waived { params.max_divergence_ppm } else { PPM_ONE };
            if high.saturating_sub(low) > ppm_floor(low, most)? {
                let (limit_seconds, validity) = (i64::from(params.max_margin_age), Validity::Divergent);
                return Err(EngineError::PriceNotUsable { validity, age_seconds, limit_seconds });
            }
        }
        Ok(())
    }

    /// Forgets when the sources were last seen alive, and what they disputed: others take their place.
    pub(crate) const fn forget_sources(&mut self) {
        (self.primary_time, self.secondary_time, self.divergent) = (0, 0, 0);
    }

    /// Makes `price` the last word: sure, and never too old.
    pub(crate) const fn freeze(&mut self, price: Price) {
        (self.price, self.ema, self.conf) = (price, price, 0);
        (self.publish_time, self.divergent) = (i64::MAX, 0);
    }

    /// Remembers when each source was last alive.
    fn see(&mut self, [primary, secondary]: [i64; 2]) {
        self.primary_time = self.primary_time.max(primary);
        self.secondary_time = self.secondary_time.max(secondary);
    }

    /// Two prints of one second can't both be right: the wider confidence stays.
    fn conf_after(&self, reading: &Reading, elapsed: u32) -> u64 {
        if elapsed == 0 { self.conf.max(reading.conf) } else { reading.conf }
    }

    /// State of the price at `now` for a use with the age limit `limit`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] for a price beyond 2^64 / 1e6.
    pub fn validity(&self, params: &OracleParams, limit: Age, now: i64) -> Result<Validity> {
        let limit = match limit {
            Age::Trade => params.max_trade_age,
            Age::Margin => params.max_margin_age,
        };
        Ok(if self.divergent != 0 {
            Validity::Divergent
        } else if age(now, self.publish_time) > i64::from(limit) {
            Validity::Stale
        } else if self.conf > ppm_floor(self.price.to_bits(), params.max_conf_ppm)? {
            Validity::Wide
        } else {
            Validity::Fresh
        })
    }

    /// The table at the head of this module. Returns the validity, so that a close at a Wide price can pay
    /// the wide spread and a liquidation move the price.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`].
    pub fn require(
        &self,
        params: &OracleParams,
        (action, limit): (Action, Age),
        now: i64,
    ) -> Result<Validity> {
        let validity = self.validity(params, limit, now)?;
        let usable = match action {
            Action::Deposit | Action::WithdrawUnencumbered => true,
            Action::Close | Action::Liquidate => matches!(validity, Validity::Fresh | Validity::Wide),
            Action::Increase | Action::Withdraw | Action::Waterfall | Action::PoolShares => {
                validity == Validity::Fresh
            }
        };
        if usable {
            return Ok(validity);
        }
        let limit_seconds =
            i64::from(if limit == Age::Trade { params.max_trade_age } else { params.max_margin_age });
        Err(EngineError::PriceNotUsable { validity, age_seconds: age(now, self.publish_time), limit_seconds })
    }

    /// Whether there has been no print for so long that the source is dead, and not merely in want of a refresh.
    #[must_use]
    pub fn is_dead(&self, now: i64) -> bool {
        age(now, self.publish_time) > DEAD_AFTER
    }

    /// The strict pair: live and average, sorted.
    #[must_use]
    pub fn strict(&self) -> StrictPrice {
        StrictPrice { low: self.price.min(self.ema), high: self.price.max(self.ema) }
    }

    /// Confidence in ppm of the price, rounded up.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it does not fit.
    pub fn conf_ppm(&self) -> Result<u64> {
        wide::mul_div(self.conf, PPM, self.price.to_bits(), Round::Up)
    }
}

/// `ema + (1 − 2^(−dt/H))·(price − ema)` with `dt ≤ 60 s`, the step at most 2 % of the average.
fn next_average(average: Price, price: Price, elapsed: u32, half_life: u32) -> Result<Price> {
    let forgotten = decay::ONE.saturating_sub(decay::remaining(elapsed.min(MAX_AVERAGE_GAP), half_life)?);
    let (from, to) = (average.to_bits(), price.to_bits());
    let step = wide::mul_div(from.abs_diff(to), forgotten, decay::ONE, Round::Down)?;
    let step = step.min(ppm_floor(from, MAX_AVERAGE_STEP_PPM)?);
    let moved = if to >= from { from.checked_add(step) } else { from.checked_sub(step) };
    Price::from_bits(moved.ok_or(EngineError::Overflow)?)
}

/// Lowest price of the confidence interval, never below [`Price::MIN`].
///
/// # Errors
/// [`EngineError::PriceOutOfRange`] never for a stored state.
pub fn lower_bound(state: &OracleState) -> Result<Price> {
    Price::from_bits(state.price.to_bits().saturating_sub(state.conf).max(Price::MIN.to_bits()))
}

/// Highest price of the confidence interval, never above [`Price::MAX`].
///
/// # Errors
/// [`EngineError::PriceOutOfRange`] never for a stored state.
pub fn upper_bound(state: &OracleState) -> Result<Price> {
    Price::from_bits(state.price.to_bits().saturating_add(state.conf).min(Price::MAX.to_bits()))
}

/// Largest half spread, ppm: below 100 % less the largest impact, so that a seller is always paid.
pub const MAX_HALF_SPREAD_PPM: u32 = 890_000;

/// Half the spread that a fill pays, ppm: `max(base, k_conf · conf / price)`, at most
/// [`MAX_HALF_SPREAD_PPM`].
///
/// # Errors
/// [`EngineError::Overflow`] never for a stored state.
pub fn half_spread_ppm(state: &OracleState, base_ppm: u64, conf_multiple_ppm: u32) -> Result<u32> {
    let from_conf = ppm_ceil(state.conf_ppm()?, conf_multiple_ppm)?;
    let half_spread = from_conf.max(base_ppm).min(u64::from(MAX_HALF_SPREAD_PPM));
    u32::try_from(half_spread).map_err(|_| EngineError::Overflow)
}
