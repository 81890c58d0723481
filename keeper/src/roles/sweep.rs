//! Fees are distributed once they are worth the transaction, or have waited long enough.

use std::collections::BTreeMap;

use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;

use super::{Fresh, Motive, Plan, View};
use crate::state::State;
use crate::work::Work;

/// Since when fees wait, by market: unix seconds.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    since: BTreeMap<u16, i64>,
}

impl Swept {
    /// Looks at the fees of every market.
    pub fn look(&mut self, state: &State) {
        let waiting = |index: &u16| state.markets.get(index).is_some_and(|market| fees(&market.stored) > 0);
        self.since.retain(|index, _| waiting(index));
        for index in state.markets.keys().filter(|index| waiting(index)) {
            self.since.entry(*index).or_insert(state.moment.now);
        }
    }

    /// For how many seconds fees of a market have waited; `None` while there are none to distribute.
    #[must_use]
    pub fn age(&self, market: u16, now: i64) -> Option<i64> {
        self.since.get(&market).map(|since| now.saturating_sub(*since))
    }
}

/// What a sweep of a market would distribute, quote units: nothing as long as it keeps its fees for what is not backed.
fn fees(market: &Market) -> u64 {
    let mut core = market.core;
    core.sweep().total().unwrap_or(u64::MAX)
}

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let (now, rules) = (view.moment().now, view.rules);
    let old = |index: &u16| view.swept.age(*index, now).is_some_and(|age| age >= rules.max_fee_age);
    let markets = view.state.markets.iter();
    let due = markets.filter(|(index, market)| fees(&market.stored) >= rules.min_fees.max(1) || old(index));
    due.map(|(index, _)| Work::Sweep(*index)).collect()
}

pub(super) fn plan(fresh: &Fresh<'_>, index: u16) -> Plan {
    match fresh.stored.markets.get(&index) {
        Some(market) if fees(market) > 0 => {
            let main = vec![ix::sweep_market(index)];
            Plan::one(Motive::Service, Vec::new(), main)
        }
        _ => Plan::Nothing,
    }
}
