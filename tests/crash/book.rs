//! A market with many winners on one side, some losers, and debtors on the other side that will be bankrupt.

use bulwark_sdk::engine::auction::{LAPSE_SLOTS, TAKEOVER_SLOTS};
use bulwark_sdk::engine::audit::MemberSums;
use bulwark_sdk::engine::ladder::Bucket;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::position::Holding;
use bulwark_sdk::engine::units::{Lots, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::BankruptcyResolved;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{SOL, Trader, World};

/// One quote unit as worths are compared here.
pub const UNIT: i128 = 1 << 32;

/// What a book is made of.
pub struct Shape {
    /// Side of the winners.
    pub side: Side,
    /// Entry prices of the winners, dollars with eight decimals, the best first.
    pub entries: Vec<i64>,
    /// Winners at every entry.
    pub each: usize,
    /// Lots of a winner.
    pub lots: u64,
    /// Who will be bankrupt on the other side, in at the last entry: lots of each.
    pub debtors: Vec<u64>,
    /// Whether some lose on the winners' side: beyond the last bucket they would share it with winners.
    pub losing_too: bool,
    /// Where it ends.
    pub price: i64,
}

/// The market.
pub struct Book {
    /// The chain.
    pub world: World,
    /// Side of the winners.
    side: Side,
    /// Positions in profit.
    pub winners: Vec<Trader>,
    /// Positions of both sides at a loss, with margin for it.
    pub losers: Vec<Trader>,
    /// Who has lost more than he has, his position gone.
    pub debtors: Vec<Trader>,
}

/// What a resolution did.
pub struct Resolved {
    /// The event.
    pub event: BankruptcyResolved,
    /// Compute units of the transaction.
    pub compute_units: u64,
    /// By how much less the winners' side is owed, exactly: units of 2^-32.
    pub booked: i128,
}

/// What a winner's leaving moved: units of 2^-32.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// What the position was worth.
    pub worth: i128,
    /// What it was paid, fee not taken off.
    pub paid: i128,
    /// What the bucket had beyond its members: none unless this was the last of them.
    pub dust: i128,
    /// What the market's pool money became worth more.
    pub gained: i128,
}

fn params() -> MarketParams {
    MarketParams {
        skew_scale: SOL_ASSET.lots_worth(100_000_000_000),
        max_oi: SOL_ASSET.lots_worth(100_000_000),
        share_floor: SOL_ASSET.lots_worth(100_000_000),
        profit_cap_ppm: 1_000_000,
        ..SOL_ASSET.market_params()
    }
}

impl Book {
    /// Opens everything, moves the price, and has the debtors' positions taken by the pool.
    pub fn new(shape: &Shape) -> Self {
        let mut world = World::empty();
        world.list_market(&SOL_ASSET, params());
        let provider = world.trader(100_000_000 * DOLLAR);
        world.add_liquidity(&provider, 100_000_000 * DOLLAR).expect("add_liquidity");
        world.send(&[ix::allocate_liquidity(&world.listings, SOL)], &[]).expect("allocate_liquidity");
        let (winners, losers, debtors) = (vec![], vec![], vec![]);
        let mut book = Self { world, side: shape.side, winners, losers, debtors };
        for &entry in &shape.entries {
            book.world.move_price(SOL, entry);
            for _ in 0..shape.each {
                let winner = book.open((shape.side, shape.lots), 20_000);
                book.winners.push(winner);
            }
        }
        // New risk is judged at the average too.
        book.world.settle_price(SOL, *shape.entries.last().expect("entries"));
        for &lots in &shape.debtors {
            let debtor = book.open((shape.side.opposite(), lots), book.worth(lots) * 15 / 100);
            book.debtors.push(debtor);
        }
        let loser = book.open((shape.side.opposite(), shape.lots), 1_000_000);
        book.losers.push(loser);
        if shape.losing_too {
            let eighth = if shape.side == Side::Long { shape.price / 8 } else { -shape.price / 8 };
            for _ in 0..2 {
                book.world.move_price(SOL, shape.price + eighth);
                let loser = book.open((shape.side, shape.lots), 1_000_000);
                book.losers.push(loser);
            }
        }
        book.world.move_price(SOL, shape.price);
        book.hand_over(shape.price);
        book
    }

    /// Worth of lots at the live price, dollars.
    fn worth(&self, lots: u64) -> u64 {
        self.world.market(SOL).core.mark().mul_floor(lots).expect("a worth") / DOLLAR
    }

    fn open(&mut self, (side, lots): (Side, u64), dollars: u64) -> Trader {
        let trader = self.world.funded_trader(dollars * DOLLAR);
        self.world.open(&trader, SOL, side, lots).expect("open");
        trader
    }

    /// The debtors' auctions fail, and the pool takes their positions.
    fn hand_over(&mut self, price: i64) {
        let debtors: Vec<_> = self.debtors.iter().map(|debtor| debtor.margin).collect();
        for debtor in &debtors {
            self.world.liquidate_to_pool(debtor, SOL, None).expect("starts the auction");
        }
        for elapsed in (1..=TAKEOVER_SLOTS / LAPSE_SLOTS).map(|call| call * LAPSE_SLOTS) {
            self.world.advance_slots(LAPSE_SLOTS);
            self.world.set_price(SOL, price);
            if elapsed < TAKEOVER_SLOTS {
                for debtor in &debtors {
                    self.world.liquidate_to_pool(debtor, SOL, None).expect("keeps the auction running");
                }
            }
        }
        for debtor in &debtors {
            self.world.liquidate_to_pool(debtor, SOL, None).expect("liquidate_to_pool");
            let account = self.world.margin(debtor);
            assert!(account.quote.0 < 0 && !account.has_positions(), "bankrupt");
        }
    }

    /// What a holding is worth at the live price: units of 2^-32. Nothing accrues in this market.
    fn worth_of(&self, Holding { lots, quote }: Holding) -> i128 {
        let price = self.world.market(SOL).core.mark().to_bits();
        i128::from(lots.0) * i128::from(price) + i128::from(quote.0) * UNIT
    }

    /// What every one of these has: the position as it would be settled.
    pub fn worths(&self, traders: &[Trader]) -> Vec<i128> {
        let core = self.world.market(SOL).core;
        let of = |trader: &Trader| {
            let account = self.world.margin(&trader.margin);
            let position = account.positions[account.position(SOL).expect("a position")];
            let ladder = core.book.side(position.side().expect("a side"));
            self.worth_of(ladder.member(&position).expect("a member"))
        };
        traders.iter().map(of).collect()
    }

    /// What a side is owed: units of 2^-32.
    fn owed(&self, side: Side) -> i128 {
        self.worth_of(self.world.market(SOL).core.book.side(side).holding().expect("a side"))
    }

    /// What the pool's money in the market is worth: units of 2^-32.
    fn wealth(&self) -> i128 {
        let cash = i128::from(self.world.market(SOL).core.book.cash) * UNIT;
        cash - self.owed(Side::Long) - self.owed(Side::Short)
    }

    /// The `n`th winner closes.
    pub fn leave(&mut self, n: usize) -> Left {
        let account = self.world.margin(&self.winners[n].margin);
        let position = account.positions[account.position(SOL).expect("a position")];
        let core = self.world.market(SOL).core;
        let ladder = core.book.side(self.side);
        let bucket = ladder.bucket(position.bucket).expect("a bucket");
        let worth = self.worth_of(ladder.member(&position).expect("a member"));
        let lots = Lots::on(self.side, bucket.lots).expect("lots");
        let dust = match bucket.members {
            1 => self.worth_of(Holding { lots, quote: bucket.cost }) - worth,
            _ => 0,
        };
        let before = self.wealth();
        let outcome = self.world.close(&self.winners[n], SOL, u64::MAX).expect("close");
        let (trade, after) = (outcome.trade(), self.world.market(SOL).core);
        assert_eq!((trade.claim, trade.toxic_fee), (0, 0));
        if bucket.members == 1 {
            let left = after.book.side(self.side).bucket(position.bucket).expect("a bucket");
            assert_eq!(*left, Bucket::empty(self.side), "nothing is left of a bucket without members");
        }
        Left { worth, paid: i128::from(trade.realised) * UNIT, dust, gained: self.wealth() - before }
    }

    /// Equity of the market, quote units.
    pub fn equity(&self) -> i64 {
        let core = self.world.market(SOL).core;
        core.book.equity(core.mark()).expect("an equity").0
    }

    /// Resolves what the `n`th debtor owes.
    pub fn resolve(&mut self, n: usize) -> Resolved {
        let before = self.owed(self.side);
        let outcome =
            self.world.resolve_bankruptcy(&self.debtors[n].margin, SOL).expect("resolve_bankruptcy");
        let pick = |e| if let Event::BankruptcyResolved(e) = e { Some(e) } else { None };
        let event = outcome.events.into_iter().find_map(pick).expect("an event");
        Resolved { event, compute_units: outcome.compute_units, booked: before - self.owed(self.side) }
    }

    /// Buckets of the winners' side that have members.
    pub fn buckets(&self) -> usize {
        self.world.market(SOL).core.book.side(self.side).buckets.iter().filter(|b| b.members > 0).count()
    }

    /// I3: the ladders know every position.
    pub fn require_ladders_hold(&self) {
        let core = self.world.market(SOL).core;
        for side in Side::BOTH {
            let ladder = core.book.side(side);
            let mut sums: Box<MemberSums> = bytemuck::zeroed_box();
            for trader in self.winners.iter().chain(&self.losers) {
                let account = self.world.margin(&trader.margin);
                for position in account.positions.iter().filter(|p| p.is_open() && p.side == side.to_byte()) {
                    ladder.count_member(&mut sums, position).expect("a member");
                }
            }
            assert!(ladder.agrees_with(&sums).expect("sums"), "I3: {side:?}");
        }
    }
}

/// A price in the middle of the `n`th of the 128 buckets: sixteen steps an octave from 7.8125 dollars, a lot being worth
/// 2^-3 to 2^-2 quote units at 150.
pub fn entry_of_bucket(n: i64) -> i64 {
    let lowest = PRINT * 78_125 / 10_000;
    (lowest << (n / 16)) * (2 * (n % 16) + 33) / 32
}
