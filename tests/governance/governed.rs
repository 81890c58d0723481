//! A multisig governs: its vault is the admin or the guardian, and every decision is proposed, approved and executed by
//! its members.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, Exchange, Market, MarketStatus};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{self, DOLLAR, SOL_ASSET};
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Multisig, SOL, Signer, World};

use crate::stage::{
    DAY, govern, is_gone, lamports, refresh, refuse, refused, remove, set_lamports, taker_fee,
};

/// Two of three members are the admin.
fn governed(mut world: World) -> (World, Multisig) {
    let multisig = Multisig::new(&mut world, 2, 3);
    govern(&mut world, &multisig);
    (world, multisig)
}

#[test]
fn a_multisig_becomes_the_admin_and_the_former_one_is_nobody() {
    let (mut world, multisig) = governed(World::new());
    assert_eq!((world.exchange().admin, world.exchange().admin_epoch), (multisig.vault(), 1));
    let payload = taker_fee(&world, SOL, 600);
    refused(world.propose(payload), "Unauthorized");
}

#[test]
fn a_multisig_changes_a_parameter_from_proposal_to_effect() {
    let (mut world, multisig) = governed(World::new());
    let (payload, nonce) = (taker_fee(&world, SOL, 600), world.exchange().next_change);
    // Its vault pays the rent, too.
    let keys = (multisig.vault(), multisig.vault());
    let propose = ix::propose_change(&world.listings, keys, nonce, payload).expect("builds");

    // Proposed: by as many as it takes, and no sooner.
    let index = multisig.propose(&mut world, &multisig.members[0], &propose).expect("propose");
    multisig.approve(&mut world, &multisig.members[0], index).expect("approve");
    refused(multisig.execute(&mut world, (&multisig.members[2], index), &[]), "NotEnoughApprovals");
    assert!(is_gone(&world, &address::change(nonce)));
    multisig.approve(&mut world, &multisig.members[1], index).expect("approve");
    let before = lamports(&world, &multisig.vault());
    let outcome = multisig.execute(&mut world, (&multisig.members[2], index), &[]).expect("execute");
    let change = world.change(nonce);
    assert!(
        matches!(&outcome.events[..], [Event::ChangeProposed(e)] if e.proposer == multisig.vault() && e.payload == payload)
    );
    assert_eq!((change.proposer, change.payer), keys);
    let rent = lamports(&world, &address::change(nonce));
    assert_eq!(lamports(&world, &multisig.vault()), before - rent);

    // Waited for.
    assert_eq!(change.timelock.eta, world.now() + 2 * DAY);
    world.set_clock(change.timelock.eta - 1);
    let execute = ix::execute_change(&world.listings, &change, None).expect("builds");
    refuse(&mut world, &[execute], &[], "ChangeTooEarly");
    assert_eq!(world.market(SOL).core.params.taker_fee_ppm, 500);

    // Executed by anyone, and verified.
    world.advance(1);
    refresh(&mut world);
    let mut expected = world.fork();
    expected.tamper::<Market>(&address::market(SOL), |market| {
        (market.core.params.taker_fee_ppm, market.revision) = (600, market.revision + 1);
    });
    remove(&mut expected, address::change(nonce));
    set_lamports(&mut expected, multisig.vault(), before);
    world.execute(nonce, None).expect("execute_change");
    assert_eq!(Snapshot::take(&expected).changes(&world), []);
    let trader = world.funded_trader(10_000 * DOLLAR);
    let side = Side::Long;
    let trade = world.open(&trader, SOL, side, SOL_ASSET.one()).expect("open_position");
    let fees = trade.trade();
    let fee = fees.fee_pool + fees.fee_insurance + fees.fee_protocol;
    let notional = u64::try_from(SOL_ASSET.price / 100).expect("positive");
    assert!((notional * 600 / 1_000_000..notional * 601 / 1_000_000).contains(&fee), "{fee}");
}

#[test]
fn a_multisig_lists_and_activates_a_market() {
    let (mut world, multisig) = governed(World::empty());
    let keys = (multisig.vault(), world.payer.pubkey());
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let listing = ChangePayload::CreateMarket { sources, params: SOL_ASSET.listed_params() };
    let propose = ix::propose_change(&world.listings, keys, 0, listing).expect("builds");
    multisig.run(&mut world, &propose, &[]).expect("propose_change");
    world.set_clock(world.change(0).timelock.eta);
    world.execute(0, None).expect("execute_change");

    // An account grows by at most 10 kB within one instruction of a transaction, calls included: one proposal for each.
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    for (step, markets) in
        ix::create_market(keys, 0, World::oracles(&SOL_ASSET), &world.change(0)).iter().zip([0, 1])
    {
        multisig.run(&mut world, step, &[]).expect("create_market");
        assert_eq!(world.exchange().market_count, markets);
    }
    assert!(is_gone(&world, &address::change(0)));
    assert!(world.market(SOL).is(MarketStatus::ReduceOnly));
    world.listings.markets.insert(SOL, address::market(SOL));

    let active = ChangePayload::MarketStatus { market: SOL, status: MarketStatus::Active, price: 0 };
    let propose = ix::propose_change(&world.listings, keys, 1, active).expect("builds");
    multisig.run(&mut world, &propose, &[]).expect("propose_change");
    world.set_clock(world.change(1).timelock.eta);
    world.set_price(SOL, SOL_ASSET.price);
    world.execute(1, None).expect("execute_change");
    assert!(world.market(SOL).is(MarketStatus::Active));
}

#[test]
fn a_multisig_lists_a_collateral() {
    let (mut world, multisig) = governed(World::empty());
    let mint = fixtures::address("a mint");
    world.create_mint(mint, 9);
    let keys = (multisig.vault(), multisig.vault());
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let params = fixtures::collateral_params(1_000_000_000);
    let listing = ChangePayload::CreateVault { mint, sources, params };
    let propose = ix::propose_change(&world.listings, keys, 0, listing).expect("builds");
    multisig.run(&mut world, &propose, &[]).expect("propose_change");
    world.set_clock(world.change(0).timelock.eta);
    world.execute(0, None).expect("execute_change");
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    let token = (mint, address::TOKEN_PROGRAM);
    let create = ix::create_vault(keys, token, World::oracles(&SOL_ASSET), &world.change(0));
    let outcome = multisig.run(&mut world, &create, &[]).expect("create_vault");
    assert!(matches!(&outcome.events[..], [Event::VaultCreated(e)] if (e.vault, e.mint) == (1, mint)));
    assert_eq!(world.exchange().vault_count, 2);
}

#[test]
fn a_multisig_cancels_what_it_proposed() {
    let (mut world, multisig) = governed(World::new());
    let (payload, nonce) = (taker_fee(&world, SOL, 600), world.exchange().next_change);
    let keys = (multisig.vault(), world.payer.pubkey());
    let propose = ix::propose_change(&world.listings, keys, nonce, payload).expect("builds");
    multisig.run(&mut world, &propose, &[]).expect("propose_change");
    let cancel = ix::cancel_change(multisig.vault(), &world.change(nonce));
    multisig.run(&mut world, &cancel, &[]).expect("cancel_change");
    assert!(is_gone(&world, &address::change(nonce)));
}

/// A multisig of its own guards what another one governs, and became the guardian by a change of that one.
#[test]
fn a_multisig_guards() {
    let (mut world, admin) = governed(World::new());
    let guard = Multisig::new(&mut world, 2, 2);
    let keys = (admin.vault(), world.payer.pubkey());
    let nonce = world.exchange().next_change;
    let another = ChangePayload::Guardian { guardian: guard.vault() };
    let propose = ix::propose_change(&world.listings, keys, nonce, another).expect("builds");
    admin.run(&mut world, &propose, &[]).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    world.execute(nonce, None).expect("execute_change");
    refresh(&mut world);
    assert_eq!(world.exchange().guardian, guard.vault());

    let pause = ix::set_pause(guard.vault(), None, 0b0011);
    guard.run(&mut world, &pause, &[]).expect("set_pause");
    assert_eq!(world.exchange().pause, 0b0011);
    let mut params = world.market(SOL).core.params;
    params.max_oi /= 2;
    let stricter =
        ix::tighten(&world.listings, guard.vault(), ChangePayload::MarketParams { market: SOL, params });
    guard.run(&mut world, &stricter.expect("builds"), &[]).expect("tighten");
    assert_eq!(world.market(SOL).core.params, params);
    let status = ChangePayload::MarketStatus { market: SOL, status: MarketStatus::ReduceOnly, price: 0 };
    let stop = ix::tighten(&world.listings, guard.vault(), status).expect("builds");
    guard.run(&mut world, &stop, &[]).expect("tighten");
    assert!(world.market(SOL).is(MarketStatus::ReduceOnly));

    // What the admin proposes it cancels, and nothing else is its own.
    let propose =
        ix::propose_change(&world.listings, keys, nonce + 1, taker_fee(&world, SOL, 600)).expect("builds");
    admin.run(&mut world, &propose, &[]).expect("propose_change");
    let cancel = ix::cancel_change(guard.vault(), &world.change(nonce + 1));
    guard.run(&mut world, &cancel, &[]).expect("cancel_change");
    let keys = (guard.vault(), world.payer.pubkey());
    let own =
        ix::propose_change(&world.listings, keys, nonce + 2, taker_fee(&world, SOL, 600)).expect("builds");
    refused(guard.run(&mut world, &own, &[]), "Unauthorized");
    let nominate = ix::nominate_admin(guard.vault(), guard.vault());
    refused(guard.run(&mut world, &nominate, &[]), "Unauthorized");
    // The former guardian is nobody.
    let former = world.guardian.insecure_clone();
    let pause = ix::set_pause(former.pubkey(), None, 0b0100);
    refuse(&mut world, &[pause], &[&former], "Unauthorized");
}

#[test]
fn a_multisig_hands_over_to_another() {
    let (mut world, first) = governed(World::empty());
    let second = Multisig::new(&mut world, 1, 1);
    let nominate = ix::nominate_admin(first.vault(), second.vault());
    first.run(&mut world, &nominate, &[]).expect("nominate_admin");
    let accept = ix::accept_admin(second.vault());
    refused(second.run(&mut world, &accept, &[]), "ChangeTooEarly");
    world.set_clock(world.exchange().nomination.eta);
    refused(first.run(&mut world, &ix::accept_admin(first.vault()), &[]), "NoNomination");
    second.run(&mut world, &accept, &[]).expect("accept_admin");
    let Exchange { admin, pending_admin, admin_epoch, .. } = *world.exchange();
    assert_eq!((admin, pending_admin, admin_epoch), (second.vault(), Pubkey::default(), 2));
}
