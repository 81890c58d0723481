//! Liquidation, bankruptcy and deleveraging, and the stake behind them.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::ladder::{BUCKETS, WHOLE};
use bulwark_sdk::engine::units::{NormalPrice, Quote, Side};
use bulwark_sdk::program::state::{InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_sdk::{address, instruction as ix};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::world::{Failure, Outcome};
use bulwark_tests::{Signer, Trader};

use super::send;
use crate::shapes::{Bench, is_first, lots, market_asset, side};

fn cost(outcome: Result<Outcome, Failure>) -> Result<u64, Failure> {
    outcome.map(|outcome| outcome.compute_units)
}

/// Somebody with the shape of the bench's trader and money to spare.
fn liquidator(bench: &mut Bench) -> Trader {
    let liquidator = bench.world.funded_trader(100_000 * DOLLAR);
    for vault in 1..=bench.shape.collaterals {
        bench.world.deposit_collateral(&liquidator, vault, 1_000_000).expect("deposit");
    }
    for market in (0..bench.shape.positions).rev() {
        let size = lots(market_asset(market), 1_000);
        bench.world.open(&liquidator, market, side(market), size).expect("open_position");
    }
    liquidator
}

/// Takes quote and collateral from the bench's trader until it is below maintenance margin. Returns the market that has
/// to go first.
fn distress(bench: &mut Bench) -> u16 {
    for vault in 1..=bench.shape.collaterals {
        let mint = bench.world.listings.vaults[usize::from(vault)].mint;
        let to = bench.world.create_tokens(mint, bench.trader.key.pubkey(), 0);
        let held = bench.world.margin(&bench.trader.margin).collaterals;
        let held = held.iter().find(|c| c.vault == vault).map_or(0, |c| c.amount);
        bench.world.withdraw(&bench.trader, vault, (to, held - 1_000)).expect("withdraw");
    }
    // Moved to the pool's idle cash: the ledger still sums up.
    let worth = u64::from(bench.shape.positions) * 10_000 * DOLLAR;
    let (margin, keep) = (bench.trader.margin, worth / 50);
    let quote = bench.world.margin(&margin).quote.0.unsigned_abs();
    bench.world.tamper::<Pool>(&address::pool(), |p| p.core.idle += quote - keep);
    bench.world.tamper::<MarginAccount>(&margin, |a| a.quote = Quote::from_units(keep).expect("fits"));
    let (account, slot) = (bench.world.margin(&margin), bench.world.slot());
    let found = bench.world.ask(|snapshot| snapshot.distress(&account, slot).expect("all is there"));
    found.expect("below maintenance margin").first.expect("a position")
}

/// An account that owes `debt` for the bench's last market and has nothing else.
fn bankrupt(bench: &mut Bench, debt: u64) -> Pubkey {
    let margin = bench.world.funded_trader(DOLLAR).margin;
    let market = bench.market();
    bench.world.tamper::<MarginAccount>(&margin, |a| a.quote = Quote(-i64::try_from(debt).expect("fits")));
    bench.world.tamper::<Market>(&address::market(market), |m| m.core.book.cash += debt + DOLLAR);
    bench.world.owe(&margin, market, Side::Short);
    margin
}

/// Fills every bucket of the market's longs with a winner that has been unwound before.
fn fill_buckets(bench: &mut Bench) {
    bench.world.tamper::<Market>(&address::market(bench.market()), |m| {
        let price = NormalPrice::new(m.core.mark(), m.core.book.long.carry).expect("in range").0;
        let (lots, ladder) = (1_000_000_000, &mut m.core.book.long);
        for bucket in &mut ladder.buckets {
            let cost = Quote(bucket.cost.0 - 1_000_000);
            ladder.lots += lots;
            ladder.cost = Quote(ladder.cost.0 - 1_000_000);
            (bucket.lots, bucket.cost, bucket.bound) = (bucket.lots + lots, cost, NormalPrice(price / 2));
            (bucket.unwind, bucket.members) = (WHOLE / 3 * 2, bucket.members + 1);
        }
        assert_eq!(ladder.buckets.len(), BUCKETS);
    });
}

// ---- auctions ----

pub fn start_auction(bench: &mut Bench) -> Result<u64, Failure> {
    let (liquidator, market) = (liquidator(bench), distress(bench));
    cost(bench.world.liquidate(&liquidator, &bench.trader.margin, market, 0))
}

pub fn liquidate(bench: &mut Bench) -> Result<u64, Failure> {
    let (liquidator, market) = (liquidator(bench), distress(bench));
    cost(bench.world.liquidate(&liquidator, &bench.trader.margin, market, u64::MAX))
}

/// At once: the trader's side is the heavier one, for the neighbour and the trader are on it.
pub fn liquidate_to_pool(bench: &mut Bench) -> Result<u64, Failure> {
    let (keeper, market) = (liquidator(bench), distress(bench));
    cost(bench.world.liquidate_to_pool(&bench.trader.margin, market, Some(keeper.margin)))
}

pub fn pool_takeover(bench: &mut Bench) -> Result<u64, Failure> {
    let (keeper, market) = (liquidator(bench), distress(bench));
    let margin = bench.trader.margin;
    let started = bench.world.slot() - 60;
    bench.world.tamper::<MarginAccount>(&margin, |a| {
        (a.auction.started, a.auction.touched) = (started, started);
    });
    bench.world.tamper::<Market>(&address::market(market), |m| m.core.book.insurance += 100 * DOLLAR);
    let funded = 100 * DOLLAR;
    bench.world.tamper::<Pool>(&address::pool(), |p| p.core.idle -= funded);
    cost(bench.world.liquidate_to_pool(&margin, market, Some(keeper.margin)))
}

pub fn liquidate_collateral(bench: &mut Bench) -> Result<u64, Failure> {
    let liquidator = liquidator(bench);
    distress(bench);
    let vault = bench.vault();
    cost(bench.world.liquidate_collateral(&liquidator, &bench.trader.margin, vault, u64::MAX))
}

// ---- losses ----

pub fn resolve_bankruptcy(bench: &mut Bench) -> Result<u64, Failure> {
    let (margin, market) = (bankrupt(bench, 1_000 * DOLLAR), bench.market());
    cost(bench.world.resolve_bankruptcy(&margin, market))
}

/// With winners in all 128 buckets.
pub fn resolve_with_unwind(bench: &mut Bench) -> Result<u64, Failure> {
    fill_buckets(bench);
    let (margin, market) = (bankrupt(bench, 1_000 * DOLLAR), bench.market());
    cost(bench.world.resolve_bankruptcy(&margin, market))
}

/// A position of the heavy side above the cut-off, the skew above its cap.
pub fn auto_deleverage(bench: &mut Bench) -> Result<u64, Failure> {
    let (keeper, market) = (liquidator(bench), distress(bench));
    let margin = bench.trader.margin;
    let slot = bench.world.slot() - 100;
    bench.world.tamper::<Market>(&address::market(market), |m| {
        m.core.params.deleverage.inventory_cap = DOLLAR;
        m.core.deleveraging_since = slot;
    });
    cost(bench.world.auto_deleverage(&margin, market, Some(keeper.margin)))
}

/// With winners in all 128 buckets.
pub fn rebalance_market(bench: &mut Bench) -> Result<u64, Failure> {
    fill_buckets(bench);
    let market = bench.market();
    let cash = bench.world.market(market).core.book.cash;
    bench.world.tamper::<Market>(&address::market(market), |m| m.core.book.cash = 0);
    bench.world.tamper::<Pool>(&address::pool(), |p| p.core.idle += cash);
    send(bench, ix::rebalance_market(market), &[])
}

// ---- the fund ----

pub fn fund_insurance(bench: &mut Bench) -> Result<u64, Failure> {
    let donor = bench.world.trader(100 * DOLLAR);
    cost(bench.world.fund_insurance(&donor, 100 * DOLLAR))
}

fn stake(bench: &mut Bench) -> Result<(Trader, Pubkey), Failure> {
    let is_first = |key: &bulwark_tests::Keypair| {
        let seed = bulwark_sdk::program::state::UnstakeTicket::SEED;
        is_first(&[seed, key.pubkey().as_ref(), &0_u64.to_le_bytes()])
    };
    let key = bench.first_attempt(bulwark_tests::World::keypair, is_first);
    let mint = bench.world.listings.vaults[usize::from(Vault::QUOTE)].mint;
    let tokens = bench.world.create_tokens(mint, key.pubkey(), 1_000 * DOLLAR);
    let staker = Trader { margin: address::margin_account(&key.pubkey(), 0), key, tokens };
    bench.world.stake(&staker, 1_000 * DOLLAR).map(|shares| (staker, shares))
}

pub fn stake_backstop(bench: &mut Bench) -> Result<u64, Failure> {
    stake(bench)?;
    stake(bench).map(|_| bench.world.compute_units)
}

pub fn request_unstake(bench: &mut Bench) -> Result<u64, Failure> {
    let (staker, shares) = stake(bench)?;
    bench.world.request_unstake(&staker, shares, (0, 100 * DOLLAR))?;
    Ok(bench.world.compute_units)
}

/// The whole ticket.
pub fn unstake(bench: &mut Bench) -> Result<u64, Failure> {
    let (staker, shares) = stake(bench)?;
    let ticket = bench.world.request_unstake(&staker, shares, (0, 100 * DOLLAR))?;
    bench.world.advance(14 * 86_400);
    cost(bench.world.unstake(&staker, &ticket, 0))
}

pub fn cancel_unstake(bench: &mut Bench) -> Result<u64, Failure> {
    let (staker, shares) = stake(bench)?;
    let ticket = bench.world.request_unstake(&staker, shares, (0, 100 * DOLLAR))?;
    let reserve = bench.world.get::<InsuranceFund>(&address::insurance_fund()).core.reserve;
    assert_eq!(reserve, 0, "nobody has earned or lost yet");
    cost(bench.world.cancel_unstake(&staker, &ticket, shares))
}
