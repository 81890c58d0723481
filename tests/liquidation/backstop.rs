//! The staked backstop: what it earns, what it loses, and how one leaves.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{BankruptcyResolved, MarketSwept, Unstaked};
use bulwark_sdk::program::state::{Pause, UnstakeTicket, Vault};
use bulwark_sdk::{Pubkey, address, instruction as ix};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Failure, Outcome, Signer as _, Trader};

use crate::support::*;

const DAY: i64 = 86_400;
const STAKE: u64 = 10_000 * DOLLAR;

/// A staker with 10,000 dollars of stake, and his shares.
fn staker(stage: &mut Stage) -> (Trader, Pubkey) {
    let who = stage.trader(100 * STAKE);
    let shares = stage.stake(&who, STAKE).expect("stake_backstop");
    (who, shares)
}

/// A market that pays the fund a fifth of 5 bp.
fn with_fees() -> Stage {
    Stage::with(MarketParams { taker_fee_ppm: 500, ..params() })
}

/// Opens so many UNI, whose fee is 0.0625 dollars each, and sweeps: 0.0125 of it are the fund's.
fn income(stage: &mut Stage, uni: u64) -> MarketSwept {
    let trader = stage.funded_trader(100_000 * DOLLAR);
    stage.open(&trader, A, Side::Long, uni * ONE).expect("open");
    sweep(stage, A)
}

fn sweep(stage: &mut Stage, market: u16) -> MarketSwept {
    match &stage.send(&[ix::sweep_market(market)], &[]).expect("sweep_market").events[..] {
        [Event::MarketSwept(e)] => e.clone(),
        other => panic!("one event of a sweep, not {other:?}"),
    }
}

/// Somebody without anything owes so many dollars to the UNI market, and the waterfall pays.
fn lose(stage: &mut Stage, dollars: u64) -> BankruptcyResolved {
    let debtor = stage.trader(0);
    stage.take_quote(&debtor.margin, (dollars * DOLLAR).into());
    stage.owe(&debtor.margin, A, Side::Long);
    stage.refresh();
    resolved(&stage.resolve_bankruptcy(&debtor.margin, A).expect("resolve_bankruptcy"))
}

/// Value of the active and the cooling stake.
fn values(stage: &Stage) -> [u64; 2] {
    let backstop = stage.fund_core().backstop;
    [backstop.active.value, backstop.cooling.value]
}

fn ticket(stage: &Stage, key: &Pubkey) -> Box<UnstakeTicket> {
    stage.get(key)
}

fn exists(stage: &Stage, key: &Pubkey) -> bool {
    stage.svm.get_account(key).is_some_and(|account| !account.data.is_empty())
}

fn request(stage: &mut Stage, (who, shares): &(Trader, Pubkey), what: (u64, u64)) -> Pubkey {
    stage.request_unstake(who, *shares, what).expect("request_unstake")
}

fn paid(result: Result<Outcome, Failure>) -> Unstaked {
    match &result.expect("unstake").events[..] {
        [Event::Unstaked(e)] => e.clone(),
        other => panic!("one event of an unstake, not {other:?}"),
    }
}

#[test]
fn the_first_share_costs_a_unit_and_the_next_what_it_is_worth() {
    let mut stage = with_fees();
    let (_, shares) = staker(&mut stage);
    assert_eq!(stage.token_balance(&shares), STAKE);
    // 1,000 UNI bring 12.5 dollars, half of it to the stake.
    income(&mut stage, 1_000);
    assert_eq!(values(&stage), [STAKE + 6_250_000, 0]);
    // With 1,000 units and shares that nobody has.
    let issued =
        |amount: u128, value: u128, all: u128| u64::try_from(amount * (all + 1_000) / (value + 1_000));
    let wanted = issued(STAKE.into(), (STAKE + 6_250_000).into(), STAKE.into()).expect("shares");
    let next = stage.trader(3 * STAKE);
    let into = stage.create_tokens(address::backstop_mint(), next.key.pubkey(), 0);
    let keys = (next.key.pubkey(), next.tokens, into);
    let call = |stage: &Stage, amounts| ix::stake_backstop(&stage.listings, keys, amounts).expect("builds");
    let short = call(&stage, (STAKE, wanted + 1));
    refused(&mut stage, short, &[&next.key], "BelowMinimumShares", "one more than it makes");
    let enough = call(&stage, (STAKE, wanted));
    stage.send(&[enough], &[&next.key]).expect("stake_backstop");
    assert_eq!((stage.token_balance(&into), values(&stage)[0]), (wanted, 2 * STAKE + 6_250_000));
    // A unit buys less than a share now, which nobody gets.
    let dust = call(&stage, (1, 0));
    refused(&mut stage, dust, &[&next.key], "TooSmallForOneShare", "a unit");
}

#[test]
fn stakers_get_half_of_the_funds_income_and_the_reserve_the_rest() {
    let mut stage = with_fees();
    let e = income(&mut stage, 100);
    assert_eq!((e.insurance, e.staked), (1_250_000, 0), "without stakers the reserve has it all");
    assert_eq!((stage.fund_core().reserve, values(&stage)), (1_250_000, [0, 0]));
    staker(&mut stage);
    let e = income(&mut stage, 100);
    assert_eq!((e.insurance, e.staked), (1_250_000, 625_000));
    assert_eq!((stage.fund_core().reserve, values(&stage)), (1_875_000, [STAKE + 625_000, 0]));
    // Of an odd number the smaller part is theirs.
    let trader = stage.funded_trader(100_000 * DOLLAR);
    stage.open(&trader, A, Side::Long, 10 * ONE).expect("open");
    let odd = (1..9).find_map(|thousandths| {
        stage.close(&trader, A, ONE / 1_000 * thousandths).expect("close");
        Some(sweep(&mut stage, A)).filter(|e| e.insurance % 2 == 1)
    });
    let e = odd.expect("an odd number");
    assert_eq!(e.staked, e.insurance / 2);
    assert_eq!(e.fund_sequence + 1, stage.fund().sequence);
}

#[test]
fn cooling_stake_earns_nothing() {
    let mut stage = with_fees();
    let (leaving, staying) = (staker(&mut stage), staker(&mut stage));
    let out = request(&mut stage, &leaving, (1, STAKE));
    assert_eq!(values(&stage), [STAKE, STAKE]);
    income(&mut stage, 1_000);
    assert_eq!(values(&stage), [STAKE + 6_250_000, STAKE], "who stays has it all");
    request(&mut stage, &staying, (1, STAKE));
    let reserve = stage.fund_core().reserve;
    let e = income(&mut stage, 1_000);
    assert_eq!((e.staked, stage.fund_core().reserve - reserve), (0, 12_500_000), "nobody is active");
    stage.advance(14 * DAY);
    assert_eq!(paid(stage.unstake(&leaving.0, &out, 0)).paid, STAKE);
}

#[test]
fn a_ticket_is_paid_after_14_days_and_within_two_more_to_the_second() {
    let mut stage = Stage::new();
    let who = staker(&mut stage);
    let other = staker(&mut stage);
    let key = request(&mut stage, &who, (7, STAKE / 4));
    let t = ticket(&stage, &key);
    assert_eq!((t.core.shares, t.core.value, t.core.requested_at), (STAKE / 4, STAKE / 4, stage.now()));
    assert_eq!((t.owner, t.nonce, stage.token_balance(&who.1)), (who.0.key.pubkey(), 7, STAKE / 4 * 3));
    let start = stage.now();
    for (seconds, name) in [
        (0, Some("UnstakeTooEarly")),
        (14 * DAY - 1, Some("UnstakeTooEarly")),
        (14 * DAY, None),
        (16 * DAY, None),
        (16 * DAY + 1, Some("UnstakeTooLate")),
        (400 * DAY, Some("UnstakeTooLate")),
    ] {
        let mut stage = stage.fork();
        stage.set_clock(start + seconds);
        let call = ix::unstake(&stage.listings, &t, (who.0.tokens, STAKE / 4)).expect("builds");
        match name {
            Some(name) => refused(&mut stage, call, &[&who.0.key], name, "the window"),
            None => {
                let before = stage.token_balance(&who.0.tokens);
                let e = paid(stage.send(&[call], &[&who.0.key]));
                assert_eq!((e.paid, e.cooling, e.cooling_left), (STAKE / 4, STAKE / 4, 0));
                assert_eq!(stage.token_balance(&who.0.tokens) - before, STAKE / 4);
                assert!(!exists(&stage, &key), "an empty ticket is closed");
                assert_eq!(values(&stage), [STAKE / 4 * 3 + STAKE, 0]);
            }
        }
    }
    // Nobody else's.
    stage.set_clock(start + 14 * DAY);
    let mut foreign = ix::unstake(&stage.listings, &t, (other.0.tokens, 0)).expect("builds");
    foreign.accounts[0].pubkey = other.0.key.pubkey();
    refused(&mut stage, foreign, &[&other.0.key], "Unauthorized", "another's ticket");
}

#[test]
fn stake_in_cooldown_is_slashed_like_the_rest() {
    let mut stage = Stage::new();
    let (leaving, staying) = (staker(&mut stage), staker(&mut stage));
    let key = request(&mut stage, &leaving, (1, STAKE / 2));
    // 15,000 dollars are active and 5,000 cooling.
    let e = lose(&mut stage, 1_000);
    assert_eq!((e.backstop, values(&stage)), (1_000 * DOLLAR, [14_250 * DOLLAR, 4_750 * DOLLAR]));
    // Of a loss of three units the cooling side bears one, rounded up.
    stage.advance(14 * DAY);
    let e = paid(stage.unstake(&leaving.0, &key, 0));
    assert_eq!(e.paid, 4_750 * DOLLAR, "what it is worth now, not what it was");
    assert_eq!(values(&stage), [14_250 * DOLLAR, 0]);
    // Who stays lost as large a part.
    let last = request(&mut stage, &staying, (1, STAKE));
    assert_eq!(ticket(&stage, &last).core.value, 9_500 * DOLLAR);
    assert_eq!(values(&stage), [4_750 * DOLLAR, 9_500 * DOLLAR]);
}

#[test]
fn at_most_half_of_all_stake_is_lost_in_a_day() {
    let mut stage = Stage::new();
    let (leaving, _staying) = (staker(&mut stage), staker(&mut stage));
    request(&mut stage, &leaving, (1, STAKE));
    let e = lose(&mut stage, 30_000);
    assert_eq!((e.backstop, e.pool), (STAKE, 20_000 * DOLLAR), "10,000 of 20,000");
    assert_eq!(values(&stage), [STAKE / 2, STAKE / 2]);
}

#[test]
fn a_ticket_is_never_worth_more_than_at_its_request_and_what_is_beyond_is_the_others() {
    for active in [true, false] {
        let mut stage = Stage::new();
        let (leaving, staying) = (staker(&mut stage), staker(&mut stage));
        let key = request(&mut stage, &leaving, (1, STAKE));
        if !active {
            request(&mut stage, &staying, (1, STAKE));
        }
        // As if the cooling stake had become dearer since.
        stage.tamper::<UnstakeTicket>(&key, |t| t.core.value -= 100 * DOLLAR);
        stage.advance(14 * DAY);
        assert_eq!(paid(stage.unstake(&leaving.0, &key, 0)).paid, STAKE - 100 * DOLLAR);
        let kept = STAKE + 100 * DOLLAR;
        assert_eq!(values(&stage), if active { [kept, 0] } else { [0, kept] });
    }
}

#[test]
fn what_the_vault_may_not_let_go_is_paid_later() {
    let mut stage = Stage::new();
    let who = stage.trader(500_000 * DOLLAR);
    let shares = stage.stake(&who, 500_000 * DOLLAR).expect("stake_backstop");
    // 1 % of what is in the vault may leave in an hour.
    let vault = stage.listings.vaults[0].address;
    stage.tamper::<Vault>(&vault, |v| {
        (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (0, 10_000)
    });
    let key = stage.request_unstake(&who, shares, (1, 500_000 * DOLLAR)).expect("request_unstake");
    stage.advance(14 * DAY);
    let there = stage.vault(0).core.recorded;
    assert_eq!(there, 10_500_000 * DOLLAR);
    let e = paid(stage.unstake(&who, &key, 0));
    assert_eq!((e.paid, e.cooling, e.cooling_left), (there / 100, there / 100, 395_000 * DOLLAR));
    assert_eq!(ticket(&stage, &key).core.value, 395_000 * DOLLAR);
    let call = ix::unstake(&stage.listings, &ticket(&stage, &key), (who.tokens, 0)).expect("builds");
    refused(&mut stage, call, &[&who.key], "ZeroAmount", "nothing more may leave now");
    stage.advance(3_600);
    let second = paid(stage.unstake(&who, &key, 0));
    // The anchor has followed to what is left: a hundredth of 10,395,000, but for a 2^-20th of an hour.
    near(second.paid.into(), 103_950 * i128::from(DOLLAR), 110_000, "an hour later");
    let left = ticket(&stage, &key).core.value;
    assert_eq!((values(&stage)[1], left), (left, 395_000 * DOLLAR - second.paid));
    // The bound is on what is paid at once.
    stage.advance(3_600);
    let call = ix::unstake(&stage.listings, &ticket(&stage, &key), (who.tokens, left)).expect("builds");
    refused(&mut stage, call, &[&who.key], "BelowMinimumAmount", "all of it, not yet");
    stage.tamper::<Vault>(&vault, |v| v.core.params.outflow.max_ppm = 1_000_000);
    assert_eq!(paid(stage.unstake(&who, &key, left)).paid, left);
    assert!(!exists(&stage, &key));
    assert_eq!(stage.token_balance(&who.tokens), 500_000 * DOLLAR, "to the unit");
}

#[test]
fn the_owner_may_cancel_at_any_time_and_anyone_when_the_window_is_over() {
    let mut stage = with_fees();
    let (who, other) = (staker(&mut stage), staker(&mut stage));
    let key = request(&mut stage, &who, (1, STAKE));
    let start = stage.now();
    for (seconds, owner, name) in [
        (0, true, None),
        (15 * DAY, true, None),
        (100 * DAY, true, None),
        (0, false, Some("Unauthorized")),
        (14 * DAY, false, Some("Unauthorized")),
        (16 * DAY, false, Some("Unauthorized")),
        (16 * DAY + 1, false, None),
    ] {
        let mut stage = stage.fork();
        stage.set_clock(start + seconds);
        let authority = if owner { &who.0 } else { &other.0 };
        let t = ticket(&stage, &key);
        let own = ix::cancel_unstake(authority.key.pubkey(), &t, other.1);
        let call = ix::cancel_unstake(authority.key.pubkey(), &t, who.1);
        if let Some(name) = name {
            refused(&mut stage, call, &[&authority.key], name, "not yet");
            continue;
        }
        refused(&mut stage, own, &[&authority.key], "BadTokenAccount", "the shares are the owner's");
        let rent = stage.svm.get_balance(&stage.payer.pubkey()).expect("lamports");
        stage.send(&[call], &[&authority.key]).expect("cancel_unstake");
        assert!(!exists(&stage, &key), "the ticket is closed");
        assert!(
            stage.svm.get_balance(&stage.payer.pubkey()).expect("lamports") > rent,
            "and its rent returned"
        );
        assert_eq!((stage.token_balance(&who.1), values(&stage)), (STAKE, [2 * STAKE, 0]));
    }
}

#[test]
fn what_is_taken_back_is_active_at_what_it_is_worth_now() {
    let mut stage = with_fees();
    let (who, _other) = (staker(&mut stage), staker(&mut stage));
    let key = request(&mut stage, &who, (1, STAKE));
    lose(&mut stage, 1_000);
    income(&mut stage, 1_000);
    // 9,500 of cooling stake buy shares that cost 9,506.25 / 10,000 by now.
    assert_eq!(values(&stage), [9_506_250_000, 9_500_000_000]);
    stage.cancel_unstake(&who.0, &key, who.1).expect("cancel_unstake");
    let wanted = 9_500_000_000_u128 * (10_000_000_000 + 1_000) / (9_506_250_000 + 1_000);
    assert_eq!((u128::from(stage.token_balance(&who.1)), values(&stage)), (wanted, [19_006_250_000, 0]));
    // The income of the time away is not his: half of 6.25 would be 3.125.
    let held = stage.token_balance(&who.1);
    let again = request(&mut stage, &who, (2, held));
    // Less than the 49.4 units that 1,000 shares at 0.9506 are worth less than 1,000 units.
    let value = ticket(&stage, &again).core.value;
    assert!(value <= 9_500_000_000 && value + 50 > 9_500_000_000, "what he came with: {value}");
}

#[test]
fn a_ticket_that_is_worth_nothing_can_be_closed() {
    let mut stage = Stage::new();
    let (who, other) = (staker(&mut stage), staker(&mut stage));
    let key = request(&mut stage, &who, (1, 1));
    lose(&mut stage, 1);
    assert_eq!((ticket(&stage, &key).core.shares, values(&stage)[1]), (1, 0), "rounded up");
    let balance = stage.token_balance(&who.1);
    let mut cancelled = stage.fork();
    cancelled.cancel_unstake(&who.0, &key, who.1).expect("cancel_unstake");
    assert!(!exists(&cancelled, &key));
    assert_eq!(cancelled.token_balance(&who.1), balance, "for nothing");
    stage.advance(14 * DAY);
    let mut paid_out = stage.fork();
    assert_eq!(paid(paid_out.unstake(&who.0, &key, 0)).paid, 0);
    assert!(!exists(&paid_out, &key));
    stage.advance(3 * DAY);
    stage.cancel_unstake(&other.0, &key, who.1).expect("by anyone");
    assert!(!exists(&stage, &key));
}

#[test]
fn while_other_ways_out_are_paused_a_ticket_is_paid() {
    for bits in [Pause::WITHDRAW.0, Pause::LIQUIDITY.0, !Pause::STAKE.0] {
        let mut stage = Stage::new();
        let who = staker(&mut stage);
        let ready = request(&mut stage, &who, (1, STAKE / 2));
        stage.advance(14 * DAY);
        stage.pause(bits);
        let result = stage.unstake(&who.0, &ready, 0);
        assert!(result.is_ok(), "{bits}: {result:?}");
    }
}

#[test]
fn a_pause_stops_stake_and_payment_and_neither_request_nor_return() {
    let mut stage = Stage::new();
    let who = staker(&mut stage);
    let ready = request(&mut stage, &who, (1, STAKE / 2));
    stage.advance(14 * DAY);
    stage.pause(Pause::STAKE.0);
    let keys = (who.0.key.pubkey(), who.0.tokens, who.1);
    let stake = ix::stake_backstop(&stage.listings, keys, (DOLLAR, 0)).expect("builds");
    refused(&mut stage, stake, &[&who.0.key], "Paused", "stake");
    let t = ticket(&stage, &ready);
    let unstake = ix::unstake(&stage.listings, &t, (who.0.tokens, 0)).expect("builds");
    refused(&mut stage, unstake, &[&who.0.key], "Paused", "unstake");
    request(&mut stage, &who, (2, STAKE / 4));
    stage.cancel_unstake(&who.0, &ready, who.1).expect("cancel_unstake");
    lose(&mut stage, 100);
    assert_eq!(values(&stage).iter().sum::<u64>(), STAKE - 100 * DOLLAR, "nor the waterfall");
}
