//! Shares, of the pool and of the backstop, and the tickets of who leaves.

use bulwark_sdk::engine::waterfall::Fund as OnChain;
use bulwark_sdk::program::state::{Pool, RedeemTicket, UnstakeTicket};

/// The pool's cash and shares; shares by tranche, junior first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Idle cash.
    pub idle: i128,
    /// All shares.
    pub all: [i128; 2],
    /// Those in tickets.
    pub redeeming: [i128; 2],
    /// What a senior share is owed, Q56.
    pub index: i128,
    /// Until when it has grown.
    pub accrued_at: i64,
}

/// Shares on their way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// 0 junior, 1 senior.
    pub tranche: usize,
    /// How many.
    pub shares: i128,
    /// What they were worth, quote units.
    pub value: i128,
    /// When that was.
    pub since: i64,
}

/// Stake that is treated alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// What it is worth.
    pub value: i128,
    /// Shares that divide it.
    pub shares: i128,
}

/// The insurance fund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fund {
    /// Reserve.
    pub reserve: i128,
    /// Stake that earns.
    pub active: Stake,
    /// Stake on its way out.
    pub cooling: Stake,
    /// What the markets ask for and have of their own.
    pub cover: [i128; 2],
}

/// Stake in an unstake ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooling {
    /// Shares of the cooling side.
    pub shares: i128,
    /// What they were worth.
    pub value: i128,
    /// When that was.
    pub since: i64,
}

impl Shares {
    pub(super) fn read(pool: &Pool) -> Self {
        let core = &pool.core;
        Self {
            idle: i128::from(core.idle),
            all: [core.junior.shares, core.senior.shares].map(i128::from),
            redeeming: [core.junior.redeeming, core.senior.redeeming].map(i128::from),
            index: i128::from(core.senior_index),
            accrued_at: core.accrued_at,
        }
    }
}

impl Ticket {
    pub(super) fn read(ticket: &RedeemTicket) -> Self {
        let [shares, value] = [ticket.core.shares, ticket.core.value].map(i128::from);
        Self { tranche: usize::from(ticket.tranche), shares, value, since: ticket.core.requested_at }
    }
}

impl Fund {
    pub(super) fn read(fund: &OnChain) -> Self {
        let stake = |stake: bulwark_sdk::engine::backstop::Stake| Stake {
            value: stake.value.into(),
            shares: stake.shares.into(),
        };
        Self {
            reserve: fund.reserve.into(),
            active: stake(fund.backstop.active),
            cooling: stake(fund.backstop.cooling),
            cover: [fund.cover.required, fund.cover.own].map(i128::from),
        }
    }

    /// All stake.
    #[must_use]
    pub const fn staked(&self) -> i128 {
        self.active.value + self.cooling.value
    }

    /// Reserve and stake.
    #[must_use]
    pub const fn total(&self) -> i128 {
        self.reserve + self.staked()
    }
}

impl Cooling {
    pub(super) fn read(ticket: &UnstakeTicket) -> Self {
        let [shares, value] = [ticket.core.shares, ticket.core.value].map(i128::from);
        Self { shares, value, since: ticket.core.requested_at }
    }
}
