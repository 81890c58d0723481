//! A change meets the accounts that it is about, and no others.

use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus, Vault};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, SOL_ASSET};
use bulwark_tests::{BTC, Keypair, SOL, SOL_VAULT, Signer, World};

use super::kinds::{Case, cases, print_all, world};
use crate::stage::{refresh, refuse, stake_income, taker_fee};

/// What can be wrong with the account that a payload is about.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Another one of the same kind.
    Other(Pubkey),
    /// None.
    Missing,
    /// One of another kind.
    Kind(Pubkey),
    /// The same bytes, of another program.
    Foreign,
    /// No account at all.
    Empty,
}

/// The account that a payload is about, and what can be passed instead.
fn target(world: &World, payload: &ChangePayload) -> Option<(Pubkey, Vec<Wrong>)> {
    let vaults = &world.listings.vaults;
    let (market, vault) = (address::market, |index: u16| vaults[usize::from(index)].address);
    let rest = |wrong: Vec<Wrong>| [wrong, vec![Wrong::Missing, Wrong::Foreign, Wrong::Empty]].concat();
    match *payload {
        ChangePayload::MarketParams { market: index, .. }
        | ChangePayload::MarketSources { market: index, .. }
        | ChangePayload::MarketStatus { market: index, .. }
        | ChangePayload::Unpause { market: Some(index), .. } => {
            let other = if index == SOL { BTC } else { SOL };
            Some((market(index), rest(vec![Wrong::Other(market(other)), Wrong::Kind(vault(SOL_VAULT))])))
        }
        ChangePayload::VaultParams { vault: index, .. }
        | ChangePayload::VaultSources { vault: index, .. } => {
            let other = if index == SOL_VAULT { Vault::QUOTE } else { SOL_VAULT };
            Some((vault(index), rest(vec![Wrong::Other(vault(other)), Wrong::Kind(market(SOL))])))
        }
        ChangePayload::InsuranceParams { .. } => {
            Some((address::insurance_fund(), rest(vec![Wrong::Kind(address::pool())])))
        }
        _ => None,
    }
}

/// Asserts that an instruction takes no other account in a place than the right one.
#[track_caller]
fn assert_place(
    world: &mut World,
    (instruction, place): (&Instruction, usize),
    wrong: Wrong,
    signers: &[&Keypair],
) {
    let mut spoiled = instruction.clone();
    let meta = &mut spoiled.accounts[place];
    let (key, name) = match wrong {
        Wrong::Other(key) => (key, "WrongAccount"),
        Wrong::Kind(key) => (key, "AccountDiscriminatorMismatch"),
        Wrong::Empty => (fixtures::address("nothing"), "AccountOwnedByWrongProgram"),
        Wrong::Missing => {
            *meta = AccountMeta::new_readonly(address::PROGRAM, false);
            return refuse(world, &[spoiled], signers, "AccountMissing");
        }
        Wrong::Foreign => {
            let mut account = world.svm.get_account(&meta.pubkey).expect("an account");
            account.owner = fixtures::address("another program");
            let key = fixtures::address("a copy");
            world.svm.set_account(key, account).expect("set account");
            (key, "AccountOwnedByWrongProgram")
        }
    };
    spoiled.accounts[place].pubkey = key;
    refuse(world, &[spoiled], signers, name);
}

fn place(instruction: &Instruction, key: &Pubkey) -> usize {
    instruction.accounts.iter().position(|meta| meta.pubkey == *key).expect("passed")
}

#[test]
fn a_change_is_proposed_about_its_own_target() {
    let base = world();
    let admin = base.admin.insecure_clone();
    for Case { payload, .. } in cases(&base) {
        let Some((key, wrongs)) = target(&base, &payload) else { continue };
        let keys = (admin.pubkey(), base.payer.pubkey());
        let propose =
            ix::propose_change(&base.listings, keys, base.exchange().next_change, payload).expect("builds");
        for wrong in wrongs {
            assert_place(&mut base.fork(), (&propose, place(&propose, &key)), wrong, &[&admin]);
        }
        base.fork().send(&[propose], &[&admin]).expect("propose_change");
    }
}

#[test]
fn a_change_is_executed_on_its_own_target() {
    let base = world();
    for Case { payload, oracles, .. } in cases(&base) {
        let Some((key, wrongs)) = target(&base, &payload) else { continue };
        let mut proposed = base.fork();
        let nonce = proposed.propose(payload).expect("propose_change");
        proposed.set_clock(proposed.change(nonce).timelock.eta);
        print_all(&mut proposed);
        let execute =
            ix::execute_change(&proposed.listings, &proposed.change(nonce), oracles).expect("builds");
        for wrong in wrongs {
            assert_place(&mut proposed.fork(), (&execute, place(&execute, &key)), wrong, &[]);
        }
        proposed.send(&[execute], &[]).expect("execute_change");
    }
}

#[test]
fn parameters_are_tightened_on_their_own_target() {
    let base = World::new();
    let guardian = base.guardian.insecure_clone();
    let (mut market, mut vault) = (base.market(BTC).core.params, base.vault(SOL_VAULT).core.params);
    market.max_outage /= 2;
    vault.cap_growth_ppm /= 2;
    for payload in [
        ChangePayload::MarketParams { market: BTC, params: market },
        ChangePayload::MarketStatus { market: BTC, status: MarketStatus::ReduceOnly, price: 0 },
        ChangePayload::VaultParams { vault: SOL_VAULT, params: vault },
    ] {
        let (key, wrongs) = target(&base, &payload).expect("a target");
        let tighten = ix::tighten(&base.listings, guardian.pubkey(), payload).expect("builds");
        for wrong in wrongs {
            assert_place(&mut base.fork(), (&tighten, place(&tighten, &key)), wrong, &[&guardian]);
        }
        base.fork().send(&[tighten], &[&guardian]).expect("tighten");
    }
    // Of the pool and of the insurance fund nothing has a safe direction, but they are looked at first.
    let (pool, fund) = (base.pool().core.params, base.fund().core.params());
    for (payload, key) in [
        (ChangePayload::PoolParams { params: pool }, address::pool()),
        (ChangePayload::InsuranceParams { params: fund }, address::insurance_fund()),
    ] {
        let tighten = ix::tighten(&base.listings, guardian.pubkey(), payload).expect("builds");
        let kind = Wrong::Kind(address::exchange());
        for wrong in [kind, Wrong::Missing, Wrong::Foreign, Wrong::Empty] {
            assert_place(&mut base.fork(), (&tighten, place(&tighten, &key)), wrong, &[&guardian]);
        }
        refuse(&mut base.fork(), &[tighten], &[&guardian], "NothingChanges");
    }
}

/// The exchange, the change and the pool are there whatever the change is about.
#[test]
fn exchange_change_and_pool_are_the_only_ones() {
    let base = World::empty();
    let admin = base.admin.insecure_clone();
    let mut world = base.fork();
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    let cancel = ix::cancel_change(admin.pubkey(), &world.change(nonce));
    let propose =
        ix::propose_change(&world.listings, (admin.pubkey(), world.payer.pubkey()), 1, stake_income(2))
            .expect("builds");
    let (exchange, change, pool) = (address::exchange(), address::change(nonce), address::pool());
    let rows: [(&Instruction, &[Pubkey], &[&Keypair]); 3] = [
        (&execute, &[exchange, change, pool], &[]),
        (&cancel, &[exchange, change], &[&admin]),
        (&propose, &[exchange, pool], &[&admin]),
    ];
    for (instruction, keys, signers) in rows {
        for key in keys {
            let kind = Wrong::Kind(address::insurance_fund());
            for wrong in [kind, Wrong::Foreign, Wrong::Empty] {
                assert_place(&mut world.fork(), (instruction, place(instruction, key)), wrong, signers);
            }
        }
        world.fork().send(std::slice::from_ref(instruction), signers).expect("as it is");
    }
}

#[test]
fn a_change_is_stored_under_its_number() {
    let mut world = World::empty();
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), world.payer.pubkey());
    let mut propose = ix::propose_change(&world.listings, keys, 0, stake_income(1)).expect("builds");
    let own = place(&propose, &address::change(0));
    propose.accounts[own].pubkey = address::change(1);
    refuse(&mut world, &[propose], &[&admin], "ConstraintSeeds");
}

#[test]
fn nobody_governs_what_is_not_there() {
    let mut world = World::new();
    let admin = world.admin.insecure_clone();
    let params = world.market(SOL).core.params;
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(1)), OracleSource::NONE];
    let keys = (admin.pubkey(), world.payer.pubkey());
    let (mut listings, nonce) = (world.listings.clone(), world.exchange().next_change);
    // As if somebody took one market for another.
    listings.markets.insert(7, address::market(SOL));
    for payload in [
        ChangePayload::MarketParams { market: 7, params },
        ChangePayload::MarketSources { market: 7, sources },
        ChangePayload::MarketStatus { market: 7, status: MarketStatus::ReduceOnly, price: 0 },
        ChangePayload::Unpause { market: Some(7), bits: 1 },
    ] {
        let propose = ix::propose_change(&listings, keys, nonce, payload).expect("builds");
        refuse(&mut world, &[propose], &[&admin], "WrongAccount");
        assert!(ix::propose_change(&world.listings, keys, nonce, payload).is_err(), "no such market");
    }
}

/// An account that a change is not about is not looked at.
#[test]
fn other_accounts_do_not_matter() {
    let mut world = World::new();
    let payload = taker_fee(&world, SOL, 600);
    let nonce = world.propose(payload).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    refresh(&mut world);
    let mut execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    let vault = execute.accounts.iter().position(|meta| meta.pubkey == address::PROGRAM).expect("no vault");
    execute.accounts[vault] = AccountMeta::new(world.listings.vaults[0].address, false);
    let before = world.vault(Vault::QUOTE);
    world.send(&[execute], &[]).expect("execute_change");
    assert_eq!(world.market(SOL).core.params.taker_fee_ppm, 600);
    assert_eq!(bytemuck::bytes_of(&*world.vault(Vault::QUOTE)), bytemuck::bytes_of(&*before));
}
