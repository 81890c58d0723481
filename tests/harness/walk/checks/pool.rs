//! What pool shares are worth, and what the pool lends: I12, and its part of I17.

use bulwark_sdk::event::Event;

use super::Moment;
use crate::walk::exact::{Mark, bits, floor, mul_div_floor};
use crate::walk::reference::{Ledger, Shares, Verdict, require};
use crate::walk::stage::{ACTORS, MARKETS, Stage};

/// Shares and quote units that exist in addition to the real ones.
const VIRTUAL: i128 = 1_000;
/// Fraction bits of the senior index.
const INDEX_FRACTION: u32 = 56;

/// What the program's net asset value may be below the exact one: it rounds what each side of a market is owed up.
pub(super) const ROUNDED: i128 = 2 * MARKETS as i128;

/// Net asset value with every market at the lower and at the higher of live price and average, quote units; the
/// higher one with the pool's fees that were not swept.
pub(super) fn nav(m: &Moment<'_>, ledger: &Ledger) -> [i128; 2] {
    let mut sums = [ledger.pool.idle; 2];
    for market in 0..MARKETS {
        let core = &m.after.market(market).core;
        let equity = [core.oracle.price, core.oracle.ema].map(|price| {
            let owed = ledger.owed(market, &Mark::of(core).at(bits(price)));
            (ledger.tills[market].cash + floor(-owed)).max(0)
        });
        // What nobody has paid is worth nothing to who leaves.
        sums[0] += (equity[0].min(equity[1]) - ledger.tills[market].unbacked).max(0);
        sums[1] += equity[0].max(equity[1]) + ledger.tills[market].fees[0];
    }
    sums
}

/// What shares of a tranche are worth at `nav`, quote units, rounded down: of the senior its claim or all there is, of
/// the junior the rest; `index` is what a senior share is owed.
pub(super) fn worth(pool: &Shares, index: i128, (tranche, shares): (usize, i128), nav: i128) -> i128 {
    if shares == 0 {
        return 0;
    }
    let all = pool.all[tranche];
    let owed = |shares: i128| (shares * index) >> INDEX_FRACTION;
    let claim = owed(pool.all[1]);
    let senior = claim.min(nav);
    match tranche {
        1 if senior == claim => owed(shares),
        1 => mul_div_floor(shares, senior, all),
        _ if nav - senior >= all => mul_div_floor(shares, nav - senior + VIRTUAL, all + VIRTUAL),
        _ => mul_div_floor(shares, nav - senior, all),
    }
}

/// What junior and senior are worth together at `nav`: the senior its claim or all there is, the junior the rest.
pub(super) fn tranches(pool: &Shares, nav: i128) -> [i128; 2] {
    let senior = ((pool.all[1] * pool.index) >> INDEX_FRACTION).min(nav);
    [nav - senior, senior]
}

/// That of everybody but who acts with `acting` shares of a tranche, at either price: no less after than before, but for
/// a unit. The coupon of the time that passed is in both.
pub(super) fn others_keep_their_worth(m: &Moment<'_>, acting: (usize, i128)) -> Verdict {
    let index = m.is.pool.index;
    for (before, after) in nav(m, m.was).into_iter().zip(nav(m, m.is)) {
        for tranche in 0..2 {
            let others = m.was.pool.all[tranche] - if tranche == acting.0 { acting.1 } else { 0 };
            let then = worth(&m.was.pool, index, (tranche, others), before);
            let now = worth(&m.is.pool, index, (tranche, others), after);
            require(now >= then - 1, || {
                format!("the others had {then} in tranche {tranche} and have {now}")
            })?;
        }
    }
    Ok(())
}

/// A deposit leaves what all the others' shares are worth as it was, of either tranche and at either price, and buys
/// shares that are worth no more than it, but for what the value of the markets was rounded by. Senior shares stay
/// within their ratio.
pub(super) fn i12_a_deposit_lowers_no_share_price(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let Event::LiquidityAdded(e) = event else { continue };
        others_keep_their_worth(m, (0, 0))?;
        let (tranche, index) = (usize::from(e.tranche), m.is.pool.index);
        let [low, high] = nav(m, m.is);
        for nav in [low, high] {
            let bought = worth(&m.is.pool, index, (tranche, i128::from(e.shares)), nav);
            require(bought <= i128::from(e.amount), || format!("{bought} bought for {}", e.amount))?;
        }
        if tranche == 1 {
            let [junior, senior] = tranches(&m.is.pool, low);
            let ratio = i128::from(m.after.pool().core.params.max_senior_ratio_ppm);
            let cap = mul_div_floor(junior + ROUNDED, ratio, 1_000_000);
            require(senior <= cap, || format!("{senior} senior on {junior} junior"))?;
        }
    }
    Ok(())
}

/// The pool counts as many shares as its mints have issued and tickets hold, and who added, requested or cancelled has
/// what is new or misses what is gone.
pub(super) fn i12_shares_are_what_was_minted(m: &Moment<'_>) -> Verdict {
    for tranche in 0..2 {
        let in_tickets = |ledger: &Ledger| -> i128 {
            let tickets = ledger.tickets.iter().flatten().filter(|t| t.tranche == tranche);
            tickets.map(|t| t.shares).sum()
        };
        let (supply, waiting) = (i128::from(m.after.share_supply(tranche)), in_tickets(m.is));
        let (all, redeeming) = (m.is.pool.all[tranche], m.is.pool.redeeming[tranche]);
        require(supply + waiting == all && waiting == redeeming, || {
            format!("tranche {tranche}: {supply} minted, {waiting} in tickets; {all} counted, {redeeming} so")
        })?;
        for actor in 0..ACTORS {
            let place = Stage::shares(actor, tranche);
            let got = i128::from(m.after.tokens(place)) - i128::from(m.before.tokens(place));
            let due: i128 = m.events().iter().map(|event| issued(m, event, (actor, tranche))).sum();
            require(got == due, || format!("tranche {tranche}: actor {actor} got {got}, {due} are due"))?;
        }
    }
    Ok(())
}

/// Shares of a tranche that an event gives to an actor, or takes.
fn issued(m: &Moment<'_>, event: &Event, (actor, tranche): (usize, usize)) -> i128 {
    let (to, of, shares) = match event {
        Event::LiquidityAdded(e) => (e.provider, e.tranche, i128::from(e.shares)),
        Event::RedeemCancelled(e) => (e.provider, e.tranche, i128::from(e.shares)),
        Event::RedeemRequested(e) => (e.provider, e.tranche, -i128::from(e.shares)),
        _ => return 0,
    };
    if to == m.stage.actors[actor] && usize::from(of) == tranche { shares } else { 0 }
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
