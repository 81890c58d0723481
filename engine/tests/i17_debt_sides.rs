//! I17 of one account: what it owes is attributed to the markets and sides where it was lost, and to no other.
//!
//! Repaid in a market is repaid there first, on the side that did so first; repaid outside of one counts for all in proportion.
//! The reference shares out at once and exactly. The engine rounds up wherever it scales, by less than a unit per slot: with
//! the six slots of the tests no more than 12 units in all slots together when it scales, and the sums of both are kept
//! equal, so what rounding moves between slots grows by no more than that and another 6 per operation.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::book::Book;
use bulwark_engine::debt::{Debts, MARKETS, owed};
use bulwark_engine::units::{Quote, Side};
use bytemuck::Zeroable;
use model::world::{any_lots, any_side};
use model::{Exact, config, int};
use num_traits::Zero;
use proptest::prelude::*;

const PLACES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The account gains or loses with a position of the side in the market.
    Meet { place: usize, side: Side, change: i64 },
    /// Tokens come in, or leave as far as they are there.
    Outside { change: i64 },
    /// The market's part goes through the waterfall, and so many 2^-16 of it stay unpaid.
    Resolve { place: usize, unpaid: u64 },
}

fn any_op() -> impl Strategy<Value = Op> {
    let change = (any_lots(36), prop::bool::weighted(0.6))
        .prop_map(|(x, lost)| if lost { -x.cast_signed() } else { x.cast_signed() });
    let outside = (any_lots(36), any::<bool>())
        .prop_map(|(x, out)| if out { -x.cast_signed() } else { x.cast_signed() });
    prop_oneof![
        5 => (0..PLACES, any_side(), change).prop_map(|(place, side, change)| Op::Meet { place, side, change }),
        2 => outside.prop_map(|change| Op::Outside { change }),
        1 => (0..PLACES, prop_oneof![Just(0), 0..=1_u64 << 16]).prop_map(|(place, unpaid)| Op::Resolve { place, unpaid }),
    ]
}

/// An account, its markets' books, and what it owes for each side in exact numbers.
struct Case {
    quote: Quote,
    debts: Debts,
    books: Vec<Box<Book>>,
    fair: [[Exact; 2]; PLACES],
}

impl Case {
    fn new() -> Self {
        let books = (0..PLACES).map(|_| Box::new(Book::zeroed())).collect();
        Self { quote: Quote::ZERO, debts: Debts::zeroed(), books, fair: Default::default() }
    }

    fn owed(&self) -> u64 {
        owed(self.quote)
    }

    /// What is repaid outside of a market counts for all in proportion.
    fn repay(&mut self, amount: &Exact) {
        let all = self.fair.iter().flatten().fold(Exact::zero(), |sum, x| sum + x);
        if all > Exact::zero() {
            let left = (&all - amount) / &all;
            self.fair.iter_mut().flatten().for_each(|slot| *slot *= &left);
        }
    }

    fn run(&mut self, op: Op) {
        let before = self.owed();
        match op {
            Op::Meet { place, side, change } => {
                let index = u16::try_from(place).unwrap();
                let cash = &mut self.books[place].cash;
                *cash = cash.saturating_add_signed(-change);
                self.debts.lift(index, &mut self.books[place]).unwrap();
                let posted =
                    self.debts.post((index, side), (self.quote, Quote(change)), &mut self.books[place]);
                self.quote = posted.unwrap();
                let (grown, fallen) =
                    (self.owed().saturating_sub(before), before.saturating_sub(self.owed()));
                let this = usize::from(side.to_byte());
                self.fair[place][this] += int(grown);
                let mut left = int(fallen);
                for slot in [this, 1 - this] {
                    let paid = left.clone().min(self.fair[place][slot].clone());
                    self.fair[place][slot] -= &paid;
                    left -= paid;
                }
                self.repay(&left);
            }
            Op::Outside { change } => {
                let change = change.max(-self.quote.0.max(0));
                self.quote = Quote(self.quote.0 + change);
                self.repay(&int(before - self.owed()));
            }
            Op::Resolve { place, unpaid } => {
                let index = u16::try_from(place).unwrap();
                let debt = self.debts.share(index, self.quote).unwrap();
                let unpaid = u64::try_from((u128::from(debt) * u128::from(unpaid)) >> 16).unwrap();
                let side = usize::from(self.debts.side(index).unwrap().to_byte());
                self.debts.lift(index, &mut self.books[place]).unwrap();
                self.debts.forgive(index, (self.quote, unpaid), &mut self.books[place]).unwrap();
                self.quote = Quote(self.quote.0 + (debt - unpaid).cast_signed());
                self.fair[place] = [int(0), int(0)];
                self.fair[place][side] = int(unpaid);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(800))]

    /// Whatever is lost, repaid and deposited in between: each market answers for what was lost there and is not repaid, and
    /// for nothing else. Markets hold back at least that, exactly that when they have just met the account, and all there is
    /// owed is attributed.
    #[test]
    fn each_market_answers_for_its_own_losses_over_any_history(ops in prop::collection::vec(any_op(), 1..40)) {
        let mut case = Case::new();
        for (done, &op) in ops.iter().enumerate() {
            let sides = [0, 1, 2].map(|index| case.debts.side(index).unwrap());
            case.run(op);
            if let Op::Resolve { place, .. } = op {
                let [long, short] = case.debts.lost[place];
                let other = if sides[place] == Side::Long { short } else { long };
                prop_assert_eq!(other, 0, "what stays unpaid stays with the side that answered");
            }
            let slack = int(20 * (done + 1));
            let Debts { lost, held, total } = case.debts;
            prop_assert_eq!(lost.iter().flatten().sum::<u64>(), total);
            prop_assert!(case.owed() <= total, "{} of {}", case.owed(), total);
            let (mut shares, mut slots) = (0, 0);
            for (place, book) in case.books.iter().enumerate() {
                let index = u16::try_from(place).unwrap();
                let (share, [long, short]) = (case.debts.share(index, case.quote).unwrap(), lost[place]);
                prop_assert!(share <= long + short && long + short <= held[place]);
                prop_assert_eq!((book.unbacked, case.debts.held(index)), (held[place], Ok(held[place])));
                prop_assert_eq!(case.debts.lost(index), Ok(long + short));
                prop_assert_eq!(case.debts.side(index), Ok(if long >= short { Side::Long } else { Side::Short }));
                let fair = &case.fair[place][0] + &case.fair[place][1];
                prop_assert!(int(share) - &fair <= slack && &fair - int(share) <= slack, "{} of {}", share, fair);
                (shares, slots) = (shares + share, slots + u64::from(share > 0));
            }
            prop_assert!(case.owed() <= shares && shares <= case.owed() + slots, "{} of {}", shares, case.owed());
            if let Op::Meet { place, .. } | Op::Resolve { place, .. } = op {
                prop_assert_eq!(held[place], lost[place][0] + lost[place][1], "they have just met");
            }
            prop_assert!(lost[PLACES..].iter().all(|slot| *slot == [0, 0]));
        }
        // Who has repaid everything, and meets them all, is done with.
        case.run(Op::Outside { change: case.owed().cast_signed() });
        for place in 0..PLACES {
            case.run(Op::Meet { place, side: Side::Long, change: 0 });
        }
        prop_assert!(case.debts.is_clear() && case.books.iter().all(|book| book.unbacked == 0));
    }

    /// Scaled alike and rounded up: every slot is what it was of all that is still owed, and the larger side stays the larger.
    #[test]
    fn what_is_repaid_outside_keeps_the_proportion_of_markets_and_sides(
        losses in prop::collection::vec((0..PLACES, any_side(), any_lots(36)), 1..20), part in 0..=1_u64 << 16, place in 0..PLACES,
    ) {
        let mut case = Case::new();
        for &(place, side, amount) in &losses {
            case.run(Op::Meet { place, side, change: -amount.cast_signed() });
        }
        let before = case.debts;
        let repaid = u64::try_from((u128::from(before.total) * u128::from(part)) >> 16).unwrap();
        case.run(Op::Outside { change: repaid.cast_signed() });
        prop_assert_eq!(case.debts, before, "nobody has heard of it yet");
        let left = case.owed();
        case.run(Op::Meet { place, side: Side::Long, change: 0 });
        for (was, is) in before.lost.iter().flatten().zip(case.debts.lost.iter().flatten()) {
            prop_assert_eq!(int(*is), (int(*was) * int(left) / int(before.total)).ceil());
        }
        for (was, is) in before.lost.iter().zip(case.debts.lost) {
            prop_assert!(was[0] < was[1] || is[0] >= is[1]);
            prop_assert!(was[0] > was[1] || is[0] <= is[1]);
        }
    }

    /// However many steps a loss on the other side is cut into: the side that lost more in all answers.
    #[test]
    fn the_side_that_lost_more_in_all_answers_whatever_the_steps(
        losses in prop::collection::vec((any_side(), any_lots(30)), 1..40), place in 0..PLACES, whole in any_side(), steps in 1..200_u64,
    ) {
        let mut case = Case::new();
        let (index, mut sums) = (u16::try_from(place).unwrap(), [0_u64; 2]);
        for &(side, amount) in &losses {
            case.run(Op::Meet { place, side, change: -amount.cast_signed() });
            sums[usize::from(side.to_byte())] += amount;
            prop_assert_eq!(case.debts.lost[place], sums);
            let expected = if sums[0] >= sums[1] { Side::Long } else { Side::Short };
            prop_assert_eq!((case.debts.side(index), case.books[place].unbacked), (Ok(expected), sums[0] + sums[1]));
        }
        // A thousand on one side, then less than that on the other, step by step, without a deposit in between.
        let mut case = Case::new();
        case.run(Op::Meet { place, side: whole, change: -1_000 });
        for _ in 0..steps {
            case.run(Op::Meet { place, side: whole.opposite(), change: -(999 / steps.cast_signed()) });
            prop_assert_eq!(case.debts.side(index), Ok(whole));
        }
    }
}

/// Debts of these amounts, markets that know them, and what the account owes.
fn indebted(amounts: &[u64]) -> (Debts, Vec<Box<Book>>) {
    let (mut debts, mut books, mut quote) = (Debts::zeroed(), vec![], Quote::ZERO);
    for (index, &amount) in (0_u16..).zip(amounts) {
        let mut book = Box::new(Book::zeroed());
        book.cash = amount;
        let change = Quote(-i64::try_from(amount).unwrap());
        quote = debts.post((index, Side::Long), (quote, change), &mut book).unwrap();
        books.push(book);
    }
    (debts, books)
}

proptest! {
    #![proptest_config(config(600))]

    /// Market after market resolves its share of what is still owed, in any order: nothing is left, every market takes no
    /// more than it holds back, and it is what is owed to the unit.
    #[test]
    fn shares_sum_to_what_is_owed_in_any_order_of_markets(
        amounts in prop::collection::vec(prop_oneof![1 => Just(0), 4 => any_lots(40)], 1..MARKETS), part in 0..=1_u64 << 16,
        order in any::<prop::sample::Index>(), stride in any::<prop::sample::Index>(),
    ) {
        let (mut debts, mut books) = indebted(&amounts);
        let n = amounts.len();
        let owes = u64::try_from((u128::from(debts.total) * u128::from(part)) >> 16).unwrap();
        let (mut quote, mut paid) = (-i64::try_from(owes).unwrap(), 0);
        let strides: Vec<usize> = (1..=n).filter(|&s| num_integer::gcd(s, n) == 1).collect();
        let (first, stride) = (order.index(n), strides[stride.index(strides.len())]);
        for i in 0..n {
            let place = (first + i * stride) % n;
            let index = u16::try_from(place).unwrap();
            let share = debts.share(index, Quote(quote)).unwrap();
            prop_assert!(share <= amounts[place]);
            let exact = if debts.total == 0 { int(0) } else {
                int(owed(Quote(quote))) * int(debts.lost(index).unwrap()) / int(debts.total)
            };
            prop_assert_eq!(int(share), exact.ceil());
            debts.lift(index, &mut books[place]).unwrap();
            debts.forgive(index, (Quote(quote), 0), &mut books[place]).unwrap();
            prop_assert_eq!(books[place].unbacked, 0);
            quote += i64::try_from(share).unwrap();
            paid += share;
        }
        prop_assert_eq!((quote, debts.total, paid), (0, 0, owes));
    }

    /// An account that lost in a market is paid its own profit there as if it had never owed, and others are not.
    #[test]
    fn own_debt_does_not_block_own_profit(loss in any_lots(40), profit in any_lots(40), others in prop_oneof![Just(0), any_lots(40)]) {
        let mut book = Box::new(Book::zeroed());
        let mut debts = Debts::zeroed();
        (book.cash, book.unbacked) = (loss + others, others);
        let quote = debts.post((7, Side::Short), (Quote::ZERO, Quote(-i64::try_from(loss).unwrap())), &mut book).unwrap();
        prop_assert_eq!((book.unbacked, book.payable()), (loss + others, 0));
        debts.lift(7, &mut book).unwrap();
        prop_assert_eq!(book.payable(), loss);
        let paid = profit.min(book.payable());
        book.cash -= paid;
        let after = debts.post((7, Side::Long), (quote, Quote(i64::try_from(paid).unwrap())), &mut book).unwrap();
        prop_assert_eq!(after.0, i64::try_from(paid).unwrap() - i64::try_from(loss).unwrap());
        prop_assert_eq!((debts.held(7), debts.lost[7], debts.total), (Ok(loss - paid), [0, loss - paid], loss - paid));
        prop_assert_eq!((book.cash, book.unbacked), (loss + others - paid, loss + others - paid));
        let side = if paid < loss { Side::Short } else { Side::Long };
        prop_assert_eq!(debts.side(7), Ok(side), "while anything is owed");
    }
}

#[test]
fn a_repayment_counts_for_all_markets_and_each_hears_of_it_when_the_account_meets_it_by_hand() {
    let (mut debts, mut books) = indebted(&[60, 40]);
    assert_eq!((debts.total, books[0].unbacked, books[1].unbacked), (100, 60, 40));
    // A deposit of 30: 70 are owed.
    let mut quote = Quote(-70);
    assert_eq!((debts.share(0, quote), debts.share(1, quote)), (Ok(42), Ok(28)));
    let meet = |debts: &mut Debts, place: u16, quote, change, book: &mut Book| {
        debts.lift(place, book).unwrap();
        debts.post((place, Side::Long), (quote, Quote(change)), book).unwrap()
    };
    quote = meet(&mut debts, 1, quote, 0, &mut books[1]);
    assert_eq!((debts.lost(0), debts.lost(1), debts.total), (Ok(42), Ok(28), 70));
    assert_eq!(
        (debts.held(0), debts.held(1), books[0].unbacked, books[1].unbacked),
        (Ok(60), Ok(28), 60, 28)
    );
    // A loss of 5 more in the other; then a profit of 50 there, which is repaid there first.
    quote = meet(&mut debts, 0, quote, -5, &mut books[0]);
    assert_eq!((quote, debts.lost(0), debts.lost(1), books[0].unbacked), (Quote(-75), Ok(47), Ok(28), 47));
    quote = meet(&mut debts, 0, quote, 50, &mut books[0]);
    assert_eq!((quote, debts.lost(0), debts.lost(1), books[0].unbacked), (Quote(-25), Ok(0), Ok(28), 0));
    // The rest of it counts for the other one, which holds 28 back until they meet.
    assert_eq!((debts.share(1, quote), books[1].unbacked), (Ok(25), 28));
    debts.lift(1, &mut books[1]).unwrap();
    debts.forgive(1, (quote, 3), &mut books[1]).unwrap();
    assert_eq!(
        (debts.lost[1], debts.total, books[1].unbacked),
        ([3, 0], 3, 3),
        "what no tier had is still owed"
    );
    assert!(!debts.is_clear());
    meet(&mut debts, 1, Quote(7), 0, &mut books[1]);
    assert!(debts.is_clear() && books[1].unbacked == 0);
    assert_eq!(debts.held(32), Err(EngineError::Corrupt("market index")));
    assert_eq!(debts.lost(32), Err(EngineError::Corrupt("market index")));
    debts.held[1] = 1;
    assert!(matches!(debts.lift(1, &mut books[1]), Err(EngineError::Corrupt(_))));
}

#[test]
fn many_small_steps_on_the_other_side_do_not_turn_the_waterfall_round_by_hand() {
    // 1 000 lost as a long, then 999 times one unit as a short: the long answers. One more is a tie, the next turns it.
    let mut case = Case::new();
    case.run(Op::Meet { place: 0, side: Side::Long, change: -1_000 });
    for _ in 0..1_000 {
        case.run(Op::Meet { place: 0, side: Side::Short, change: -1 });
        assert_eq!(case.debts.side(0), Ok(Side::Long));
    }
    case.run(Op::Meet { place: 0, side: Side::Short, change: -1 });
    assert_eq!((case.debts.lost[0], case.debts.side(0)), ([1_000, 1_001], Ok(Side::Short)));
    // A profit of 300 as a short repays that side: the long answers again; a deposit of 850 halves both.
    case.run(Op::Meet { place: 0, side: Side::Short, change: 300 });
    assert_eq!((case.debts.lost[0], case.debts.side(0)), ([1_000, 701], Ok(Side::Long)));
    case.run(Op::Outside { change: 851 });
    case.run(Op::Meet { place: 1, side: Side::Long, change: 0 });
    assert_eq!((case.debts.lost[0], case.owed()), ([500, 351], 850), "both rounded up");
    // What is left unpaid of a resolution stays on the side that answered for it.
    case.run(Op::Resolve { place: 0, unpaid: 1 << 15 });
    assert_eq!((case.debts.lost[0], case.quote), ([425, 0], Quote(-425)));
}

#[test]
fn a_deposit_between_two_losses_clears_the_first_one_by_hand() {
    let mut case = Case::new();
    case.run(Op::Meet { place: 0, side: Side::Long, change: -100 });
    case.run(Op::Outside { change: 100 });
    case.run(Op::Meet { place: 1, side: Side::Short, change: -50 });
    let shares = |case: &Case| [0, 1].map(|place| case.debts.share(place, case.quote).unwrap());
    assert_eq!(
        (shares(&case), case.debts.lost[0]),
        ([0, 50], [0, 0]),
        "the second never answers for the first"
    );
    assert_eq!(
        [0, 1].map(|place| case.books[place].unbacked),
        [100, 50],
        "the first hears of it when they meet"
    );
    case.run(Op::Meet { place: 0, side: Side::Long, change: 0 });
    assert_eq!([0, 1].map(|place| case.books[place].unbacked), [0, 50]);
    // Half of it: 40 of 80 left when the second loss comes.
    let mut case = Case::new();
    case.run(Op::Meet { place: 0, side: Side::Long, change: -80 });
    case.run(Op::Outside { change: 40 });
    case.run(Op::Meet { place: 1, side: Side::Short, change: -50 });
    assert_eq!((shares(&case), case.debts.total), ([40, 50], 90));
}
