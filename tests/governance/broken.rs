//! Books that the program itself has found broken: withdrawals wait for governance, whoever leaves otherwise does not.

use bulwark_sdk::address;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, Market, Pause, Vault};
use bulwark_tests::World;
use bulwark_tests::fixtures::DOLLAR;

use crate::calls::all;
use crate::cast::Cast;
use crate::pauses::{STOPPED, WAYS_IN, WAYS_OUT, expected, pause, run_after, stopped, stops};
use crate::scene::*;

/// Finds that the vault is said to hold a unit more than it does; the books are in order again afterwards.
fn find(world: &mut World) {
    let vault = world.listings.vaults[0];
    world.tamper::<Vault>(&vault.address, |vault| vault.core.recorded += 1);
    let check = ix::check_invariants(Some(&vault), None, []);
    let outcome = world.send_unchecked(&[check], &[]).expect("check_invariants");
    assert!(matches!(event(&outcome), Event::InvariantsChecked(checked) if !checked.ok));
    world.tamper::<Vault>(&vault.address, |vault| vault.core.recorded -= 1);
}

#[test]
fn broken_books_stop_withdrawals_without_an_end_and_nobody_else_who_leaves() {
    let cast = Cast::new();
    for call in all() {
        let bits = Pause::INCREASE.0 | Pause::WITHDRAW.0;
        let paused = stops(&WAYS_IN, bits, call.name) || stops(&WAYS_OUT, bits, call.name);
        for seconds in [0, STOPPED, 86_399] {
            let result = run_after(&cast, &call, find, seconds);
            assert_eq!(result, expected(paused), "{} after {seconds} s", call.name);
        }
    }
    let mut world = cast.world.fork();
    find(&mut world);
    assert_eq!((world.exchange().pause, world.exchange().broken), (3, 1));
    assert_eq!(stopped(&world), [true, false, false]);
}

#[test]
fn a_change_that_clears_the_withdraw_bit_ends_it_and_one_from_before_does_not() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(1_000 * DOLLAR);
    let unpause = |world: &mut World, bits| {
        world.propose(ChangePayload::Unpause { market: None, bits }).expect("propose_change")
    };
    // The bits are set by the guardian: to clear them is proposed before the books are found broken.
    pause(&mut world, None, 3);
    let early = unpause(&mut world, 3);
    world.advance(1);
    find(&mut world);
    let [later, increase] = [2, 1].map(|bits| unpause(&mut world, bits));
    // Found again, it is no news.
    find(&mut world);
    world.set_clock(world.change(increase).timelock.eta);
    let withdraw = |world: &mut World| {
        world.withdraw(&trader, 0, (trader.tokens, DOLLAR)).map(|_| ()).map_err(|failure| label(&failure))
    };
    assert_eq!(withdraw(&mut world), expected(true), "four times as long as the guardian could");
    refuse_execution(&mut world, (early, None), "ChangeVoid");
    world.execute(increase, None).expect("execute_change");
    assert_eq!((withdraw(&mut world), world.exchange().broken), (expected(true), 1));
    world.execute(later, None).expect("execute_change");
    assert_eq!((withdraw(&mut world), world.exchange().broken, world.exchange().pause), (Ok(()), 0, 0));
    // And if they are broken still, everybody can find it again at once.
    find(&mut world);
    assert_eq!(withdraw(&mut world), expected(true));
}

#[test]
fn a_ladder_that_does_not_add_up_breaks_the_books_too() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(1_000 * DOLLAR);
    world.open(&trader, A, bulwark_sdk::engine::units::Side::Long, ONE).expect("open");
    let check = |market, members: Vec<_>| ix::check_invariants(None, Some(market), members);
    let in_order = accept(&mut world, &check(A, vec![trader.margin]), &[]);
    assert!(matches!(event(&in_order), Event::InvariantsChecked(checked) if checked.ok));
    assert_eq!((world.exchange().pause, world.exchange().broken), (0, 0));
    // The sum of the side forgets a lot of the trader's.
    world.tamper::<Market>(&address::market(A), |market| market.core.book.long.lots -= 1);
    let found = accept(&mut world, &check(A, vec![trader.margin]), &[]);
    assert!(matches!(event(&found), Event::InvariantsChecked(checked) if !checked.ok));
    assert_eq!((world.exchange().pause, world.exchange().broken), (3, 1));
    assert_eq!(stopped(&world), [true, false, false]);
    let withdraw = world.withdraw(&trader, 0, (trader.tokens, DOLLAR)).expect_err("paused");
    assert_eq!(label(&withdraw), "Paused");
}
