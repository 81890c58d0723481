//! One piece of work: read its accounts again, plan, simulate, ask whether it pays, send, confirm.
//!
//! A transaction that fails its simulation is never sent. One that passes can still be too late: somebody else was first.
//! That costs a base fee and is counted. Nothing is ever half done, for each call is in one transaction.

use std::sync::Arc;
use std::time::Instant;

use bulwark_sdk::Pubkey;
use bulwark_sdk::instruction::Margin;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::plan::{Packing, split};
use bulwark_sdk::rpc::{self, Client, Context, MarketContext, RpcError};
use solana_keypair::Keypair;

use crate::config::Role;
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Outcome};
use crate::roles::{self, Attempt, Fresh, Motive, Own, Plan};
use crate::rules::Rules;
use crate::state::State;
use crate::work::Work;

mod carry;
mod load;
#[cfg(test)]
mod tests;
mod together;

use load::Ride;
pub use together::Together;

/// How work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was done.
    Done {
        /// Quote units earned, fees not taken off.
        earned: i64,
    },
    /// There was nothing to do any more.
    Nothing,
    /// Not yet: the auction goes on.
    Wait,
    /// The account is gone.
    Gone,
    /// It would not have gone through, or not paid: the name of the reason.
    Refused(String),
    /// It was sent, and somebody else was first.
    Lost(String),
    /// It went with another that failed.
    Entangled,
    /// It was sent, and not included, or nobody can say what became of it.
    Unsure,
    /// The node did not answer.
    Unreachable(String),
    /// Something was listed or closed since the listings were read.
    Outdated,
    /// It would have been sent, but this is a dry run.
    DryRun,
    /// Enough was spent in this hour.
    NoBudget,
}

/// Who acts.
#[derive(Debug)]
pub struct Actor {
    /// The cluster.
    pub client: Client,
    /// Who signs and pays.
    pub signer: Arc<Keypair>,
    /// Whose margin account is paid.
    pub own: Own,
    /// What it may do.
    pub rules: Rules,
    /// How it sends.
    pub options: rpc::Options,
    /// Whether nothing is sent.
    pub dry_run: bool,
    /// What it may spend.
    pub ledger: Ledger,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Who waits to go with others.
    pub together: Together,
}

/// What was read for a piece of work.
struct Read {
    stored: MarketContext,
    foreseen: MarketContext,
    account: Option<(Pubkey, Box<MarginAccount>)>,
    purse: Option<Box<MarginAccount>>,
}

impl Actor {
    /// Does one piece of work, as far as there is something to do. `urgency` counts how often it was sent and not included.
    pub async fn act(&self, (work, urgency): (&Work, u32), state: &State) -> End {
        let begun = Instant::now();
        self.metrics.task(work.role());
        let end = match self.read(work, state).await {
            Ok(read) => self.attempt((work, urgency), state, &read).await,
            Err(RpcError::Missing { what: "margin account", .. }) => End::Gone,
            Err(RpcError::ListingsOutOfDate) => End::Outdated,
            Err(error) => End::Unreachable(error.to_string()),
        };
        if let End::Done { earned } = end {
            self.metrics.done(work.role(), u64::try_from(earned).unwrap_or(0));
        }
        self.metrics.action(work.role(), begun.elapsed());
        end
    }

    async fn read(&self, work: &Work, state: &State) -> Result<Read, RpcError> {
        let own = self.client.fetch::<MarginAccount>(&self.own.margin);
        let (stored, account, purse) = match work.account() {
            Some(key) => {
                let (context, own) = tokio::join!(self.client.context(&state.listings, &key), own);
                let Context { all, address, account } = context?;
                (all, Some((address, account)), own?)
            }
            None => {
                let (all, own) = tokio::join!(self.client.market_context(&state.listings), own);
                (all?, None, own?)
            }
        };
        let mut foreseen = stored.clone();
        state.foresee_context(&mut foreseen);
        Ok(Read { stored, foreseen, account, purse })
    }

    async fn attempt(&self, (work, urgency): (&Work, u32), state: &State, read: &Read) -> End {
        let account = read.account.as_ref().map(|(address, account)| Margin { address: *address, account });
        let fresh = Fresh {
            state,
            context: &read.foreseen,
            stored: &read.stored,
            account,
            own: self.own,
            purse: read.purse.as_deref(),
            rules: &self.rules,
        };
        let attempts = match roles::plan(work, &fresh) {
            Ok(Plan::Nothing) => return End::Nothing,
            Ok(Plan::Wait) => return End::Wait,
            Ok(Plan::Try(attempts)) => attempts,
            Err(error) => return End::Refused(name_of_plan(&error)),
        };
        let mut last = End::Refused("NoAttempt".to_string());
        for attempt in attempts {
            last = self.try_one((work, urgency), attempt, state).await;
            if !matches!(last, End::Refused(_)) {
                return last;
            }
        }
        last
    }

    /// One attempt: refreshes that do not fit go ahead, in transactions of their own. Liquidations that need nothing of the keeper's
    /// own go together.
    async fn try_one(&self, (work, urgency): (&Work, u32), attempt: Attempt, state: &State) -> End {
        let Attempt { refreshes, main, motive } = attempt;
        let mut transactions = match split(self.packing(), &refreshes, &main) {
            Ok(transactions) => transactions,
            Err(error) => {
                self.metrics.transaction(work.role(), Outcome::Refused);
                return self.refuse(work, "TooLarge", &error.to_string());
            }
        };
        let mut last = transactions.pop().unwrap_or_default();
        let ride = |refreshes, main| Ride { work: work.clone(), urgency, refreshes, main };
        for ahead in transactions {
            match self.carry_alone(ride(ahead, Vec::new()), (Motive::Service, state)).await {
                End::Done { .. } | End::DryRun => {}
                other => return other,
            }
        }
        last.truncate(last.len().saturating_sub(main.len()));
        let is_own = main.iter().flat_map(|one| &one.accounts).any(|account| account.is_signer);
        if work.role() == Role::Liquidate && motive == Motive::Service && !is_own {
            self.carry_together(ride(last, main), state).await
        } else {
            self.carry_alone(ride(last, main), (motive, state)).await
        }
    }

    fn packing(&self) -> Packing<'_> {
        let rpc::Options { tables, fee, .. } = &self.options;
        Packing { payer: self.own.authority, tables, fee: *fee }
    }

    fn refuse(&self, work: &Work, name: &str, text: &str) -> End {
        self.metrics.refusal(work.role(), name);
        tracing::debug!(%work, role = work.role().as_str(), error = text, "would not go through");
        End::Refused(name.to_string())
    }
}

fn name_of_plan(error: &roles::PlanError) -> String {
    match error {
        roles::PlanError::Health(_) => "NotJudged",
        roles::PlanError::Build(_) => "NotBuilt",
        roles::PlanError::Gone(_) => "Gone",
    }
    .to_string()
}
