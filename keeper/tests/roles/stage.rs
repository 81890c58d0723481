//! Who is on the stage, and what happens to them.

use bulwark_keeper::work::Work;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::Liquidated;
use bulwark_sdk::program::state::{MarginAccount, Market, Pool};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Outcome, Trader, World};

use crate::bot::{Bot, Did};

/// A price of so many thousandths of the first one of an asset.
pub fn at(market: u16, thousandths: i64) -> i64 {
    World::asset(market).price / 1_000 * thousandths
}

/// The oracle prints, and nobody refreshes: a price with a confidence of 1 bp.
pub fn print(world: &mut World, market: u16, price: i64) {
    world.print(&World::asset(market), price, u64::try_from(price / 10_000).expect("positive"));
}

/// A trader with so many dollars and a position of about this worth, in whole steps.
pub fn holder(world: &mut World, dollars: u64, (market, side): (u16, Side), worth: u64) -> Trader {
    let trader = world.funded_trader(dollars * DOLLAR);
    open(world, &trader, (market, side), worth);
    trader
}

/// Opens a position of about this worth, dollars.
pub fn open(world: &mut World, trader: &Trader, (market, side): (u16, Side), worth: u64) {
    let asset = World::asset(market);
    let (lots, step) = (asset.lots_worth(worth), asset.one() / 1000);
    world.open(trader, market, side, lots - lots % step).expect("open");
}

/// Changes a market's parameters, as governance would.
pub fn set_params(world: &mut World, market: u16, change: impl FnOnce(&mut MarketParams)) {
    world.tamper::<Market>(&address::market(market), |m| change(&mut m.core.params));
    let params = world.market(market).core.params;
    params.validate().expect("within the program's bounds");
}

/// Moves pool money out of a market, or into it, until `left` is there.
pub fn drain(world: &mut World, market: u16, left: u64) {
    let cash = world.market(market).core.book.cash;
    world.tamper::<Market>(&address::market(market), |m| m.core.book.cash = left);
    world.tamper::<Pool>(&address::pool(), |p| p.core.idle = p.core.idle + cash - left);
}

/// Whether an account has an open position in a market.
pub fn holds(world: &World, margin: &Pubkey, market: u16) -> bool {
    world.margin(margin).position_in(market).is_some()
}

/// Lots of a position, without its side.
pub fn lots(world: &World, margin: &Pubkey, market: u16) -> u64 {
    world.margin(margin).position_in(market).map_or(0, |position| position.lots.count())
}

/// Whether somebody is in trouble at the stored prices.
pub fn in_trouble(world: &World, margin: &Pubkey) -> bool {
    let (account, slot) = (world.margin(margin), world.slot());
    world.ask(|snapshot| snapshot.distress(&account, slot).expect("a judgement").is_some())
}

/// The only thing that is done, and what it brought.
#[track_caller]
pub fn only(did: Vec<(Work, Did)>) -> (Work, Outcome, i64) {
    match <[(Work, Did); 1]>::try_from(did) {
        Ok([(work, Did::Done(outcome, earned))]) => (work, outcome, earned),
        Ok(other) => panic!("done, not {other:?}"),
        Err(all) => panic!("one thing, not {all:?}"),
    }
}

/// How many events are of a kind.
pub fn count(outcome: &Outcome, kind: impl Fn(&Event) -> bool) -> usize {
    outcome.events.iter().filter(|event| kind(event)).count()
}

/// Slots pass one by one, and the oracle prints in each of them; the bot does what it finds. What was done in which slot.
pub fn work_off(
    bot: &mut Bot,
    world: &mut World,
    (market, price): (u16, i64),
    slots: u64,
) -> Vec<(u64, Work, Did)> {
    let mut all = Vec::new();
    for _ in 0..slots {
        world.advance_slots(1);
        print(world, market, price);
        let slot = world.slot();
        all.extend(bot.round(world).into_iter().map(|(work, did)| (slot, work, did)));
    }
    all
}

/// Takes quote from an account for the pool: what is missing then is owed for a long position in this market.
pub fn indebt(world: &mut World, trader: &Trader, dollars: u64, market: u16) {
    indebt_units(world, trader, dollars * DOLLAR, market);
}

/// The same for so many quote units.
pub fn indebt_units(world: &mut World, trader: &Trader, units: u64, market: u16) {
    world.tamper::<MarginAccount>(&trader.margin, |account| account.quote.0 -= units.cast_signed());
    world.tamper::<Pool>(&address::pool(), |p| p.core.idle += units);
    world.owe(&trader.margin, market, Side::Long);
}

/// The liquidations among events.
pub fn liquidations(outcome: &Outcome) -> Vec<Liquidated> {
    let of = |event: &Event| if let Event::Liquidated(e) = event { Some(e.clone()) } else { None };
    outcome.events.iter().filter_map(of).collect()
}

/// What was done among all that was tried.
pub fn done(all: Vec<(u64, Work, Did)>) -> Vec<(u64, Work, Outcome, i64)> {
    let done = all.into_iter().filter_map(|(slot, work, did)| match did {
        Did::Done(outcome, earned) => Some((slot, work, outcome, earned)),
        _ => None,
    });
    done.collect()
}

/// Whether nothing but prices moved: a call that begins an auction or keeps it running.
pub fn is_call(outcome: &Outcome) -> bool {
    let price = |event: &Event| {
        matches!(event, Event::MarketRefreshed(_) | Event::VaultRefreshed(_) | Event::AuctionCalled(_))
    };
    outcome.events.iter().all(price)
}
