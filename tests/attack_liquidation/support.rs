//! What the attack suites share: two markets and a collateral whose prices do as they are told, and the sum of all that a
//! party owns.

#![allow(dead_code, reason = "each of the two suites uses its part")]

use std::ops::{Deref, DerefMut};

use bulwark_sdk::engine::auction::LAPSE_SLOTS;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::{NormalPrice, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{BankruptcyResolved, CollateralSold, Liquidated};
use bulwark_sdk::program::state::{MarginAccount, Market, Pool};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
use bulwark_tests::{Failure, Outcome, Trader, World, ledger};

/// First market: 0.125 quote units a lot, which Q32.32 holds exactly.
pub const A: u16 = 0;
/// Second market.
pub const B: u16 = 1;
/// Vault of the volatile collateral.
pub const GOLD: u16 = 1;
/// One base unit, in lots of either market and in token units of the collateral.
pub const ONE: u64 = 1_000_000_000;
/// Least lots of an order.
pub const STEP: u64 = ONE / 1_000;
/// What is listed, by market; then the collateral.
pub const ASSETS: [Asset; 3] = [asset("UNI"), asset("VEE"), asset("AUR")];

const fn asset(name: &'static str) -> Asset {
    Asset { name, lot_decimals: 9, price: 125 * PRINT }
}

/// 20x, 5 bp fee, 2 bp half spread, on a curve so flat that impact is dust.
pub fn params() -> MarketParams {
    MarketParams { skew_scale: 1_000_000_000 * ONE, ..ASSETS[0].market_params() }
}

/// As [`params`], with neither fee nor spread: rounding is all that is left.
pub fn free() -> MarketParams {
    MarketParams { taker_fee_ppm: 0, base_spread_ppm: 0, conf_spread_ppm: 0, ..params() }
}

/// Two markets with four million dollars each, two million idle, a collateral, and prices that stay until they are moved.
pub struct Scene {
    /// The chain.
    pub world: World,
    /// Prices of the assets, dollars with eight decimals.
    pub prices: [i64; 3],
    /// Their confidence.
    pub confs: [u64; 3],
    /// Oracles that have stopped.
    pub dead: [bool; 3],
}

impl Deref for Scene {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Scene {
    /// Both markets with the same parameters.
    pub fn new(params: MarketParams) -> Self {
        Self::of(World::empty(), [params; 2])
    }

    /// On an exchange with nothing listed.
    pub fn of(mut world: World, params: [MarketParams; 2]) -> Self {
        for (asset, params) in ASSETS.iter().zip(params) {
            world.list_market(asset, params);
        }
        world.list_vault(&ASSETS[2], 9, 1_000_000_000 * ONE);
        let provider = world.trader(10_000_000 * DOLLAR);
        world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
        for market in [A, B] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let mut scene = Self { world, prices: [125 * PRINT; 3], confs: [0; 3], dead: [false; 3] };
        scene.wait(3);
        scene
    }

    /// A copy.
    pub fn fork(&self) -> Self {
        Self { world: self.world.fork(), ..*self }
    }

    /// Lets slots pass; every oracle that lives says its price again.
    pub fn wait(&mut self, slots: u64) {
        self.world.advance_slots(slots);
        self.refresh();
    }

    /// Prints and refreshes everything that lives, now.
    pub fn refresh(&mut self) {
        for (n, asset) in ASSETS.iter().enumerate().filter(|(n, _)| !self.dead[*n]) {
            self.world.print(asset, self.prices[n], self.confs[n]);
            let oracles = World::oracles(asset);
            let refresh = match u16::try_from(n).expect("small") {
                2 => ix::refresh_vault((GOLD, &self.world.listings.vaults[1].mint), oracles),
                market if self.world.market(market).core.is_settling() => continue,
                market => ix::refresh_market(market, oracles),
            };
            self.world.send(&[refresh], &[]).expect("refresh");
        }
    }

    /// Three slots later, a price in whole dollars and cents.
    pub fn go(&mut self, asset: u16, cents: i64) {
        self.prices[usize::from(asset)] = cents * PRINT / 100;
        self.wait(3);
    }

    /// As [`Scene::go`], and the average gets there too.
    pub fn settle_at(&mut self, asset: u16, cents: i64) {
        self.go(asset, cents);
        while {
            self.wait(150);
            let oracle = self.market(asset).core.oracle;
            oracle.ema.to_bits().abs_diff(oracle.price.to_bits()) > oracle.price.to_bits() / 1_000_000
        } {}
    }

    /// A trader with so many dollars and so much collateral on the account.
    pub fn with_gold(&mut self, dollars: u64, gold: u64) -> Trader {
        let trader = self.funded_trader(dollars * DOLLAR);
        self.deposit_collateral(&trader, GOLD, gold).expect("collateral");
        trader
    }

    /// Gives the trader quote tokens and deposits them.
    pub fn create_and_deposit(&mut self, who: &Trader, amount: u64) {
        let held = self.token_balance(&who.tokens);
        self.write_tokens(who.tokens, |state| state.amount = held + amount);
        self.deposit(who, amount).expect("deposit");
    }

    /// The quote balance of an account.
    pub fn quote(&self, who: &Trader) -> i64 {
        self.margin(&who.margin).quote.0
    }

    /// Gold of an account, token units.
    pub fn gold(&self, who: &Trader) -> u64 {
        self.margin(&who.margin).collaterals.iter().find(|c| c.vault == GOLD).map_or(0, |c| c.amount)
    }

    /// Signed lots of the account's position, pending unwind applied; zero without one.
    pub fn lots(&self, who: &Trader, market: u16) -> i64 {
        let account = self.margin(&who.margin);
        let Some(slot) = account.position(market) else { return 0 };
        let position = account.positions[slot];
        let book = self.market(market).core.book;
        book.side(position.side().expect("side")).member(&position).expect("member").lots.0
    }

    /// Equity and requirement with every doubt in the account's favour.
    pub fn health(&self, who: &Trader) -> [i64; 2] {
        let health = self.world.health(&who.margin, bulwark_sdk::engine::margin::HealthType::Liquidate);
        [health.equity.0, health.requirement.0]
    }

    /// All that accounts and wallets of these traders hold, at the mark and without haircut, quote units. Claims in full.
    pub fn wealth<'a>(&self, party: impl IntoIterator<Item = &'a Trader>) -> i128 {
        party
            .into_iter()
            .map(|who| self.worth(&who.margin) + i128::from(self.token_balance(&who.tokens)))
            .sum()
    }

    /// What an account is worth at the mark, without haircut.
    pub fn worth(&self, margin: &Pubkey) -> i128 {
        let account = self.margin(margin);
        let mut sum = i128::from(account.quote.0);
        for position in account.positions.iter().filter(|p| p.is_open()) {
            let core = self.market(position.market).core;
            let ladder = core.book.side(position.side().expect("side"));
            let price = NormalPrice::new(core.mark(), ladder.carry).expect("in range");
            sum += i128::from(ladder.member(position).expect("member").pnl(price).expect("pnl").0);
        }
        for slot in account.collaterals.iter().filter(|c| c.amount != 0) {
            sum += i128::from(self.vault(slot.vault).core.oracle.price.mul_floor(slot.amount).expect("fits"));
        }
        sum
    }

    /// What the venue has of its own: pool, insurance, stake, fees; a market that owes more than it has counts below zero.
    pub fn venue(&self) -> i128 {
        let ledger = ledger::check(&self.world);
        let pnl: i128 = [A, B]
            .into_iter()
            .map(|m| {
                let core = self.market(m).core;
                i128::from(core.book.traders_pnl(core.mark()).expect("pnl").0)
            })
            .sum();
        ledger.total() - ledger.accounts - pnl
    }

    /// Moves pool money out of a market until `left` remains. I1 holds.
    pub fn drain(&mut self, market: u16, left: u64) {
        let cash = self.market(market).core.book.cash;
        self.tamper::<Market>(&address::market(market), |m| {
            m.core.book.cash = left;
            m.core.book.committed = m.core.book.committed.min(left);
        });
        self.tamper::<Pool>(&address::pool(), |p| p.core.idle = p.core.idle + cash - left);
    }

    /// Gives a market insurance out of the pool's idle money. I1 holds.
    pub fn insure(&mut self, market: u16, amount: u64) {
        self.tamper::<Market>(&address::market(market), |m| m.core.book.insurance += amount);
        self.tamper::<Pool>(&address::pool(), |p| p.core.idle -= amount);
    }

    /// Opens a position.
    pub fn hold(&mut self, who: &Trader, market: u16, side: Side, lots: u64) {
        self.open(who, market, side, lots).expect("open");
    }

    /// Closes what an account in trouble holds against the pool, position by position, waiting for the takeover where that is
    /// needed. Returns the fills.
    pub fn close_out(&mut self, who: &Trader, keeper: Option<Pubkey>) -> Vec<Liquidated> {
        let mut fills = Vec::new();
        for _ in 0..200 {
            let (account, slot) = (self.margin(&who.margin), self.slot());
            let distress = self.ask(|snapshot| snapshot.distress(&account, slot).expect("distress"));
            let Some(market) = distress.and_then(|d| d.first) else { return fills };
            let call = self
                .liquidate_to_pool(&who.margin, market, keeper)
                .expect("a fill, or a call of the auction");
            fills.extend(liquidated(&call));
            self.wait(5);
        }
        panic!("an account in trouble is not closed within 400 s");
    }

    /// Lets slots pass in which somebody calls the auction often enough for it to go on.
    pub fn call_for(&mut self, caller: &Trader, victim: &Trader, market: u16, slots: u64) {
        let mut left = slots;
        while left > 0 {
            let step = left.min(LAPSE_SLOTS);
            self.wait(step);
            left -= step;
            self.liquidate(caller, &victim.margin, market, 0).expect("still in trouble");
        }
    }

    /// Market of the position that goes first.
    pub fn first(&self, who: &Trader) -> Option<u16> {
        let (account, slot) = (self.margin(&who.margin), self.slot());
        self.ask(|snapshot| snapshot.distress(&account, slot).expect("distress")).and_then(|d| d.first)
    }

    /// Resolves what an account owes for a market.
    pub fn resolve(&mut self, who: &Trader, market: u16) -> BankruptcyResolved {
        let outcome = self.resolve_bankruptcy(&who.margin, market).expect("resolve_bankruptcy");
        resolved(&outcome)
    }

    /// Everything that is listed agrees with itself and these accounts.
    pub fn consistent(&mut self, market: u16, who: &[&Trader]) {
        let check = ix::check_invariants(None, Some(market), who.iter().map(|t| t.margin));
        let outcome = self.send(&[check], &[]).expect("check_invariants");
        assert!(matches!(&outcome.events[..], [Event::InvariantsChecked(e)] if e.ok), "{:?}", outcome.events);
    }
}

/// The fills of a transaction.
pub fn liquidated(outcome: &Outcome) -> Vec<Liquidated> {
    let fill = |e: &Event| if let Event::Liquidated(fill) = e { Some(fill.clone()) } else { None };
    outcome.events.iter().filter_map(fill).collect()
}

/// The only fill.
pub fn fill(outcome: &Outcome) -> Liquidated {
    liquidated(outcome).pop().expect("a fill")
}

/// Checks that a call found nothing to do yet but kept the auction running; since when, slots.
#[track_caller]
pub fn called(outcome: Result<Outcome, Failure>) -> u64 {
    let events = outcome.expect("a call").events;
    let [Event::AuctionCalled(call)] = &events[..] else { panic!("a call of the auction, not {events:?}") };
    call.elapsed
}

/// The only sale.
pub fn sold(outcome: &Outcome) -> CollateralSold {
    let sale = |e: &Event| if let Event::CollateralSold(sale) = e { Some(sale.clone()) } else { None };
    outcome.events.iter().find_map(sale).expect("a sale")
}

/// The only resolution.
pub fn resolved(outcome: &Outcome) -> BankruptcyResolved {
    let resolved = |e: &Event| if let Event::BankruptcyResolved(e) = e { Some(e.clone()) } else { None };
    outcome.events.iter().find_map(resolved).expect("a resolution")
}

/// What the tiers but the last one paid.
pub fn paid(r: &BankruptcyResolved) -> [u64; 7] {
    [r.insurance, r.reserve, r.backstop, r.first_loss, r.deleveraged, r.pool, r.traders]
}

/// Checks that a call was refused with this error.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Failure>, name: &str) {
    let failure = result.expect_err(name);
    assert!(failure.is(name), "{name}: {failure:#?}");
}

/// Dollars in quote units.
pub fn dollars(amount: i128) -> i128 {
    amount * i128::from(DOLLAR)
}

/// The same trader again.
pub fn same(who: &Trader) -> Trader {
    Trader { key: who.key.insecure_clone(), margin: who.margin, tokens: who.tokens }
}

/// Changes a margin account behind the program's back.
pub fn tamper_account(scene: &mut Scene, who: &Trader, change: impl FnOnce(&mut MarginAccount)) {
    scene.tamper::<MarginAccount>(&who.margin, change);
}

/// Checks that two amounts differ by no more than a dollar: what the average lacks and the curve's impact on large positions.
#[track_caller]
pub fn nearly(a: impl TryInto<i128>, b: impl TryInto<i128>) {
    let [a, b] = [a.try_into().ok(), b.try_into().ok()].map(|x| x.expect("fits"));
    assert!(a.abs_diff(b) <= 1_000_000, "{a} is not nearly {b}");
}

/// Checks that two amounts differ by no more than a tenth of a cent: what a nearly flat curve and rounding make of them.
#[track_caller]
pub fn near(a: impl TryInto<i128>, b: impl TryInto<i128>) {
    let [a, b] = [a.try_into().ok(), b.try_into().ok()].map(|x| x.expect("fits"));
    assert!(a.abs_diff(b) <= 1_000, "{a} is not {b}");
}
