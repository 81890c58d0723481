//! What an account is worth and needs when it comes to liquidation, from the description and not from the engine.
//!
//! `E = quote + Σ collateral·(1 − haircut) + Σ uPnL` against `MM = Σ_groups`, at live prices. What may be there beyond
//! that is counted apart: a Wide price moved by its confidence. A leg whose price is dead or disputed counts at its last
//! price and needs nothing; one that nobody has refreshed may be worth a quarter more.

use bulwark_sdk::engine::market::Market as Core;
use bulwark_sdk::engine::price::{OracleParams, OracleState};
use bulwark_sdk::engine::units::Side;

use super::exact::{Held, Validity, floor, mul_div_floor, ppm, ppm_ceil, validity, worth, worth_ceil};
use super::ledger::{Holder, Ledger};
use super::stage::{MARKETS, VAULTS};
use super::state::State;

/// An account, judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it is worth, quote units.
    pub equity: i128,
    /// What it needs.
    pub requirement: i128,
    /// What may be there beyond the equity, for its price is wide.
    pub doubt: i128,
    /// And for nobody has refreshed its price.
    pub stale: i128,
    /// What its position in each market requires by itself.
    pub by_market: [i128; MARKETS],
    /// Requirements of the longs and of the shorts of each risk group.
    pub groups: [[i128; 2]; 8],
}

impl Standing {
    /// Below its requirement with every doubt in its favour.
    #[must_use]
    pub const fn in_trouble(&self) -> bool {
        self.equity + self.doubt + self.stale < self.requirement
    }

    /// Whether only prices that have to be refreshed may save it.
    #[must_use]
    pub const fn is_unsure(&self) -> bool {
        !self.in_trouble() && self.equity + self.doubt < self.requirement
    }

    /// Whether no position requires more than that of a market.
    #[must_use]
    pub fn is_worst(&self, market: usize) -> bool {
        self.by_market.iter().all(|other| *other <= self.by_market[market])
    }
}

/// Seconds without a print after which a price is dead.
const DEAD: i64 = 600;

/// State of a price for margin, and whether nobody may act on it yet: stale, but not dead.
fn margin_validity(oracle: &OracleState, params: &OracleParams, now: i64) -> (Validity, bool) {
    let state = validity(oracle, params, params.max_margin_age, now);
    (state, state == Validity::Stale && now.saturating_sub(oracle.publish_time) <= DEAD)
}

/// Lowest (of −1) or highest price of the confidence interval, Q32.32.
fn moved(oracle: &OracleState, sign: i128) -> i128 {
    let price = i128::from(oracle.price.to_bits()) + sign * i128::from(oracle.conf);
    price.clamp(1 << 20, 1 << 46)
}

/// What a price that has to be refreshed may have moved.
const STALE_DOUBT: u32 = 250_000;

/// Most that a claim on a settling market can bring: its face value until every position is settled.
fn at_best(ledger: &Ledger, market: usize, claim: i128) -> i128 {
    let till = &ledger.tills[market];
    if till.positions != 0 {
        return claim;
    }
    let all = ledger.sides(market).iter().map(|side| side.1).sum::<i128>().max(0).max(claim);
    mul_div_floor(claim, till.cash.min(all), all.max(1))
}

/// Health of a position: equity, requirement and both doubts.
fn of_position(core: &Core, held: &Held, (ledger, market): (&Ledger, usize), now: i64) -> [i128; 4] {
    let dynamics = &ledger.dynamics[market];
    let mark = dynamics.mark();
    let mut equity = floor(mark.value(held));
    if dynamics.settling_since != 0 && held.b == 0 {
        equity = at_best(ledger, market, equity.max(0));
    }
    if held.is_claim() {
        return [equity, 0, 0, 0];
    }
    let mmf = if dynamics.settling_since == 0 { dynamics.fractions[1] } else { 0 };
    let mmf = u32::try_from(mmf).unwrap_or(u32::MAX);
    let requirement = ppm_ceil(worth_ceil(held.b.abs(), dynamics.price), mmf);
    let (state, unsure) = margin_validity(&core.oracle, &core.params.oracle, now);
    match state {
        Validity::Fresh => [equity, requirement, 0, 0],
        Validity::Wide => {
            let better = moved(&core.oracle, if held.side == Side::Long { 1 } else { -1 });
            [equity, requirement, floor(mark.at(better << 16).value(held)) - equity, 0]
        }
        Validity::Stale if unsure => {
            [equity, 0, 0, ppm_ceil(worth_ceil(held.b.abs(), dynamics.price), STALE_DOUBT)]
        }
        Validity::Stale | Validity::Divergent => [equity, 0, 0, 0],
    }
}

/// Share of a dead price's worth that is gone, ppm: nothing for a day, all after six more.
#[must_use]
pub fn faded(publish_time: i64, now: i64) -> u32 {
    let dead = (i128::from(now) - i128::from(publish_time) - 86_400).clamp(0, 6 * 86_400);
    u32::try_from(dead * 1_000_000 / (6 * 86_400)).unwrap_or(0)
}

/// Worth of a collateral, and both doubts.
fn of_collateral(state: &State, vault: usize, amount: i128) -> [i128; 3] {
    let core = &state.vault(vault).core;
    let (oracle, cut) = (&core.oracle, core.params.haircut_maint_ppm);
    let value = |price: i128, cut: u32| ppm(worth(amount, price), 1_000_000 - cut);
    let price = i128::from(oracle.price.to_bits());
    let (validity, unsure) = margin_validity(oracle, &core.params.oracle, state.now);
    match validity {
        Validity::Fresh => [value(price, cut), 0, 0],
        Validity::Wide => {
            let sure = value(price, cut);
            [sure, (value(moved(oracle, 1), cut) - sure).max(0), 0]
        }
        Validity::Stale if unsure => {
            let (sure, whole) = (value(price, cut), value(price, 0));
            [sure, 0, ppm_ceil(whole, STALE_DOUBT) + whole - sure]
        }
        Validity::Stale | Validity::Divergent => [value(price, faded(oracle.publish_time, state.now)), 0, 0],
    }
}

/// Judges an account by the prices and parameters of `state`, and by the carry of the ledger.
#[must_use]
pub fn standing(ledger: &Ledger, holder: &Holder, state: &State) -> Standing {
    let mut sum = Standing { equity: holder.quote, ..Standing::default() };
    for (market, held) in holder.positions.iter().enumerate() {
        let Some(held) = held else { continue };
        let core = &state.market(market).core;
        let [equity, requirement, doubt, stale] = of_position(core, held, (ledger, market), state.now);
        sum.stale += stale;
        sum.equity += equity;
        sum.doubt += doubt;
        sum.by_market[market] = requirement;
        match usize::from(core.params.risk_group) {
            0 => sum.requirement += requirement,
            group => sum.groups[group - 1][held.side as usize] += requirement,
        }
    }
    for (group, offset) in sum.groups.iter().zip(state.exchange().params.risk_groups.offset_ppm) {
        let (most, least) = (group[0].max(group[1]), group[0].min(group[1]));
        sum.requirement += most + ppm_ceil(least, 1_000_000 - offset);
    }
    for vault in (1..VAULTS).filter(|&vault| holder.collaterals[vault] != 0) {
        let [sure, doubt, stale] = of_collateral(state, vault, holder.collaterals[vault]);
        sum.stale += stale;
        sum.equity += sure;
        sum.doubt += doubt;
    }
    sum
}
