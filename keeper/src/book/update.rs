//! What happens when something moves: an account is filed anew, or those whom a price can concern are judged again.

use bulwark_sdk::Pubkey;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::MarginAccount;

use super::entry::Entry;
use super::floors::{self, Floors, Gauge};
use super::lists::Flat;
use super::standing::Rank;
use super::{Book, Standing};

/// Slots for which the book remembers that an account was closed: about an hour.
const REMEMBERED: u64 = 9_000;

impl Book {
    /// Takes in the bytes that an account had at `slot`, and judges it by the snapshot at the clock's slot. False, and nothing
    /// happens, if what is known is younger.
    pub fn insert(
        &mut self,
        key: Pubkey,
        (account, slot): (Box<MarginAccount>, u64),
        (snapshot, clock_slot): (&Snapshot<'_>, u64),
    ) -> bool {
        let known = self.places.get(&key).copied();
        let youngest = known.and_then(|place| self.at(place)).map(|entry| entry.slot);
        if youngest.max(self.closed.get(&key).copied()).is_some_and(|youngest| slot < youngest) {
            return false;
        }
        self.closed.remove(&key);
        let place = known.unwrap_or_else(|| self.free_place());
        let before = self.take_out(place);
        let (legs, triggers) = self.file(place, &account);
        let standing = before.map_or(Standing::Unknown, |entry| entry.standing);
        let entry = Entry { key, account, slot, standing, legs, triggers };
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.entries.get_mut(place)) {
            *slot = Some(entry);
        }
        self.places.insert(key, place);
        self.judge(place, (snapshot, clock_slot));
        true
    }

    /// Forgets an account that was closed at `slot`. False, and nothing happens, if what is known is younger, or there is no
    /// such account.
    pub fn remove(&mut self, key: &Pubkey, slot: u64) -> bool {
        let known = self.places.get(key).copied();
        if known.and_then(|place| self.at(place)).is_some_and(|entry| slot < entry.slot) {
            return false;
        }
        let closed = self.closed.entry(*key).or_insert(slot);
        *closed = slot.max(*closed);
        let Some(place) = self.places.remove(key) else { return false };
        self.take_out(place);
        self.unguarded.remove(&place);
        self.free.push(place);
        true
    }

    /// A market has moved: judges those of its members whom that can concern. Returns how many.
    pub fn market_moved(&mut self, index: u16, snapshot: &Snapshot<'_>, slot: u64) -> usize {
        if self.is_regrouped(snapshot) {
            return self.rejudge_all(snapshot, slot);
        }
        let mut whom = std::mem::take(&mut self.whom);
        if let Some(crowd) = self.markets.get_mut(&index) {
            crowd.look(snapshot.markets.get(&index).map(|market| &market.core), &mut whom);
        }
        self.judge_them(whom, (snapshot, slot))
    }

    /// A vault has moved: judges those of its depositors whom that can concern. Returns how many.
    pub fn vault_moved(&mut self, index: u16, snapshot: &Snapshot<'_>, slot: u64) -> usize {
        if self.is_regrouped(snapshot) {
            return self.rejudge_all(snapshot, slot);
        }
        let mut whom = std::mem::take(&mut self.whom);
        let vault = snapshot.vaults.get(&index);
        let gauge = vault.and_then(|vault| Gauge::of_vault(&vault.core, snapshot.now));
        for member in self.vaults.get(&index).into_iter().flat_map(Flat::iter) {
            if gauge.is_none_or(|gauge| gauge.is_below(member.floors)) {
                whom.push(member.entry);
            }
        }
        self.judge_them(whom, (snapshot, slot))
    }

    /// Time has passed: judges those whom that alone can concern, who have no floors, and the depositors of a collateral
    /// whose dead price fades. Returns how many.
    pub fn clock_moved(&mut self, snapshot: &Snapshot<'_>, slot: u64) -> usize {
        self.closed.retain(|_, closed| closed.saturating_add(REMEMBERED) >= slot);
        if self.is_regrouped(snapshot) {
            return self.rejudge_all(snapshot, slot);
        }
        let mut whom = std::mem::take(&mut self.whom);
        whom.extend(&self.unguarded);
        for (index, members) in &self.vaults {
            let vault = snapshot.vaults.get(index);
            if vault.is_none_or(|vault| Gauge::of_vault(&vault.core, snapshot.now).is_none()) {
                whom.extend(members.iter().map(|member| member.entry));
            }
        }
        whom.sort_unstable();
        whom.dedup();
        self.judge_them(whom, (snapshot, slot))
    }

    /// Judges everybody, whatever the floors say. Returns how many.
    pub fn rejudge_all(&mut self, snapshot: &Snapshot<'_>, slot: u64) -> usize {
        self.groups = Some(snapshot.exchange.params.risk_groups);
        let mut whom = std::mem::take(&mut self.whom);
        for (index, crowd) in &mut self.markets {
            crowd.look(snapshot.markets.get(index).map(|market| &market.core), &mut whom);
        }
        whom.clear(); // whoever it is, he is among all
        whom.extend(self.places.values());
        whom.sort_unstable(); // in the order of memory
        self.judge_them(whom, (snapshot, slot))
    }

    /// Judges the next `budget` accounts, round and round: what nobody told the book of is seen within a round. Returns how
    /// many there were to judge.
    pub fn sweep(&mut self, budget: usize, snapshot: &Snapshot<'_>, slot: u64) -> usize {
        let mut whom = std::mem::take(&mut self.whom);
        let (all, from) = (self.entries.len(), self.hand.min(self.entries.len()));
        let mut seen = 0;
        for place in (from..all).chain(0..from) {
            if whom.len() == budget {
                break;
            }
            seen += 1;
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            whom.extend(self.at(place).is_some().then_some(place));
        }
        self.hand = (from + seen).checked_rem(all).unwrap_or(0);
        self.judge_them(whom, (snapshot, slot))
    }

    /// Whether other offsets of the risk groups are in force than those that everybody was judged by.
    fn is_regrouped(&self, snapshot: &Snapshot<'_>) -> bool {
        self.groups != Some(snapshot.exchange.params.risk_groups)
    }

    /// A place for another account.
    fn free_place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Takes the account at a place out of everything but the list of places.
    fn take_out(&mut self, place: u32) -> Option<Entry> {
        let (legs, triggers) = self.at(place).map(|entry| (entry.legs.clone(), entry.triggers.clone()))?;
        self.unfile(place, (&legs, &triggers));
        let entry = self.entries.get_mut(usize::try_from(place).ok()?)?.take()?;
        if let Some(trouble) = entry.standing.trouble() {
            self.troubled.remove(&Rank { health: trouble.health, key: entry.key, entry: place });
        }
        Some(entry)
    }

    /// Judges the accounts at these places. Returns how many.
    fn judge_them(&mut self, mut whom: Vec<u32>, now: (&Snapshot<'_>, u64)) -> usize {
        for &place in &whom {
            self.judge(place, now);
        }
        let count = whom.len();
        whom.clear();
        self.whom = whom;
        count
    }

    /// Judges the account at a place, and gives its legs floors.
    fn judge(&mut self, place: u32, (snapshot, slot): (&Snapshot<'_>, u64)) {
        let Some(entry) = self.at_mut(place) else { return };
        let (key, before) = (entry.key, entry.standing);
        // Who has slack at sure prices is healthy at any: nearly everybody, judged by that alone.
        let guard = floors::guard(&entry.account, snapshot);
        let standing = match guard {
            Some(_) => Standing::Healthy,
            None => Standing::of(&entry.account, (snapshot, slot), Some(&before)),
        };
        entry.standing = standing;
        let legs = std::mem::take(&mut entry.legs);
        for (n, leg) in legs.iter().enumerate() {
            if let Some(member) = self.list_mut(leg.list).get_mut(leg.index) {
                let floor = guard.as_ref().and_then(|floors| floors.get(n));
                member.floors = floor.copied().unwrap_or(Floors::ALWAYS);
            }
        }
        if let Some(entry) = self.at_mut(place) {
            entry.legs = legs;
        }
        if guard.is_some() {
            self.unguarded.remove(&place);
        } else {
            self.unguarded.insert(place);
        }
        self.rank((key, place), (before, standing));
    }

    /// Puts an account where it now stands among those in trouble.
    fn rank(&mut self, (key, entry): (Pubkey, u32), (before, after): (Standing, Standing)) {
        if let Some(trouble) = before.trouble() {
            self.troubled.remove(&Rank { health: trouble.health, key, entry });
        }
        if let Some(trouble) = after.trouble() {
            self.troubled.insert(Rank { health: trouble.health, key, entry });
        }
    }
}
