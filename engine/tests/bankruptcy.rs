//! Bankrupt is who owes quote, holds nothing that could pay, and is owed less than he owes, claims at face value.
//!
//! What the markets owe him is had first, as far as it is there: set off in the market where he owes, paid where claims are
//! paid. Only then he is judged, and what is left of his claims is forfeited: nobody is made poorer by that than he.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::debt::{Debts, owed};
use bulwark_engine::margin::{CollateralSlot, Legs, MAX_COLLATERALS, MAX_POSITIONS};
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::settlement::PATIENCE;
use bulwark_engine::trade::Owes;
use bulwark_engine::units::{Lots, Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss};
use bulwark_engine::{EngineError, Result};
use bytemuck::Zeroable;
use model::config;
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market};
use proptest::prelude::*;

fn require(positions: &[Position; MAX_POSITIONS], amounts: [u64; 2], quote: i64) -> Result<()> {
    let mut collaterals = [CollateralSlot::default(); MAX_COLLATERALS];
    (collaterals[0].amount, collaterals[7].amount) = (amounts[0], amounts[1]);
    let legs = Legs { positions, collaterals: &collaterals, skip_market: None, skip_vault: None };
    legs.require_bankrupt(Quote(quote))
}

/// An account in some markets, all of them settling, or none: a claim, what it owes there, and who else owes there.
#[derive(Clone)]
struct Scene {
    markets: Vec<Box<Market>>,
    positions: [Position; MAX_POSITIONS],
    debts: Debts,
    quote: Quote,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let books: Vec<_> =
            self.markets.iter().map(|m| (m.book.cash, m.book.unbacked, m.settling_since)).collect();
        let claims: Vec<_> = self.positions[..books.len()].iter().map(|p| p.quote).collect();
        write!(f, "{books:?} {claims:?} {:?} {:?}", self.quote, &self.debts.held[..books.len()])
    }
}

impl Scene {
    fn shares(&self) -> Vec<u64> {
        let share = |index: usize| self.debts.share(u16::try_from(index).unwrap(), self.quote).unwrap();
        (0..self.markets.len()).map(share).collect()
    }

    /// Settles the claim as `settle_position` does.
    fn settle(&mut self, i: usize, now: i64) -> Result<u64> {
        let (market, position) = (&mut self.markets[i], &mut self.positions[i]);
        let (index, side) = (position.market, position.side()?);
        let here = self.debts.share(index, self.quote)?;
        self.debts.lift(index, &mut market.book)?;
        let report = market.settle(position, (Owes { here, all: owed(self.quote) }, now))?;
        self.quote = self.debts.post((index, side), (self.quote, report.quote_change), &mut market.book)?;
        Ok(report.claim_paid)
    }

    /// Has all claims set off or paid as far as due, as `resolve_bankruptcy` does first.
    fn pay_claims(&mut self, now: i64) {
        for i in 0..self.markets.len() {
            while self.positions[i].is_claim() {
                let market = &self.markets[i];
                let (held, sets_off) = (self.debts.held[i], self.shares()[i] > 0 && market.book.cash > 0);
                if market.is_settling() && !sets_off && !market.pays_claims(held, now) {
                    break;
                }
                let settling = market.is_settling();
                self.settle(i, now).unwrap();
                if !settling || !sets_off {
                    break;
                }
            }
        }
    }
}

prop_compose! {
    fn any_scene()(
        parts in prop::collection::vec((
            prop_oneof![1 => Just(0), 3 => any_lots(34)], prop_oneof![1 => Just(0), 3 => any_lots(34)],
            prop_oneof![2 => Just(0), 1 => any_lots(34)], prop_oneof![1 => Just(0), 2 => any_lots(34)], any_side(), any::<bool>(),
        ), 1..6),
    ) -> Scene {
        let (mut markets, mut positions) = (vec![], [Position::EMPTY; MAX_POSITIONS]);
        let (mut debts, mut quote) = (Debts::zeroed(), Quote::ZERO);
        for (i, &(claim, debt, others, cash, side, settling)) in parts.iter().enumerate() {
            let (mut market, index) = (market(&PARAMS, ONE, cash + others + debt), u16::try_from(i).unwrap());
            market.book.unbacked = others;
            quote = debts.post((index, side), (quote, Quote(-debt.cast_signed())), &mut market.book).unwrap();
            if claim > 0 {
                positions[i] = admit(&mut market, side, 0, claim.cast_signed());
                positions[i].market = index;
                market.book.unpaid_claims = claim;
            }
            if settling {
                market.begin_settling(None, NOW).unwrap();
            }
            markets.push(market);
        }
        Scene { markets, positions, debts, quote }
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn bankrupt_is_who_owes_more_than_he_is_owed_and_holds_nothing(
        claims in prop::collection::vec(prop_oneof![1 => Just(0), 2 => any_lots(40)], 0..6), lots in prop_oneof![3 => Just(0), 1 => any_lots(30)],
        amounts in [prop_oneof![3 => Just(0), 1 => any_lots(30)], prop_oneof![3 => Just(0), 1 => any_lots(30)]],
        slip in prop_oneof![3 => -2..=2_i64, 1 => -(1_i64 << 42)..1 << 42],
    ) {
        let mut positions = [Position::EMPTY; MAX_POSITIONS];
        for (slot, &claim) in positions.iter_mut().skip(3).zip(&claims) {
            *slot = Position { quote: Quote(claim.cast_signed()), ..Position::new(3, Side::Long) };
        }
        let all: u64 = claims.iter().sum();
        if lots > 0 {
            positions[1] = Position { lots: Lots(-lots.cast_signed()), quote: Quote(5), ..Position::new(1, Side::Short) };
        }
        let quote = slip - all.cast_signed();
        let bankrupt = quote < 0 && amounts == [0, 0] && lots == 0 && slip < 0;
        let found = require(&positions, amounts, quote);
        prop_assert_eq!(found.is_ok(), bankrupt, "{:?}", found);
        let refused = matches!(found, Err(EngineError::NotBankrupt(_)));
        prop_assert!(bankrupt || refused);
    }

    /// What he is owed pays what he owes, in its own market first and at face value, before anybody else pays for him; what
    /// is resolved after that is what he owes then, and it is gone with all his claims.
    #[test]
    fn claims_are_had_before_anybody_pays_and_the_rest_of_them_is_forfeited(scene in any_scene(), late in any::<bool>()) {
        let (before, mut scene, now) = (scene.clone(), scene, NOW + PATIENCE + i64::from(late));
        scene.pay_claims(now);
        let rose = scene.quote.0 - before.quote.0;
        let taken: u64 = before.markets.iter().zip(&scene.markets).map(|(was, is)| was.book.cash - is.book.cash).sum();
        prop_assert!(rose >= 0 && rose.unsigned_abs() == taken, "to the unit");
        for (i, (was, is)) in before.markets.iter().zip(&scene.markets).enumerate() {
            let (claim, left) = (before.positions[i].quote.units_or_zero(), scene.positions[i].quote.units_or_zero());
            let others = was.book.unbacked - before.debts.held[i];
            prop_assert!(is.book.cash >= was.book.cash.min(others), "nobody is paid from what others owe");
            // Nothing that was due waits: in a market that trades as far as it can pay, in one that settles what he owes there.
            let waits = is.book.cash.saturating_sub(is.book.unbacked - scene.debts.held[i]);
            prop_assert!(is.is_settling() || left == 0 || waits == 0, "{} of {}", left, claim);
            prop_assert!(!is.is_settling() || left == 0 || scene.shares()[i] == 0 || is.book.cash == 0);
            prop_assert!(!is.is_settling() || left == 0 || !late, "after a week all are paid");
        }
        if require(&scene.positions, [0, 0], scene.quote.0).is_err() {
            return Ok(());
        }
        let claims: u64 = scene.positions.iter().map(|p| p.quote.units_or_zero()).sum();
        prop_assert!(owed(scene.quote) > claims);
        let mut forfeited = 0;
        for i in 0..scene.markets.len() {
            forfeited += scene.markets[i].forfeit(&mut scene.positions[i]).unwrap();
            prop_assert_eq!(scene.markets[i].book.unpaid_claims, 0);
        }
        prop_assert_eq!(forfeited, claims);
        for i in 0..scene.markets.len() {
            let (index, debt) = (u16::try_from(i).unwrap(), scene.shares()[i]);
            if debt == 0 {
                // What rounding up elsewhere has paid already is held back until the account meets the market.
                let (market, place) = (&mut scene.markets[i], ((index, Side::Long), (scene.quote, Quote::ZERO)));
                scene.debts.lift(index, &mut market.book).unwrap();
                scene.debts.post(place.0, place.1, &mut market.book).unwrap();
                continue;
            }
            let (market, side) = (&mut scene.markets[i], scene.debts.side(index).unwrap());
            scene.debts.lift(index, &mut market.book).unwrap();
            let report = market.resolve(&mut Fund::default(), &Loss { debt, side, now: NOW }).unwrap();
            prop_assert_eq!((report.total(), report.unpaid), (Ok(debt), 0));
            scene.debts.forgive(index, (scene.quote, 0), &mut market.book).unwrap();
            scene.quote = Quote(scene.quote.0 + debt.cast_signed());
        }
        prop_assert!(scene.quote == Quote::ZERO && scene.debts.is_clear(), "nothing is owed or held back any more");
    }
}

#[test]
fn a_bankruptcy_with_claims_by_hand() {
    let why = |positions, amounts, quote| require(&positions, amounts, quote);
    let none = [Position::EMPTY; MAX_POSITIONS];
    assert_eq!(why(none, [0, 0], -1), Ok(()));
    assert_eq!(why(none, [0, 0], 0), Err(EngineError::NotBankrupt("it owes nothing")));
    let collateral = EngineError::NotBankrupt("it holds collateral: liquidate_collateral first");
    assert_eq!([why(none, [1, 0], -1), why(none, [0, 1], -1)], [Err(collateral); 2]);
    let mut claim = none;
    claim[15] = Position { quote: Quote(10), ..Position::new(0, Side::Short) };
    let worth = EngineError::NotBankrupt("its claims are worth what it owes: settle_position pays them");
    assert_eq!([-11, -10].map(|quote| why(claim, [0, 0], quote)), [Ok(()), Err(worth)], "at face value");
    claim[15].lots = Lots(-1);
    assert!(why(claim, [0, 0], -11).is_err(), "a position is liquidated first");
    let mut slot = claim[15];
    let mut market = market(&PARAMS, ONE, 0);
    assert_eq!(market.forfeit(&mut slot), Err(EngineError::Corrupt("only a claim can be forfeited")));
    assert_eq!(market.forfeit(&mut Position::EMPTY.clone()), Ok(0));
}
