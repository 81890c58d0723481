//! How far a leg may fall before its holder has to be judged again.
//!
//! An account has *slack* if its equity is above its requirement at the prices it is judged by, as if every price were fresh and
//! sure. Then it is healthy, and can be in trouble only after the slack is gone, for a doubtful price is moved in the
//! account's favour and a leg with a dead one needs nothing (`bulwark_engine::margin`); the one exception, a dead collateral that
//! fades, is not left to floors. So the slack is shared out over the legs, and as long as no leg has lost more than its
//! share the account is healthy, whatever the other legs gained.
//!
//! **What a leg can lose is linear in two numbers of its market.** A lot of side `s` is worth `w = ±(P − C_s)` and requires
//! `r = P·mmf`. With `n` lots in each position, no risk group, and `Δ` for what changed since the judgement,
//! `Δ(E − MM) = Σ n·(Δw − Δr)`. In a risk group the requirement is `G(L, S) = max(L, S) + (1 − offset)·min(L, S)`, piecewise
//! linear with slopes between `1 − offset` and 1: along the straight line from the old requirements to the new ones,
//! the mean value theorem gives each leg a slope `g` in `[0, 1]` with
//!
//! ```text
//! Δ(E − MM) = Σ n·(Δw − g·Δr) ≥ Σ n·min(Δw, Δw − Δr)
//! ```
//!
//! for what is linear in `g` is least at an end. Hence two floors for a leg, one under `w` and one under `w − r`, each a share
//! of the slack per lot below what it was: if both hold for every leg, `E ≥ MM`. Outside of a group `g` is 1 and the second
//! floor alone counts. A collateral has one number, `P·(1 − haircut)` per token unit, and one floor.
//!
//! **Rounding.** The numbers are in 1/2^48 quote units, the fraction of a normal price. `w` is exact, `r` and the worth
//! of a token unit are rounded down by less than one of these: a share is one of them smaller per unit. The engine rounds
//! a position's equity (1 quote unit), the two steps of its requirement (2), a group's smaller side (1, and a group has a
//! position), and the two steps of a collateral (2): [`ROUNDING`] quote units of the slack per leg are not shared out.
//!
//! Shares are in proportion to the worth of the legs, so that each may move by the same fraction. No floor guards an account
//! without slack, one with a leg in a settling market (a claim there is paid in proportion), or one with a collateral whose
//! price is not alive: it is judged again whenever one of its legs or the time has moved.

use bulwark_sdk::engine::collateral::Collateral;
use bulwark_sdk::engine::margin::{Health, HealthType, MAX_COLLATERALS, MAX_POSITIONS, Portfolio};
use bulwark_sdk::engine::market::Market;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::{NORMAL_FRACTION, NormalPrice, PPM_ONE, Price, Quote, Side};
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::MarginAccount;

/// Quote units per leg that are kept back for the engine's rounding.
pub(super) const ROUNDING: i64 = 4;
/// Legs that an account can have.
pub(super) const LEGS: usize = MAX_POSITIONS + MAX_COLLATERALS;

/// Below which of the two numbers of its [`Gauge`] a leg's holder has to be judged again, Q16.48 quote units per lot or token
/// unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floors(pub [i64; 2]);

impl Floors {
    /// Judged again whenever the leg is looked at.
    pub const ALWAYS: Self = Self([i64::MAX; 2]);
    /// Nothing that a gauge says matters to the leg: a claim is owed whatever the price is.
    pub const NEVER: Self = Self([i64::MIN; 2]);

    /// Floors a `share` of quote units below what `count` units of a leg are worth now. Without a group the first is idle.
    fn under(gauge: Gauge, count: u64, (share, grouped): (u64, bool)) -> Self {
        let Some(fall) = (u128::from(share) << NORMAL_FRACTION).checked_div(u128::from(count)) else {
            return Self::NEVER;
        };
        let fall = i64::try_from(fall).unwrap_or(i64::MAX).saturating_sub(1);
        let [worth, less_requirement] = gauge.0.map(|now| now.saturating_sub(fall));
        Self([if grouped { worth } else { i64::MIN }, less_requirement])
    }
}

/// The two numbers that decide what a leg loses, per lot or token unit, Q16.48 quote units: what it is worth, and that less
/// what it requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gauge([i64; 2]);

impl Gauge {
    /// Of a lot on one side of a market; `None` if no floor can stand under it: the market settles, or a number does not fit.
    pub fn of_side(market: &Market, side: Side) -> Option<Self> {
        if market.is_settling() {
            return None;
        }
        let normal = NormalPrice::new(market.mark(), market.book.side(side).carry).ok()?.0;
        let worth = if side == Side::Long { normal } else { normal.checked_neg()? };
        let requirement = part_of(market.mark(), market.mmf_ppm())?;
        Some(Self([worth, worth.checked_sub(requirement)?]))
    }

    /// Of a token unit; `None` if no floor can stand under it: a dead price that fades with time.
    pub fn of_vault(collateral: &Collateral, now: i64) -> Option<Self> {
        if collateral.faded_ppm(now).ok()? != 0 {
            return None;
        }
        let kept = PPM_ONE.checked_sub(collateral.params.haircut_maint_ppm)?;
        Some(Self([part_of(collateral.oracle.price, kept)?; 2]))
    }

    /// Whether one of the two has fallen below its floor.
    pub const fn is_below(self, Floors([worth, less_requirement]): Floors) -> bool {
        self.0[0] < worth || self.0[1] < less_requirement
    }
}

/// `price · ppm`, Q16.48 rounded down.
fn part_of(price: Price, ppm: u32) -> Option<i64> {
    let price = i128::from(price.to_bits()) << (NORMAL_FRACTION - 32);
    i64::try_from(price.checked_mul(i128::from(ppm))?.checked_div(i128::from(PPM_ONE))?).ok()
}

/// A leg while the slack is shared out.
#[derive(Clone, Copy)]
struct Leg {
    gauge: Gauge,
    /// Lots or token units; none if the leg's worth is fixed.
    count: u64,
    /// Quote units.
    worth: u64,
    grouped: bool,
}

/// Floors of an account's legs: its open positions in slot order, then its collaterals; `None` if no floor guards it. Who has
/// floors is healthy.
pub(super) fn guard(account: &MarginAccount, snapshot: &Snapshot<'_>) -> Option<[Floors; LEGS]> {
    let mut sum = Portfolio::default();
    let mut legs: [Option<Leg>; LEGS] = [None; LEGS];
    let mut places = legs.iter_mut();
    for position in account.positions.iter().filter(|p| p.is_open()) {
        let market = &snapshot.markets.get(&position.market)?.core;
        *places.next()? = Some(count_position(&mut sum, market, position)?);
    }
    for slot in account.collaterals.iter().filter(|slot| slot.amount != 0) {
        let collateral = &snapshot.vaults.get(&slot.vault)?.core;
        *places.next()? = Some(count_collateral(&mut sum, (collateral, slot.amount), snapshot.now)?);
    }
    sum.add(Health { equity: account.quote, requirement: Quote::ZERO }).ok()?;
    let slack = sum.health(&snapshot.exchange.params.risk_groups).ok()?.excess().ok()?.0;
    share_out(slack, legs)
}

/// Adds a position at the live price, sure or not.
fn count_position(sum: &mut Portfolio, market: &Market, position: &Position) -> Option<Leg> {
    let side = position.side().ok()?;
    let gauge = Gauge::of_side(market, side)?;
    let health = Health::of_position_at_stored_price(market, position, HealthType::Maint).ok()?;
    sum.add_position(health, market.params.risk_group, position).ok()?;
    let count = market.book.side(side).member(position).ok()?.lots.count();
    let worth = market.mark().mul_floor(count).ok()?;
    Some(Leg { gauge, count, worth, grouped: market.params.risk_group != 0 })
}

/// Adds a collateral; `None` unless its price is alive.
fn count_collateral(sum: &mut Portfolio, (collateral, amount): (&Collateral, u64), now: i64) -> Option<Leg> {
    let gauge = Gauge::of_vault(collateral, now)?;
    let health = Health::of_collateral(collateral, amount, HealthType::Maint, now).ok()?;
    sum.add(health).ok()?;
    Some(Leg { gauge, count: amount, worth: health.equity.units_or_zero(), grouped: false })
}

/// Shares the slack out in proportion to the legs' worth, each share rounded down.
fn share_out(slack: i64, legs: [Option<Leg>; LEGS]) -> Option<[Floors; LEGS]> {
    let (mut all, mut kept_back) = (0_u128, 0_i64);
    for leg in legs.iter().flatten() {
        all = all.checked_add(u128::from(leg.worth))?;
        kept_back = kept_back.checked_add(ROUNDING)?;
    }
    let slack = u128::from(u64::try_from(slack.checked_sub(kept_back)?).ok()?.saturating_mul(generosity()));
    Some(legs.map(|leg| {
        let Some(leg) = leg else { return Floors::NEVER };
        // Both factors are below 2^64. Legs that are worth nothing get nothing.
        let share = (slack * u128::from(leg.worth)).checked_div(all).unwrap_or(0);
        Floors::under(leg.gauge, leg.count, (u64::try_from(share).unwrap_or(u64::MAX), leg.grouped))
    }))
}

/// How many times the slack is given away: more than once shows that the tests notice.
#[cfg(not(test))]
const fn generosity() -> u64 {
    1
}

#[cfg(test)]
pub(super) use tests::{GENEROSITY, generosity};

#[cfg(test)]
#[path = "floors_tests.rs"]
mod tests;
