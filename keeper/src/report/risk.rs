//! Who is nearest to liquidation.
//!
//! Accounts are ordered by equity over requirement at the last prices, taken for sure; those that owe without having to
//! keep anything come first, for they are below any requirement. Whether one is in trouble is asked at the prices as they
//! stand, with their age and doubt, as a liquidator would find it. An account that he can't liquidate yet, but which is below
//! its requirement if the last prices are taken for sure, is doubtful: refreshed prices will tell.

use std::cmp::Ordering;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::debt;
use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::units::Quote;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use serde::Serialize;

use super::amount::{Amount, ratio_ppm};

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Margin accounts.
    pub accounts: usize,
    /// Positions, claims not counted.
    pub positions: usize,
    /// Accounts that can be liquidated at the prices as they stand.
    pub in_trouble: usize,
    /// Accounts of which only refreshed prices will tell.
    pub doubtful: usize,
    /// Accounts that owe quote.
    pub indebted: usize,
    /// Accounts that can't be judged: something that they hold is not among what was read.
    pub unknown: usize,
}

/// What a liquidator finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Nothing to do.
    Healthy,
    /// It can be liquidated.
    InTrouble,
    /// Prices have to be refreshed before anybody can say.
    Doubtful,
}

/// An account and how far it is from liquidation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRisk {
    /// Address.
    pub account: String,
    /// Worth at the last prices, quote units.
    pub equity: Amount,
    /// Maintenance requirement at the last prices, quote units.
    pub requirement: Amount,
    /// Equity over requirement, ppm rounded down; none without a requirement.
    pub ratio_ppm: Option<i64>,
    /// Market of the position that goes first: the largest requirement.
    pub first: Option<u16>,
    /// Relative move of that market's price to where liquidation begins, ppm of the price; none if no price of this market
    /// alone decides. Of an account below its requirement, the move that would bring it back there.
    pub distance_ppm: Option<i64>,
    /// What a liquidator finds.
    pub standing: Standing,
    /// Slots since its auction began, if one runs.
    pub auction_elapsed: Option<u64>,
}

/// Accounts at risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Risks {
    /// How many there are of what.
    pub counts: Counts,
    /// The nearest to liquidation, the nearest first.
    pub nearest: Vec<AccountRisk>,
}

/// The exchange as it stands, the same at sure prices, and the slot that programs see.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// As it was read.
    pub live: &'a Snapshot<'a>,
    /// With prices taken for sure.
    pub sure: &'a Snapshot<'a>,
    /// Slot that programs see.
    pub slot: u64,
}

impl Risks {
    /// Judges all accounts, and looks closely at the `top` nearest to liquidation.
    #[must_use]
    pub fn of(ground: Ground<'_>, accounts: &[(Pubkey, Box<MarginAccount>)], top: usize) -> Self {
        let mut counts = Counts { accounts: accounts.len(), ..Counts::default() };
        let mut near: Vec<(Health, &(Pubkey, Box<MarginAccount>))> = Vec::new();
        for entry in accounts {
            let account = &entry.1;
            counts.positions += account.positions.iter().filter(|p| p.is_open() && !p.is_claim()).count();
            counts.indebted += usize::from(debt::owed(account.quote) > 0);
            let Ok(health) = ground.sure.health(account, HealthType::Maint) else {
                counts.unknown += 1;
                continue;
            };
            match standing(&ground, account, health) {
                Standing::InTrouble => counts.in_trouble += 1,
                Standing::Doubtful => counts.doubtful += 1,
                Standing::Healthy => {}
            }
            if can_fall(&health) {
                near.push((health, entry));
            }
        }
        near.sort_by(|a, b| by_ratio(a.0, b.0).then(a.1.0.cmp(&b.1.0)));
        let nearest =
            near.iter().take(top).map(|(health, (key, account))| risk(&ground, (key, account), *health));
        Self { counts, nearest: nearest.collect() }
    }
}

fn standing(ground: &Ground<'_>, account: &MarginAccount, at_sure_prices: Health) -> Standing {
    match ground.live.distress(account, ground.slot) {
        Ok(Some(_)) => Standing::InTrouble,
        Ok(None) if at_sure_prices.equity >= at_sure_prices.requirement => Standing::Healthy,
        _ => Standing::Doubtful,
    }
}

/// Whether there is something to fall below: an account without requirement and debt can't be liquidated.
fn can_fall(health: &Health) -> bool {
    health.requirement > Quote::ZERO || health.equity < Quote::ZERO
}

/// Equity over requirement, ascending: `a/b < c/d` as `a·d < c·b`. Without requirement it is below everything.
fn by_ratio(one: Health, other: Health) -> Ordering {
    let cross = |a: Health, b: Health| i128::from(a.equity.0) * i128::from(b.requirement.0);
    let bare = |health: Health| health.requirement > Quote::ZERO;
    bare(one).cmp(&bare(other)).then_with(|| match bare(one) {
        true => cross(one, other).cmp(&cross(other, one)),
        false => one.equity.cmp(&other.equity),
    })
}

fn risk(ground: &Ground<'_>, (key, account): (&Pubkey, &MarginAccount), health: Health) -> AccountRisk {
    // It has a health, so these have answers, too, unless a number of theirs can't be represented.
    let first = goes_first(ground.sure, account).ok().flatten();
    let distance = first.and_then(|market| distance_ppm(ground.sure, account, market).ok().flatten());
    let running = account.auction.is_running(ground.slot);
    let (equity, requirement) = (Amount::from(health.equity), Amount::from(health.requirement));
    AccountRisk {
        account: key.to_string(),
        equity,
        requirement,
        ratio_ppm: ratio_ppm(equity, requirement),
        first,
        distance_ppm: distance,
        standing: standing(ground, account, health),
        auction_elapsed: running.then(|| ground.slot.saturating_sub(account.auction.started)),
    }
}

/// The position with the largest requirement, the first one of equals, as [`Snapshot::distress`] finds it.
fn goes_first(snapshot: &Snapshot<'_>, account: &MarginAccount) -> Result<Option<u16>, HealthError> {
    let mut worst: Option<(Quote, u16)> = None;
    for position in account.positions.iter().filter(|p| p.is_open() && !p.is_claim()) {
        let index = position.market;
        let market = snapshot.markets.get(&index).ok_or(HealthError::UnknownMarket(index))?;
        let part = Health::of_position_at_stored_price(&market.core, position, HealthType::Maint)?;
        if worst.is_none_or(|(most, _)| part.requirement > most) {
            worst = Some((part.requirement, index));
        }
    }
    Ok(worst.map(|(_, market)| market))
}

fn distance_ppm(
    snapshot: &Snapshot<'_>,
    account: &MarginAccount,
    market: u16,
) -> Result<Option<i64>, HealthError> {
    let Some(price) = snapshot.liquidation_price(account, market)? else { return Ok(None) };
    let live = snapshot.markets.get(&market).ok_or(HealthError::UnknownMarket(market))?.core.mark();
    let away = Amount::from(price.to_bits()).minus(live.to_bits());
    Ok(ratio_ppm(away, live.to_bits().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(equity: i64, requirement: i64) -> Health {
        Health { equity: Quote(equity), requirement: Quote(requirement) }
    }

    #[test]
    fn debtors_without_a_requirement_come_first_and_then_who_has_least_of_what_it_needs() {
        let mut all = [
            health(300, 100),
            health(99, 100),
            health(-1, 0),
            health(-5, 100),
            health(-7, 0),
            health(50, 10),
        ];
        all.sort_by(|a, b| by_ratio(*a, *b));
        assert_eq!(
            all,
            [
                health(-7, 0),
                health(-1, 0),
                health(-5, 100),
                health(99, 100),
                health(300, 100),
                health(50, 10)
            ]
        );
    }

    #[test]
    fn who_needs_nothing_and_owes_nothing_is_not_at_risk() {
        assert!(!can_fall(&health(0, 0)) && !can_fall(&health(7, 0)));
        assert!(can_fall(&health(7, 1)) && can_fall(&health(-1, 0)));
    }
}
