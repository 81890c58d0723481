//! `create_vault` and `create_market` carry out what an executed change says, and nothing else.

use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Change, ChangePayload};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, BTC_ASSET, SOL_ASSET};
use bulwark_tests::{Keypair, Signer, World};

use crate::stage::{
    WEEK, funded, hand_over, is_gone, lamports, propose_by, refuse, set_lamports, stake_income,
};

/// Numbers of the changes of [`stage`].
const VAULT: u64 = 0;
const MARKET: u64 = 1;
const OTHER_VAULT: u64 = 2;
const PENDING_VAULT: u64 = 3;
const PENDING_MARKET: u64 = 4;
const OTHER_KIND: u64 = 5;

/// One vault, one market and another vault to be listed, a vault and a market whose listing was not executed, and a change
/// of another kind, all ripe now and paid for by somebody.
pub struct Stage {
    pub world: World,
    pub payer: Keypair,
}

pub fn mint(n: u8) -> Pubkey {
    fixtures::address(&format!("mint {n}"))
}

fn sources(asset: &Asset) -> [OracleSource; 2] {
    [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE]
}

pub fn vault_listing(n: u8) -> ChangePayload {
    let params = fixtures::collateral_params(1_000_000_000);
    ChangePayload::CreateVault { mint: mint(n), sources: sources(&SOL_ASSET), params }
}

pub fn market_listing() -> ChangePayload {
    ChangePayload::CreateMarket { sources: sources(&SOL_ASSET), params: SOL_ASSET.listed_params() }
}

pub fn stage() -> Stage {
    let mut world = World::empty();
    let payer = funded(&mut world);
    for n in [1, 2, 3] {
        world.create_mint(mint(n), 9);
    }
    let payloads = [
        vault_listing(1),
        market_listing(),
        vault_listing(2),
        vault_listing(1),
        market_listing(),
        stake_income(1),
    ];
    for (nonce, payload) in (0..).zip(payloads) {
        propose_by(&mut world, &payer, nonce, payload).expect("propose_change");
    }
    world.set_clock(world.change(OTHER_KIND).timelock.eta);
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    world.print(&BTC_ASSET, BTC_ASSET.price, 1);
    for nonce in [VAULT, MARKET, OTHER_VAULT] {
        world.execute(nonce, None).expect("execute_change");
    }
    Stage { world, payer }
}

pub fn create_vault(world: &World, admin: Pubkey, (n, nonce): (u8, u64)) -> Instruction {
    let keys = (admin, world.payer.pubkey());
    ix::create_vault(
        keys,
        (mint(n), address::TOKEN_PROGRAM),
        World::oracles(&SOL_ASSET),
        &world.change(nonce),
    )
}

pub fn create_market(world: &World, admin: Pubkey, nonce: u64) -> [Instruction; 2] {
    let keys = (admin, world.payer.pubkey());
    ix::create_market(keys, 0, World::oracles(&SOL_ASSET), &world.change(nonce))
}

/// Asserts that both are refused: of the market the first instruction and, begun as it should be, the second.
#[track_caller]
fn refuse_both(world: &World, admin: &Keypair, [vault, market]: [u64; 2], name: &str) {
    let create = create_vault(world, admin.pubkey(), (1, vault));
    refuse(&mut world.fork(), &[create], &[admin], name);
    let [first, second] = create_market(world, admin.pubkey(), market);
    refuse(&mut world.fork(), &[first, second.clone()], &[admin], name);
    let mut begun = begun(world);
    refuse(&mut begun, &[second], &[admin], name);
}

/// With the market's first instruction done.
fn begun(world: &World) -> World {
    let mut begun = world.fork();
    let key = address::market(0);
    let data = vec![0; 10_240];
    begun.set_account(key, address::PROGRAM, data);
    let rent = begun.svm.minimum_balance_for_rent_exemption(bulwark_sdk::program::state::Market::SPACE);
    set_lamports(&mut begun, key, rent);
    begun
}

#[test]
fn an_executed_change_lists_a_vault_and_a_market() {
    let Stage { mut world, payer } = stage();
    let admin = world.admin.insecure_clone();
    for (nonce, instructions) in [
        (VAULT, vec![create_vault(&world, admin.pubkey(), (1, VAULT))]),
        (MARKET, create_market(&world, admin.pubkey(), MARKET).to_vec()),
    ] {
        let (before, rent) = (lamports(&world, &payer.pubkey()), lamports(&world, &address::change(nonce)));
        world.send(&instructions, &[&admin]).expect("created");
        assert_eq!(lamports(&world, &payer.pubkey()), before + rent, "the rent is back");
        assert!(is_gone(&world, &address::change(nonce)));
    }
    assert_eq!((world.exchange().vault_count, world.exchange().market_count), (2, 1));
}

#[test]
fn nothing_is_listed_by_a_change_that_was_not_executed() {
    let Stage { world, .. } = stage();
    let admin = world.admin.insecure_clone();
    refuse_both(&world, &admin, [PENDING_VAULT, PENDING_MARKET], "ChangeNotExecuted");
    refuse_both(&world, &admin, [OTHER_KIND, OTHER_KIND], "ChangeNotExecuted");
}

#[test]
fn nothing_is_listed_by_a_change_of_another_kind() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    refuse_both(&world, &admin, [MARKET, VAULT], "WrongAccount");
    // No change but a listing outlasts its execution. If one did:
    world.tamper::<Change>(&address::change(OTHER_KIND), |change| change.executed = 1);
    refuse_both(&world, &admin, [OTHER_KIND, OTHER_KIND], "WrongAccount");
}

#[test]
fn a_vault_is_listed_for_the_mint_that_the_change_names() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    for (n, nonce) in [(2, VAULT), (3, VAULT), (1, OTHER_VAULT), (3, OTHER_VAULT)] {
        let create = create_vault(&world, admin.pubkey(), (n, nonce));
        refuse(&mut world, &[create], &[&admin], "WrongAccount");
    }
    let both = [(1, VAULT), (2, OTHER_VAULT)].map(|which| create_vault(&world, admin.pubkey(), which));
    world.send(&both, &[&admin]).expect("create_vault");
}

#[test]
fn a_listing_is_not_carried_out_after_its_week() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    let expiry = world.change(VAULT).timelock.expiry;
    assert_eq!(expiry, world.now() + WEEK);
    for (moment, in_time) in [(expiry, true), (expiry + 1, false)] {
        world.set_clock(moment);
        world.print(&SOL_ASSET, SOL_ASSET.price, 1);
        if in_time {
            let mut world = world.fork();
            let vault = create_vault(&world, admin.pubkey(), (1, VAULT));
            let market = create_market(&world, admin.pubkey(), MARKET);
            world.send(&[vault], &[&admin]).expect("create_vault");
            world.send(&market, &[&admin]).expect("create_market");
        } else {
            refuse_both(&world, &admin, [VAULT, MARKET], "ChangeExpired");
        }
    }
}

#[test]
fn the_admin_carries_a_listing_out_and_nobody_else() {
    let Stage { mut world, payer } = stage();
    let (guardian, stranger) = (world.guardian.insecure_clone(), world.keypair());
    for by in [&guardian, &stranger, &payer] {
        refuse_both(&world, by, [VAULT, MARKET], "Unauthorized");
    }
    let admin = world.admin.insecure_clone();
    let [market, _] = create_market(&world, admin.pubkey(), MARKET);
    for mut unsigned in [create_vault(&world, admin.pubkey(), (1, VAULT)), market] {
        unsigned.accounts[0].is_signer = false;
        refuse(&mut world, &[unsigned], &[], "AccountNotSigner");
    }
}

#[test]
fn another_admin_does_not_carry_out_what_the_former_one_listed() {
    let Stage { mut world, .. } = stage();
    let (former, next) = (world.admin.insecure_clone(), world.keypair());
    hand_over(&mut world, &next);
    assert!(world.now() <= world.change(VAULT).timelock.expiry);
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    refuse_both(&world, &former, [VAULT, MARKET], "Unauthorized");
    refuse_both(&world, &next, [VAULT, MARKET], "ChangeVoid");
}

#[test]
fn a_listing_is_carried_out_once() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    let vault = create_vault(&world, admin.pubkey(), (1, VAULT));
    let market = create_market(&world, admin.pubkey(), MARKET);
    world.send(std::slice::from_ref(&vault), &[&admin]).expect("create_vault");
    world.send(&market, &[&admin]).expect("create_market");
    assert!(world.send(&[vault], &[&admin]).is_err(), "the vault is there");
    // The next market would have the next index.
    let mut again = market[0].clone();
    let place = again.accounts.iter().position(|meta| meta.pubkey == address::market(0)).expect("passed");
    again.accounts[place].pubkey = address::market(1);
    refuse(&mut world, &[again], &[&admin], "AccountOwnedByWrongProgram");
    assert_eq!((world.exchange().vault_count, world.exchange().market_count), (2, 1));
}

#[test]
fn the_rent_of_a_listing_goes_back_to_its_payer_and_nobody_else() {
    let Stage { mut world, payer } = stage();
    let admin = world.admin.insecure_clone();
    let [market, _] = create_market(&world, admin.pubkey(), MARKET);
    for instruction in [create_vault(&world, admin.pubkey(), (1, VAULT)), market] {
        for other in [admin.pubkey(), world.payer.pubkey(), world.guardian.pubkey(), address::exchange()] {
            let mut wrong = instruction.clone();
            let place = wrong.accounts.iter().position(|meta| meta.pubkey == payer.pubkey()).expect("passed");
            wrong.accounts[place].pubkey = other;
            refuse(&mut world, &[wrong], &[&admin], "WrongAccount");
        }
    }
}

#[test]
fn a_listing_has_the_price_of_the_oracle_that_the_change_names() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), world.payer.pubkey());
    let btc: OracleAccounts = World::oracles(&BTC_ASSET);
    let token = (mint(1), address::TOKEN_PROGRAM);
    let vault = ix::create_vault(keys, token, btc, &world.change(VAULT));
    refuse(&mut world, &[vault], &[&admin], "OracleWrongFeed");
    let market = ix::create_market(keys, 0, btc, &world.change(MARKET));
    refuse(&mut world, &market, &[&admin], "OracleWrongFeed");
}
