//! All margin accounts in memory, and how each of them stands.
//!
//! A price update concerns everybody who holds the market, and nearly nobody changes his standing by it. So a judgement leaves
//! behind how far each leg of the account may fall before it has to be repeated (`floors`, with the proof), and
//! an update compares two numbers with a flat array of such floors and judges those who are below one. Nobody in
//! trouble is missed by that; who is merely near is judged again and gets new floors.
//!
//! What a floor can't tell is dealt with by itself:
//!
//! * who is in trouble, in doubt or without slack has no floors: each update of one of his legs judges him, and so does the
//!   clock ([`Book::clock_moved`]);
//! * a bucket that was unwound, a market that settles or changed its risk group: all whom it concerns are judged;
//! * other offsets of the risk groups: everybody is judged;
//! * time makes nobody worse who has slack, but for a dead collateral that fades: its holders are judged by the clock.
//!
//! The book knows what it was told. The caller says when an account, a market, a vault or the time has moved, with a
//! [`Snapshot`](bulwark_sdk::health::Snapshot) that holds the markets as a refresh would make them; a move that is
//! not told is found by [`Book::sweep`], which judges everybody once a round whatever the floors say. So are sums that
//! outgrow 64 bits, which no floor looks for.
//!
//! | module | for |
//! |---|---|
//! | [`standing`] | healthy, in trouble, in doubt; who comes first |
//! | `floors` | how far a leg may fall |
//! | `lists` | the arrays of legs and triggers |
//! | `entry` | where an account's legs are filed |
//! | `update` | what happens when something moves |

mod entry;
mod floors;
mod lists;
pub mod standing;
mod update;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::margin::RiskGroups;
use bulwark_sdk::engine::units::{Price, Quote};
use bulwark_sdk::program::state::MarginAccount;

use entry::Entry;
use lists::{Crowd, Flat, Member};
use standing::Rank;
pub use standing::{Standing, Trouble};

/// All margin accounts, judged.
#[derive(Debug, Default)]
pub struct Book {
    /// Accounts; a place is kept as long as its account, then given to another.
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    places: HashMap<Pubkey, u32>,
    /// When accounts were closed, slot: what is older does not bring them back.
    closed: HashMap<Pubkey, u64>,
    markets: BTreeMap<u16, Crowd>,
    vaults: BTreeMap<u16, Flat<Member>>,
    troubled: BTreeSet<Rank>,
    /// Places of accounts that no floor guards.
    unguarded: BTreeSet<u32>,
    indebted: BTreeSet<u32>,
    claimants: BTreeSet<u32>,
    /// Offsets that everybody was judged by.
    groups: Option<RiskGroups>,
    /// Place at which the next sweep begins.
    hand: usize,
    /// Whom the present update concerns: kept for its memory.
    whom: Vec<u32>,
}

impl Book {
    /// A book without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// An account.
    #[must_use]
    pub fn get(&self, key: &Pubkey) -> Option<&MarginAccount> {
        self.find(key).map(|entry| &*entry.account)
    }

    /// Slot that an account's bytes are from.
    #[must_use]
    pub fn slot_of(&self, key: &Pubkey) -> Option<u64> {
        self.find(key).map(|entry| entry.slot)
    }

    /// How an account stands.
    #[must_use]
    pub fn standing(&self, key: &Pubkey) -> Option<&Standing> {
        self.find(key).map(|entry| &entry.standing)
    }

    /// Every account, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&Pubkey, &MarginAccount)> {
        self.entries.iter().flatten().map(Entry::pair)
    }

    /// Accounts that can be liquidated: the lowest equity over requirement first, the larger requirement among equals.
    pub fn troubled(&self) -> impl Iterator<Item = (&Pubkey, &Trouble)> {
        self.troubled.iter().filter_map(|rank| {
            let entry = self.at(rank.entry)?;
            Some((&entry.key, entry.standing.trouble()?))
        })
    }

    /// Accounts that only a price which has to be refreshed may save.
    pub fn doubtful(&self) -> impl Iterator<Item = &Pubkey> {
        let unguarded = self.unguarded.iter().filter_map(|&place| self.at(place));
        unguarded.filter(|entry| entry.standing == Standing::Doubtful).map(|entry| &entry.key)
    }

    /// Accounts whose quote is below zero, or for which markets hold something back.
    pub fn indebted(&self) -> impl Iterator<Item = (&Pubkey, &MarginAccount)> {
        self.indebted.iter().filter_map(|&place| self.at(place)).map(Entry::pair)
    }

    /// Accounts that hold a claim.
    pub fn claimants(&self) -> impl Iterator<Item = (&Pubkey, &MarginAccount)> {
        self.claimants.iter().filter_map(|&place| self.at(place)).map(Entry::pair)
    }

    /// Accounts with a position or a claim in a market.
    pub fn members(&self, market: u16) -> impl Iterator<Item = (&Pubkey, &MarginAccount)> {
        let sides = self.markets.get(&market).into_iter().flat_map(|crowd| &crowd.sides);
        let members = sides.flat_map(Flat::iter);
        members.filter_map(|member| self.at(member.entry)).map(Entry::pair)
    }

    /// Triggers of a market whose price the mark has reached: account and id. Those that have expired, or were placed in an
    /// earlier market of this index, are among them: who executes one takes it away.
    #[must_use]
    pub fn triggers_met(&self, market: u16, mark: Price) -> Vec<(Pubkey, u64)> {
        let waiting = self.markets.get(&market).into_iter().flat_map(|crowd| crowd.triggers.iter());
        let near = waiting.filter(|waiting| waiting.may_be_met(mark));
        let met = near.filter_map(|waiting| {
            let entry = self.at(waiting.home.entry)?;
            let trigger = entry.account.triggers.get(usize::from(waiting.slot))?;
            trigger.require_met(mark).is_ok().then_some((entry.key, trigger.id))
        });
        met.collect()
    }

    /// Whether anybody waits for a price of a market.
    #[must_use]
    pub fn has_triggers(&self, market: u16) -> bool {
        self.markets.get(&market).is_some_and(|crowd| crowd.triggers.iter().next().is_some())
    }

    /// Triggers whose time is over: account and id.
    #[must_use]
    pub fn triggers_expired(&self, now: i64) -> Vec<(Pubkey, u64)> {
        let waiting = self.markets.values().flat_map(|crowd| crowd.triggers.iter());
        let over = waiting.filter(|waiting| waiting.expiry < now).filter_map(|waiting| {
            let entry = self.at(waiting.home.entry)?;
            let trigger = entry.account.triggers.get(usize::from(waiting.slot))?;
            trigger.is_expired(now).then_some((entry.key, trigger.id))
        });
        over.collect()
    }

    /// Memory held, bytes; what the allocator and the trees add is estimated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let accounts: usize = self.entries.iter().flatten().map(Entry::bytes).sum();
        let places = self.entries.capacity() * size_of::<Option<Entry>>();
        // A table of power-of-two size that is at most 7/8 full, and a byte of control for each place.
        let table = |map: &HashMap<Pubkey, _>, value: usize| {
            (map.capacity() * 8 / 7) * (size_of::<Pubkey>() + value + 1)
        };
        let tables = table(&self.places, 8) + (self.closed.capacity() * 8 / 7) * (size_of::<Pubkey>() + 9);
        let lists: usize = self.markets.values().map(Crowd::bytes).sum();
        let vaults: usize = self.vaults.values().map(Flat::bytes).sum();
        // Nodes of a tree are at least half full.
        let sets = self.unguarded.len() + self.indebted.len() + self.claimants.len();
        let trees = 2 * (self.troubled.len() * size_of::<Rank>() + sets * size_of::<u32>());
        let spare = (self.free.capacity() + self.whom.capacity()) * size_of::<u32>();
        accounts + places + tables + lists + vaults + trees + spare + size_of::<Self>()
    }

    fn find(&self, key: &Pubkey) -> Option<&Entry> {
        self.places.get(key).and_then(|&place| self.at(place))
    }

    fn at(&self, place: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(place).ok()?)?.as_ref()
    }

    fn at_mut(&mut self, place: u32) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(place).ok()?)?.as_mut()
    }
}

/// Whether an account owes, or a market holds something back for it.
fn is_indebted(account: &MarginAccount) -> bool {
    account.quote < Quote::ZERO || !account.debts.is_clear()
}

#[cfg(test)]
mod tests;
