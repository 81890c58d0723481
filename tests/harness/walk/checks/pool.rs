//! What pool shares are worth, and what the pool lends: I12, and its part of I17.

use bulwark_sdk::event::Event;

use super::Moment;
use crate::walk::exact::{Mark, bits, floor, mul_div_floor};
use crate::walk::reference::{Ledger, Verdict, require};
use crate::walk::stage::{ACTORS, MARKETS, Stage};

/// Shares and quote units that exist in addition to the real ones.
const VIRTUAL: i128 = 1_000;

/// What the program's net asset value may be below the exact one: it rounds what each side of a market is owed up.
const ROUNDED: i128 = 2 * MARKETS as i128;

/// Net asset value with every market at the lower and at the higher of live price and average, quote units; the
/// higher one with the pool's fees that were not swept.
fn nav(m: &Moment<'_>, ledger: &Ledger) -> [i128; 2] {
    let mut sums = [ledger.idle; 2];
    for market in 0..MARKETS {
        let core = &m.after.market(market).core;
        let equity = [core.oracle.price, core.oracle.ema].map(|price| {
            let mark = Mark::of(core).at(bits(price));
            let owed: i128 = ledger.members(market).map(|held| mark.value(held)).sum();
            (ledger.tills[market].cash + floor(-owed)).max(0)
        });
        sums[0] += equity[0].min(equity[1]);
        sums[1] += equity[0].max(equity[1]) + ledger.tills[market].fees[0];
    }
    sums
}

/// A deposit leaves what all the others' shares are worth as it was, at either price, and buys shares that are worth no
/// more than it, but for what the value of the markets was rounded by.
pub(super) fn i12_a_deposit_lowers_no_share_price(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let Event::LiquidityAdded(e) = event else { continue };
        let (before, after) = (nav(m, m.was), nav(m, m.is));
        for (before, after) in before.into_iter().zip(after) {
            let worth = |shares, nav, supply| mul_div_floor(shares, nav + VIRTUAL, supply + VIRTUAL);
            let others = m.was.shares;
            let (then, now) = (worth(others, before, others), worth(others, after, m.is.shares));
            require(now >= then - ROUNDED - 1, || format!("the others had {then} and have {now}"))?;
            let bought = worth(i128::from(e.shares), after, m.is.shares);
            require(bought <= i128::from(e.amount) + ROUNDED, || {
                format!("{bought} bought for {}", e.amount)
            })?;
        }
    }
    Ok(())
}

/// The pool counts as many shares as its mint has issued, and the actors got what is new.
pub(super) fn i12_shares_are_what_was_minted(m: &Moment<'_>) -> Verdict {
    let supply = i128::from(m.after.share_supply());
    require(supply == m.is.shares, || format!("{supply} minted, {} counted", m.is.shares))?;
    let held = |state: &crate::walk::state::State| -> i128 {
        (0..ACTORS).map(|actor| i128::from(state.tokens(Stage::shares(actor)))).sum()
    };
    let (got, minted) = (held(m.after) - held(m.before), m.is.shares - m.was.shares);
    require(got == minted, || format!("{minted} minted, {got} received"))
}

/// What a market is lent is at most its weight of the net asset value, and what it has lost of that is not lent again.
pub(super) fn i17_a_loss_is_not_refilled(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let Event::LiquidityAllocated(e) = event else { continue };
        let params = &m.after.market(usize::from(e.market)).core.params;
        let target = mul_div_floor(nav(m, m.was)[1], i128::from(params.target_weight_ppm), 1_000_000);
        let within = e.amount <= 0 || i128::from(e.committed) <= target;
        require(within, || format!("{} lent, the target is {target}", e.committed))?;
    }
    Ok(())
}
