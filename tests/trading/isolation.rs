//! A market that its winners have emptied is nobody else's concern, and every cap says by how much it was missed.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, Vault};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World, ledger};

use crate::support::{Cost, MARKET, PubkeyOf as _, move_uni, refresh, refused, state, uni_params, uni_world};

/// A SOL market with 100,000 dollars of the pool's 10 million, in which two traders are long 45,000 dollars each and one is
/// short 15,000; a bystander with BTC and SOL.
struct Scene {
    world: World,
    winners: [Trader; 2],
    loser: Trader,
    bystander: Trader,
}

fn scene() -> Scene {
    let mut world = World::empty();
    let small = MarketParams { target_weight_ppm: 10_000, share_floor: 0, ..SOL_ASSET.market_params() };
    world.list_market(&SOL_ASSET, small);
    world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    world.list_vault(&SOL_ASSET, 9, u64::MAX);
    world.tamper::<Market>(&address::market(SOL), |m| m.core.params.share_floor = u64::MAX >> 8);
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    for market in [SOL, BTC] {
        world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
    }
    let winners = [(); 2].map(|()| world.funded_trader(10_000 * DOLLAR));
    let (loser, bystander) = (world.funded_trader(100_000 * DOLLAR), world.funded_trader(10_000 * DOLLAR));
    world.deposit_collateral(&bystander, SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    for winner in &winners {
        world.open(winner, SOL, Side::Long, 300 * SOL_ASSET.one()).expect("open");
    }
    world.open(&loser, SOL, Side::Short, 100 * SOL_ASSET.one()).expect("open");
    world.open(&bystander, BTC, Side::Long, BTC_ASSET.one() / 10).expect("open");
    Scene { world, winners, loser, bystander }
}

/// Both winners leave at four times the price. Returns what they were paid and what they are still owed.
fn empty(scene: &mut Scene) -> (u64, u64) {
    for dollars in [250, 400, 600] {
        refresh(&mut scene.world, (SOL, &SOL_ASSET), dollars * PRINT, 0);
    }
    let (mut paid, mut owed) = (0, 0);
    for winner in &scene.winners {
        let trade = scene.world.close(winner, SOL, u64::MAX).expect("close").trade().clone();
        assert!(trade.realised > 130_000 * DOLLAR.cast_signed(), "{}", trade.realised);
        paid += trade.paid.unsigned_abs();
        owed += trade.claim;
    }
    (paid, owed)
}

#[test]
fn attack_an_emptied_market_takes_nothing_from_any_other() {
    let mut scene = scene();
    let before = state(&scene.world);
    let (lent, ledger_before) = (scene.world.market(SOL).core.book.cash, ledger::check(&scene.world));
    assert_eq!(lent, 100_000 * DOLLAR, "1 % of the pool");
    let (paid, owed) = empty(&mut scene);
    let book = scene.world.market(SOL).core.book;
    assert_eq!(
        (paid, book.cash, book.unpaid_claims),
        (lent, 0, owed),
        "all that it had, and not a unit more"
    );
    assert!(owed > 150_000 * DOLLAR, "{owed}");
    // Nothing but this market and its winners was touched: not the pool, not the bystander, not the loser.
    let touched = [scene.winners[0].margin, scene.winners[1].margin, address::market(SOL)];
    for (key, data) in state(&scene.world) {
        assert_eq!(before.get(&key) != Some(&data), touched.contains(&key), "{key}");
    }
    let after = ledger::check(&scene.world);
    assert_eq!((after.idle, after.tokens), (ledger_before.idle, ledger_before.tokens));
    assert_eq!(after.cash, ledger_before.cash - i128::from(lent));
}

#[test]
fn attack_idle_money_does_not_refill_an_emptied_market() {
    let mut scene = scene();
    empty(&mut scene);
    let Scene { mut world, .. } = scene;
    refresh(&mut world, (BTC, &BTC_ASSET), BTC_ASSET.price, 0);
    let allocate = ix::allocate_liquidity(&world.listings, SOL);
    refused(&mut world, allocate.clone(), &[], "NothingToAllocate", "idle cash is there");
    assert!(world.pool().core.idle > 5_000_000 * DOLLAR);
    // Not when the price comes back either, nor when the claims are gone for good.
    for dollars in [600, 150, 20] {
        refresh(&mut world, (SOL, &SOL_ASSET), dollars * PRINT, 0);
        refresh(&mut world, (BTC, &BTC_ASSET), BTC_ASSET.price, 0);
        let before = world.pool().core.idle;
        let _ = world.send(std::slice::from_ref(&allocate), &[]);
        assert!(world.pool().core.idle >= before, "{dollars}: idle money went in");
    }
}

#[test]
fn winners_are_paid_no_more_than_the_markets_cash_and_what_its_losers_lose() {
    let mut scene = scene();
    let (paid, owed) = empty(&mut scene);
    let Scene { mut world, winners, loser, .. } = scene;
    let lost = world.close(&loser, SOL, u64::MAX).expect("close").trade().realised;
    assert!(lost < -40_000 * DOLLAR.cast_signed(), "{lost}");
    let mut settled = 0;
    let quotes = winners.each_ref().map(|w| world.margin(&w.margin).quote.0);
    for winner in winners.iter().cycle().take(6) {
        if world.margin(&winner.margin).position(SOL).is_some() {
            world.send(&[ix::settle_position(winner.margin, SOL)], &[]).expect("settle_position");
        }
    }
    for (winner, before) in winners.iter().zip(quotes) {
        settled += (world.margin(&winner.margin).quote.0 - before).unsigned_abs();
    }
    let book = world.market(SOL).core.book;
    assert_eq!(settled, lost.unsigned_abs(), "what the loser lost, to the unit");
    assert_eq!((book.cash, book.unpaid_claims), (0, owed - settled));
    assert_eq!(paid + settled, 100_000 * DOLLAR + lost.unsigned_abs(), "I17");
}

#[test]
fn everybody_else_trades_and_leaves_as_if_nothing_had_happened() {
    let mut scene = scene();
    let mut calm = scene.world.fork();
    empty(&mut scene);
    let Scene { mut world, bystander, .. } = scene;
    let mut results = Vec::new();
    let now = world.now();
    for world in [&mut world, &mut calm] {
        world.set_clock(now + 10);
        world.print(&BTC_ASSET, BTC_ASSET.price / 100 * 103, 0);
        world.send(&[ix::refresh_market(BTC, World::oracles(&BTC_ASSET))], &[]).expect("refresh");
        let trade = world.close(&bystander, BTC, u64::MAX).expect("close").trade().clone();
        let rest = world.margin(&bystander.margin).quote.units_or_zero();
        world.withdraw(&bystander, 0, (bystander.tokens, rest)).expect("withdraw");
        let held = world.margin(&bystander.margin);
        results.push((trade, rest, bytemuck::bytes_of(&*held).to_vec(), *world.market(BTC)));
    }
    let [emptied, calm] = &results[..] else { panic!("two worlds") };
    assert_eq!((&emptied.0, emptied.1), (&calm.0, calm.1));
    assert!(emptied.2 == calm.2 && bytemuck::bytes_of(&emptied.3) == bytemuck::bytes_of(&calm.3));
}

/// Whether the log of a refusal has this line.
fn says(world: &mut World, instruction: bulwark_sdk::Instruction, who: &Trader, name: &str, line: &str) {
    let failure = world.send(&[instruction], &[&who.key]).expect_err(name);
    assert!(failure.is(name), "{name}: {failure:?}");
    assert!(failure.logs.iter().any(|l| l == &format!("Program log: {line}")), "{line}: {:#?}", failure.logs);
}

#[test]
fn every_cap_says_its_limit_and_what_was_asked() {
    const LOTS: u64 = 80_000_000_000;
    let mut world = uni_world(uni_params());
    let [other, trader] = [(); 2].map(|()| world.funded_trader(1_000_000 * DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&other, MARKET, Side::Long, 30 * LOTS).expect("open");
    move_uni(&mut world, 156 * PRINT + PRINT / 4);
    let open = world.open_instruction(&trader, MARKET, Side::Long, 10 * LOTS);
    let book = world.market(MARKET).core.book;
    // The other's profit at 156.25 dollars, and what the market has besides.
    let profit = book.traders_pnl(world.market(MARKET).core.mark()).expect("pnl").0;
    type Set = Box<dyn Fn(&mut MarketParams)>;
    let cases: [(&str, Set, String); 5] = [
        (
            "OpenInterestCap",
            Box::new(|p| p.max_oi = 35 * LOTS),
            "open interest would be 3200000000000 lots, the cap is 2800000000000".into(),
        ),
        (
            "ShareCap",
            Box::new(|p| (p.share_floor, p.max_share_ppm) = (0, 200_000)),
            "position would be 800000000000 lots, the account's share of the side is capped at 640000000000"
                .into(),
        ),
        (
            "ImpactTooLarge",
            Box::new(|p| p.max_impact_ppm = 3_000),
            "skew after the fill is 3200000000000 lots, max_impact allows 3000000000000".into(),
        ),
        (
            "SkewCap",
            Box::new(|p| p.max_skew_ppm = 0),
            "skew would be 500000000000 quote units, the market's equity allows 0".into(),
        ),
        (
            "ProfitCap",
            Box::new(|p| p.profit_cap_ppm = 1),
            format!(
                "traders' profit is {{}} quote units, the market's cash allows {}",
                book.cash / 1_000_000
            ),
        ),
    ];
    for (name, set, line) in cases {
        let mut world = world.fork();
        world.tamper::<Market>(&address::market(MARKET), |m| set(&mut m.core.params));
        // The own fill costs some impact and spread, which is no profit of anybody's.
        let cost = Cost::of(&world.market(MARKET).core, 10 * LOTS.cast_signed()).total();
        let profit = i128::from(profit) + 125_000_000_000 - cost;
        says(&mut world, open.clone(), &trader, name, &line.replace("{}", &profit.to_string()));
    }
    // Half the market's equity: what the line says is what the book says.
    let mut half = world.fork();
    half.tamper::<Market>(&address::market(MARKET), |m| m.core.params.max_skew_ppm = 100_000);
    let failure = half.send(std::slice::from_ref(&open), &[&trader.key]).expect_err("skew");
    let allowed = failure.logs.iter().find_map(|l| l.split_once("equity allows ")?.1.parse::<u64>().ok());
    let equity = book.cash - profit.unsigned_abs();
    assert!(allowed.expect("a number").abs_diff(equity / 10) < 100 * DOLLAR, "{allowed:?} {equity}");

    let small = world.open_instruction(&trader, MARKET, Side::Short, 63_000_000);
    let line = "position would be worth 9843750 quote units, the minimum is 10000000";
    says(&mut world, small, &trader, "BelowMinNotional", line);
    let dust = world.close_instruction(&other, MARKET, 30 * LOTS - 2_000_000);
    let line = "position would be worth 312500 quote units, the minimum is 10000000";
    says(&mut world, dust, &other, "BelowMinNotional", line);
}

#[test]
fn a_deposit_beyond_the_cap_says_both() {
    let mut world = World::new();
    let trader = world.funded_trader(1_000 * DOLLAR);
    world.deposit_collateral(&trader, SOL_VAULT, 1_000).expect("collateral");
    let vault = world.listings.vaults[usize::from(SOL_VAULT)];
    world.tamper::<Vault>(&vault.address, |v| v.core.params.max_deposits = 1_010);
    let source = world.create_tokens(vault.mint, trader.key.pubkey_(), 100);
    let deposit = |amount| ix::deposit(trader.key.pubkey_(), trader.margin, &vault, (source, amount));
    says(&mut world, deposit(11), &trader, "DepositCap", "deposits would be 1011, the cap is 1010");
    world.send(&[deposit(10)], &[&trader.key]).expect("at the cap");
}
