//! What there is to do, by role, and how it is done.
//!
//! Each role says twice what it thinks: [`find`] looks at everything the keeper knows, many times a second, and names work;
//! [`plan`] looks at one piece of work with accounts that were just read, and builds the transactions to try. Both ask the
//! engine whether the program would do it, so nothing is built that is known to fail.

mod allocate;
mod bankruptcy;
mod collateral;
mod deleverage;
mod liquidate;
mod refresh;
mod settle;
mod sweep;
mod trigger;

use bulwark_sdk::forecast::Moment;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::instruction::{BuildError, Margin};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::refresh::{Leg, legs_of};
use bulwark_sdk::rpc::MarketContext;
use bulwark_sdk::{Instruction, Pubkey};
use thiserror::Error;

use crate::book::Book;
use crate::config::{Role, Roles};
use crate::rules::Rules;
use crate::state::State;
use crate::work::Work;

pub use liquidate::inventory;
pub use sweep::Swept;

/// Whose the keeper is: who signs, and the margin account that is paid and takes positions over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Owner or delegate of the margin account.
    pub authority: Pubkey,
    /// Margin account.
    pub margin: Pubkey,
}

/// Everything that the keeper knows.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The exchange.
    pub state: &'a State,
    /// Its markets and vaults after a refresh.
    pub snapshot: &'a Snapshot<'a>,
    /// All margin accounts.
    pub book: &'a Book,
    /// Whose the keeper is.
    pub own: Own,
    /// What it may do.
    pub rules: &'a Rules,
    /// When fees of a market were first seen waiting.
    pub swept: &'a Swept,
    /// Whether a piece of work may be begun now: what rests, or is not to be done, must not stand in the way of other work where
    /// only so much is named at once.
    pub ready: &'a (dyn Fn(&Work) -> bool + Sync),
}

impl View<'_> {
    /// Clock that programs see.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.state.moment
    }

    fn markets(&self) -> impl Iterator<Item = &Market> {
        self.state.markets.values().map(|listed| &*listed.forecast)
    }
}

/// What there is to do for these roles, the most urgent first.
#[must_use]
pub fn find(roles: &Roles, view: View<'_>) -> Vec<Work> {
    let mut all = Vec::new();
    for role in Role::ALL.into_iter().filter(|role| roles.contains(*role)) {
        all.extend(match role {
            Role::Refresh => refresh::find(view),
            Role::Liquidate => liquidate::find(view),
            Role::Bankruptcy => bankruptcy::find(view),
            Role::Deleverage => deleverage::find(view),
            Role::Trigger => trigger::find(view),
            Role::Settle => settle::find(view),
            Role::Allocate => allocate::find(view),
            Role::Sweep => sweep::find(view),
        });
    }
    all
}

/// Accounts that were read for one piece of work, forecasts in the place of stored prices.
pub struct Fresh<'a> {
    /// What refreshes are made of.
    pub state: &'a State,
    /// The exchange.
    pub context: &'a MarketContext,
    /// As stored, to see what has to be refreshed.
    pub stored: &'a MarketContext,
    /// The margin account that it is about.
    pub account: Option<Margin<'a>>,
    /// Whose the keeper is.
    pub own: Own,
    /// Its margin account, if it is open.
    pub purse: Option<&'a MarginAccount>,
    /// What it may do.
    pub rules: &'a Rules,
}

/// Why something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motive {
    /// It has to be done by somebody, and pays nothing.
    Service,
    /// It has to bring the least profit after fees.
    Profit,
}

/// A transaction to try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Refreshes in front; the first one is the nearest.
    pub refreshes: Vec<Instruction>,
    /// What is to be done.
    pub main: Vec<Instruction>,
    /// Why.
    pub motive: Motive,
}

/// How a piece of work is to be done.
#[derive(Clone, Debug)]
pub enum Plan {
    /// There is nothing to do any more.
    Nothing,
    /// Not yet.
    Wait,
    /// One of these, the first that passes its simulation and pays.
    Try(Vec<Attempt>),
}

impl Plan {
    /// One transaction to try.
    #[must_use]
    pub fn one(motive: Motive, refreshes: Vec<Instruction>, main: Vec<Instruction>) -> Self {
        Self::Try(vec![Attempt { refreshes, main, motive }])
    }
}

/// Why work can't be planned.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The accounts do not allow an answer.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// An instruction can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Something is gone that the work is about.
    #[error("{0} is gone")]
    Gone(&'static str),
}

impl<'a> Fresh<'a> {
    /// The account that the work is about.
    ///
    /// # Errors
    /// [`PlanError::Gone`].
    pub fn account(&self) -> Result<Margin<'a>, PlanError> {
        self.account.ok_or(PlanError::Gone("the margin account"))
    }

    /// A market after a refresh.
    ///
    /// # Errors
    /// [`PlanError::Gone`].
    pub fn market(&self, index: u16) -> Result<&'a Market, PlanError> {
        self.context.markets.get(&index).map(|market| &**market).ok_or(PlanError::Gone("the market"))
    }

    /// Margin account that pay goes to; none unless it is open.
    #[must_use]
    pub fn pay_to(&self) -> Option<Pubkey> {
        self.purse.map(|_| self.own.margin)
    }

    /// Refreshes of what accounts need: of what is traded in any case, and last, for it stands first; of the rest what is old,
    /// and what has another price now, for that is the price they were judged by.
    ///
    /// # Errors
    /// [`PlanError::Health`] if a leg is not there.
    pub fn refreshes(
        &self,
        accounts: &[&MarginAccount],
        traded: Option<Leg>,
    ) -> Result<Vec<Instruction>, PlanError> {
        let (stored, mut legs) = (self.stored.snapshot(), Vec::from_iter(traded));
        for account in accounts {
            let moved = legs_of(account).filter(|leg| self.has_moved(*leg));
            for leg in moved.chain(stored.old_legs(account, None)?) {
                if !legs.contains(&leg) {
                    legs.push(leg);
                }
            }
        }
        Ok(self.refresh(&legs))
    }

    /// Whether a price is another one after a refresh.
    #[must_use]
    pub fn has_moved(&self, leg: Leg) -> bool {
        let price = |context: &MarketContext| context.oracle(leg).map(|oracle| oracle.price);
        price(self.stored) != price(self.context)
    }

    /// Refreshes of these.
    #[must_use]
    pub fn refresh(&self, legs: &[Leg]) -> Vec<Instruction> {
        legs.iter().filter_map(|leg| self.state.refresh(*leg)).collect()
    }

    /// Addresses that instructions name.
    #[must_use]
    pub const fn listings(&self) -> &'a Listings {
        &self.state.listings
    }
}

/// How a piece of work is to be done, now that the accounts were read again.
///
/// # Errors
/// [`PlanError`].
pub fn plan(work: &Work, fresh: &Fresh<'_>) -> Result<Plan, PlanError> {
    match work {
        Work::Refresh(legs) => Ok(refresh::plan(legs, fresh)),
        Work::Suspend(market) | Work::Resume(market) => refresh::plan_status(work, fresh, *market),
        Work::Liquidate(_) => liquidate::plan(fresh),
        Work::SellCollateral(_) => collateral::plan(fresh),
        Work::Unload(market) => liquidate::plan_unload(fresh, *market),
        Work::Resolve(_, market) => bankruptcy::plan(fresh, *market),
        Work::Rebalance(market) => bankruptcy::plan_rebalance(fresh, *market),
        Work::Deleverage(_, market) => deleverage::plan(fresh, *market),
        Work::Trigger(_, id) => trigger::plan(fresh, *id),
        Work::Settle(_, market) => settle::plan(fresh, *market),
        Work::Close(market) => settle::plan_close(fresh, *market),
        Work::Allocate(market) => allocate::plan(fresh, *market),
        Work::Sweep(market) => Ok(sweep::plan(fresh, *market)),
    }
}
