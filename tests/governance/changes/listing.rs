//! A listing that was executed waits for the admin to carry it out.

use bulwark_sdk::address;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, MarketStatus};
use bulwark_tests::fixtures::SOL_ASSET;
use bulwark_tests::{Signer, World};

use super::creating::{Stage, create_market, create_vault, market_listing, stage, vault_listing};
use crate::stage::{WEEK, cancel, funded, is_gone, lamports, propose_by, refuse};

#[test]
fn a_listing_is_executed_once() {
    let Stage { mut world, .. } = stage();
    for nonce in [0, 1] {
        let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
        refuse(&mut world, std::slice::from_ref(&execute), &[], "ChangeIsExecuted");
        world.set_clock(world.change(nonce).timelock.expiry + 1);
        refuse(&mut world, &[execute], &[], "ChangeIsExecuted");
    }
}

#[test]
fn a_listing_lists_nothing_by_itself() {
    let Stage { world, .. } = stage();
    assert!(is_gone(&world, &address::market(0)));
    assert!(is_gone(&world, &address::vault(&super::creating::mint(1))));
    assert_eq!((world.exchange().vault_count, world.exchange().market_count), (1, 0));
}

#[test]
fn admin_and_guardian_cancel_an_executed_listing_and_anyone_once_it_has_lapsed() {
    let Stage { world, payer } = stage();
    let (admin, guardian) = (world.admin.insecure_clone(), world.guardian.insecure_clone());
    let rent = lamports(&world, &address::change(0));
    for nonce in [0, 1] {
        for by in [&admin, &guardian] {
            let mut world = world.fork();
            let before = lamports(&world, &payer.pubkey());
            cancel(&mut world, by, nonce).expect("cancel_change");
            assert_eq!(lamports(&world, &payer.pubkey()), before + rent);
            assert!(is_gone(&world, &address::change(nonce)));
        }
        let mut world = world.fork();
        let stranger = world.keypair();
        let instruction = ix::cancel_change(stranger.pubkey(), &world.change(nonce));
        world.set_clock(world.change(nonce).timelock.expiry);
        refuse(&mut world, std::slice::from_ref(&instruction), &[&stranger], "Unauthorized");
        world.set_clock(world.change(nonce).timelock.expiry + 1);
        world.send(&[instruction], &[&stranger]).expect("cancel_change");
    }
}

#[test]
fn a_listing_that_was_cancelled_is_not_carried_out() {
    let Stage { mut world, .. } = stage();
    let (admin, guardian) = (world.admin.insecure_clone(), world.guardian.insecure_clone());
    let vault = create_vault(&world, admin.pubkey(), (1, 0));
    let [market, second] = create_market(&world, admin.pubkey(), 1);
    world.send(std::slice::from_ref(&market), &[&admin]).expect("begun");
    for nonce in [0, 1] {
        cancel(&mut world, &guardian, nonce).expect("cancel_change");
    }
    refuse(&mut world, &[vault], &[&admin], "AccountOwnedByWrongProgram");
    refuse(&mut world, &[second], &[&admin], "AccountOwnedByWrongProgram");
}

#[test]
fn a_market_that_was_begun_under_one_change_is_finished_under_another() {
    let Stage { mut world, .. } = stage();
    let (admin, second_payer) = (world.admin.insecure_clone(), funded(&mut world));
    let [first, _] = create_market(&world, admin.pubkey(), 1);
    world.send(&[first], &[&admin]).expect("begun");
    let begun_by = world.payer.pubkey();
    let rent = lamports(&world, &address::market(0));
    assert_eq!(rent, world.svm.minimum_balance_for_rent_exemption(Market::SPACE));
    let expiry = world.change(1).timelock.expiry;

    let nonce = world.exchange().next_change;
    world.set_clock(expiry - WEEK / 2);
    propose_by(&mut world, &second_payer, nonce, market_listing()).expect("propose_change");
    world.set_clock(expiry + 1);
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    let [_, second] = create_market(&world, admin.pubkey(), 1);
    refuse(&mut world, &[second], &[&admin], "ChangeExpired");
    world.execute(nonce, None).expect("execute_change");

    let keys = (admin.pubkey(), second_payer.pubkey());
    let [second, _] = ix::create_market(keys, 0, World::oracles(&SOL_ASSET), &world.change(nonce));
    let before = lamports(&world, &second_payer.pubkey());
    let change_rent = lamports(&world, &address::change(nonce));
    let outcome = world.send(&[second], &[&admin, &second_payer]).expect("finished");
    assert!(matches!(&outcome.events[..], [Event::MarketCreated(event)] if event.market == 0));
    let market = world.market(0);
    assert_eq!(market.payer, begun_by, "who paid the market's rent gets it back one day");
    assert!(market.is(MarketStatus::ReduceOnly));
    assert_eq!(lamports(&world, &second_payer.pubkey()), before + change_rent);
    assert_eq!(lamports(&world, &address::market(0)), rent);
}

#[test]
fn the_two_instructions_of_a_market_are_one_transaction_or_two() {
    let Stage { world, .. } = stage();
    let admin = world.admin.insecure_clone();
    let both = create_market(&world, admin.pubkey(), 1);
    let (mut one, mut two) = (world.fork(), world.fork());
    one.send(&both, &[&admin]).expect("create_market");
    for instruction in both {
        two.send(&[instruction], &[&admin]).expect("create_market");
    }
    assert_eq!(bytemuck::bytes_of(&*one.market(0)), bytemuck::bytes_of(&*two.market(0)));
    assert!([&one, &two].iter().all(|world| is_gone(world, &address::change(1))));
}

#[test]
fn the_first_instruction_of_a_market_leaves_its_change() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    let [first, second] = create_market(&world, admin.pubkey(), 1);
    let outcome = world.send(&[first], &[&admin]).expect("begun");
    assert_eq!(outcome.events, []);
    assert_eq!((world.change(1).executed, world.exchange().market_count), (1, 0));
    world.send(&[second], &[&admin]).expect("finished");
    assert_eq!(world.exchange().market_count, 1);
}

#[test]
fn a_listing_is_checked_again_when_it_is_carried_out() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    world.advance(3_600);
    let vault = create_vault(&world, admin.pubkey(), (1, 0));
    let market = create_market(&world, admin.pubkey(), 1);
    refuse(&mut world, std::slice::from_ref(&vault), &[&admin], "NoValidSource");
    refuse(&mut world, &market, &[&admin], "NoValidSource");
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    world.send(&[vault], &[&admin]).expect("create_vault");
    world.send(&market, &[&admin]).expect("create_market");
}

#[test]
fn two_listings_of_one_mint_list_it_once() {
    let Stage { mut world, .. } = stage();
    let admin = world.admin.insecure_clone();
    // The same mint was proposed twice; both are executed.
    assert_eq!(world.change(3).payload().expect("a payload"), vault_listing(1));
    world.execute(3, None).expect("execute_change");
    let [first, second] = [0, 3].map(|nonce| create_vault(&world, admin.pubkey(), (1, nonce)));
    world.send(&[first], &[&admin]).expect("create_vault");
    let failure = world.send(&[second], &[&admin]).expect_err("it is there");
    assert!(failure.logs.iter().any(|line| line.contains("already in use")), "{failure:?}");
    assert_eq!(world.exchange().vault_count, 2);
}
