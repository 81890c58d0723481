//! Tokens leave a vault at a bounded rate: its balance stays above a line, the average of an hour less a share.

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

/// A vault of which a tenth of the average may leave at once and in an hour, and three holders of tokens.
struct Limited {
    world: World,
    vault: u16,
    holders: [(Trader, Pubkey); 3],
}

impl Limited {
    /// A vault that nothing was ever in.
    fn young(quote: bool) -> Self {
        let mut world = World::empty();
        let outflow = OutflowParams { floor: 0, max_ppm: 100_000, _padding: 0 };
        let vault = if quote {
            let key = world.listings.vaults[0].address;
            world.tamper::<Vault>(&key, |v| v.core.params.outflow = outflow);
            0
        } else {
            let (vault, _) =
                list(&mut world, CollateralParams { outflow, ..collateral_params(1_000 * MILLION) });
            world.open_cap();
            vault
        };
        let holders = [10 * MILLION; 3].map(|amount| holder(&mut world, vault, amount));
        Self { world, vault, holders }
    }

    /// A vault in which a million of the first holder stood for a day.
    fn new(quote: bool) -> Self {
        let mut limited = Self::young(quote);
        limited.deposit(0, MILLION);
        limited.world.advance(DAY);
        limited
    }

    /// Of quote and of a collateral.
    fn both() -> [Self; 2] {
        [Self::new(true), Self::new(false)]
    }

    fn deposit_instruction(&self, n: usize, amount: u64) -> Instruction {
        deposit(&self.world, &self.holders[n], self.vault, amount)
    }

    #[track_caller]
    fn deposit(&mut self, n: usize, amount: u64) {
        let deposit = self.deposit_instruction(n, amount);
        accept(&mut self.world, &deposit, &[&self.holders[n].0.key]);
    }

    fn withdraw(&self, n: usize, amount: u64) -> Instruction {
        let (trader, tokens) = &self.holders[n];
        withdraw_instruction(&self.world, trader, self.vault, (*tokens, amount))
    }

    #[track_caller]
    fn leaves(&mut self, n: usize, amount: u64) {
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
    fn available(&self) -> u64 {
        self.world.vault(self.vault).core.releasable(self.world.now()).expect("releasable")
    }

    /// So much may leave, and not a unit more; this holder has more than that in the vault.
    #[track_caller]
    fn may_leave(&mut self, n: usize, available: u64) {
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
        // In a tenth of an hour the average falls by a tenth of the difference: 990,000, of which 891,000 must stay.
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
        // A tenth at once; then nine tenths of an average that falls by a tenth of itself an hour, in 300 steps.
        let [first, second, .., last] = balances[..] else { panic!("{balances:?}") };
        assert_eq!((first, second), (MILLION, 900_000));
        assert!(last.abs_diff(545_680) < 400, "900,000 · (1 − 1/600)^300 is {last}");
        for pair in balances.windows(2) {
            assert!(
                pair[0] - pair[1] <= pair[0] / 9,
                "a tenth of the average, which is a ninth above: {pair:?}"
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
        assert_eq!(available, (left / 10).max(20_000).min(left));
        limited.leaves(0, available);
        (left, hours) = (left - available, hours + 1);
        limited.world.advance(HOUR);
    }
    // Until a tenth is less than the floor, 16 hours; then 185,302 by 20,000 each.
    assert_eq!(hours, 16 + 10);
}

#[test]
fn who_brings_tokens_can_take_them_away_again_and_what_stays_is_protected_within_an_hour() {
    for mut limited in Limited::both() {
        limited.leaves(0, 100_000);
        limited.may_leave(0, 0);
        limited.deposit(1, 30_001);
        limited.refuse(0, 30_002, 30_001);
        limited.leaves(1, 30_001);
        limited.may_leave(0, 0);
        // 900,000 stand and 9 million come: the average goes from a million to 9.9 of them.
        limited.deposit(1, 9 * MILLION);
        assert_eq!(limited.available(), 9 * MILLION);
        for average in [3_225_000, 4_893_750] {
            limited.world.advance(HOUR / 4);
            let available = limited.available();
            let line = average - average / 10;
            assert!(available.abs_diff(9_900_000 - line) <= 4, "{available}, of 9,900,000 stay {line}");
            limited.deposit(2, 1);
            limited.leaves(2, 1);
            limited.may_leave(1, available);
        }
        limited.world.advance(HOUR);
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
        // A minute later a sixtieth of it is average, and a tenth of that may leave: it is young still.
        limited.deposit(0, MILLION);
        limited.world.advance(60);
        let average = MILLION / 60;
        limited.may_leave(0, MILLION - (average - average / 10));
        limited.world.advance(HOUR);
        limited.may_leave(0, 100_000);
    }
}

/// What everybody may take out now and later: each hour of the next five.
fn prospects(limited: &Limited) -> Vec<u64> {
    let core = limited.world.vault(limited.vault).core;
    (0..=5).map(|hour| core.releasable(limited.world.now() + hour * HOUR).expect("releasable")).collect()
}

#[test]
fn attack_a_flash_deposit_changes_nothing_for_anybody() {
    for mut limited in Limited::both() {
        for taken in [0, 40_000, 60_000] {
            if taken > 0 {
                limited.leaves(0, taken);
            }
            for seconds in [0, 1, HOUR / 2] {
                limited.world.advance(seconds);
                let before = prospects(&limited);
                for amount in [1, 33_333, 10 * MILLION] {
                    for _ in 0..5 {
                        let both = [limited.deposit_instruction(1, amount), limited.withdraw(1, amount)];
                        limited.world.send(&both, &[&limited.holders[1].0.key]).expect("in and out");
                        assert_eq!(prospects(&limited)[0], before[0]);
                    }
                    // Not in one transaction, but in one second.
                    limited.deposit(1, amount);
                    assert_eq!(limited.available(), before[0] + amount, "its own and no more");
                    limited.leaves(1, amount);
                    assert_eq!(limited.available(), before[0]);
                }
                if seconds == 0 {
                    assert_eq!(prospects(&limited), before, "nor later");
                }
                limited.may_leave(0, before[0]);
            }
        }
    }
}

#[test]
fn tokens_that_stood_for_a_second_count_for_a_second() {
    for mut limited in Limited::both() {
        limited.deposit(1, 10 * MILLION);
        limited.world.advance(1);
        // A 3,600th of ten million more in the average, rounded down; nine tenths of it must stay.
        let average = MILLION + 2_777;
        let line = average - average / 10;
        assert_eq!(limited.available(), 11 * MILLION - line);
        limited.leaves(1, 10 * MILLION);
        limited.may_leave(0, MILLION - line);
        limited.world.advance(HOUR);
        limited.may_leave(0, 100_000);
    }
}

#[test]
fn a_line_that_is_touched_all_the_time_follows_slower_and_follows() {
    for mut limited in Limited::both() {
        limited.leaves(0, 100_000);
        let others = limited.world.fork();
        // Somebody comes and goes each minute: of the difference (1 − 1/60)^60 is left after an hour.
        for _ in 0..60 {
            limited.world.advance(60);
            limited.deposit(1, MILLION);
            limited.leaves(1, MILLION);
        }
        let available = limited.available();
        assert!(available.abs_diff(57_170) < 60, "of 90,000 after an hour in which nobody came: {available}");
        let quiet = others.vault(limited.vault).core.releasable(others.now() + HOUR);
        assert_eq!(quiet, Ok(90_000));
        limited.world.advance(HOUR);
        limited.may_leave(0, 90_000);
    }
}

#[test]
fn attack_going_out_and_in_again_blocks_nobody() {
    for mut limited in Limited::both() {
        limited.deposit(1, MILLION);
        limited.world.advance(DAY);
        for _ in 0..20 {
            for amount in [1, 33_333, 200_000] {
                limited.leaves(1, amount);
                limited.deposit(1, amount);
                limited.may_leave(0, 200_000);
            }
        }
    }
}

#[test]
fn attack_going_in_and_out_again_blocks_nobody() {
    for mut limited in Limited::both() {
        for _ in 0..20 {
            for amount in [1, 100_000, 5 * MILLION] {
                limited.deposit(1, amount);
                limited.leaves(1, amount);
                limited.may_leave(0, 100_000);
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
