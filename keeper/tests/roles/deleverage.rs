//! A market above its limit is reduced from the highest leverage down, and no further than its target.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{SOL, Trader, World};

use crate::bot::Bot;
use crate::stage::*;

/// Longs of 100,000 dollars on 6,000 and on 12,000, and of 50,000 on as much, against a limit of 150,000.
fn scene() -> (World, [Trader; 3], Bot) {
    let mut world = World::new();
    let longs = [(6_000, 100_000), (12_000, 100_000), (50_000, 50_000)];
    let longs = longs.map(|(own, worth)| holder(&mut world, own, (SOL, Side::Long), worth));
    set_params(&mut world, SOL, |params| params.deleverage.inventory_cap = 150_000 * DOLLAR);
    let bot = Bot::new(&mut world, 0).only([Role::Refresh, Role::Deleverage]);
    (world, longs, bot)
}

fn deleveraged(work: &Work) -> bool {
    matches!(work, Work::Deleverage(..))
}

#[test]
fn the_highest_leverage_goes_first_and_nobody_below_the_cutoff_is_named() {
    let (mut world, [high, mid, _], mut bot) = scene();
    bot.roles = [Role::Refresh].into();
    work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 40);
    bot.roles = [Role::Deleverage].into();
    // 32.3 times less 5 % every other slot: 11.6 after 40.
    assert_eq!(bot.find(&world), [Work::Deleverage(high.margin, SOL)]);
    bot.roles = [Role::Refresh].into();
    work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 24);
    bot.roles = [Role::Deleverage].into();
    assert_eq!(
        bot.find(&world),
        [&high, &mid].map(|who| Work::Deleverage(who.margin, SOL)),
        "above 6.2 times"
    );
}

#[test]
fn it_ends_at_the_target_and_who_has_little_leverage_keeps_all() {
    let (mut world, [high, mid, low], mut bot) = scene();
    let before = [&high, &mid, &low].map(|who| lots(&world, &who.margin, SOL));
    let equity =
        |world: &World, who: &Trader| world.margin(&who.margin).quote.0 + world.pnl(&who.margin, SOL);
    let had = [&high, &mid, &low].map(|who| equity(&world, who));
    let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 120));
    let touched: Vec<_> = all.iter().filter(|(_, work, ..)| deleveraged(work)).collect();
    assert_eq!(touched[0].1, Work::Deleverage(high.margin, SOL));
    let after = [&high, &mid, &low].map(|who| lots(&world, &who.margin, SOL));
    assert!(after[0] < before[0] && after[1] < before[1], "{after:?} of {before:?}");
    assert_eq!(after[2], before[2], "once");
    let core = world.market(SOL).core;
    assert_eq!(core.deleveraging_since, 0, "over");
    let worth = core.mark().mul_floor(core.book.long.lots).expect("a worth");
    assert!(
        worth <= 135_000 * DOLLAR && worth > 120_000 * DOLLAR,
        "{worth}: 90 % of the limit, and not much less"
    );
    for (who, had) in [&high, &mid, &low].into_iter().zip(had) {
        assert!((-2..100).contains(&(equity(&world, who) - had)), "nobody loses equity but what rounds");
    }
    let after = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 60));
    assert!(!after.iter().any(|(_, work, ..)| deleveraged(work)), "{after:?}");
}

#[test]
fn the_lighter_side_and_a_market_within_its_limit_are_left_alone() {
    let (mut world, _, mut bot) = scene();
    let short = holder(&mut world, 2_000, (SOL, Side::Short), 30_000);
    let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 120));
    assert!(all.iter().any(|(_, work, ..)| deleveraged(work)));
    assert!(all.iter().all(|(_, work, ..)| *work != Work::Deleverage(short.margin, SOL)));
    let mut calm = World::new();
    holder(&mut calm, 6_000, (SOL, Side::Long), 100_000);
    let mut bot = Bot::new(&mut calm, 0).only([Role::Deleverage]);
    assert_eq!(work_off(&mut bot, &mut calm, (SOL, at(SOL, 1_000)), 60).len(), 0);
}
