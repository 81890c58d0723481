//! I6 against what is usual: on the same books a queue that closes the most profitable opposite positions at the bankrupt's
//! bankruptcy price takes principal from some and pushes some below zero; an unwind takes no more than a share of profit.
//!
//! The queue, exactly: opposite positions ordered by return on margin are closed, each at the bankruptcy price instead of the
//! mark, until all lots of the bankrupt are. Lots and Q32 prices are whole numbers, so it needs no rounding.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::units::Side;
use bulwark_engine::waterfall::{Fund, Loss};
use model::world::{NOW, ONE, PARAMS, admit, market, oracle, price};
use model::{Exact, int, of_carry, of_price, pnl, ratio};
use num_traits::Signed;

const BOOKS: u64 = 600;
const MEMBERS: usize = 40;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (x ^ (x >> 31)) % (high - low)
    }
}

/// Somebody's position on the winners' side or the other one.
#[derive(Clone, Copy, Debug)]
struct Member {
    side: Side,
    lots: u64,
    /// Q32.
    entry: u64,
    /// What stands behind it, in Q32 quote units.
    margin: i128,
}

#[derive(Clone, Debug)]
struct Book {
    mark: u64,
    members: Vec<Member>,
    /// Side, lots and bankruptcy price of who has nothing left.
    bankrupt: (Side, u64, u64),
}

/// `side · lots · (to − from)`, Q32.
fn gain(side: Side, lots: u64, from: u64, to: u64) -> i128 {
    let moved = i128::from(to) - i128::from(from);
    i128::from(lots) * if side == Side::Long { moved } else { -moved }
}

impl Book {
    fn roll(dice: &mut Dice) -> Self {
        let mark = dice.roll(ONE / 2, ONE);
        let loser = if dice.roll(0, 2) == 0 { Side::Long } else { Side::Short };
        // The mark has gone through the bankruptcy price by 0.5 to 8 %.
        let gap = mark / 1_000 * dice.roll(5, 80);
        let bankruptcy = if loser == Side::Long { mark + gap } else { mark - gap };
        let members: Vec<_> = (0..MEMBERS)
            .map(|_| {
                let side = if dice.roll(0, 4) == 0 { loser } else { loser.opposite() };
                let lots = dice.roll(1 << 20, 1 << 32);
                // Entered within 15 % of the mark, with a margin of 1 % (a hundred times) to 30 % of it.
                let entry = mark / 1_000 * dice.roll(850, 1_150);
                let margin = i128::from(lots) * i128::from(mark) / 1_000 * i128::from(dice.roll(10, 300));
                // Nobody else is in trouble: after his loss each has half a percent at least.
                let pnl = gain(side, lots, entry, mark);
                let margin = margin.max(-pnl + i128::from(lots) * i128::from(mark / 200));
                Member { side, lots, entry, margin }
            })
            .collect();
        let opposite = members.iter().filter(|m| m.side != loser).map(|m| m.lots).sum::<u64>();
        let lots = opposite / 100 * dice.roll(5, 50);
        Self { mark, members, bankrupt: (loser, lots, bankruptcy) }
    }

    /// What is missing, Q32.
    fn deficit(&self) -> i128 {
        let (side, lots, bankruptcy) = self.bankrupt;
        gain(side.opposite(), lots, bankruptcy, self.mark)
    }

    /// What the queue takes from each, Q32.
    fn queue(&self) -> Vec<i128> {
        let (side, mut left, bankruptcy) = self.bankrupt;
        let pnl = |m: &Member| gain(m.side, m.lots, m.entry, self.mark);
        let mut order: Vec<usize> = (0..MEMBERS).filter(|&who| self.members[who].side != side).collect();
        let rank = |who: &usize| ratio(pnl(&self.members[*who]), self.members[*who].margin);
        order.sort_by_key(|who| std::cmp::Reverse(rank(who)));
        let mut taken = vec![0; MEMBERS];
        for who in order {
            let member = self.members[who];
            let lots = left.min(member.lots);
            taken[who] = gain(member.side, lots, bankruptcy, self.mark);
            left -= lots;
        }
        assert_eq!(left, 0);
        taken
    }
}

/// The engine's market with these members, and enough pool money.
fn built(book: &Book) -> (Box<Market>, Vec<Position>) {
    let mut market = market(&PARAMS, ONE / 4 * 3, 1 << 50);
    let members = book.members.iter().map(|m| {
        let cost = price(m.entry).mul_floor(m.lots).unwrap().cast_signed();
        admit(&mut market, m.side, m.lots, if m.side == Side::Long { -cost } else { cost })
    });
    let members = members.collect();
    market.oracle = oracle(book.mark);
    (market, members)
}

fn value(market: &Market, member: &Position) -> Exact {
    let ladder = market.book.side(member.side().unwrap());
    pnl(ladder.member(member).unwrap(), &of_price(market.mark()), &of_carry(ladder.carry))
}

/// What was found over all books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    books: u64,
    /// Books in which somebody lost more than his profit, and such members.
    books_with_principal: u64,
    members_with_principal: u64,
    /// What they lost beyond it, whole quote units, and all that was taken.
    principal: i128,
    taken: i128,
    /// Members who were worth something and owe now, and books with such.
    books_below_zero: u64,
    members_below_zero: u64,
    /// Members in profit from whom nothing was taken while others lost all of theirs.
    winners_spared: u64,
}

#[test]
fn a_queue_takes_principal_where_an_unwind_takes_a_share_of_profit() {
    let (mut dice, mut queue) = (Dice(0x00B1_1A4C), Tally::default());
    let (mut ours_taken, mut ours_uncovered, mut largest_share) = (int(0), 0, 0);
    for _ in 0..BOOKS {
        let book = Book::roll(&mut dice);
        // What the queue does.
        let taken = book.queue();
        assert_eq!(taken.iter().sum::<i128>(), book.deficit(), "it takes what is missing");
        let (mut principal, mut below) = (0, 0);
        for (member, &taken) in book.members.iter().zip(&taken) {
            let profit = gain(member.side, member.lots, member.entry, book.mark);
            let beyond = (taken - profit.max(0)).max(0);
            queue.taken += taken >> 32;
            queue.principal += beyond >> 32;
            principal += u64::from(beyond > 0);
            assert!(member.margin + profit > 0, "everybody was worth something");
            below += u64::from(member.margin + profit - taken < 0);
            queue.winners_spared += u64::from(profit > 0 && taken == 0 && member.side != book.bankrupt.0);
        }
        queue.books += 1;
        queue.members_with_principal += principal;
        queue.books_with_principal += u64::from(principal > 0);
        queue.members_below_zero += below;
        queue.books_below_zero += u64::from(below > 0);

        // What the engine does with the same loss.
        let (mut market, members) = built(&book);
        let before: Vec<_> = members.iter().map(|member| value(&market, member)).collect();
        let debt = u64::try_from(book.deficit() >> 32).unwrap();
        let (side, _, _) = book.bankrupt;
        let report = market.resolve(&mut Fund::default(), &Loss { debt, side, now: NOW }).unwrap();
        let share = ratio(report.fraction, FRACTION_ONE);
        assert!(share <= ratio(1, 2) && report.total() == Ok(debt));
        let grain = of_price(market.mark()) + int(1);
        for (member, before) in members.iter().zip(&before) {
            let lost = before - value(&market, member);
            if before.is_positive() && member.side() != Ok(side) {
                // No winner more than the share of profit, but for a lot and a unit of rounding: never any principal.
                assert!(!lost.is_negative() && lost <= &share * before + &grain, "{lost} of {before}");
                assert!(&lost <= before, "principal");
            } else {
                assert_eq!(lost, int(0), "no loser anything");
            }
            ours_taken += lost;
        }
        ours_uncovered += debt - report.deleveraged;
        largest_share = largest_share.max(report.fraction);
    }
    println!("queue: {queue:?}");
    println!(
        "unwind: took {} of profit at most {largest_share} / 2^32 of it, left {ours_uncovered} to the pool",
        ours_taken.floor()
    );
    // A meaningful share of the books.
    assert!(queue.books_with_principal * 10 > BOOKS, "{queue:?}");
    assert!(queue.books_below_zero * 100 > BOOKS, "{queue:?}");
    assert!(queue.principal > 0);
}
