//! Risk groups: longs and shorts of markets that move together offset each other's margin, and never by more than the
//! exchange says.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::{HealthType, RiskGroups};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side::{self, Long, Short};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_tests::fixtures::{self, Asset, BTC_ASSET, DOLLAR, PRINT, QUOTE_DECIMALS, SOL_ASSET};
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::support::{PubkeyOf as _, ceil, refused};

const ETH: u16 = 2;
const ETH_ASSET: Asset = Asset { name: "ETH", lot_decimals: 10, price: 3_000 * PRINT };

/// An exchange with these offsets and nothing listed.
fn exchange(offset_ppm: [u32; 8]) -> Result<World, bulwark_tests::Failure> {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let mut args = world.initialize_args();
    args.exchange_params.risk_groups = RiskGroups { offset_ppm };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey_(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer])?;
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    Ok(world)
}

/// SOL and BTC in one group, ETH in `other`; no fee, no spread but that of the confidence.
fn world_of(offset_ppm: u32, other: u8) -> World {
    let mut world = exchange([0, offset_ppm, 0, 0, 0, 0, 0, 100_000]).expect("initialize_exchange");
    for (asset, group) in [(SOL_ASSET, 2), (BTC_ASSET, 2), (ETH_ASSET, other)] {
        let params = MarketParams {
            risk_group: group,
            taker_fee_ppm: 0,
            base_spread_ppm: 0,
            target_weight_ppm: 250_000,
            ..asset.market_params()
        };
        world.list_market(&asset, params);
    }
    let provider = world.trader(20_000_000 * DOLLAR);
    world.add_liquidity(&provider, 20_000_000 * DOLLAR).expect("add_liquidity");
    for market in [SOL, BTC, ETH] {
        world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
    }
    world
}

/// Requirement of one position by the formula: `|N|·fraction`, both rounded up, at the higher of price and average.
fn requirement(world: &World, who: &Trader, market: u16, fraction: u32) -> (i128, bool) {
    let account = world.margin(&who.margin);
    let Some(slot) = account.position(market) else { return (0, true) };
    let (lots, oracle) = (account.positions[slot].lots.0, world.market(market).core.oracle);
    let price = i128::from(oracle.price.to_bits());
    let notional = ceil(i128::from(lots.unsigned_abs()) * price, 1 << 32);
    (ceil(notional * i128::from(fraction), 1_000_000), lots > 0)
}

/// `max(L, S) + (1 − offset)·min(L, S)` of each group of markets, summed.
fn formula(world: &World, who: &Trader, groups: &[(&[u16], i128)], fraction: u32) -> i128 {
    let of_group = |(markets, offset): &(&[u16], i128)| {
        let parts = markets.iter().map(|m| requirement(world, who, *m, fraction));
        let (longs, shorts): (Vec<_>, Vec<_>) = parts.partition(|(_, long)| *long);
        let [long, short] = [longs, shorts].map(|side| side.iter().map(|(r, _)| r).sum::<i128>());
        long.max(short) + ceil(long.min(short) * (1_000_000 - offset), 1_000_000)
    };
    groups.iter().map(of_group).sum()
}

/// The program draws the line of a withdrawal at the SDK's requirement, to the unit.
fn require_line(world: &World, who: &Trader, what: &str) {
    let spare = world.health(&who.margin, HealthType::Withdraw).excess().expect("excess").0.unsigned_abs();
    let mut world = world.fork();
    let failure = world.withdraw(who, 0, (who.tokens, spare + 1)).expect_err(what);
    assert!(failure.is("InsufficientMargin"), "{what}: {failure:?}");
    world.withdraw(who, 0, (who.tokens, spare)).expect(what);
}

#[test]
fn a_group_needs_its_larger_side_and_what_the_offset_leaves_of_the_smaller() {
    const BOOKS: [([Side; 3], [u64; 3]); 5] = [
        ([Long, Short, Long], [10_000, 7_000, 5_000]),
        ([Long, Short, Short], [10_000, 7_000, 5_000]),
        ([Short, Long, Long], [3_000, 20_000, 9_000]),
        ([Long, Long, Short], [4_000, 4_000, 8_000]),
        ([Short, Short, Short], [4_000, 4_000, 8_000]),
    ];
    for offset in [0, 1, 250_000, 600_000] {
        // The third market in the group, in none, and in another that has an offset of its own.
        for (other, groups) in [
            (2, vec![(&[SOL, BTC, ETH][..], i128::from(offset))]),
            (0, vec![(&[SOL, BTC][..], i128::from(offset)), (&[ETH][..], 0)]),
            (8, vec![(&[SOL, BTC][..], i128::from(offset)), (&[ETH][..], 100_000)]),
        ] {
            let listed = world_of(offset, other);
            for (sides, dollars) in BOOKS {
                let (mut world, what) = (listed.fork(), format!("{offset} {sides:?} group {other}"));
                let trader = world.funded_trader(20_000 * DOLLAR);
                for ((market, asset), (side, dollars)) in
                    [(SOL, SOL_ASSET), (BTC, BTC_ASSET), (ETH, ETH_ASSET)]
                        .iter()
                        .zip(sides.into_iter().zip(dollars))
                {
                    let lots = asset.lots_worth(dollars).next_multiple_of(asset.one() / 1_000);
                    world.open(&trader, *market, side, lots).expect("open");
                }
                let needs = |kind| i128::from(world.health(&trader.margin, kind).requirement.0);
                assert_eq!(needs(HealthType::Maint), formula(&world, &trader, &groups, 31_000), "{what}");
                assert_eq!(needs(HealthType::Init), formula(&world, &trader, &groups, 50_000), "{what}");
                // Never below 40 % of the sum, however it is hedged.
                let alone = |market: &u16| requirement(&world, &trader, *market, 31_000).0;
                let sum: i128 = [SOL, BTC, ETH].iter().map(alone).sum();
                assert!(needs(HealthType::Maint) * 10 >= sum * 4, "{what}");
                require_line(&world, &trader, &what);
            }
        }
    }
}

#[test]
fn an_offset_beyond_sixty_percent_and_a_ninth_group_are_refused() {
    for slot in 0..8 {
        for (offset, fits) in [(600_000, true), (600_001, false), (1_000_000, false), (u32::MAX, false)] {
            let mut offsets = [0; 8];
            offsets[slot] = offset;
            match exchange(offsets) {
                Ok(world) => {
                    assert!(
                        fits && world.exchange().params.risk_groups.offset_ppm == offsets,
                        "{slot} {offset}"
                    )
                }
                Err(failure) => {
                    assert!(!fits && failure.is("ParameterOutOfBounds"), "{slot} {offset}: {failure:?}")
                }
            }
        }
    }
    let mut world = exchange([600_000; 8]).expect("initialize_exchange");
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    for group in [9, 255] {
        let params = MarketParams { risk_group: group, ..SOL_ASSET.listed_params() };
        let listing = ChangePayload::CreateMarket { sources, params };
        let failure = world.propose(listing).expect_err("no such group");
        assert!(failure.is("ParameterOutOfBounds"), "{group}: {failure:?}");
        assert!(failure.logs.iter().any(|l| l.contains(&format!("risk_group = {group} is outside 0..=8"))));
    }
}

#[test]
fn the_offset_counts_when_a_hedge_is_opened() {
    // 100,000 dollars long: 5,000 of margin. A short of as much asks for 5,000 more, or 2,000 with the offset; its impact
    // and what the first leg has lost stay below 60.
    let cases = [
        (600_000, Short, 2_060, true),
        (600_000, Short, 1_999, false),
        (600_000, Long, 4_999, false),
        (0, Short, 4_999, false),
        (0, Short, 5_060, true),
    ];
    for (offset, side, spare, fits) in cases {
        let what = format!("{offset} {side:?} {spare}");
        let mut world = world_of(offset, 0);
        let trader = world.funded_trader((5_000 + spare) * DOLLAR);
        let lots = |asset: &Asset| asset.lots_worth(100_000).next_multiple_of(asset.one() / 1_000);
        world.open(&trader, SOL, Long, lots(&SOL_ASSET)).expect("open");
        let second = world.open_instruction(&trader, BTC, side, lots(&BTC_ASSET));
        if fits {
            world.send(&[second], &[&trader.key]).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        } else {
            refused(&mut world, second, &[&trader.key], "InsufficientMargin", &what);
        }
    }
}

/// Long 100,000 dollars of SOL, short as much of BTC, at an offset of 50 %: 4,650 of maintenance margin, of which the short
/// would free 1,550. `spare` dollars above it at a BTC price of 2 % confidence, which makes leaving cost 2,000.
fn hedged(spare: i64) -> (World, Trader) {
    let mut world = world_of(500_000, 0);
    let trader = world.funded_trader(20_000 * DOLLAR);
    for (market, side) in [(SOL, Long), (BTC, Short)] {
        let asset = World::asset(market);
        let step = asset.one() / 1_000;
        world.open(&trader, market, side, asset.lots_worth(100_000) / step * step).expect("open");
    }
    world.advance(1);
    for (asset, market, conf) in [(SOL_ASSET, SOL, 0), (BTC_ASSET, BTC, BTC_ASSET.price / 50)] {
        world.print(&asset, asset.price, conf.cast_unsigned());
        world.send(&[ix::refresh_market(market, World::oracles(&asset))], &[]).expect("refresh");
    }
    let excess = world.health(&trader.margin, HealthType::Maint).excess().expect("excess").0;
    let take = excess - spare * DOLLAR.cast_signed();
    // As a loss elsewhere would: what he loses, the BTC market has.
    world.tamper::<bulwark_sdk::program::state::MarginAccount>(&trader.margin, |a| a.quote.0 -= take);
    world.tamper::<bulwark_sdk::program::state::Market>(&address::market(BTC), |m| {
        m.core.book.cash += take.unsigned_abs();
    });
    (world, trader)
}

#[test]
fn attack_a_hedge_cannot_be_taken_off_against_margin_that_it_never_freed() {
    // Leaving costs 2,000 and frees 1,550, though the leg alone asks for 3,100.
    for (spare, fits) in [(0, false), (400, false), (500, true), (1_000, true)] {
        let (mut world, trader) = hedged(spare);
        let before = world.health(&trader.margin, HealthType::Maint);
        assert_eq!(before.excess().expect("excess").0, spare * DOLLAR.cast_signed());
        let close = world.close_instruction(&trader, BTC, u64::MAX);
        if fits {
            world.send(&[close], &[&trader.key]).unwrap_or_else(|e| panic!("{spare}: {e:?}"));
            let after = world.health(&trader.margin, HealthType::Maint);
            assert!(after.excess().expect("excess").0 >= 0, "{spare}: {after:?}");
            let freed = before.requirement.0 - after.requirement.0;
            assert!((1_540..1_560).contains(&(freed / DOLLAR.cast_signed())), "{freed}");
        } else {
            refused(
                &mut world,
                close,
                &[&trader.key],
                "InsufficientMargin",
                &format!("{spare} dollars spare"),
            );
        }
    }
}

#[test]
fn a_close_that_the_offset_puts_in_doubt_is_shown_the_other_legs() {
    let (mut world, trader) = hedged(1_000);
    let close = world.close_instruction(&trader, BTC, u64::MAX);
    assert_eq!(close.accounts.len(), 5);
    let mut alone = close.clone();
    alone.accounts.truncate(4);
    refused(&mut world, alone, &[&trader.key], "AccountMissing", "in doubt, and no leg to see");
    let mut wrong = close.clone();
    wrong.accounts[4].pubkey = address::market(ETH);
    refused(&mut world, wrong, &[&trader.key], "WrongAccount", "another market");
    world.send(&[close], &[&trader.key]).expect("with its leg");

    // At a narrow price the cost is below what is sure to be freed: nothing to see.
    let (mut world, trader) = hedged(0);
    world.advance(1);
    world.print(&BTC_ASSET, BTC_ASSET.price, 0);
    world.send(&[ix::refresh_market(BTC, World::oracles(&BTC_ASSET))], &[]).expect("refresh");
    let mut close = world.close_instruction(&trader, BTC, u64::MAX);
    close.accounts.truncate(4);
    world.send(&[close], &[&trader.key]).expect("no doubt, no leg");
}

#[test]
fn either_leg_of_an_unhealthy_hedge_may_always_be_reduced_at_a_fair_price() {
    for market in [SOL, BTC] {
        let (mut world, trader) = hedged(-2_000);
        world.advance(1);
        for asset in [SOL_ASSET, BTC_ASSET] {
            world.print(&asset, asset.price, 0);
            let index = if asset.name == "SOL" { SOL } else { BTC };
            world.send(&[ix::refresh_market(index, World::oracles(&asset))], &[]).expect("refresh");
        }
        let before = world.health(&trader.margin, HealthType::Maint).excess().expect("excess").0;
        assert!(before < 0);
        world.close(&trader, market, u64::MAX).expect("a close that helps");
        let after = world.health(&trader.margin, HealthType::Maint).excess().expect("excess").0;
        assert!(after > before, "{market}: {before} {after}");
    }
}
