//! Whole stories: money goes in, many things happen, everybody goes home, and not a unit is missing.

use bulwark_sdk::Pubkey;
use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::InsuranceFund;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use crate::support::PubkeyOf as _;

/// Everything that belongs to nobody's margin account, quote units.
fn venue(world: &World) -> u64 {
    let markets = [SOL, BTC].map(|m| world.market(m).core.book.tokens().expect("tokens"));
    let reserve = world.get::<InsuranceFund>(&address::insurance_fund()).core.reserve;
    world.pool().core.idle + reserve + world.exchange().protocol_fees + markets.iter().sum::<u64>()
}

/// Withdraws all and closes the account; the quote that came home.
fn go_home(world: &mut World, who: &Trader, collateral: Option<(Pubkey, u64)>) -> u64 {
    for market in [SOL, BTC] {
        if world.margin(&who.margin).position(market).is_some() {
            world.close(who, market, u64::MAX).expect("close");
        }
    }
    if let Some((tokens, amount)) = collateral {
        world.withdraw(who, SOL_VAULT, (tokens, amount)).expect("withdraw collateral");
        assert_eq!(world.token_balance(&tokens), amount);
    }
    let quote = world.margin(&who.margin).quote.units_or_zero();
    world.withdraw(who, 0, (who.tokens, quote)).expect("withdraw quote");
    let close = ix::close_margin_account(who.key.pubkey_(), who.margin);
    world.send(&[close], &[&who.key]).expect("close_margin_account");
    world.token_balance(&who.tokens)
}

#[test]
fn everybody_goes_home_and_no_unit_is_missing() {
    let mut world = World::new();
    let traders: Vec<Trader> = (0..5).map(|_| world.funded_trader(100_000 * DOLLAR)).collect();
    let sol = world.deposit_collateral(&traders[0], SOL_VAULT, 50 * SOL_ASSET.one()).expect("collateral");
    let before = venue(&world);
    let orders = [
        (0, SOL, Side::Long, 400 * SOL_ASSET.one()),
        (1, SOL, Side::Short, 700 * SOL_ASSET.one()),
        (2, BTC, Side::Long, 2 * BTC_ASSET.one()),
        (3, BTC, Side::Short, BTC_ASSET.one()),
        (4, SOL, Side::Long, 123 * SOL_ASSET.one()),
        (4, BTC, Side::Short, BTC_ASSET.one() / 7 / 100_000_000 * 100_000_000),
    ];
    let prices = [(151, 60_500), (149, 59_400), (155, 61_234), (147, 58_765), (152, 60_001), (150, 60_777)];
    for ((who, market, side, lots), (sol, btc)) in orders.into_iter().zip(prices) {
        world.open(&traders[who], market, side, lots).expect("open");
        world.move_price(SOL, sol * PRINT + 123);
        world.move_price(BTC, btc * PRINT + 4_567);
        world.refresh_sol_vault();
    }
    world.close(&traders[1], SOL, 333 * SOL_ASSET.one()).expect("part");
    world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
    let members = || traders.iter().map(|t| t.margin);
    for market in [SOL, BTC] {
        let quote = world.listings.vaults[0];
        let check = ix::check_invariants(Some(&quote), Some(market), members());
        let outcome = world.send(&[check], &[]).expect("check_invariants");
        assert!(matches!(&outcome.events[..], [Event::InvariantsChecked(e)] if e.ok));
    }
    let homes: Vec<u64> = (0..5)
        .map(|n| go_home(&mut world, &traders[n], (n == 0).then_some((sol, 50 * SOL_ASSET.one()))))
        .collect();
    world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
    world.send(&[ix::sweep_market(BTC)], &[]).expect("sweep_market");
    let (sum, after) = (homes.iter().sum::<u64>(), venue(&world));
    assert_eq!(sum + after, 500_000 * DOLLAR + before, "what the traders lack is the venue's, to the unit");
    assert!(homes.iter().any(|h| *h > 100_000 * DOLLAR) && homes.iter().any(|h| *h < 100_000 * DOLLAR));
    for market in [SOL, BTC] {
        let book = world.market(market).core.book;
        let rest = (book.long.lots, book.long.cost.0, book.short.lots, book.short.cost.0, book.unpaid_claims);
        assert_eq!(rest, (0, 0, 0, 0, 0), "an empty book");
        assert_eq!(book.fees.total().expect("fees"), 0);
    }
    assert_eq!(
        world.token_balance(&world.listings.vaults[0].token_account),
        after,
        "the vault holds the venue's"
    );
}

#[test]
fn a_thin_market_runs_dry_and_only_its_own_winners_wait() {
    let mut world = World::new();
    let [whale, loser, calm] = [500_000, 60_000, 50_000].map(|dollars| world.funded_trader(dollars * DOLLAR));
    world.open(&calm, BTC, Side::Long, BTC_ASSET.one() / 2).expect("open");
    world.open(&whale, SOL, Side::Long, 6_000 * SOL_ASSET.one()).expect("open");
    world.open(&loser, SOL, Side::Short, 100 * SOL_ASSET.one()).expect("open");
    let other = world.market(BTC).core.book;
    let start = world.market(SOL).core.book.cash;

    world.move_price(SOL, 1_000 * PRINT);
    let won = world.close(&whale, SOL, u64::MAX).expect("close").trade().clone();
    assert_eq!(won.paid.unsigned_abs(), start);
    assert!(won.claim > 1_000_000 * DOLLAR);
    assert_eq!(world.market(BTC).core.book, other, "the other market has not noticed");

    // The loser owes 85,000 on 60,000: all of it moves to cash, his balance is below zero.
    let settle = |who: &Trader| ix::settle_position(who.margin, SOL);
    world.send(&[settle(&loser)], &[]).expect("settle_position");
    assert!(world.margin(&loser.margin).quote.0 < 0);
    let owed = world.margin(&loser.margin).quote.0.unsigned_abs();
    let arrived = world.market(SOL).core.book.cash;
    world.send(&[settle(&whale)], &[]).expect("settle_position");
    let book = world.market(SOL).core.book;
    // What the loser has not paid stays where it is: nobody is paid with other people's tokens.
    assert_eq!((book.cash, book.unbacked, book.unpaid_claims), (owed, owed, won.claim - (arrived - owed)));

    // Nobody lends the dry market more; new traders are refused; the other market trades and pays as ever.
    world.move_price(BTC, 61_000 * PRINT);
    let allocate = ix::allocate_liquidity(&world.listings, SOL);
    assert!(world.send(&[allocate], &[]).expect_err("no refill").is("NothingToAllocate"));
    world.move_price(SOL, 1_000 * PRINT);
    let open = world.open(&calm, SOL, Side::Long, SOL_ASSET.one()).expect_err("no money to trade against");
    assert!(open.is("SkewCap") || open.is("ProfitCap"), "{open:?}");
    world.close(&calm, BTC, u64::MAX).expect("close");
    let quote = world.margin(&calm.margin).quote.units_or_zero();
    assert!(quote > 50_000 * DOLLAR);
    world.withdraw(&calm, 0, (calm.tokens, quote)).expect("withdraw");
}
