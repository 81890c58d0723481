//! What a session shows of what it knows, at every look at the clock.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::program::state::Vault;

use super::Session;
use crate::dispatch::Dispatcher;
use crate::roles;

impl<S> Session<'_, S> {
    pub(super) fn measure(&self, dispatcher: &mut Dispatcher) {
        let (metrics, moment) = (&self.keeper.metrics, self.state.moment);
        metrics.accounts.set(self.book.len());
        metrics.accounts_in_trouble.set(self.troubled.len());
        metrics.accounts_doubtful.set(self.book.doubtful().count());
        metrics.accounts_indebted.set(self.book.indebted().count());
        metrics.backing_off.set(dispatcher.backing_off());
        metrics.in_flight.set(dispatcher.in_flight());
        metrics.slot.set(moment.slot);
        let lag = self.stream.lag(moment.slot);
        metrics.stream_lag_slots.set(lag);
        self.keeper.health.set_stream_lag(lag);
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let wall = wall.ok().and_then(|wall| i64::try_from(wall.as_secs()).ok()).unwrap_or(moment.now);
        metrics.clock_lag_seconds.set(wall.saturating_sub(moment.now));
        self.measure_ages();
        self.measure_own();
    }

    /// Ages of fees, and of prices that somebody depends on: of the others nobody keeps the price young.
    fn measure_ages(&self) {
        let (metrics, now) = (&self.keeper.metrics, self.state.moment.now);
        let show = |leg: &str, in_use: bool, published: i64| {
            metrics.price_age(leg, in_use.then_some(now.saturating_sub(published)));
        };
        for (index, market) in &self.state.markets {
            let (leg, core) = (format!("market{index}"), &market.stored.core);
            let in_use = core.book.positions != 0 && !core.is_settling();
            show(&leg, in_use, core.oracle.publish_time);
            metrics.fees_age(&leg, self.swept.age(*index, now));
        }
        for (index, vault) in &self.state.vaults {
            let core = &vault.stored.core;
            let in_use = vault.stored.sources[0].is_some() && (*index == Vault::QUOTE || core.recorded != 0);
            show(&format!("vault{index}"), in_use, core.oracle.publish_time);
        }
    }

    fn measure_own(&self) {
        let (metrics, snapshot) = (&self.keeper.metrics, self.state.snapshot());
        let Some(own) = self.book.get(&self.keeper.own.margin) else { return };
        if let Ok(health) = snapshot.health(own, HealthType::Maint) {
            metrics.own_equity.set(health.equity.0);
        }
        if let Ok(free) = snapshot.health(own, HealthType::Init).and_then(|health| Ok(health.excess()?)) {
            metrics.own_free_margin.set(free.0);
        }
        metrics.own_inventory.set(roles::inventory(&snapshot, own));
    }
}
