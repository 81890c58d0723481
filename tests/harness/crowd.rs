//! Who is in the market when it falls: traders of every leverage, on both sides, with quote or SOL as their margin.

use crate::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use crate::{BTC, SOL, SOL_VAULT, Trader, World};
use bulwark_sdk::engine::audit::MemberSums;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;

/// Accounts that trade in one market.
const PER_MARKET: usize = 40;
/// Accounts that trade in both.
const IN_BOTH: usize = 8;
/// Accounts whose margin is SOL, long in BTC.
const WITH_COLLATERAL: usize = 6;
/// Worth by which longs outweigh shorts in SOL, and shorts longs in BTC, dollars.
const SKEW: u64 = 600_000;

/// A market with what stands behind it.
pub struct Crowd {
    /// The chain.
    pub world: World,
    /// The traders.
    pub traders: Vec<Trader>,
}

/// What the insurance fund has when the crash begins, quote units.
#[derive(Clone, Copy)]
pub struct Backing {
    /// Reserve.
    pub reserve: u64,
    /// Stake.
    pub stake: u64,
}

impl Crowd {
    /// A SOL market with live parameters whose longs outweigh its shorts by most of what the curve allows, and a BTC market
    /// in which nothing moves by itself, where they are the lighter side: nobody there is closed before his auction ends.
    /// The SOL market reduces exposure above this worth of its skew.
    pub fn new(backing: Backing, inventory_cap: u64) -> Self {
        let mut world = World::empty();
        let mut live = SOL_ASSET.live_params();
        live.deleverage.inventory_cap = inventory_cap;
        world.list_market(&SOL_ASSET, live);
        world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
        world.list_vault(&SOL_ASSET, 9, 1_000_000_000_000_000);
        let provider = world.trader(10_000_000 * DOLLAR);
        world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
        for market in [SOL, BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let backer = world.trader(backing.reserve + backing.stake);
        world.fund_insurance(&backer, backing.reserve).expect("fund_insurance");
        world.stake(&backer, backing.stake).expect("stake");
        let mut crowd = Self { world, traders: vec![] };
        for n in 0..PER_MARKET {
            crowd.join(SOL, n);
            crowd.join(BTC, n);
        }
        for n in 0..IN_BOTH {
            crowd.join_both(n);
        }
        for n in 0..WITH_COLLATERAL {
            crowd.join_with_collateral(n);
        }
        crowd
    }

    /// Worth of the `n`th position and the quote behind it, dollars: 3 to 17 times.
    fn shape(n: usize) -> (u64, u64) {
        let n = u64::try_from(n).expect("small");
        let (leverage, worth) = (3 + n * 5 % 15, 60_000 + n * 37 % 11 * 10_000);
        (worth, worth / leverage)
    }

    /// The side that brings a market nearer to where its skew should be.
    fn side(&self, market: u16) -> Side {
        let skew = self.world.market(market).core.book.skew().expect("a skew").0;
        let aim = i64::try_from(World::asset(market).lots_worth(SKEW)).expect("lots");
        if skew > if market == SOL { aim } else { -aim } { Side::Short } else { Side::Long }
    }

    fn join(&mut self, market: u16, n: usize) {
        let (worth, quote) = Self::shape(n);
        let trader = self.world.funded_trader(quote * DOLLAR);
        self.open(&trader, market, self.side(market), worth);
        self.traders.push(trader);
    }

    fn join_both(&mut self, n: usize) {
        let (worth, quote) = Self::shape(n * 3 + 1);
        let trader = self.world.funded_trader(quote * DOLLAR);
        for (market, part) in [(SOL, 2), (BTC, 3)] {
            self.open(&trader, market, self.side(market), worth * part / 5);
        }
        self.traders.push(trader);
    }

    fn join_with_collateral(&mut self, n: usize) {
        let (worth, quote) = Self::shape(n * 2);
        let trader = self.world.funded_trader(100 * DOLLAR);
        let amount = SOL_ASSET.lots_worth(quote * 5 / 4);
        self.world.deposit_collateral(&trader, SOL_VAULT, amount).expect("deposit");
        self.open(&trader, BTC, Side::Long, worth);
        self.traders.push(trader);
    }

    fn open(&mut self, trader: &Trader, market: u16, side: Side, worth: u64) {
        let asset = World::asset(market);
        let (lots, step) = (asset.lots_worth(worth), asset.one() / 1000);
        self.world.open(trader, market, side, lots - lots % step).expect("open");
    }

    /// Worth of the traders' skew in a market, quote units.
    pub fn skew(&self, market: u16) -> u64 {
        let core = self.world.market(market).core;
        core.mark().mul_ceil(core.book.skew().expect("a skew").count()).expect("a worth")
    }

    /// Both oracles print, and anybody refreshes.
    pub fn print(&mut self, ppm: i64) {
        for market in [SOL, BTC] {
            self.world.set_price(market, World::asset(market).price / 1_000_000 * ppm);
        }
        self.world.refresh_sol_vault();
    }

    /// Exact worth of open interest, both sides of both markets, quote units.
    pub fn open_interest(&self) -> u64 {
        let of = |market| {
            let core = self.world.market(market).core;
            let both = core.book.long.lots + core.book.short.lots;
            core.mark().mul_floor(both).expect("a worth")
        };
        of(SOL) + of(BTC)
    }

    /// What stands behind the traders of a market, quote units: its insurance and its part of the fees, which the fund gets.
    pub fn insurance(&self, market: u16) -> u64 {
        let book = self.world.market(market).core.book;
        book.insurance + book.fees.insurance
    }

    /// I3: both ladders know every position.
    pub fn require_ladders_hold(&self, more: &[&Trader]) {
        for market in [SOL, BTC] {
            let core = self.world.market(market).core;
            for side in Side::BOTH {
                let ladder = core.book.side(side);
                let mut sums: Box<MemberSums> = bytemuck::zeroed_box();
                for trader in self.traders.iter().chain(more.iter().copied()) {
                    let account = self.world.margin(&trader.margin);
                    let positions = account.positions.iter().filter(|p| p.is_open() && p.market == market);
                    for position in positions.filter(|p| p.side == side.to_byte()) {
                        ladder.count_member(&mut sums, position).expect("a member");
                    }
                }
                assert!(ladder.agrees_with(&sums).expect("sums"), "I3: market {market}, {side:?}");
            }
        }
    }
}
