//! Prices that fall together, in steps so small that nobody who is watched falls past zero between two of them.

use std::time::Duration;

use bulwark_localnet::Oracles;
use bulwark_tests::fixtures::{Asset, BTC_ASSET, SOL_ASSET};
use tokio::time::{MissedTickBehavior, interval};

/// Parts of a whole.
const PPM: i64 = 1_000_000;
/// Largest step, ppm of the price that it begins with: five times as fast as 13 % in twelve minutes. The endpoint runs one
/// transaction after another, each instruction once more for its profiler, and takes a tenth of a second for it: what falls much
/// faster measures the endpoint.
pub const LARGEST_STEP_PPM: i64 = 1_000;
/// The same for two hundred accounts: more than twice as fast as 13 % in twelve minutes.
pub const SLOW_STEP_PPM: i64 = 435;

/// A fall of all assets together.
#[derive(Clone, Copy, Debug)]
pub struct Fall {
    /// Where it begins, ppm below the first prices.
    pub from_ppm: i64,
    /// Where it ends, ppm below the first prices.
    pub to_ppm: i64,
    /// Largest step, ppm of the price that it begins with.
    pub step_ppm: i64,
    /// How often there is a step.
    pub every: Duration,
}

impl Fall {
    /// From the first prices to so many ppm below them, a step a second.
    pub fn of(to_ppm: i64) -> Self {
        Self { from_ppm: 0, to_ppm, step_ppm: LARGEST_STEP_PPM, every: Duration::from_secs(1) }
    }

    /// The same, in smaller steps.
    pub fn slowly(to_ppm: i64) -> Self {
        Self { step_ppm: SLOW_STEP_PPM, ..Self::of(to_ppm) }
    }

    /// Goes on from where another one ended.
    pub fn on(self, to_ppm: i64) -> Self {
        Self { from_ppm: self.to_ppm, to_ppm, ..self }
    }

    /// Prices on the way, ppm below the first ones.
    fn way(self) -> impl Iterator<Item = i64> {
        let (far, sign) = ((self.to_ppm - self.from_ppm).abs(), (self.to_ppm - self.from_ppm).signum());
        let steps = far.div_euclid(self.step_ppm) + i64::from(far.rem_euclid(self.step_ppm) != 0);
        (1..=steps).map(move |step| self.from_ppm + sign * far * step / steps)
    }

    /// Moves SOL and BTC, step by step.
    pub async fn run(self, oracles: &Oracles) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for ppm in self.way() {
            ticks.tick().await;
            fall_to(oracles, ppm).await;
        }
    }
}

/// Has SOL and BTC stand so many ppm below their first prices.
pub async fn fall_to(oracles: &Oracles, ppm: i64) {
    let prices = [&SOL_ASSET, &BTC_ASSET].map(|asset| (asset.name, below(asset, ppm)));
    oracles.set_all(&prices).await.unwrap();
}

/// So many ppm below an asset's first price, dollars with eight decimals.
pub fn below(asset: &Asset, ppm: i64) -> i64 {
    asset.price - asset.price / PPM * ppm
}
