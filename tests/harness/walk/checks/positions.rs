//! What ladders and positions agree on: I3, I11.

use bulwark_sdk::engine::ladder::{BUCKETS, Ladder, WHOLE};
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;

use super::Moment;
use crate::walk::exact::{Mark, floor, mul_div_ceil, mul_div_floor};
use crate::walk::ladder::bucket_of;
use crate::walk::reference::{Verdict, require};
use crate::walk::stage::{ACCOUNTS, MARKETS};

/// Sums over the members of a bucket, pending unwinds applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    members: u32,
    lots: i128,
    cost: i128,
}

/// Side totals are the sums of the buckets. A bucket is the sum of its members, or worth at least as much if it was
/// unwound. A position is in the bucket that it names, and no member's entry is worse than the bucket's bound.
pub(super) fn i3_buckets_are_their_members(m: &Moment<'_>) -> Verdict {
    for market in 0..MARKETS {
        let book = &m.after.market(market).core.book;
        for ladder in [&book.long, &book.short] {
            let side = ladder.side().map_err(|e| e.to_string())?;
            let what = |e: String| format!("market {market} {side:?}: {e}");
            let sums = members(m, market, ladder).map_err(what)?;
            agree(ladder, &sums).map_err(what)?;
        }
    }
    Ok(())
}

fn members(m: &Moment<'_>, market: usize, ladder: &Ladder) -> Result<[Sum; BUCKETS], String> {
    let mut sums = [Sum::default(); BUCKETS];
    for account in (0..ACCOUNTS).filter_map(|account| m.after.margin(account)) {
        let here = |p: &&Position| p.is_open() && usize::from(p.market) == market && p.side == ladder.side;
        for position in account.positions.iter().filter(here) {
            let number = usize::from(position.bucket);
            let bucket = ladder.buckets.get(number).ok_or("no such bucket")?;
            require(position.unwind != 0, || format!("a member that never joined: {position:?}"))?;
            let left =
                |x: i64| mul_div_floor(i128::from(x), i128::from(bucket.unwind), i128::from(position.unwind));
            let (lots, cost) = (left(position.lots.0), left(position.quote.0));
            let sum = &mut sums[number];
            *sum = Sum { members: sum.members + 1, lots: sum.lots + lots, cost: sum.cost + cost };
            // The entry −q/b, as it joined, against the bound: for a long −q ≤ b·bound, for a short, with b below zero, too.
            let (lots, cost) = (i128::from(position.lots.0), i128::from(position.quote.0));
            let bound = i128::from(bucket.bound.0);
            let covered = lots == 0 || -(cost << 48) <= lots * bound;
            require(covered, || format!("bucket {number} bounded by {bound} has a member {position:?}"))?;
        }
    }
    Ok(sums)
}

fn agree(ladder: &Ladder, sums: &[Sum; BUCKETS]) -> Verdict {
    let (mut lots, mut cost) = (0, 0);
    let sign = if ladder.side == Side::Long.to_byte() { 1 } else { -1 };
    for (number, (bucket, sum)) in ladder.buckets.iter().zip(sums).enumerate() {
        let own = Sum {
            members: bucket.members,
            lots: sign * i128::from(bucket.lots),
            cost: i128::from(bucket.cost.0),
        };
        let covers = own.members == sum.members && own.lots >= sum.lots && own.cost >= sum.cost;
        let holds = if bucket.unwind == WHOLE { own == *sum } else { covers };
        require(holds, || format!("bucket {number} has {own:?}, its members {sum:?}"))?;
        lots += i128::from(bucket.lots);
        cost += own.cost;
    }
    let totals = (i128::from(ladder.lots), i128::from(ladder.cost.0));
    require(totals == (lots, cost), || format!("totals {totals:?}, buckets {:?}", (lots, cost)))
}

/// Who has just traded or settled is filed under the price at which the position breaks even now.
pub(super) fn i3_a_position_is_filed_under_its_entry(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let (key, market) = match event {
            Event::Traded(e) => (e.account, e.market),
            Event::PositionSettled(e) => (e.account, e.market),
            Event::Liquidated(e) => (e.account, e.market),
            _ => continue,
        };
        let place = m.stage.account(&key).ok_or("unknown account")?;
        let account = m.after.margin(place).ok_or("the account was closed")?;
        let Some(position) = account.position(market).map(|slot| account.positions[slot]) else { continue };
        let side = position.side().map_err(|e| e.to_string())?;
        let core = &m.after.market(usize::from(market)).core;
        let (b, q) = (i128::from(position.lots.0), i128::from(position.quote.0) << 48);
        let entry = match side {
            _ if b == 0 => continue, // a claim has no entry
            Side::Long => mul_div_ceil(-q, 1, b),
            Side::Short => mul_div_floor(q, 1, -b),
        };
        let break_even = (entry + Mark::of(core).carry(side)) >> 16;
        let due = bucket_of(break_even, core.book.side(side).octave);
        require(usize::from(position.bucket) == due, || {
            format!("account {place} is in bucket {}, {due} is where {break_even} belongs", position.bucket)
        })?;
    }
    Ok(())
}

/// What a change of the carry indices takes from the traders is what it gives to the pool: `Σ −b·ΔC` over the
/// positions and `Σ b_side·ΔC` over the sides cancel. As traders and pool are paid, in whole units, it leaves the pool
/// with dust: what all positions are worth, each rounded down, and the market's equity are never more than its cash,
/// and less by at most a unit for each.
pub(super) fn i11_carry_sums_to_zero(m: &Moment<'_>) -> Verdict {
    for market in 0..MARKETS {
        let (old, new) = (&m.before.market(market).core, &m.after.market(market).core);
        let moved = |side: Side| Mark::of(new).carry(side) - Mark::of(old).carry(side);
        if Side::BOTH.map(moved) == [0, 0] {
            continue;
        }
        let traders: i128 = m.was.members(market).map(|held| -held.b * moved(held.side)).sum();
        let dust: i128 =
            Side::BOTH.map(|side| m.reference.dust(market, side as usize) * moved(side).abs()).iter().sum();
        let sides = Side::BOTH.map(|side| {
            let held = old.book.side(side).holding().expect("totals are in range");
            i128::from(held.lots.0) * moved(side)
        });
        let pool: i128 = sides.iter().sum();
        require((traders + pool).abs() <= dust, || {
            format!("market {market}: traders {traders}, pool {pool}, dust {dust}")
        })?;

        let (mark, mut book) = (Mark::of(new), old.book);
        (book.long.carry, book.short.carry) = (new.book.long.carry, new.book.short.carry);
        let equity = book.equity(new.mark()).map_err(|e| e.to_string())?;
        let values: i128 = m.was.members(market).map(|held| floor(mark.value(held))).sum();
        let members = m.was.members(market).count() as i128;
        let unwound = [0, 1].map(|side| m.reference.dust(market, side));
        // A lot is worth a unit at most, where the walk's prices begin, and five where they end.
        let members = members + 6 * unwound.iter().sum::<i128>();
        let dust = i128::from(book.cash) - i128::from(equity.0) - values;
        require((0..=members + 2).contains(&dust), || format!("market {market}: dust {dust} of {members}"))?;
    }
    Ok(())
}
