//! What there may be to do: one call, or a few in one transaction, that is of use to somebody.

use bulwark_sdk::Pubkey;
use bulwark_sdk::refresh::Leg;

use crate::config::Role;

/// Something to do. Two that are equal are the same work, whenever they were found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Take the oracles' prices in.
    Refresh(Vec<Leg>),
    /// Stop increases of a market without a price.
    Suspend(u16),
    /// Activate a suspended market that has a price again.
    Resume(u16),
    /// Bring an account out of trouble.
    Liquidate(Pubkey),
    /// Buy collateral of an account that owes more than the exchange lends, or owes it to a market in need.
    SellCollateral(Pubkey),
    /// Close what the keeper holds beyond its limit in a market.
    Unload(u16),
    /// Pay what a bankrupt account owes for a market.
    Resolve(Pubkey, u16),
    /// Unwind the winners of a market whose pool money is used up.
    Rebalance(u16),
    /// Reduce a position to the cut-off leverage.
    Deleverage(Pubkey, u16),
    /// Execute a trigger whose price has come.
    Trigger(Pubkey, u64),
    /// Settle a position, a claim or what is held back for a debt.
    Settle(Pubkey, u16),
    /// Close a market that has settled.
    Close(u16),
    /// Move pool money to or from a market.
    Allocate(u16),
    /// Distribute a market's fees.
    Sweep(u16),
}

impl Work {
    /// The role that it belongs to.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Refresh(_) | Self::Suspend(_) | Self::Resume(_) => Role::Refresh,
            Self::Liquidate(_) | Self::SellCollateral(_) | Self::Unload(_) => Role::Liquidate,
            Self::Resolve(..) | Self::Rebalance(_) => Role::Bankruptcy,
            Self::Deleverage(..) => Role::Deleverage,
            Self::Trigger(..) => Role::Trigger,
            Self::Settle(..) | Self::Close(_) => Role::Settle,
            Self::Allocate(_) => Role::Allocate,
            Self::Sweep(_) => Role::Sweep,
        }
    }

    /// The margin account that it changes, if that is somebody else's.
    #[must_use]
    pub const fn account(&self) -> Option<Pubkey> {
        match self {
            Self::Liquidate(account)
            | Self::SellCollateral(account)
            | Self::Resolve(account, _)
            | Self::Deleverage(account, _)
            | Self::Trigger(account, _)
            | Self::Settle(account, _) => Some(*account),
            _ => None,
        }
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refresh(legs) => write!(f, "refresh {legs:?}"),
            Self::Suspend(market) => write!(f, "suspend market {market}"),
            Self::Resume(market) => write!(f, "resume market {market}"),
            Self::Liquidate(account) => write!(f, "liquidate {account}"),
            Self::SellCollateral(account) => write!(f, "sell collateral of {account}"),
            Self::Unload(market) => write!(f, "unload inventory in market {market}"),
            Self::Resolve(account, market) => write!(f, "resolve {account} in market {market}"),
            Self::Rebalance(market) => write!(f, "rebalance market {market}"),
            Self::Deleverage(account, market) => write!(f, "deleverage {account} in market {market}"),
            Self::Trigger(account, id) => write!(f, "trigger {id} of {account}"),
            Self::Settle(account, market) => write!(f, "settle {account} in market {market}"),
            Self::Close(market) => write!(f, "close market {market}"),
            Self::Allocate(market) => write!(f, "allocate to market {market}"),
            Self::Sweep(market) => write!(f, "sweep market {market}"),
        }
    }
}
