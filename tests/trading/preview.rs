//! The SDK's preview is what the program then does, number for number, refusals included.

use bulwark_sdk::address;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trade::{Order, TradeReport};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::engine::volatility::VolatilityState;
use bulwark_sdk::health::HealthError;
use bulwark_sdk::health::Intent;
use bulwark_sdk::program::errors::BulwarkError;
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{Asset, DOLLAR};
use bulwark_tests::{BTC, Copies, SOL, Trader, World};

use crate::support::{Rng, close_at, drain, open_at};

fn named(error: HealthError) -> String {
    match error {
        HealthError::Engine(error) => format!("{:?}", BulwarkError::from(error)),
        other => panic!("{other:?}"),
    }
}

fn same(event: &Traded, report: &TradeReport, position: &Position) {
    assert_eq!(event.lots, report.fill.lots.0);
    assert_eq!((event.curve, event.spread), (report.fill.curve.0, report.fill.spread));
    let fees = (event.fee_pool, event.fee_insurance, event.fee_protocol);
    assert_eq!(fees, (report.fees.pool, report.fees.insurance, report.fees.protocol));
    assert_eq!(fees.0 + fees.1 + fees.2, report.fee);
    assert_eq!((event.realised, event.paid, event.claim), (report.realised.0, report.paid.0, report.claim));
    assert_eq!(event.toxic_fee, report.toxic_fee);
    assert_eq!((event.unwound_lots, event.unwound_quote), (report.unwound.lots, report.unwound.quote.0));
    assert_eq!((event.position_lots, event.position_quote), (position.lots.0, position.quote.0));
}

/// Something that makes states rarer: prices, wide ones, old ones, unwinds, empty tills.
fn disturb(world: &mut World, rng: &mut Rng, market: u16) {
    let asset: Asset = World::asset(market);
    match rng.below(12) {
        0 => world.advance(7),
        1 => {
            world.advance(1);
            world.print(&asset, asset.price, u64::try_from(asset.price / 40).expect("positive"));
            let refresh = bulwark_sdk::instruction::refresh_market(market, World::oracles(&asset));
            world.send(&[refresh], &[]).expect("refresh");
        }
        2 => world.tamper::<Market>(&address::market(market), |m| {
            let price = m.core.mark();
            for side in Side::BOTH {
                m.core.book.side_mut(side).unwind(price, 1 << 30).expect("unwind");
            }
        }),
        3 => drain(world, market, rng.below(2_000) * DOLLAR),
        4 => {
            let back = world.pool().core.idle / 2;
            world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= back);
            world.tamper::<Market>(&address::market(market), |m| m.core.book.cash += back);
        }
        _ => {
            let percent = i64::try_from(92 + rng.below(17)).expect("small");
            world.move_price(market, asset.price / 100 * percent + 1_234_567);
            let other = if market == SOL { BTC } else { SOL };
            world.set_price(other, World::asset(other).price);
        }
    }
}

#[test]
fn preview_is_what_the_program_does() {
    foretell(World::new(), 4_242);
}

#[test]
fn preview_is_what_a_live_market_does() {
    let mut world = World::new();
    for market in [SOL, BTC] {
        let live = World::asset(market).live_params();
        world.tamper::<Market>(&address::market(market), |m| {
            m.core.params = live;
            m.core.volatility = VolatilityState::initial(&live, m.core.oracle.publish_time).expect("valid");
        });
    }
    let toxic = foretell(world, 977);
    assert!(toxic > 10, "{toxic} exits paid the toxic fee: too tame");
}

/// 500 random trades and disturbances. Returns how many exits paid a toxic fee.
fn foretell(mut world: World, seed: u64) -> usize {
    let mut rng = Rng::new(seed);
    let traders: Vec<Trader> = (0..4).map(|_| world.funded_trader(500_000 * DOLLAR)).collect();
    let (mut done, mut denied, mut claims, mut unwound, mut toxic) = (0, 0, 0, 0, 0);
    for step in 0..500 {
        let what = format!("seed {seed} step {step}");
        let market = rng.pick(&[SOL, BTC]);
        if rng.below(2) == 0 {
            disturb(&mut world, &mut rng, market);
        }
        let (asset, who) = (World::asset(market), &traders[rng.below(4) as usize]);
        let account = world.margin(&who.margin);
        let held = account.position(market).map(|slot| account.positions[slot]);
        let step_lots = world.market(market).core.params.step;
        let noise = if rng.below(12) == 0 { rng.below(3) } else { 0 };
        let lots = asset.lots_worth(1 + rng.below(400_000)) / step_lots * step_lots + noise;
        let side = match held {
            Some(held) if rng.below(10) != 0 => held.side().expect("side"),
            _ => rng.pick(&Side::BOTH),
        };
        let closing = held.is_some() && rng.below(2) == 0;
        // A limit near the mark, one that binds about every other time, or none.
        let direction = if closing { held.expect("open").side().expect("side").opposite() } else { side };
        let mark = world.market(market).core.mark().to_bits();
        let limit = match rng.below(3) {
            0 => mark / 2_000 * (1_995 + rng.below(11)),
            _ if direction == Side::Long => u64::MAX,
            _ => 0,
        };
        let limit_price = Order::limit(direction, limit).expect("limit");
        let copies = Copies::of(&world);
        let snapshot = copies.snapshot();
        let (preview, instruction) = if closing {
            let lots = if rng.below(2) == 0 { u64::MAX } else { lots / 3 / step_lots * step_lots };
            let order = Order { lots, limit: limit_price, now: world.now() };
            (
                snapshot.quote(&account, (market, Intent::Close), &order),
                close_at(&world, who, market, lots, limit),
            )
        } else {
            let order = Order { lots, limit: limit_price, now: world.now() };
            let open = open_at(&world, who, (market, side), lots, limit);
            (snapshot.quote(&account, (market, Intent::Open(side)), &order), open)
        };
        match (world.send(&[instruction], &[&who.key]), preview) {
            (Ok(outcome), Ok(preview)) => {
                same(outcome.trade(), &preview.report, &preview.position);
                let after = world.margin(&who.margin);
                assert_eq!(after.quote.0 - account.quote.0, preview.report.quote_change.0, "{what}");
                let slot = after.position(market).map_or(Position::EMPTY, |slot| after.positions[slot]);
                assert_eq!(slot, preview.position, "{what}");
                done += 1;
                claims += usize::from(preview.report.claim > 0);
                unwound += usize::from(preview.report.unwound.lots > 0);
                toxic += usize::from(preview.report.toxic_fee > 0);
            }
            (Err(failure), Err(error)) => {
                assert_eq!(failure.name.as_deref(), Some(&*named(error)), "{what}");
                denied += 1;
            }
            (Err(failure), Ok(_)) => {
                let other_leg = failure.is("PriceStale") || failure.is("PriceDivergent");
                assert!(failure.is("InsufficientMargin") || other_leg, "{what}: {failure:?}");
            }
            (Ok(outcome), Err(error)) => panic!("{what}: {error} was foreseen: {:?}", outcome.trade()),
        }
    }
    assert!(
        done > 100 && denied > 50 && claims > 2 && unwound > 5,
        "{done} {denied} {claims} {unwound}: too tame"
    );
    toxic
}
