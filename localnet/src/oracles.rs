//! Prices: they walk by themselves, stand where a test puts them, or freeze.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bulwark_migrate::RiskFile;
use bulwark_sdk::address;
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_tests::fixtures::{BTC_ASSET, EXPONENT, PRINT, SOL_ASSET};
use bulwark_tests::oracle_accounts::{PYTH_RECEIVER, Print, Verification, pyth_pull};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::cheats::Cheats;

/// Where prices begin, dollars with eight decimals.
const PRICES: [(&str, i64); 3] = [("SOL", SOL_ASSET.price), ("BTC", BTC_ASSET.price), ("ETH", 3_000 * PRINT)];
/// How often prices are printed.
const EVERY: Duration = Duration::from_secs(1);
/// Largest step of the walk, ppm, and how far it goes from where it began.
const STEP_PPM: i64 = 300;
const RANGE_PPM: i64 = 50_000;
/// Half-width of the uncertainty: a basis point.
const CONF: i64 = 10_000;
/// How often the clock is looked at while a later second is waited for, and for how long.
const LOOK: Duration = Duration::from_millis(50);
const STILL: Duration = Duration::from_secs(30);

/// One feed.
#[derive(Clone, Debug)]
struct Feed {
    id: [u8; 32],
    /// Dollars with eight decimals.
    price: i64,
    /// Around which it walks; `None` while it stands.
    home: Option<i64>,
    frozen: bool,
    /// When it was printed last, unix seconds of the chain; 0: never.
    printed: i64,
}

#[derive(Clone, Debug)]
struct Feeds {
    by_asset: BTreeMap<String, Feed>,
    /// State of the random numbers.
    random: u64,
}

/// The oracles of a network.
pub struct Oracles {
    feeds: Arc<Mutex<Feeds>>,
    /// As they were at first.
    first: Feeds,
    cheats: Arc<Cheats>,
    walker: Option<JoinHandle<()>>,
}

impl Oracles {
    /// The feeds that a file names. They walk if `walk`, by random numbers that a seed decides.
    ///
    /// # Errors
    /// A source that is no Pyth pull feed, or an asset without a first price.
    pub(crate) fn of(file: &RiskFile, cheats: Arc<Cheats>, (seed, walk): (u64, bool)) -> Result<Self> {
        let vaults = file.vaults.iter().map(|vault| (&vault.name, &vault.sources[0]));
        let markets = file.markets.iter().map(|market| (&market.name, &market.sources[0]));
        let mut by_asset = BTreeMap::new();
        for (name, source) in vaults.chain(markets) {
            let asset = name.split('-').next().unwrap_or(name);
            let feed = feed(asset, source, walk)?;
            if let Some(other) = by_asset.insert(asset.to_string(), feed.clone())
                && other.id != feed.id
            {
                bail!("{asset} has two feeds: a local network has one for each asset");
            }
        }
        let first = Feeds { by_asset, random: seed };
        Ok(Self { feeds: Arc::new(Mutex::new(first.clone())), first, cheats, walker: None })
    }

    /// Prints every second from now on.
    pub(crate) fn start(&mut self) {
        let (feeds, cheats) = (Arc::clone(&self.feeds), Arc::clone(&self.cheats));
        self.stop();
        self.walker = Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let mut feeds = feeds.lock().await;
                feeds.walk();
                // The endpoint may be on its way down or up: the next tick tries again.
                if let Err(error) = print(&cheats, &mut feeds).await {
                    eprintln!("oracles: {error:#}");
                }
            }
        }));
    }

    /// Puts every feed back to where it began.
    pub(crate) async fn restore(&self) {
        *self.feeds.lock().await = self.first.clone();
    }

    pub(crate) fn stop(&mut self) {
        if let Some(walker) = self.walker.take() {
            walker.abort();
        }
    }

    /// Prints all prices that are not frozen, with the time of now.
    ///
    /// # Errors
    /// The endpoint refuses.
    pub async fn print(&self) -> Result<()> {
        print(&self.cheats, &mut *self.feeds.lock().await).await
    }

    /// Puts an asset's price, dollars with eight decimals, prints it, and keeps it there. It counts with the next refresh,
    /// or, while the asset is frozen, with the first one after it prints again.
    ///
    /// # Errors
    /// No such asset; the endpoint refuses; the chain's clock stands still.
    pub async fn set(&self, asset: &str, price: i64) -> Result<()> {
        self.set_all(&[(asset, price)]).await
    }

    /// The same for several assets, in one print. Of two prints of one second a market keeps the first one: this waits for a
    /// second in which none of them was printed yet.
    ///
    /// # Errors
    /// As [`Oracles::set`].
    pub async fn set_all(&self, prices: &[(&str, i64)]) -> Result<()> {
        let mut feeds = self.feeds.lock().await;
        let mut last = 0;
        for (asset, _) in prices {
            let feed = feeds.get(asset)?;
            last = last.max(if feed.frozen { 0 } else { feed.printed });
        }
        for (asset, price) in prices {
            let feed = feeds.get(asset)?;
            (feed.price, feed.home) = (*price, None);
        }
        later(&self.cheats, last).await?;
        print(&self.cheats, &mut feeds).await
    }

    /// Lets an asset's price walk, around where it is.
    ///
    /// # Errors
    /// No such asset; the endpoint refuses.
    pub async fn walk(&self, asset: &str) -> Result<()> {
        self.change(asset, |feed| feed.home = Some(feed.price)).await
    }

    /// Stops printing an asset: its price grows old.
    ///
    /// # Errors
    /// No such asset.
    pub async fn freeze(&self, asset: &str) -> Result<()> {
        self.change(asset, |feed| feed.frozen = true).await
    }

    /// Prints an asset again.
    ///
    /// # Errors
    /// No such asset; the endpoint refuses.
    pub async fn resume(&self, asset: &str) -> Result<()> {
        self.change(asset, |feed| feed.frozen = false).await
    }

    /// An asset's price, dollars with eight decimals.
    ///
    /// # Errors
    /// No such asset.
    pub async fn price(&self, asset: &str) -> Result<i64> {
        Ok(self.feeds.lock().await.get(asset)?.price)
    }

    async fn change(&self, asset: &str, change: impl FnOnce(&mut Feed)) -> Result<()> {
        let mut feeds = self.feeds.lock().await;
        change(feeds.get(asset)?);
        print(&self.cheats, &mut feeds).await
    }
}

impl Drop for Oracles {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Feeds {
    fn get(&mut self, asset: &str) -> Result<&mut Feed> {
        let assets: Vec<&str> = self.by_asset.keys().map(String::as_str).collect();
        let unknown = format!("no asset {asset}: there are {}", assets.join(", "));
        self.by_asset.get_mut(asset).context(unknown)
    }

    /// The next random number (splitmix64).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One step of every price that walks.
    fn walk(&mut self) {
        let steps = 2 * STEP_PPM.unsigned_abs() + 1;
        let moves: Vec<i64> = (0..self.by_asset.len())
            .map(|_| i64::try_from(self.next() % steps).unwrap_or(0) - STEP_PPM)
            .collect();
        for (feed, ppm) in self.by_asset.values_mut().zip(moves) {
            if let Some(home) = feed.home {
                let reach = home / 1_000_000 * RANGE_PPM;
                feed.price = (feed.price + feed.price / 1_000_000 * ppm).clamp(home - reach, home + reach);
            }
        }
    }
}

fn feed(asset: &str, source: &OracleSource, walk: bool) -> Result<Feed> {
    if SourceKind::try_from(source.kind).ok() != Some(SourceKind::PythPull) {
        bail!("{asset}: a local network prints Pyth pull feeds only");
    }
    let price = PRICES.iter().find(|(name, _)| *name == asset).map(|(_, price)| *price);
    let price = price.with_context(|| format!("{asset}: no first price for it in {}", file!()))?;
    Ok(Feed { id: source.feed, price, home: walk.then_some(price), frozen: false, printed: 0 })
}

/// Waits until the chain's clock is past a second.
async fn later(cheats: &Cheats, second: i64) -> Result<()> {
    let wait = async {
        while cheats.clock().await?.unix_timestamp <= second {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    tokio::time::timeout(STILL, wait).await.context("the chain's clock stands still")?
}

async fn print(cheats: &Cheats, feeds: &mut Feeds) -> Result<()> {
    let clock = cheats.clock().await?;
    for feed in feeds.by_asset.values_mut().filter(|feed| !feed.frozen) {
        feed.printed = clock.unix_timestamp;
        let print = Print {
            price: feed.price,
            conf: (feed.price / CONF).unsigned_abs(),
            exponent: EXPONENT,
            publish_time: clock.unix_timestamp,
            posted_slot: clock.slot,
        };
        let data = pyth_pull(feed.id, &print, Verification::Full);
        cheats.set_data(&address::pyth_feed(0, &feed.id), PYTH_RECEIVER, data).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeds(seed: u64) -> Feeds {
        let feed =
            Feed { id: [0; 32], price: 150 * PRINT, home: Some(150 * PRINT), frozen: false, printed: 0 };
        Feeds { by_asset: BTreeMap::from([("SOL".to_string(), feed)]), random: seed }
    }

    fn path(seed: u64) -> Vec<i64> {
        let mut feeds = feeds(seed);
        let step = |_| {
            feeds.walk();
            feeds.by_asset["SOL"].price
        };
        (0..5_000).map(step).collect()
    }

    #[test]
    fn a_seed_decides_the_walk() {
        assert_eq!(path(7), path(7));
        assert_ne!(path(7), path(8));
    }

    #[test]
    fn a_walk_moves_in_small_steps_and_stays_near_its_home() {
        let (path, home) = (path(1), 150 * PRINT);
        assert!(path.windows(2).all(|w| (w[1] - w[0]).abs() <= w[0] / 1_000_000 * STEP_PPM));
        assert!(path.iter().all(|price| (price - home).abs() <= home / 20));
        assert!(path.iter().any(|price| (price - home).abs() > home / 100));
    }
}
