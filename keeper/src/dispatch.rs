//! Which work is under way, and how much of it.
//!
//! Work is taken in the order of urgency, as much at once as is allowed, but never two pieces about one account. Some room is
//! left for whatever is not a liquidation, so that a crash does not stop prices from being refreshed. After something was done
//! for an account, it waits until the book has heard of it.
//!
//! Several keepers find the same work at the same moment. One whose transactions come too late begins to wait a little, by
//! chance, before it looks again whether the work is still there; each loss makes the wait longer, each success
//! shorter. So those who keep losing stop paying for it, and when the others are gone they are as fast as before.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bulwark_sdk::Pubkey;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::act::{Actor, End};
use crate::backoff::Backoff;
use crate::config::Role;
use crate::state::State;
use crate::work::Work;

#[cfg(test)]
pub(crate) mod tests;

/// Pieces of work that liquidations leave room for.
const RESERVED: usize = 2;
/// Longest wait for the book to hear of what was done.
const NEWS: Duration = Duration::from_secs(2);
/// Rest of work whose time has not come.
const NOT_YET: Duration = Duration::from_millis(400);
/// Rest while a node does not answer, or when nobody says what became of something.
const UNREACHABLE: Duration = Duration::from_secs(2);
/// Rest of work that turned out not to be there: the chain is a moment ahead of what is known here.
const MOOT: Duration = Duration::from_secs(1);
/// Rest when enough was spent.
const NO_BUDGET: Duration = Duration::from_secs(60);
/// Longest wait of a keeper that keeps losing, and its part for each loss.
const PATIENCE_STEPS: u32 = 8;
const PATIENCE: Duration = Duration::from_millis(250);

/// Why work rests that was sent and not included in time.
const NOT_INCLUDED: &str = "NotIncluded";

/// Whether the program refused because there is nothing to do: somebody else was first, or a price has come back. That says
/// nothing against the work when it is there again.
fn is_moot(reason: &str) -> bool {
    const MOOT: [&str; 11] = [
        "Healthy",
        "NotTheWorst",
        "NoPosition",
        "NotBankrupt",
        "NoDebtHere",
        "NotExposed",
        "BelowCutoff",
        "LighterSide",
        "NoTrigger",
        "TriggerNotMet",
        "NothingToAllocate",
    ];
    MOOT.contains(&reason)
}

/// What became of the work so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Work that was done.
    pub confirmed: u64,
    /// Work that was sent and failed, expired, or is unknown.
    pub lost: u64,
    /// Work that was refused before anything was sent.
    pub refused: u64,
    /// Work that a dry run did not send.
    pub dry: u64,
    /// Quote units earned, fees not taken off.
    pub earned: i64,
}

/// Who does the work.
pub trait Act: Send + Sync + 'static {
    /// Does one piece of it, which was not included in time so many times.
    fn act(&self, what: (&Work, u32), state: &State) -> impl Future<Output = End> + Send;
}

impl Act for Actor {
    async fn act(&self, what: (&Work, u32), state: &State) -> End {
        Self::act(self, what, state).await
    }
}

/// Work under way.
#[derive(Debug)]
pub struct Dispatcher<A = Actor> {
    actor: Arc<A>,
    concurrency: usize,
    running: JoinSet<(Work, End)>,
    /// Whose work each task does.
    tasks: HashMap<Id, Work>,
    /// What is under way, and whose accounts: with whether anything was heard of them meanwhile.
    work: HashSet<Work>,
    accounts: HashMap<Pubkey, bool>,
    backoff: Backoff,
    /// Accounts that something was done for and nothing was heard of yet: until when it is waited for.
    awaited: HashMap<Pubkey, Instant>,
    /// Losses less successes.
    losses: u32,
    chance: RandomState,
    /// What became of it all.
    pub summary: Summary,
}

impl<A: Act> Dispatcher<A> {
    /// Nothing is under way yet.
    #[must_use]
    pub fn new(actor: Arc<A>, concurrency: usize) -> Self {
        Self {
            actor,
            concurrency: concurrency.max(1),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            work: HashSet::new(),
            accounts: HashMap::new(),
            backoff: Backoff::default(),
            awaited: HashMap::new(),
            losses: 0,
            chance: RandomState::new(),
            summary: Summary::default(),
        }
    }

    /// How much is under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.work.len()
    }

    /// How much work was refused and rests.
    pub fn backing_off(&mut self) -> usize {
        self.backoff.count(Instant::now(), &self.work)
    }

    /// Whether work was refused and rests.
    #[must_use]
    pub fn rests(&self, work: &Work) -> bool {
        !self.backoff.is_ready(work, Instant::now())
    }

    /// Whether work is going to be tried again since the node did not answer, or did not include it.
    #[must_use]
    pub fn hopes(&self) -> bool {
        self.backoff.hopes()
    }

    /// The book has heard of an account: what was done for it need not be waited for any more. Slots do not say so: a node may
    /// name another one to a change than to the transaction that made it, or the same one to all changes.
    pub fn heard(&mut self, account: &Pubkey) {
        self.awaited.remove(account);
        if let Some(heard) = self.accounts.get_mut(account) {
            *heard = true;
        }
    }

    /// Whether the book is about to hear of what was done for an account.
    #[must_use]
    pub fn awaits(&self, account: &Pubkey) -> bool {
        self.awaited.contains_key(account)
    }

    /// Whether work may be begun but for room: it does not rest, and nothing is under way about its account.
    #[must_use]
    pub fn may_begin(&self, work: &Work) -> bool {
        self.is_ready(work, Instant::now())
    }

    /// Begins as much of the work as there is room for, in its order. Returns how much could be begun but for room.
    pub fn begin(&mut self, work: Vec<Work>, state: &State) -> usize {
        self.begin_at(Instant::now(), work, state)
    }

    fn begin_at(&mut self, now: Instant, work: Vec<Work>, state: &State) -> usize {
        self.awaited.retain(|_, until| *until > now);
        // What is known is copied for those who act, not for those who look.
        let mut copy: Option<Arc<State>> = None;
        let mut ready = 0;
        for one in work {
            if !self.is_ready(&one, now) {
                continue;
            }
            ready += 1;
            let room = self.concurrency.saturating_sub(self.in_flight());
            let reserved = match one.role() {
                Role::Liquidate => RESERVED.min(self.concurrency / 2),
                role if role.is_vital() => 0,
                _ => (self.concurrency - 1) / 2,
            };
            if room > reserved {
                self.spawn(one, Arc::clone(copy.get_or_insert_with(|| Arc::new(state.clone()))));
            }
        }
        ready
    }

    fn is_ready(&self, work: &Work, now: Instant) -> bool {
        let account = work.account();
        let busy = account.is_some_and(|a| self.accounts.contains_key(&a) || self.awaited.contains_key(&a));
        !busy && !self.work.contains(work) && self.backoff.is_ready(work, now)
    }

    fn spawn(&mut self, work: Work, state: Arc<State>) {
        let (actor, patience) = (Arc::clone(&self.actor), self.patience(&work));
        let urgency = self.backoff.times(&work, NOT_INCLUDED);
        self.work.insert(work.clone());
        self.accounts.extend(work.account().map(|account| (account, false)));
        let what = work.clone();
        let task = self.running.spawn(async move {
            tokio::time::sleep(patience).await;
            let end = actor.act((&work, urgency), &state).await;
            (work, end)
        });
        self.tasks.insert(task.id(), what);
    }

    /// How long a keeper that was late lately lets others go first.
    fn patience(&self, work: &Work) -> Duration {
        let steps = self.losses.min(PATIENCE_STEPS);
        let chance = u32::from(self.chance.hash_one((work, Instant::now())).to_le_bytes()[0]);
        (PATIENCE * steps / 256).saturating_mul(chance)
    }

    /// The next piece of work that ends; waits for it, for ever if nothing is under way. Nothing is lost when the future is
    /// dropped.
    pub async fn ended(&mut self) -> Option<(Work, End)> {
        loop {
            let joined = self.running.join_next_with_id().await?;
            if let Some(ended) = self.joined(joined) {
                return Some(ended);
            }
        }
    }

    /// The next piece of work that has ended already.
    pub fn ended_too(&mut self) -> Option<(Work, End)> {
        loop {
            let joined = self.running.try_join_next_with_id()?;
            if let Some(ended) = self.joined(joined) {
                return Some(ended);
            }
        }
    }

    fn joined(&mut self, joined: Result<(Id, (Work, End)), JoinError>) -> Option<(Work, End)> {
        let (work, end) = match joined {
            Ok((id, ended)) => {
                self.tasks.remove(&id);
                ended
            }
            // A panic in a task: the others go on, and this work rests as what was refused does.
            Err(error) => {
                let work = self.tasks.remove(&error.id())?;
                tracing::error!(%work, %error, "work ended in a way that it must not");
                (work, End::Refused("Panicked".to_string()))
            }
        };
        self.note(&work, &end, Instant::now());
        Some((work, end))
    }

    fn note(&mut self, work: &Work, end: &End, now: Instant) {
        self.work.remove(work);
        let heard = work.account().and_then(|account| Some((account, self.accounts.remove(&account)?)));
        self.backoff.served(work, !matches!(end, End::Unsure | End::Unreachable(_)));
        let summary = &mut self.summary;
        match end {
            End::Done { earned } => {
                summary.confirmed += 1;
                summary.earned = summary.earned.saturating_add(*earned);
                self.losses = self.losses.saturating_sub(1);
                self.backoff.done(work);
                match heard {
                    // It was told before the node said that it was done.
                    Some((_, true)) => {}
                    Some((account, false)) => drop(self.awaited.insert(account, now + NEWS)),
                    None => self.backoff.pause(work, 2 * NOT_YET, now),
                }
            }
            End::Entangled => self.backoff.done(work),
            End::Nothing | End::Wait | End::Gone | End::Outdated => {
                self.backoff.pause(work, NOT_YET, now);
            }
            End::Refused(reason) if is_moot(reason) => self.backoff.pause(work, MOOT, now),
            End::Refused(reason) => {
                summary.refused += 1;
                self.backoff.refused(work, reason, now);
            }
            End::Lost(reason) => {
                summary.lost += 1;
                let late = u32::from(is_moot(reason));
                self.losses = self.losses.saturating_add(late).min(PATIENCE_STEPS);
                self.backoff.refused(work, reason, now);
            }
            End::Unsure => {
                summary.lost += 1;
                self.backoff.refused(work, NOT_INCLUDED, now);
            }
            End::Unreachable(_) => self.backoff.pause(work, UNREACHABLE, now),
            End::DryRun => {
                summary.dry += 1;
                self.backoff.refused(work, "DryRun", now);
            }
            End::NoBudget => self.backoff.pause(work, NO_BUDGET, now),
        }
    }
}
