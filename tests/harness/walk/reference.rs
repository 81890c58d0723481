//! The eager reference: what everybody should have, kept position by position, without ladder and laziness.
//!
//! It is told what happened by the events and works out the amounts itself. Whatever it cannot explain, and any
//! number on the chain that differs from its own by a unit, is a finding.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{LiquidityAllocated, MarketSwept, PositionSettled, Traded};
use bulwark_sdk::program::state::MarginAccount;

use super::exact::{self, Curve, Held, Mark, Validity, floor};
use super::stage::{ACCOUNTS, MARKETS, Stage, VAULTS};
use super::state::State;

/// A market's money, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Till {
    /// Pool money in the market.
    pub cash: i128,
    /// The market's own insurance.
    pub insurance: i128,
    /// Fees not swept: pool, insurance fund, protocol.
    pub fees: [i128; 3],
    /// Principal lent by the pool and not given back.
    pub committed: i128,
}

/// What one market has taken in and paid out since it began, quote units: the sides of I17.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Pool money that came, less what went back.
    pub lent: i128,
    /// Losses of traders.
    pub lost: i128,
    /// Profits paid to traders.
    pub paid: i128,
}

/// A margin account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Quote balance.
    pub quote: i128,
    /// Collaterals by vault.
    pub collaterals: [i128; VAULTS],
    /// Positions and claims by market.
    pub positions: [Option<Held>; MARKETS],
}

/// Everything that can be owned, as the chain shows it and as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Margin accounts; `None` unless open.
    pub holders: [Option<Holder>; ACCOUNTS],
    /// Markets.
    pub tills: [Till; MARKETS],
    /// What the vaults record.
    pub recorded: [i128; VAULTS],
    /// Idle pool cash.
    pub idle: i128,
    /// Junior shares.
    pub shares: i128,
    /// Insurance fund: reserve and stake.
    pub fund: [i128; 2],
    /// The protocol's fees.
    pub protocol: i128,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What everybody should have.
    pub ledger: Ledger,
    /// What came and went, by market.
    pub flows: [Flows; MARKETS],
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

impl Holder {
    /// Reads an account.
    fn read(account: &MarginAccount) -> Self {
        let mut holder = Self { quote: i128::from(account.quote.0), ..Self::default() };
        for slot in account.collaterals.iter().filter(|c| c.amount != 0) {
            holder.collaterals[usize::from(slot.vault)] += i128::from(slot.amount);
        }
        for p in account.positions.iter().filter(|p| p.is_open()) {
            let side = p.side().expect("a side");
            let held = Held { side, b: i128::from(p.lots.0), q: i128::from(p.quote.0) };
            let twice = holder.positions[usize::from(p.market)].replace(held);
            assert_eq!(twice, None, "one position per market");
        }
        holder
    }

    /// Quote and PnL of every position at the marks, exact.
    #[must_use]
    pub fn value(&self, marks: &[Mark; MARKETS]) -> i128 {
        let pnl =
            self.positions.iter().zip(marks).filter_map(|(held, mark)| Some(mark.value(held.as_ref()?)));
        self.quote * exact::UNIT + pnl.sum::<i128>()
    }
}

impl Ledger {
    /// Reads the chain.
    #[must_use]
    pub fn read(state: &State) -> Self {
        let till = |market| {
            let book = &state.market(market).core.book;
            Till {
                cash: i128::from(book.cash),
                insurance: i128::from(book.insurance),
                fees: [book.fees.pool, book.fees.insurance, book.fees.protocol].map(i128::from),
                committed: i128::from(book.committed),
            }
        };
        let (pool, fund) = (state.pool(), state.fund());
        Self {
            holders: std::array::from_fn(|account| state.margin(account).map(Holder::read)),
            tills: std::array::from_fn(till),
            recorded: std::array::from_fn(|vault| i128::from(state.vault(vault).recorded)),
            idle: i128::from(pool.idle),
            shares: i128::from(pool.junior.shares),
            fund: [i128::from(fund.reserve), i128::from(fund.staked)],
            protocol: i128::from(state.exchange().protocol_fees),
        }
    }

    /// Positions of a market.
    pub fn members(&self, market: usize) -> impl Iterator<Item = &Held> {
        self.holders.iter().flatten().filter_map(move |h| h.positions[market].as_ref())
    }

    /// Net lots of a market's traders.
    #[must_use]
    pub fn skew(&self, market: usize) -> i128 {
        self.members(market).map(|held| held.b).sum()
    }

    /// Profit that waits for cash.
    #[must_use]
    pub fn claims(&self, market: usize) -> i128 {
        self.members(market).filter(|held| held.is_claim()).map(|held| held.q).sum()
    }

    /// What differs from `other`, in words.
    #[must_use]
    pub fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                text += &format!("\n  {what}: {ours}\n   chain has {theirs}");
            }
        };
        for (i, (a, b)) in self.holders.iter().zip(&other.holders).enumerate() {
            compare(&format!("account {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        for (i, (a, b)) in self.tills.iter().zip(&other.tills).enumerate() {
            compare(&format!("market {i}"), format!("{a:?}"), format!("{b:?}"));
        }
        let rest = |l: &Self| format!("{:?}", (l.recorded, l.idle, l.shares, l.fund, l.protocol));
        compare("vaults, idle, shares, fund, protocol", rest(self), rest(other));
        text
    }
}

impl Reference {
    /// The model of what is there.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let ledger = Ledger::read(state);
        let flows = ledger.tills.map(|till| Flows { lent: till.cash, ..Flows::default() });
        Self { ledger, flows }
    }

    /// Follows an event; `after` gives prices and parameters.
    ///
    /// # Errors
    /// What the event says and the model does not.
    pub fn apply(&mut self, event: &Event, stage: &Stage, after: &State) -> Verdict {
        let ledger = &mut self.ledger;
        match event {
            Event::MarginAccountOpened(e) => {
                let slot = &mut ledger.holders[place(stage, &e.account)?];
                require(slot.is_none(), || "opened twice".into())?;
                *slot = Some(Holder::default());
            }
            Event::MarginAccountClosed(e) => {
                let slot = ledger.holders[place(stage, &e.account)?].take();
                require(slot == Some(Holder::default()), || format!("closed with {slot:?}"))?;
            }
            Event::Deposited(e) => self.moved((stage, &e.account), e.vault, i128::from(e.amount))?,
            Event::Withdrawn(e) => self.moved((stage, &e.account), e.vault, -i128::from(e.amount))?,
            Event::Traded(e) => self.traded(e, stage, after)?,
            Event::PositionSettled(e) => self.settled(e, stage, after)?,
            Event::LiquidityAdded(e) => {
                ledger.idle += i128::from(e.amount);
                ledger.recorded[0] += i128::from(e.amount);
                ledger.shares += i128::from(e.shares);
            }
            Event::LiquidityAllocated(e) => self.allocated(e)?,
            Event::MarketSwept(e) => self.swept(e)?,
            Event::InvariantsChecked(e) => require(e.ok, || "check_invariants says no".into())?,
            Event::MarketRefreshed(_) | Event::VaultRefreshed(_) | Event::DelegateSet(_) => {}
            Event::ExchangeInitialized(_) | Event::VaultCreated(_) | Event::MarketCreated(_) => {
                return Err(format!("nothing is listed in a walk: {event:?}"));
            }
        }
        Ok(())
    }

    fn holder(&mut self, stage: &Stage, account: &Pubkey) -> Result<&mut Holder, String> {
        let place = place(stage, account)?;
        self.ledger.holders[place].as_mut().ok_or_else(|| format!("account {place} is not open"))
    }

    fn moved(&mut self, (stage, account): (&Stage, &Pubkey), vault: u16, amount: i128) -> Verdict {
        let vault = usize::from(vault);
        self.ledger.recorded[vault] += amount;
        let holder = self.holder(stage, account)?;
        *(if vault == 0 { &mut holder.quote } else { &mut holder.collaterals[vault] }) += amount;
        Ok(())
    }

    /// Moves a realised amount: all of a loss, of a profit what cash covers. Returns what moved.
    fn pay(&mut self, market: usize, realised: i128) -> i128 {
        let (till, flows) = (&mut self.ledger.tills[market], &mut self.flows[market]);
        let paid = realised.min(till.cash);
        till.cash -= paid;
        *(if paid < 0 { &mut flows.lost } else { &mut flows.paid }) += paid.abs();
        paid
    }

    fn traded(&mut self, e: &Traded, stage: &Stage, after: &State) -> Verdict {
        let (market, delta) = (usize::from(e.market), i128::from(e.lots));
        let core = &after.market(market).core;
        let (mark, curve, skew) = (Mark::of(core), Curve::of(core), self.ledger.skew(market));
        let fees = [e.fee_pool, e.fee_insurance, e.fee_protocol].map(i128::from);
        let (fee, cost) = (fees.iter().sum::<i128>(), i128::from(e.curve) + i128::from(e.spread));
        // Formula (3) and the fee from the parameters; the spread is the least one or more.
        let expected = (curve.cost(skew, delta), exact::taker_fee(core, delta));
        let told = (i128::from(e.curve), fee);
        require(told == expected, || format!("curve, fee: {told:?} for {expected:?} at skew {skew}"))?;
        let least = exact::least_spread(core, delta);
        require(i128::from(e.spread) >= least, || format!("spread {} below {least}", e.spread))?;
        let unwound = (e.unwound_lots, e.unwound_quote);
        require(unwound == (0, 0), || format!("nothing was unwound: {unwound:?}"))?;

        let side = if delta > 0 { Side::Long } else { Side::Short };
        let held = self.holder(stage, &e.account)?.positions[market];
        let mut now = held.unwrap_or(Held { side, b: 0, q: 0 });
        let (mut realised, mut paid) = (0, 0);
        if now.side == side {
            now.increase(delta, cost, &mark);
        } else {
            require(delta.abs() <= now.b.abs(), || format!("{delta} lots closed of {now:?}"))?;
            realised = now.decrease(delta, cost, &mark);
            paid = self.pay(market, realised);
            now.q += realised - paid; // the claim
        }
        let expected = (realised, paid, realised - paid, now.b, now.q);
        let told = [e.realised, e.paid, e.claim.cast_signed(), e.position_lots, e.position_quote];
        let told: [i128; 5] = told.map(i128::from);
        require(<[i128; 5]>::from(expected) == told, || format!("{told:?} for {expected:?}"))?;

        for (sum, fee) in self.ledger.tills[market].fees.iter_mut().zip(fees) {
            *sum += fee;
        }
        let holder = self.holder(stage, &e.account)?;
        holder.quote += paid - fee;
        holder.positions[market] = ((now.b, now.q) != (0, 0)).then_some(now);
        Ok(())
    }

    /// A claim is paid as far as cash reaches; a loss is collected only while claims wait, at a Fresh price.
    fn settled(&mut self, e: &PositionSettled, stage: &Stage, after: &State) -> Verdict {
        let market = usize::from(e.market);
        let core = &after.market(market).core;
        let held = self.holder(stage, &e.account)?.positions[market];
        let Some(mut now) = held else { return Err("settled what is not there".into()) };
        let oracle = &core.params.oracle;
        let fresh =
            exact::validity(&core.oracle, oracle, oracle.max_margin_age, after.now) == Validity::Fresh;
        let mut paid = 0;
        if now.is_claim() {
            paid = self.pay(market, now.q);
        } else if self.ledger.claims(market) > 0 && fresh {
            paid = self.pay(market, floor(Mark::of(core).value(&now)).min(0));
        }
        now.q -= paid;
        let expected = [paid.max(0), (-paid).max(0), now.b, now.q];
        let told = [e.claim_paid.cast_signed(), e.loss.cast_signed(), e.position_lots, e.position_quote];
        let told: [i128; 4] = told.map(i128::from);
        require(told == expected, || format!("{told:?} for {expected:?}"))?;
        let unwound = (e.unwound_lots, e.unwound_quote);
        require(unwound == (0, 0), || format!("nothing was unwound: {unwound:?}"))?;
        let holder = self.holder(stage, &e.account)?;
        holder.quote += paid;
        holder.positions[market] = ((now.b, now.q) != (0, 0)).then_some(now);
        Ok(())
    }

    /// What comes back is realised profit first, cash beyond the principal, and then principal.
    fn allocated(&mut self, e: &LiquidityAllocated) -> Verdict {
        let (market, amount) = (usize::from(e.market), i128::from(e.amount));
        let till = &mut self.ledger.tills[market];
        let profit = (till.cash - till.committed).max(0);
        till.committed += if amount > 0 { amount } else { (amount + profit).min(0) };
        let committed = till.committed;
        require(committed == i128::from(e.committed), || format!("{} for {committed}", e.committed))?;
        till.cash += amount;
        self.ledger.idle -= amount;
        self.flows[market].lent += amount;
        Ok(())
    }

    fn swept(&mut self, e: &MarketSwept) -> Verdict {
        let told = [e.pool, e.insurance, e.protocol].map(i128::from);
        let ledger = &mut self.ledger;
        let fees = std::mem::take(&mut ledger.tills[usize::from(e.market)].fees);
        require(told == fees, || format!("swept {told:?} of {fees:?}"))?;
        ledger.idle += fees[0];
        ledger.fund[0] += fees[1];
        ledger.protocol += fees[2];
        Ok(())
    }
}

fn place(stage: &Stage, account: &Pubkey) -> Result<usize, String> {
    stage.account(account).ok_or_else(|| format!("unknown account {account}"))
}
