//! Flat arrays of what a price can concern, which know where their elements belong.
//!
//! A price update reads an array from one end to the other, so an array has no holes: who leaves gives its place to the
//! last one. Every element says whose it is, and every account where its elements are; after each move both are
//! put right. [`Home`] is the way from an element to its account, [`Ref`] and [`Flag`] the way back.

use bulwark_sdk::engine::ladder::BUCKETS;
use bulwark_sdk::engine::market::Market;
use bulwark_sdk::engine::units::{Price, Side};

use super::floors::{Floors, Gauge};

/// Whose an element is: the place of the account in the book, and which of its legs or triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// Place of the account.
    pub entry: u32,
    /// Number among its legs, or among its triggers.
    pub leg: u8,
}

/// An element of a [`Flat`].
pub(super) trait Owned {
    /// Whose it is.
    fn home(&self) -> Home;
}

/// An array without holes and without an order.
#[derive(Debug)]
pub(super) struct Flat<T>(Vec<T>);

impl<T> Default for Flat<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Owned> Flat<T> {
    /// Adds an element. Returns where it is.
    pub fn push(&mut self, element: T) -> u32 {
        let index = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(element);
        index
    }

    /// Takes an element out. Returns whose element is in its place now.
    pub fn swap_remove(&mut self, index: u32) -> Option<Home> {
        let index = usize::try_from(index).ok().filter(|&i| i < self.0.len())?;
        self.0.swap_remove(index);
        self.0.get(index).map(Owned::home)
    }

    /// The element at a place.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.0.get_mut(usize::try_from(index).ok()?)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Memory held, bytes.
    pub const fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }
}

/// A leg of an account: a position, a claim or a collateral.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Below which its account has to be judged again.
    pub floors: Floors,
    /// Place of its account.
    pub entry: u32,
    /// Number among the account's legs.
    pub leg: u8,
    /// Bucket of a position or claim; 0 for a collateral.
    pub bucket: u8,
}

impl Owned for Member {
    fn home(&self) -> Home {
        Home { entry: self.entry, leg: self.leg }
    }
}

const _: () = assert!(size_of::<Member>() == 24);

/// A trigger that waits for a price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Mark to wait for, Q32.32 quote units per lot.
    pub price: u64,
    /// Last moment at which it can be executed, unix seconds.
    pub expiry: i64,
    /// Whether the highest price, and whether the lowest one, would meet it.
    pub met_at_ends: [bool; 2],
    /// Slot of the account that it is in.
    pub slot: u8,
    /// Whose it is.
    pub home: Home,
}

impl Waiting {
    /// Whether it may be met at `mark`; the engine has the last word.
    pub const fn may_be_met(&self, mark: Price) -> bool {
        let [high, low] = self.met_at_ends;
        high && mark.to_bits() >= self.price || low && mark.to_bits() <= self.price
    }
}

impl Owned for Waiting {
    fn home(&self) -> Home {
        self.home
    }
}

/// Where a leg of an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ref {
    /// In which array.
    pub list: List,
    /// At which place.
    pub index: u32,
}

/// An array of legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// One side of a market.
    Side(u16, Side),
    /// A vault.
    Vault(u16),
}

/// Where a trigger of an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// In which market's array.
    pub market: u16,
    /// At which place.
    pub index: u32,
}

/// Everybody in a market.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Longs, then shorts.
    pub sides: [Flat<Member>; 2],
    /// Triggers.
    pub triggers: Flat<Waiting>,
    /// What the market was like when its members were last looked at, as far as floors don't tell.
    seen: Option<Box<Seen>>,
}

/// What of a market changes what its members hold or how they are judged, and is not in its [`Gauge`].
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Unwind factors of longs and shorts by bucket.
    unwinds: [[u64; BUCKETS]; 2],
    settling: bool,
    risk_group: u8,
}

impl Seen {
    fn of(market: &Market) -> Self {
        let unwinds = Side::BOTH.map(|side| {
            let buckets = &market.book.side(side).buckets;
            std::array::from_fn(|i| buckets.get(i).map_or(0, |bucket| bucket.unwind))
        });
        Self { unwinds, settling: market.is_settling(), risk_group: market.params.risk_group }
    }

    /// Buckets of a side that were unwound since `before`; `None` if all members have to be looked at.
    fn unwound_since(&self, before: Option<&Self>, side: Side) -> Option<[bool; BUCKETS]> {
        let before = before.filter(|b| b.settling == self.settling && b.risk_group == self.risk_group)?;
        let [was, is] = [before, self].map(|seen| seen.unwinds.get(usize::from(side.to_byte())));
        let (was, is) = (was?, is?);
        Some(std::array::from_fn(|i| was.get(i) != is.get(i)))
    }
}

impl Crowd {
    /// The members of a side.
    pub fn side_mut(&mut self, side: Side) -> &mut Flat<Member> {
        let [long, short] = &mut self.sides;
        if side == Side::Long { long } else { short }
    }

    /// Finds whom the market as it is now can concern, and remembers it.
    pub fn look(&mut self, market: Option<&Market>, whom: &mut Vec<u32>) {
        let seen = market.map(|market| Box::new(Seen::of(market)));
        for (side, members) in Side::BOTH.into_iter().zip(&self.sides) {
            let gauge = market.and_then(|market| Gauge::of_side(market, side));
            let unwound = seen.as_ref().and_then(|seen| seen.unwound_since(self.seen.as_deref(), side));
            let (Some(gauge), Some(unwound)) = (gauge, unwound) else {
                whom.extend(members.iter().map(|member| member.entry));
                continue;
            };
            let is_unwound = |member: &Member| unwound.get(usize::from(member.bucket)) != Some(&false);
            let concerned = members.iter().filter(|m| gauge.is_below(m.floors) || is_unwound(m));
            whom.extend(concerned.map(|member| member.entry));
        }
        self.seen = seen;
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        let sides: usize = self.sides.iter().map(Flat::bytes).sum();
        sides + self.triggers.bytes() + size_of::<Self>() + size_of::<Seen>()
    }
}
