//! Everything that can be owned, as the chain shows it and as the [`reference`](mod@super::reference) has it.

use bulwark_sdk::engine::trigger::{MAX_TRIGGERS, Trigger};
use bulwark_sdk::program::state::{MarginAccount, Pool, RedeemTicket};

use super::dynamics::{Anchor, Dynamics, Total};
use super::exact::{self, Held, Mark};
use super::stage::{ACCOUNTS, MARKETS, TICKETS, VAULTS};
use super::state::State;

/// A market's money, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Till {
    /// Pool money in the market.
    pub cash: i128,
    /// The market's own insurance.
    pub insurance: i128,
    /// Fees not swept: pool, insurance fund, protocol.
    pub fees: [i128; 3],
    /// Principal lent by the pool and not given back.
    pub committed: i128,
}

/// A margin account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Quote balance.
    pub quote: i128,
    /// Collaterals by vault.
    pub collaterals: [i128; VAULTS],
    /// Positions and claims by market.
    pub positions: [Option<Held>; MARKETS],
    /// Orders that wait for a price, slot by slot.
    pub triggers: [Trigger; MAX_TRIGGERS],
    /// Orders of this kind so far.
    pub placed: u64,
}

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

/// Everything that can be owned, and what its worth depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Margin accounts; `None` unless open.
    pub holders: [Option<Holder>; ACCOUNTS],
    /// Markets.
    pub tills: [Till; MARKETS],
    /// Their prices, carry and volatility.
    pub dynamics: [Dynamics; MARKETS],
    /// What the vaults record.
    pub recorded: [i128; VAULTS],
    /// What the vaults' balances are measured against.
    pub anchors: [Anchor; VAULTS],
    /// The pool.
    pub pool: Shares,
    /// Redemptions under way.
    pub tickets: [Option<Ticket>; TICKETS],
    /// Insurance fund: reserve and stake.
    pub fund: [i128; 2],
    /// The protocol's fees.
    pub protocol: i128,
}

impl Holder {
    /// Reads an account.
    fn read(account: &MarginAccount) -> Self {
        let mut holder = Self {
            quote: i128::from(account.quote.0),
            triggers: account.triggers,
            placed: account.trigger_count,
            ..Self::default()
        };
        for slot in account.collaterals.iter().filter(|c| c.amount != 0) {
            holder.collaterals[usize::from(slot.vault)] += i128::from(slot.amount);
        }
        for p in account.positions.iter().filter(|p| p.is_open()) {
            let side = p.side().expect("a side");
            let (b, q) = (i128::from(p.lots.0), i128::from(p.quote.0));
            let held = Held { side, b, q, since: p.increased_at };
            let twice = holder.positions[usize::from(p.market)].replace(held);
            assert_eq!(twice, None, "one position per market");
        }
        holder
    }

    /// Quote and PnL of every position at the marks, exact.
    #[must_use]
    pub fn value(&self, marks: &[Mark; MARKETS]) -> i128 {
        let pnl =
            self.positions.iter().zip(marks).filter_map(|(held, mark)| Some(mark.value(held.as_ref()?)));
        self.quote * exact::UNIT + pnl.sum::<i128>()
    }

    /// Whether it holds nothing; orders that wait for a price are nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let (triggers, placed) = (self.triggers, self.placed);
        *self == Self { triggers, placed, ..Self::default() }
    }

    /// The order that waits for a price with this id.
    #[must_use]
    pub fn trigger(&self, id: u64) -> Option<&Trigger> {
        self.triggers.iter().find(|t| id != 0 && t.id == id)
    }
}

impl Shares {
    fn read(pool: &Pool) -> Self {
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
    fn read(ticket: &RedeemTicket) -> Self {
        let [shares, value] = [ticket.core.shares, ticket.core.value].map(i128::from);
        Self { tranche: usize::from(ticket.tranche), shares, value, since: ticket.core.requested_at }
    }
}

impl Ledger {
    /// Reads the chain.
    #[must_use]
    pub fn read(state: &State) -> Self {
        let till = |market| {
            let book = &state.market(market).core.book;
            Till {
                cash: i128::from(book.cash),
                insurance: i128::from(book.insurance),
                fees: [book.fees.pool, book.fees.insurance, book.fees.protocol].map(i128::from),
                committed: i128::from(book.committed),
            }
        };
        let fund = state.fund();
        Self {
            holders: std::array::from_fn(|account| state.margin(account).map(Holder::read)),
            tills: std::array::from_fn(till),
            dynamics: std::array::from_fn(|market| Dynamics::read(&state.market(market).core)),
            recorded: std::array::from_fn(|vault| i128::from(state.vault(vault).core.recorded)),
            anchors: std::array::from_fn(|vault| Anchor::read(&state.vault(vault).core.outflow)),
            pool: Shares::read(state.pool()),
            tickets: std::array::from_fn(|ticket| state.ticket(ticket).map(Ticket::read)),
            fund: [i128::from(fund.reserve), i128::from(fund.staked)],
            protocol: i128::from(state.exchange().protocol_fees),
        }
    }

    /// Positions of a market.
    pub fn members(&self, market: usize) -> impl Iterator<Item = &Held> {
        self.holders.iter().flatten().filter_map(move |h| h.positions[market].as_ref())
    }

    /// Net lots of a market's traders.
    #[must_use]
    pub fn skew(&self, market: usize) -> i128 {
        self.members(market).map(|held| held.b).sum()
    }

    /// Sums of a market's longs and shorts.
    #[must_use]
    pub fn sides(&self, market: usize) -> [Total; 2] {
        let mut sums = [(0, 0); 2];
        for held in self.members(market) {
            let sum = &mut sums[held.side as usize];
            *sum = (sum.0 + held.b, sum.1 + held.q);
        }
        sums
    }

    /// Profit that waits for cash.
    #[must_use]
    pub fn claims(&self, market: usize) -> i128 {
        self.members(market).filter(|held| held.is_claim()).map(|held| held.q).sum()
    }

    /// What differs from `other`, in words.
    #[must_use]
    pub fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                text += &format!("\n  {what}: {ours}\n   chain has {theirs}");
            }
        };
        for (i, (a, b)) in self.holders.iter().zip(&other.holders).enumerate() {
            compare(&format!("account {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.tills.iter().zip(&other.tills).enumerate() {
            compare(&format!("market {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.dynamics.iter().zip(&other.dynamics).enumerate() {
            compare(&format!("market {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.anchors.iter().zip(&other.anchors).enumerate() {
            compare(&format!("vault {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.tickets.iter().zip(&other.tickets).enumerate() {
            compare(&format!("ticket {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        compare("pool", format!("{:?}", self.pool), format!("{:?}", other.pool));
        let rest = |l: &Self| format!("{:?}", (l.recorded, l.fund, l.protocol));
        compare("vaults, fund, protocol", rest(self), rest(other));
        text
    }
}
