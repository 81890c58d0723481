//! Where the legs and triggers of an account are filed.
//!
//! A leg has the same number in the account's own list, in the array that it is filed in and among the floors: positions in slot
//! order, then collaterals. What is filed is taken out again by the references that the account keeps, so that removing it
//! needs no search.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::program::state::MarginAccount;

use super::floors::Floors;
use super::lists::{Flag, Flat, Home, List, Member, Ref, Waiting};
use super::{Book, Standing, is_indebted};

/// An account in the book.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: Pubkey,
    pub account: Box<MarginAccount>,
    /// Slot that its bytes are from.
    pub slot: u64,
    pub standing: Standing,
    /// Where its legs are.
    pub legs: Box<[Ref]>,
    /// Where its triggers are.
    pub triggers: Box<[Flag]>,
}

impl Entry {
    /// Address and account.
    pub fn pair(&self) -> (&Pubkey, &MarginAccount) {
        (&self.key, &self.account)
    }

    /// Memory held besides the entry itself, bytes.
    pub fn bytes(&self) -> usize {
        size_of::<MarginAccount>() + size_of_val(&*self.legs) + size_of_val(&*self.triggers)
    }
}

/// Number of a leg or trigger: an account has few.
fn number(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// In which array a position is. One whose side can't be read is filed with the longs: judging it says what is wrong.
fn list_of(position: &Position) -> List {
    List::Side(position.market, position.side().unwrap_or(Side::Long))
}

impl Book {
    /// Files the legs and triggers of the account at `place`, without floors.
    pub(super) fn file(&mut self, place: u32, account: &MarginAccount) -> (Box<[Ref]>, Box<[Flag]>) {
        let positions = account.positions.iter().filter(|p| p.is_open()).map(|p| (list_of(p), p.bucket));
        let collaterals = account.collaterals.iter().filter(|slot| slot.amount != 0);
        let legs = positions.chain(collaterals.map(|slot| (List::Vault(slot.vault), 0)));
        let legs = legs.enumerate().map(|(leg, (list, bucket))| {
            let member = Member { floors: Floors::ALWAYS, entry: place, leg: number(leg), bucket };
            Ref { list, index: self.list_mut(list).push(member) }
        });
        let legs = legs.collect();
        let set = account.triggers.iter().enumerate().filter(|(_, trigger)| trigger.is_set());
        let triggers = set.enumerate().map(|(n, (slot, trigger))| {
            let home = Home { entry: place, leg: number(n) };
            let crowd = self.markets.entry(trigger.market).or_default();
            Flag { market: trigger.market, index: crowd.triggers.push(waiting(trigger, slot, home)) }
        });
        let triggers = triggers.collect();
        self.note(place, account);
        (legs, triggers)
    }

    /// Takes out what is filed of an account.
    pub(super) fn unfile(&mut self, place: u32, (legs, triggers): (&[Ref], &[Flag])) {
        for (n, leg) in legs.iter().enumerate() {
            // An earlier step may have moved this leg: two of one account can be in one array.
            let index = self.at(place).and_then(|entry| entry.legs.get(n)).map_or(leg.index, |r| r.index);
            let moved = self.list_mut(leg.list).swap_remove(index);
            let entry = moved.and_then(|home| Some((home.leg, self.at_mut(home.entry)?)));
            if let Some(leg) = entry.and_then(|(leg, entry)| entry.legs.get_mut(usize::from(leg))) {
                leg.index = index;
            }
        }
        for (n, flag) in triggers.iter().enumerate() {
            let index =
                self.at(place).and_then(|entry| entry.triggers.get(n)).map_or(flag.index, |f| f.index);
            let crowd = self.markets.entry(flag.market).or_default();
            let moved = crowd.triggers.swap_remove(index);
            let entry = moved.and_then(|home| Some((home.leg, self.at_mut(home.entry)?)));
            if let Some(flag) = entry.and_then(|(n, entry)| entry.triggers.get_mut(usize::from(n))) {
                flag.index = index;
            }
        }
        self.indebted.remove(&place);
        self.claimants.remove(&place);
    }

    /// Remembers whether the account owes or is owed.
    fn note(&mut self, place: u32, account: &MarginAccount) {
        if is_indebted(account) {
            self.indebted.insert(place);
        }
        if account.positions.iter().any(Position::is_claim) {
            self.claimants.insert(place);
        }
    }

    /// The array of a leg.
    pub(super) fn list_mut(&mut self, list: List) -> &mut Flat<Member> {
        match list {
            List::Side(market, side) => self.markets.entry(market).or_default().side_mut(side),
            List::Vault(vault) => self.vaults.entry(vault).or_default(),
        }
    }
}

fn waiting(trigger: &Trigger, slot: usize, home: Home) -> Waiting {
    Waiting {
        price: trigger.trigger_price,
        expiry: trigger.expiry,
        met_at_ends: [Price::MAX, Price::MIN].map(|mark| trigger.require_met(mark).is_ok()),
        slot: number(slot),
        home,
    }
}
