//! Calls that go together in one transaction.
//!
//! A fall brings accounts into trouble by the dozen in the same moment. Handing positions to the pool and calling auctions
//! needs nothing of the keeper's own, and none of them waits for another. So while one transaction is prepared, whatever
//! else is ready waits, and goes together in the next one: alone if there is nothing else, many for one base fee and one
//! refresh of their prices if there is.
//!
//! One that would fail is left behind by the simulation. What went with others and was not done, for whatever reason, goes alone
//! the next time, and waits for nobody: so nobody who comes in between with one account keeps the others waiting, and what
//! only fails together does not fail for ever.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turns, oneshot};

use super::load::{Ride, instructions};
use super::{Actor, End};
use crate::roles::Motive;
use crate::state::State;
use crate::work::Work;

/// Most that go in one transaction: what one of them loses all have to do again.
const MOST: usize = 8;
/// How long work goes alone after it went with others and was not done, unless it is done before.
const APART: Duration = Duration::from_secs(30);

/// Who waits to go with others.
#[derive(Debug, Default)]
pub struct Together {
    waiting: Mutex<Waiting>,
    /// Held by the one that prepares a transaction.
    turn: Turns<()>,
}

/// Work that waits, and where its end is told.
#[derive(Debug)]
struct Seat {
    ride: Ride,
    tell: oneshot::Sender<End>,
}

#[derive(Debug, Default)]
struct Waiting {
    seats: VecDeque<Seat>,
    /// Work that goes alone, and until when.
    apart: HashMap<Work, Instant>,
}

impl Waiting {
    /// Whether work goes alone.
    fn goes_alone(&mut self, work: &Work, now: Instant) -> bool {
        self.apart.retain(|_, until| *until > now);
        self.apart.contains_key(work)
    }

    /// A piece of work and those that go with it; nobody if it was taken along already. `fits`: whether these make a transaction.
    fn board(&mut self, own: &Work, fits: impl Fn(&[&Ride]) -> bool) -> Vec<Seat> {
        let Some(at) = self.seats.iter().position(|seat| seat.ride.work == *own) else { return Vec::new() };
        let mut load: Vec<Seat> = self.seats.remove(at).into_iter().collect();
        while let Some(next) = self.seats.front() {
            let rides: Vec<&Ride> = load.iter().chain([next]).map(|seat| &seat.ride).collect();
            if rides.len() > MOST || !fits(&rides) {
                break;
            }
            load.extend(self.seats.pop_front());
        }
        load
    }

    /// What became of those that went together, or alone.
    fn note(&mut self, ends: &[(Work, End)], now: Instant) {
        for (work, end) in ends {
            match end {
                End::Done { .. } | End::DryRun => drop(self.apart.remove(work)),
                _ if ends.len() > 1 => drop(self.apart.insert(work.clone(), now + APART)),
                _ => {}
            }
        }
    }
}

impl Together {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor {
    /// A piece of work that goes with whatever else waits.
    pub(super) async fn carry_together(&self, ride: Ride, state: &State) -> End {
        let work = ride.work.clone();
        if self.together.waiting().goes_alone(&work, Instant::now()) {
            let end = self.carry_alone(ride, (Motive::Service, state)).await;
            self.together.waiting().note(&[(work, end.clone())], Instant::now());
            return end;
        }
        let (tell, told) = oneshot::channel();
        self.together.waiting().seats.push_back(Seat { ride, tell });
        let turn = self.together.turn.lock().await;
        let fits = |rides: &[&Ride]| self.packing().fits(&instructions(rides.iter().copied())).is_ok();
        let load = self.together.waiting().board(&work, fits);
        if load.is_empty() {
            drop(turn);
        } else {
            let mut tells: HashMap<Work, oneshot::Sender<End>> = HashMap::new();
            let mut rides = Vec::with_capacity(load.len());
            for Seat { ride, tell } in load {
                tells.insert(ride.work.clone(), tell);
                rides.push(ride);
            }
            let ends = self.carry_all(rides, turn, state).await;
            self.together.waiting().note(&ends, Instant::now());
            for (work, end) in ends {
                // Who does not listen any more was ended by a shutdown.
                let _ = tells.remove(&work).map(|tell| tell.send(end));
            }
        }
        // Nobody tells if the one that took it along was ended.
        told.await.unwrap_or(End::Unsure)
    }
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::Pubkey;

    use super::*;

    const DONE: End = End::Done { earned: 0 };

    fn work(account: u8) -> Work {
        Work::Liquidate(Pubkey::new_from_array([account; 32]))
    }

    fn waiting(accounts: impl IntoIterator<Item = u8>) -> Waiting {
        let mut waiting = Waiting::default();
        for account in accounts {
            let ride = Ride { work: work(account), urgency: 0, refreshes: Vec::new(), main: Vec::new() };
            waiting.seats.push_back(Seat { ride, tell: oneshot::channel().0 });
        }
        waiting
    }

    fn board(waiting: &mut Waiting, own: u8, fits: impl Fn(&[&Ride]) -> bool) -> Vec<Work> {
        waiting.board(&work(own), fits).into_iter().map(|seat| seat.ride.work).collect()
    }

    fn left(waiting: &Waiting) -> Vec<Work> {
        waiting.seats.iter().map(|seat| seat.ride.work.clone()).collect()
    }

    #[test]
    fn whoever_waits_goes_along_in_order_and_nobody_goes_twice() {
        let mut waiting = waiting(1..=4);
        assert_eq!(board(&mut waiting, 3, |_| true), [3, 1, 2, 4].map(work), "its own work first");
        assert_eq!(board(&mut waiting, 1, |_| true), [], "it was taken along");
    }

    #[test]
    fn as_many_go_as_fit_and_no_more_than_the_most() {
        let mut some = waiting(1..=5);
        assert_eq!(board(&mut some, 1, |rides| rides.len() <= 3), [1, 2, 3].map(work));
        assert_eq!(left(&some), [4, 5].map(work));
        assert_eq!(board(&mut some, 4, |_| false), [work(4)], "whoever's turn it is goes");
        let mut many = waiting(1..=20);
        assert_eq!(board(&mut many, 1, |_| true).len(), MOST);
        assert_eq!(left(&many).len(), 20 - MOST);
    }

    #[test]
    fn what_went_with_others_and_was_not_done_goes_alone_until_it_is_or_time_has_passed() {
        let (mut queue, now) = (Waiting::default(), Instant::now());
        let alone =
            |queue: &mut Waiting, now| [1, 2, 3, 4].map(|account| queue.goes_alone(&work(account), now));
        let lost = || End::Lost("Healthy".to_string());
        queue.note(
            &[(work(1), lost()), (work(2), End::Entangled), (work(3), DONE), (work(4), End::DryRun)],
            now,
        );
        assert_eq!(alone(&mut queue, now), [true, true, false, false]);
        queue.note(&[(work(4), lost())], now);
        queue.note(&[(work(1), DONE)], now);
        assert_eq!(alone(&mut queue, now), [false, true, false, false], "who fails alone disturbs nobody");
        assert_eq!(alone(&mut queue, now + APART), [false; 4]);
        assert!(queue.apart.is_empty(), "nothing is remembered for ever");
    }
}
