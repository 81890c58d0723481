//! Every account of every instruction, replaced by everything it could be confused with: refused by a named
//! error with nothing changed, unless the table says why the other account is as good.

use std::collections::BTreeSet;

use anchor_lang::Discriminator as _;
use bulwark_sdk::program::instruction as data;
use bulwark_tests::Keypair;
use bulwark_tests::spoil::{Call, Row, legitimate};

use crate::governance_instances::governance;
use crate::instances::{Instance, initialize_exchange, on_stage, others};
use crate::liquidity_instances::liquidity;
use crate::support::{Snapshot, accept, label, refuse};

const LEGITIMATE: &[Row] = &[
    ("propose_change", "payer := admin", "whoever signs may pay"),
    ("propose_change", "payer := deployer", "whoever signs may pay"),
    ("propose_change", "vault := USDC vault", "the change is about a market: nobody looks at a vault"),
    ("propose_change", "vault := SOL vault", "the change is about a market: nobody looks at a vault"),
    ("propose_change", "vault := BTC vault", "the change is about a market: nobody looks at a vault"),
    (
        "propose_change",
        "insurance_fund := insurance fund",
        "the change is about a market: nobody looks at the fund",
    ),
    ("execute_change", "primary := *", "the change names no oracles: nobody reads them"),
    ("execute_change", "secondary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, vault", "primary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, vault", "secondary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, pool", "primary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, pool", "secondary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, insurance", "primary := *", "the change names no oracles: nobody reads them"),
    ("execute_change, insurance", "secondary := *", "the change names no oracles: nobody reads them"),
    (
        "execute_change, sources",
        "change := change that waits",
        "another change of the market, which needs no oracles",
    ),
    ("cancel_change", "authority := admin", "the admin may, too"),
    ("cancel_change", "change := change of a vault", "a listing that was not carried out yet, whole"),
    ("cancel_change", "change := change of a market", "a listing that was not carried out yet, whole"),
    ("cancel_change, late", "authority := Alice", "anyone may, once it has lapsed"),
    ("cancel_change, late", "authority := sponsor", "anyone may, once it has lapsed"),
    ("cancel_change, late", "authority := admin", "anyone may, once it has lapsed"),
    ("cancel_change, late", "authority := guardian", "anyone may, once it has lapsed"),
    ("cancel_change, late", "authority := deployer", "anyone may, once it has lapsed"),
    ("tighten", "authority := admin", "the admin may, too"),
    ("tighten, vault", "authority := admin", "the admin may, too"),
    ("set_pause", "authority := admin", "the admin may, too"),
    ("set_pause, market", "authority := admin", "the admin may, too"),
    ("nominate_admin, taken back", "authority := admin", "the admin may, too"),
    ("set_pause, market", "market := BTC market", "whichever market"),
    (
        "set_pause, market",
        "market := the program",
        "the market is optional: then the whole exchange is paused",
    ),
    ("suspend_market", "market := BTC market", "it has no price either"),
    ("create_vault", "payer := admin", "whoever signs may pay"),
    ("create_vault", "payer := deployer", "whoever signs may pay"),
    ("create_market, first step", "payer := admin", "whoever signs may pay"),
    ("create_market, first step", "payer := deployer", "whoever signs may pay"),
    (
        "create_market, first step",
        "primary := *",
        "the first step only allocates, the second reads the oracles",
    ),
    ("create_market, first step", "secondary := *", "the first step only allocates"),
    ("create_market, first step", "primary <> secondary", "the first step only allocates"),
    ("create_market, second step", "payer := Alice", "the rent was paid by the first step"),
    ("create_market, second step", "payer := Bob", "the rent was paid by the first step"),
    ("create_market, second step", "payer := admin", "the rent was paid by the first step"),
    ("create_market, second step", "payer := guardian", "the rent was paid by the first step"),
    ("create_market, second step", "payer := deployer", "the rent was paid by the first step"),
    ("open_margin_account", "payer := admin", "whoever signs may pay"),
    ("open_margin_account", "payer := deployer", "whoever signs may pay"),
    ("deposit", "margin_account := margin of Bob", "anyone may deposit for anyone"),
    ("settle_position", "margin_account := margin of Bob", "anyone may settle anyone"),
    ("settle_position", "market := BTC market", "the account has a position there too"),
    ("place_trigger", "market := BTC market", "a trigger in the other market"),
    ("execute_trigger", "keeper_account := the program", "the keeper is optional"),
    ("request_redeem", "payer := admin", "whoever signs may pay"),
    ("request_redeem", "payer := deployer", "whoever signs may pay"),
    ("request_redeem, senior", "payer := admin", "whoever signs may pay"),
    ("request_redeem, senior", "payer := deployer", "whoever signs may pay"),
    ("redeem", "ticket := senior ticket of Alice", "the owner's other ticket, whole"),
    ("redeem, senior", "ticket := ticket of Alice", "the owner's other ticket, whole"),
    ("cancel_redeem, late", "authority := Alice", "anyone may, once the window is over"),
    ("cancel_redeem, late", "authority := sponsor", "anyone may, once the window is over"),
    ("cancel_redeem, late", "authority := admin", "anyone may, once the window is over"),
    ("cancel_redeem, late", "authority := guardian", "anyone may, once the window is over"),
    ("cancel_redeem, late", "authority := deployer", "anyone may, once the window is over"),
    ("cancel_redeem, senior, late", "authority := Alice", "anyone may, once the window is over"),
    ("cancel_redeem, senior, late", "authority := sponsor", "anyone may, once the window is over"),
    ("cancel_redeem, senior, late", "authority := admin", "anyone may, once the window is over"),
    ("cancel_redeem, senior, late", "authority := guardian", "anyone may, once the window is over"),
    ("cancel_redeem, senior, late", "authority := deployer", "anyone may, once the window is over"),
    ("allocate_liquidity", "market <> remaining 0", "the other market's allocation, whole"),
    ("sweep_market", "market := BTC market", "anyone may sweep any market"),
    (
        "check_invariants",
        "market := BTC market",
        "anyone may check any market, members of others do not count",
    ),
    ("check_invariants", "market := the program", "the market is optional"),
    ("check_invariants", "vault := the program", "the vault is optional"),
    ("check_invariants", "remaining 0 and all after it missing", "a subset of members is a weaker check"),
    ("check_invariants", "remaining 1 and all after it missing", "a subset of members is a weaker check"),
];

/// Errors without a number of the program or framework that still say what is wrong: the runtime's own, and
/// those of the token and system programs.
const RUNTIME: &[&str] =
    &["InstructionError(0, PrivilegeEscalation)", "IncorrectProgramId", "insufficient lamports"];

/// Tries every change of an instance; returns what is wrong and notes the rows of the table that apply.
fn spoil(instance: &mut Instance, used: &mut BTreeSet<usize>) -> Vec<String> {
    let Instance { accounts, instruction, keys, known, world, .. } = &mut *instance;
    let (mut wrong, spoiled) = (Vec::new(), Call { accounts, instruction, keys, known }.spoiled(world));
    let (before, svm) = (Snapshot::take(&instance.world), instance.world.svm.clone());
    let keys: Vec<_> = instance.keys.iter().map(Keypair::insecure_clone).collect();
    let keys: Vec<_> = keys.iter().collect();
    for (what, spoiled) in spoiled {
        let result = instance.world.send_unchecked(&[spoiled], &keys);
        let changed = before.changes(&instance.world);
        let row = legitimate(LEGITIMATE, instance.name, &what);
        used.extend(row);
        let surprise = match result {
            Ok(_) if row.is_some() => None,
            Ok(_) => Some("went through".to_string()),
            Err(_) if row.is_some() => Some("refused, but listed as legitimate".into()),
            Err(_) if !changed.is_empty() => Some(format!("changed {changed:?}")),
            Err(failure) => {
                let name = label(&failure);
                let named = failure.name.is_some() || RUNTIME.contains(&name.as_str());
                (!named).then(|| format!("{name}: not a named error"))
            }
        };
        wrong.extend(surprise.map(|surprise| format!("{}: {what}: {surprise}", instance.name)));
        if !changed.is_empty() {
            instance.world.svm = svm.clone();
        }
    }
    let valid = instance.world.send(std::slice::from_ref(&instance.instruction), &keys);
    wrong.extend(valid.err().map(|failure| format!("{}: valid, but {failure:?}", instance.name)));
    wrong
}

/// Tries every change of these instances.
fn spoil_all(instances: Vec<Instance>) {
    let mut used = BTreeSet::new();
    let names: Vec<_> = instances.iter().map(|instance| instance.name).collect();
    let wrong: Vec<_> =
        instances.into_iter().flat_map(|mut instance| spoil(&mut instance, &mut used)).collect();
    assert!(wrong.is_empty(), "{} surprises:\n{}", wrong.len(), wrong.join("\n"));
    for (i, (instruction, change, _)) in LEGITIMATE.iter().enumerate() {
        let concerns = names.contains(instruction);
        assert_eq!(concerns, used.contains(&i), "the table is out of date: {instruction}: {change}");
    }
}

#[test]
fn an_account_in_the_wrong_place_is_refused_by_name_and_changes_nothing() {
    spoil_all(others());
}

#[test]
fn an_account_in_the_wrong_place_of_a_providers_instruction_is_refused_by_name_and_changes_nothing() {
    spoil_all(liquidity());
}

#[test]
fn an_account_in_the_wrong_place_of_an_instruction_of_governance_is_refused_by_name_and_changes_nothing() {
    spoil_all(governance());
}

#[test]
fn an_account_in_the_wrong_place_of_initialize_exchange_is_refused_by_name_and_changes_nothing() {
    spoil_all(vec![initialize_exchange()]);
}

#[test]
fn only_the_refresh_of_the_quote_vault_writes_the_exchange() {
    for (name, writable) in [("refresh_vault", false), ("refresh_vault, quote", true)] {
        let instance = on_stage().into_iter().find(|instance| instance.name == name);
        let Instance { mut world, instruction, .. } = instance.expect("an instance");
        assert_eq!(instruction.accounts[0].is_writable, writable, "{name}");
        let [mut read_only, mut written] = [instruction.clone(), instruction];
        read_only.accounts[0].is_writable = false;
        written.accounts[0].is_writable = true;
        let before = world.exchange();
        if writable {
            refuse(&mut world, &read_only, &[], "AccountNotMutable");
        } else {
            accept(&mut world, &read_only, &[]);
        }
        accept(&mut world, &written, &[]);
        let changed = bytemuck::bytes_of(&*before) != bytemuck::bytes_of(&*world.exchange());
        assert_eq!(changed, writable, "{name}");
    }
}

#[test]
fn every_instruction_has_an_instance() {
    let known: BTreeSet<Vec<u8>> = on_stage()
        .into_iter()
        .chain([initialize_exchange()])
        .map(|instance| instance.instruction.data[..8].to_vec())
        .collect();
    let all: BTreeSet<Vec<u8>> = [
        data::InitializeExchange::DISCRIMINATOR,
        data::ProposeChange::DISCRIMINATOR,
        data::ExecuteChange::DISCRIMINATOR,
        data::CancelChange::DISCRIMINATOR,
        data::Tighten::DISCRIMINATOR,
        data::SetPause::DISCRIMINATOR,
        data::NominateAdmin::DISCRIMINATOR,
        data::AcceptAdmin::DISCRIMINATOR,
        data::CreateVault::DISCRIMINATOR,
        data::CreateMarket::DISCRIMINATOR,
        data::SuspendMarket::DISCRIMINATOR,
        data::ResumeMarket::DISCRIMINATOR,
        data::CloseMarket::DISCRIMINATOR,
        data::CollectProtocolFees::DISCRIMINATOR,
        data::RefreshMarket::DISCRIMINATOR,
        data::RefreshVault::DISCRIMINATOR,
        data::OpenMarginAccount::DISCRIMINATOR,
        data::CloseMarginAccount::DISCRIMINATOR,
        data::SetDelegate::DISCRIMINATOR,
        data::Deposit::DISCRIMINATOR,
        data::Withdraw::DISCRIMINATOR,
        data::OpenPosition::DISCRIMINATOR,
        data::ClosePosition::DISCRIMINATOR,
        data::SettlePosition::DISCRIMINATOR,
        data::PlaceTrigger::DISCRIMINATOR,
        data::CancelTrigger::DISCRIMINATOR,
        data::ExecuteTrigger::DISCRIMINATOR,
        data::AddLiquidity::DISCRIMINATOR,
        data::RequestRedeem::DISCRIMINATOR,
        data::Redeem::DISCRIMINATOR,
        data::CancelRedeem::DISCRIMINATOR,
        data::AllocateLiquidity::DISCRIMINATOR,
        data::SweepMarket::DISCRIMINATOR,
        data::CheckInvariants::DISCRIMINATOR,
    ]
    .into_iter()
    .map(<[u8]>::to_vec)
    .collect();
    assert_eq!(known, all);
}

#[test]
fn an_unknown_or_malformed_instruction_is_refused_by_name() {
    for mut instance in on_stage() {
        let keys: Vec<_> = instance.keys.iter().collect();
        let (mut unknown, mut short) = (instance.instruction.clone(), instance.instruction.clone());
        unknown.data[0] ^= 1;
        refuse(&mut instance.world, &unknown, &keys, "InstructionFallbackNotFound");
        if short.data.len() > 8 {
            short.data.pop();
            refuse(&mut instance.world, &short, &keys, "InstructionDidNotDeserialize");
        }
        short.data.truncate(7);
        refuse(&mut instance.world, &short, &keys, "InstructionFallbackNotFound");
    }
}
