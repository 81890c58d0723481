//! Walks that every run of the tests takes.

use bulwark_tests::walk::Walk;
use bulwark_tests::walk::coverage::Coverage;

/// Walks that meet again what once failed: the seed, how many steps it takes, and what is to be seen on the way. A seed
/// means the same walk only as long as the walk's habits are what they were: then another one has to be found, and
/// what a failure was about has a test of its own as well.
const REGRESSIONS: [(u64, u64, &str); 3] = [
    (101, 2_500, "way out that closes more than its lots"), // for the rest would be too small
    (113, 2_500, "way out beside a disputed leg, after an accrual"), // seconds after the last one
    (125, 2_500, "way out beside a disputed leg, after an accrual"),
];

/// What a short walk must have met, or else it has checked less than it says.
const MUST_SEE: [&str; 83] = [
    "account owes after its liquidation",
    "account recovers by a fill",
    "auction kept running",
    "auction lapsed",
    "auction started",
    "borrow rate beyond the kink",
    "bucket unwound twice",
    "cap on its way up",
    "claim forfeited",
    "claim made",
    "claim paid",
    "claim paid pro rata",
    "close at a wide price",
    "collateral sold at a clearing discount",
    "collateral sold for a debt",
    "collateral sold in trouble",
    "crowded collateral",
    "debts in more than one market",
    "decrease in part",
    "deposit in the middle of an auction",
    "exposure deleveraged",
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
    "liquidation fee",
    "loss collected for claims",
    "maintenance margin raised",
    "market begins to settle",
    "market rebalanced",
    "market with claims",
    "money lent to a market",
    "money taken back",
    "pool takes what nobody wanted",
    "pool takes what reduces its skew",
    "position closed at the frozen price",
    "price disputed",
    "quote below zero after a trade",
    "senior shares issued",
    "senior ticket paid",
    "somebody helped on a copy",
    "stake begins to cool before a loss is booked",
    "stake given back by somebody after its window",
    "stake paid after a slash",
    "stake paid in full",
    "stake taken back",
    "stop-loss executed",
    "surplus of an unwind",
    "take-profit executed",
    "takeover at the highest concession",
    "takeover by another account of the same owner",
    "takeover in the middle of the ramp",
    "takeover of a part",
    "takeover of the whole",
    "ticket paid in part, by the outflow limit",
    "ticket paid in part, by the senior's ratio",
    "ticket paid less than it was worth then",
    "ticket paid what it was worth then",
    "ticket paid whole",
    "tier 1: insurance",
    "tier 2: reserve",
    "tier 3: backstop",
    "tier 4: first loss",
    "tier 5 before the fund",
    "tier 5: winners",
    "tier 6: pool",
    "tier 7: traders",
    "tip paid",
    "toxic fee paid",
    "trade of an unwound position",
    "trigger cancelled on request",
    "trigger expired",
    "trigger that the account can't do",
    "unwind settled later",
    "unwound position liquidated",
    "winners of many accounts unwound",
    "withdrawal beside positions",
];

/// What must have been refused.
const MUST_REFUSE: [&str; 18] = [
    "BelowCutoff",
    "ClaimsWait",
    "Healthy",
    "InsufficientMargin",
    "LimitPrice",
    "NoDebtHere",
    "NotBankrupt",
    "NotExhausted",
    "NotExposed",
    "NotTheWorst",
    "OutflowLimit",
    "RedeemTooEarly",
    "SeniorRatio",
    "Settling",
    "TriggerNotMet",
    "Unauthorized",
    "UnstakeTooEarly",
    "UnstakeTooLate",
];

/// Operations that must have gone through.
const MUST_ACCEPT: [&str; 30] = [
    "AddLiquidity",
    "Allocate",
    "CancelRedeem",
    "CancelTrigger",
    "CancelUnstake",
    "CheckInvariants",
    "Close",
    "CloseAccount",
    "Deleverage",
    "Deposit",
    "ExecuteTrigger",
    "FundInsurance",
    "Liquidate",
    "LiquidateCollateral",
    "LiquidateToPool",
    "Open",
    "OpenAccount",
    "PlaceTrigger",
    "Rebalance",
    "Redeem",
    "RequestRedeem",
    "RequestUnstake",
    "Resolve",
    "RoundTrip",
    "SetDelegate",
    "Settle",
    "Stake",
    "Sweep",
    "Unstake",
    "Withdraw",
];

#[test]
fn every_invariant_holds_on_short_walks_that_see_what_there_is_to_see() {
    let mut coverage = Coverage::default();
    for seed in 1..=12 {
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
    for (seed, steps, what) in REGRESSIONS {
        let mut walk = Walk::new(seed);
        let found = walk.run(steps);
        assert!(found.is_ok(), "{}", found.unwrap_err());
        assert!(walk.coverage.seen.get(what).is_some_and(|count| *count > 0), "seed {seed} never: {what}");
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
