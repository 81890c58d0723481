//! What a walk has seen: a walk that never met a cap has not checked it.

mod distress;

use std::collections::BTreeMap;
use std::fmt;

use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{CancelReason, Redeemed, TriggerExecuted};

use super::checks::Moment;
use super::exact::{Curve, Validity, validity};
use super::ledger::Holder;
use super::stage::{MARKETS, VAULTS};
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
            self.note_distress(m, event);
        }
        self.note_unwindings(m);
        if matches!(m.step, Step::RefreshMarket { .. }) && !m.events().is_empty() {
            self.note_markets(m);
        }
    }

    /// Counts a thing worth seeing.
    pub fn see(&mut self, what: &'static str, is: bool) {
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
                self.see("toxic fee paid", e.toxic_fee > 0);
                self.see("group offset used", account.is_some_and(|a| offsets(m, &a)));
            }
            Event::TriggerExecuted(e) => self.note_trigger(m, e),
            Event::TriggerCancelled(e) => match e.reason {
                CancelReason::Request => self.see("trigger cancelled on request", true),
                CancelReason::Expired => self.see("trigger expired", true),
                CancelReason::Failed => self.see("trigger that the account can't do", true),
                CancelReason::DelegateChanged => self.see("trigger gone with its delegate", true),
                CancelReason::MarketClosed => {}
            },
            Event::LiquidityAdded(e) => self.see("senior shares issued", e.tranche == 1),
            Event::RedeemRequested(e) => self.see("senior shares in a ticket", e.tranche == 1),
            Event::RedeemCancelled(e) => {
                self.see("ticket taken back", m.signers.contains(&e.provider));
                self.see("ticket given back by somebody after its window", !m.signers.contains(&e.provider));
            }
            Event::Redeemed(e) => self.note_redemption(m, e),
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

    fn note_trigger(&mut self, m: &Moment<'_>, e: &TriggerExecuted) {
        let holder = m.stage.account(&e.account).and_then(|account| m.was.holders[account]);
        let kind = holder.and_then(|h| h.trigger(e.id).map(|t| t.kind));
        self.see("limit entry executed", kind == Some(TriggerKind::Limit.to_byte()));
        self.see("take-profit executed", kind == Some(TriggerKind::TakeProfit.to_byte()));
        self.see("stop-loss executed", kind == Some(TriggerKind::StopLoss.to_byte()));
        let asked = holder.and_then(|h| h.trigger(e.id).map(|t| i128::from(t.lots)));
        let traded = m.events().iter().find_map(|e| if let Event::Traded(t) = e { Some(t) } else { None });
        let more = traded.zip(asked).is_some_and(|(t, asked)| i128::from(t.lots).abs() > asked);
        self.see("way out that closes more than its lots", more);
        let disputed = |market: usize| {
            let other = market != usize::from(e.market) && m.after.market(market).core.oracle.divergent != 0;
            other && holder.is_some_and(|h| h.positions[market].is_some_and(|held| !held.is_claim()))
        };
        let late = m.was.dynamics[usize::from(e.market)].accrued_at < m.after.now;
        let out = kind != Some(TriggerKind::Limit.to_byte());
        self.see(
            "way out beside a disputed leg, after an accrual",
            out && late && (0..MARKETS).any(disputed),
        );
        self.see("keeper paid", e.fee > 0);
        self.see("keeper without an account", e.fee == 0);
    }

    /// Whole, or in part by whichever gate is the tightest.
    fn note_redemption(&mut self, m: &Moment<'_>, e: &Redeemed) {
        let whole = e.shares_left == 0;
        self.see("ticket paid whole", whole);
        self.see("senior ticket paid", e.tranche == 1);
        let ticket = m.stage.ticket(&e.provider, e.nonce).and_then(|t| m.was.tickets[t]);
        let then = ticket.map_or(0, |t| t.value * i128::from(e.shares) / t.shares);
        self.see("ticket paid what it was worth then", i128::from(e.paid + e.fee) >= then - 2);
        self.see("ticket paid less than it was worth then", i128::from(e.paid + e.fee) < then - 2);
        let (vault, nav) = (m.before.vault(0), m.before.snapshot().nav(m.before.pool()));
        let (Ok(nav), false) = (nav, whole) else { return };
        let pool = &m.before.pool().core;
        let needed = u128::from(nav.used) * 1_000_000 / u128::from(pool.params.max_utilisation_ppm);
        let used = nav.low.saturating_sub(u64::try_from(needed).unwrap_or(u64::MAX));
        let rooms = [pool.idle, vault.core.releasable(m.after.now).unwrap_or(0), used];
        let tightest = rooms.into_iter().min().unwrap_or(0);
        let gate = (0..3).find(|&i| rooms[i] == tightest && e.paid.abs_diff(tightest) < 4_000);
        self.see("ticket paid in part, by idle cash", gate == Some(0));
        self.see("ticket paid in part, by the outflow limit", gate == Some(1));
        self.see("ticket paid in part, by utilisation", gate == Some(2));
        self.see("ticket paid in part, by the senior's ratio", gate.is_none());
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
            let (rate, max) = (core.carry.funding_rate, core.params.carry.funding_max_ppm);
            let max = i64::try_from((i128::from(max) << 48) / 1_000_000).unwrap_or(i64::MAX);
            self.see("funding positive", rate > 0);
            self.see("funding negative", rate < 0);
            self.see("funding clamped", rate.abs() == max);
            let kink = core.params.carry.borrow_base_ppm + core.params.carry.borrow_slope_ppm;
            self.see("borrow rate beyond the kink", core.carry.borrow_ppm > kink);
            self.see("maintenance margin raised", core.mmf_ppm() > core.params.mmf_ppm);
            self.see("initial margin raised", core.volatility.imf_ppm > core.params.imf_ppm);
            let crowded = core.imf_ppm().is_ok_and(|imf| imf > core.volatility.imf_ppm);
            self.see("initial margin raised by open interest", crowded);
        }
        for vault in 1..VAULTS {
            let core = &m.after.vault(vault).core;
            self.see("crowded collateral", core.recorded > core.params.soft_cap);
            let open = core.cap(m.after.now).is_ok_and(|cap| cap == core.params.max_deposits);
            self.see("cap on its way up", !open);
        }
        let pool = &m.is.pool;
        let nav = m.after.snapshot().nav(m.after.pool()).map_or(0, |nav| i128::from(nav.low));
        self.see("senior impaired", (pool.all[1] * pool.index) >> 56 > nav);
    }
}

/// Whether the account is long in one market of a risk group and short in another.
fn offsets(m: &Moment<'_>, holder: &Holder) -> bool {
    let grouped = |market: &usize| m.after.market(*market).core.params.risk_group != 0;
    let held = (0..MARKETS).filter(grouped).filter_map(|market| holder.positions[market]);
    let (long, short) = held.fold((false, false), |(l, s), held| (l || held.b > 0, s || held.b < 0));
    long && short
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
