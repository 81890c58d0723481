//! Who acts, and how an action is shown and checked against the [model](crate::model).

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::Traded;
use bulwark_tests::fixtures::{Asset, BTC_ASSET, KEEPER_TIP, SOL_ASSET, STAKE_INCOME_PPM};
use bulwark_tests::ledger::{self, Ledger};
use bulwark_tests::world::{Failure, Outcome};
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::model::waterfall::ModelFund;
use crate::model::{Expected, ModelMarket, ModelPosition};
use crate::show::{self, cents, quantity, usd};

/// What went wrong.
pub type Result<T = ()> = std::result::Result<T, String>;

/// A trader in one market, with what the model says that they have.
pub struct Actor {
    /// For people.
    pub name: &'static str,
    /// Keys and accounts.
    pub trader: Trader,
    /// The market they trade in.
    pub market: u16,
    /// Quote brought in.
    pub deposited: u64,
    /// Model: what the balance has changed by since.
    pub expected: i128,
    /// Model: the position.
    pub position: ModelPosition,
    /// Model: what the market holds back for the account.
    pub held: i128,
}

impl Actor {
    /// Model: the balance.
    pub fn quote(&self) -> i128 {
        i128::from(self.deposited) + self.expected
    }

    /// Model: what the balance is below zero.
    pub fn owed(&self) -> i128 {
        (-self.quote()).max(0)
    }

    /// The margin account.
    pub fn key(&self) -> Pubkey {
        self.trader.margin
    }
}

/// The chain with everything on it, and the model of it.
pub struct Stage {
    /// The chain.
    pub world: World,
    /// Model: the markets.
    pub markets: Vec<ModelMarket>,
    /// Model: the insurance fund.
    pub fund: ModelFund,
    /// Model: pool money in no market.
    pub idle: i128,
    /// Model: fees of the protocol.
    pub protocol: i128,
    /// Model: sum of all balances.
    pub accounts: i128,
    /// Model: tokens that were brought in and not taken out.
    pub tokens: i128,
    assets: Vec<Asset>,
}

/// `Ok` if both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?}, expected {expected:?}")) }
}

/// What was refused, in a sentence.
pub fn refused(what: &str) -> impl Fn(Failure) -> String {
    move |failure| format!("{what} was refused: {} {}", failure.error, failure.name.unwrap_or_default())
}

impl Stage {
    /// The stage of a world whose markets have just been listed.
    pub fn new(world: World) -> Result<Self> {
        let now = world.now();
        let assets = vec![SOL_ASSET, BTC_ASSET];
        let markets = assets.iter().map(|asset| ModelMarket::new(params(asset), now)).collect();
        let (fund, idle, protocol, accounts, tokens) = (ModelFund::default(), 0, 0, 0, 0);
        let mut stage = Self { world, markets, fund, idle, protocol, accounts, tokens, assets };
        for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
            stage.reprice(market, asset.price)?;
        }
        Ok(stage)
    }

    /// Lists another market.
    pub fn list(&mut self, asset: Asset, params: MarketParams) -> Result<u16> {
        let market = self.world.list_market(&asset, params);
        self.markets.push(ModelMarket::new(params, self.world.now()));
        self.assets.push(asset);
        self.reprice(market, asset.price)?;
        Ok(market)
    }

    /// What is traded in a market.
    pub fn asset(&self, market: u16) -> Asset {
        self.assets[usize::from(market)]
    }

    /// The model of a market.
    pub fn market(&mut self, market: u16) -> &mut ModelMarket {
        &mut self.markets[usize::from(market)]
    }

    /// Tells the model a price, and checks that the market has the same, and the same funding.
    fn reprice(&mut self, market: u16, price: i64) -> Result {
        let (now, core) = (self.world.now(), self.world.market(market).core);
        let model = self.market(market);
        model.accrue(now);
        model.set_price(price);
        same("the mark price", i128::from(core.mark().to_bits()), model.price())?;
        same("the funding rate", i128::from(core.carry.funding_rate), model.funding_rate())?;
        let carry = [core.book.long, core.book.short].map(|side| side.carry.get().to_bits());
        same("the carry indices", carry, model.carry())
    }

    /// An oracle prints, and anybody refreshes.
    pub fn print(&mut self, market: u16, price: i64) -> Result {
        let asset = self.asset(market);
        self.world.print(&asset, price, price.unsigned_abs() / 10_000);
        let refresh = ix::refresh_market(market, World::oracles(&asset));
        self.world.send(&[refresh], &[]).map_err(refused("a refresh"))?;
        self.reprice(market, price)
    }

    /// Shows what funding has become of a market, and what a trader has paid since `since`, an earlier answer.
    pub fn funding(&self, actor: &Actor, since: [i128; 2]) -> [i128; 2] {
        let model = &self.markets[usize::from(actor.market)];
        let lots = actor.position.lots();
        let side = usize::from(lots < 0);
        let paid = (lots * (model.carry()[side] - since[side])) >> 48;
        let rate = (model.funding_rate() * 100_000_000) >> 48;
        show::say(&format!(
            "{}: the funding rate is {} % a day; {} has {} {} so far.",
            self.asset(actor.market).name,
            quantity(rate, 6),
            actor.name,
            if paid < 0 { "received" } else { "paid" },
            cents(paid.abs()),
        ));
        model.carry()
    }

    /// The carry indices of a market.
    pub fn carry(&self, market: u16) -> [i128; 2] {
        self.markets[usize::from(market)].carry()
    }

    /// Shows a step with the units of the last transaction.
    pub fn step(&self, text: &str) {
        show::step(text, self.world.compute_units);
    }

    /// Shows the ledger identity, checked for every vault and against the model, term by term.
    pub fn ledger(&self) -> Result {
        let sum = |of: fn(&ModelMarket) -> i128| self.markets.iter().map(of).sum();
        let expected = Ledger {
            accounts: self.accounts,
            cash: sum(|m| m.cash),
            market_insurance: sum(|m| m.insurance),
            fees: sum(|m| m.fees.iter().sum()),
            idle: self.idle,
            insurance_fund: self.fund.reserve + self.fund.stake(),
            protocol_fees: self.protocol,
            tokens: self.tokens,
        };
        for (market, model) in (0..).zip(&self.markets) {
            let unbacked = self.world.market(market).core.book.unbacked;
            same("what losers have not paid", i128::from(unbacked), model.unbacked)?;
        }
        let ledger = ledger::check(&self.world);
        same("the ledger", ledger, expected)?;
        same("the ledger identity", expected.total(), expected.tokens)?;
        show::ledger(&ledger);
        Ok(())
    }

    /// Someone who has put quote into a new margin account.
    pub fn actor(&mut self, name: &'static str, market: u16, quote: u64) -> Result<Actor> {
        let trader = self.world.trader(quote);
        self.step(&format!("{name} opens a margin account."));
        self.world.deposit(&trader, quote).map_err(refused("a deposit"))?;
        self.step(&format!("{name} deposits {} USDC.", usd(quote.into())));
        Ok(self.with_money(name, market, (trader, quote)))
    }

    /// As [`Stage::actor`], in one line.
    pub fn newcomer(&mut self, name: &'static str, market: u16, quote: u64) -> Result<Actor> {
        let trader = self.world.trader(quote);
        self.world.deposit(&trader, quote).map_err(refused("a deposit"))?;
        Ok(self.with_money(name, market, (trader, quote)))
    }

    fn with_money(&mut self, name: &'static str, market: u16, (trader, quote): (Trader, u64)) -> Actor {
        self.accounts += i128::from(quote);
        self.tokens += i128::from(quote);
        let (expected, position, held) = (0, ModelPosition::default(), 0);
        Actor { name, trader, market, deposited: quote, expected, position, held }
    }

    /// What an account's balance changes by in its market, in the model: the market holds back what it does not pay.
    pub fn post(&mut self, actor: &mut Actor, amount: i128) {
        self.credit(actor, amount);
        self.market(actor.market).unbacked += actor.owed() - actor.held;
        actor.held = actor.owed();
    }

    /// What an account's balance changes by outside of it, in the model.
    pub fn credit(&mut self, actor: &mut Actor, amount: i128) {
        actor.expected += amount;
        self.accounts += amount;
    }

    /// Anybody moves a market's target there, or back what is above it; `redeemed` is about to leave the pool. Returns what
    /// was moved.
    pub fn allocate(&mut self, market: u16, redeemed: i128) -> Result<i128> {
        let base = self.pool_worth() - redeemed;
        let weight = self.world.market(market).core.params.target_weight_ppm;
        let expected = base * i128::from(weight) / 1_000_000 - self.market(market).cash;
        let allocate = ix::allocate_liquidity(&self.world.listings, market);
        let outcome = self.world.send(&[allocate], &[]).map_err(refused("an allocation"))?;
        let amount =
            event(outcome, |e| if let Event::LiquidityAllocated(e) = e { Some(e.amount) } else { None })?;
        same("moved to the market", i128::from(amount), expected)?;
        self.market(market).cash += expected;
        self.idle -= expected;
        Ok(expected)
    }

    /// What the pool is worth while nobody holds a position.
    pub fn pool_worth(&self) -> i128 {
        self.idle + self.markets.iter().map(|m| m.cash).sum::<i128>()
    }

    /// Anybody moves a market's fees to whom they belong.
    pub fn sweep(&mut self, market: u16) -> Result {
        let outcome = self.world.send(&[ix::sweep_market(market)], &[]).map_err(refused("a sweep"))?;
        let swept = event(outcome, |e| if let Event::MarketSwept(e) = e { Some(e) } else { None })?;
        let [pool, insurance, protocol] = std::mem::take(&mut self.market(market).fees);
        let amounts = [swept.pool, swept.insurance, swept.protocol].map(i128::from);
        same("swept", amounts, [pool, insurance, protocol])?;
        let staked = self.fund.earn(insurance, STAKE_INCOME_PPM);
        same("of that for stakers", i128::from(swept.staked), staked)?;
        self.idle += pool;
        self.protocol += protocol;
        self.step(&format!(
            "Anybody sweeps {}: pool {}, insurance {}, protocol {}.",
            self.asset(market).name,
            usd(pool),
            usd(insurance),
            usd(protocol)
        ));
        Ok(())
    }

    /// Some time later: both oracles print, anybody refreshes. Returns the units of one refresh.
    pub fn later(&mut self, seconds: i64, sol: i64, btc: i64) -> Result<u64> {
        self.world.advance(seconds);
        self.print(SOL, sol)?;
        let compute_units = self.world.compute_units;
        self.print(BTC, btc)?;
        self.world.refresh_sol_vault();
        Ok(compute_units)
    }

    /// Buys (> 0) or sells lots, shows the trade and compares it with the model to the unit.
    pub fn trade(&mut self, actor: &mut Actor, lots: i64, what: &str) -> Result {
        let (market, count) = (actor.market, lots.unsigned_abs());
        let held = self.world.margin(&actor.trader.margin).position(market).is_some();
        let side = if lots > 0 { Side::Long } else { Side::Short };
        let outcome = if held {
            self.world.close(&actor.trader, market, count)
        } else {
            self.world.open(&actor.trader, market, side, count)
        };
        let outcome = outcome.map_err(refused("a trade"))?;
        self.step(&format!("{} {what}.", actor.name));
        self.traded(actor, lots, (outcome.trade(), held))
    }

    /// Closes whatever is left of a position, as [`Stage::trade`].
    pub fn close_all(&mut self, actor: &mut Actor, what: &str) -> Result {
        let (left, _) = self.market(actor.market).held(&actor.position);
        let outcome = self.world.close(&actor.trader, actor.market, u64::MAX).map_err(refused("a trade"))?;
        self.step(&format!("{} {what}.", actor.name));
        let lots = i64::try_from(-left).map_err(|e| e.to_string())?;
        self.traded(actor, lots, (outcome.trade(), true))
    }

    /// Compares a trade of the actor with the model to the unit, and shows it.
    pub fn traded(&mut self, actor: &mut Actor, lots: i64, (traded, closes): (&Traded, bool)) -> Result {
        let market = actor.market;
        let now = self.world.now();
        self.market(market).accrue(now);
        let expected = self.market(market).trade(&mut actor.position, lots);
        self.post(actor, expected.realised - expected.fee());
        same("what the trade paid", seen(traded), expected)?;
        same("nobody exits in profit within the toxic window", traded.toxic_fee, 0)?;
        let now = [traded.position_lots, traded.position_quote].map(i128::from);
        same("the position", now, actor.position.numbers())?;
        show::trade(&self.asset(market), traded, closes);
        if self.world.margin(&actor.trader.margin).position(market).is_some() {
            self.health(actor);
        }
        Ok(())
    }

    /// Shows what an account is worth and what it needs.
    pub fn health(&self, actor: &Actor) {
        let maintenance = self.world.health(&actor.trader.margin, HealthType::Maint);
        let initial = self.world.health(&actor.trader.margin, HealthType::Init);
        show::detail(&format!(
            "{}'s health: E {} over MM {}; for new risk E {} over IM {}",
            actor.name,
            cents(maintenance.equity.0.into()),
            cents(maintenance.requirement.0.into()),
            cents(initial.equity.0.into()),
            cents(initial.requirement.0.into()),
        ));
    }

    /// PnL, equity and maintenance margin of a trader, quote units.
    pub fn standing(&self, actor: &Actor) -> [i128; 3] {
        let health = self.world.health(&actor.trader.margin, HealthType::Maint);
        let pnl = self.world.pnl(&actor.trader.margin, actor.market);
        [pnl, health.equity.0, health.requirement.0].map(Into::into)
    }

    /// Lets the program check every market, with these members, and every vault.
    pub fn check_invariants(&mut self, members: &[&Actor]) -> Result<u64> {
        let members: Vec<_> = members.iter().map(|a| a.trader.margin).collect();
        let vaults = self.world.listings.vaults.clone();
        let markets = self.world.exchange().markets();
        let mut checks: Vec<_> =
            markets.map(|market| ix::check_invariants(None, Some(market), members.clone())).collect();
        checks.extend(vaults.iter().map(|vault| ix::check_invariants(Some(vault), None, [])));
        let mut compute_units = 0;
        for check in checks {
            let outcome = self.world.send(&[check], &[]).map_err(refused("a check"))?;
            let ok = matches!(&outcome.events[..], [Event::InvariantsChecked(event)] if event.ok);
            same("the program's own check", ok, true)?;
            compute_units += outcome.compute_units;
        }
        same("pause bits", self.world.exchange().pause, 0)?;
        Ok(compute_units)
    }
}

/// Parameters of a market of this story: small, so that a position of some ten thousand dollars moves its funding.
pub fn params(asset: &Asset) -> MarketParams {
    let carry =
        CarryParams { funding_velocity_ppm: 10_000_000, funding_max_ppm: 1_000_000, ..CarryParams::NONE };
    let plain = asset.market_params();
    let deleverage = DeleverageParams { keeper_tip: KEEPER_TIP, ..plain.deleverage };
    let (toxic_window, toxic_fee_ppm) = (30, 1_000);
    let skew_scale = asset.lots_worth(10_000_000);
    MarketParams { skew_scale, carry, deleverage, toxic_window, toxic_fee_ppm, ..plain }
}

/// The numbers of a trade that the model knows.
fn seen(traded: &Traded) -> Expected {
    Expected {
        curve: traded.curve.into(),
        spread: traded.spread.into(),
        fee_pool: traded.fee_pool.into(),
        fee_insurance: traded.fee_insurance.into(),
        fee_protocol: traded.fee_protocol.into(),
        realised: traded.realised.into(),
    }
}

/// The only event of an outcome that `pick` takes.
pub fn event<T>(outcome: Outcome, pick: impl FnMut(Event) -> Option<T>) -> Result<T> {
    outcome.events.into_iter().find_map(pick).ok_or_else(|| "an event is missing".into())
}
