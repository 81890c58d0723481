//! A margin account as one looks at it: what it holds and is worth, and how far it is from being liquidated.
//!
//! Everything is computed by the engine from account bytes, so that the numbers are those of the program.

use bulwark::state::{MarginAccount, Market};
use bulwark_engine::EngineError;
use bulwark_engine::collateral::Collateral;
use bulwark_engine::margin::{Directory, Health, HealthType, Legs, Portfolio};
use bulwark_engine::market;
use bulwark_engine::position::Position;
use bulwark_engine::price::OracleState;
use bulwark_engine::units::{NORMAL_FRACTION, NormalPrice, Price, Quote, Side};

use crate::health::{HealthError, Snapshot};

/// A position or a claim as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionView {
    /// Market index.
    pub market: u16,
    /// Side; a claim keeps the side that it came from.
    pub side: Side,
    /// Lots after any unwind that is pending; zero for a claim.
    pub lots: u64,
    /// Live price, Q32.32 quote units per lot.
    pub mark: Price,
    /// Price at which it would be worth nothing, carry included: Q32.32 quote units per lot, rounded to the holder's worse.
    /// Zero or less for a position whose profit no price could take. `None` for a claim.
    pub entry: Option<i64>,
    /// Worth at the live price, carry included, quote units rounded down. For a claim, what is owed.
    pub pnl: Quote,
    /// Lots at the live price, quote units rounded up.
    pub notional: u64,
    /// Live price beyond which the account can be liquidated, see [`Snapshot::liquidation_price`].
    pub liquidation_price: Option<Price>,
}

/// A collateral of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollateralView {
    /// Vault index.
    pub vault: u16,
    /// Token units.
    pub amount: u64,
    /// What it counts for in maintenance margin at its last price, after the haircut: quote units rounded down.
    pub value: u64,
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Quote balance, quote units.
    pub quote: Quote,
    /// Collaterals in slot order.
    pub collaterals: Vec<CollateralView>,
    /// Positions and claims in slot order.
    pub positions: Vec<PositionView>,
    /// May increase while equity covers the requirement.
    pub initial: Result<Health, HealthError>,
    /// May stay while equity covers the requirement.
    pub maintenance: Result<Health, HealthError>,
    /// May withdraw while equity covers the requirement.
    pub withdrawal: Result<Health, HealthError>,
}

/// A stored price, taken for sure, undisputed and no older than now.
#[must_use]
pub fn sure(oracle: OracleState, now: i64) -> OracleState {
    OracleState { conf: 0, divergent: 0, publish_time: oracle.publish_time.max(now), ..oracle }
}

/// Prices as they are stored, taken for sure and for those of now.
struct AtStoredPrices<'s, 'a>(&'s Snapshot<'a>);

impl AtStoredPrices<'_, '_> {
    fn sure_market(&self, market: &market::Market) -> market::Market {
        market::Market { oracle: sure(market.oracle, self.0.now), ..*market }
    }
}

impl Directory for AtStoredPrices<'_, '_> {
    type Error = HealthError;

    fn market<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&market::Market) -> bulwark_engine::Result<T>,
    ) -> Result<T, HealthError> {
        Ok(read(&self.sure_market(&self.0.find_market(index)?.core))?)
    }

    fn collateral<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> bulwark_engine::Result<T>,
    ) -> Result<T, HealthError> {
        let core = &self.0.find_vault(index)?.core;
        Ok(read(&Collateral { oracle: sure(core.oracle, self.0.now), ..*core })?)
    }
}

impl Snapshot<'_> {
    /// Everything about an account. The health of an account whose prices need a refresh is an error that says so; the rest
    /// is at the stored prices.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg.
    pub fn view(&self, account: &MarginAccount) -> Result<AccountView, HealthError> {
        let mut stored = AtStoredPrices(self);
        let held = account.collaterals.iter().filter(|slot| slot.amount != 0);
        let collaterals = held.map(|slot| {
            let value =
                stored.collateral(slot.vault, |c| c.value(slot.amount, HealthType::Maint, self.now))?;
            Ok(CollateralView { vault: slot.vault, amount: slot.amount, value })
        });
        let collaterals = collaterals.collect::<Result<_, HealthError>>()?;
        let open = account.positions.iter().filter(|position| position.is_open());
        let positions =
            open.map(|position| self.view_position(account, position)).collect::<Result<_, _>>()?;
        Ok(AccountView {
            quote: account.quote,
            collaterals,
            positions,
            initial: self.health(account, HealthType::Init),
            maintenance: self.health(account, HealthType::Maint),
            withdrawal: self.health(account, HealthType::Withdraw),
        })
    }

    fn view_position(
        &self,
        account: &MarginAccount,
        position: &Position,
    ) -> Result<PositionView, HealthError> {
        let core = &self.find_market(position.market)?.core;
        let side = position.side()?;
        let ladder = core.book.side(side);
        let holding = ladder.member(position)?;
        let lots = holding.lots.count();
        let normal = NormalPrice::new(core.mark(), ladder.carry)?;
        let entry = holding.entry().map(|entry| live_entry(side, entry, core.mark(), normal));
        Ok(PositionView {
            market: position.market,
            side,
            lots,
            mark: core.mark(),
            entry: entry.transpose()?,
            pnl: self.pnl(position)?,
            notional: core.mark().mul_ceil(lots)?,
            liquidation_price: self.liquidation_price(account, position.market)?,
        })
    }

    /// Live price of a market at which the account can be liquidated, with everything else as it is: the highest one for a
    /// long, the lowest one for a short. Every price is taken for sure and fresh, and collateral for no dearer or cheaper than it is,
    /// even if it is of the market's own base. `None` without a position, and if no price of this market alone decides.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg; [`EngineError::Overflow`].
    pub fn liquidation_price(
        &self,
        account: &MarginAccount,
        market: u16,
    ) -> Result<Option<Price>, HealthError> {
        let Some(position) = account.position_in(market).filter(|position| !position.is_claim()) else {
            return Ok(None);
        };
        let stored = &mut AtStoredPrices(self);
        let others = Legs { skip_market: Some(market), ..account.legs() };
        let mut rest = others.portfolio(stored, (HealthType::Maint, self.now))?;
        rest.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
        let this = self.find_market(market)?;
        Probe { snapshot: self, rest, market: this, position }.threshold(position.side()?)
    }
}

/// Live price (Q32.32) of a carry-normalised entry: `entry + C` with `C = mark − normal(mark)`, rounded to the side's worse.
fn live_entry(
    side: Side,
    entry: NormalPrice,
    mark: Price,
    normal_mark: NormalPrice,
) -> Result<i64, EngineError> {
    const FINER: u32 = NORMAL_FRACTION - 32;
    let carry = (i128::from(mark.to_bits()) << FINER) - i128::from(normal_mark.0);
    let exact = i128::from(entry.0) + carry;
    let rounded = match side {
        Side::Long => -((-exact) >> FINER),
        Side::Short => exact >> FINER,
    };
    i64::try_from(rounded).map_err(|_| EngineError::Overflow)
}

/// An account whose market is tried at other prices.
struct Probe<'a> {
    snapshot: &'a Snapshot<'a>,
    /// Everything but the position.
    rest: Portfolio,
    market: &'a Market,
    position: &'a Position,
}

impl Probe<'_> {
    fn in_trouble(&self, bits: u64) -> Result<bool, HealthError> {
        let price = Price::from_bits(bits)?;
        let oracle = OracleState { price, ema: price, ..self.market.core.oracle };
        let core = market::Market { oracle, ..self.market.core };
        let mut all = self.rest;
        let leg = Health::of_position_at_stored_price(&core, self.position, HealthType::Maint)?;
        all.add_position(leg, core.params.risk_group, self.position)?;
        let health = all.health(&self.snapshot.exchange.params.risk_groups)?;
        Ok(health.equity < health.requirement)
    }

    /// The price of those in trouble that is nearest to the others. A long's health rises with the price, for what it gains
    /// beats what it needs more; a short's falls.
    fn threshold(&self, side: Side) -> Result<Option<Price>, HealthError> {
        let (lowest, highest) = (Price::MIN.to_bits(), self.ceiling());
        let (mut bad, mut good) = match side {
            Side::Long => (lowest, highest),
            Side::Short => (highest, lowest),
        };
        if !self.in_trouble(bad)? || self.in_trouble(good)? {
            return Ok(None);
        }
        while bad.abs_diff(good) > 1 {
            let middle = bad.midpoint(good);
            if self.in_trouble(middle)? { bad = middle } else { good = middle }
        }
        Ok(Some(Price::from_bits(bad)?))
    }

    /// The highest price that is tried: a thousand times the live one, as far as there are prices and the position's
    /// notional at it can be represented.
    fn ceiling(&self) -> u64 {
        let live = self.market.core.mark().to_bits();
        let mut bits = live.saturating_mul(1_000).min(Price::MAX.to_bits());
        while bits > live && self.in_trouble(bits).is_err() {
            bits = live + (bits - live) / 2;
        }
        bits
    }
}
