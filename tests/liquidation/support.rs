//! What the files of this suite share: a chain of round numbers, arithmetic that knows nothing of the engine, and the check
//! that a refusal changes nothing.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use bulwark_sdk::engine::auction::LAPSE_SLOTS;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{BankruptcyResolved, Liquidated};
use bulwark_sdk::program::state::{InsuranceFund, MarginAccount, Market, Pool};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
use bulwark_tests::{Failure, Keypair, Outcome, Trader, World, ledger};

/// A base asset at 125 dollars: 0.125 quote units a lot, which Q32.32 holds exactly.
pub const UNI: Asset = Asset { name: "UNI", lot_decimals: 9, price: 125 * PRINT };
/// Another one.
pub const DUO: Asset = Asset { name: "DUO", ..UNI };
/// Index of the UNI market.
pub const A: u16 = 0;
/// Index of the DUO market.
pub const B: u16 = 1;
/// Index of the UNI vault.
pub const TOKEN: u16 = 1;
/// One UNI in lots, and in token units.
pub const ONE: u64 = 1_000_000_000;
/// A share of 1.0 in this file's arithmetic.
pub const WHOLE: i128 = 1_000_000_000_000_000;

/// Neither fee nor spread nor carry: price moves are all there is. The curve is nearly flat.
pub fn params() -> MarketParams {
    MarketParams {
        skew_scale: 1_000_000_000_000_000,
        taker_fee_ppm: 0,
        base_spread_ppm: 0,
        conf_spread_ppm: 0,
        ..UNI.market_params()
    }
}

/// A chain with the UNI and the DUO market, UNI as collateral, and 4 million dollars in either market.
pub struct Stage {
    world: World,
    /// Prices as they are printed.
    prices: [i64; 2],
}

impl Deref for Stage {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Stage {
    /// Both markets with [`params`].
    pub fn new() -> Self {
        Self::with(params())
    }

    /// Both markets with these parameters.
    pub fn with(params: MarketParams) -> Self {
        let mut world = World::empty();
        for asset in [UNI, DUO] {
            world.list_market(&asset, params);
        }
        world.list_vault(&UNI, 9, 1_000_000 * ONE);
        let provider = world.trader(10_000_000 * DOLLAR);
        world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
        for market in [A, B] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let mut stage = Self { world, prices: [125 * PRINT; 2] };
        stage.refresh();
        stage
    }

    /// A copy.
    pub fn fork(&self) -> Self {
        Self { world: self.world.fork(), prices: self.prices }
    }

    /// Prints the prices of now with this confidence and refreshes a market.
    pub fn refresh_one(&mut self, market: u16, conf: u64) {
        let asset = if market == A { UNI } else { DUO };
        let price = self.prices[usize::from(market)];
        self.world.print(&asset, price, conf);
        self.send(&[ix::refresh_market(market, World::oracles(&asset))], &[]).expect("refresh_market");
    }

    /// Prints the prices of now and refreshes all that trade.
    pub fn refresh(&mut self) {
        for market in [A, B] {
            if !self.market(market).core.is_settling() {
                self.refresh_one(market, 0);
            }
        }
        let mint = self.listings.vaults[usize::from(TOKEN)].mint;
        self.world.print(&UNI, self.prices[0], 0);
        let refresh = ix::refresh_vault((TOKEN, &mint), World::oracles(&UNI));
        self.send(&[refresh], &[]).expect("refresh_vault");
    }

    /// A second later a market has another price, dollars with eight decimals.
    pub fn move_to(&mut self, market: u16, price: i64) {
        self.prices[usize::from(market)] = price;
        self.advance(1);
        self.refresh();
    }

    /// As [`Stage::move_to`], with the average there too.
    pub fn settle_at(&mut self, market: u16, price: i64) {
        self.move_to(market, price);
        let average = self.market(market).core.oracle.price;
        self.tamper::<Market>(&address::market(market), |m| m.core.oracle.ema = average);
    }

    /// Lets slots pass; all prices are as young as the clock.
    pub fn pass(&mut self, slots: u64) {
        self.advance_slots(slots);
        self.refresh();
    }

    /// Lets slots pass in which somebody calls the auction of an account often enough to keep it running.
    pub fn keep_calling(&mut self, (caller, victim): (&Trader, &Trader), market: u16, slots: u64) {
        let mut left = slots;
        while left > 0 {
            let step = left.min(LAPSE_SLOTS);
            self.pass(step);
            left -= step;
            if left > 0 {
                self.liquidate(caller, &victim.margin, market, 0).expect("still in trouble");
            }
        }
    }

    /// A trader with so many dollars in the account and a position.
    pub fn holder(&mut self, dollars: u64, (market, side): (u16, Side), lots: u64) -> Trader {
        let trader = self.funded_trader(dollars * DOLLAR);
        self.open(&trader, market, side, lots).expect("open");
        trader
    }

    /// Position of a market; empty without one.
    pub fn position(&self, margin: &Pubkey, market: u16) -> Position {
        let account = self.margin(margin);
        account.position(market).map_or(Position::EMPTY, |slot| account.positions[slot])
    }

    /// Quote balance.
    pub fn quote(&self, margin: &Pubkey) -> i128 {
        self.margin(margin).quote.0.into()
    }

    /// Mark price, Q32.32.
    pub fn mark(&self, market: u16) -> i128 {
        self.market(market).core.mark().to_bits().into()
    }

    /// `|b|·P` of a position, quote units rounded up.
    pub fn notional(&self, margin: &Pubkey, market: u16) -> i128 {
        worth(self.position(margin, market).lots.count(), self.mark(market))
    }

    /// Equity of an account without collateral and pending unwinds: balance and `b·P + q`.
    pub fn equity(&self, margin: &Pubkey) -> i128 {
        let pnl = |market| {
            let position = self.position(margin, market);
            ((i128::from(position.lots.0) * self.mark(market)) >> 32) + i128::from(position.quote.0)
        };
        self.quote(margin) + pnl(A) + pnl(B)
    }

    /// Maintenance requirement at the fixtures' 3.1 %, market by market.
    pub fn requirement(&self, margin: &Pubkey) -> i128 {
        [A, B].map(|m| ceil(self.notional(margin, m) * i128::from(params().mmf_ppm), 1_000_000)).iter().sum()
    }

    /// The market's insurance.
    pub fn insurance(&self, market: u16) -> i128 {
        self.market(market).core.book.insurance.into()
    }

    /// Takes quote from an account for the pool.
    pub fn take_quote(&mut self, margin: &Pubkey, amount: i128) {
        let amount = i64::try_from(amount).expect("an amount");
        self.tamper::<MarginAccount>(margin, |a| a.quote.0 -= amount);
        self.tamper::<Pool>(&address::pool(), |p| {
            p.core.idle = p.core.idle.checked_add_signed(amount).expect("idle")
        });
    }

    /// Unwinds half of every winner of a side at its entry, as a loss of the other side does; nobody is settled.
    pub fn unwind_half(&mut self, market: u16, side: Side) {
        self.tamper::<Market>(&address::market(market), |m| {
            let mark = m.core.mark();
            assert!(m.core.book.side_mut(side).unwind(mark, 1 << 31).expect("unwind").buckets > 0);
        });
    }

    /// Gives a market insurance from the pool's idle cash.
    pub fn insure(&mut self, market: u16, amount: u64) {
        self.tamper::<Market>(&address::market(market), |m| m.core.book.insurance += amount);
        self.tamper::<Pool>(&address::pool(), |p| p.core.idle -= amount);
    }

    /// Moves pool money out of a market, or into it, until `left` is there.
    pub fn drain(&mut self, market: u16, left: u64) {
        let cash = self.market(market).core.book.cash;
        self.tamper::<Market>(&address::market(market), |m| m.core.book.cash = left);
        self.tamper::<Pool>(&address::pool(), |p| p.core.idle = p.core.idle + cash - left);
    }

    /// Changes a market's parameters, as governance would.
    pub fn set_params(&mut self, market: u16, change: impl FnOnce(&mut MarketParams)) {
        self.tamper::<Market>(&address::market(market), |m| change(&mut m.core.params));
        let params = self.market(market).core.params;
        params.validate().expect("within the program's bounds");
        self.tamper::<Market>(&address::market(market), |m| {
            m.core.volatility.set_fractions(&params).expect("fractions");
        });
    }

    /// The fund.
    pub fn fund_core(&self) -> bulwark_sdk::engine::waterfall::Fund {
        self.get::<InsuranceFund>(&address::insurance_fund()).core
    }

    /// Checks a market's ladders against these accounts, by the program's own instruction.
    pub fn check_invariants(&mut self, market: u16, members: &[&Trader]) {
        let mut keys: Vec<_> = members.iter().map(|t| t.margin).collect();
        keys.sort();
        let vault = self.listings.vaults[0];
        let check = ix::check_invariants(Some(&vault), Some(market), keys);
        let outcome = self.send(&[check], &[]).expect("check_invariants");
        assert!(matches!(&outcome.events[..], [Event::InvariantsChecked(e)] if e.ok), "{outcome:?}");
    }

    /// A liquidation at any price, and what it said.
    pub fn take_over(&mut self, taker: &Trader, victim: &Trader, market: u16, lots: u64) -> Liquidated {
        liquidated(&self.liquidate(taker, &victim.margin, market, lots).expect("liquidate"))
    }
}

/// Worth of lots at a price, quote units rounded up.
pub fn worth(lots: u64, mark: i128) -> i128 {
    ceil(i128::from(lots) * mark, 1 << 32)
}

/// Quotient rounded towards +∞.
pub fn ceil(numerator: i128, denominator: i128) -> i128 {
    -(-numerator).div_euclid(denominator)
}

/// The only liquidation among the events.
pub fn liquidated(outcome: &Outcome) -> Liquidated {
    match &outcome.events[..] {
        [Event::Liquidated(e)] => e.clone(),
        other => panic!("one event of liquidation, not {other:?}"),
    }
}

/// What `risk.md` section 8 offers for the only position of an account, in shares of [`WHOLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `π`.
    pub concession: i128,
    /// Fee.
    pub fee: i128,
    /// Lots, whole steps.
    pub lots: u64,
}

/// `π(t)`, fee and size for equity, requirement and notional in quote units at 3.1 % maintenance and 0.5 % fee.
pub fn terms(equity: i128, requirement: i128, mark: i128, elapsed: u64) -> Terms {
    let mmf = 31_000 * WHOLE / 1_000_000;
    let highest = mmf * equity.max(0) / requirement;
    let start = (2_000 * WHOLE / 1_000_000).min(highest / 4);
    let concession = start + (highest - start) * i128::from(elapsed.min(20)) / 20;
    let fee = (5_000 * WHOLE / 1_000_000).min(highest - concession);
    let freed = mmf * 21 / 20 - concession - fee;
    let lots = if freed <= 0 {
        u64::MAX
    } else {
        let notional = (21 * requirement - 20 * equity) * WHOLE / (20 * freed);
        let lots = u64::try_from((notional << 32) / mark).expect("lots");
        lots.div_ceil(params().step) * params().step
    };
    Terms { concession, fee, lots }
}

/// `share` of [`WHOLE`] of an amount.
pub fn part(amount: i128, share: i128) -> i128 {
    amount * share / WHOLE
}

/// Asserts that two amounts differ by at most `units`.
#[track_caller]
pub fn near(got: i128, wanted: i128, units: i128, what: &str) {
    assert!((got - wanted).abs() <= units, "{what}: {got}, expected {wanted} within {units}");
}

/// Every account of the program and every vault's tokens, byte by byte.
pub fn state(world: &World) -> BTreeMap<Pubkey, Vec<u8>> {
    let owned = world.svm.get_program_accounts(&address::PROGRAM);
    let tokens = world.listings.vaults.iter().map(|v| v.token_account);
    let tokens = tokens.map(|key| (key, world.svm.get_account(&key).expect("vault tokens")));
    owned.into_iter().chain(tokens).map(|(key, account)| (key, account.data.to_vec())).collect()
}

/// Sends what must be refused with `name`, and checks that nothing changed.
#[track_caller]
pub fn refused(world: &mut World, instruction: Instruction, signers: &[&Keypair], name: &str, what: &str) {
    let before = state(world);
    let failure = match world.send(&[instruction], signers) {
        Ok(outcome) => panic!("{what}: went through, {name} was expected: {:?}", outcome.events),
        Err(failure) => failure,
    };
    assert!(failure.is(name), "{what}: {name} was expected: {failure:#?}");
    assert!(state(world) == before, "{what}: a refusal changed something");
}

/// Asserts that a call was refused by this name.
#[track_caller]
pub fn is(result: Result<Outcome, Failure>, name: &str) {
    match result {
        Ok(outcome) => panic!("{name} expected, but it went through: {:?}", outcome.events),
        Err(failure) => assert!(failure.is(name), "{name} was expected: {failure:#?}"),
    }
}

/// The ledger, checked.
pub fn books(world: &World) -> ledger::Ledger {
    ledger::check(world)
}

/// The resolution among the events.
pub fn resolved(outcome: &Outcome) -> BankruptcyResolved {
    let found = outcome
        .events
        .iter()
        .find_map(|e| if let Event::BankruptcyResolved(e) = e { Some(e.clone()) } else { None });
    found.unwrap_or_else(|| panic!("no resolution: {outcome:?}"))
}
