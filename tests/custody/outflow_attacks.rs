//! Nobody stops others from leaving a vault by going in and out, with however much, unless it stays.

use crate::outflow::Limited;
use crate::support::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const MILLION: u64 = 1_000_000;

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
fn attack_much_for_less_than_a_minute_blocks_nobody() {
    for mut limited in Limited::both() {
        let start = limited.world.fork();
        // Thirty times what is there, for 41 seconds: 1,138 more in the anchor. Others may leave while it stands, and after.
        limited.deposit(1, 30 * MILLION);
        limited.world.advance(41);
        let mut meanwhile = limited.world.fork();
        let withdraw = limited.withdraw(0, MILLION);
        accept(&mut meanwhile, &withdraw, &[&limited.holders[0].0.key]);
        limited.leaves(1, 30 * MILLION);
        limited.may_leave(0, 98_976);
        limited.world.advance(41);
        limited.may_leave(0, 100_000);
        // As often as one likes, and away as long as there.
        for _ in 0..50 {
            limited.deposit(1, 30 * MILLION);
            limited.world.advance(41);
            limited.leaves(1, 30 * MILLION);
            limited.may_leave(0, 98_976);
            limited.world.advance(41);
        }
        limited.may_leave(0, 100_000);

        // What stands for hours does hold it up, for at most an hour, and then its owner cannot leave with all of it.
        for (hours, owner, available, later) in
            [(1, 30 * MILLION, 10_001, 100_000), (2, 29_920_001, 0, 108_000), (20, 28_300_001, 0, 270_000)]
        {
            limited.world = start.fork();
            limited.deposit(1, 30 * MILLION);
            limited.world.advance(hours * HOUR);
            limited.leaves(1, owner);
            limited.may_leave(0, available);
            limited.world.advance(HOUR);
            limited.may_leave(0, later);
        }
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
