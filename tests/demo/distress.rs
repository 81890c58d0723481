//! Accounts in trouble: who acts, and how that is shown and checked against the [model](crate::model).

use bulwark_sdk::engine::auction::{LAPSE_SLOTS, TAKEOVER_SLOTS};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{BankruptcyResolved, Liquidated, LiquidationKind, PositionSettled};
use bulwark_tests::fixtures::SOL_ASSET;
use bulwark_tests::world::Outcome;
use bulwark_tests::{SOL, SOL_VAULT};

use crate::model::auction::ModelFill;
use crate::model::waterfall::Tiers;
use crate::show::{self, average_price, cents, quantity, ratio, share, usd};
use crate::stage::{Actor, Result, Stage, event, refused, same};

impl Stage {
    /// Slots pass, the oracle prints the same price again.
    pub fn wait(&mut self, market: u16, slots: u64, price: i64) -> Result {
        self.world.advance_slots(slots);
        self.print(market, price)
    }

    /// What an account is worth over what it needs, as the SDK and the model say.
    pub fn margin(&self, actor: &Actor) -> Result<[i128; 2]> {
        let [_, equity, requirement] = self.standing(actor);
        let model = &self.markets[usize::from(actor.market)];
        let expected = model.health(actor.quote(), &actor.position);
        same("equity and maintenance margin", [equity, requirement], expected)?;
        Ok(expected)
    }

    /// Shows it.
    pub fn show_margin(&self, actor: &Actor) -> Result {
        let [equity, requirement] = self.margin(actor)?;
        if requirement == 0 {
            show::detail(&format!("{}: E {}, and no position any more", actor.name, cents(equity)));
            return Ok(());
        }
        let part = ratio(equity, requirement);
        show::detail(&format!("{}: E {} over MM {}: {part}", actor.name, cents(equity), cents(requirement)));
        Ok(())
    }

    /// Somebody starts the auction of an account.
    pub fn start_auction(&mut self, taker: &Actor, victim: &Actor) -> Result {
        let outcome = self.world.liquidate(&taker.trader, &victim.key(), victim.market, 0);
        let outcome = outcome.map_err(refused("an auction"))?;
        called(&outcome, 0)?;
        let offer = self.markets[usize::from(victim.market)].offer(victim.quote(), &victim.position, 0);
        self.step(&format!("{} starts the auction of {}'s position.", taker.name, victim.name));
        show::detail(&format!(
            "concession {}, rising for 20 slots; {} SOL would restore the account",
            share(offer.concession),
            quantity(offer.lots, self.asset(victim.market).lot_decimals),
        ));
        Ok(())
    }

    /// Somebody takes up to `most` lots over, so many slots after the start.
    pub fn take_over(&mut self, [taker, victim]: [&mut Actor; 2], (elapsed, most): (u64, u64)) -> Result {
        let (market, before) = (victim.market, self.margin(victim)?);
        let outcome = self.world.liquidate(&taker.trader, &victim.key(), market, most);
        let seen = liquidated(outcome.map_err(refused("a takeover"))?)?;
        same("how", (seen.kind, seen.elapsed), (LiquidationKind::Takeover, elapsed))?;

        let (quote, decimals) = (victim.quote(), self.asset(market).lot_decimals);
        let model = self.market(market);
        let offer = model.offer(quote, &victim.position, elapsed.into());
        let fill = model.take_over([&mut victim.position, &mut taker.position], &offer, most.into());
        self.post(victim, fill.quote_change);
        filled(victim, (&seen, &fill))?;
        let taken = [seen.liquidator_lots, seen.liquidator_quote].map(i128::from);
        same("the taker's position", taken, taker.position.numbers())?;

        let (lots, price) = (fill.lots, average_price(fill.cost, fill.lots, &self.asset(market)));
        self.step(&format!(
            "{elapsed} slots after its start {} takes over {} SOL at {price}.",
            taker.name,
            quantity(lots, decimals)
        ));
        show::detail(&format!(
            "concession {}: {}; fee to the insurance {}; {} realises {}",
            share(offer.concession),
            usd(fill.concession),
            usd(fill.insurance),
            victim.name,
            usd(fill.realised)
        ));
        self.show_margin(victim)?;
        let after = self.margin(victim)?;
        same("I7: E / MM has not fallen", after[0] * before[1] >= before[0] * after[1], true)
    }

    /// A call that comes too early for the pool starts the auction, or keeps it running.
    pub fn call(&mut self, keeper: &Actor, victim: &Actor, elapsed: u64) -> Result {
        let outcome = self.world.liquidate_to_pool(&victim.key(), victim.market, Some(keeper.key()));
        called(&outcome.map_err(refused("a call"))?, elapsed)
    }

    /// Starts auctions with nobody who bids, and lets the takeover time pass, with a call whenever an auction would lapse.
    pub fn until_takeover(&mut self, keeper: &Actor, victims: &[&Actor], price: i64) -> Result {
        for victim in victims {
            self.call(keeper, victim, 0)?;
            self.step(&format!("{} calls: the auction of {}'s position begins.", keeper.name, victim.name));
        }
        for elapsed in (1..=TAKEOVER_SLOTS / LAPSE_SLOTS).map(|call| call * LAPSE_SLOTS) {
            self.wait(victims[0].market, LAPSE_SLOTS, price)?;
            if elapsed < TAKEOVER_SLOTS {
                victims.iter().try_for_each(|victim| self.call(keeper, victim, elapsed))?;
            }
        }
        show::detail(&format!("{} calls again every {LAPSE_SLOTS} slots: so it goes on.", keeper.name));
        Ok(())
    }

    /// Nobody wanted the position: the pool takes it, and a keeper is tipped.
    pub fn pool_takes(&mut self, keeper: &mut Actor, victim: &mut Actor) -> Result {
        let market = victim.market;
        let outcome = self.world.liquidate_to_pool(&victim.key(), market, Some(keeper.key()));
        let seen = liquidated(outcome.map_err(refused("a takeover by the pool"))?)?;
        same("how", (seen.kind, seen.elapsed), (LiquidationKind::PoolTakeover, 50))?;
        let quote = victim.quote();
        let impact = self.market(market).impact(&victim.position);
        let fill = self.market(market).take_back(quote, &mut victim.position);
        self.post(victim, fill.quote_change);
        let fill = self.market(market).pay_keeper(fill);
        filled(victim, (&seen, &fill))?;
        self.credit(keeper, fill.keeper);

        let asset = self.asset(market);
        self.step(&format!(
            "50 slots after the start {} hands {} {} of {}'s to the pool, at {}.",
            keeper.name,
            quantity(fill.lots, asset.lot_decimals),
            asset.name,
            victim.name,
            average_price(fill.cost, fill.lots, &asset)
        ));
        show::detail(&format!(
            "the curve takes {} of it at most; {} realises {}",
            share(impact),
            victim.name,
            usd(fill.realised),
        ));
        show::detail(&format!(
            "of a fee of {} the insurance pays {} a tip of {}",
            usd(fill.insurance + fill.keeper),
            keeper.name,
            usd(fill.keeper)
        ));
        Ok(())
    }

    /// The waterfall pays what a bankrupt owes, and everybody sees who paid.
    pub fn resolve(&mut self, bankrupt: &mut Actor, side: usize) -> Result<(Tiers, Outcome)> {
        let (market, debt) = (bankrupt.market, -bankrupt.quote());
        let outcome = self.world.resolve_bankruptcy(&bankrupt.key(), market);
        let outcome = outcome.map_err(refused("a resolution"))?;
        let pick = |e| if let Event::BankruptcyResolved(e) = e { Some(e) } else { None };
        let seen = event(outcome.clone(), pick)?;
        let model = &mut self.markets[usize::from(market)];
        let tiers = model.resolve(&mut self.fund, (side, debt));
        same("who paid", seen_tiers(&seen), tiers)?;
        same("the debt", (i128::from(seen.debt), seen.first_loss, seen.unpaid), (debt, 0, 0))?;
        let Tiers { insurance, reserve, backstop, deleveraged, pool, traders, .. } = tiers;
        same(
            "I8: the parts sum to the debt",
            insurance + reserve + backstop + deleveraged + pool + traders,
            debt,
        )?;
        self.post(bankrupt, debt);
        self.step(&format!("{} owes {}. Anybody resolves it:", bankrupt.name, usd(debt)));
        Ok((tiers, outcome))
    }

    /// Anybody settles a position. Returns what moved.
    pub fn settle_finally(&mut self, actor: &Actor) -> Result<PositionSettled> {
        let outcome = self.world.settle(&actor.key(), actor.market).map_err(refused("settling"))?;
        event(outcome, |e| if let Event::PositionSettled(e) = e { Some(e) } else { None })
    }

    /// Anybody settles a position in a market that trades: what is pending is applied, and a profit pays what its holder owes.
    /// A loss stays open: no claim waits for it. Returns what was unwound, and the profit.
    pub fn settle(&mut self, actor: &mut Actor) -> Result<[i128; 3]> {
        same("claims that wait", self.world.market(actor.market).core.book.unpaid_claims, 0)?;
        let seen = self.settle_finally(actor)?;
        let ([lots, quote], owed) = (actor.position.numbers(), actor.owed());
        let market = self.market(actor.market);
        let (left_lots, left_quote) = market.held(&actor.position);
        let profit = if lots == 0 { 0 } else { market.settle(&mut actor.position, owed) };
        self.post(actor, profit);
        let unwound = [(left_lots - lots).abs(), left_quote - quote];
        same("what settling unwound", [seen.unwound_lots.into(), seen.unwound_quote.into()], unwound)?;
        same(
            "what settling realised",
            [seen.profit, seen.loss, seen.claim_paid].map(i128::from),
            [profit, 0, 0],
        )?;
        let position = [seen.position_lots, seen.position_quote].map(i128::from);
        same("what is left of the position", position, actor.position.numbers())?;
        same("the balance", self.world.margin(&actor.key()).quote.0.into(), actor.quote())?;
        Ok([unwound[0], unwound[1], profit])
    }

    /// Somebody buys SOL of an account that owes more than the exchange lends. Returns the token units.
    pub fn buy_collateral(&mut self, [buyer, debtor]: [&mut Actor; 2]) -> Result<u64> {
        let owed = debtor.owed();
        let outcome = self.world.liquidate_collateral(&buyer.trader, &debtor.key(), SOL_VAULT, u64::MAX);
        let pick = |e| if let Event::CollateralSold(e) = e { Some(e) } else { None };
        let seen = event(outcome.map_err(refused("a sale of collateral"))?, pick)?;
        let [amount, proceeds] = self.market(SOL).sell(owed);
        same("what was sold", [seen.amount, seen.proceeds].map(i128::from), [amount, proceeds])?;
        self.credit(debtor, proceeds);
        self.credit(buyer, -proceeds);
        for actor in [&*buyer, &*debtor] {
            same("the balance", self.world.margin(&actor.key()).quote.0.into(), actor.quote())?;
        }
        self.step(&format!(
            "{} buys {} of {}'s SOL for the {} that are owed.",
            buyer.name,
            quantity(amount, SOL_ASSET.lot_decimals),
            debtor.name,
            usd(proceeds)
        ));
        show::detail(&format!(
            "at the price less {}: an auction's smallest concession",
            share(seen.discount.into())
        ));
        Ok(seen.amount)
    }
}

/// Compares a liquidation with the model.
fn filled(victim: &Actor, (seen, fill): (&Liquidated, &ModelFill)) -> Result {
    let moved = ModelFill {
        lots: seen.lots.into(),
        cost: seen.cost.into(),
        concession: seen.concession.into(),
        realised: seen.realised.into(),
        insurance: seen.insurance.into(),
        keeper: seen.keeper.into(),
        quote_change: seen.quote_change.into(),
    };
    same("what the liquidation moved", moved, *fill)?;
    let position = [seen.position_lots, seen.position_quote].map(i128::from);
    same("what is left of the position", position, victim.position.numbers())
}

/// `Ok` if nothing has happened but a call, so many slots after the auction's start.
fn called(outcome: &Outcome, elapsed: u64) -> Result {
    match &outcome.events[..] {
        [Event::AuctionCalled(call)] => same("slots since the start", call.elapsed, elapsed),
        other => Err(format!("only a call, not {other:?}")),
    }
}

/// A line of the waterfall.
pub fn tier(name: &str, paid: i128, remark: &str) {
    show::detail(&format!("{name:<34}{:>16}   {remark}", usd(paid)));
}

fn liquidated(outcome: Outcome) -> Result<Liquidated> {
    event(outcome, |e| if let Event::Liquidated(e) = e { Some(e) } else { None })
}

fn seen_tiers(seen: &BankruptcyResolved) -> Tiers {
    Tiers {
        insurance: seen.insurance.into(),
        reserve: seen.reserve.into(),
        backstop: seen.backstop.into(),
        deleveraged: seen.deleveraged.into(),
        pool: seen.pool.into(),
        traders: seen.traders.into(),
        winners: seen.winners.into(),
        fraction: seen.fraction.into(),
        surplus: seen.surplus.into(),
    }
}
