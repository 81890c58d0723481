//! A calm exchange costs prices and nothing else.

use bulwark_keeper::work::Work;
use bulwark_tests::crowd::{Backing, Crowd};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL};

use crate::bot::{Bot, Did};
use crate::stage::*;

const HOUR: i64 = 3_600;

/// Ninety-four traders of every leverage; what is to be allocated and distributed is.
fn scene() -> (Crowd, Bot) {
    let mut crowd =
        Crowd::new(Backing { reserve: 4_000 * DOLLAR, stake: 1_500 * DOLLAR }, 4_000_000 * DOLLAR);
    crowd.print(1_000_000);
    let mut bot = Bot::new(&mut crowd.world, 100_000);
    bot.rounds(&mut crowd.world, 5);
    assert_eq!(bot.find(&crowd.world), []);
    (crowd, bot)
}

#[test]
fn for_an_hour_without_a_print_nothing_at_all_is_sent() {
    let (mut crowd, mut bot) = scene();
    for second in 1..HOUR {
        crowd.world.advance(1);
        assert_eq!(bot.find(&crowd.world), [], "second {second}");
    }
}

#[test]
fn for_an_hour_of_steady_prices_nothing_is_sent_but_a_refresh_every_twenty_seconds() {
    let (mut crowd, mut bot) = scene();
    let (mut refreshed, mut looks) = (0, 0);
    for second in 1..=HOUR {
        crowd.world.advance(1);
        // A hundredth of a per cent to and fro.
        for market in [SOL, BTC] {
            let price = at(market, 1_000);
            print(&mut crowd.world, market, price + price / 10_000 * (second % 2));
        }
        looks += 1;
        for (work, did) in bot.round(&mut crowd.world) {
            assert!(
                matches!((&work, &did), (Work::Refresh(_), Did::Done(..))),
                "second {second}: {work}: {did:?}"
            );
            refreshed += 1;
        }
    }
    assert!(refreshed <= HOUR / 20 + 1, "{refreshed} transactions in {looks} looks");
}
