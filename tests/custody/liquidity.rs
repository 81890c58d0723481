//! `add_liquidity`: shares at the worse price for who comes in, and nothing to win by being first.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{Deposited, LiquidityAdded, Withdrawn};
use bulwark_sdk::program::state::{Market, Vault};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, Signer, World};

use crate::provider::*;
use crate::support::*;

#[test]
fn the_first_provider_gets_a_share_for_each_unit_and_the_next_ones_their_part() {
    let mut world = World::empty();
    let first = Provider::new(&mut world, 1_000_000);
    let provider = first.trader.key.pubkey();
    let added = first.mint(&mut world, 1_000_000);
    let expected = LiquidityAdded {
        provider,
        sequence: 0,
        vault_sequence: 0,
        tranche: 0,
        amount: 1_000_000,
        shares: 1_000_000,
        nav: 0,
    };
    assert_eq!(added, expected);
    // The pool doubles: NAV 2 000 000 and a thousand virtual units for 1 001 000 shares.
    earn(&mut world, 1_000_000);
    let second = Provider::new(&mut world, 500_000);
    let added = second.mint(&mut world, 500_000);
    let shares = 500_000 * 1_001_000 / 2_001_000;
    let provider = second.trader.key.pubkey();
    assert_eq!(
        added,
        LiquidityAdded {
            provider,
            sequence: 1,
            vault_sequence: 1,
            tranche: 0,
            amount: 500_000,
            shares,
            nav: 2_000_000
        }
    );

    let pool = world.pool();
    assert_eq!((pool.core.idle, pool.sequence, pool.core.junior.shares), (2_500_000, 2, 1_000_000 + shares));
    assert_eq!(supply(&world, TrancheKind::Junior), pool.core.junior.shares);
    assert_eq!(
        (world.token_balance(&first.shares), world.token_balance(&second.shares)),
        (1_000_000, shares)
    );
    assert_eq!((world.token_balance(&second.trader.tokens), world.vault(0).core.recorded), (0, 2_500_000));
}

#[test]
fn money_in_markets_counts_towards_the_net_asset_value() {
    let mut world = World::new();
    let provider = Provider::new(&mut world, DOLLAR);
    // 2 million idle and 4 in each market.
    let added = provider.mint(&mut world, DOLLAR);
    assert_eq!((added.nav, added.shares), (10_000_000 * DOLLAR, DOLLAR));
}

#[test]
fn a_provider_comes_in_at_the_price_that_is_worse_for_the_provider() {
    // Traders are long: the pool is worth more at the lower of price and average.
    for (price, live_is_worse) in [(140 * PRINT, true), (160 * PRINT, false)] {
        let mut world = World::new();
        let trader = world.funded_trader(100_000 * DOLLAR);
        world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
        world.move_price(SOL, price);
        let oracle = world.market(SOL).core.oracle;
        let worse = if live_is_worse { oracle.price } else { oracle.ema };
        let equity =
            |index, price| world.market(index).core.book.equity(price).expect("equity").0.unsigned_abs();
        let sol = equity(SOL, worse);
        assert!(sol > equity(SOL, if live_is_worse { oracle.ema } else { oracle.price }));
        let earned = world.market(SOL).core.book.fees.pool;
        assert!(earned > 0, "fees that were not swept belong to those who are in");
        let btc = equity(BTC, world.market(BTC).core.oracle.price);
        // What the longs are owed was rounded up: for a deposit their market is worth that unit more.
        let nav = world.pool().core.idle + sol + 1 + earned + btc;
        let supply = supply(&world, TrancheKind::Junior);
        let provider = Provider::new(&mut world, DOLLAR);
        let added = provider.mint(&mut world, DOLLAR);
        let expected = u128::from(DOLLAR) * u128::from(supply + 1_000) / u128::from(nav + 1_000);
        assert_eq!((added.nav, u128::from(added.shares)), (nav, expected));
    }
}

#[test]
fn the_signed_minimum_of_shares_is_a_bound_to_the_unit() {
    let mut world = World::new();
    earn(&mut world, 3_333_333 * DOLLAR);
    let provider = Provider::new(&mut world, 2_000);
    let shares = 1_000 * (10_000_000 * DOLLAR + 1_000) / (13_333_333 * DOLLAR + 1_000);
    let add = provider.add(&world, 1_000, shares + 1);
    refuse(&mut world, &add, &[&provider.trader.key], "BelowMinimumShares");
    let add = provider.add(&world, 1_000, u64::MAX);
    refuse(&mut world, &add, &[&provider.trader.key], "BelowMinimumShares");
    let add = provider.add(&world, 1_000, shares);
    accept(&mut world, &add, &[&provider.trader.key]);
    assert_eq!(world.token_balance(&provider.shares), shares);
}

#[test]
fn zero_too_little_and_too_much_are_refused() {
    let mut world = World::new();
    let provider = Provider::new(&mut world, 10_000);
    for (amount, name) in
        [(0, "ZeroAmount"), (10_001, "insufficient funds"), (u64::MAX, "insufficient funds")]
    {
        let add = provider.add(&world, amount, 0);
        refuse(&mut world, &add, &[&provider.trader.key], name);
    }
    assert_eq!(provider.mint(&mut world, 1).shares, 1);
    // A unit that buys less than a share is not taken for nothing.
    earn(&mut world, 1);
    let add = provider.add(&world, 1, 0);
    refuse(&mut world, &add, &[&provider.trader.key], "TooSmallForOneShare");
}

#[test]
fn margin_takes_no_room_under_the_cap_of_liquidity_and_income_does() {
    let mut world = World::new();
    let provider = Provider::new(&mut world, 10_000);
    let trader = world.trader(10_000);
    let (vault, nav) = (world.listings.vaults[0].address, 10_000_000 * DOLLAR);
    world.tamper::<Vault>(&vault, |v| v.core.params.max_deposits = nav + 1_000);
    world.deposit(&trader, 10_000).expect("deposit");
    earn(&mut world, 400);
    let add = provider.add(&world, 601, 0);
    refuse(&mut world, &add, &[&provider.trader.key], "DepositCap");
    assert_eq!(provider.mint(&mut world, 600).nav, nav + 400);
    // Zero forbids, and so does anything that the pool has outgrown.
    for cap in [nav + 1_000, nav, 0] {
        world.tamper::<Vault>(&vault, |v| v.core.params.max_deposits = cap);
        let add = provider.add(&world, 2, 0);
        refuse(&mut world, &add, &[&provider.trader.key], "DepositCap");
    }
}

#[test]
fn the_quote_vault_numbers_deposits_liquidity_and_withdrawals_in_one_row() {
    let mut world = World::empty();
    let provider = Provider::new(&mut world, 3_000);
    let account = provider.trader.margin;
    for round in 0..2 {
        let added = provider.mint(&mut world, 1_000);
        assert_eq!((added.sequence, added.vault_sequence), (round, 3 * round));
        let outcome = world.deposit(&provider.trader, 500).expect("deposit");
        let deposited = Deposited { account, vault: 0, sequence: 3 * round + 1, amount: 500 };
        assert_eq!(event(&outcome), &Event::Deposited(deposited));
        let outcome = world.withdraw(&provider.trader, 0, (provider.trader.tokens, 500)).expect("withdraw");
        let withdrawn = Withdrawn { account, vault: 0, sequence: 3 * round + 2, amount: 500 };
        assert_eq!(event(&outcome), &Event::Withdrawn(withdrawn));
    }
    assert_eq!((world.vault(0).sequence, world.pool().sequence), (6, 2));
}

#[test]
fn nobody_adds_the_liquidity_of_others() {
    let mut world = World::new();
    let provider = Provider::new(&mut world, 1_000);
    let thief = Provider::new(&mut world, 1_000);
    let add = provider.add(&world, 1_000, 0);
    refuse(&mut world, &unsigned(&add, 0), &[], "AccountNotSigner");
    let key = thief.trader.key.insecure_clone();
    refuse(&mut world, &with_account(&add, 0, key.pubkey()), &[&key], "BadTokenAccount");
    // Nor are shares sent where another owner could move them.
    refuse(&mut world, &with_account(&add, 8, thief.shares), &[&provider.trader.key], "BadTokenAccount");
}

#[test]
fn every_market_must_be_passed_in_order_and_with_a_fresh_price() {
    let mut world = World::new();
    in_both_markets(&mut world);
    let provider = Provider::new(&mut world, 1_000);
    let add = provider.add(&world, 1_000, 0);
    let (key, first) = (provider.trader.key.insecure_clone(), add.accounts.len() - 2);
    let mut missing = add.clone();
    missing.accounts.truncate(first + 1);
    refuse(&mut world, &missing, &[&key], "AccountMissing");
    let mut swapped = add.clone();
    swapped.accounts.swap(first, first + 1);
    refuse(&mut world, &swapped, &[&key], "WrongAccount");
    refuse(&mut world, &with_account(&add, first + 1, address::market(SOL)), &[&key], "WrongAccount");

    type Spoil = fn(&mut Market);
    let table: [(&str, Spoil); 3] = [
        ("PriceStale", |m| m.core.oracle.publish_time = GENESIS - 6),
        ("PriceWide", |m| m.core.oracle.conf = m.core.oracle.price.to_bits() / 100 + 1),
        ("PriceDivergent", |m| m.core.oracle.divergent = 1),
    ];
    for (name, spoil) in table {
        for market in [SOL, BTC] {
            let svm = world.svm.clone();
            world.tamper(&address::market(market), spoil);
            refuse(&mut world, &add, &[&key], name);
            world.svm = svm;
        }
    }
    // Five seconds: as for a trade.
    for market in [SOL, BTC] {
        world.tamper::<Market>(&address::market(market), |m| m.core.oracle.publish_time = GENESIS - 5);
    }
    accept(&mut world, &add, &[&key]);
}

#[test]
fn sweeping_before_or_after_a_deposit_mints_the_same_shares() {
    let mut outcomes = Vec::new();
    for before in [&[][..], &[SOL], &[BTC], &[SOL, BTC]] {
        let mut world = World::new();
        let trader = world.funded_trader(100_000 * DOLLAR);
        world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
        world.open(&trader, BTC, Side::Short, BTC_ASSET.one()).expect("open");
        let fees = [SOL, BTC].map(|market| world.market(market).core.book.fees.pool);
        // 5 basis points of 150,000 and 60,000 dollars, seven tenths of it.
        assert!(fees[0] > 52 * DOLLAR && fees[1] > 20 * DOLLAR, "{fees:?}");
        for market in before {
            accept(&mut world, &ix::sweep_market(*market), &[]);
        }
        let provider = Provider::new(&mut world, 1_000 * DOLLAR);
        let supply = u128::from(supply(&world, TrancheKind::Junior));
        let LiquidityAdded { nav, shares, .. } = provider.mint(&mut world, 1_000 * DOLLAR);
        let without = u128::from(nav - fees[1]) + 1_000;
        let more = u128::from(1_000 * DOLLAR) * (supply + 1_000) / without;
        assert!(u128::from(shares) < more, "without the smaller fee it would have been {more}");
        for market in [SOL, BTC] {
            accept(&mut world, &ix::sweep_market(market), &[]);
        }
        outcomes.push((nav, shares, world.pool().core.idle, world.pool().core.junior.shares));
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
}

#[test]
fn liquidity_is_capped_by_the_net_asset_value_to_the_unit() {
    let mut world = World::new();
    let provider = Provider::new(&mut world, 3_000);
    let vault = world.listings.vaults[0].address;
    let nav = 10_000_000 * DOLLAR;
    world.tamper::<Vault>(&vault, |v| v.core.params.max_deposits = nav + 1_000);
    let keys = (provider.trader.key.pubkey(), provider.trader.tokens, provider.shares);
    let add = |world: &World, amount| {
        ix::add_liquidity(&world.listings, TrancheKind::Junior, keys, (amount, 0)).expect("builds")
    };
    let key = provider.trader.key.insecure_clone();
    let (over, exact, more) = (add(&world, 1_001), add(&world, 1_000), add(&world, 1));
    refuse(&mut world, &over, &[&key], "DepositCap");
    accept(&mut world, &exact, &[&key]);
    refuse(&mut world, &more, &[&key], "DepositCap");
}

#[test]
fn attack_inflating_the_share_price_before_the_second_provider() {
    // By tokens sent to the vault: they belong to nobody and move no price.
    let mut world = World::empty();
    let (thief, victim) = (Provider::new(&mut world, 1), Provider::new(&mut world, 1_000_000));
    thief.mint(&mut world, 1);
    world.write_tokens(world.listings.vaults[0].token_account, |tokens| tokens.amount += 1_000_000_000);
    world.donated.insert(0, 1_000_000_000);
    let added = victim.mint(&mut world, 1_000_000);
    assert_eq!((added.nav, added.shares), (1, 1_000_000));

    // By income of the pool, which the thief pays as a trader: the loss is the thief's, a thousand to one.
    for (spent, deposit) in [(1_000_000, 1_000_000), (1_000_000_000, 1_000_000), (10_000, 3), (999, 1_999)] {
        let mut world = World::empty();
        let (thief, victim) = (Provider::new(&mut world, 1), Provider::new(&mut world, deposit));
        thief.mint(&mut world, 1);
        earn(&mut world, spent);
        let add = victim.add(&world, deposit, 0);
        match world.send(&[add], &[&victim.trader.key]) {
            Err(failure) => {
                assert!(failure.is("TooSmallForOneShare"), "refused rather than robbed: {failure:?}")
            }
            Ok(_) => {
                let lost = deposit - victim.worth(&world);
                let thief_lost = 1 + spent - thief.worth(&world);
                assert!(lost <= spent / 1_000 + 1, "the victim lost {lost} of {deposit}");
                assert!(
                    thief_lost > spent / 2 && thief_lost > lost,
                    "the thief lost {thief_lost} of {spent}"
                );
            }
        }
    }
}
