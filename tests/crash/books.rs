//! What an unwind of a large book costs, and who pays for it: the same share of profit for everybody, to the unit.

use std::collections::BTreeMap;

use bulwark_sdk::engine::units::Side;
use bulwark_tests::SOL;
use bulwark_tests::fixtures::{PRINT, SOL_ASSET};

use crate::book::{Book, Resolved, Shape, UNIT, entry_of_bucket};

/// Most that a resolution may cost, compute units.
const BUDGET: u64 = 60_000;
/// A share of 1.0 in an event.
const ONE: i128 = 1 << 32;

/// So many winners in five buckets, together always the same. The price moves by a quarter after the last of them.
fn five_buckets(side: Side, winners: usize, debtors: &[u64]) -> Book {
    let each = winners / 5;
    let lots = SOL_ASSET.one() * 120 / u64::try_from(each).expect("small");
    let mut entries = [70, 71, 72, 73, 74].map(entry_of_bucket).to_vec();
    let mut price = 260 * PRINT;
    if side == Side::Short {
        entries.reverse();
        price = 132 * PRINT;
    }
    let debtors = debtors.iter().map(|sol| SOL_ASSET.one() * sol).collect();
    Book::new(&Shape { side, entries, each, lots, debtors, losing_too: true, price })
}

/// A winner in each of these buckets.
fn one_each(side: Side, buckets: impl Iterator<Item = i64>) -> Book {
    let mut entries: Vec<_> = buckets.map(entry_of_bucket).collect();
    let mut price = 2_600 * PRINT;
    if side == Side::Short {
        entries.reverse();
        price = 2 * PRINT;
    }
    let (lots, debtors) = (SOL_ASSET.one() * 2, vec![SOL_ASSET.one() * 40, SOL_ASSET.one() * 30]);
    Book::new(&Shape { side, entries, each: 1, lots, debtors, losing_too: false, price })
}

/// Resolves what all debtors owe, has everybody settled, and checks who paid.
fn resolve_and_check(book: &mut Book) -> Vec<Resolved> {
    let [winners, losers] = [book.worths(&book.winners), book.worths(&book.losers)];
    assert!(winners.iter().all(|pnl| *pnl > 0) && losers.iter().all(|pnl| *pnl < 0));
    let mut resolved = vec![];
    for n in 0..book.debtors.len() {
        let (equity, insurance) = (book.equity(), book.world.market(SOL).core.book.insurance);
        let one = book.resolve(n);
        require_sums(book, &one, (equity, insurance));
        resolved.push(one);
    }
    for n in 0..book.winners.len() {
        let margin = book.winners[n].margin;
        book.world.settle(&margin, SOL).expect("settle_position");
    }
    for n in 0..book.losers.len() {
        let margin = book.losers[n].margin;
        book.world.settle(&margin, SOL).expect("settle_position");
    }
    book.require_ladders_hold();
    assert_eq!(book.worths(&book.losers), losers, "a loser loses nothing");

    // What is left of a profit, exactly: the product of (1 − h), a fraction of 2^32 each.
    let kept = |pnl: i128| resolved.iter().fold(pnl, |pnl, one| pnl - share(pnl, one.event.fraction.into()));
    let mut lost = 0;
    for (before, after) in winners.iter().zip(book.worths(&book.winners)) {
        // Lots and quote are rounded down once each: less than a lot, worth 3 units at most, and a unit.
        let short = kept(*before) - after;
        assert!((-1..4 * UNIT).contains(&short), "kept {after} of {before}: {short}");
        lost += before - after;
    }
    let booked: i128 = resolved.iter().map(|one| one.booked).sum();
    let dust = lost - booked;
    let members = i128::try_from(winners.len()).expect("small");
    println!(
        "  {members} winners in {} buckets: lost {} = booked {} + dust {} (units); CU {:?}",
        book.buckets(),
        lost / UNIT,
        booked / UNIT,
        dust / UNIT,
        resolved.iter().map(|one| one.compute_units).collect::<Vec<_>>()
    );
    // As `Ladder::winners` says: at most a lot and a unit per member and unwind.
    let unwinds = i128::try_from(resolved.len()).expect("small");
    assert!((0..members * unwinds * 4 * UNIT).contains(&dust), "members lose what is booked, and dust");
    resolved
}

/// `amount · fraction / 2^32`, rounded down.
fn share(amount: i128, fraction: i128) -> i128 {
    // 2^64 at most for a hundred thousand dollars: fits.
    amount * fraction / ONE
}

/// To the unit: the debt is what winners paid and what rounding left for the pool; what was booked is what winners paid and the
/// surplus, which the insurance gets; the pool's equity changes by its part and by less than a unit of rounding.
fn require_sums(book: &Book, one: &Resolved, (equity, insurance): (i64, u64)) {
    let event = &one.event;
    let booked = u64::try_from(one.booked / UNIT).expect("an amount");
    assert_eq!(
        (event.reserve, event.backstop, event.first_loss, event.traders, event.unpaid),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(
        event.insurance, insurance,
        "an empty market's insurance has at most what an unwind left over"
    );
    assert_eq!(event.debt - event.insurance, event.deleveraged + event.pool);
    assert_eq!(booked, event.deleveraged + event.surplus, "{event:?}");
    assert!(event.pool == 0 || event.surplus == 0, "either too little or too much");
    // A bucket keeps up to a lot and a unit; the fraction itself is rounded up.
    let lot = (event.price >> 32) + 1;
    let dust = u64::try_from(book.buckets()).expect("small") * (lot + 1);
    let above = (event.winners >> 32) + 1;
    assert!(event.pool <= dust && event.surplus <= above, "{event:?}");
    assert_eq!(book.world.market(SOL).core.book.insurance, event.surplus);
    let lost = equity - book.equity();
    assert!(
        (0..=1).contains(&(i64::try_from(event.pool).expect("small") - lost)),
        "{lost} for {}",
        event.pool
    );
    let fraction = (u128::from(event.debt - event.insurance) << 32).div_ceil(event.winners.into());
    assert_eq!(u128::from(event.fraction), fraction, "the event says how it was worked out");
}

#[test]
fn a_resolution_costs_the_same_whatever_the_number_of_winners() {
    for side in Side::BOTH {
        println!("{side:?} winners");
        let mut costs: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for winners in [10, 50, 100, 300, 500] {
            let mut book = five_buckets(side, winners, &[100]);
            assert_eq!(book.buckets(), 6, "five with winners, one with losers");
            let resolved = resolve_and_check(&mut book);
            let [Resolved { event, compute_units, .. }] = &resolved[..] else { panic!("one debtor") };
            assert!(*compute_units <= BUDGET);
            let kind = (event.fraction % 2, event.pool > 0, event.surplus > 0);
            costs.entry(kind).or_default().push(*compute_units);
        }
        println!("  by odd fraction, a rest for the pool, a surplus: {costs:?}");
        for same in costs.values() {
            assert!(same.iter().all(|cost| cost == &same[0]), "to the unit: {costs:?}");
        }
        // In a bucket that was never unwound, `A·(2^32 − h)` ends in 64 zero bits if the fraction is even and in 63 otherwise,
        // and counting none costs ten units less; and the few units that rounding leaves or takes have one more step to go.
        // That is all that the number of winners can change.
        let all: Vec<_> = costs.values().flatten().collect();
        let (least, most) = (all.iter().min().expect("some"), all.iter().max().expect("some"));
        assert!(**most - **least <= 5 * 16 + 50, "{costs:?}");
    }
}

#[test]
fn a_book_of_all_buckets_is_resolved_within_its_budget() {
    for side in Side::BOTH {
        println!("{side:?} winners");
        for (step, buckets) in [(2, 64), (1, 128)] {
            let mut book = one_each(side, (0..128).step_by(step));
            assert_eq!(book.buckets(), buckets);
            // The second unwind of a bucket is not exact any more, and costs a division.
            for one in resolve_and_check(&mut book) {
                assert!(one.compute_units <= BUDGET, "{buckets} buckets: {}", one.compute_units);
            }
        }
    }
}

#[test]
fn a_book_that_is_unwound_three_times_in_a_row_takes_the_same_share_of_everybody_each_time() {
    for side in Side::BOTH {
        println!("{side:?} winners");
        let mut book = five_buckets(side, 100, &[60, 50, 40]);
        let resolved = resolve_and_check(&mut book);
        assert_eq!(resolved.len(), 3);
        assert!(resolved.iter().all(|one| one.compute_units <= BUDGET && one.event.deleveraged > 0));
    }
}

#[test]
fn the_last_to_leave_a_bucket_gives_its_dust_to_the_pool() {
    for side in Side::BOTH {
        for debtors in [&[100][..], &[60, 50, 40]] {
            let mut book = five_buckets(side, 50, debtors);
            let had: i128 = book.worths(&book.winners).iter().sum();
            let booked: i128 = (0..debtors.len()).map(|n| book.resolve(n).booked).sum();
            let dust = had - book.worths(&book.winners).iter().sum::<i128>() - booked;
            let mut sum = 0;
            for n in 0..book.winners.len() {
                let left = book.leave(n);
                // What he was paid less than the mark, spread and impact, is the pool's; so is what nobody owns.
                assert_eq!(left.gained, left.worth - left.paid + left.dust, "{n}: {left:?}");
                assert!((0..30 * 4 * UNIT).contains(&left.dust), "{left:?}");
                sum += left.dust;
            }
            println!("{side:?} winners, {} unwinds: the pool got {} / 2^32 of dust", debtors.len(), dust);
            assert_eq!(sum, dust, "what members lost beyond what was booked, to the last bit");
            assert!(dust > 0);
            book.winners.clear();
            book.require_ladders_hold();
        }
    }
}
