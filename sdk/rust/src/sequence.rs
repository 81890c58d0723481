//! Gaps in events. Events of a market, a vault, the pool and the insurance fund carry that account's sequence number, so a
//! reader that missed some (the log was cut, the connection was down) sees it at the next one, and reads the account.

use std::collections::BTreeMap;

use bulwark::state::Vault;

use crate::event::Event;

/// An account that numbers its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Market with this index.
    Market(u16),
    /// Vault with this index.
    Vault(u16),
    /// The pool.
    Pool,
    /// The insurance fund.
    InsuranceFund,
}

/// Events of an account that were not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The account: read it again.
    pub source: Source,
    /// Number of the first that is missing.
    pub first: u64,
    /// How many are missing.
    pub count: u64,
}

/// Next number of each account, as far as events of it were seen.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    next: BTreeMap<Source, u64>,
}

impl Event {
    /// The numbers that the event takes, and of which accounts.
    #[must_use]
    pub fn sequences(&self) -> Vec<(Source, u64)> {
        use Source::{InsuranceFund, Market, Pool};
        let quote = Source::Vault(Vault::QUOTE);
        match self {
            Self::MarketRefreshed(e) => vec![(Market(e.market), e.sequence)],
            Self::Traded(e) => vec![(Market(e.market), e.sequence)],
            Self::TriggerExecuted(e) => vec![(Market(e.market), e.sequence)],
            Self::PositionSettled(e) => vec![(Market(e.market), e.sequence)],
            Self::MarketStatusChanged(e) => vec![(Market(e.market), e.sequence)],
            Self::AuctionCalled(e) => vec![(Market(e.market), e.sequence)],
            Self::Liquidated(e) => vec![(Market(e.market), e.sequence)],
            Self::ClaimForfeited(e) => vec![(Market(e.market), e.sequence)],
            Self::MarketRebalanced(e) => vec![(Market(e.market), e.sequence)],
            Self::MarketSettling(e) => vec![(Market(e.market), e.sequence)],
            Self::BankruptcyResolved(e) => {
                vec![(Market(e.market), e.sequence), (InsuranceFund, e.fund_sequence)]
            }
            Self::LiquidityAllocated(e) => vec![(Market(e.market), e.sequence), (Pool, e.pool_sequence)],
            Self::MarketSwept(e) => {
                vec![
                    (Market(e.market), e.sequence),
                    (Pool, e.pool_sequence),
                    (InsuranceFund, e.fund_sequence),
                ]
            }
            Self::MarketClosed(e) => {
                vec![
                    (Market(e.market), e.sequence),
                    (Pool, e.pool_sequence),
                    (InsuranceFund, e.fund_sequence),
                ]
            }
            Self::VaultRefreshed(e) => vec![(Source::Vault(e.vault), e.sequence)],
            Self::Deposited(e) => vec![(Source::Vault(e.vault), e.sequence)],
            Self::Withdrawn(e) => vec![(Source::Vault(e.vault), e.sequence)],
            Self::CollateralSold(e) => vec![(Source::Vault(e.vault), e.sequence)],
            Self::ProtocolFeesCollected(e) => vec![(quote, e.vault_sequence)],
            Self::LiquidityAdded(e) => vec![(Pool, e.sequence), (quote, e.vault_sequence)],
            Self::Redeemed(e) => vec![(Pool, e.sequence), (quote, e.vault_sequence)],
            Self::RedeemRequested(e) => vec![(Pool, e.sequence)],
            Self::RedeemCancelled(e) => vec![(Pool, e.sequence)],
            Self::InsuranceFunded(e) => vec![(InsuranceFund, e.sequence), (quote, e.vault_sequence)],
            Self::BackstopStaked(e) => vec![(InsuranceFund, e.sequence), (quote, e.vault_sequence)],
            Self::Unstaked(e) => vec![(InsuranceFund, e.sequence), (quote, e.vault_sequence)],
            Self::UnstakeRequested(e) => vec![(InsuranceFund, e.sequence)],
            Self::UnstakeCancelled(e) => vec![(InsuranceFund, e.sequence)],
            _ => Vec::new(),
        }
    }
}

impl Sequences {
    /// Takes the next event. Returns what was missed before it. A market that was closed starts anew.
    pub fn follow(&mut self, event: &Event) -> Vec<Gap> {
        let gaps = event.sequences().into_iter().filter_map(|(source, number)| self.step(source, number));
        let gaps = gaps.collect();
        match event {
            Event::MarketClosed(e) => self.next.remove(&Source::Market(e.market)),
            Event::MarketCreated(e) => self.next.insert(Source::Market(e.market), 0),
            _ => None,
        };
        gaps
    }

    fn step(&mut self, source: Source, number: u64) -> Option<Gap> {
        let after = number.saturating_add(1);
        let next = self.next.entry(source).or_insert(number);
        let missing = number.checked_sub(*next).filter(|count| *count > 0);
        let gap = missing.map(|count| Gap { source, first: *next, count });
        *next = after.max(*next);
        gap
    }
}

#[cfg(test)]
mod tests {
    use anchor_lang::AnchorDeserialize;
    use bulwark::events::{MarketCreated, MarketSwept, PositionSettled};

    use super::*;

    /// An event of zeros: only its number matters here.
    fn zeros<T: AnchorDeserialize>() -> T {
        T::deserialize(&mut [0_u8; 1024].as_slice()).unwrap()
    }

    fn settled(market: u16, sequence: u64) -> Event {
        Event::PositionSettled(PositionSettled { market, sequence, ..zeros() })
    }

    #[test]
    fn the_first_number_seen_is_where_one_starts() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.follow(&settled(1, 40)), []);
        assert_eq!(sequences.follow(&settled(1, 41)), []);
        let gap = Gap { source: Source::Market(1), first: 42, count: 3 };
        assert_eq!(sequences.follow(&settled(1, 45)), [gap]);
        assert_eq!(sequences.follow(&settled(1, 45)), [], "seen twice is nothing missed");
        assert_eq!(sequences.follow(&settled(1, 46)), []);
        assert_eq!(sequences.follow(&settled(2, 7)), [], "each market counts for itself");
    }

    #[test]
    fn an_event_counts_for_every_account_it_moves() {
        let mut sequences = Sequences::default();
        let swept = |sequence, pool_sequence, fund_sequence| {
            Event::MarketSwept(MarketSwept { market: 0, sequence, pool_sequence, fund_sequence, ..zeros() })
        };
        sequences.follow(&swept(5, 8, 2));
        let gaps = sequences.follow(&swept(6, 10, 4));
        let (pool, fund) = (Gap { source: Source::Pool, first: 9, count: 1 }, Source::InsuranceFund);
        assert_eq!(gaps, [pool, Gap { source: fund, first: 3, count: 1 }]);
    }

    #[test]
    fn a_market_that_takes_a_closed_ones_index_starts_at_zero() {
        let mut sequences = Sequences::default();
        sequences.follow(&settled(3, 90));
        sequences.follow(&Event::MarketCreated(MarketCreated { market: 3, ..zeros() }));
        assert_eq!(sequences.follow(&settled(3, 0)), []);
        assert_eq!(sequences.follow(&settled(3, 2)).len(), 1);
    }
}
