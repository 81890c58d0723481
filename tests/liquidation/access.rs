//! Every account of every instruction replaced by everything it could be confused with, read-only, unsigned, missing or in
//! another order: refused by a named error with nothing changed, unless the table says why it is as good.

use std::collections::BTreeSet;

use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, Pause};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::spoil::{Call, Row, legitimate};
use bulwark_tests::{Failure, Keypair, Signer as _};

use crate::instances::{Instance, all, margin};
use crate::support::*;

const LEGITIMATE: &[Row] = &[
    ("liquidate_to_pool", "keeper_account := margin of the taker", "whoever is to be paid"),
    ("liquidate_to_pool", "keeper_account := margin of another", "whoever is to be paid"),
    ("liquidate_to_pool", "keeper_account := the program", "the keeper is optional"),
    ("liquidate_collateral", "market := UNI market", "margin is reason enough"),
    ("liquidate_collateral", "market := the program", "the market is optional"),
    ("auto_deleverage", "margin_account := margin of the taker", "above the cut-off too"),
    ("auto_deleverage", "keeper_account := margin of the taker", "whoever is to be paid"),
    ("auto_deleverage", "keeper_account := margin of another", "whoever is to be paid"),
    ("auto_deleverage", "keeper_account := the program", "the keeper is optional"),
    ("settle_position", "margin_account := margin of the taker", "anyone may settle anyone"),
    ("settle_position", "market := DUO market", "the account has a position there too"),
];

/// Errors of the runtime and the system program that say what is wrong.
const RUNTIME: &[&str] = &["PrivilegeEscalation", "IncorrectProgramId", "insufficient lamports"];

fn is_named(failure: &Failure) -> bool {
    failure.name.is_some()
        || RUNTIME.iter().any(|name| failure.error.contains(name))
        || failure.logs.iter().any(|line| line.contains("Error: ") || line.contains("insufficient lamports"))
}

impl Instance {
    /// Tries every change; returns what is wrong and notes the rows of the table that apply.
    fn spoil(&mut self, used: &mut BTreeSet<usize>) -> Vec<String> {
        let Self { accounts, instruction, keys, known, stage, .. } = &mut *self;
        let (mut wrong, spoiled) = (Vec::new(), Call { accounts, instruction, keys, known }.spoiled(stage));
        let (before, svm) = (state(&self.stage), self.stage.svm.clone());
        let keys: Vec<_> = self.keys.iter().map(Keypair::insecure_clone).collect();
        let keys: Vec<_> = keys.iter().collect();
        for (what, spoiled) in spoiled {
            let result = self.stage.send_unchecked(&[spoiled], &keys);
            let changed = state(&self.stage) != before;
            let row = legitimate(LEGITIMATE, self.name, &what);
            used.extend(row);
            let surprise = match result {
                Ok(_) if row.is_some() => None,
                Ok(_) => Some("went through".to_string()),
                Err(_) if row.is_some() => Some("refused, but listed as legitimate".into()),
                Err(_) if changed => Some("refused, and changed something".into()),
                Err(failure) if is_named(&failure) => None,
                Err(failure) => Some(format!("{}: not a named error", failure.error)),
            };
            wrong.extend(surprise.map(|surprise| format!("{}: {what}: {surprise}", self.name)));
            if changed {
                self.stage.svm = svm.clone();
            }
        }
        let valid = self.stage.send(std::slice::from_ref(&self.instruction), &keys);
        wrong.extend(valid.err().map(|failure| format!("{}: valid, but {failure:?}", self.name)));
        wrong
    }
}

#[test]
fn an_account_in_the_wrong_place_is_refused_by_name_and_changes_nothing() {
    let mut used = BTreeSet::new();
    let wrong: Vec<_> = all().into_iter().flat_map(|mut instance| instance.spoil(&mut used)).collect();
    assert!(wrong.is_empty(), "{} surprises:\n{}", wrong.len(), wrong.join("\n"));
    for (i, (instruction, change, _)) in LEGITIMATE.iter().enumerate() {
        assert!(used.contains(&i), "the table is out of date: {instruction}: {change}");
    }
}

/// The instance of this name.
fn instance(name: &str) -> Instance {
    all().into_iter().find(|instance| instance.name == name).expect("an instance")
}

#[test]
fn the_delegate_may_liquidate_and_a_former_one_and_strangers_may_not() {
    for name in ["liquidate", "liquidate_collateral"] {
        let Instance { mut stage, mut instruction, keys, .. } = instance(name);
        let [taker, another] = [&keys[0], &keys[1]];
        let own = instruction.accounts[3].pubkey;
        instruction.accounts[0].pubkey = another.pubkey();
        refused(&mut stage, instruction.clone(), &[another], "Unauthorized", name);
        for (delegate, may) in [(another.pubkey(), true), (Pubkey::default(), false)] {
            let set = margin(&stage, &own, |m| ix::set_delegate(m, delegate));
            stage.send(&[set], &[taker]).expect("set_delegate");
            let result = stage.fork().send(std::slice::from_ref(&instruction), &[another]);
            assert_eq!(result.is_ok(), may, "{name}");
        }
        refused(&mut stage, instruction.clone(), &[another], "Unauthorized", name);
        // The default key, which is nobody's delegate.
        (instruction.accounts[0].pubkey, instruction.accounts[0].is_signer) = (Pubkey::default(), false);
        refused(&mut stage, instruction, &[], "AccountNotSigner", name);
    }
}

#[test]
fn what_was_signed_for_another_incarnation_is_refused() {
    for name in ["liquidate", "liquidate_collateral"] {
        let Instance { mut stage, instruction, keys, .. } = instance(name);
        for wrong in [-1, 1] {
            let mut other = instruction.clone();
            let incarnation = u64::from_le_bytes(other.data[8..16].try_into().expect("eight bytes"));
            other.data[8..16].copy_from_slice(&incarnation.wrapping_add_signed(wrong).to_le_bytes());
            refused(&mut stage, other, &[&keys[0]], "WrongIncarnation", name);
        }
    }
}

#[test]
fn the_legs_of_both_accounts_must_follow_in_slot_order() {
    let Instance { mut stage, instruction, keys, accounts, .. } = instance("liquidate");
    let own = accounts.len();
    // DUO and the UNI vault of the victim, then those of the taker.
    let legs = instruction.accounts[own..].to_vec();
    assert_eq!(legs.len(), 4);
    let key = |n: usize| legs[n].clone();
    let cases: [(&str, Vec<usize>, &str); 7] = [
        ("none", vec![], "AccountMissing"),
        ("the victim's alone", vec![0, 1], "AccountMissing"),
        ("one missing", vec![0, 1, 2], "AccountMissing"),
        ("the first missing", vec![1, 2, 3], "WrongAccount"),
        ("vaults first", vec![1, 0, 3, 2], "WrongAccount"),
        ("a market twice", vec![0, 0, 2, 3], "WrongAccount"),
        ("the taker's swapped", vec![0, 1, 3, 2], "WrongAccount"),
    ];
    for (what, order, name) in cases {
        let mut wrong = instruction.clone();
        wrong.accounts.truncate(own);
        wrong.accounts.extend(order.into_iter().map(key));
        refused(&mut stage, wrong, &[&keys[0]], name, what);
    }
    let mut named = instruction.clone();
    named.accounts[own].pubkey = address::market(A);
    refused(&mut stage, named, &[&keys[0]], "DuplicateAccount", "the named market among the legs");
    stage.send(&[instruction], &[&keys[0]]).expect("in order");
}

/// With another number of eight bytes at this place of the data.
fn with_number(instruction: &Instruction, at: usize, number: u64) -> Instruction {
    let mut changed = instruction.clone();
    changed.data[at..at + 8].copy_from_slice(&number.to_le_bytes());
    changed
}

#[test]
fn amounts_of_nothing_and_beyond_all_measure_are_refused_by_name() {
    // (instruction, place of the number, number, error)
    let table: [(&str, usize, u64, &str); 14] = [
        ("liquidate", 16, 1, "NotAMultipleOfStep"),
        ("liquidate", 24, 0, "PriceOutOfRange"),
        ("liquidate_collateral", 24, 0, "PriceOutOfRange"),
        ("fund_insurance", 8, 0, "ZeroAmount"),
        ("fund_insurance", 8, u64::MAX, "insufficient funds"),
        ("stake_backstop", 8, 0, "ZeroAmount"),
        ("stake_backstop", 8, u64::MAX, "insufficient funds"),
        ("stake_backstop", 16, u64::MAX, "BelowMinimumShares"),
        ("stake_backstop", 16, DOLLAR + 1, "BelowMinimumShares"),
        ("request_unstake", 16, 0, "ZeroAmount"),
        ("request_unstake", 16, 10_000 * DOLLAR + 1, "insufficient funds"),
        ("request_unstake", 16, u64::MAX, "InsufficientBalance"),
        ("unstake", 8, DOLLAR + 1, "BelowMinimumAmount"),
        ("unstake", 8, u64::MAX, "BelowMinimumAmount"),
    ];
    for (name, place, number, error) in table {
        let Instance { mut stage, instruction, keys, .. } = instance(name);
        let keys: Vec<_> = keys.iter().collect();
        let before = state(&stage);
        let failure = stage.send(&[with_number(&instruction, place, number)], &keys).expect_err(name);
        let told = failure.is(error) || failure.logs.iter().any(|line| line.contains(error));
        assert!(told, "{name} {number}: {error} was expected: {failure:#?}");
        assert!(state(&stage) == before, "{name}: a refusal changed something");
    }
    // The largest takes what there is.
    for name in ["liquidate", "liquidate_collateral"] {
        let Instance { mut stage, instruction, keys, .. } = instance(name);
        stage.send(&[with_number(&instruction, 16, u64::MAX)], &[&keys[0]]).expect("what is offered");
    }
}

#[test]
fn malformed_data_is_refused_by_name() {
    for Instance { name, mut stage, instruction, keys, .. } in all() {
        let keys: Vec<_> = keys.iter().collect();
        let (mut unknown, mut short) = (instruction.clone(), instruction.clone());
        unknown.data[0] ^= 1;
        refused(&mut stage, unknown, &keys, "InstructionFallbackNotFound", name);
        if short.data.len() > 8 {
            short.data.pop();
            refused(&mut stage, short.clone(), &keys, "InstructionDidNotDeserialize", name);
        }
        short.data.truncate(7);
        refused(&mut stage, short, &keys, "InstructionFallbackNotFound", name);
    }
}

#[test]
fn only_staking_and_taking_the_stake_out_can_be_paused() {
    for Instance { name, stage, instruction, keys, .. } in all() {
        let keys: Vec<_> = keys.iter().collect();
        for bits in 0..=15_u8 {
            let mut stage = stage.fork();
            stage.pause(bits);
            for market in [A, B] {
                stage.tamper::<Market>(&address::market(market), |m| (m.pause, m.status) = (u8::MAX, 0));
            }
            let stops = ["stake_backstop", "unstake"].contains(&name) && Pause::STAKE.is_set(bits);
            let result =
                stage.send(std::slice::from_ref(&instruction), &keys).map(|_| ()).map_err(|f| f.name);
            assert_eq!(result, if stops { Err(Some("Paused".into())) } else { Ok(()) }, "{name} {bits}");
        }
    }
}
