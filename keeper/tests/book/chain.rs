//! What the chain says after a step, and which of it changed.

use bulwark_keeper::book::{Book, Standing};
use bulwark_sdk::Pubkey;
use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::EngineError;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_tests::Copies;
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::stage::{ACCOUNTS, Stage};

/// Everything that a judgement is made from, and the bytes of all margin accounts.
pub struct Chain {
    pub copies: Copies,
    accounts: Vec<(Pubkey, Option<Vec<u8>>)>,
    pub slot: u64,
}

/// Something that the book is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An account.
    Account(Pubkey),
    /// A market.
    Market(u16),
    /// A vault.
    Vault(u16),
    /// The time.
    Clock,
}

/// What was seen on the way, and how much work it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Judgements that the book made.
    pub judged: usize,
    /// Judgements of everybody at every change.
    pub all: usize,
    pub troubled: usize,
    pub doubtful: usize,
    pub indebted: usize,
    pub claimants: usize,
    pub triggers: usize,
    pub settling: usize,
}

impl Counted {
    /// Looks at the book.
    pub fn see(&mut self, book: &Book) {
        self.troubled += book.troubled().count();
        self.doubtful += book.doubtful().count();
        self.indebted += book.indebted().count();
        self.claimants += book.claimants().count();
        self.triggers += book.triggers_expired(i64::MAX).len();
    }

    /// Adds another walk's.
    pub fn add(&mut self, other: &Self) {
        self.judged += other.judged;
        self.all += other.all;
        self.troubled += other.troubled;
        self.doubtful += other.doubtful;
        self.indebted += other.indebted;
        self.claimants += other.claimants;
        self.triggers += other.triggers;
        self.settling += other.settling;
    }
}

/// What a judgement that fails says of an account.
pub fn standing_of(error: HealthError) -> Standing {
    if error == HealthError::Engine(EngineError::RefreshFirst) {
        Standing::Doubtful
    } else {
        Standing::Unknown
    }
}

impl Chain {
    /// The chain of a walk.
    pub fn of(walk: &Walk) -> Self {
        let world = &walk.world;
        let keys = (0..ACCOUNTS).map(|account| walk.stage.keys[Stage::margin(account)]);
        let bytes =
            |key: &Pubkey| world.svm.get_account(key).filter(|a| a.lamports > 0 && !a.data.is_empty());
        Self {
            copies: Copies::of(world),
            accounts: keys.map(|key| (key, bytes(&key).map(|account| account.data))).collect(),
            slot: world.slot(),
        }
    }

    /// What judgements are made from.
    pub fn snapshot(&self) -> Snapshot<'_> {
        self.copies.snapshot()
    }

    /// How many accounts are open.
    pub fn open(&self) -> usize {
        self.accounts.iter().filter(|(_, data)| data.is_some()).count()
    }

    /// Markets, vaults and the time.
    pub fn prices(&self) -> Copies {
        self.copies.clone()
    }

    /// Puts them back.
    pub fn restore(&mut self, prices: Copies) {
        self.copies = prices;
    }

    /// Looks at the chain again, and tells the book what changed.
    pub fn follow(&mut self, walk: &Walk, book: &mut Book, told: (&dyn Fn(&Change) -> bool, &mut Counted)) {
        let before = std::mem::replace(self, Self::of(walk));
        let (told, counted) = told;
        for change in self.changes_since(&before) {
            if told(&change) {
                counted.judged += self.tell(book, change);
                counted.all += book.len();
            }
        }
        counted.settling += self.copies.markets.iter().filter(|market| market.core.is_settling()).count();
    }

    /// Tells the book of everything as if all of it had changed.
    pub fn tell_everything(&self, book: &mut Book, counted: &mut Counted) {
        let accounts = self.accounts.iter().filter(|(key, data)| data.is_some() && book.get(key).is_none());
        let mut changes: Vec<_> = accounts.map(|(key, _)| Change::Account(*key)).collect();
        changes.extend(self.copies.markets.iter().map(|market| Change::Market(market.index)));
        changes.extend(self.copies.vaults.iter().map(|vault| Change::Vault(vault.index)));
        changes.push(Change::Clock);
        for change in changes {
            counted.judged += self.tell(book, change);
            counted.all += book.len();
        }
    }

    fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (is, was) in self.accounts.iter().zip(&before.accounts) {
            changes.extend((is != was).then_some(Change::Account(is.0)));
        }
        for (is, was) in self.copies.markets.iter().zip(&before.copies.markets) {
            changes.extend((is.core != was.core).then_some(Change::Market(is.index)));
        }
        for (is, was) in self.copies.vaults.iter().zip(&before.copies.vaults) {
            changes.extend((is.core != was.core).then_some(Change::Vault(is.index)));
        }
        changes.extend((self.copies.now != before.copies.now).then_some(Change::Clock));
        changes
    }

    /// Tells the book of one change. Returns how many it judged.
    fn tell(&self, book: &mut Book, change: Change) -> usize {
        let (snapshot, slot) = (self.snapshot(), self.slot);
        match change {
            Change::Market(index) => book.market_moved(index, &snapshot, slot),
            Change::Vault(index) => book.vault_moved(index, &snapshot, slot),
            Change::Clock => book.clock_moved(&snapshot, slot),
            Change::Account(key) => {
                let data =
                    self.accounts.iter().find(|(other, _)| *other == key).and_then(|(_, data)| data.as_ref());
                let taken = match data {
                    Some(data) => {
                        let account = decode_copy::<MarginAccount>(data).expect("a margin account");
                        book.insert(key, (account, slot), (&snapshot, slot))
                    }
                    None => book.remove(&key, slot),
                };
                assert!(taken, "the chain does not go back");
                usize::from(data.is_some())
            }
        }
    }
}
