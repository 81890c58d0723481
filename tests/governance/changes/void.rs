//! A change is for its target as it was when it was proposed, and for the admin who proposed it.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::state::{
    ChangePayload, Exchange, InsuranceFund, Market, MarketStatus, Pool, Vault,
};
use bulwark_tests::{BTC, Keypair, SOL, SOL_VAULT, Signer, World};

use super::kinds::{cases, print_all, world};
use crate::stage::{hand_over, refresh, refuse, stake_income, taker_fee, tighten};

/// What a change is about: two changes of the same target can't both be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Market(u16),
    Vault(u16),
    Exchange,
    Pool,
    InsuranceFund,
    Guardian,
    FeeRecipient,
    /// A listing or an unpausing: done twice it is done.
    Nothing,
}

const fn target(payload: &ChangePayload) -> Target {
    match *payload {
        ChangePayload::MarketParams { market, .. }
        | ChangePayload::MarketSources { market, .. }
        | ChangePayload::MarketStatus { market, .. } => Target::Market(market),
        ChangePayload::VaultParams { vault, .. } | ChangePayload::VaultSources { vault, .. } => {
            Target::Vault(vault)
        }
        ChangePayload::ExchangeParams { .. } => Target::Exchange,
        ChangePayload::PoolParams { .. } => Target::Pool,
        ChangePayload::InsuranceParams { .. } => Target::InsuranceFund,
        ChangePayload::Guardian { .. } => Target::Guardian,
        ChangePayload::FeeRecipient { .. } => Target::FeeRecipient,
        ChangePayload::CreateVault { .. }
        | ChangePayload::CreateMarket { .. }
        | ChangePayload::Unpause { .. } => Target::Nothing,
    }
}

#[track_caller]
fn refuse_execution(world: &mut World, nonce: u64, oracles: Option<OracleAccounts>, name: &str) {
    let execute = ix::execute_change(&world.listings, &world.change(nonce), oracles).expect("builds");
    refuse(world, &[execute], &[], name);
}

/// Proposes a payload, lets something happen a day later, and sees whether the change is void when it is ripe.
#[track_caller]
fn assert_after(base: &World, payload: ChangePayload, is_void: bool, meanwhile: impl FnOnce(&mut World)) {
    let mut world = base.fork();
    let nonce = world.propose(payload).expect("propose_change");
    world.advance(86_400);
    refresh(&mut world);
    meanwhile(&mut world);
    world.set_clock(world.change(nonce).timelock.eta);
    refresh(&mut world);
    if is_void {
        refuse_execution(&mut world, nonce, None, "ChangeVoid");
    } else {
        world.execute(nonce, None).expect("execute_change");
    }
}

/// Every change after every other one: also after itself, proposed twice.
#[test]
fn a_change_of_the_same_target_makes_it_void_and_no_other_does() {
    let base = world();
    let all = cases(&base);
    let mut proposed = base.fork();
    let mut propose = || -> Vec<u64> {
        all.iter().map(|case| proposed.propose(case.payload).expect("propose_change")).collect()
    };
    let (earlier, later) = (propose(), propose());
    proposed.set_clock(proposed.change(earlier[0]).timelock.eta + 1);
    print_all(&mut proposed);

    let mut void = 0;
    for (first, first_nonce) in all.iter().zip(&earlier) {
        let mut executed = proposed.fork();
        executed.execute(*first_nonce, first.oracles).expect("the first");
        for (second, second_nonce) in all.iter().zip(&later) {
            let mut world = executed.fork();
            if target(&first.payload) == target(&second.payload) && target(&second.payload) != Target::Nothing
            {
                refuse_execution(&mut world, *second_nonce, second.oracles, "ChangeVoid");
                void += 1;
            } else {
                let result = world.execute(*second_nonce, second.oracles);
                result.unwrap_or_else(|e| panic!("{:?} after {:?}: {e:?}", second.payload, first.payload));
            }
        }
    }
    // Three of SOL, two of BTC, two of each vault, and five that are alone.
    assert_eq!(void, 9 + 4 + 4 + 4 + 5);
}

#[test]
fn tightening_the_target_makes_a_change_void() {
    let base = World::new();
    let guardian = base.guardian.insecure_clone();
    let tightened = |payload: ChangePayload| {
        let guardian = guardian.insecure_clone();
        move |world: &mut World| _ = tighten(world, &guardian, payload).expect("tighten")
    };
    let market = |market: u16| {
        let params = MarketParams { max_outage: 1_800, ..base.market(market).core.params };
        ChangePayload::MarketParams { market, params }
    };
    let [pending, status] = [
        taker_fee(&base, SOL, 600),
        ChangePayload::MarketStatus { market: SOL, status: MarketStatus::ReduceOnly, price: 0 },
    ];
    for pending in [pending, status] {
        assert_after(&base, pending, true, tightened(market(SOL)));
        assert_after(&base, pending, true, tightened(status));
        assert_after(&base, pending, false, tightened(market(BTC)));
    }
    let (mut exchange, mut longer) = (base.exchange().params, base.exchange().params);
    (exchange.trigger_fee, longer.delay) = (1, 604_800);
    let [pending, longer] = [exchange, longer].map(|params| ChangePayload::ExchangeParams { params });
    assert_after(&base, pending, true, tightened(longer));
    assert_after(&base, stake_income(1), false, tightened(longer));
    for (vault, is_void) in [(SOL_VAULT, true), (Vault::QUOTE, false)] {
        let mut params = base.vault(vault).core.params;
        params.cap_growth_ppm -= 1;
        let tighter = tightened(ChangePayload::VaultParams { vault, params });
        let mut params = base.vault(SOL_VAULT).core.params;
        params.max_deposits *= 2;
        assert_after(&base, ChangePayload::VaultParams { vault: SOL_VAULT, params }, is_void, tighter);
    }
}

#[test]
fn an_outage_and_its_end_leave_changes_of_the_market_as_they_are() {
    let base = World::new();
    let outage = |world: &mut World| {
        world.advance(3_601);
        world.send(&[ix::suspend_market(SOL)], &[]).expect("suspend_market");
    };
    assert_after(&base, taker_fee(&base, SOL, 600), false, outage);
    assert_after(&base, taker_fee(&base, BTC, 600), false, outage);
    let resumed = |world: &mut World| {
        outage(world);
        world.advance(3_601);
        refresh(world);
        world.send(&[ix::resume_market(SOL)], &[]).expect("resume_market");
    };
    assert_after(&base, taker_fee(&base, SOL, 600), false, resumed);
}

#[test]
fn what_is_no_decision_leaves_changes_as_they_are() {
    let base = World::new();
    let guardian = base.guardian.insecure_clone();
    let paused = |market: Option<u16>| {
        let guardian = guardian.insecure_clone();
        move |world: &mut World| {
            world.send(&[ix::set_pause(guardian.pubkey(), market, 1)], &[&guardian]).expect("set_pause");
        }
    };
    assert_after(&base, taker_fee(&base, SOL, 600), false, refresh);
    assert_after(&base, taker_fee(&base, SOL, 600), false, paused(Some(SOL)));
    assert_after(&base, stake_income(1), false, paused(None));
    let nominated = |world: &mut World| {
        let admin = world.admin.insecure_clone();
        let nominate = ix::nominate_admin(admin.pubkey(), guardian.pubkey());
        world.send(&[nominate], &[&admin]).expect("nominate_admin");
    };
    assert_after(&base, taker_fee(&base, SOL, 600), false, nominated);
}

#[test]
fn another_pause_makes_an_unpausing_void_and_the_same_does_not() {
    let mut base = World::new();
    let guardian = base.guardian.insecure_clone();
    let pause = |market: Option<u16>, bits: u8| {
        let guardian = guardian.insecure_clone();
        move |world: &mut World| {
            world.send(&[ix::set_pause(guardian.pubkey(), market, bits)], &[&guardian]).expect("set_pause");
        }
    };
    for market in [None, Some(SOL), Some(BTC)] {
        pause(market, 1)(&mut base);
    }
    for market in [None, Some(SOL)] {
        let unpause = ChangePayload::Unpause { market, bits: 1 };
        assert_after(&base, unpause, false, pause(market, 1));
        assert_after(&base, unpause, true, pause(market, 4));
        assert_after(&base, unpause, true, pause(market, 5));
        assert_after(&base, unpause, false, pause(Some(BTC), 4));
    }
    assert_after(&base, ChangePayload::Unpause { market: Some(SOL), bits: 1 }, false, pause(None, 4));
    assert_after(&base, ChangePayload::Unpause { market: None, bits: 1 }, false, pause(Some(SOL), 4));
}

/// The revision is compared for equality: it does not matter which way it has moved.
#[test]
fn any_other_version_of_the_target_makes_it_void() {
    for by in [1, u32::MAX, 1 << 24] {
        let base = world();
        for case in cases(&base) {
            let mut world = base.fork();
            let nonce = world.propose(case.payload).expect("propose_change");
            world.set_clock(world.change(nonce).timelock.eta);
            print_all(&mut world);
            let what = target(&case.payload);
            move_on(&mut world, what, by);
            if what == Target::Nothing {
                world.execute(nonce, case.oracles).expect("execute_change");
            } else {
                refuse_execution(&mut world, nonce, case.oracles, "ChangeVoid");
            }
        }
    }
}

fn move_on(world: &mut World, target: Target, by: u32) {
    let moved = |revision: &mut u32| *revision = revision.wrapping_add(by);
    match target {
        Target::Market(market) => {
            world.tamper::<Market>(&address::market(market), |m| moved(&mut m.revision))
        }
        Target::Vault(vault) => {
            let key = world.listings.vaults[usize::from(vault)].address;
            world.tamper::<Vault>(&key, |vault| moved(&mut vault.revision));
        }
        Target::Exchange => world.tamper::<Exchange>(&address::exchange(), |e| moved(&mut e.revision)),
        Target::Pool => world.tamper::<Pool>(&address::pool(), |pool| moved(&mut pool.revision)),
        Target::InsuranceFund => {
            world.tamper::<InsuranceFund>(&address::insurance_fund(), |fund| moved(&mut fund.revision));
        }
        Target::Guardian => world.tamper::<Exchange>(&address::exchange(), |e| moved(&mut e.guardian_epoch)),
        Target::FeeRecipient => {
            world.tamper::<Exchange>(&address::exchange(), |e| moved(&mut e.recipient_epoch))
        }
        Target::Nothing => (),
    }
}

#[test]
fn every_change_is_void_under_another_admin() {
    let mut base = world();
    let next = base.keypair();
    let all = cases(&base);
    let nonces: Vec<_> = all.iter().map(|case| base.propose(case.payload).expect("propose_change")).collect();
    hand_over(&mut base, &next);
    print_all(&mut base);
    for (case, nonce) in all.iter().zip(nonces) {
        assert!(base.now() >= base.change(nonce).timelock.eta, "ripe");
        refuse_execution(&mut base, nonce, case.oracles, "ChangeVoid");
    }
}

#[test]
fn an_admin_who_was_one_before_does_not_bring_his_changes_back() {
    let mut world = World::empty();
    let (first, second): (Keypair, Keypair) = (world.admin.insecure_clone(), world.keypair());
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    hand_over(&mut world, &second);
    hand_over(&mut world, &first);
    assert_eq!((world.exchange().admin, world.exchange().admin_epoch), (first.pubkey(), 2));
    let lock = world.change(nonce).timelock;
    assert!((lock.eta..=lock.expiry).contains(&world.now()), "ripe");
    refuse_execution(&mut world, nonce, None, "ChangeVoid");
    let again = world.propose(stake_income(1)).expect("propose_change");
    world.set_clock(world.change(again).timelock.eta);
    world.execute(again, None).expect("execute_change");
}

#[test]
fn what_was_unpaused_can_be_unpaused_again() {
    let mut world = world();
    let [first, second] = [1, 3]
        .map(|bits| world.propose(ChangePayload::Unpause { market: None, bits }).expect("propose_change"));
    world.set_clock(world.change(first).timelock.eta);
    world.execute(first, None).expect("execute_change");
    assert_eq!(world.exchange().pause, 0b1110);
    world.execute(second, None).expect("execute_change");
    assert_eq!(world.exchange().pause, 0b1100);
}
