//! Who acts, and how an action is shown and checked against the [model](crate::model).

use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::Traded;
use bulwark_tests::fixtures::{Asset, BTC_ASSET, SOL_ASSET};
use bulwark_tests::world::{Failure, Outcome};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Signer as _, Trader, World, ledger};

use crate::model::{Expected, ModelMarket, ModelPosition};
use crate::show::{self, cents, change, quantity, usd};

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
    /// Model: realised PnL minus fees.
    pub expected: i128,
    position: ModelPosition,
}

/// The chain with everything on it, and the model of the two markets.
pub struct Stage {
    /// The chain.
    pub world: World,
    /// Model: what pool, insurance fund and protocol have won.
    pub gains: [i128; 3],
    markets: [ModelMarket; 2],
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
        let markets = [SOL_ASSET, BTC_ASSET].map(|asset| ModelMarket::new(params(&asset), now));
        let mut stage = Self { world, gains: [0; 3], markets };
        stage.reprice([SOL_ASSET.price, BTC_ASSET.price])?;
        Ok(stage)
    }

    /// Tells the model the prices, and checks that the markets have the same, and the same funding.
    fn reprice(&mut self, prices: [i64; 2]) -> Result {
        let now = self.world.now();
        for (index, (model, price)) in [SOL, BTC].into_iter().zip(self.markets.iter_mut().zip(prices)) {
            model.accrue(now);
            model.set_price(price);
            let core = self.world.market(index).core;
            same("the mark price", i128::from(core.mark().to_bits()), model.price())?;
            same("the funding rate", i128::from(core.carry.funding_rate), model.funding_rate())?;
            let carry = [core.book.long, core.book.short].map(|side| side.carry.get().to_bits());
            same("the carry indices", carry, model.carry())?;
        }
        Ok(())
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
            World::asset(actor.market).name,
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

    /// Shows the ledger identity, checked for every vault.
    pub fn ledger(&self) {
        show::ledger(&ledger::check(&self.world));
    }

    /// Someone who has put quote into a new margin account.
    pub fn actor(&mut self, name: &'static str, market: u16, quote: u64) -> Result<Actor> {
        let trader = self.world.trader(quote);
        self.step(&format!("{name} opens a margin account."));
        self.world.deposit(&trader, quote).map_err(refused("a deposit"))?;
        self.step(&format!("{name} deposits {} USDC.", usd(quote.into())));
        Ok(Actor { name, trader, market, deposited: quote, expected: 0, position: ModelPosition::default() })
    }

    /// Some time later: both oracles print, anybody refreshes. Returns the units of one refresh.
    pub fn later(&mut self, seconds: i64, sol: i64, btc: i64) -> Result<u64> {
        self.world.advance(seconds);
        self.world.set_price(SOL, sol);
        let compute_units = self.world.compute_units;
        self.world.set_price(BTC, btc);
        self.world.refresh_sol_vault();
        self.reprice([sol, btc])?;
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

    /// Compares a trade of the actor with the model to the unit, and shows it.
    pub fn traded(&mut self, actor: &mut Actor, lots: i64, (traded, closes): (&Traded, bool)) -> Result {
        let market = actor.market;
        let expected = self.markets[usize::from(market)].trade(&mut actor.position, lots);
        actor.expected += expected.realised - expected.fee();
        let gains = [expected.fee_pool - expected.realised, expected.fee_insurance, expected.fee_protocol];
        self.gains.iter_mut().zip(gains).for_each(|(sum, gain)| *sum += gain);
        same("what the trade paid", seen(traded), expected)?;
        show_trade(&World::asset(market), traded, closes);
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

    /// Lets the program check both markets, with these members, and every vault.
    pub fn check_invariants(&mut self, members: &[&Actor]) -> Result<u64> {
        let members: Vec<_> = members.iter().map(|a| a.trader.margin).collect();
        let vaults = self.world.listings.vaults.clone();
        let mut checks = vec![ix::check_invariants(None, Some(SOL), members.clone())];
        checks.push(ix::check_invariants(None, Some(BTC), members));
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

    /// Takes everything out and closes the account. Returns the quote units that came out.
    pub fn leave(&mut self, actor: &Actor, sol_tokens: Option<(bulwark_sdk::Pubkey, u64)>) -> Result<u64> {
        let (name, trader) = (actor.name, &actor.trader);
        if let Some((tokens, amount)) = sol_tokens {
            self.world.withdraw(trader, SOL_VAULT, (tokens, amount)).map_err(refused("a withdrawal"))?;
            same("SOL taken out", self.world.token_balance(&tokens), amount)?;
            self.step(&format!("{name} withdraws {} SOL.", quantity(amount.into(), SOL_ASSET.lot_decimals)));
        }
        let quote = u64::try_from(self.world.margin(&trader.margin).quote.0).map_err(|_| "a debt")?;
        self.world.withdraw(trader, 0, (trader.tokens, quote)).map_err(refused("a withdrawal"))?;
        same("tokens taken out", self.world.token_balance(&trader.tokens), quote)?;
        self.step(&format!("{name} withdraws {} USDC.", usd(quote.into())));
        let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
        self.world.send(&[close], &[&trader.key]).map_err(refused("closing"))?;
        let rent = self.world.svm.get_balance(&trader.key.pubkey()).unwrap_or(0);
        let rent = quantity(rent.into(), 9);
        self.step(&format!("{name} closes the account; the rent of {rent} SOL comes back."));
        same("result", i128::from(quote) - i128::from(actor.deposited), actor.expected)?;
        Ok(quote)
    }
}

/// Parameters of a market of this story: small, so that a position of some ten thousand dollars moves its funding.
pub fn params(asset: &Asset) -> MarketParams {
    let carry =
        CarryParams { funding_velocity_ppm: 10_000_000, funding_max_ppm: 1_000_000, ..CarryParams::NONE };
    MarketParams { skew_scale: asset.lots_worth(10_000_000), carry, ..asset.market_params() }
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

fn show_trade(asset: &Asset, traded: &Traded, closes: bool) {
    let lots = i128::from(traded.lots);
    let worth = (lots * i128::from(traded.price)) >> 32;
    let (curve, spread) = (i128::from(traded.curve), i128::from(traded.spread));
    let fee =
        i128::from(traded.fee_pool) + i128::from(traded.fee_insurance) + i128::from(traded.fee_protocol);
    let average = show::average_price(curve + spread, lots, asset);
    if closes {
        let realised = i128::from(traded.realised);
        show::detail(&format!("realised {} before the fee", change(realised)));
    }
    show::detail(&format!(
        "fills at {average}: {} at mark; costs impact {}, spread {}, fee {}",
        cents(worth.abs()),
        cents(curve - worth),
        usd(spread),
        usd(fee),
    ));
}

/// The only event of an outcome that `pick` takes.
pub fn event<T>(outcome: Outcome, pick: impl FnMut(Event) -> Option<T>) -> Result<T> {
    outcome.events.into_iter().find_map(pick).ok_or_else(|| "an event is missing".into())
}
