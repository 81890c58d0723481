//! The eager reference: what everybody should have, kept position by position, without ladder and laziness.
//!
//! It is told what happened by the events and works out the amounts itself. Whatever it cannot explain, and any
//! number on the chain that differs from its own by a unit, is a finding.

mod backstop;
mod deleverage;
mod liquidation;
mod pool;
mod positions;
mod trades;
mod triggers;
mod waterfall;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::ladder::BUCKETS;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::MarketRefreshed;

use super::auction::Auction;
use super::exact::{Held, Mark};
use super::ladder::Unwind;
pub use super::ledger::{Cooling, Debts, Drawn, Fund, Holder, Ledger, Shares, Stake, Ticket, Till};
use super::stage::{MARKETS, Stage};
use super::state::State;

/// What one market has taken in and paid out since it began, quote units: the sides of I17.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Pool money that came, less what went back.
    pub lent: i128,
    /// Losses of traders.
    pub lost: i128,
    /// Profits paid to traders.
    pub paid: i128,
    /// Losses that were booked and never brought: what the waterfall took out of the cash again.
    pub forgiven: i128,
}

/// An unwind, with everything that its fairness is judged by.
#[derive(Clone, Debug)]
pub struct Unwinding {
    /// Market.
    pub market: usize,
    /// Its winners: 0 longs, 1 shorts.
    pub side: usize,
    /// Share of their profit, of 2^32.
    pub fraction: i128,
    /// Numbers of the buckets that were unwound.
    pub buckets: Vec<usize>,
    /// What it did.
    pub unwind: Unwind,
    /// Price and carry at which it did.
    pub mark: Mark,
}

impl Unwinding {
    /// Whether a position was in one of its buckets.
    #[must_use]
    pub fn takes_from(&self, held: &Held) -> bool {
        held.side as usize == self.side && self.buckets.contains(&held.joined.bucket)
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What everybody should have.
    pub ledger: Ledger,
    /// What came and went, by market.
    pub flows: [Flows; MARKETS],
    /// What a bucket may have more than its members by rounding, in lots and in quote units, by market, side and bucket.
    pub dust: Vec<[[i128; BUCKETS]; 2]>,
    /// The same before the last step.
    pub dust_was: Vec<[[i128; BUCKETS]; 2]>,
    /// Unwinds of the last step.
    pub unwindings: Vec<Unwinding>,
}

/// A finding: what does not hold.
pub type Verdict = Result<(), String>;

/// `Err` with the text unless `holds`.
///
/// # Errors
/// The text.
pub fn require(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(text()) }
}

impl Reference {
    /// The model of what is there.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let ledger = Ledger::read(state);
        let flows = ledger.tills.map(|till| Flows { lent: till.cash, ..Flows::default() });
        let dust = vec![[[0; BUCKETS]; 2]; MARKETS];
        Self { ledger, flows, dust_was: dust.clone(), dust, unwindings: Vec::new() }
    }

    /// Begins a step: what is remembered of the last one is forgotten.
    pub fn begin(&mut self) {
        self.unwindings.clear();
        self.dust_was.clone_from(&self.dust);
    }

    /// What the buckets of a side may have more than their members, before or after the step.
    #[must_use]
    pub fn dust(&self, market: usize, side: usize) -> i128 {
        let sum = |dust: &[[[i128; BUCKETS]; 2]]| dust[market][side].iter().sum::<i128>();
        sum(&self.dust).max(sum(&self.dust_was))
    }

    /// Follows an event; the state after gives clock and parameters, the one before the average price that a settlement
    /// looks at.
    ///
    /// # Errors
    /// What the event says and the model does not.
    pub fn apply(&mut self, event: &Event, stage: &Stage, [before, after]: [&State; 2]) -> Verdict {
        let ledger = &mut self.ledger;
        match event {
            Event::MarginAccountOpened(e) => {
                let slot = &mut ledger.holders[place(stage, &e.account)?];
                require(slot.is_none(), || "opened twice".into())?;
                *slot = Some(Holder::default());
            }
            Event::MarginAccountClosed(e) => {
                let slot = ledger.holders[place(stage, &e.account)?].take();
                require(slot.is_some_and(|h| h.is_empty()), || format!("closed with {slot:?}"))?;
            }
            Event::Deposited(e) => self.moved((stage, &e.account), e.vault, i128::from(e.amount), after)?,
            Event::Withdrawn(e) => self.moved((stage, &e.account), e.vault, -i128::from(e.amount), after)?,
            Event::MarketRefreshed(e) => self.refreshed(e, after)?,
            Event::Traded(e) => self.traded(e, stage, after)?,
            Event::PositionSettled(e) => self.settled(e, stage, after)?,
            Event::TriggerPlaced(e) => self.placed(e, stage, after)?,
            Event::TriggerExecuted(e) => self.executed(e, stage)?,
            Event::TriggerCancelled(e) => self.cancelled(e, stage)?,
            Event::LiquidityAdded(e) => self.added(e, after)?,
            Event::RedeemRequested(e) => self.requested(e, stage, after)?,
            Event::Redeemed(e) => self.redeemed(e, stage, after)?,
            Event::RedeemCancelled(e) => self.taken_back(e, stage, after)?,
            Event::LiquidityAllocated(e) => self.allocated(e, after)?,
            Event::MarketSwept(e) => self.swept(e, after)?,
            Event::AuctionCalled(e) => self.auction_called(e, stage, after)?,
            Event::Liquidated(e) => self.liquidated(e, stage, after)?,
            Event::CollateralSold(e) => self.sold(e, stage, after)?,
            Event::ClaimForfeited(e) => self.forfeited(e, stage)?,
            Event::BankruptcyResolved(e) => self.resolved(e, stage, after)?,
            Event::MarketRebalanced(e) => self.rebalanced(e, [before, after])?,
            Event::MarketSettling(e) => self.frozen(e, [before, after])?,
            Event::InsuranceFunded(e) => self.funded(e, after)?,
            Event::BackstopStaked(e) => self.staked(e, after)?,
            Event::UnstakeRequested(e) => self.cools(e, stage, after)?,
            Event::Unstaked(e) => self.unstaked(e, stage, after)?,
            Event::UnstakeCancelled(e) => self.restaked(e, stage)?,
            Event::InvariantsChecked(e) => require(e.ok, || "check_invariants says no".into())?,
            Event::VaultRefreshed(_) | Event::DelegateSet(_) => {}
            _ => return Err(format!("not met in a walk: {event:?}")),
        }
        Ok(())
    }

    fn holder(&mut self, stage: &Stage, account: &Pubkey) -> Result<&mut Holder, String> {
        let place = place(stage, account)?;
        self.ledger.holders[place].as_mut().ok_or_else(|| format!("account {place} is not open"))
    }

    fn moved(
        &mut self,
        (stage, account): (&Stage, &Pubkey),
        vault: u16,
        amount: i128,
        after: &State,
    ) -> Verdict {
        let vault = usize::from(vault);
        self.flow(vault, amount, after)?;
        let holder = self.holder(stage, account)?;
        *(if vault == 0 { &mut holder.quote } else { &mut holder.collaterals[vault] }) += amount;
        if amount < 0 && (holder.quote < 0 || holder.has_positions()) {
            holder.auction = Auction::default(); // it was found to be well above its margin
        }
        Ok(())
    }

    /// Tokens arrive (> 0) or leave (< 0), as far as the anchor allows.
    fn flow(&mut self, vault: usize, amount: i128, after: &State) -> Verdict {
        let params = &after.vault(vault).core.params;
        let limits = (&params.outflow, params.max_deposits);
        let (anchor, recorded) = (&mut self.ledger.anchors[vault], &mut self.ledger.recorded[vault]);
        anchor.pass(limits, *recorded, after.now);
        let room = anchor.room(limits, *recorded, after.now);
        require(amount >= 0 || -amount <= room, || format!("{amount} left where {room} may"))?;
        *recorded += amount;
        Ok(())
    }

    /// Carry accrues at the price of before; then price, volatility and borrow rate are new.
    fn refreshed(&mut self, e: &MarketRefreshed, after: &State) -> Verdict {
        let market = usize::from(e.market);
        let core = &after.market(market).core;
        self.accrue(market, after);
        let dynamics = &mut self.ledger.dynamics[market];
        dynamics.drift(&core.params, after.now);
        let (from, elapsed) = (dynamics.price, e.publish_time - dynamics.publish_time);
        dynamics.price = i128::from(e.price);
        dynamics.publish_time = e.publish_time;
        if elapsed > 0 {
            let told = core.volatility.variances.map(i128::from);
            dynamics.observe(from, elapsed, &core.params.volatility, told)?;
            self.lend(market, after);
        }
        let dynamics = &mut self.ledger.dynamics[market];
        dynamics.settle_fractions(&core.params);
        let told = (e.funding_rate, e.borrow_ppm, [e.sigma_ppm, e.mmf_ppm, e.imf_ppm]);
        let told = (i128::from(told.0), i128::from(told.1), told.2.map(i128::from));
        let expected = (dynamics.funding, dynamics.borrow, dynamics.fractions);
        require(told == expected, || format!("rates and fractions {told:?} for {expected:?}"))?;
        let (told, carry) = ([e.carry_long, e.carry_short], dynamics.carry);
        require(told == carry, || format!("carry {told:?} for {carry:?}"))?;
        self.watch_exposure(market, after);
        Ok(())
    }

    /// Carry up to now, as skew and rates have been.
    fn accrue(&mut self, market: usize, after: &State) {
        let sides = self.ledger.sides(market);
        self.ledger.dynamics[market].accrue(&after.market(market).core.params, sides, after.now);
    }

    /// The borrow rate from now on.
    fn lend(&mut self, market: usize, after: &State) {
        let (sides, cash) = (self.ledger.sides(market), self.ledger.tills[market].cash);
        self.ledger.dynamics[market].lend(&after.market(market).core.params, cash, sides);
    }
}

fn place(stage: &Stage, account: &Pubkey) -> Result<usize, String> {
    stage.account(account).ok_or_else(|| format!("unknown account {account}"))
}
