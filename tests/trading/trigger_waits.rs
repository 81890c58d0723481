//! What makes a trigger wait, and what cancels it: whatever passes by itself leaves it where it is, whatever the account
//! can't do any more takes it out and touches nothing else.

use anchor_lang::prelude::Pubkey;
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side::{self, Long};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::{Exchange, MarginAccount, Market, MarketStatus, Pause, Vault};
use bulwark_sdk::{AccountMeta, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{Trader, World};

use crate::support::{
    MARKET, arm, execute, execute_instruction, mark, move_uni, open_at, place, print_now, refused, state,
    trigger, uni_params, uni_world, waiting,
};
use crate::triggers::{CASES, scene};

const LOTS: u64 = 80_000_000_000;

/// Executes what must be cancelled, and checks that the slot is all that changed.
pub fn cancelled(world: &mut World, who: &Trader, id: u64, keeper: &Trader, what: &str) {
    let (before, mut account) = (state(world), world.margin(&who.margin));
    let outcome = execute(world, who, id, Some(keeper)).unwrap_or_else(|e| panic!("{what}: stuck: {e:#?}"));
    let [Event::TriggerCancelled(cancelled)] = &outcome.events[..] else { panic!("{what}: {outcome:?}") };
    assert_eq!((cancelled.account, cancelled.id), (who.margin, id), "{what}");
    assert_eq!(format!("{:?}", cancelled.reason), "Failed", "{what}");
    let slot = account.triggers.iter_mut().find(|t| t.id == id).expect("was there");
    *slot = Trigger::default();
    for (key, data) in state(world) {
        if key == who.margin {
            assert_eq!(&data[8..], bytemuck::bytes_of(&*account), "{what}: more than the slot");
        } else {
            assert!(before.get(&key) == Some(&data), "{what}: {key} was touched");
        }
    }
}

#[test]
fn a_fill_beyond_the_limit_price_leaves_the_trigger() {
    for (kind, side, _) in CASES {
        let (mut world, trader, keeper) = scene(kind, side);
        let mut order = trigger(&world, (kind, side), LOTS, mark(&world));
        order.order.limit_price = mark(&world);
        let id = place(&mut world, &trader, &order);
        let execute_it = execute_instruction(&world, &trader, id, Some(&keeper));
        refused(
            &mut world,
            execute_it,
            &[],
            "LimitPrice",
            &format!("{kind:?} {side:?}: spread alone is beyond"),
        );
        // A percent to spare, and it goes through.
        let buys = (kind == Limit) == (side == Long);
        order.order.limit_price = if buys { mark(&world) / 100 * 101 } else { mark(&world) / 100 * 99 };
        let id = place(&mut world, &trader, &order);
        execute(&mut world, &trader, id, Some(&keeper))
            .unwrap_or_else(|e| panic!("{kind:?} {side:?}: {e:?}"));
    }
}

#[test]
fn a_price_that_is_not_usable_leaves_the_trigger() {
    for (kind, side, _) in CASES {
        let (mut world, trader, keeper) = scene(kind, side);
        let at = mark(&world);
        let id = arm(&mut world, &trader, (kind, side), LOTS, at);
        let what = format!("{kind:?} {side:?}");
        let mut divergent = world.fork();
        divergent.tamper::<Market>(&address::market(MARKET), |m| m.core.oracle.divergent = 1);
        let mut stale = world.fork();
        stale.advance(6);
        for (world, name) in [(&mut divergent, "PriceDivergent"), (&mut stale, "PriceStale")] {
            let execute = execute_instruction(world, &trader, id, Some(&keeper));
            refused(world, execute, &[], name, &what);
        }
        print_now(&mut stale, 125 * PRINT, 0);
        execute(&mut stale, &trader, id, Some(&keeper)).expect("after a refresh");

        // Wide: neither an entry nor an exit, which its owner may still send himself at the wide spread.
        world.advance(1);
        print_now(&mut world, 125 * PRINT, (125 * PRINT / 50).cast_unsigned());
        for keeper in [Some(&keeper), None] {
            let execute = execute_instruction(&world, &trader, id, keeper);
            refused(&mut world, execute, &[], "PriceWide", &what);
        }
        if kind != Limit {
            let spread = world.fork().close(&trader, MARKET, LOTS).expect("exit").trade().spread;
            let exact = 200 * DOLLAR..=200 * DOLLAR + 10_000; // the confidence is rounded up to a ppm
            assert!(exact.contains(&spread), "{what}: 2 % of 10,000 dollars, not {spread}");
        }
        world.advance(1);
        print_now(&mut world, 125 * PRINT, (125 * PRINT / 101).cast_unsigned());
        execute(&mut world, &trader, id, Some(&keeper)).unwrap_or_else(|e| panic!("{what}: narrow: {e:?}"));
    }
}

#[test]
fn pauses_and_reduce_only_stop_entries_and_no_exit() {
    type Set = fn(&mut World);
    let states: [(&str, Set); 3] = [
        ("ReduceOnly", |w| {
            w.tamper::<Market>(&address::market(MARKET), |m| m.status = MarketStatus::ReduceOnly as u8)
        }),
        ("Paused", |w| w.tamper::<Market>(&address::market(MARKET), |m| m.pause = Pause::INCREASE.0)),
        ("Paused", |w| w.pause(u8::MAX)),
    ];
    for (kind, side, _) in CASES {
        for (name, set) in states {
            let (mut world, trader, keeper) = scene(kind, side);
            let at = mark(&world);
            let id = arm(&mut world, &trader, (kind, side), LOTS, at);
            set(&mut world);
            if kind == Limit {
                let execute = execute_instruction(&world, &trader, id, Some(&keeper));
                refused(&mut world, execute, &[], name, &format!("{side:?}"));
            } else {
                execute(&mut world, &trader, id, Some(&keeper)).expect("an exit is never paused");
            }
            arm(&mut world, &trader, (kind, side), LOTS, at);
        }
    }
}

#[test]
fn a_cap_that_is_full_leaves_the_entry() {
    let (mut world, trader, keeper) = scene(Limit, Long);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
    type Zero = fn(&mut Market);
    let caps: [(&str, Zero); 5] = [
        ("OpenInterestCap", |m| m.core.params.max_oi = 0),
        ("ShareCap", |m| m.core.params.max_share_ppm = 0),
        ("SkewCap", |m| m.core.params.max_skew_ppm = 0),
        ("ImpactTooLarge", |m| m.core.params.max_impact_ppm = 0),
        ("ProfitCap", |m| m.core.params.profit_cap_ppm = 0),
    ];
    for (name, zero) in caps {
        let mut full = world.fork();
        full.tamper::<Market>(&address::market(MARKET), zero);
        let execute = execute_instruction(&full, &trader, id, Some(&keeper));
        refused(&mut full, execute, &[], name, "a full cap");
    }
    execute(&mut world, &trader, id, Some(&keeper)).expect("room");
}

#[test]
fn an_entry_without_margin_is_cancelled_and_nothing_else_changes() {
    for side in Side::BOTH {
        let (mut world, trader, keeper) = scene(Limit, side);
        // 10,000 dollars carry 200,000 at 20x; 240,000 are too much.
        let at = mark(&world);
        let id = arm(&mut world, &trader, (Limit, side), 24 * LOTS, at);
        cancelled(&mut world, &trader, id, &keeper, &format!("{side:?}"));
        // The same on top of a position that stays as it is.
        world.open(&trader, MARKET, side, 2 * LOTS).expect("open");
        let at = mark(&world);
        let id = arm(&mut world, &trader, (Limit, side), 24 * LOTS, at);
        world.advance(3);
        cancelled(&mut world, &trader, id, &keeper, &format!("{side:?} with a position"));
    }
}

/// A trader whose margin is SOL and 100 dollars, with an entry that the SOL carries and a keeper.
fn on_collateral() -> (World, Trader, Trader, u64) {
    let mut world = uni_world(uni_params());
    world.list_vault(&SOL_ASSET, 9, u64::MAX);
    let (trader, keeper) = (world.funded_trader(100 * DOLLAR), world.funded_trader(DOLLAR));
    world.deposit_collateral(&trader, 1, 10 * SOL_ASSET.one()).expect("collateral");
    world.refresh_sol_vault();
    print_now(&mut world, 125 * PRINT, 0);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
    (world, trader, keeper, id)
}

#[test]
fn attack_a_keeper_cannot_cancel_an_entry_by_letting_a_collateral_go_stale() {
    let (world, trader, keeper, id) = on_collateral();
    type Spoil = fn(&mut Vault);
    let spoilt: [(&str, Spoil); 3] = [
        ("PriceStale", |v| v.core.oracle.publish_time -= 61),
        ("PriceWide", |v| v.core.oracle.conf = v.core.oracle.price.to_bits() / 10),
        ("PriceDivergent", |v| v.core.oracle.divergent = 1),
    ];
    let vault = world.listings.vaults[1].address;
    for (name, spoil) in spoilt {
        let mut world = world.fork();
        world.tamper::<Vault>(&vault, spoil);
        // It counts for nothing, so margin is short.
        let open = open_at(&world, &trader, (MARKET, Long), LOTS, u64::MAX);
        refused(&mut world, open, &[&trader.key], "InsufficientMargin", name);
        let execute = execute_instruction(&world, &trader, id, Some(&keeper));
        refused(&mut world, execute, &[], name, "it waits for a refresh");
    }
    // By the clock alone.
    let mut world = world;
    world.advance(61);
    print_now(&mut world, 125 * PRINT, 0);
    let early = execute_instruction(&world, &trader, id, Some(&keeper));
    refused(&mut world, early, &[], "PriceStale", "61 s");
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    world.refresh_sol_vault();
    execute(&mut world, &trader, id, Some(&keeper)).expect("refreshed");
}

#[test]
fn an_entry_that_a_live_collateral_does_not_carry_is_cancelled() {
    let (mut world, trader, keeper, _) = on_collateral();
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), 4 * LOTS, at);
    cancelled(&mut world, &trader, id, &keeper, "1,350 dollars do not carry 40,000");
}

#[test]
fn attack_a_keeper_cannot_cancel_an_entry_while_the_quote_tokens_oracle_is_silent() {
    let (mut world, trader, keeper) = scene(Limit, Long);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), 12 * LOTS, at);
    let weight = |world: &mut World, until| {
        world.tamper::<Exchange>(&address::exchange(), |e| {
            (e.quote_weight.until, e.quote_weight.floor_ppm) = (until, 500_000);
        });
    };
    let now = world.now();
    weight(&mut world, now - 1);
    let open = open_at(&world, &trader, (MARKET, Long), 12 * LOTS, u64::MAX);
    refused(&mut world, open, &[&trader.key], "InsufficientMargin", "half of it does not carry 120,000");
    let execute_it = execute_instruction(&world, &trader, id, Some(&keeper));
    refused(&mut world, execute_it, &[], "PriceStale", "it waits for a refresh");
    weight(&mut world, now);
    let mut short = world.fork();
    execute(&mut world, &trader, id, Some(&keeper)).expect("refreshed");
    let id = arm(&mut short, &trader, (Limit, Long), 24 * LOTS, at);
    cancelled(&mut short, &trader, id, &keeper, "really short");
}

/// A trader with 2 BTC-dollars of position besides, and one SOL: two legs follow.
fn with_legs() -> (World, Trader, Trader, u64) {
    let (mut world, trader, keeper, _) = on_collateral();
    let btc = world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    world
        .send(&[bulwark_sdk::instruction::allocate_liquidity(&world.listings, btc)], &[])
        .expect("allocate_liquidity");
    world.open(&trader, btc, Long, BTC_ASSET.one() / 100).expect("open");
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
    (world, trader, keeper, id)
}

#[test]
fn an_entry_is_shown_every_other_leg_in_slot_order() {
    let (mut world, trader, keeper, id) = with_legs();
    let good = execute_instruction(&world, &trader, id, Some(&keeper));
    let own = 4;
    assert_eq!(good.accounts.len(), own + 2, "a market and a vault");
    let [market, vault] = [0, 1].map(|n| good.accounts[own + n].clone());
    let forged = Pubkey::new_from_array([0x75; 32]);
    let bytes = world.svm.get_account(&market.pubkey).expect("market").data.to_vec();
    world.set_account(forged, address::SYSTEM_PROGRAM, bytes);
    let forged = AccountMeta::new_readonly(forged, false);
    let traded = AccountMeta::new_readonly(address::market(MARKET), false);
    let cases = [
        ("none", vec![], "AccountMissing"),
        ("no vault", vec![market.clone()], "AccountMissing"),
        ("no market", vec![vault.clone()], "WrongAccount"),
        ("swapped", vec![vault.clone(), market.clone()], "WrongAccount"),
        ("a forged market", vec![forged, vault.clone()], "WrongAccount"),
        ("the traded market", vec![traded, vault.clone()], "DuplicateAccount"),
    ];
    for (what, legs, name) in cases {
        let mut wrong = good.clone();
        wrong.accounts.truncate(own);
        wrong.accounts.extend(legs);
        refused(&mut world, wrong, &[], name, what);
    }
    // A leg whose price is old: neither executed nor cancelled.
    let mut stale = world.fork();
    stale.tamper::<Market>(&market.pubkey, |m| m.core.oracle.publish_time -= 61);
    refused(&mut stale, good.clone(), &[], "PriceStale", "another market's price is old");
    world.send(&[good], &[]).expect("in order");
}

#[test]
fn attack_a_wide_leg_does_not_cancel_an_entry_that_lacks_margin_because_of_it() {
    let (mut world, trader, keeper, _) = with_legs();
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), 4 * LOTS, at);
    let mut wide = world.fork();
    wide.tamper::<Market>(&address::market(1), |m| m.core.oracle.conf = m.core.oracle.price.to_bits() / 10);
    let execute = execute_instruction(&wide, &trader, id, Some(&keeper));
    refused(&mut wide, execute, &[], "PriceWide", "short of margin, beside a leg that is Wide");
    cancelled(&mut world, &trader, id, &keeper, "short of margin, all prices Fresh");
}

#[test]
fn an_exit_without_its_position_is_cancelled() {
    for kind in [TakeProfit, StopLoss] {
        for side in Side::BOTH {
            let (mut world, trader, keeper) = scene(kind, side);
            let at = mark(&world);
            let id = arm(&mut world, &trader, (kind, side), LOTS, at);
            world.close(&trader, MARKET, u64::MAX).expect("close");
            let mut flipped = world.fork();
            cancelled(&mut world, &trader, id, &keeper, &format!("{kind:?} {side:?} gone"));
            flipped.open(&trader, MARKET, side.opposite(), LOTS).expect("open");
            cancelled(&mut flipped, &trader, id, &keeper, &format!("{kind:?} {side:?} flipped"));
        }
    }
}

#[test]
fn an_entry_against_a_position_of_the_other_side_is_cancelled() {
    for side in Side::BOTH {
        let (mut world, trader, keeper) = scene(Limit, side);
        world.open(&trader, MARKET, side.opposite(), LOTS).expect("open");
        let at = mark(&world);
        let id = arm(&mut world, &trader, (Limit, side), LOTS, at);
        cancelled(&mut world, &trader, id, &keeper, &format!("{side:?}"));
    }
}

#[test]
fn an_exit_of_a_position_behind_an_unwind_trades_what_is_left_of_it() {
    let (mut world, trader, keeper) = scene(TakeProfit, Long);
    move_uni(&mut world, 150 * PRINT);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (TakeProfit, Long), 2 * LOTS, at);
    world.tamper::<Market>(&address::market(MARKET), |m| {
        let price = m.core.mark();
        m.core.book.long.unwind(price, 1 << 31).expect("unwind");
    });
    let trade = execute(&mut world, &trader, id, Some(&keeper)).expect("execute").trade().clone();
    assert!((trade.lots.unsigned_abs()).abs_diff(LOTS) <= 1, "half: {}", trade.lots);
    assert_eq!(trade.position_lots, 0);
    assert!(waiting(&world, &trader).is_empty());
    assert_eq!(world.get::<MarginAccount>(&trader.margin).position(MARKET), None);
}
