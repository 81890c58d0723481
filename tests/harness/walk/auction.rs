//! What an auction offers, from the description: section 8 of the risk formulas, in plain integers.
//!
//! Shares are Q32. They round down, lots up to the next step.

use bulwark_sdk::engine::market::MarketParams;

use super::exact::{mul_div_ceil, mul_div_floor, worth};
use super::health::Standing;

/// A share of 1.0.
pub const ONE: i128 = 1 << 32;
/// Slots until the concession is highest.
const RAMP: i128 = 20;
/// Slots after which the pool takes over.
pub const TAKEOVER: i128 = 50;
/// Slots without a call after which an auction is over, with positions and without.
const LAPSE: [i128; 2] = [10, 50];
/// Slots after the takeover time until a collateral costs nothing.
const CLEARING: i128 = 9_000;

/// The auction of an account, in slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auction {
    /// First call; 0 without one.
    pub started: i128,
    /// Last call.
    pub touched: i128,
    /// Equity over requirement at the first call of that slot.
    pub ratio: i128,
    /// Whether the account still held positions: what it has to sell when they are gone is another auction.
    pub positions: bool,
}

impl Default for Auction {
    fn default() -> Self {
        Self { started: 0, touched: 0, ratio: 0, positions: true }
    }
}

impl Auction {
    /// Whether somebody called lately.
    #[must_use]
    pub const fn is_running(&self, slot: i128) -> bool {
        self.started != 0 && slot - self.touched <= LAPSE[!self.positions as usize]
    }

    /// A call: slots since the start. Equity over requirement is that of the slot's first call unless it has fallen since.
    pub fn call(&mut self, slot: i128, standing: &Standing, positions: bool) -> i128 {
        let ratio = mul_div_floor(standing.equity.max(0), ONE, standing.requirement.max(1));
        let running = self.is_running(slot) && self.positions == positions;
        let again = running && self.touched == slot;
        if !running {
            self.started = slot;
        }
        self.positions = positions;
        self.ratio = if again { ratio.min(self.ratio) } else { ratio };
        self.touched = slot;
        slot - self.started
    }
}

/// `1.05·MM`, rounded up.
#[must_use]
pub fn target(requirement: i128) -> i128 {
    mul_div_ceil(requirement, 21, 20)
}

/// A ratio of ppm in Q32.
#[must_use]
pub fn of_ppm(ppm: u32) -> i128 {
    i128::from(ppm) * ONE / 1_000_000
}

/// The position on offer.
#[derive(Clone, Copy, Debug)]
pub struct Lot<'a> {
    /// Lots held.
    pub held: i128,
    /// Mark price, Q32.32.
    pub price: i128,
    /// Lots that one call may take.
    pub most: i128,
    /// Maintenance fraction that is freed for sure, ppm.
    pub mmf: u32,
    /// The market's parameters.
    pub params: &'a MarketParams,
}

/// What is offered: concession and fee, and how many lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Concession at which equity over requirement stays what it is.
    pub neutral: i128,
    /// To who takes over.
    pub concession: i128,
    /// To the market's insurance.
    pub fee: i128,
    /// Lots that restore the account.
    pub lots: i128,
}

impl Lot<'_> {
    fn neutral(&self, auction: &Auction) -> i128 {
        mul_div_floor(of_ppm(self.mmf), auction.ratio, ONE)
    }

    /// To a liquidator, `elapsed` slots after the start.
    #[must_use]
    pub fn to_taker(&self, auction: &Auction, standing: &Standing, elapsed: i128) -> Offer {
        let neutral = self.neutral(auction);
        let start = of_ppm(2_000).min(neutral / 4);
        let concession = start + (neutral - start) * elapsed.min(RAMP) / RAMP;
        let fee = of_ppm(self.params.liquidation_fee_ppm).min(neutral - concession);
        Offer { neutral, concession, fee, lots: self.restoring(standing, concession + fee) }
    }

    /// To the pool, of what reduces its skew.
    #[must_use]
    pub fn to_pool(&self, auction: &Auction, standing: &Standing) -> Offer {
        let neutral = self.neutral(auction);
        let concession = of_ppm(2_000).min(neutral / 4);
        Offer { neutral, concession, fee: 0, lots: self.restoring(standing, concession) }
    }

    /// To the pool, of what nobody wanted, where the curve costs `impact` more than the mark.
    #[must_use]
    pub fn takeover(&self, auction: &Auction, standing: &Standing, impact: i128) -> Offer {
        let neutral = self.neutral(auction);
        let (fee, expected) = (of_ppm(self.params.liquidation_fee_ppm), impact.min(neutral));
        let lots = self.restoring(standing, expected + fee.min(neutral - expected));
        Offer { neutral, concession: neutral, fee, lots }
    }

    /// `x·P = (1.05·MM − E) / (1.05·mmf − given)`.
    fn restoring(&self, standing: &Standing, given: i128) -> i128 {
        let missing = (target(standing.requirement) - standing.equity).max(0);
        let freed = of_ppm(self.mmf) * 21 / 20 - given;
        if freed <= 0 {
            return self.most;
        }
        let notional = mul_div_ceil(missing, ONE, freed);
        if notional >= 1 << 63 {
            return self.most;
        }
        let step = i128::from(self.params.step);
        let lots = mul_div_ceil(mul_div_ceil(notional, ONE, self.price), 1, step) * step;
        if lots >= self.held {
            return self.most;
        }
        let lots = lots.min(self.most);
        if self.may_leave(self.held - lots) { lots } else { self.most }
    }

    /// Whether so many lots are worth the minimum.
    #[must_use]
    pub fn may_leave(&self, lots: i128) -> bool {
        worth(lots, self.price) >= i128::from(self.params.min_notional)
    }

    /// Of the offered lots what the pool takes without turning its skew round.
    #[must_use]
    pub fn reducing(&self, lots: i128, skew: i128) -> i128 {
        if lots <= skew {
            return lots;
        }
        let keep = mul_div_ceil(self.params.min_notional.into(), ONE, self.price);
        let most = skew.min((self.held - keep).max(0));
        most - most % i128::from(self.params.step)
    }

    /// A share of the worth of lots.
    #[must_use]
    pub fn part(&self, lots: i128, share: i128) -> i128 {
        mul_div_floor(worth(lots, self.price), share, ONE)
    }
}

/// Discount of a collateral with this haircut: the smallest for a debt alone, rising to the haircut in an auction, and to
/// everything for an account without positions after the takeover time.
#[must_use]
pub fn discount(haircut: u32, auction: Option<(i128, bool)>) -> i128 {
    let most = of_ppm(haircut);
    let start = of_ppm(2_000).min(most / 4);
    let Some((elapsed, positions)) = auction else { return start };
    let ramp = start + (most - start) * elapsed.min(RAMP) / RAMP;
    let late = (elapsed - TAKEOVER).clamp(0, CLEARING);
    if positions { ramp } else { ramp + (ONE - ramp) * late / CLEARING }
}

/// Cut-off leverage: the highest less 5 % every two slots.
#[must_use]
pub fn cutoff(mmf: u32, elapsed: i128) -> i128 {
    let mut left = ONE * 1_000_000 / i128::from(mmf);
    // 0.95^n by squares: what each of them is rounded down by is part of the number.
    let (mut factor, mut steps) = (ONE * 95 / 100, (elapsed / 2).min(1 << 10));
    while steps > 0 {
        if steps & 1 == 1 {
            left = left * factor / ONE;
        }
        factor = factor * factor / ONE;
        steps >>= 1;
    }
    left
}
