//! What prices may be used for: I13.

use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::LiquidationKind;

use super::Moment;
use crate::walk::exact::{Validity, validity};
use crate::walk::health::standing;
use crate::walk::reference::{Holder, Verdict, require};
use crate::walk::stage::{MARKETS, VAULTS};
use crate::walk::step::{Flaw, Step};

/// How far a print may be ahead of the clock, seconds.
const MAX_LEAD: i64 = 30;

fn oracles(state: &crate::walk::state::State) -> impl Iterator<Item = &OracleState> {
    let markets = (0..MARKETS).map(|i| &state.market(i).core.oracle);
    markets.chain((0..VAULTS).map(|i| &state.vault(i).core.oracle))
}

/// No price and no source goes back in time, and none is from the future.
pub(super) fn i13_time_goes_on(m: &Moment<'_>) -> Verdict {
    for (number, (old, new)) in oracles(m.before).zip(oracles(m.after)).enumerate() {
        let times = |o: &OracleState| [o.publish_time, o.primary_time, o.secondary_time];
        let (was, is) = (times(old), times(new));
        require(was.iter().zip(&is).all(|(was, is)| was <= is), || {
            format!("oracle {number} went back: {was:?} to {is:?}")
        })?;
        let frozen = new.publish_time == i64::MAX; // by a market that settles
        if frozen && old.publish_time != i64::MAX {
            continue;
        }
        let ahead = new.publish_time - m.after.now;
        require(frozen || ahead <= MAX_LEAD, || format!("oracle {number} is {ahead} s ahead"))?;
        require(new.publish_time > old.publish_time || new.price == old.price, || {
            format!("oracle {number}: another price of the same second")
        })?;
    }
    Ok(())
}

/// Which age limit a use has.
#[derive(Clone, Copy)]
enum Age {
    Trade,
    Margin,
}

/// State of a market's price.
fn of_market(m: &Moment<'_>, market: usize, age: Age) -> Validity {
    let core = &m.after.market(market).core;
    let params = &core.params.oracle;
    let limit = match age {
        Age::Trade => params.max_trade_age,
        Age::Margin => params.max_margin_age,
    };
    validity(&core.oracle, params, limit, m.after.now)
}

/// State of a collateral's price.
fn of_vault(m: &Moment<'_>, vault: usize) -> Validity {
    let core = &m.after.vault(vault).core;
    validity(&core.oracle, &core.params.oracle, core.params.oracle.max_margin_age, m.after.now)
}

fn closes(validity: Validity) -> bool {
    matches!(validity, Validity::Fresh | Validity::Wide)
}

/// Whether every position of the account but the one in `skip` has a price that its use takes.
fn legs(m: &Moment<'_>, holder: &Holder, skip: Option<usize>, usable: fn(Validity) -> bool) -> bool {
    let open = |market: &usize| holder.positions[*market].is_some_and(|held| !held.is_claim());
    (0..MARKETS)
        .filter(|market| Some(*market) != skip)
        .filter(open)
        .all(|market| usable(of_market(m, market, Age::Margin)))
}

fn collaterals(m: &Moment<'_>, holder: &Holder, usable: fn(Validity) -> bool) -> bool {
    (1..VAULTS).filter(|vault| holder.collaterals[*vault] != 0).all(|vault| usable(of_vault(m, vault)))
}

fn fresh(validity: Validity) -> bool {
    validity == Validity::Fresh
}

/// Whether nothing but fresh prices judged the account, its position in `skip` left out.
pub(super) fn judged_by_fresh_prices(m: &Moment<'_>, holder: &Holder, skip: usize) -> bool {
    legs(m, holder, Some(skip), fresh) && collaterals(m, holder, fresh)
}

/// Whether some leg of an account that is to be judged has a price that is stale, but not dead.
fn is_unsure(m: &Moment<'_>, account: usize) -> bool {
    m.is.holders[account].is_none_or(|holder| standing(m.is, &holder, m.after).is_unsure())
}

fn may_increase(m: &Moment<'_>, holder: &Holder, market: usize) -> bool {
    fresh(of_market(m, market, Age::Trade)) && legs(m, holder, Some(market), closes)
}

/// For certain: the other legs are asked only if the decrease makes things worse.
fn may_decrease(m: &Moment<'_>, holder: &Holder, market: usize) -> bool {
    let others = legs(m, holder, Some(market), closes) && collaterals(m, holder, closes);
    closes(of_market(m, market, Age::Trade)) && others
}

fn may_withdraw(m: &Moment<'_>, holder: &Holder) -> bool {
    let at_risk = holder.quote < 0 || holder.positions.iter().flatten().any(|held| !held.is_claim());
    !at_risk || legs(m, holder, None, fresh) && collaterals(m, holder, fresh)
}

/// Markets without positions are worth the same at any price.
fn all_markets(m: &Moment<'_>, age: Age) -> bool {
    let empty = |market: usize| m.was.sides(market).iter().all(|side| side.0 == 0);
    (0..MARKETS).all(|market| empty(market) || fresh(of_market(m, market, age)))
}

/// What was done was allowed by the prices, and what was refused for its prices was not.
pub(super) fn i13_prices_are_used_as_the_table_says(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let holder = |key| m.stage.account(key).and_then(|account| m.is.holders[account]).ok_or("no account");
        let allowed = match event {
            Event::Traded(e) if e.lots.signum() == e.position_lots.signum() => {
                may_increase(m, &holder(&e.account)?, e.market.into())
            }
            Event::Traded(e) => closes(of_market(m, e.market.into(), Age::Trade)),
            Event::Withdrawn(e) => may_withdraw(m, &holder(&e.account)?),
            Event::PositionSettled(e) => {
                e.loss == 0 && e.profit == 0 || fresh(of_market(m, e.market.into(), Age::Margin))
            }
            Event::Liquidated(e) if e.kind == LiquidationKind::Deleveraging => {
                fresh(of_market(m, e.market.into(), Age::Trade))
            }
            Event::Liquidated(e) => closes(of_market(m, e.market.into(), Age::Trade)),
            Event::AuctionCalled(e) => closes(of_market(m, e.market.into(), Age::Trade)),
            Event::BankruptcyResolved(e) => fresh(of_market(m, e.market.into(), Age::Trade)),
            Event::MarketRebalanced(e) => fresh(of_market(m, e.market.into(), Age::Trade)),
            Event::LiquidityAdded(_) | Event::Redeemed(_) => all_markets(m, Age::Trade),
            Event::LiquidityAllocated(_) | Event::RedeemRequested(_) => all_markets(m, Age::Margin),
            _ => true,
        };
        require(allowed, || format!("the prices do not allow {event:?}"))?;
    }
    match m.sent {
        Some(Err(name)) if ["PriceStale", "PriceWide", "PriceDivergent"].contains(&name.as_str()) => {
            require(may_be_refused(m), || format!("refused with {name} though every price is usable"))
        }
        _ => Ok(()),
    }
}

/// Whether some price that the step needs is not usable for it.
fn may_be_refused(m: &Moment<'_>) -> bool {
    let holder = |account: usize| m.is.holders[account].unwrap_or_default();
    match *m.step {
        Step::Open { account, order, flaw: Flaw::None, .. } => {
            !may_increase(m, &holder(account), order.market)
        }
        Step::RoundTrip { account, order } => {
            let holder = holder(account);
            !may_increase(m, &holder, order.market) || !may_decrease(m, &holder, order.market)
        }
        Step::Close { account, order, flaw: Flaw::None, .. } => {
            !may_decrease(m, &holder(account), order.market)
        }
        Step::Withdraw { account, flaw: Flaw::None, .. } => !may_withdraw(m, &holder(account)),
        Step::AddLiquidity { flaw: Flaw::None, .. } | Step::Redeem { flaw: Flaw::None, .. } => {
            !all_markets(m, Age::Trade)
        }
        Step::Allocate { .. } | Step::RequestRedeem { flaw: Flaw::None, .. } => !all_markets(m, Age::Margin),
        Step::LiquidateToPool { account, market, flaw: Flaw::None, .. } => {
            !closes(of_market(m, market, Age::Trade)) || is_unsure(m, account)
        }
        Step::Deleverage { market, flaw: Flaw::None, .. }
        | Step::Resolve { market, flaw: Flaw::None, .. }
        | Step::Rebalance { market } => !fresh(of_market(m, market, Age::Trade)),
        Step::LiquidateCollateral { account, vault, liquidator, flaw: Flaw::None, .. } => {
            let core = &m.after.vault(vault).core;
            let limit = core.params.oracle.max_trade_age;
            let fill = validity(&core.oracle, &core.params.oracle, limit, m.after.now);
            !fresh(fill) || is_unsure(m, account) || !legs(m, &holder(liquidator), None, closes)
        }
        Step::FundInsurance { .. }
        | Step::Stake { .. }
        | Step::RequestUnstake { flaw: Flaw::None, .. }
        | Step::Unstake { flaw: Flaw::None, .. }
        | Step::CancelUnstake { flaw: Flaw::None, .. }
        | Step::Deposit { .. }
        | Step::Settle { .. }
        | Step::Sweep { .. }
        | Step::PlaceTrigger { flaw: Flaw::None, .. }
        | Step::CancelTrigger { flaw: Flaw::None, .. }
        | Step::CancelRedeem { flaw: Flaw::None, .. } => false,
        _ => true, // a flawed instruction may have asked for other accounts
    }
}

/// In an hour the maintenance fraction rises by at most 10 % and falls by at most 5 %; the initial one is at least 1.6
/// times as large.
pub(super) fn margin_fractions_drift_slowly(m: &Moment<'_>) -> Verdict {
    for (market, (was, is)) in m.was.dynamics.iter().zip(&m.is.dynamics).enumerate() {
        let [_, mmf, imf] = is.fractions;
        require(10 * imf + 9 >= (16 * mmf).min(10_000_000), || format!("market {market}: {imf} on {mmf}"))?;
        let hours = (m.after.now - was.drifted_at).clamp(0, 3_600);
        let part = |of: i128, ppm: i128| of * ppm * i128::from(hours) / 3_600 / 1_000_000 + 1;
        let (most, least) =
            (was.drifting + part(was.drifting, 95_311), was.drifting - part(was.drifting, 50_000));
        require((least..=most).contains(&is.drifting), || {
            format!("market {market}: {} to {} in {hours} s", was.drifting, is.drifting)
        })?;
    }
    Ok(())
}
