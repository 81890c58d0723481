//! Who pays for a bankruptcy: read from the event, and from what everybody has before and after.

use bulwark_sdk::engine::units::{NormalPrice, Quote, Side};
use bulwark_sdk::engine::waterfall::{Drawn, Fund, MAX_SLASH_PPM};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::BankruptcyResolved;
use bulwark_sdk::program::state::Market;
use bulwark_tests::World;

use bulwark_tests::crowd::Crowd;

/// One quote unit as worths are compared here, Q48.
const UNIT: i128 = 1 << 48;

/// A bankruptcy of one account in one market.
pub struct Payment {
    /// What the program says.
    pub event: BankruptcyResolved,
    /// What all winners lost together, Q48 quote units.
    pub winners_lost: i128,
    /// How many they are.
    pub winners: usize,
}

/// What an account has, Q48 quote units: its balance, and its position in the market in question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Worth {
    quote: i128,
    pnl: i128,
    /// On the paying side, and in a bucket that is wholly in profit.
    wins: bool,
    /// Was unwound before, so that what it has was rounded down already.
    again: bool,
}

/// The money that can pay, and what a day has drawn of it.
struct Purses {
    market: Box<Market>,
    fund: Fund,
}

impl Purses {
    fn of(world: &World, market: u16) -> Self {
        Self { market: world.market(market), fund: world.fund().core }
    }

    fn equity(&self) -> i64 {
        let core = &self.market.core;
        core.book.equity(core.mark()).expect("an equity").0
    }
}

fn worths(crowd: &Crowd, market: u16, winners: Side) -> Vec<Worth> {
    let core = crowd.world.market(market).core;
    let accounts = crowd.traders.iter().map(|trader| crowd.world.margin(&trader.margin));
    accounts
        .map(|account| {
            let quote = i128::from(account.quote.0) * UNIT;
            let Some(slot) = account.position(market) else {
                return Worth { quote, pnl: 0, wins: false, again: false };
            };
            let position = account.positions[slot];
            let side = position.side().expect("a side");
            let ladder = core.book.side(side);
            let at = NormalPrice::new(core.mark(), ladder.carry).expect("a price");
            let held = ladder.member(&position).expect("a member");
            let bucket = &ladder.buckets[usize::from(position.bucket)];
            let won = if side == Side::Long { at > bucket.bound } else { at < bucket.bound };
            let (wins, again) = (side == winners && won, bucket.unwind != position.unwind);
            let pnl = i128::from(held.lots.0) * i128::from(at.0) + i128::from(held.quote.0) * UNIT;
            Worth { quote, pnl, wins, again }
        })
        .collect()
}

impl Payment {
    /// Resolves what the account `n` owes a market, and checks that everybody paid what the rules say, and nobody else.
    pub fn resolve(crowd: &mut Crowd, (n, market): (usize, u16)) -> Self {
        let key = crowd.traders[n].margin;
        let debtor = crowd.world.margin(&key);
        let winners = debtor.debts.side(market).expect("a side").opposite();
        let (before, purses) = (worths(crowd, market, winners), Purses::of(&crowd.world, market));
        let outcome = crowd.world.resolve_bankruptcy(&key, market).expect("resolve_bankruptcy");
        let (after, left) = (worths(crowd, market, winners), Purses::of(&crowd.world, market));
        let resolved = |e| if let Event::BankruptcyResolved(e) = e { Some(e) } else { None };
        let event = outcome.events.into_iter().find_map(resolved).expect("an event");
        require_order(&event, &purses, &left);

        let (mut lost, mut count, mut again) = (0, 0, false);
        for (i, (before, after)) in before.iter().zip(&after).enumerate() {
            if i == n {
                assert_eq!(after.pnl, 0, "nothing is left of a bankrupt");
                assert_eq!(after.quote - before.quote, i128::from(event.debt - event.unpaid) * UNIT);
            } else if before.wins && event.fraction > 0 {
                let loss = before.pnl - after.pnl;
                let share = (before.pnl * i128::from(event.fraction)) >> 32;
                // Lots and quote are rounded down: less than a lot and a unit, and a lot is worth a unit at most. What
                // an earlier unwind rounded down is not lost a second time.
                let least = if before.again { -2 * UNIT } else { 0 };
                assert!((least..=2 * UNIT).contains(&(loss - share)), "winner {i}: {loss} for {share}");
                assert!(loss <= before.pnl && after.quote == before.quote);
                (lost, count, again) = (lost + loss, count + 1, again || before.again);
            } else {
                assert_eq!(before, after, "account {i} has nothing to do with it");
            }
        }
        let taken = i128::from(event.deleveraged + event.surplus) * UNIT;
        assert!(again || lost >= taken, "winners lost {lost}, booked {taken}");
        Self { event, winners_lost: lost, winners: count }
    }
}

/// A tier is used only when the one before is at its limit; the parts sum to the debt; every purse has less by its part.
fn require_order(event: &BankruptcyResolved, before: &Purses, after: &Purses) {
    let tiers = [
        event.insurance,
        event.reserve,
        event.backstop,
        event.first_loss,
        event.deleveraged,
        event.pool,
        event.traders,
        event.unpaid,
    ];
    assert_eq!(tiers.iter().sum::<u64>(), event.debt, "I8: {event:?}");
    let (old, new) = (&before.market.core.book, &after.market.core.book);
    assert_eq!(old.insurance - event.insurance + event.surplus, new.insurance);
    assert_eq!(before.fund.reserve - event.reserve, after.fund.reserve);
    let stake = |fund: &Fund| fund.backstop.value().expect("stake");
    assert_eq!(stake(&before.fund) - event.backstop, stake(&after.fund));
    assert_eq!(old.cash - event.first_loss - event.deleveraged - event.pool - event.surplus, new.cash);
    // What the pool lost is its two tiers; what rounding of the buckets leaves is its gain.
    let lost = before.equity() - after.equity();
    let paid = i64::try_from(event.first_loss + event.pool).expect("an amount");
    assert!((0..=2).contains(&(paid - lost)), "the pool lost {lost} and paid {paid}");

    let (params, draws) = (before.market.core.params.waterfall, after.market.core.draws);
    let at_limit = |drawn: Drawn, whole: u64, ppm: u32| drawn.level >= whole * u64::from(ppm) / 1_000_000;
    let reserve = at_limit(draws.reserve, before.fund.reserve, params.reserve_share_ppm);
    let backstop = at_limit(draws.backstop, stake(&before.fund), MAX_SLASH_PPM);
    let winners = event.winners == 0 || draws.winners[usize::from(1 - event.side)].level >= event.winners / 2;
    let order = [
        (event.reserve, old.insurance == event.insurance, "the reserve pays when the insurance is empty"),
        (event.backstop, reserve, "the backstop pays when the reserve has given its share"),
        (event.deleveraged, backstop, "winners pay when the backstop has given its half"),
        // Rounding leaves winners a few units short of the rest.
        (event.pool.saturating_sub(4), winners, "the pool pays when winners have given their half"),
        (
            event.traders,
            new.equity(after.market.core.mark()).expect("equity") <= Quote::ZERO,
            "traders pay last",
        ),
    ];
    for (paid, at_limit, rule) in order {
        assert!(paid == 0 || at_limit, "I8: {rule}: {event:?}");
    }
}
