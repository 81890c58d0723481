//! Walks that every run of the tests takes.

use bulwark_tests::walk::Walk;
use bulwark_tests::walk::coverage::Coverage;

/// Walks that once failed: the seed and how many steps it takes to get there. A seed means the same walk only as
/// long as the walk's habits are what they were, so what a failure was about gets a test of its own as well.
const REGRESSIONS: [(u64, u64); 2] = [
    (248, 521),      // a way out that closes more than its lots, for the rest would be too small
    (30_026, 3_200), // a decrease by trigger while another leg's price is disputed, seconds after the last accrual
];

/// What a short walk must have met, or else it has checked less than it says.
const MUST_SEE: [&str; 38] = [
    "borrow rate beyond the kink",
    "cap on its way up",
    "claim made",
    "claim paid",
    "close at a wide price",
    "crowded collateral",
    "decrease in part",
    "funding clamped",
    "funding negative",
    "funding positive",
    "group offset used",
    "increase by a delegate",
    "initial margin raised",
    "initial margin raised by open interest",
    "keeper paid",
    "keeper without an account",
    "limit entry executed",
    "loss collected for claims",
    "maintenance margin raised",
    "market with claims",
    "money lent to a market",
    "money taken back",
    "price disputed",
    "quote below zero after a trade",
    "senior shares issued",
    "senior ticket paid",
    "stop-loss executed",
    "take-profit executed",
    "ticket paid in part, by the outflow limit",
    "ticket paid in part, by the senior's ratio",
    "ticket paid less than it was worth then",
    "ticket paid what it was worth then",
    "ticket paid whole",
    "toxic fee paid",
    "trigger cancelled on request",
    "trigger expired",
    "trigger that the account can't do",
    "withdrawal beside positions",
];

/// What must have been refused.
const MUST_REFUSE: [&str; 6] =
    ["LimitPrice", "OutflowLimit", "RedeemTooEarly", "SeniorRatio", "TriggerNotMet", "Unauthorized"];

/// Operations that must have gone through.
const MUST_ACCEPT: [&str; 19] = [
    "AddLiquidity",
    "Allocate",
    "CancelRedeem",
    "CancelTrigger",
    "CheckInvariants",
    "Close",
    "CloseAccount",
    "Deposit",
    "ExecuteTrigger",
    "Open",
    "OpenAccount",
    "PlaceTrigger",
    "Redeem",
    "RequestRedeem",
    "RoundTrip",
    "SetDelegate",
    "Settle",
    "Sweep",
    "Withdraw",
];

#[test]
fn every_invariant_holds_on_short_walks_that_see_what_there_is_to_see() {
    let mut coverage = Coverage::default();
    for seed in 1..=8 {
        let mut walk = Walk::new(seed);
        let found = walk.run(2_500);
        assert!(found.is_ok(), "{}", found.unwrap_err());
        coverage.add(&walk.coverage);
    }
    for name in MUST_SEE {
        assert!(coverage.seen.get(name).is_some_and(|count| *count > 0), "never: {name}\n{coverage}");
    }
    for name in MUST_REFUSE {
        assert!(coverage.refused.contains_key(name), "never refused: {name}\n{coverage}");
    }
    for name in MUST_ACCEPT {
        assert!(coverage.accepted.contains_key(name), "never accepted: {name}\n{coverage}");
    }
}

#[test]
fn walks_that_once_failed_do_not() {
    for (seed, steps) in REGRESSIONS {
        let found = Walk::new(seed).run(steps);
        assert!(found.is_ok(), "{}", found.unwrap_err());
    }
}

#[test]
fn a_walk_is_a_function_of_its_seed() {
    let [mut a, mut b, mut other] = [5, 5, 6].map(Walk::new);
    for walk in [&mut a, &mut b, &mut other] {
        walk.run(300).expect("holds");
    }
    assert_eq!(a.coverage.to_string(), b.coverage.to_string());
    assert_ne!(a.coverage.to_string(), other.coverage.to_string());
}
