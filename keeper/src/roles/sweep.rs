//! Fees are distributed once they are worth the transaction, or have waited long enough.

use std::collections::BTreeMap;

use bulwark_sdk::instruction as ix;

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
}

/// Fees that wait in a market, quote units.
fn fees(market: &bulwark_sdk::program::state::Market) -> u64 {
    market.core.book.fees.total().unwrap_or(u64::MAX)
}

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let (now, rules) = (view.moment().now, view.rules);
    let old = |index: &u16| {
        view.swept.since.get(index).is_some_and(|since| now.saturating_sub(*since) >= rules.max_fee_age)
    };
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
