//! Limits of a vault on the way in: a cap that opens slowly, and haircuts that follow the crowd.

use bulwark_sdk::address;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{SOL, Signer, Trader, World};

use crate::provider::*;
use crate::support::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Lists a collateral now, without two days passing first. Its oracle is SOL's.
pub fn list(world: &mut World, params: CollateralParams) -> (u16, VaultListing) {
    let mint = fixtures::address("a new collateral");
    world.create_mint(mint, 9);
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let token = (mint, address::TOKEN_PROGRAM);
    world.list_collateral(token, (sources, params), World::oracles(&SOL_ASSET)).expect("create_vault");
    (world.exchange().vault_count - 1, VaultListing::of_mint(mint, address::TOKEN_PROGRAM))
}

/// A trader with tokens of a vault, and their account.
pub fn holder(world: &mut World, vault: u16, amount: u64) -> (Trader, Pubkey) {
    let trader = world.trader(0);
    let mint = world.listings.vaults[usize::from(vault)].mint;
    let tokens = world.create_tokens(mint, trader.key.pubkey(), amount);
    (trader, tokens)
}

/// The deposit of a holder.
pub fn deposit(world: &World, (trader, tokens): &(Trader, Pubkey), vault: u16, amount: u64) -> Instruction {
    let listing = world.listings.vaults[usize::from(vault)];
    ix::deposit(trader.key.pubkey(), trader.margin, &listing, (*tokens, amount))
}

#[test]
fn the_cap_opens_from_nothing_by_its_share_a_day() {
    // (growth a day, seconds since the listing, tokens of a thousand million that may be in)
    let cap = 1_000_000_000;
    let table = [
        (
            1_000_000,
            &[(0, 0), (1, 11_574), (HOUR, 41_666_666), (DAY / 2, 500_000_000), (DAY - 1, 999_988_425)][..],
            DAY,
        ),
        (
            100_000,
            &[(0, 0), (1, 1_157), (DAY, 100_000_000), (5 * DAY, 500_000_000), (10 * DAY - 1, 999_998_842)],
            10 * DAY,
        ),
        (10_000, &[(0, 0), (DAY, 10_000_000), (99 * DAY, 990_000_000)], 100 * DAY),
    ];
    for (cap_growth_ppm, steps, open) in table {
        let mut world = World::empty();
        let (vault, listing) =
            list(&mut world, CollateralParams { cap_growth_ppm, ..collateral_params(cap) });
        let holder = holder(&mut world, vault, 10 * cap);
        let mut held = 0;
        for (seconds, allowed) in steps.iter().copied().chain([(open, cap), (10 * open, cap)]) {
            world.set_clock(GENESIS + seconds);
            let says = format!("deposits would be {}, the cap is {allowed}", allowed + 1);
            let more = deposit(&world, &holder, vault, allowed + 1 - held);
            refuse_saying(&mut world, &more, &[&holder.0.key], ("DepositCap", &says));
            if allowed > held {
                let exact = deposit(&world, &holder, vault, allowed - held);
                accept(&mut world, &exact, &[&holder.0.key]);
            }
            held = allowed;
            assert_eq!(world.token_balance(&listing.token_account), held);
        }
    }
}

#[test]
fn the_quote_vault_is_open_from_the_first_second() {
    let mut world = World::empty();
    let cap = world.vault(0).core.params.max_deposits;
    let provider = Provider::of(&mut world, TrancheKind::Junior, cap + 1);
    let add = provider.add(&world, cap + 1, 0);
    refuse(&mut world, &add, &[&provider.trader.key], "DepositCap");
    provider.mint(&mut world, cap);
}

#[test]
fn a_crowded_collateral_lends_less_and_liquidates_nobody() {
    // 100 SOL are not crowded; 10 % and 5 % haircut of 15,000 dollars.
    let one = 1_000_000_000;
    let mut world = markets();
    Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000 * DOLLAR);
    allocate(&mut world, SOL);
    let (vault, _) =
        list(&mut world, CollateralParams { soft_cap: 100 * one, ..collateral_params(1_000 * one) });
    world.open_cap();
    let alice = holder(&mut world, vault, 100 * one);
    let bob = holder(&mut world, vault, 900 * one);
    let first = deposit(&world, &alice, vault, 100 * one);
    accept(&mut world, &first, &[&alice.0.key]);
    let margin = alice.0.margin;
    let health = |world: &World, kind| world.health(&margin, kind);
    let equity = |world: &World, kind| health(world, kind).equity.0.unsigned_abs().div_ceil(DOLLAR);
    let (init, withdraw) = (HealthType::Init, HealthType::Withdraw);
    assert_eq!([init, withdraw].map(|kind| equity(&world, kind)), [13_500, 13_500]);
    let lots = 1_000 * SOL_ASSET.one();
    world.open(&alice.0, SOL, Side::Long, lots).expect("open");
    let before = health(&world, HealthType::Maint);

    // Tokens that come, haircut of all of them: 1 − 90 % · 100 / total.
    let mut bobs = 0;
    for (more, percent) in [(50, 40), (50, 55), (300, 82), (400, 90), (100, 91)] {
        let crowd = deposit(&world, &bob, vault, more * one);
        accept(&mut world, &crowd, &[&bob.0.key]);
        assert_eq!(world.vault(vault).core.haircut_init_ppm(), Ok(percent * 10_000));
        // Who deposits more is not poorer for it, and all together count for what is in at the soft cap.
        let worth = world.health(&bob.0.margin, init).equity.0.unsigned_abs();
        assert!(worth > bobs, "{worth} {bobs}");
        bobs = worth;
        assert!(
            (13_500 * DOLLAR).abs_diff(worth + 150 * (100 - u64::from(percent)) * DOLLAR) <= 150,
            "{worth}"
        );
        // The position has some costs; what remains of the collateral counts.
        let counted = health(&world, init).equity.0 - (before.equity.0 - 14_250 * DOLLAR as i64);
        let expected = 150 * (100 - u64::from(percent)) * DOLLAR;
        assert!(
            counted.unsigned_abs().abs_diff(expected) <= 12,
            "{counted} {expected}: 0.15 units a token in Q32"
        );
        assert_eq!(health(&world, HealthType::Maint), before, "{percent} %");
    }
    // Nothing can be opened or taken out any more, and everything closed.
    let open = world.open_instruction(&alice.0, SOL, Side::Long, SOL_ASSET.one());
    refuse(&mut world, &open, &[&alice.0.key], "InsufficientMargin");
    let withdraw = withdraw_instruction(&world, &alice.0, vault, (alice.1, 1));
    refuse(&mut world, &withdraw, &[&alice.0.key], "InsufficientMargin");
    // The program agrees: half of the position goes for a spread of 6 %, 4,500 dollars, which asks what the collateral is
    // worth for maintenance.
    world.print(&SOL_ASSET, SOL_ASSET.price, 9 * PRINT as u64);
    accept(&mut world, &ix::refresh_market(SOL, World::oracles(&SOL_ASSET)), &[]);
    world.close(&alice.0, SOL, lots / 2).expect("close");
    assert!(quote(&world, &alice.0.margin) < -4_500 * DOLLAR as i64);
    world.move_price(SOL, SOL_ASSET.price);
    // The crowd leaves, and it is as before.
    world.withdraw(&bob.0, vault, (bob.1, 50 * one)).expect("some");
    assert_eq!(world.vault(vault).core.haircut_init_ppm(), Ok(905_264), "1 − 0.0947368…");
    world.withdraw(&bob.0, vault, (bob.1, 850 * one)).expect("the rest");
    assert_eq!(world.vault(vault).core.haircut_init_ppm(), Ok(100_000));
    world.open(&alice.0, SOL, Side::Long, SOL_ASSET.one()).expect("open");
}

#[test]
fn a_soft_cap_of_zero_lends_nothing() {
    let mut world = markets();
    let (vault, _) = list(&mut world, CollateralParams { soft_cap: 0, ..collateral_params(1_000_000_000) });
    world.open_cap();
    let alice = holder(&mut world, vault, 1_000_000_000);
    let all = deposit(&world, &alice, vault, 1_000_000_000);
    accept(&mut world, &all, &[&alice.0.key]);
    let equity = |kind| world.health(&alice.0.margin, kind).equity.0.unsigned_abs();
    assert_eq!(equity(HealthType::Init), 0);
    assert!(equity(HealthType::Maint).abs_diff(142_500_000) <= 1);
}
