//! What a walk has seen: a walk that never met a cap has not checked it.

use std::collections::BTreeMap;
use std::fmt;

use bulwark_sdk::event::Event;

use super::checks::Moment;
use super::exact::{Curve, Validity, validity};
use super::stage::MARKETS;
use super::step::Step;

/// Counters.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Steps taken.
    pub steps: u64,
    /// Accepted, by operation; steps that send nothing included.
    pub accepted: BTreeMap<String, u64>,
    /// Refused, by the name of the error.
    pub refused: BTreeMap<String, u64>,
    /// States and turns worth seeing.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Adds what another walk has seen.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        for (sums, counts) in [(&mut self.accepted, &other.accepted), (&mut self.refused, &other.refused)] {
            for (name, count) in counts {
                *sums.entry(name.clone()).or_default() += count;
            }
        }
        for (name, count) in &other.seen {
            *self.seen.entry(name).or_default() += count;
        }
    }

    /// Counts a step.
    pub fn note(&mut self, m: &Moment<'_>) {
        self.steps += 1;
        match m.sent {
            Some(Err(name)) => *self.refused.entry(name.clone()).or_default() += 1,
            _ => *self.accepted.entry(m.step.name()).or_default() += 1,
        }
        for event in m.events() {
            self.note_event(m, event);
        }
        if matches!(m.step, Step::RefreshMarket { .. }) && !m.events().is_empty() {
            self.note_markets(m);
        }
    }

    fn see(&mut self, what: &'static str, is: bool) {
        *self.seen.entry(what).or_default() += u64::from(is);
    }

    fn note_event(&mut self, m: &Moment<'_>, event: &Event) {
        match event {
            Event::Traded(e) => {
                let market = usize::from(e.market);
                let core = &m.after.market(market).core;
                let account = m.stage.account(&e.account).and_then(|account| m.is.holders[account]);
                let (was, is) = (m.was.skew(market), m.is.skew(market));
                let increase = e.lots.signum() == e.position_lots.signum();
                let oracle = &core.params.oracle;
                let state = validity(&core.oracle, oracle, oracle.max_trade_age, m.after.now);
                self.see("increase", increase);
                self.see("increase by a delegate", increase && m.signers.iter().all(|s| !owns(m, e, s)));
                self.see("decrease in part", !increase && e.position_lots != 0);
                self.see("close at a wide price", !increase && state == Validity::Wide);
                self.see("close beyond the clamp", !increase && Curve::of(core).is_clamped(was));
                self.see("profit paid", e.paid > 0);
                self.see("loss taken", e.paid < 0);
                self.see("claim made", e.claim > 0);
                self.see("claim beside lots", e.claim > 0 && e.position_lots != 0);
                self.see("quote below zero after a trade", account.is_some_and(|a| a.quote < 0));
                self.see("skew changes sign", was.signum() * is.signum() < 0);
            }
            Event::PositionSettled(e) => {
                self.see("claim paid", e.claim_paid > 0);
                self.see("claim paid in part", e.claim_paid > 0 && e.position_quote != 0);
                self.see("loss collected for claims", e.loss > 0);
                self.see("settled without effect", e.claim_paid == 0 && e.loss == 0);
            }
            Event::LiquidityAllocated(e) => {
                self.see("money lent to a market", e.amount > 0);
                self.see("money taken back", e.amount < 0);
            }
            Event::Withdrawn(e) => {
                let account = m.stage.account(&e.account).and_then(|account| m.is.holders[account]);
                let open = account.is_some_and(|a| a.positions.iter().flatten().any(|p| !p.is_claim()));
                self.see("withdrawal beside positions", open);
                self.see("withdrawal with nothing at risk", !open);
            }
            _ => {}
        }
    }

    /// Once per refresh: what state the market is in.
    fn note_markets(&mut self, m: &Moment<'_>) {
        for market in 0..MARKETS {
            let core = &m.after.market(market).core;
            self.see("market without cash", core.book.cash == 0);
            self.see("market with claims", core.book.unpaid_claims > 0);
            self.see("market worth less than nothing", core.book.equity(core.mark()).is_ok_and(|e| e.0 < 0));
            self.see("price disputed", core.oracle.divergent != 0);
            let carry = [&core.book.long, &core.book.short].map(|l| l.carry.get().to_bits());
            self.see("carry", carry != [0, 0]);
        }
    }
}

fn owns(m: &Moment<'_>, e: &bulwark_sdk::program::events::Traded, signer: &bulwark_sdk::Pubkey) -> bool {
    let account = m.stage.account(&e.account).and_then(|account| m.after.margin(account));
    account.is_some_and(|a| a.owner == *signer)
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} steps", self.steps)?;
        for (title, counts) in [("accepted", &self.accepted), ("refused", &self.refused)] {
            writeln!(f, "{title}: {}", counts.values().sum::<u64>())?;
            for (name, count) in counts {
                writeln!(f, "{count:>10}  {name}")?;
            }
        }
        writeln!(f, "seen:")?;
        for (name, count) in &self.seen {
            writeln!(f, "{count:>10}  {name}")?;
        }
        Ok(())
    }
}
