//! One transaction: simulate, ask whether it pays, send, confirm, and tell everybody who was in it.

use std::time::{Duration, Instant};

use bulwark_sdk::rpc::{self, Cause, Failure, FeePolicy, Prepared, Receipt, SendError};

use super::load::{Ride, blame, instructions};
use super::{Actor, End};
use crate::config::Role;
use crate::earnings::{cost, earnings, earnings_from};
use crate::metrics::Outcome;
use crate::roles::Motive;
use crate::state::State;
use crate::work::Work;

/// By how many percentiles a transaction pays more for each time that it was not included, and up to which.
const PERCENTILES_MORE: u8 = 15;
const MOST: u8 = 95;
/// Longest wait for the simulation of what others wait for, too.
const PREPARED_WITHIN: Duration = Duration::from_secs(4);

/// How each piece of work ended that was to go in a transaction.
pub(super) type Ends = Vec<(Work, End)>;

fn all(rides: Vec<Ride>, end: &End) -> Ends {
    rides.into_iter().map(|ride| (ride.work, end.clone())).collect()
}

impl Actor {
    /// A transaction of one piece of work.
    pub(super) async fn carry_alone(&self, ride: Ride, (motive, state): (Motive, &State)) -> End {
        let prepared = self.prepare(vec![ride]).await;
        self.weigh_and_send(prepared, (motive, state)).await.pop().map_or(End::Nothing, |(_, end)| end)
    }

    /// A transaction of several pieces of work that pay nothing: those that fail its simulation are left behind. `turn` is given
    /// back once the others are ready to be sent.
    pub(super) async fn carry_all(&self, rides: Vec<Ride>, turn: impl Send, state: &State) -> Ends {
        let works: Vec<Work> = rides.iter().map(|ride| ride.work.clone()).collect();
        let prepared = tokio::time::timeout(PREPARED_WITHIN, self.prepare(rides)).await;
        drop(turn);
        let Ok(prepared) = prepared else {
            let end = End::Unreachable("the node does not answer to a simulation".to_string());
            return works.into_iter().map(|work| (work, end.clone())).collect();
        };
        self.weigh_and_send(prepared, (Motive::Service, state)).await
    }

    /// How it is sent: what was not included lately pays what more of the others pay, up to the cap, which is for each piece of work.
    pub(super) fn options(&self, rides: &[Ride]) -> rpc::Options {
        let fee = match self.options.fee {
            FeePolicy::Recent { percentile, cap } => {
                let urgency = rides.iter().map(|ride| ride.urgency).max().unwrap_or(0);
                let more = u8::try_from(urgency).unwrap_or(u8::MAX).saturating_mul(PERCENTILES_MORE);
                FeePolicy::Recent {
                    percentile: percentile.saturating_add(more).min(percentile.max(MOST)),
                    cap: cap.saturating_mul(u64::try_from(rides.len()).unwrap_or(u64::MAX)),
                }
            }
            other => other,
        };
        self.options.clone().with_fee(fee)
    }

    /// A transaction that passed its simulation with those that are in it, and how it ended for all others.
    async fn prepare(&self, mut rides: Vec<Ride>) -> (Option<(Prepared, Vec<Ride>)>, Ends) {
        let mut ends = Ends::new();
        while let Some(role) = role_of(&rides) {
            let (of_all, options) = (instructions(rides.iter()), self.options(&rides));
            let prepared = self.client.prepare(&of_all, &self.own.authority, &options).await;
            let (blamed, name, text) = match prepared {
                Ok(prepared) => return (Some((prepared, rides)), ends),
                Err(SendError::Rpc(error)) => {
                    ends.extend(all(rides, &End::Unreachable(error.to_string())));
                    break;
                }
                Err(SendError::Failed(failure)) => {
                    let (blamed, others) = blame(rides, failure.instruction);
                    rides = others;
                    (blamed, name_of(&failure), failure.to_string())
                }
                Err(error) => (std::mem::take(&mut rides), "NotSendable".to_string(), error.to_string()),
            };
            self.metrics.transaction(role, Outcome::Refused);
            ends.extend(blamed.into_iter().map(|Ride { work, .. }| {
                let end = self.refuse(&work, &name, &text);
                (work, end)
            }));
        }
        (None, ends)
    }

    async fn weigh_and_send(
        &self,
        (prepared, mut ends): (Option<(Prepared, Vec<Ride>)>, Ends),
        why: (Motive, &State),
    ) -> Ends {
        if let Some((prepared, rides)) = prepared {
            ends.extend(match self.weigh(&rides, &prepared, why) {
                Some(end) => all(rides, &end),
                None => self.send(rides, &prepared).await,
            });
        }
        ends
    }

    /// Whether a transaction that would go through is worth sending; `None` if it is.
    fn weigh(&self, rides: &[Ride], prepared: &Prepared, (motive, state): (Motive, &State)) -> Option<End> {
        let role = role_of(rides)?;
        let lamports = fee_of(prepared);
        let gain = earnings(&prepared.log.events, &self.own.margin);
        let profit = gain.saturating_sub(state.worth_of_lamports(lamports, self.rules.sol_price));
        if motive == Motive::Profit && profit < self.rules.min_profit {
            self.metrics.transaction(role, Outcome::Unprofitable);
            tracing::debug!(work = %tell(rides), gain, profit, "would not pay");
            return Some(End::Refused("Unprofitable".to_string()));
        }
        if self.dry_run {
            self.metrics.transaction(role, Outcome::DryRun);
            let units = prepared.simulated_units;
            let (work, role) = (tell(rides), role.as_str());
            tracing::info!(%work, role, gain, profit, units, "dry run: would send");
            return Some(End::DryRun);
        }
        if !self.ledger.set_aside(lamports, (role.is_vital(), Instant::now())) {
            self.metrics.fee_budget_exhausted.inc();
            return Some(End::NoBudget);
        }
        None
    }

    async fn send(&self, rides: Vec<Ride>, prepared: &Prepared) -> Ends {
        let sent = self.client.submit(prepared, &[&*self.signer], &self.options).await;
        if matches!(sent, Ok(_) | Err(SendError::Failed(_))) {
            self.metrics.fees_lamports.inc_by(fee_of(prepared));
        }
        match sent {
            Ok(receipt) => self.done(rides, prepared, &receipt),
            Err(SendError::Failed(failure)) => self.failed(rides, &failure),
            Err(error) => {
                if !matches!(error, SendError::Unknown { .. }) {
                    self.ledger.take_back(fee_of(prepared));
                }
                let end = self.not_included(&rides, &error);
                all(rides, &end)
            }
        }
    }

    /// What it brought is what its simulation brought: a moment lies between the two, `keeper report` reads what was paid.
    fn done(&self, rides: Vec<Ride>, prepared: &Prepared, receipt: &Receipt) -> Ends {
        let (signature, slot, units) = (&receipt.signature, receipt.slot, prepared.simulated_units);
        let Some(role) = role_of(&rides) else { return Ends::new() };
        self.metrics.transaction(role, Outcome::Confirmed);
        let end = |Ride { work, .. }| {
            let earned = earnings_from(&prepared.log.events, &self.own.margin, work.account());
            tracing::info!(%work, role = role.as_str(), %signature, slot, units, earned, "done");
            (work, End::Done { earned })
        };
        rides.into_iter().map(end).collect()
    }

    /// It cost its fee and did nothing.
    fn failed(&self, rides: Vec<Ride>, failure: &Failure) -> Ends {
        let Some(role) = role_of(&rides) else { return Ends::new() };
        self.metrics.transaction(role, Outcome::Failed);
        self.metrics.lost_race(role);
        tracing::warn!(work = %tell(&rides), role = role.as_str(), error = %failure, "failed on the chain");
        let (blamed, others) = blame(rides, failure.instruction);
        let mut ends = all(blamed, &End::Lost(name_of(failure)));
        ends.extend(all(others, &End::Entangled));
        ends
    }

    fn not_included(&self, rides: &[Ride], error: &SendError) -> End {
        let Some(role) = role_of(rides) else { return End::Nothing };
        let work = tell(rides);
        match error {
            SendError::Unknown { .. } => {
                self.metrics.transaction(role, Outcome::Unknown);
                tracing::warn!(%work, role = role.as_str(), %error, "nobody says what became of it");
                End::Unsure
            }
            SendError::Expired(_) => {
                self.metrics.transaction(role, Outcome::Expired);
                tracing::warn!(%work, role = role.as_str(), %error, "not included");
                End::Unsure
            }
            error => End::Unreachable(error.to_string()),
        }
    }
}

/// Role of all of them: only liquidations go together.
fn role_of(rides: &[Ride]) -> Option<Role> {
    Some(rides.first()?.work.role())
}

/// Lamports that it costs.
fn fee_of(prepared: &Prepared) -> u64 {
    cost(1, prepared.limit, prepared.price)
}

/// What is in a transaction, for people.
fn tell(rides: &[Ride]) -> String {
    rides.iter().map(|ride| ride.work.to_string()).collect::<Vec<_>>().join(", ")
}

/// Name of what a transaction failed with.
fn name_of(failure: &Failure) -> String {
    match &failure.cause {
        Cause::Bulwark(error) => format!("{error:?}"),
        Cause::Anchor { name, .. } => name.clone(),
        Cause::Other { .. } => "OtherProgram".to_string(),
        Cause::Runtime(_) => "Runtime".to_string(),
    }
}
