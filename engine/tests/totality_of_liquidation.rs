//! No input makes the way out of trouble panic: whatever bytes a market, a position, an account's debts or an auction hold,
//! every step of a liquidation, a settlement or a bankruptcy says Ok or Err.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::auction::{Auction, Lot, Moment, Offer};
use bulwark_engine::collateral::Collateral;
use bulwark_engine::debt::Debts;
use bulwark_engine::liquidation::{LiquidationReport, PoolFill};
use bulwark_engine::margin::{Health, HealthType, Portfolio, Relief, RiskGroups};
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::sale::Reason;
use bulwark_engine::trade::Owes;
use bulwark_engine::units::{Price, Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss};
use model::config;
use model::garbage::{any_market, any_position, any_word, pod};
use model::world::{NOW, PARAMS, any_side};
use proptest::prelude::*;

/// Every way in which a position leaves an account in trouble, each on its own copy.
fn liquidate(market: &Market, position: &Position, words: [u64; 4], now: i64) {
    let [a, b, c, d] = words;
    let half = |word: u64| u32::try_from(word >> 32).unwrap();
    let relief = Relief { requirement: a, free: b, offset_ppm: half(c) };
    let health = Health { equity: Quote(a.cast_signed()), requirement: Quote(b.cast_signed()) };
    let moment = Moment { elapsed: c, ratio: d };
    let odd = Lot {
        held: a,
        most: b,
        mark: Price::from_bits((c >> 18).max(1 << 20)).unwrap(),
        mmf_ppm: half(d),
        fee_ppm: half(a),
        step: c,
        min_notional: d,
    };
    let offers = |lot: &Lot| {
        let _ = (Offer::at(lot, health, moment), Offer::at_once(lot, health, moment), lot.part(a, b));
        let _ = Offer::at_the_end(lot, (health, moment), a);
        for side in Side::BOTH {
            let _ = market.reducible(side, (lot, &Offer { concession: a, fee: b, lots: c }));
            for fill in [PoolFill::Reducing, PoolFill::Takeover] {
                let _ = market.pool_offer((fill, now), (side, lot), (health, moment));
            }
        }
    };
    offers(&odd);
    let lot = market.lot(position, relief, now).unwrap_or(odd);
    offers(&lot);
    for (lot, offer) in
        [(lot, Offer { concession: a, fee: b, lots: c }), (odd, Offer { concession: d, fee: c, lots: b })]
    {
        for fill in [PoolFill::Reducing, PoolFill::Takeover] {
            let (mut market, mut position) = (Box::new(*market), *position);
            let report = market.take_back(&mut position, (&lot, &offer), (fill, now));
            let report = report.unwrap_or(LiquidationReport { keeper: d, ..LiquidationReport::default() });
            let _ = market.pay_keeper(report, true);
        }
        let (mut market, [mut from, mut to]) = (Box::new(*market), [*position; 2]);
        let _ = market.take_over([&mut from, &mut to], (&lot, &offer), (d, now));
    }
    let (mut copy, mut member) = (Box::new(*market), *position);
    let _ = (copy.cutoff(a, now), copy.watch_exposure(b), copy.rebalance(now));
    let _ = copy.deleverage_position(&mut member, (Quote(a.cast_signed()), b), now);
}

/// Settlement, debts and waterfall.
fn resolve(market: &Market, position: &Position, debts: &Debts, words: [u64; 4], now: i64) {
    let [a, b, c, d] = words;
    let index = u16::try_from(a % 40).unwrap();
    let side = if b.is_multiple_of(2) { Side::Long } else { Side::Short };
    let quote = Quote(b.cast_signed());
    let _ = (
        debts.held(index),
        debts.lost(index),
        debts.side(index),
        debts.share(index, quote),
        debts.is_clear(),
    );
    for change in [Quote(c.cast_signed()), Quote(d.cast_signed()), Quote::ZERO] {
        let (mut debts, mut market) = (*debts, Box::new(*market));
        let _ = debts.lift(index, &mut market.book);
        let _ = debts.post((index, side), (quote, change), &mut market.book);
        let _ = debts.forgive(index, (quote, d), &mut market.book);
    }
    let owes = Owes { here: a, all: c };
    let (mut copy, mut member) = (Box::new(*market), *position);
    let _ = (
        copy.begin_settling(None, now),
        copy.settle(&mut member, (owes, now)),
        copy.settle(&mut member, (owes, d.cast_signed())),
    );
    let (mut copy, mut member) = (Box::new(*market), *position);
    copy.settling_since = 0;
    let _ = (copy.settle(&mut member, (owes, now)), copy.forfeit(&mut member));
    let _ = (
        market.pressing(a),
        market.pays_claims(b, now),
        market.is_insolvent(),
        market.book.is_settled(),
        market.cover(),
    );
    let mut fund = *pod::<Fund>(&words);
    for (debt, now) in [(a, now), (d, c.cast_signed()), (1, NOW)] {
        let mut market = *market;
        let _ = market.resolve(&mut fund, &Loss { debt, side, now });
    }
    let _ = (fund.cover(&mut Box::new(*market)), fund.scale_ppm(), fund.earn(a));
}

/// Health, auction and sale.
fn judge(market: &Market, position: &Position, token: &Collateral, words: [u64; 4], now: i64) {
    let [a, b, c, d] = words;
    let (groups, mut auction) = (*pod::<RiskGroups>(&words), *pod::<Auction>(&words));
    let mut sum = Portfolio::default();
    for now in [now, NOW, c.cast_signed()] {
        let what = (HealthType::Liquidate, now);
        let _ = (sum.count(market, position, what), sum.count_collateral(token, a, what));
        let _ = (token.value(b, what.0, now), token.faded_ppm(now));
        for positions in [true, false] {
            for reason in [Reason::Debt, Reason::Margin { elapsed: d, positions }] {
                let discount = token.discount(reason, now).unwrap_or(d);
                let health = Health { equity: Quote(a.cast_signed()), requirement: Quote(b.cast_signed()) };
                let _ = token.wanted(health, (Quote(c.cast_signed()), positions), discount);
                let _ = token.sell((a, b), c, discount);
                let _ = (
                    auction.call(a, (health, positions)),
                    auction.is_running(b),
                    auction.end_if_over(health),
                );
            }
        }
    }
    let _ = (sum.in_trouble(&groups), sum.equity_in_doubt(), sum.require_worst(Quote(a.cast_signed())));
    let group = market.params.risk_group;
    let _ = sum.relief((group, position), Quote(a.cast_signed()), &groups);
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn garbage_in_a_liquidation_is_refused_or_survived(
        market in any_market(), position in any_position(), words in prop::array::uniform4(any_word()), now in prop_oneof![Just(NOW), any::<i64>()],
    ) {
        liquidate(&market, &position, words, now);
        let [a, b, c, d] = words;
        liquidate(&market, &position, [d, a, b, c], NOW);
    }

    #[test]
    fn garbage_in_a_settlement_or_a_bankruptcy_is_refused_or_survived(
        market in any_market(), position in any_position(), words in prop::collection::vec(any_word(), 4..20),
        now in prop_oneof![Just(NOW), any::<i64>()],
    ) {
        let debts = pod::<Debts>(&words);
        resolve(&market, &position, &debts, [words[0], words[1], words[2], words[3]], now);
        resolve(&market, &position, &debts, [words[3], words[2], words[1], words[0]], NOW);
    }

    #[test]
    fn garbage_in_a_health_an_auction_or_a_sale_is_refused_or_survived(
        market in any_market(), position in any_position(), words in prop::collection::vec(any_word(), 4..20),
        now in prop_oneof![Just(NOW), any::<i64>()], sane in any::<bool>(), side in any_side(),
    ) {
        let mut token = *pod::<Collateral>(&words);
        if sane {
            token.params.haircut_maint_ppm = PARAMS.mmf_ppm;
            token.oracle = model::world::oracle(model::world::HALF);
        }
        let position = Position { side: side.to_byte(), ..position };
        judge(&market, &position, &token, [words[0], words[1], words[2], words[3]], now);
        judge(&market, &position, &token, [words[3], words[2], words[1], words[0]], NOW);
    }
}
