//! Who holds which office, and how it passes on.

use bulwark_sdk::engine::governance::Timelock;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{AdminChanged, AdminNominated};
use bulwark_sdk::program::state::{ChangePayload, Exchange, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Failure, Keypair, Outcome, Signer, World, fixtures};

use crate::stage::{DAY, HOUR, WEEK, hand_over, initialized, refuse, stake_income, tighten};

fn nominate(world: &mut World, by: &Keypair, nominee: Pubkey) -> Result<Outcome, Failure> {
    world.send(&[ix::nominate_admin(by.pubkey(), nominee)], &[by])
}

fn accept(world: &mut World, nominee: &Keypair) -> Result<Outcome, Failure> {
    world.send(&[ix::accept_admin(nominee.pubkey())], &[nominee])
}

#[track_caller]
fn refuse_acceptance(world: &mut World, nominee: &Keypair, name: &str) {
    refuse(world, &[ix::accept_admin(nominee.pubkey())], &[nominee], name);
}

/// An exchange, its admin, and somebody who is not.
fn stage() -> (World, Keypair, Keypair) {
    let mut world = World::empty();
    let (admin, nominee) = (world.admin.insecure_clone(), world.keypair());
    (world, admin, nominee)
}

/// Asserts that nothing but the exchange has changed, and that as follows.
#[track_caller]
fn assert_only(before: &World, after: &World, change: impl FnOnce(&mut Exchange)) {
    let mut expected = before.fork();
    expected.tamper(&address::exchange(), change);
    assert_eq!(Snapshot::take(&expected).changes(after), []);
}

#[test]
fn an_admin_is_nominated_and_accepts_and_nothing_else_changes() {
    let (mut world, admin, nominee) = stage();
    let (before, now) = (world.fork(), world.now());
    let outcome = nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    let nomination = Timelock { eta: now + 2 * DAY, expiry: now + 2 * DAY + WEEK };
    let event = AdminNominated { nominee: nominee.pubkey(), eta: nomination.eta, expiry: nomination.expiry };
    assert_eq!(outcome.events, [Event::AdminNominated(event)]);
    assert_only(&before, &world, |e| (e.pending_admin, e.nomination) = (nominee.pubkey(), nomination));

    world.set_clock(nomination.eta);
    let before = world.fork();
    let outcome = accept(&mut world, &nominee).expect("accept_admin");
    let event = AdminChanged { from: admin.pubkey(), to: nominee.pubkey() };
    assert_eq!(outcome.events, [Event::AdminChanged(event)]);
    assert_only(&before, &world, |e| {
        (e.admin, e.admin_epoch) = (nominee.pubkey(), e.admin_epoch + 1);
        (e.pending_admin, e.nomination) = (Pubkey::default(), Timelock::default());
    });
}

#[test]
fn a_nominee_accepts_after_the_delay_and_within_a_week() {
    for delay in [86_400, 172_800, 604_800] {
        let mut world = initialized(|args| args.exchange_params.delay = delay).expect("initialize_exchange");
        let (admin, nominee) = (world.admin.insecure_clone(), world.keypair());
        let now = world.now();
        nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
        let eta = now + i64::from(delay);
        for (moment, expected) in [
            (now, Err("ChangeTooEarly")),
            (eta - 1, Err("ChangeTooEarly")),
            (eta, Ok(())),
            (eta + WEEK, Ok(())),
            (eta + WEEK + 1, Err("ChangeExpired")),
        ] {
            let mut world = world.fork();
            world.set_clock(moment);
            if let Err(name) = expected {
                refuse_acceptance(&mut world, &nominee, name);
            } else {
                accept(&mut world, &nominee).unwrap_or_else(|e| panic!("{moment}: {e:?}"));
                assert_eq!(world.exchange().admin, nominee.pubkey());
            }
        }
    }
}

#[test]
fn until_he_accepts_the_nominee_is_nobody_and_the_admin_stays() {
    let (mut world, admin, nominee) = stage();
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    for instruction in [
        ix::propose_change(&world.listings, (nominee.pubkey(), world.payer.pubkey()), 0, stake_income(1))
            .expect("builds"),
        ix::set_pause(nominee.pubkey(), None, 1),
        ix::nominate_admin(nominee.pubkey(), nominee.pubkey()),
    ] {
        refuse(&mut world, &[instruction], &[&nominee], "Unauthorized");
    }
    world.propose(stake_income(1)).expect("the admin still is");
    assert_eq!(world.exchange().admin, admin.pubkey());
}

#[test]
fn nobody_but_the_nominee_accepts() {
    let (mut world, admin, nominee) = stage();
    let (guardian, stranger) = (world.guardian.insecure_clone(), world.keypair());
    refuse_acceptance(&mut world, &nominee, "NoNomination");
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    for by in [&admin, &guardian, &stranger] {
        refuse_acceptance(&mut world, by, "NoNomination");
    }
    let mut unsigned = ix::accept_admin(nominee.pubkey());
    unsigned.accounts[0].is_signer = false;
    refuse(&mut world, &[unsigned], &[], "AccountNotSigner");
    accept(&mut world, &nominee).expect("accept_admin");
    refuse_acceptance(&mut world, &nominee, "NoNomination");
}

/// Nobody has the key of zeros; but a signature is not what keeps it out.
#[test]
fn nobody_accepts_for_the_key_of_zeros() {
    let (mut world, ..) = stage();
    world.svm = world.svm.with_sigverify(false);
    let accept = ix::accept_admin(Pubkey::default());
    let payer = world.payer.pubkey();
    let blockhash = world.svm.latest_blockhash();
    let message = solana_message::Message::new_with_blockhash(&[accept], Some(&payer), &blockhash);
    let failed = world.svm.send_transaction(solana_transaction::Transaction::new_unsigned(message));
    let failed = failed.expect_err("refused");
    assert!(failed.meta.logs.iter().any(|line| line.contains("Error Code: NoNomination")), "{failed:?}");
    assert_ne!(world.exchange().admin, Pubkey::default());
}

#[test]
fn admin_and_guardian_take_a_nomination_back() {
    let (mut world, admin, nominee) = stage();
    let (guardian, stranger) = (world.guardian.insecure_clone(), world.keypair());
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    for by in [&nominee, &stranger] {
        let back = ix::nominate_admin(by.pubkey(), Pubkey::default());
        refuse(&mut world, &[back], &[by], "Unauthorized");
    }
    for by in [&admin, &guardian] {
        let mut world = world.fork();
        let before = world.fork();
        let outcome = nominate(&mut world, by, Pubkey::default()).expect("taken back");
        let event = AdminNominated { nominee: Pubkey::default(), eta: 0, expiry: 0 };
        assert_eq!(outcome.events, [Event::AdminNominated(event)]);
        assert_only(&before, &world, |e| (e.pending_admin, e.nomination) = Default::default());
        refuse_acceptance(&mut world, &nominee, "NoNomination");
        // There is nothing to take back now.
        for by in [&admin, &guardian] {
            let again = ix::nominate_admin(by.pubkey(), Pubkey::default());
            refuse(&mut world, &[again], &[by], "NoNomination");
        }
        nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
        refuse_acceptance(&mut world, &nominee, "ChangeTooEarly");
    }
}

#[test]
fn the_guardian_nominates_nobody() {
    let (mut world, admin, nominee) = stage();
    let (guardian, stranger) = (world.guardian.insecure_clone(), world.keypair());
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    for by in [&guardian, &stranger, &nominee] {
        for to in [by.pubkey(), nominee.pubkey(), admin.pubkey()] {
            refuse(&mut world, &[ix::nominate_admin(by.pubkey(), to)], &[by], "Unauthorized");
        }
    }
}

#[test]
fn another_nominee_takes_the_place_of_the_first_and_waits_himself() {
    let (mut world, admin, first) = stage();
    let second = world.keypair();
    nominate(&mut world, &admin, first.pubkey()).expect("nominate_admin");
    world.advance(2 * DAY - 1);
    nominate(&mut world, &admin, second.pubkey()).expect("nominate_admin");
    let eta = world.now() + 2 * DAY;
    world.advance(1);
    refuse_acceptance(&mut world, &first, "NoNomination");
    refuse_acceptance(&mut world, &second, "ChangeTooEarly");
    // The first again, as if nothing had been.
    world.set_clock(eta - 1);
    nominate(&mut world, &admin, first.pubkey()).expect("nominate_admin");
    world.set_clock(eta);
    refuse_acceptance(&mut world, &first, "ChangeTooEarly");
    refuse_acceptance(&mut world, &second, "NoNomination");
    // Nominating the same again restarts the delay, too.
    world.set_clock(eta - 1 + 2 * DAY - HOUR);
    nominate(&mut world, &admin, first.pubkey()).expect("nominate_admin");
    world.advance(HOUR);
    refuse_acceptance(&mut world, &first, "ChangeTooEarly");
    world.advance(2 * DAY - HOUR);
    accept(&mut world, &first).expect("accept_admin");
}

#[test]
fn a_nomination_keeps_its_time_whatever_the_delay_becomes() {
    let (mut world, admin, nominee) = stage();
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    let (nomination, guardian) = (world.exchange().nomination, world.guardian.insecure_clone());
    let mut params = world.exchange().params;
    params.delay = 604_800;
    tighten(&mut world, &guardian, ChangePayload::ExchangeParams { params }).expect("tighten");
    assert_eq!(world.exchange().nomination, nomination);
    world.set_clock(nomination.eta);
    accept(&mut world, &nominee).expect("accept_admin");
}

#[test]
fn a_former_admin_is_nobody() {
    let (mut world, former, next) = stage();
    hand_over(&mut world, &next);
    let tokens = world.create_tokens(world.listings.vaults[0].mint, former.pubkey(), 0);
    let keys = (former.pubkey(), world.payer.pubkey());
    for instruction in [
        ix::propose_change(&world.listings, keys, 0, stake_income(1)).expect("builds"),
        ix::set_pause(former.pubkey(), None, 1),
        ix::nominate_admin(former.pubkey(), former.pubkey()),
        ix::collect_protocol_fees(&world.listings, former.pubkey(), (tokens, 0)).expect("builds"),
    ] {
        refuse(&mut world, &[instruction], &[&former], "Unauthorized");
    }
    world.propose(stake_income(1)).expect("the next is");
}

#[test]
fn the_admin_may_nominate_himself_and_his_changes_are_void_all_the_same() {
    let (mut world, admin, _) = stage();
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    hand_over(&mut world, &admin);
    assert_eq!((world.exchange().admin, world.exchange().admin_epoch), (admin.pubkey(), 1));
    let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    refuse(&mut world, &[execute], &[], "ChangeVoid");
}

/// A nomination by somebody who is no longer the admin: there is none, for accepting clears it.
#[test]
fn a_nomination_does_not_outlast_an_acceptance() {
    let (mut world, admin, nominee) = stage();
    let third = world.keypair();
    nominate(&mut world, &admin, third.pubkey()).expect("nominate_admin");
    nominate(&mut world, &admin, nominee.pubkey()).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    accept(&mut world, &nominee).expect("accept_admin");
    refuse_acceptance(&mut world, &third, "NoNomination");
    refuse_acceptance(&mut world, &nominee, "NoNomination");
}

#[test]
fn the_guardian_changes_after_two_days_and_then_has_the_office() {
    let mut world = initialized(|args| args.exchange_params.delay = 604_800).expect("initialize_exchange");
    let (former, next, now) = (world.guardian.insecure_clone(), world.keypair(), world.now());
    let nonce = world.propose(ChangePayload::Guardian { guardian: next.pubkey() }).expect("propose_change");
    assert_eq!(world.change(nonce).timelock.eta, now + 2 * DAY);
    let [old, new] = [&former, &next].map(|key| ix::set_pause(key.pubkey(), None, 1));
    refuse(&mut world, std::slice::from_ref(&new), &[&next], "Unauthorized");
    world.set_clock(now + 2 * DAY);
    world.execute(nonce, None).expect("execute_change");
    assert_eq!((world.exchange().guardian, world.exchange().guardian_epoch), (next.pubkey(), 1));
    refuse(&mut world, &[old], &[&former], "Unauthorized");
    world.send(&[new], &[&next]).expect("set_pause");
}

#[test]
fn there_may_be_no_guardian() {
    let mut world = World::empty();
    let former = world.guardian.insecure_clone();
    let nonce =
        world.propose(ChangePayload::Guardian { guardian: Pubkey::default() }).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    world.execute(nonce, None).expect("execute_change");
    let pause = ix::set_pause(former.pubkey(), None, 1);
    refuse(&mut world, &[pause], &[&former], "Unauthorized");
    let admin = world.admin.insecure_clone();
    world.send(&[ix::set_pause(admin.pubkey(), None, 1)], &[&admin]).expect("the admin pauses");
}

#[test]
fn fees_go_to_the_recipient_in_office() {
    let mut world = World::empty();
    let (admin, mint) = (world.admin.insecure_clone(), world.listings.vaults[usize::from(Vault::QUOTE)].mint);
    let (former, next) = (world.exchange().fee_recipient, fixtures::address("next recipient"));
    let [old, new] = [former, next].map(|owner| world.create_tokens(mint, owner, 0));
    let nonce = world.propose(ChangePayload::FeeRecipient { fee_recipient: next }).expect("propose_change");
    assert_eq!(world.change(nonce).timelock.eta, world.now() + 2 * DAY);
    owe_fees(&mut world, 100);
    let collect = |to| ix::collect_protocol_fees(&world.listings, admin.pubkey(), (to, 100)).expect("builds");
    let [to_old, to_new] = [collect(old), collect(new)];
    refuse(&mut world, std::slice::from_ref(&to_new), &[&admin], "BadTokenAccount");
    world.fork().send(std::slice::from_ref(&to_old), &[&admin]).expect("collect_protocol_fees");
    world.set_clock(world.change(nonce).timelock.eta);
    world.execute(nonce, None).expect("execute_change");
    assert_eq!((world.exchange().fee_recipient, world.exchange().recipient_epoch), (next, 1));
    refuse(&mut world, &[to_old], &[&admin], "BadTokenAccount");
    let outcome = world.send(&[to_new], &[&admin]).expect("collect_protocol_fees");
    assert!(
        matches!(&outcome.events[..], [Event::ProtocolFeesCollected(e)] if e.recipient == next && e.amount == 100)
    );
    assert_eq!([old, new].map(|key| world.token_balance(&key)), [0, 100]);
}

/// As if so much had been earned.
fn owe_fees(world: &mut World, amount: u64) {
    let vault = world.listings.vaults[usize::from(Vault::QUOTE)];
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.protocol_fees += amount);
    world.tamper::<Vault>(&vault.address, |vault| vault.core.recorded += amount);
    world.write_tokens(vault.token_account, |tokens| tokens.amount += amount);
}
