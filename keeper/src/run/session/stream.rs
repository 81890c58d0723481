//! Whether the stream of changes tells everything.

use std::collections::BTreeMap;

use crate::state::Part;

/// How far behind the stream of changes is: what a look at the exchange finds must have been told, too.
#[derive(Default)]
pub(super) struct Stream {
    /// Numbers of the last events of markets and vaults, as the stream told them.
    told: BTreeMap<(bool, u16), u64>,
    /// Slot at which something was first seen that the stream has not told yet.
    missing: BTreeMap<(bool, u16), (u64, u64)>,
}

impl Stream {
    pub(super) fn tells(&mut self, part: &Part) {
        if let Some((key, sequence)) = numbered(part) {
            self.told.insert(key, sequence);
            self.missing.retain(|other, (wanted, _)| *other != key || *wanted > sequence);
        }
    }

    pub(super) fn seen(&mut self, (key, sequence): ((bool, u16), u64), slot: u64) {
        let known = *self.told.entry(key).or_insert(sequence);
        if sequence > known {
            self.missing.entry(key).or_insert((sequence, slot));
        }
    }

    /// Everything was read again.
    pub(super) fn caught_up(&mut self) {
        self.missing.clear();
    }

    /// Slots since which something has been missing.
    pub(super) fn lag(&self, slot: u64) -> u64 {
        let first = self.missing.values().map(|(_, since)| *since).min();
        first.map_or(0, |since| slot.saturating_sub(since))
    }
}

pub(super) fn numbered(part: &Part) -> Option<((bool, u16), u64)> {
    match part {
        Part::Market(market) => Some(((true, market.index), market.sequence)),
        Part::Vault(vault) => Some(((false, vault.index), vault.sequence)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::program::state::{Market, Vault};

    use super::*;

    fn market(index: u16, sequence: u64) -> Part {
        let mut market: Box<Market> = bytemuck::zeroed_box();
        (market.index, market.sequence) = (index, sequence);
        Part::Market(market)
    }

    fn vault(index: u16, sequence: u64) -> Part {
        let mut vault: Box<Vault> = bytemuck::zeroed_box();
        (vault.index, vault.sequence) = (index, sequence);
        Part::Vault(vault)
    }

    fn seen(stream: &mut Stream, part: &Part, slot: u64) {
        stream.seen(numbered(part).expect("a number"), slot);
    }

    #[test]
    fn what_the_stream_has_told_is_not_missing() {
        let mut stream = Stream::default();
        stream.tells(&market(1, 7));
        seen(&mut stream, &market(1, 7), 100);
        seen(&mut stream, &market(1, 6), 110);
        assert_eq!(stream.lag(200), 0);
    }

    #[test]
    fn it_lags_from_the_first_look_that_it_is_behind_of_until_it_tells() {
        let mut stream = Stream::default();
        stream.tells(&market(1, 7));
        seen(&mut stream, &market(1, 8), 100);
        seen(&mut stream, &market(1, 12), 140);
        assert_eq!((stream.lag(100), stream.lag(150)), (0, 50));
        stream.tells(&market(1, 7));
        assert_eq!(stream.lag(150), 50, "old news");
        stream.tells(&market(1, 8));
        assert_eq!(stream.lag(150), 0, "what was missing has come");
        seen(&mut stream, &market(1, 12), 160);
        assert_eq!(stream.lag(170), 10);
    }

    #[test]
    fn what_was_never_told_counts_from_the_first_look() {
        let mut stream = Stream::default();
        seen(&mut stream, &vault(1, 7), 100);
        assert_eq!(stream.lag(500), 0, "nobody knows of anything missing");
        seen(&mut stream, &vault(1, 8), 500);
        assert_eq!(stream.lag(510), 10);
    }

    #[test]
    fn a_market_and_a_vault_of_the_same_index_are_two_things_and_the_oldest_counts() {
        let mut stream = Stream::default();
        for part in [market(1, 1), vault(1, 1)] {
            stream.tells(&part);
        }
        seen(&mut stream, &market(1, 2), 100);
        seen(&mut stream, &vault(1, 2), 120);
        assert_eq!(stream.lag(130), 30);
        stream.tells(&market(1, 2));
        assert_eq!(stream.lag(130), 10);
        stream.caught_up();
        assert_eq!(stream.lag(130), 0);
    }
}
