//! Markets at a glance, and the insurance fund behind them.

use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::price::{Age, Validity};
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::{Market, MarketStatus, Pause};
use bulwark_sdk::rpc::MarketContext;
use bulwark_sdk::units::format_amount;
use serde::Serialize;

use super::amount::{Amount, price_text};

/// One market. Amounts are quote units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketView {
    /// Index.
    pub index: u16,
    /// `active`, `reduce only` or `settling`; `, paused` if increases are.
    pub status: String,
    /// Last price: quote per whole base, decimal, nine digits or eight decimals.
    pub price: String,
    /// Seconds since that price was published.
    pub age_seconds: i64,
    /// Whether margin may use it: `fresh`, `wide`, `stale` or `disputed`.
    pub oracle: &'static str,
    /// Open interest of the longs: base, decimal.
    pub long_base: String,
    /// The same of the shorts.
    pub short_base: String,
    /// Worth of the longs' open interest, rounded down.
    pub long: Amount,
    /// Worth of the shorts' open interest, rounded down.
    pub short: Amount,
    /// Worth of what the traders are net long, above zero, or short.
    pub skew: Amount,
    /// The pool's equity in it: cash less what traders are owed.
    pub equity: Amount,
    /// Its own insurance.
    pub insurance: Amount,
    /// Backing that its open interest asks for, see `bulwark_engine::coverage`.
    pub required: Amount,
    /// Backing that it has of its own: insurance, and first loss of its pool money.
    pub own: Amount,
    /// Share of the open-interest cap that the insurance fund covers, ppm.
    pub oi_scale_ppm: u32,
    /// Slots since it reduces exposure, if it does.
    pub deleveraging_slots: Option<u64>,
    /// Since when it settles, unix seconds, if it does.
    pub settling_since: Option<i64>,
}

/// The insurance fund, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FundView {
    /// Reserve.
    pub reserve: Amount,
    /// Staked backstop, cooling stake included.
    pub stake: Amount,
    /// What all markets ask for, as of when each last met the fund.
    pub required: Amount,
    /// What they have of their own, as of then.
    pub own: Amount,
    /// `min(1, coverage / 1.5)`, ppm rounded down: what every cap of open interest is scaled by.
    pub scale_ppm: u32,
}

impl FundView {
    /// The fund as it stands.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn of(context: &MarketContext) -> Result<Self, EngineError> {
        let fund = &context.insurance_fund.core;
        Ok(Self {
            reserve: fund.reserve.into(),
            stake: fund.backstop.value()?.into(),
            required: fund.cover.required.into(),
            own: fund.cover.own.into(),
            scale_ppm: fund.scale_ppm()?,
        })
    }
}

impl MarketView {
    /// All markets in index order.
    ///
    /// # Errors
    /// [`HealthError`] if the engine can't value one.
    pub fn all(context: &MarketContext) -> Result<Vec<Self>, HealthError> {
        let snapshot = context.snapshot();
        context.markets.values().map(|market| Self::of(&snapshot, market, context.clock_slot)).collect()
    }

    fn of(snapshot: &Snapshot<'_>, market: &Market, slot: u64) -> Result<Self, HealthError> {
        let (core, now) = (&market.core, snapshot.now);
        let (long, short) = (core.book.long.lots, core.book.short.lots);
        let base = |lots: u64| Amount::from(lots).text(core.params.lot_decimals);
        let pool = snapshot.pool_delta(market.index)?;
        let cover = core.cover()?;
        let decimals = (snapshot.exchange.quote_decimals, core.params.lot_decimals);
        Ok(Self {
            index: market.index,
            status: status(market),
            price: price_text(core.mark(), decimals),
            age_seconds: now.saturating_sub(core.oracle.publish_time),
            oracle: validity(core.oracle.validity(&core.params.oracle, Age::Margin, now)?),
            long_base: base(long),
            short_base: base(short),
            long: core.notional(long)?.into(),
            short: core.notional(short)?.into(),
            // What the traders hold together is the opposite of what the pool is exposed to.
            skew: Amount::ZERO.minus(pool.notional),
            equity: pool.equity.into(),
            insurance: core.book.insurance.into(),
            required: cover.required.into(),
            own: cover.own.into(),
            oi_scale_ppm: core.oi_scale_ppm,
            deleveraging_slots: since(core.deleveraging_since, slot),
            settling_since: core.is_settling().then_some(core.settling_since),
        })
    }

    /// What is worth saying of it besides its numbers.
    #[must_use]
    pub fn remark(&self) -> String {
        let deleveraging = self.deleveraging_slots.map(|slots| format!("deleveraging for {slots} slots"));
        let settling = self.settling_since.map(|since| format!("settling since {since}"));
        deleveraging.into_iter().chain(settling).collect::<Vec<_>>().join(", ")
    }
}

/// Slots since `begin`; none for zero.
fn since(begin: u64, slot: u64) -> Option<u64> {
    (begin != 0).then(|| slot.saturating_sub(begin))
}

fn status(market: &Market) -> String {
    let names = [
        (MarketStatus::Active, "active"),
        (MarketStatus::ReduceOnly, "reduce only"),
        (MarketStatus::Settling, "settling"),
    ];
    let name = names.iter().find(|(status, _)| market.is(*status)).map_or("unknown", |(_, name)| name);
    let paused = if Pause::INCREASE.is_set(market.pause) { ", paused" } else { "" };
    format!("{name}{paused}")
}

const fn validity(validity: Validity) -> &'static str {
    match validity {
        Validity::Fresh => "fresh",
        Validity::Wide => "wide",
        Validity::Stale => "stale",
        Validity::Divergent => "disputed",
    }
}

/// A ratio in ppm as a factor: `1250000` is `1.2500`.
#[must_use]
pub fn factor(ppm: i64) -> String {
    format_amount(ppm.div_euclid(100), 4)
}
