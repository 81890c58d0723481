//! What a move of prices would leave unpaid, and who would stand for it.
//!
//! Every account is asked for its health on a copy of the exchange at the moved prices ([`super::stress`]). What those below
//! zero owe together is the bad debt if nobody liquidates on the way there: an upper bound, for liquidations begin at the
//! maintenance requirement, and collateral counts after its haircut.
//!
//! Each account's debt is then split over its markets by the program's own book-keeping, as if its positions were closed in
//! slot order at the moved prices, and the waterfall of each market is run on the copy, with its daily limits. What market
//! insurance, the fund's reserve and the staked backstop pay of it is told apart; the rest would fall on the pool's first
//! loss, the winners and the pool.

use std::collections::{BTreeMap, BTreeSet};

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::book::Book;
use bulwark_sdk::engine::debt::{MARKETS, owed};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::Market;
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::engine::waterfall::{Fund, Loss, WaterfallReport};
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::MarketContext;
use bytemuck::Zeroable;
use serde::Serialize;

use super::amount::Amount;
use super::stress::{Shock, Target, shocked};

/// The pool's equity in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolEquity {
    /// Market index.
    pub market: u16,
    /// Cash less what traders are owed, quote units; below zero it is its traders' loss.
    pub equity: Amount,
}

/// Who pays how much of a bad debt, quote units. The parts sum to it, but for a unit that a split debt rounds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payers {
    /// The markets' insurance.
    pub insurance: Amount,
    /// The insurance fund's reserve, within what a market may draw in a day.
    pub reserve: Amount,
    /// The staked backstop, within what a market may draw in a day.
    pub stake: Amount,
    /// What is left for the pool's first loss, the winners of the other side, and the pool.
    pub rest: Amount,
}

/// What a shock would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scenario {
    /// Whose price moves.
    pub target: Target,
    /// By how much, per cent.
    pub shock_percent: Shock,
    /// Accounts below their maintenance requirement.
    pub below_maintenance: usize,
    /// Accounts whose equity is below zero.
    pub negative: usize,
    /// Accounts that can't be judged.
    pub unknown: usize,
    /// Sum of what equities are below zero, quote units.
    pub bad_debt: Amount,
    /// Insurance of the markets that move or bear a part of the bad debt, the fund's reserve and all stake, quote units.
    pub stands_against: Amount,
    /// Who pays the bad debt.
    pub payers: Payers,
    /// Whether insurance, reserve and stake pay all of it: of what is known, if there are accounts that can't be judged.
    pub suffices: bool,
    /// The pool's equity in the markets that move; a market whose price leaves the program's range is not among them.
    pub pool_equity: Vec<PoolEquity>,
}

/// A margin account, and whether it is above its requirement at the prices before.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    account: &'a MarginAccount,
    healthy: bool,
}

impl<'a> Judged<'a> {
    /// Judges all accounts at the prices of `sure`.
    #[must_use]
    pub fn all(sure: &MarketContext, accounts: &'a [(Pubkey, Box<MarginAccount>)]) -> Vec<Self> {
        let snapshot = sure.snapshot();
        let judge = |(_, account): &'a (Pubkey, Box<MarginAccount>)| {
            let health = snapshot.health(account, HealthType::Maint);
            Self { account, healthy: health.is_ok_and(|health| health.equity >= health.requirement) }
        };
        accounts.iter().map(judge).collect()
    }
}

/// Markets and vaults whose price has changed, or is gone.
struct Changed {
    markets: BTreeSet<u16>,
    vaults: BTreeSet<u16>,
}

impl Changed {
    fn between(sure: &MarketContext, moved: &MarketContext) -> Self {
        let market = |index: &u16| moved.markets.get(index).map(|market| market.core.oracle.price);
        let vault = |index: &u16| moved.vaults.get(index).map(|vault| vault.core.oracle.price);
        let markets = sure.markets.iter().filter(|(index, was)| market(index) != Some(was.core.oracle.price));
        let vaults = sure.vaults.iter().filter(|(index, was)| vault(index) != Some(was.core.oracle.price));
        Self {
            markets: markets.map(|(index, _)| *index).collect(),
            vaults: vaults.map(|(index, _)| *index).collect(),
        }
    }

    /// Whether an account comes to something else than before.
    fn touches(&self, account: &MarginAccount) -> bool {
        account.positions.iter().any(|held| held.is_open() && self.markets.contains(&held.market))
            || account.collaterals.iter().any(|held| held.amount != 0 && self.vaults.contains(&held.vault))
    }
}

/// Side of a market, as a map's key.
type Place = (u16, u8);

/// What accounts come to at some prices.
#[derive(Clone, Debug, Default)]
struct Tally {
    below_maintenance: usize,
    negative: usize,
    unknown: usize,
    bad_debt: Amount,
    by_place: BTreeMap<Place, u64>,
}

impl Scenario {
    /// Every shock for all markets together, then for each market alone.
    ///
    /// # Errors
    /// [`HealthError`] if the engine can't value the pool's equity.
    pub fn all(
        sure: &MarketContext,
        accounts: &[(Pubkey, Box<MarginAccount>)],
        shocks: &[Shock],
    ) -> Result<Vec<Self>, HealthError> {
        let judged = Judged::all(sure, accounts);
        let alone = sure.markets.keys().map(|&index| Target::Market(index));
        let targets = std::iter::once(Target::AllMarkets).chain(alone);
        let each = targets.flat_map(|target| shocks.iter().map(move |&shock| (target, shock)));
        each.map(|what| Self::of(sure, &judged, what)).collect()
    }

    /// One shock. `sure` is the exchange with prices taken for sure.
    ///
    /// # Errors
    /// [`HealthError`] if the engine can't value the pool's equity.
    pub fn of(
        sure: &MarketContext,
        accounts: &[Judged<'_>],
        (target, shock): (Target, Shock),
    ) -> Result<Self, HealthError> {
        let moved = shocked(sure, target, shock);
        let snapshot = moved.snapshot();
        let mut tally = Tally::default();
        let changed = Changed::between(sure, &moved);
        // Who was healthy and is not touched still is: most are, when one market of many moves.
        let affected = accounts.iter().filter(|judged| !judged.healthy || changed.touches(judged.account));
        affected.for_each(|judged| tally.count(&snapshot, judged.account));
        let fund = &moved.insurance_fund.core;
        let mut stands_against = Amount::from(fund.reserve);
        stands_against.add(fund.backstop.value()?);
        let mut pool_equity = Vec::new();
        for (&index, market) in &moved.markets {
            let moves = target == Target::AllMarkets || target == Target::Market(index);
            if moves || tally.bears(index) {
                stands_against.add(market.core.book.insurance);
            }
            if moves {
                let equity = market.core.book.equity(market.core.mark())?.into();
                pool_equity.push(PoolEquity { market: index, equity });
            }
        }
        let payers = pay(&moved, &tally);
        Ok(Self {
            target,
            shock_percent: shock,
            below_maintenance: tally.below_maintenance,
            negative: tally.negative,
            unknown: tally.unknown,
            bad_debt: tally.bad_debt,
            stands_against,
            suffices: payers.rest == Amount::ZERO,
            payers,
            pool_equity,
        })
    }
}

impl Tally {
    /// Whether a part of the bad debt falls on a market.
    fn bears(&self, market: u16) -> bool {
        self.by_place.range((market, u8::MIN)..=(market, u8::MAX)).next().is_some()
    }

    fn count(&mut self, snapshot: &Snapshot<'_>, account: &MarginAccount) {
        let Ok(health) = snapshot.health(account, HealthType::Maint) else {
            self.unknown += 1;
            return;
        };
        self.below_maintenance += usize::from(health.equity < health.requirement);
        let debt = owed(health.equity);
        if debt == 0 {
            return;
        }
        self.negative += 1;
        self.bad_debt.add(debt);
        // A debt that can't be split is in the sum all the same, and nobody is counted on to pay it.
        for (place, part) in split(snapshot, account, health.equity).unwrap_or_default() {
            let sum = self.by_place.entry(place).or_default();
            *sum = sum.saturating_add(part);
        }
    }
}

/// What each market bears of an account's negative equity, as [`bulwark_sdk::engine::debt::Debts`] books it.
fn split(
    snapshot: &Snapshot<'_>,
    account: &MarginAccount,
    equity: Quote,
) -> Result<Vec<(Place, u64)>, HealthError> {
    // What the markets hold back is not looked at: a book that holds back nothing yet does.
    let (mut debts, mut quote, mut book) = (account.debts, account.quote, Box::new(Book::zeroed()));
    for position in account.positions.iter().filter(|position| position.is_open()) {
        let place = (position.market, position.side()?);
        quote = debts.post(place, (quote, snapshot.pnl(position)?), &mut book)?;
    }
    let mut parts = Vec::new();
    for market in (0..).take(MARKETS) {
        let part = debts.share(market, equity)?;
        if part != 0 {
            parts.push(((market, debts.side(market)?.to_byte()), part));
        }
    }
    Ok(parts)
}

/// Runs the waterfalls of the debts on copies of markets and fund.
fn pay(moved: &MarketContext, tally: &Tally) -> Payers {
    let (mut fund, mut payers) = (moved.insurance_fund.core, Payers::default());
    let mut cores: BTreeMap<u16, Box<Market>> = BTreeMap::new();
    for (&(index, side), &debt) in &tally.by_place {
        let Some(market) = moved.markets.get(&index) else { continue };
        let core = cores.entry(index).or_insert_with(|| Box::new(market.core));
        // A waterfall that does not run pays nothing.
        let paid = resolve((core, &mut fund), (debt, side), moved.now).unwrap_or_default();
        payers.insurance.add(paid.insurance);
        payers.reserve.add(paid.reserve);
        payers.stake.add(paid.backstop);
    }
    let paid: Amount = [payers.insurance, payers.reserve, payers.stake].into_iter().sum();
    // Split debts are rounded up: nobody has paid more than there was.
    payers.rest = tally.bad_debt.minus(paid).max(Amount::ZERO);
    payers
}

fn resolve(
    (core, fund): (&mut Market, &mut Fund),
    (debt, side): (u64, u8),
    now: i64,
) -> bulwark_sdk::engine::Result<WaterfallReport> {
    let side = Side::from_byte(side)?;
    core.resolve(fund, &Loss { debt, side, now })
}
