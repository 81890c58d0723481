//! What honest people do when they see something coming: they ask for their money, and take it as soon as they can.

use bulwark_sdk::instruction as ix;
use bulwark_tests::{BTC, SOL, SOL_VAULT};

use crate::stage::*;

impl Stage {
    /// Providers and the staker put all they have into tickets.
    pub fn ask_for_all(&mut self) {
        for provider in [0, 1] {
            self.request_redeem(provider).expect("never paused");
        }
        let (staker, shares) = (self.staker.person.again(), self.staker.shares);
        let all = self.token_balance(&shares);
        self.request_unstake(&staker.trader, shares, (0, all)).expect("never paused");
    }

    /// Anyone moves what markets can spare back to the pool.
    pub fn move_back(&mut self) {
        for market in [SOL, BTC] {
            let back = ix::allocate_liquidity(&self.listings, market);
            if let Err(failure) = self.send(&[back], &[]) {
                assert!(failure.is("NothingToAllocate"), "{failure:#?}");
            }
        }
    }

    /// Traders close, and take out what the vaults let go.
    pub fn traders_leave(&mut self) {
        for trader in 0..3 {
            let person = self.traders[trader].again();
            for market in [SOL, BTC] {
                if self.margin(&person.trader.margin).position(market).is_some() {
                    self.world.close(&person.trader, market, u64::MAX).expect("a close is never stopped");
                }
            }
            for vault in [0, SOL_VAULT] {
                self.take_out(&person, vault);
            }
        }
    }

    /// Providers take what the pool pays, the senior one first.
    pub fn providers_leave(&mut self) {
        let waits = [
            "RedeemTooEarly",
            "Paused",
            "OutflowLimit",
            "PoolIdle",
            "SeniorRatio",
            "PoolUtilisation",
            "RedeemTooLate",
        ];
        for provider in [1, 0] {
            if self.ticket(provider).is_none() {
                continue;
            }
            if let Err(failure) = self.redeem(provider) {
                assert!(waits.iter().any(|name| failure.is(name)), "{failure:#?}");
            }
        }
    }

    /// What everybody does every hour.
    pub fn leave(&mut self) {
        self.traders_leave();
        self.move_back();
        self.providers_leave();
    }

    /// What somebody has taken out of the quote vault since the attack began.
    pub fn taken(&self, name: &str) -> u64 {
        self.left
            .iter()
            .filter(|(_, who, vault, _)| *who == name && *vault == 0)
            .map(|(.., amount)| amount)
            .sum()
    }
}

/// Checks that everybody is out but the staker, who has asked, and says who left when.
pub fn require_all_out(stage: &Stage) {
    for ((name, vault), (first, last, amount)) in stage.summary() {
        println!("{name} has {amount} of vault {vault} from hour {first} to {last}");
    }
    for person in &stage.traders {
        assert_eq!(stage.balances(person), [0, 0], "{}", person.name);
        assert!(stage.margin(&person.trader.margin).positions.iter().all(|position| !position.is_open()));
    }
    let pool = stage.pool().core;
    assert_eq!([pool.junior.shares, pool.senior.shares], [0, 0]);
    let backstop = stage.fund().core.backstop;
    assert_eq!(backstop.active.shares, 0, "all stake is in tickets");
    let staked = backstop.value().expect("valid");
    let [quote, sol] = [0, 1].map(|vault| stage.tokens_of(vault));
    println!(
        "left: {quote} quote units, of which {staked} are staked and {} the pool's fees, {sol} of SOL",
        pool.idle
    );
    let others = staked + pool.idle + stage.balances(&stage.attacker)[0];
    assert!(sol == 0 && quote < others + 2_000_000_000, "{quote} of which {others}, {sol}");
}
