//! I12: a share's price falls by losses only; a deposit or redemption never takes from who stays.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::pool::{MIN_TICKET_AGE, Nav, Pool, PoolParams, Ticket, TrancheKind, VIRTUAL};
use model::pool::{DUE, NOW, OPEN, UNIT, any_amount, any_kind, any_pool, new, shares_of, with_ticket};
use model::{Exact, config, int, ratio};
use proptest::prelude::*;

/// What a share is worth at a net asset value, unrounded; with no shares, what a new one stands for.
fn price(pool: &Pool, kind: TrancheKind, nav: u64) -> Exact {
    let claim = pool.senior_claim().unwrap();
    let rest = int(nav) - int(claim.min(nav));
    match (kind, pool.senior.shares, pool.junior.shares) {
        (TrancheKind::Senior, shares, _) if claim > nav => ratio(nav, shares),
        (TrancheKind::Senior, ..) => ratio(pool.senior_index, UNIT),
        (TrancheKind::Junior, _, 0) => (rest + int(VIRTUAL)) / int(VIRTUAL),
        (TrancheKind::Junior, _, shares) => {
            let with_virtual = (&rest + int(VIRTUAL)) / int(shares + VIRTUAL);
            with_virtual.min(rest / int(shares))
        }
    }
}

/// `nav` after the pool's idle cash changed.
fn after(nav: &Nav, before: &Pool, pool: &Pool) -> Nav {
    let move_by = |x: u64| x + pool.idle - before.idle;
    Nav { low: move_by(nav.low), high: move_by(nav.high), used: nav.used, releasable: u64::MAX }
}

/// Values between lowest and highest at which nobody may lose.
fn between(nav: &Nav, part: u64) -> [u64; 3] {
    [nav.low, nav.high, nav.low + (nav.high - nav.low) / 8 * part]
}

/// Both tranches' share price did not fall at any value, exactly; nor what the engine says that `stay` shares of
/// each are worth by more than a unit.
fn nobody_lost(
    (before, nav): (&Pool, &Nav),
    pool: &Pool,
    stay: [u64; 2],
    part: u64,
) -> Result<(), TestCaseError> {
    let new = after(nav, before, pool);
    for (old_value, value) in between(nav, part).into_iter().zip(between(&new, part)) {
        for (kind, stay) in TrancheKind::BOTH.into_iter().zip(stay) {
            let value = if old_value == nav.low { new.low } else { value };
            let moved = int(value) - int(old_value);
            prop_assert_eq!(moved, int(pool.idle) - int(before.idle));
            let (old, now) = (price(before, kind, old_value), price(pool, kind, value));
            if stay > 0 {
                prop_assert!(now >= old, "{:?} fell from {} to {} at {}", kind, old, now, old_value);
            }
            let old = before.share_value(kind, stay, old_value).unwrap();
            let now = pool.share_value(kind, stay, value).unwrap();
            prop_assert!(now + 1 >= old, "{:?}: {} of {} left", kind, now, old);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn i12_a_deposit_never_lowers_anothers_share_price_by_more_than_a_unit_in_total(
        (before, nav) in any_pool(), kind in any_kind(), amount in any_amount(40), part in 0..=8_u64,
    ) {
        let mut pool = before;
        let Ok(shares) = pool.issue(kind, amount, &nav, NOW) else { return Ok(()) };
        prop_assert_eq!(pool.idle, before.idle + amount);
        nobody_lost((&before, &nav), &pool, shares_of(&before), part)?;
        // And who deposited did not gain by it.
        let nav = after(&nav, &before, &pool);
        prop_assert!(pool.share_value(kind, shares, nav.low).unwrap() <= amount);
        prop_assert!(pool.share_value(kind, shares, nav.high).unwrap() <= amount);
        prop_assert!(kind == TrancheKind::Senior || shares <= amount.saturating_mul(VIRTUAL));
    }

    #[test]
    fn i12_a_redemption_never_lowers_anothers_share_price_by_more_than_a_unit_in_total(
        (before, nav) in any_pool(), kind in any_kind(), eighths in 1..=8_u64, asked in any_amount(44), part in 0..=8_u64,
    ) {
        let all = shares_of(&before)[usize::from(kind.to_byte())];
        let shares = (all / 8 * eighths).max(u64::from(all > 0)) + if eighths == 8 { all % 8 } else { 0 };
        let (before, mut ticket) = with_ticket(&before, kind, shares.min(all), asked);
        let (mut pool, asked) = (before, ticket);
        let Ok(report) = pool.redeem(kind, &mut ticket, &nav, NOW) else { return Ok(()) };
        let mut stay = shares_of(&before);
        stay[usize::from(kind.to_byte())] = all - asked.shares;
        nobody_lost((&before, &nav), &pool, stay, part)?;

        // The lower of both values, and the parts of the report fit.
        let now = before.share_value(kind, asked.shares, nav.low).unwrap();
        let whole = now.min(asked.value);
        prop_assert!(report.paid > 0 && report.value <= whole && report.paid + report.fee == report.value);
        let fee = int(report.value) * ratio(before.params.redeem_fee_ppm, 1_000_000);
        prop_assert_eq!(int(report.fee), fee.ceil());
        prop_assert_eq!(pool.idle, before.idle - report.paid);
        prop_assert_eq!(ticket.shares, asked.shares - report.shares);
        prop_assert!(int(report.shares) * int(whole) >= int(asked.shares) * int(report.value), "shares for what is paid");
        prop_assert!(int(ticket.value) <= int(asked.value) * ratio(ticket.shares, asked.shares));

        // The gates hold afterwards, and were not stricter than needed: what they allow is paid but for a unit
        // or a share.
        let (fill, params) = (after(&nav, &before, &pool), &before.params);
        let used = ratio(params.max_utilisation_ppm, 1_000_000) * int(fill.low);
        prop_assert!(int(nav.used) <= used);
        let (senior, junior) = (pool.senior_claim().unwrap(), pool.tranche_value(TrancheKind::Junior, fill.low).unwrap());
        let allowed = ratio(params.max_senior_ratio_ppm, 1_000_000) * int(junior);
        let bound = kind == TrancheKind::Junior && pool.senior.shares > 0;
        prop_assert!(!bound || int(senior) <= allowed);
        if report.value < whole {
            let step = ratio(whole, asked.shares) + int(3);
            let idle_left = int(pool.idle) < step;
            let used_left = int(nav.used) > ratio(params.max_utilisation_ppm, 1_000_000) * (int(fill.low) - &step);
            let ratio_left = bound && int(senior) > ratio(params.max_senior_ratio_ppm, 1_000_000) * (int(junior) - &step);
            prop_assert!(idle_left || used_left || ratio_left, "{:?} of {}", report, whole);
        } else {
            prop_assert_eq!(report.shares, asked.shares);
        }
    }

    /// What a gate refuses altogether is really too much: not even one share's worth would fit.
    #[test]
    fn i12_a_gate_refuses_only_what_does_not_fit(
        (before, nav) in any_pool(), kind in any_kind(), asked in any_amount(44),
    ) {
        let all = shares_of(&before)[usize::from(kind.to_byte())];
        let (before, mut ticket) = with_ticket(&before, kind, all, asked);
        let whole = before.share_value(kind, all, nav.low).unwrap().min(asked);
        let util = ratio(before.params.max_utilisation_ppm, 1_000_000);
        let senior_ratio = ratio(before.params.max_senior_ratio_ppm, 1_000_000);
        let step = if all == 0 { int(0) } else { ratio(whole, all) + int(2) };
        let mut pool = before;
        match pool.redeem(kind, &mut ticket, &nav, NOW).map_err(|error| (error.to_string(), error)) {
            Ok(_) => {}
            Err((_, EngineError::ZeroAmount)) => prop_assert_eq!(all, 0),
            Err((_, EngineError::WorthNothing { value, fee })) => prop_assert!(value == whole && fee == value && value <= 1),
            Err((_, EngineError::PoolIdle { asked, idle })) => {
                prop_assert!(idle == before.idle && asked > idle && int(idle) < step);
            }
            Err((_, EngineError::PoolUtilisation { used, cap })) => {
                prop_assert!(used == nav.used && used > cap && int(used) > util * (int(nav.low) - step));
            }
            Err((_, EngineError::SeniorRatio { senior, cap })) => {
                let junior = before.tranche_value(kind, nav.low).unwrap();
                prop_assert!(kind == TrancheKind::Junior && senior > cap && int(senior) > senior_ratio * (int(junior) - step));
            }
            Err((text, _)) => prop_assert!(false, "{}", text),
        }
    }

    /// One buys shares and gives money away, another deposits, the first takes what he can get.
    #[test]
    fn i12_first_depositor_cannot_inflate(
        bought in 1..1_u64 << 40, given in any_amount(50), deposit in any_amount(50),
    ) {
        let mut pool = new(&OPEN);
        let first = pool.issue(TrancheKind::Junior, bought, &Nav { low: 0, high: 0, used: 0, releasable: u64::MAX }, NOW).unwrap();
        prop_assert_eq!(first, bought);
        pool.idle += given;
        let attack = price(&pool, TrancheKind::Junior, pool.idle);
        let nav = Nav::of_pool(&pool);
        let victim = match pool.issue(TrancheKind::Junior, deposit, &nav, NOW) {
            Ok(shares) => shares,
            Err(EngineError::ZeroAmount) => return Ok(()),
            Err(error) => {
                prop_assert_eq!(error, EngineError::TooSmallForOneShare);
                prop_assert!(int(deposit) < attack, "refused, not taken");
                return Ok(());
            }
        };
        let worth = pool.share_value(TrancheKind::Junior, victim, pool.idle).unwrap();
        let lost = int(deposit) - int(worth);
        prop_assert!(lost < attack + int(1), "at most a share");
        let got = pool.share_value(TrancheKind::Junior, first, pool.idle).unwrap();
        let paid = int(bought) + int(given) - int(got);
        prop_assert!(paid >= int(0), "the attacker gained {}", -paid);
        prop_assert!(paid >= (lost - int(3)) * int(VIRTUAL - 2), "a thousand times what the victim lost");
    }

    /// The same against a pool that is in use, with money that comes from outside: a trade at a loss. What another
    /// loses by rounding is less than a share, and money given away returns less than a thousandth by it.
    #[test]
    fn i12_a_donation_attack_loses_more_than_it_takes(
        others in any_amount(40), worth in 1_000..4_000_u64, bought in any_amount(44), given in any_amount(44), deposit in any_amount(44),
    ) {
        let mut pool = new(&OPEN);
        pool.junior.shares = others;
        pool.idle = u64::try_from((u128::from(others) * u128::from(worth)).div_ceil(1_000)).unwrap();
        let nav = Nav::of_pool(&pool);
        let Ok(attacker) = pool.issue(TrancheKind::Junior, bought, &nav, NOW) else { return Ok(()) };
        let (fair, supply) = (price(&pool, TrancheKind::Junior, pool.idle), pool.junior.shares + VIRTUAL);
        pool.idle += given;
        let nav = Nav::of_pool(&pool);
        let Ok(_) = pool.issue(TrancheKind::Junior, deposit, &nav, NOW) else { return Ok(()) };
        let got = pool.share_value(TrancheKind::Junior, attacker, pool.idle).unwrap();
        let lost = ratio(given, supply) * int(VIRTUAL - 1);
        prop_assert!(int(got) < int(bought) + int(given) + fair - lost, "{} for {} and {}", got, bought, given);
    }

    #[test]
    fn i12_senior_is_hit_only_after_junior((pool, nav) in any_pool(), loss in any_amount(45)) {
        let claim = pool.senior_claim().unwrap();
        let left = nav.low.saturating_sub(loss);
        let value = |nav| TrancheKind::BOTH.map(|kind| pool.tranche_value(kind, nav).unwrap());
        let ([junior, senior], [junior_left, senior_left]) = (value(nav.low), value(left));
        prop_assert_eq!([junior + senior, junior_left + senior_left], [nav.low, left]);
        prop_assert!(senior <= claim);
        prop_assert_eq!(junior - junior_left, (nav.low - left).min(junior));
        prop_assert!(senior_left == senior || junior_left == 0);
        prop_assert!(junior == 0 || senior == claim, "the junior has something only if the senior has all");
    }

    /// However time is cut, the coupon is the simple one, to which earlier coupons add theirs.
    #[test]
    fn i12_coupon_is_time_slicing_neutral(
        (mut pool, _) in any_pool(), cuts in prop::collection::vec(prop_oneof![Just(1), 0..100_u32, 0..1_000_000_u32], 1..60),
    ) {
        pool.senior.shares = pool.senior.shares.max(1);
        let (mut sliced, mut whole) = (pool, pool);
        let mut now = NOW;
        for cut in &cuts {
            now += i64::from(*cut);
            sliced.accrue(now);
            sliced.accrue(now - 1); // the clock may stand or go back
            sliced.accrue(now);
        }
        whole.accrue(now);
        let x = ratio(pool.params.senior_rate_ppm, 1_000_000) * ratio(now - NOW, 31_536_000);
        let start = int(pool.senior_index);
        prop_assert_eq!(int(whole.senior_index), (&start * (int(1) + &x)).floor());
        // e^x ≤ 1 + x + x² for x ≤ 1.
        prop_assert!(int(sliced.senior_index) <= &start * (int(1) + &x + &x * &x));
        let slices = int(i64::try_from(cuts.len()).unwrap());
        prop_assert!(int(sliced.senior_index) + slices >= int(whole.senior_index), "cutting loses less than an index unit each");
        prop_assert_eq!(sliced.accrued_at, whole.accrued_at);
    }

    /// A ticket that a gate lets out in parts is paid no more than one that is redeemed at once, the fee apart,
    /// which is partly the redeemer's own; and ends.
    #[test]
    fn i12_parts_are_never_paid_more_than_the_whole(
        (pool, nav) in any_pool(), kind in any_kind(), asked in any_amount(44), parts in prop::collection::vec(any_amount(40), 1..12),
        fee in any::<bool>(),
    ) {
        let all = shares_of(&pool)[usize::from(kind.to_byte())];
        let (mut pool, mut ticket) = with_ticket(&pool, kind, all - all / 3, asked);
        pool.params = PoolParams { redeem_fee_ppm: if fee { pool.params.redeem_fee_ppm } else { 0 }, ..OPEN };
        pool.senior.shares = if kind == TrancheKind::Junior { 0 } else { pool.senior.shares };
        let mut nav = Nav { used: 0, ..nav };
        let (mut single, mut rich) = (ticket, pool);
        rich.idle = nav.low;
        let once = rich.redeem(kind, &mut single, &nav, NOW);
        let (mut paid, mut fees) = (0, 0);
        for part in parts {
            // What lies in the markets comes back piece by piece.
            pool.idle = part.min(nav.low);
            let (before, held) = (pool, ticket);
            if let Ok(report) = pool.redeem(kind, &mut ticket, &nav, NOW) {
                prop_assert!(report.paid > 0 && report.shares > 0, "progress");
                paid += report.paid;
                fees += report.fee;
                nav = after(&nav, &before, &pool);
            } else {
                (pool, ticket) = (before, held);
            }
        }
        prop_assert!(paid <= asked);
        if let Ok(once) = once {
            prop_assert!(paid <= once.paid + once.fee, "{} in parts, {:?} at once", paid, once);
            prop_assert!(fee || paid <= once.paid);
            prop_assert!(paid + fees <= once.value + fees.min(once.fee + 12));
        } else {
            prop_assert!(paid <= 1, "{} in parts of {:?}", paid, once);
        }
    }

    #[test]
    fn i12_a_request_and_its_cancellation_change_nothing(
        (before, nav) in any_pool(), kind in any_kind(), shares in any_amount(44),
    ) {
        let mut pool = before;
        let Ok(mut ticket) = pool.request(kind, shares, &nav, NOW) else { return Ok(()) };
        prop_assert_eq!(pool.share_value(kind, shares, nav.low), Ok(ticket.value));
        prop_assert!(pool.pending(&nav).unwrap() == ticket.value);
        let mut early = (pool, ticket);
        let error = EngineError::RedeemTooEarly { seconds_left: 1 };
        prop_assert_eq!(early.0.redeem(kind, &mut early.1, &nav, DUE - 1), Err(error));
        let mut young = (pool, ticket);
        let too_young = young.0.cancel(kind, &mut young.1, NOW + MIN_TICKET_AGE - 1);
        prop_assert_eq!(too_young, Err(EngineError::RedeemTooEarly { seconds_left: 1 }));
        let now = NOW + MIN_TICKET_AGE;
        prop_assert_eq!(pool.cancel(kind, &mut ticket, now), Ok(shares));
        prop_assert_eq!((pool, ticket), (before, Ticket::default()));
        prop_assert_eq!(pool.cancel(kind, &mut ticket, now), Err(EngineError::ZeroAmount));
    }
}
