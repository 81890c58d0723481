//! How much compute a transaction asks for, and what it pays for it.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_compute_budget_interface::ComputeBudgetInstruction;

use super::{Client, RpcError};

/// Most compute units of a transaction.
pub const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// Least compute units above what the simulation used.
const LEAST_MARGIN: u64 = 10_000;
const MICRO: u128 = 1_000_000;
/// Most accounts that a node takes in one question about fees.
const MAX_FEE_ACCOUNTS: usize = 128;

/// What to pay for being included early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeePolicy {
    /// Nothing above the base fee.
    #[default]
    None,
    /// So many micro-lamports per compute unit.
    Fixed(u64),
    /// What others lately paid for the accounts that the transaction writes.
    Recent {
        /// Percentile of the last slots, 0 to 100: 50 is the median.
        percentile: u8,
        /// Most lamports per transaction, above the base fee.
        cap: u64,
    },
}

/// Compute limit of a transaction whose simulation used so many units: a tenth more, at least 10,000, at most what the
/// runtime allows. By the time it is executed the state may ask for another path: an auction that has gone on, a carry to accrue.
#[must_use]
pub fn compute_limit(used: u64) -> u32 {
    let margin = (used / 10).max(LEAST_MARGIN);
    u32::try_from(used.saturating_add(margin)).unwrap_or(MAX_COMPUTE_UNITS).min(MAX_COMPUTE_UNITS)
}

/// The price at a percentile (nearest rank) of the slots' prices, micro-lamports per compute unit; 0 if there are none.
#[must_use]
pub fn percentile(mut prices: Vec<u64>, percentile: u8) -> u64 {
    prices.sort_unstable();
    let rank = (prices.len() * usize::from(percentile.min(100))).div_ceil(100);
    prices.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// The price, micro-lamports per compute unit, lowered so that a transaction of that limit pays at most `cap` lamports. The
/// runtime rounds a fee up to whole lamports, which the cap covers.
#[must_use]
pub fn capped(price: u64, limit: u32, cap: u64) -> u64 {
    let most = (u128::from(cap) * MICRO).checked_div(u128::from(limit));
    price.min(most.and_then(|most| u64::try_from(most).ok()).unwrap_or(u64::MAX))
}

/// Instructions to put first: the limit, and the price if there is one.
pub(super) fn budget(limit: u32, price: Option<u64>) -> Vec<Instruction> {
    let price = price.map(ComputeBudgetInstruction::set_compute_unit_price);
    std::iter::once(ComputeBudgetInstruction::set_compute_unit_limit(limit)).chain(price).collect()
}

impl FeePolicy {
    /// Whether there is a price to set.
    pub(super) fn pays(self) -> bool {
        self != Self::None
    }
}

impl Client {
    /// Price that a policy gives for a transaction with that compute limit that writes these accounts, micro-lamports per
    /// compute unit; `None` if it sets no price, or nobody paid lately.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn fee(
        &self,
        policy: FeePolicy,
        limit: u32,
        writable: &[Pubkey],
    ) -> Result<Option<u64>, RpcError> {
        let (rank, cap) = match policy {
            FeePolicy::None => return Ok(None),
            FeePolicy::Fixed(price) => return Ok(Some(price)),
            FeePolicy::Recent { percentile, cap } => (percentile, cap),
        };
        let writable = writable.get(..MAX_FEE_ACCOUNTS).unwrap_or(writable);
        let slots = self.rpc.get_recent_prioritization_fees(writable).await?;
        let price = percentile(slots.into_iter().map(|slot| slot.prioritization_fee).collect(), rank);
        // To ask for nothing costs room and compute units.
        Ok(Some(capped(price, limit, cap)).filter(|price| *price > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_a_tenth_above_what_was_used_and_at_least_ten_thousand() {
        assert_eq!(compute_limit(150), 10_150);
        assert_eq!(compute_limit(100_000), 110_000);
        assert_eq!(compute_limit(200_001), 220_001);
        assert_eq!(compute_limit(1_390_000), MAX_COMPUTE_UNITS);
        assert_eq!(compute_limit(u64::MAX), MAX_COMPUTE_UNITS);
    }

    #[test]
    fn a_percentile_is_one_of_the_prices() {
        let prices = vec![50, 10, 30, 20, 40];
        let at = |rank| percentile(prices.clone(), rank);
        assert_eq!([at(0), at(20), at(21), at(50), at(100), at(255)], [10, 10, 20, 30, 50, 50]);
        assert_eq!(percentile(Vec::new(), 50), 0);
    }

    #[test]
    fn a_transaction_never_pays_more_than_the_cap() {
        // 200,000 units at 1,000,000 micro-lamports are 200,000 lamports.
        assert_eq!(capped(1_000_000, 200_000, 200_000), 1_000_000);
        assert_eq!(capped(1_000_000, 200_000, 100_000), 500_000);
        assert_eq!(capped(7, 0, 0), 7, "a limit of nothing costs nothing");
        for (price, limit, cap) in [(u64::MAX, 1_400_000, 5_000), (999_999, 333_333, 10), (3, 7, 0)] {
            let paid = (u128::from(capped(price, limit, cap)) * u128::from(limit)).div_ceil(MICRO);
            assert!(paid <= u128::from(cap), "{paid} lamports");
        }
    }
}
