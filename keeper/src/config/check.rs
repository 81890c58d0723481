//! Bounds of every number, and what no type can say.

use std::ops::RangeInclusive;

use bulwark_sdk::Pubkey;
use bulwark_sdk::rpc::fees::MAX_COMPUTE_UNITS;
use tracing_subscriber::EnvFilter;

use super::{Address, Config, ConfigError, Endpoint, Fees};

/// TOML has no larger number.
const MOST: u64 = i64::MAX.unsigned_abs();
const MICRO: u128 = 1_000_000;

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, key: &str, problem: &str) {
        self.0.push(format!("{key}: {problem}"));
    }

    fn within(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        let (least, most) = (range.start(), range.end());
        if value < *least {
            self.add(key, &format!("{value} is too little: at least {least}"));
        } else if value > *most {
            self.add(key, &format!("{value} is too much: at most {most}"));
        }
    }

    fn url(&mut self, key: &str, url: &Endpoint, schemes: [&str; 2]) {
        if !url.scheme().is_some_and(|scheme| schemes.contains(&scheme)) {
            let [plain, secure] = schemes;
            self.add(key, &format!("must begin with {plain}:// or {secure}:// and name a node"));
        }
    }
}

impl Config {
    /// Everything that types don't say.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        self.check_who(&mut problems);
        self.check_cluster(&mut problems);
        self.check_numbers(&mut problems);
        check_fees(&self.fees, &mut problems);
        if let Err(error) = EnvFilter::builder().parse(&self.log.filter) {
            let form = "write it as RUST_LOG, such as \"info\" or \"info,bulwark_keeper=debug\"";
            problems.add("log.filter", &format!("{:?}: {error}: {form}", self.log.filter));
        }
        if problems.0.is_empty() { Ok(()) } else { Err(ConfigError::Wrong(problems.0)) }
    }

    fn check_who(&self, problems: &mut Problems) {
        if self.roles.is_empty() {
            problems
                .add("roles", "there is none, so there is nothing to do: leave the key out for all of them");
        }
        for Address(both) in self.allow.intersection(&self.deny) {
            problems.add("deny", &format!("{both} is in allow too: take it out of one of them"));
        }
    }

    fn check_cluster(&self, problems: &mut Problems) {
        let cluster = &self.cluster;
        problems.url("cluster.rpc_url", &cluster.rpc_url, ["http", "https"]);
        problems.url("cluster.ws_url", &cluster.ws_url, ["ws", "wss"]);
        if cluster.genesis.as_ref().is_some_and(|hash| hash.parse::<Pubkey>().is_err()) {
            problems.add("cluster.genesis", "must be what `solana genesis-hash` prints");
        }
    }

    fn check_numbers(&self, problems: &mut Problems) {
        const DAY: u64 = 86_400;
        let (timing, http) = (&self.timing, &self.http);
        problems.within("timing.tick_ms", timing.tick_ms, 10..=60_000);
        problems.within("timing.resync_secs", timing.resync_secs, 5..=DAY);
        problems.within("timing.sweep_secs", timing.sweep_secs, 1..=DAY);
        problems.within("timing.shutdown_secs", timing.shutdown_secs, 0..=3_600);
        problems.within("timing.poll_ms", timing.poll_ms, 10..=60_000);
        problems.within("limits.concurrency", self.limits.concurrency.into(), 1..=1_024);
        problems.within("refresh.max_age_secs", self.refresh.max_age_secs, 1..=DAY);
        problems.within("refresh.min_move_ppm", self.refresh.min_move_ppm.into(), 1..=1_000_000);
        problems.within("sweep.max_age_secs", self.sweep.max_age_secs, 1..=7 * DAY);
        problems.within("http.max_silence_secs", http.max_silence_secs, 1..=DAY);
        problems.within("http.max_lag_slots", http.max_lag_slots, 1..=MOST);
    }
}

fn check_fees(fees: &Fees, problems: &mut Problems) {
    problems.within("fees.percentile", fees.percentile.into(), 0..=100);
    problems.within("fees.max_lamports", fees.max_lamports, 0..=MOST);
    problems.within("fees.max_lamports_per_hour", fees.max_lamports_per_hour, 1..=MOST);
    problems.within("fees.min_lamports", fees.min_lamports, 0..=MOST);
    let Some(price) = fees.fixed else { return };
    problems.within("fees.fixed", price, 0..=MOST);
    let most = (u128::from(price) * u128::from(MAX_COMPUTE_UNITS)).div_ceil(MICRO);
    if most > u128::from(fees.max_lamports) {
        let limit = format!("fees.max_lamports is {}", fees.max_lamports);
        let units = format!("a transaction of {MAX_COMPUTE_UNITS} compute units");
        problems.add(
            "fees.fixed",
            &format!("{units} would pay {most} lamports, and {limit}: raise that or lower this"),
        );
    }
}
