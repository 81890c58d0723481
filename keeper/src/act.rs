//! One piece of work: read its accounts again, plan, simulate, ask whether it pays, send, confirm.
//!
//! A transaction that fails its simulation is never sent. One that passes can still be too late: somebody else was first.
//! That costs a base fee and is counted. Nothing is ever half done, for each call is one transaction.

use std::sync::Arc;
use std::time::Instant;

use bulwark_sdk::instruction::Margin;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::plan::{Packing, split};
use bulwark_sdk::rpc::{
    self, Cause, Client, Context, Failure, FeePolicy, MarketContext, Prepared, Receipt, RpcError, SendError,
};
use bulwark_sdk::{Instruction, Pubkey};
use solana_keypair::Keypair;

use crate::earnings::{cost, earnings};
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Outcome};
use crate::roles::{self, Attempt, Fresh, Motive, Own, Plan};
use crate::rules::Rules;
use crate::state::State;
use crate::work::Work;

/// By how many percentiles a transaction pays more for each time that it was not included, and up to which.
const PERCENTILES_MORE: u8 = 15;
const MOST: u8 = 95;

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
        let options = self.options(urgency);
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
        for attempt in &attempts {
            last = self.try_one(work, attempt, (state, &options)).await;
            if !matches!(last, End::Refused(_)) {
                return last;
            }
        }
        last
    }

    /// One attempt: refreshes that do not fit go ahead, in transactions of their own.
    async fn try_one(
        &self,
        work: &Work,
        attempt: &Attempt,
        (state, options): (&State, &rpc::Options),
    ) -> End {
        let packing = Packing { payer: self.own.authority, tables: &options.tables, fee: options.fee };
        let mut transactions = match split(packing, &attempt.refreshes, &attempt.main) {
            Ok(transactions) => transactions,
            Err(error) => return self.refuse(work, "TooLarge", &error.to_string()),
        };
        let last = transactions.pop().unwrap_or_default();
        for ahead in &transactions {
            match self.transact(work, ahead, (Motive::Service, state, options)).await {
                End::Done { .. } | End::DryRun => {}
                other => return other,
            }
        }
        self.transact(work, &last, (attempt.motive, state, options)).await
    }

    async fn transact(
        &self,
        work: &Work,
        instructions: &[Instruction],
        (motive, state, options): (Motive, &State, &rpc::Options),
    ) -> End {
        let prepared = match self.client.prepare(instructions, &self.own.authority, options).await {
            Ok(prepared) => prepared,
            Err(SendError::Failed(failure)) => {
                return self.refuse(work, &name_of(&failure), &failure.to_string());
            }
            Err(SendError::Rpc(error)) => return End::Unreachable(error.to_string()),
            Err(error) => return self.refuse(work, "NotSendable", &error.to_string()),
        };
        let lamports = cost(1, prepared.limit, prepared.price);
        if let Some(end) = self.weigh(work, (&prepared, lamports), (motive, state)) {
            return end;
        }
        let sent = self.client.submit(&prepared, &[&*self.signer], options).await;
        if matches!(sent, Ok(_) | Err(SendError::Failed(_))) {
            self.metrics.fees_lamports.inc_by(lamports);
        }
        match sent {
            Ok(receipt) => self.done(work, &prepared, &receipt),
            Err(error) => self.not_done(work, &error),
        }
    }

    /// How it is sent: what was not included lately pays what more of the others pay, up to the cap.
    fn options(&self, urgency: u32) -> rpc::Options {
        let fee = match self.options.fee {
            FeePolicy::Recent { percentile, cap } => {
                let more = u8::try_from(urgency).unwrap_or(u8::MAX).saturating_mul(PERCENTILES_MORE);
                FeePolicy::Recent {
                    percentile: percentile.saturating_add(more).min(percentile.max(MOST)),
                    cap,
                }
            }
            other => other,
        };
        self.options.clone().with_fee(fee)
    }

    /// Whether a transaction that would go through is worth sending; `None` if it is.
    fn weigh(
        &self,
        work: &Work,
        (prepared, lamports): (&Prepared, u64),
        (motive, state): (Motive, &State),
    ) -> Option<End> {
        let gain = earnings(&prepared.log.events, &self.own.margin);
        let profit = gain.saturating_sub(state.worth_of_lamports(lamports, self.rules.sol_price));
        if motive == Motive::Profit && profit < self.rules.min_profit {
            self.metrics.transaction(work.role(), Outcome::Unprofitable);
            tracing::debug!(%work, gain, profit, "would not pay");
            return Some(End::Refused("Unprofitable".to_string()));
        }
        if self.dry_run {
            self.metrics.transaction(work.role(), Outcome::DryRun);
            let units = prepared.simulated_units;
            tracing::info!(%work, role = work.role().as_str(), gain, profit, units, "dry run: would send");
            return Some(End::DryRun);
        }
        if !self.ledger.set_aside(lamports, Instant::now()) {
            self.metrics.fee_budget_exhausted.inc();
            return Some(End::NoBudget);
        }
        None
    }

    /// What it brought is what its simulation brought: a moment lies between the two, `keeper report` reads what was paid.
    fn done(&self, work: &Work, prepared: &Prepared, receipt: &Receipt) -> End {
        let (role, earned) = (work.role(), earnings(&prepared.log.events, &self.own.margin));
        self.metrics.transaction(role, Outcome::Confirmed);
        self.metrics.earned(role, u64::try_from(earned).unwrap_or(0));
        let (signature, slot, units) = (&receipt.signature, receipt.slot, prepared.simulated_units);
        tracing::info!(%work, role = role.as_str(), %signature, slot, units, earned, "done");
        End::Done { earned }
    }

    fn not_done(&self, work: &Work, error: &SendError) -> End {
        let role = work.role();
        match error {
            SendError::Failed(failure) => {
                self.metrics.transaction(role, Outcome::Failed);
                self.metrics.lost_race(role);
                let name = name_of(failure);
                tracing::warn!(%work, role = role.as_str(), error = %failure, "failed on the chain");
                End::Lost(name)
            }
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

    fn refuse(&self, work: &Work, name: &str, text: &str) -> End {
        self.metrics.transaction(work.role(), Outcome::Refused);
        self.metrics.refusal(work.role(), name);
        tracing::debug!(%work, role = work.role().as_str(), error = text, "would not go through");
        End::Refused(name.to_string())
    }
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

fn name_of_plan(error: &roles::PlanError) -> String {
    match error {
        roles::PlanError::Health(_) => "NotJudged",
        roles::PlanError::Build(_) => "NotBuilt",
        roles::PlanError::Gone(_) => "Gone",
    }
    .to_string()
}
