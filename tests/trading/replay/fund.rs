//! The insurance fund as its events tell: reserve, and stake that is active or cooling.

use bulwark_sdk::program::state::InsuranceFund;

use super::indexer::next;

/// Shares and units that nobody has, so that the first staker can't set the price.
const VIRTUAL: u128 = 1_000;

/// Stake and the shares that divide it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Side {
    value: u64,
    shares: u64,
}

impl Side {
    /// What shares are worth: at the price with what is virtual, and no more than their part.
    fn worth(self, shares: u64) -> u64 {
        let part = |value: u128, all: u128| u128::from(shares) * value / all.max(1);
        let (value, all) = (u128::from(self.value), u128::from(self.shares));
        u64::try_from(part(value + VIRTUAL, all + VIRTUAL).min(part(value, all))).expect("a part")
    }
}

/// The fund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fund {
    sequence: u64,
    reserve: u64,
    active: Side,
    cooling: Side,
}

impl Fund {
    fn next(&mut self, sequence: u64) {
        next(&mut self.sequence, sequence, "the insurance fund");
    }

    pub fn income(&mut self, sequence: u64, income: u64, staked: u64) {
        self.next(sequence);
        self.reserve += income - staked;
        self.active.value += staked;
    }

    pub fn donated(&mut self, sequence: u64, amount: u64) {
        self.next(sequence);
        self.reserve += amount;
    }

    /// Both sides lose in proportion, the cooling one rounded up.
    pub fn lost(&mut self, sequence: u64, reserve: u64, stake: u64) {
        self.next(sequence);
        self.reserve -= reserve;
        let all = u128::from(self.active.value) + u128::from(self.cooling.value);
        let cooling = (u128::from(stake) * u128::from(self.cooling.value)).div_ceil(all.max(1));
        let cooling = u64::try_from(cooling).expect("a part");
        self.cooling.value -= cooling;
        self.active.value -= stake - cooling;
    }

    pub fn staked(&mut self, sequence: u64, amount: u64, shares: u64) {
        self.next(sequence);
        self.active.value += amount;
        self.active.shares += shares;
    }

    pub fn requested(&mut self, sequence: u64, shares: u64, (cooling, value): (u64, u64)) {
        self.next(sequence);
        let worth = self.active.worth(shares);
        self.active = Side { value: self.active.value - worth, shares: self.active.shares - shares };
        self.cooling = Side { value: self.cooling.value + worth, shares: self.cooling.shares + cooling };
        assert_eq!(self.cooling.worth(cooling), value, "what the ticket is worth");
    }

    /// What the shares are worth beyond what was paid stays with the others.
    pub fn unstaked(&mut self, sequence: u64, cooling: u64, paid: u64) {
        self.next(sequence);
        let worth = self.cooling.worth(cooling);
        self.cooling = Side { value: self.cooling.value - worth, shares: self.cooling.shares - cooling };
        let stay = if self.active.shares == 0 { &mut self.cooling } else { &mut self.active };
        stay.value += worth - paid;
    }

    pub fn cancelled(&mut self, sequence: u64, cooling: u64, shares: u64) {
        self.next(sequence);
        let worth = self.cooling.worth(cooling);
        self.cooling = Side { value: self.cooling.value - worth, shares: self.cooling.shares - cooling };
        self.active = Side { value: self.active.value + worth, shares: self.active.shares + shares };
    }

    pub fn of_chain(fund: &InsuranceFund) -> Self {
        let (core, sides) = (&fund.core, [fund.core.backstop.active, fund.core.backstop.cooling]);
        let [active, cooling] = sides.map(|s| Side { value: s.value, shares: s.shares });
        Self { sequence: fund.sequence, reserve: core.reserve, active, cooling }
    }
}
