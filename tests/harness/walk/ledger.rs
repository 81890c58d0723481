//! Everything that can be owned, as the chain shows it and as the [`reference`](mod@super::reference) has it.

mod shares;

use bulwark_sdk::engine::market::Market as Core;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trigger::{MAX_TRIGGERS, Trigger};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::MarginAccount;

use super::auction::Auction;
use super::dynamics::{Anchor, Dynamics, Total};
use super::exact::{self, Held, Joined, Mark};
use super::ladder::Ladder as Buckets;
use super::stage::{ACCOUNTS, MARKETS, TICKETS, VAULTS};
use super::state::State;

pub use shares::{Cooling, Fund, Shares, Stake, Ticket};

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
    /// Booked losses that nobody has paid.
    pub unbacked: i128,
    /// Drawn lately on the reserve, the backstop, the pool's first loss, and winners who are long and short.
    pub draws: [Drawn; 5],
    /// Backing that it asks for and has of its own, as the insurance fund knows it.
    pub cover: [i128; 2],
    /// Share of the open-interest cap that is covered, ppm.
    pub scale: u32,
    /// Since when it reduces exposure, slot; 0 while it does not.
    pub deleveraging_since: i128,
    /// When a refresh last looked at its exposure, slot.
    pub exposure_seen: i128,
    /// Positions that are no claims, before unwinds that their owners have not met.
    pub positions: i128,
}

/// A bucket that a day empties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// What is in it.
    pub level: i128,
    /// When it last leaked.
    pub updated_at: i64,
}

/// What an account owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debts {
    /// Losses of longs and of shorts that were not paid, by market.
    pub lost: [[i128; 2]; MARKETS],
    /// What the markets hold back for it.
    pub held: [i128; MARKETS],
    /// Sum of what was lost.
    pub total: i128,
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
    /// What it owes, by the markets where it was lost.
    pub debts: Debts,
    /// Its liquidation auction.
    pub auction: Auction,
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
    /// Ladders of the markets, longs first.
    pub ladders: [[Buckets; 2]; MARKETS],
    /// Insurance fund.
    pub fund: Fund,
    /// Stake on its way out.
    pub cooling: [Option<Cooling>; TICKETS],
    /// The protocol's fees.
    pub protocol: i128,
}

/// A position as it is with every unwind applied.
fn held(position: &Position, core: &Core) -> Held {
    let side = position.side().expect("a side");
    let bucket = usize::from(position.bucket);
    let [b, q] = [position.lots.0, position.quote.0].map(i128::from);
    let joined = Joined { b, q, left: position.unwind.into(), bucket };
    let raw = Held { side, b, q, since: position.increased_at, joined };
    let left = core.book.side(side).buckets.get(bucket).map_or(1, |bucket| bucket.unwind);
    if position.unwind == 0 { raw } else { raw.unwound_to(left.into()) }
}

impl Debts {
    fn read(account: &MarginAccount) -> Self {
        let debts = &account.debts;
        Self {
            lost: std::array::from_fn(|market| debts.lost[market].map(i128::from)),
            held: std::array::from_fn(|market| debts.held[market].into()),
            total: debts.total.into(),
        }
    }
}

impl Holder {
    /// Reads an account.
    fn read(account: &MarginAccount, state: &State) -> Self {
        let auction = &account.auction;
        let [started, touched, ratio] = [auction.started, auction.touched, auction.ratio].map(i128::from);
        let mut holder = Self {
            quote: i128::from(account.quote.0),
            triggers: account.triggers,
            placed: account.trigger_count,
            debts: Debts::read(account),
            auction: Auction { started, touched, ratio, positions: auction.collateral_only == 0 },
            ..Self::default()
        };
        for slot in account.collaterals.iter().filter(|c| c.amount != 0) {
            holder.collaterals[usize::from(slot.vault)] += i128::from(slot.amount);
        }
        for p in account.positions.iter().filter(|p| p.is_open()) {
            let market = usize::from(p.market);
            let twice = holder.positions[market].replace(held(p, &state.market(market).core));
            assert_eq!(twice, None, "one position per market");
        }
        holder
    }

    /// What it owes.
    #[must_use]
    pub fn owed(&self) -> i128 {
        (-self.quote).max(0)
    }

    /// Whether it holds lots, be it such as an unwind has rounded away since.
    #[must_use]
    pub fn has_positions(&self) -> bool {
        self.positions.iter().flatten().any(|held| !held.is_claim())
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
        let Self { triggers, placed, auction, .. } = *self;
        *self == Self { triggers, placed, auction, ..Self::default() }
    }

    /// The order that waits for a price with this id.
    #[must_use]
    pub fn trigger(&self, id: u64) -> Option<&Trigger> {
        self.triggers.iter().find(|t| id != 0 && t.id == id)
    }
}

impl Till {
    fn read(core: &Core) -> Self {
        let (book, draws) = (&core.book, &core.draws);
        let drawn = |d: bulwark_sdk::engine::waterfall::Drawn| Drawn {
            level: d.level.into(),
            updated_at: d.updated_at,
        };
        Self {
            cash: book.cash.into(),
            insurance: book.insurance.into(),
            fees: [book.fees.pool, book.fees.insurance, book.fees.protocol].map(i128::from),
            committed: book.committed.into(),
            unbacked: book.unbacked.into(),
            draws: [draws.reserve, draws.backstop, draws.first_loss, draws.winners[0], draws.winners[1]]
                .map(drawn),
            cover: [core.cover.required, core.cover.own].map(i128::from),
            scale: core.oi_scale_ppm,
            deleveraging_since: core.deleveraging_since.into(),
            exposure_seen: core.exposure_seen.into(),
            positions: book.positions.into(),
        }
    }

    /// What traders and the pool can be paid from.
    #[must_use]
    pub fn payable(&self) -> i128 {
        (self.cash - self.unbacked).max(0)
    }

    /// Whether cash alone covers what nobody has paid.
    #[must_use]
    pub const fn is_covered(&self) -> bool {
        self.cash >= self.unbacked
    }

    /// Cash, insurance and fees beyond what nobody has paid.
    #[must_use]
    pub fn spare(&self) -> i128 {
        (self.cash + self.insurance + self.fees.iter().sum::<i128>() - self.unbacked).max(0)
    }
}

impl Ledger {
    /// Reads the chain.
    #[must_use]
    pub fn read(state: &State) -> Self {
        let core = |market: usize| &state.market(market).core;
        Self {
            holders: std::array::from_fn(|account| state.margin(account).map(|a| Holder::read(a, state))),
            tills: std::array::from_fn(|market| Till::read(core(market))),
            dynamics: std::array::from_fn(|market| Dynamics::read(&state.market(market).core)),
            recorded: std::array::from_fn(|vault| i128::from(state.vault(vault).core.recorded)),
            anchors: std::array::from_fn(|vault| Anchor::read(&state.vault(vault).core.outflow)),
            pool: Shares::read(state.pool()),
            tickets: std::array::from_fn(|ticket| state.ticket(ticket).map(Ticket::read)),
            ladders: std::array::from_fn(|market| {
                Side::BOTH.map(|side| Buckets::read(core(market).book.side(side)))
            }),
            fund: Fund::read(&state.fund().core),
            cooling: std::array::from_fn(|ticket| state.unstake_ticket(ticket).map(Cooling::read)),
            protocol: i128::from(state.exchange().protocol_fees),
        }
    }

    /// Positions of a market.
    pub fn members(&self, market: usize) -> impl Iterator<Item = &Held> {
        self.holders.iter().flatten().filter_map(move |h| h.positions[market].as_ref())
    }

    /// Net lots of a market's traders, by its ladders.
    #[must_use]
    pub fn skew(&self, market: usize) -> i128 {
        self.sides(market).iter().map(|side| side.0).sum()
    }

    /// Sums of a market's longs and shorts, by its ladders.
    #[must_use]
    pub fn sides(&self, market: usize) -> [Total; 2] {
        [0, 1].map(|side: usize| self.ladders[market][side].total())
    }

    /// What a market owes its traders by its ladders, exact.
    #[must_use]
    pub fn owed(&self, market: usize, mark: &Mark) -> i128 {
        let sides = Side::BOTH.into_iter().zip(self.sides(market));
        sides.map(|(side, (b, q))| b * (mark.price - mark.carry(side)) + q * exact::UNIT).sum()
    }

    /// `E_m`, what is owed to each side rounded up.
    #[must_use]
    pub fn equity(&self, market: usize, mark: &Mark) -> i128 {
        let sides = Side::BOTH.into_iter().zip(self.sides(market));
        let owed = sides.map(|(side, (b, q))| q - exact::floor(-b * (mark.price - mark.carry(side))));
        self.tills[market].cash - owed.sum::<i128>()
    }

    /// Claims that what may be paid does not cover.
    #[must_use]
    pub fn waiting(&self, market: usize) -> i128 {
        (self.claims(market) - self.tills[market].payable()).max(0)
    }

    /// Profit that waits for cash, before unwinds that its owners have not met.
    #[must_use]
    pub fn claims(&self, market: usize) -> i128 {
        self.members(market).filter(|held| held.is_claim()).map(|held| held.joined.q.max(0)).sum()
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
        for (i, (a, b)) in self.cooling.iter().zip(&other.cooling).enumerate() {
            compare(&format!("unstake ticket {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.ladders.iter().flatten().zip(other.ladders.iter().flatten()).enumerate() {
            for (j, (a, b)) in a.buckets.iter().zip(&b.buckets).enumerate() {
                compare(&format!("ladder {i}, bucket {j}"), format!("{a:?}"), format!("{b:?}"));
            }
        }
        compare("pool", format!("{:?}", self.pool), format!("{:?}", other.pool));
        let rest = |l: &Self| format!("{:?}", (l.recorded, l.fund, l.protocol));
        compare("vaults, fund, protocol", rest(self), rest(other));
        text
    }
}
