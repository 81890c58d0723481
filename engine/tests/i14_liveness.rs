//! I14: whatever an account in trouble holds, a finite sequence of calls that anyone can make ends the trouble.
//!
//! One account with positions on any side of several markets, pending unwinds, claims, debts and collaterals, some of them with
//! a dead price; other traders make the skew what it may be. The keeper of the test knows one rule for each state: hand the worst
//! position to the pool as soon as it is taken, else wait; without positions sell collateral; without collateral have the
//! claims paid; then resolve. It ends with a healthy account, or one that holds and owes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::auction::{Auction, COLLATERAL_LAPSE_SLOTS, TAKEOVER_SLOTS};
use bulwark_engine::collateral::Collateral;
use bulwark_engine::debt::{Debts, owed};
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::liquidation::PoolFill;
use bulwark_engine::margin::{
    CollateralSlot, Health, HealthType, Legs, MAX_COLLATERALS, MAX_POSITIONS, Portfolio, RiskGroups,
};
use bulwark_engine::market::MarketParams;
use bulwark_engine::position::Position;
use bulwark_engine::sale::{CLEARING_SLOTS, DECAY, OUTAGE, Reason};
use bulwark_engine::trade::Owes;
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss};
use bytemuck::Zeroable;
use model::config;
use model::vault::{Shelf, collateral};
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, price};
use proptest::prelude::*;

const PLACES: u16 = 4;
const VAULTS: u16 = 2;
/// Slots of a second.
const SLOTS: i64 = 2;
/// Seconds between two calls that keep the auction of an account without positions running.
const CALL: i64 = COLLATERAL_LAPSE_SLOTS.cast_signed() / SLOTS;
/// Seconds until a collateral without buyers is given away, and calls for that.
const CLEARING: i64 = (TAKEOVER_SLOTS + CLEARING_SLOTS).cast_signed() / SLOTS + CALL;

#[derive(Clone)]
struct Scene {
    shelf: Shelf,
    positions: [Position; MAX_POSITIONS],
    collaterals: [CollateralSlot; MAX_COLLATERALS],
    quote: Quote,
    debts: Debts,
    auction: Auction,
    fund: Fund,
    groups: RiskGroups,
    now: i64,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open: Vec<_> = self.positions.iter().filter(|p| p.is_open()).collect();
        let books: Vec<_> =
            self.shelf.markets.iter().map(|(i, m)| (i, m.mark(), m.book.cash, m.book.skew())).collect();
        let held = &self.collaterals[..2];
        write!(f, "{open:?} {books:?} {held:?} {:?} {:?}", self.quote, self.debts.total)
    }
}

/// What the test's keeper did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Fill,
    Wait,
    Sale,
    Claim,
    Resolution,
}

impl Scene {
    fn slot(&self) -> u64 {
        u64::try_from(self.now * SLOTS).unwrap()
    }

    fn legs(&self) -> Legs<'_> {
        Legs {
            positions: &self.positions,
            collaterals: &self.collaterals,
            skip_market: None,
            skip_vault: None,
        }
    }

    fn portfolio(&self) -> Portfolio {
        let mut sum =
            self.legs().portfolio(&mut self.shelf.clone(), (HealthType::Liquidate, self.now)).unwrap();
        sum.add(Health { equity: self.quote, requirement: Quote::ZERO }).unwrap();
        sum
    }

    /// Time passes; every market is refreshed, dead collaterals stay dead.
    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        for market in self.shelf.markets.values_mut() {
            market.oracle.publish_time = self.now;
        }
        for vault in self.shelf.vaults.values_mut().filter(|vault| vault.oracle.divergent == 0) {
            vault.oracle.publish_time = self.now;
        }
    }

    fn open(&self) -> Vec<usize> {
        (0..MAX_POSITIONS).filter(|&i| self.positions[i].is_open() && !self.positions[i].is_claim()).collect()
    }

    /// One call, or a second of waiting; `None` when the account is out of trouble.
    fn step(&mut self) -> Option<Call> {
        let sum = self.portfolio();
        match sum.in_trouble(&self.groups) {
            Ok(health) if !self.open().is_empty() => Some(self.fill(&sum, health)),
            Ok(health) => Some(self.sell_or_resolve(health)),
            Err(EngineError::Healthy { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Hands the worst position to the pool, or waits until that is possible.
    fn fill(&mut self, sum: &Portfolio, health: Health) -> Call {
        let requirement = |who: &usize| {
            let position = &self.positions[*who];
            let market = &self.shelf.markets[&position.market];
            Health::of_position(market, position, HealthType::Liquidate, self.now).unwrap().requirement
        };
        let worst = *self.open().iter().max_by_key(|who| requirement(who)).unwrap();
        let needs = requirement(&worst);
        sum.require_worst(needs).unwrap();
        let moment = self.auction.call(self.slot(), (health, true)).unwrap();
        let position = &mut self.positions[worst];
        let (index, side) = (position.market, position.side().unwrap());
        let market = self.shelf.markets.get_mut(&index).unwrap();
        let group = market.params.risk_group;
        let relief = sum.relief((group, position), needs, &self.groups).unwrap();
        let here = self.debts.share(index, self.quote).unwrap();
        let owes = Owes { here, all: owed(self.quote) };
        let before = market.clone();
        self.debts.lift(index, &mut market.book).unwrap();
        let lot = match market.lot(position, relief, self.now) {
            // An unwind has left no lots: settling files it as a claim, or frees the slot.
            Err(EngineError::NoPosition) => {
                let report = market.settle(position, (owes, self.now)).unwrap();
                let place = ((index, side), (self.quote, report.quote_change));
                self.quote = self.debts.post(place.0, place.1, &mut market.book).unwrap();
                return Call::Claim;
            }
            lot => lot.unwrap(),
        };
        let takeover = moment.elapsed >= TAKEOVER_SLOTS;
        let fill = if takeover { PoolFill::Takeover } else { PoolFill::Reducing };
        let offer = market.pool_offer((fill, self.now), (side, &lot), (health, moment)).unwrap();
        match market.take_back(position, (&lot, &offer), (fill, self.now)) {
            Err(EngineError::SkewWouldGrow { .. }) => {
                *market = before;
                assert!(!takeover, "at the end the pool takes whatever it is");
                self.wait(1);
                Call::Wait
            }
            report => {
                let report = report.unwrap();
                let change = (self.quote, report.quote_change);
                self.quote = self.debts.post((index, side), change, &mut market.book).unwrap();
                market.pay_keeper(report, true).unwrap();
                let health = self.portfolio().health(&self.groups).unwrap();
                self.auction.end_if_over(health).unwrap();
                Call::Fill
            }
        }
    }

    /// Sells collateral as long as there is some, then has claims paid, then resolves.
    fn sell_or_resolve(&mut self, health: Health) -> Call {
        if let Some(slot) = self.collaterals.iter_mut().find(|slot| slot.amount != 0) {
            let slots = u64::try_from(self.now * SLOTS).unwrap();
            let elapsed = self.auction.call(slots, (health, false)).unwrap().elapsed;
            let vault = &self.shelf.vaults[&slot.vault];
            let reason = Reason::Margin { elapsed, positions: false };
            // A buyer who pays nothing of worth: he waits until the discount is everything.
            match vault.discount(reason, self.now) {
                Ok(discount) if discount == 1 << 32 => {
                    let sale = vault.sell((slot.amount, u64::MAX), owed(self.quote), discount).unwrap();
                    slot.amount -= sale.amount;
                    self.quote = self.quote.plus(Quote::from_units(sale.proceeds).unwrap()).unwrap();
                    return Call::Sale;
                }
                Ok(_) if vault.oracle.divergent == 0 => self.wait(CALL),
                _ => self.wait(DECAY / 20),
            }
            return Call::Wait;
        }
        for position in self.positions.iter_mut().filter(|p| p.is_claim()) {
            let (index, side) = (position.market, position.side().unwrap());
            let market = self.shelf.markets.get_mut(&index).unwrap();
            let here = self.debts.share(index, self.quote).unwrap();
            let owes = Owes { here, all: owed(self.quote) };
            self.debts.lift(index, &mut market.book).unwrap();
            let report = market.settle(position, (owes, self.now)).unwrap();
            let change = (self.quote, report.quote_change);
            self.quote = self.debts.post((index, side), change, &mut market.book).unwrap();
            if report.claim_paid > 0 {
                return Call::Claim;
            }
        }
        self.resolve();
        Call::Resolution
    }

    fn resolve(&mut self) {
        self.legs().require_bankrupt(self.quote).unwrap();
        for position in self.positions.iter_mut().filter(|p| p.is_open()) {
            self.shelf.markets.get_mut(&position.market).unwrap().forfeit(position).unwrap();
        }
        for index in 0..PLACES {
            let debt = self.debts.share(index, self.quote).unwrap();
            let market = self.shelf.markets.get_mut(&index).unwrap();
            if debt == 0 {
                // What rounding up elsewhere has paid already is held back until the account meets the market.
                self.debts.lift(index, &mut market.book).unwrap();
                let place = (index, self.debts.side(index).unwrap());
                self.debts.post(place, (self.quote, Quote::ZERO), &mut market.book).unwrap();
                continue;
            }
            let loss = Loss { debt, side: self.debts.side(index).unwrap(), now: self.now };
            self.debts.lift(index, &mut market.book).unwrap();
            let report = market.resolve(&mut self.fund, &loss).unwrap();
            assert_eq!((report.total(), report.unpaid), (Ok(debt), 0));
            self.debts.forgive(index, (self.quote, 0), &mut market.book).unwrap();
            self.quote = self.quote.plus(Quote::from_units(debt).unwrap()).unwrap();
        }
        assert!(self.quote == Quote::ZERO && self.debts.is_clear(), "nothing is owed or held back any more");
    }
}

type Leg = (Side, u64, u64, u64, Option<(Side, u64)>, u64);

fn any_leg() -> impl Strategy<Value = Option<Leg>> {
    let others = prop::option::of((any_side(), any_lots(34)));
    let cash = prop_oneof![Just(0), any_lots(30), Just(1 << 50)];
    prop::option::weighted(0.8, (any_side(), any_lots(32), ONE / 2..ONE * 2, ONE / 2..ONE * 2, others, cash))
}

prop_compose! {
    fn any_scene()(
        legs in prop::collection::vec(any_leg(), usize::from(PLACES)), step in prop_oneof![Just(1), 1..1_000_u64],
        least in prop_oneof![Just(1), any_lots(24)], scale in any_lots(38), groups in [0..3_u8, 0..3, 0..3, 0..3],
        unwinds in prop::collection::vec((0..PLACES, any_side(), 0..FRACTION_ONE), 0..4),
        amounts in [prop_oneof![Just(0), any_lots(32)], prop_oneof![Just(0), any_lots(32)]], dead in any::<[bool; 2]>(),
        losses in prop::collection::vec((0..PLACES, any_side(), any_lots(30)), 0..3), claims in prop::option::of(any_lots(30)),
        health in -2_000..1_000_i64, missing in 1..1_i64 << 30, reserve in prop_oneof![Just(0), any_lots(34)],
    ) -> Scene {
        let mut shelf = Shelf::default();
        let mut positions = [Position::EMPTY; MAX_POSITIONS];
        for (index, leg) in (0..PLACES).zip(&legs) {
            let params = MarketParams {
                step, min_notional: least, skew_scale: scale, risk_group: groups[usize::from(index)], ..PARAMS
            };
            let mut market = market(&params, ONE, 0);
            if let &Some((side, lots, entry, mark, others, cash)) = leg {
                market.book.cash = cash;
                let cost = |lots| price(entry).mul_floor(lots).unwrap().cast_signed();
                let quote = |side, lots| if side == Side::Long { -cost(lots) } else { cost(lots) };
                positions[usize::from(index)] = admit(&mut market, side, lots, quote(side, lots));
                positions[usize::from(index)].market = index;
                if let Some((side, lots)) = others {
                    admit(&mut market, side, lots, quote(side, lots));
                }
                market.oracle = oracle(mark);
            }
            shelf.markets.insert(index, market);
        }
        for &(index, side, h) in &unwinds {
            let market = shelf.markets.get_mut(&index).unwrap();
            let mark = market.mark();
            market.book.side_mut(side).unwind(mark, h).unwrap();
        }
        let mut collaterals = [CollateralSlot::default(); MAX_COLLATERALS];
        for (index, (amount, dead)) in (0..VAULTS).zip(amounts.into_iter().zip(dead)) {
            let mut vault: Collateral = collateral([300_000, 100_000], oracle(ONE));
            vault.oracle.divergent = u8::from(dead);
            shelf.vaults.insert(index, vault);
            collaterals[usize::from(index)] = CollateralSlot { amount, vault: index, ..Default::default() };
        }
        // What is owed already was lost somewhere; a claim of a market without cash.
        let (mut debts, mut balance) = (Debts::zeroed(), Quote::ZERO);
        for &(index, side, lost) in &losses {
            let book = &mut shelf.markets.get_mut(&index).unwrap().book;
            book.cash += lost;
            debts.lift(index, book).unwrap();
            balance = debts.post((index, side), (balance, Quote(-lost.cast_signed())), book).unwrap();
        }
        if let Some(claim) = claims {
            let mut market = market(&PARAMS, ONE, 0);
            let slot = &mut positions[usize::from(PLACES)];
            *slot = admit(&mut market, Side::Long, 0, claim.cast_signed());
            slot.market = PLACES;
            market.book.unpaid_claims = claim;
            shelf.markets.insert(PLACES, market);
        }
        let (auction, fund) = (Auction::default(), Fund { reserve, ..Fund::default() });
        let groups = RiskGroups { offset_ppm: [600_000; 8] };
        let mut scene =
            Scene { shelf, positions, collaterals, quote: balance, debts, auction, fund, groups, now: NOW };
        // Worth −2 to 1 times what it needs, or less than nothing: with a deposit, or by a loss more in the first market.
        let sum = scene.portfolio().health(&scene.groups).unwrap();
        let wanted = if sum.requirement == Quote::ZERO { -missing } else { sum.requirement.0 / 1_000 * health };
        let change = wanted - sum.equity.0 - 1;
        if change < 0 {
            let book = &mut scene.shelf.markets.get_mut(&0).unwrap().book;
            book.cash += change.unsigned_abs();
            scene.debts.lift(0, book).unwrap();
            scene.quote = scene.debts.post((0, Side::Long), (scene.quote, Quote(change)), book).unwrap();
        } else {
            scene.quote = scene.quote.plus(Quote(change)).unwrap();
        }
        scene
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn from_any_state_below_the_requirement_a_finite_sequence_of_calls_ends_the_trouble(scene in any_scene()) {
        let mut scene = scene;
        prop_assert!(scene.portfolio().in_trouble(&scene.groups).is_ok());
        let (mut calls, mut waits) = (vec![], 0);
        while let Some(call) = scene.step() {
            if call == Call::Wait { waits += 1 } else { calls.push(call) }
            prop_assert!(waits <= 200 + 2 * CLEARING / CALL && calls.len() <= 60, "{:?} after {} waits", calls, waits);
        }
        let health = scene.portfolio().health(&scene.groups).unwrap();
        prop_assert!(health.excess().unwrap() >= Quote::ZERO, "{:?}", health);
        // Whoever was resolved holds and owes nothing.
        if calls.contains(&Call::Resolution) {
            prop_assert!(scene.positions.iter().all(|position| !position.is_open()));
            prop_assert!(scene.collaterals.iter().all(|slot| slot.amount == 0) && scene.quote == Quote::ZERO);
        }
        // Within a takeover's time per position, an hour and a quarter per collateral, and a week for a dead one.
        let week = OUTAGE + DECAY + 2 * DECAY / 20;
        prop_assert!(scene.now - NOW <= week + 200 + 2 * CLEARING, "{} s", scene.now - NOW);
    }
}
