//! Tokens leave a vault at a bounded rate: its balance stays above a line, an anchor less a share, and the anchor follows the
//! balance at that share an hour.

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Trader, World};

use crate::provider::*;
use crate::support::*;
use crate::vault_limits::{deposit, holder, list};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const MILLION: u64 = 1_000_000;

/// A vault of which a tenth of the anchor may leave at once and in an hour, and three holders of tokens. Its cap lets the
/// anchor rise by 100,000 an hour at least: what a tenth of a million is too.
pub struct Limited {
    /// The chain.
    pub world: World,
    /// The vault.
    pub vault: u16,
    /// Who has tokens of it, and where.
    pub holders: [(Trader, Pubkey); 3],
}

impl Limited {
    /// A vault that nothing was ever in.
    fn young(quote: bool) -> Self {
        let mut world = World::empty();
        let outflow = OutflowParams { floor: 0, max_ppm: 100_000, _padding: 0 };
        let vault = if quote {
            let key = world.listings.vaults[0].address;
            world.tamper::<Vault>(&key, |v| {
                (v.core.params.outflow, v.core.params.max_deposits) = (outflow, 100 * MILLION);
            });
            0
        } else {
            let (vault, _) =
                list(&mut world, CollateralParams { outflow, ..collateral_params(100 * MILLION) });
            world.open_cap();
            vault
        };
        let holders = [30 * MILLION; 3].map(|amount| holder(&mut world, vault, amount));
        Self { world, vault, holders }
    }

    /// A vault in which a million of the first holder stood for a day.
    pub fn new(quote: bool) -> Self {
        let mut limited = Self::young(quote);
        limited.deposit(0, MILLION);
        limited.world.advance(DAY);
        limited
    }

    /// Of quote and of a collateral.
    pub fn both() -> [Self; 2] {
        [Self::new(true), Self::new(false)]
    }

    /// The deposit of a holder.
    pub fn deposit_instruction(&self, n: usize, amount: u64) -> Instruction {
        deposit(&self.world, &self.holders[n], self.vault, amount)
    }

    /// Deposits.
    #[track_caller]
    pub fn deposit(&mut self, n: usize, amount: u64) {
        let deposit = self.deposit_instruction(n, amount);
        accept(&mut self.world, &deposit, &[&self.holders[n].0.key]);
    }

    /// The withdrawal of a holder.
    pub fn withdraw(&self, n: usize, amount: u64) -> Instruction {
        let (trader, tokens) = &self.holders[n];
        withdraw_instruction(&self.world, trader, self.vault, (*tokens, amount))
    }

    /// Withdraws.
    #[track_caller]
    pub fn leaves(&mut self, n: usize, amount: u64) {
        let withdraw = self.withdraw(n, amount);
        accept(&mut self.world, &withdraw, &[&self.holders[n].0.key]);
    }

    #[track_caller]
    fn refuse(&mut self, n: usize, amount: u64, available: u64) {
        let withdraw = self.withdraw(n, amount);
        let says = format!("{amount} is more than the {available} that may leave the vault now");
        refuse_saying(&mut self.world, &withdraw, &[&self.holders[n].0.key], ("OutflowLimit", &says));
    }

    /// What may leave now, as the SDK says.
    pub fn available(&self) -> u64 {
        self.world.vault(self.vault).core.releasable(self.world.now()).expect("releasable")
    }

    /// So much may leave, and not a unit more; this holder has more than that in the vault.
    #[track_caller]
    pub fn may_leave(&mut self, n: usize, available: u64) {
        assert_eq!(self.available(), available);
        self.refuse(n, available + 1, available);
        if available > 0 {
            let svm = self.world.svm.clone();
            self.leaves(n, available);
            self.world.svm = svm;
        }
    }
}

#[test]
fn a_share_leaves_at_once_and_as_much_in_every_hour() {
    for mut limited in Limited::both() {
        // A million stood for a day: a tenth of it, in one piece or in several.
        limited.may_leave(0, 100_000);
        limited.leaves(0, 60_000);
        limited.may_leave(0, 40_000);
        limited.leaves(0, 40_000);
        limited.may_leave(0, 0);
        // In a tenth of an hour the anchor falls by a tenth of what may leave: 990,000, of which 891,000 must stay.
        limited.world.advance(HOUR / 10);
        limited.may_leave(0, 9_000);
        // In an hour it is where the balance is: a tenth of that.
        limited.world.advance(HOUR - HOUR / 10);
        limited.may_leave(0, 90_000);
        // However long nobody comes, no more than a share is there.
        limited.world.advance(30 * DAY);
        limited.may_leave(0, 90_000);
        for allowed in [90_000, 81_000, 72_900, 65_610, 59_049] {
            limited.may_leave(0, allowed);
            limited.leaves(0, allowed);
            limited.may_leave(0, 0);
            limited.world.advance(HOUR);
        }
    }
}

#[test]
fn attack_taking_what_may_leave_each_minute_takes_no_more_than_the_share_of_an_hour() {
    for mut limited in Limited::both() {
        let mut balances = vec![MILLION];
        for minute in 0..=300 {
            let available = limited.available();
            if available > 0 {
                limited.leaves(0, available);
            }
            if minute % 60 == 0 {
                balances.push(limited.world.vault(limited.vault).core.recorded);
            }
            limited.world.advance(60);
        }
        // A tenth at once; then nine tenths of an anchor that falls by a tenth of itself an hour, in 300 steps.
        let [first, second, .., last] = balances[..] else { panic!("{balances:?}") };
        assert_eq!((first, second), (MILLION, 900_000));
        assert!(last.abs_diff(545_680) < 400, "900,000 · (1 − 1/600)^300 is {last}");
        for pair in balances.windows(2) {
            assert!(
                pair[0] - pair[1] <= pair[0] / 9,
                "a tenth of the anchor, which is a ninth above: {pair:?}"
            );
            assert!(pair[0] - pair[1] <= 100_000, "{pair:?}");
        }
    }
}

#[test]
fn everything_leaves_in_time_and_a_floor_helps_the_last() {
    let mut limited = Limited::new(true);
    let key = limited.world.listings.vaults[0].address;
    limited.world.tamper::<Vault>(&key, |v| v.core.params.outflow.floor = 20_000);
    let (mut left, mut hours) = (MILLION, 0);
    while left > 0 {
        let available = limited.available();
        assert_eq!(available, left.div_ceil(10).max(20_000).min(left));
        limited.leaves(0, available);
        (left, hours) = (left - available, hours + 1);
        limited.world.advance(HOUR);
    }
    // Until a tenth is less than the floor, 16 hours; then 185,302 by 20,000 each.
    assert_eq!(hours, 16 + 10);
}

#[test]
fn who_brings_tokens_can_take_them_away_again_and_what_stays_is_protected_at_the_limit_an_hour() {
    for mut limited in Limited::both() {
        limited.leaves(0, 100_000);
        limited.may_leave(0, 0);
        limited.deposit(1, 30_001);
        limited.refuse(0, 30_002, 30_001);
        limited.leaves(1, 30_001);
        limited.may_leave(0, 0);
        // 900,000 stand and 9 million come: the anchor goes up from a million by a tenth of itself an hour, rounded down.
        limited.deposit(1, 9 * MILLION);
        assert_eq!(limited.available(), 9 * MILLION);
        for line in [922_499, 945_560] {
            limited.world.advance(HOUR / 4);
            limited.deposit(2, 1);
            limited.leaves(2, 1);
            limited.may_leave(1, 9_900_000 - line);
        }
        // 1,050,623 and 105,063 · 6 h, of which nine tenths stay.
        limited.world.advance(6 * HOUR);
        limited.may_leave(1, 9_900_000 - 1_512_900);
        // Nobody comes for a day: it is where the balance is.
        limited.world.advance(18 * HOUR - 1);
        assert!(limited.available() > 6 * MILLION, "{}", limited.available());
        limited.world.advance(1);
        limited.may_leave(1, 990_000);
    }
}

#[test]
fn the_first_who_deposits_into_a_new_vault_can_leave_at_once_with_everything() {
    for quote in [true, false] {
        let mut limited = Limited::young(quote);
        for n in [0, 1] {
            limited.deposit(n, MILLION);
        }
        assert_eq!(limited.available(), 2 * MILLION);
        limited.leaves(1, MILLION);
        limited.leaves(0, MILLION);
        assert_eq!(limited.world.vault(limited.vault).core.recorded, 0);
        // In one transaction too, and as often as one likes.
        for _ in 0..3 {
            let both = [limited.deposit_instruction(0, MILLION), limited.withdraw(0, MILLION)];
            limited.world.send(&both, &[&limited.holders[0].0.key]).expect("in and out");
        }
        // The anchor rises by a thousandth of the cap an hour, rounded down, and never beyond the balance.
        limited.deposit(0, MILLION);
        for (seconds, anchor) in
            [(60, 1_666), (HOUR, 99_999), (9 * HOUR, 899_999), (11 * HOUR, MILLION), (DAY, MILLION)]
        {
            let svm = limited.world.svm.clone();
            limited.world.advance(seconds);
            limited.may_leave(0, MILLION - anchor * 9 / 10);
            limited.world.svm = svm;
        }
    }
}

#[test]
fn tokens_that_stood_for_a_second_count_for_a_second() {
    for mut limited in Limited::both() {
        limited.deposit(1, 10 * MILLION);
        limited.world.advance(1);
        // A 3,600th of a tenth of the million that the anchor was at, rounded down, however much has come.
        let anchor = MILLION + 27;
        let line = anchor - anchor.div_ceil(10);
        assert_eq!(limited.available(), 11 * MILLION - line);
        limited.leaves(1, 10 * MILLION);
        limited.may_leave(0, MILLION - line);
        limited.world.advance(HOUR);
        limited.may_leave(0, 100_000);
    }
}

#[test]
fn the_same_leaves_in_every_hour_however_often_the_vault_is_touched() {
    for (floor, max_ppm) in [(100_000, 0), (0, 100_000)] {
        for mut limited in Limited::both() {
            let key = limited.world.listings.vaults[usize::from(limited.vault)].address;
            limited.world.tamper::<Vault>(&key, |v| {
                (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (floor, max_ppm);
            });
            limited.leaves(0, 100_000);
            let start = limited.world.fork();
            limited.world.advance(HOUR);
            let quiet = limited.available();
            assert_eq!(quiet, floor.max(90_000));
            for times in [2, 60, 600] {
                limited.world = start.fork();
                let mut anchor = MILLION;
                // Somebody comes and goes.
                for _ in 0..times {
                    limited.world.advance(HOUR / times);
                    limited.deposit(1, MILLION);
                    limited.leaves(1, MILLION);
                    let limit = (anchor * u64::from(max_ppm)).div_ceil(MILLION).max(floor);
                    anchor = (anchor - limit.div_ceil(times.unsigned_abs())).max(900_000);
                }
                let limit = (anchor * u64::from(max_ppm)).div_ceil(MILLION).max(floor);
                limited.may_leave(0, limit - (anchor - 900_000));
                // A share is one of what is left of it: half of it is lost of the rate at most, and of a floor nothing.
                let least = quiet - quiet * u64::from(max_ppm) / (2 * MILLION);
                assert!((least..=quiet).contains(&limited.available()), "{times}: {}", limited.available());
                limited.world.advance(HOUR);
                limited.may_leave(0, quiet);
            }
        }
    }
}

#[test]
fn a_redemption_and_a_withdrawal_share_the_line() {
    let mut world = World::empty();
    let key = world.listings.vaults[0].address;
    world.tamper::<Vault>(&key, |v| {
        v.core.params.outflow = OutflowParams { floor: 0, max_ppm: 100_000, _padding: 0 };
    });
    let provider = Provider::with_shares(&mut world, TrancheKind::Junior, 500_000);
    let trader = world.funded_trader(500_000);
    provider.request(&mut world, 0, 60_000);
    world.advance(DELAY);
    let mut other = world.fork();
    assert_eq!(provider.redeem(&mut world, 0).paid, 59_940);
    let says = ("OutflowLimit", "40061 is more than the 40060 that may leave the vault now");
    let withdraw = withdraw_instruction(&world, &trader, 0, (trader.tokens, 40_061));
    refuse_saying(&mut world, &withdraw, &[&trader.key], says);
    world.withdraw(&trader, 0, (trader.tokens, 40_060)).expect("the rest");
    // The other way round.
    other.withdraw(&trader, 0, (trader.tokens, 60_000)).expect("withdraw");
    let redeemed = provider.redeem(&mut other, 0);
    assert_eq!((redeemed.paid, redeemed.shares_left > 0), (40_000, true));
    // Liquidity that comes makes room for as much to leave.
    Provider::with_shares(&mut other, TrancheKind::Junior, 7_000);
    assert_eq!(other.vault(0).core.releasable(other.now()), Ok(7_000));
    other.withdraw(&trader, 0, (trader.tokens, 7_000)).expect("withdraw");
}
