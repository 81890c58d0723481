//! One session: what is known, and what is heard of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bulwark_sdk::Pubkey;
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::rpc::{MarketContext, Raw};
use tokio::sync::mpsc;

use crate::act::End as WorkEnd;
use crate::book::Book;
use crate::dispatch::Dispatcher;
use crate::oracles::Oracles;
use crate::roles::{self, Swept, View};
use crate::rules::Rules;
use crate::source::{Notice, Snapshot, Source};
use crate::state::{Part, State};
use crate::work::Work;

use super::Keeper;
use super::follow::{Follower, Heard, Task};

mod measure;
mod stream;

use stream::{Stream, numbered};

/// Slots that the clock may go back: a node that is behind another one. Beyond it is another chain.
const MAX_STEP_BACK: u64 = 150;
/// Times in a row that the clock is that far back before it is believed.
const BELIEVED: u32 = 4;
/// What may wait to be heard.
const QUEUE: usize = 64;
/// Wait after a snapshot that failed.
const SNAPSHOT_AGAIN: Duration = Duration::from_secs(2);
/// With `once`: looks that find nothing to do before it is believed.
const IDLE_LOOKS: u32 = 3;

/// How a session ended.
pub(super) enum End {
    /// Somebody said stop, or nothing is left to do.
    Stopped,
    /// Everything has to be read again.
    Anew(&'static str),
}

pub(super) struct Session<'a, S> {
    keeper: &'a Keeper,
    pub(super) rules: Rules,
    source: S,
    state: State,
    book: Book,
    swept: Swept,
    /// Since which slot each account is in trouble.
    troubled: HashMap<Pubkey, u64>,
    stream: Stream,
    /// What the follower reads in every tick.
    pulse_keys: Vec<Pubkey>,
    synced: bool,
    /// When the last snapshot was asked for; none while one is under way.
    asked: Option<Instant>,
    /// Interruptions of the stream: a snapshot from before one says nothing of what was missed.
    gaps: u64,
    idle: u32,
    /// How often in a row the clock was far behind what was heard before.
    behind: u32,
}

impl<'a, S: Source> Session<'a, S> {
    /// Reads the exchange; the margin accounts come with the first snapshot of a source that listens already.
    pub(super) async fn open(keeper: &'a Keeper, source: S) -> Result<Self> {
        let (client, config) = (&keeper.client, &keeper.config);
        let listings = client.listings().await.context("reading the listings")?;
        let context = client.market_context(&listings).await.context("reading the exchange")?;
        let rules = Rules::new(config, context.exchange.quote_decimals)?;
        let more = config.refresh.accounts.iter();
        let more = more.map(|(feed, accounts)| (feed.0, accounts.iter().map(|account| account.0).collect()));
        keeper.metrics.forget_legs();
        let state = State::new(listings, context, Oracles::new(more.collect()));
        Ok(Self {
            keeper,
            rules,
            source,
            pulse_keys: state.pulse_keys(),
            state,
            book: Book::new(),
            swept: Swept::default(),
            troubled: HashMap::new(),
            stream: Stream::default(),
            synced: false,
            asked: None,
            gaps: 0,
            idle: 0,
            behind: 0,
        })
    }

    /// Until it ends.
    pub(super) async fn run(
        &mut self,
        dispatcher: &mut Dispatcher,
        mut stop: impl Future<Output = ()> + Send + Unpin,
    ) -> Result<End> {
        let (tell, mut heard) = mpsc::channel(QUEUE);
        let follower = Follower {
            client: self.keeper.client.clone(),
            wallet: self.keeper.own.authority,
            listings: Arc::new(self.state.listings.clone()),
            pulse_keys: self.pulse_keys.clone(),
            tick: self.keeper.config.timing.tick(),
        };
        let _follower = Task::spawn(follower.follow(tell.clone()));
        let mut snapshot = Some(self.snapshot(tell.clone(), Duration::ZERO));
        loop {
            let end = tokio::select! {
                () = &mut stop => Some(End::Stopped),
                notice = self.source.next() => self.notice(notice, (&mut snapshot, &tell), dispatcher),
                Some(first) = dispatcher.ended(), if dispatcher.in_flight() > 0 => self.ended(first, dispatcher),
                Some(what) = heard.recv() => self.hear(what, (&mut snapshot, &tell), dispatcher),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Asks for a snapshot in the background.
    fn snapshot(&mut self, tell: mpsc::Sender<Heard>, wait: Duration) -> Task {
        self.asked = None;
        let (snapshot, gaps) = (self.source.snapshot(), self.gaps);
        Task::spawn(async move {
            tokio::time::sleep(wait).await;
            drop(tell.send(Heard::Snapshot(gaps, snapshot.await)).await);
        })
    }

    fn notice(
        &mut self,
        notice: Notice,
        (task, tell): (&mut Option<Task>, &mpsc::Sender<Heard>),
        dispatcher: &mut Dispatcher,
    ) -> Option<End> {
        match notice {
            Notice::Changed { slot, account: (key, data) } => {
                let part = Part::read(&data)?;
                self.stream.tells(&part);
                dispatcher.heard(&key);
                // A stream tells in order: what it tells is newer than what was known, whichever slot a node names to it.
                let known = self.book.slot_of(&key).unwrap_or_default();
                let slot = self.state.slot_of_news(&part, slot).max(known);
                self.take((key, part), slot);
            }
            Notice::Gap => {
                tracing::warn!("the stream was interrupted: taking another snapshot");
                self.keeper.metrics.reconnects.inc();
                self.gaps += 1;
                self.stream = Stream::default();
                *task = Some(self.snapshot(tell.clone(), Duration::ZERO));
            }
            Notice::End => return Some(End::Anew("the stream has ended")),
        }
        None
    }

    fn take(&mut self, (key, part): (Pubkey, Part), slot: u64) {
        if let Part::Margin(account) = part {
            let snapshot = self.state.snapshot();
            self.book.insert(key, (account, slot), (&snapshot, self.state.moment.slot));
        } else if let Some(leg) = self.state.take(part, slot) {
            self.state.foresee_one(leg);
            self.judge(&[leg]);
        }
    }

    /// Judges those whom moves of these concern.
    fn judge(&mut self, legs: &[Leg]) {
        let (snapshot, slot, begun) = (self.state.snapshot(), self.state.moment.slot, Instant::now());
        let mut judged = 0;
        for leg in legs {
            judged += match leg {
                Leg::Market(index) => self.book.market_moved(*index, &snapshot, slot),
                Leg::Vault(index) => self.book.vault_moved(*index, &snapshot, slot),
            };
        }
        let metrics = &self.keeper.metrics;
        metrics.evaluation_seconds.observe(begun.elapsed().as_secs_f64());
        metrics.evaluated.inc_by(u64::try_from(judged).unwrap_or(u64::MAX));
    }

    /// Work that has ended, and whatever else has ended by now.
    fn ended(&mut self, first: (Work, WorkEnd), dispatcher: &mut Dispatcher) -> Option<End> {
        let (mut next, mut follow_up) = (Some(first), false);
        while let Some((work, end)) = next {
            match (&end, work.account()) {
                (WorkEnd::Gone, Some(account)) => {
                    self.book.remove(&account, self.state.moment.slot);
                }
                (WorkEnd::NoBudget, _) => self.keeper.health.set_fee_budget_exhausted(true),
                (WorkEnd::Done { .. }, _) => self.keeper.health.set_fee_budget_exhausted(false),
                (WorkEnd::Outdated, _) => return Some(End::Anew("something was listed or closed")),
                _ => {}
            }
            follow_up |= matches!(end, WorkEnd::Done { .. } | WorkEnd::Entangled);
            next = dispatcher.ended_too();
        }
        // There is room, and an auction that was called may be worth a takeover already: nobody waits for the next tick.
        if follow_up && self.synced {
            self.begin(dispatcher);
        }
        None
    }

    fn hear(
        &mut self,
        what: Heard,
        (task, tell): (&mut Option<Task>, &mpsc::Sender<Heard>),
        dispatcher: &mut Dispatcher,
    ) -> Option<End> {
        match what {
            Heard::Pulse(read) => return self.pulse(read, (task, tell), dispatcher),
            Heard::Look(context, lamports) => return self.look(*context, lamports),
            // Another one is under way.
            Heard::Snapshot(gaps, _) if gaps != self.gaps => {}
            Heard::Snapshot(_, Ok(snapshot)) => {
                self.sync(snapshot);
                (*task, self.asked) = (None, Some(Instant::now()));
            }
            Heard::Snapshot(_, Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "no snapshot: trying again");
                *task = Some(self.snapshot(tell.clone(), SNAPSHOT_AGAIN));
            }
            Heard::Outdated => return Some(End::Anew("something was listed or closed")),
            Heard::Silence(error) => tracing::warn!(error, "the node did not answer"),
        }
        None
    }

    /// Clock and oracles: everything is foreseen and judged anew, and work is begun.
    fn pulse(
        &mut self,
        read: Vec<(Pubkey, Option<Raw>)>,
        (task, tell): (&mut Option<Task>, &mpsc::Sender<Heard>),
        dispatcher: &mut Dispatcher,
    ) -> Option<End> {
        let before = self.state.moment;
        if !self.state.pulse(read) {
            return None;
        }
        let moment = self.state.moment;
        if moment.slot.saturating_add(MAX_STEP_BACK) < before.slot {
            // One answer may be of a node that is far behind the others; a chain that has begun anew stays there.
            self.behind += 1;
            self.state.moment = before;
            if self.behind < BELIEVED {
                return None;
            }
            self.keeper.health.forget_clock();
            return Some(End::Anew("the chain has begun anew"));
        }
        self.behind = 0;
        self.keeper.health.heard_clock(moment.slot, moment.now);
        self.state.foresee();
        let legs: Vec<Leg> = self.state.legs().collect();
        self.judge(&legs);
        let sweep = self.sweep_budget();
        let snapshot = self.state.snapshot();
        self.book.clock_moved(&snapshot, moment.slot);
        self.book.sweep(sweep, &snapshot, moment.slot);
        self.swept.look(&self.state);
        self.watch();
        if task.is_none() && self.is_resync_due() {
            *task = Some(self.snapshot(tell.clone(), Duration::ZERO));
        }
        self.measure(dispatcher);
        if !self.synced {
            return None;
        }
        let ready = self.begin(dispatcher);
        self.is_finished(ready, dispatcher).then_some(End::Stopped)
    }

    /// Accounts that are judged again in this tick whatever the floors say, so that a round takes as long as configured.
    fn sweep_budget(&self) -> usize {
        let timing = &self.keeper.config.timing;
        let ticks = (timing.sweep_secs.saturating_mul(1_000) / timing.tick_ms.max(1)).max(1);
        self.book.len().div_ceil(usize::try_from(ticks).unwrap_or(usize::MAX))
    }

    fn is_resync_due(&self) -> bool {
        let config = &self.keeper.config;
        let lag = self.stream.lag(self.state.moment.slot);
        let old = |asked: Instant| asked.elapsed() >= config.timing.resync();
        let behind =
            |asked: Instant| lag > config.http.max_lag_slots && asked.elapsed() >= 5 * SNAPSHOT_AGAIN;
        self.asked.is_none_or(|asked| old(asked) || behind(asked))
    }

    /// Begins what there is to do. Returns how much there was that is ready.
    fn begin(&mut self, dispatcher: &mut Dispatcher) -> usize {
        let (config, snapshot) = (&self.keeper.config, self.state.snapshot());
        let allowed = |work: &Work| work.account().is_none_or(|account| config.acts_on(&account));
        let ready = |work: &Work| allowed(work) && dispatcher.may_begin(work);
        let view = View {
            state: &self.state,
            snapshot: &snapshot,
            book: &self.book,
            own: self.keeper.own,
            rules: &self.rules,
            swept: &self.swept,
            ready: &ready,
        };
        let mut work = roles::find(&config.roles, view);
        work.retain(allowed);
        dispatcher.begin(work, &self.state)
    }

    /// With `once`: whether nothing is left to do, nor to be tried again, nor anybody whose auction is waited for.
    fn is_finished(&mut self, ready: usize, dispatcher: &mut Dispatcher) -> bool {
        if !self.keeper.config.once {
            return false;
        }
        let waiting = dispatcher.hopes() || self.waiting(dispatcher);
        let busy = ready > 0 || dispatcher.in_flight() > 0 || waiting;
        self.idle = if busy { 0 } else { self.idle + 1 };
        self.idle >= IDLE_LOOKS
    }

    /// Whether somebody in trouble is going to be helped yet: the auction runs, or the book is about to hear of it.
    fn waiting(&self, dispatcher: &Dispatcher) -> bool {
        let config = &self.keeper.config;
        let liquidates = config.roles.contains(crate::config::Role::Liquidate) && !config.dry_run;
        let mut troubled = self.book.troubled().map(|(key, _)| key).filter(|key| config.acts_on(key));
        let runs = |key: &Pubkey| {
            self.book.get(key).is_some_and(|account| account.auction.is_running(self.state.moment.slot))
        };
        let helped = |key: &Pubkey| !dispatcher.rests(&Work::Liquidate(*key)) && runs(key);
        liquidates && troubled.any(|key| helped(key) || dispatcher.awaits(key))
    }

    /// Notes who got into trouble, and who is out of it.
    fn watch(&mut self) {
        let slot = self.state.moment.slot;
        let now: HashSet<Pubkey> = self.book.troubled().map(|(key, _)| *key).collect();
        let metrics = &self.keeper.metrics;
        self.troubled.retain(|key, since| {
            let still = now.contains(key);
            if !still {
                let slots = u32::try_from(slot.saturating_sub(*since)).unwrap_or(u32::MAX);
                metrics.slots_in_trouble.observe(f64::from(slots));
            }
            still
        });
        for key in now {
            self.troubled.entry(key).or_insert(slot);
        }
    }

    /// The exchange as a node has it: what the stream should have told by now.
    fn look(&mut self, context: MarketContext, lamports: Option<u64>) -> Option<End> {
        let slot = context.slot;
        let MarketContext { exchange, pool, insurance_fund, markets, vaults, .. } = context;
        let parts = markets.into_values().map(Part::Market).chain(vaults.into_values().map(Part::Vault));
        let own = [Part::Exchange(exchange), Part::Pool(pool), Part::Fund(insurance_fund)];
        for part in own.into_iter().chain(parts) {
            if let Some(numbered) = numbered(&part) {
                self.stream.seen(numbered, slot);
            }
            if let Some(leg) = self.state.take(part, slot) {
                self.state.foresee_one(leg);
            }
        }
        if let Some(lamports) = lamports {
            self.keeper.health.set_lamports(lamports);
            self.keeper.metrics.own_lamports.set(lamports);
        }
        self.keeper.metrics.book_bytes.set(self.book.bytes()); // counts every account: now and then
        if self.state.pulse_keys() != self.pulse_keys {
            return Some(End::Anew("a market or a vault has other oracles"));
        }
        self.state.is_outdated().then_some(End::Anew("something was listed or closed"))
    }

    /// Brings the book to what a snapshot says; what was heard since stays.
    fn sync(&mut self, Snapshot { slot, accounts }: Snapshot) {
        let (first, mut different) = (!self.synced, 0_u64);
        let mut there = HashSet::with_capacity(accounts.len());
        for (key, data) in accounts {
            let Some(part) = Part::read(&data) else { continue };
            if let Part::Margin(account) = &part {
                there.insert(key);
                let known = self.book.get(&key).map(bytemuck::bytes_of);
                let same = known == Some(bytemuck::bytes_of(&**account));
                different += u64::from(!same);
            }
            self.take((key, part), slot);
        }
        let gone: Vec<Pubkey> =
            self.book.accounts().map(|(key, _)| *key).filter(|key| !there.contains(key)).collect();
        for key in gone {
            different += u64::from(self.book.remove(&key, slot));
        }
        let metrics = &self.keeper.metrics;
        if !first {
            metrics.resyncs.inc();
            metrics.resync_differences.inc_by(different);
        }
        self.synced = true;
        self.stream.caught_up();
        metrics.synced.set(1);
        self.keeper.health.set_synced(true);
        tracing::info!(slot, accounts = self.book.len(), different, first, "synchronised");
    }
}
