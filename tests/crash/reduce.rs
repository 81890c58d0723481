//! Exposure above its limit: who is reduced, and that it costs nobody anything.

use bulwark_sdk::engine::deleverage::cutoff;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::Market;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_tests::{Trader, World};

use bulwark_tests::crowd::Crowd;

/// A position of the heavy side, quote units.
#[derive(Clone, Copy, Debug)]
struct Exposure {
    /// Worth of its lots, rounded down.
    notional: u64,
    /// Equity of its account.
    equity: i64,
    /// Worth that the cut-off leverage leaves it.
    allowed: u64,
}

fn exposure(world: &World, core: &Market, (trader, market): (&Trader, u16)) -> Option<Exposure> {
    let account = world.margin(&trader.margin);
    let position = account.positions[account.position(market)?];
    let side = position.side().expect("a side");
    let held = core.book.side(side).member(&position).expect("a member").lots.count();
    if held == 0 || core.heavy_side().expect("a side") != Some(side) {
        return None;
    }
    let elapsed = world.slot() - core.deleveraging_since;
    let cutoff = cutoff(core.mmf_ppm(), elapsed).expect("a leverage");
    let equity = world.health(&trader.margin, HealthType::Maint).equity.0;
    let allowed = (u128::from(equity.max(0).unsigned_abs()) * u128::from(cutoff)) >> 32;
    let notional = core.mark().mul_floor(held).expect("a worth");
    Some(Exposure { notional, equity, allowed: u64::try_from(allowed).expect("an amount") })
}

/// Reduces every account above the cut-off leverage, in any order, until exposure is where it should be; one below it is
/// refused. I5: nobody's equity changes, nor the pool's value, and the skew falls.
pub fn above_the_cutoff(crowd: &mut Crowd, market: u16, keeper: &Trader) {
    let mut refused = false;
    for n in 0..crowd.traders.len() {
        let core = crowd.world.market(market).core;
        if core.deleveraging_since == 0 {
            return;
        }
        let trader = &crowd.traders[n];
        let Some(before) = exposure(&crowd.world, &core, (trader, market)) else { continue };
        let above = before.notional > before.allowed;
        if !above && refused {
            continue;
        }
        let outcome = crowd.world.auto_deleverage(&trader.margin, market, Some(keeper.margin));
        let outcome = match outcome {
            // Liquidations have done it since the last refresh.
            Err(failure) if failure.is("NotExposed") => return,
            Err(failure) => {
                assert!(!above && failure.is("BelowCutoff"), "{failure:?} for {before:?}");
                refused = true;
                continue;
            }
            Ok(outcome) => outcome,
        };
        assert!(above, "below the cut-off nobody can be touched: {before:?}");
        let pick = |e| if let Event::Liquidated(e) = e { Some(e) } else { None };
        let event = outcome.events.into_iter().find_map(pick).expect("an event");
        assert_eq!((event.kind, event.claim), (LiquidationKind::Deleveraging, 0));

        let after = crowd.world.market(market).core;
        let skew = |core: &Market| core.book.skew().expect("a skew").count();
        assert_eq!(skew(&core) - event.lots, skew(&after), "the skew falls by what was closed");
        let equity = crowd.world.health(&trader.margin, HealthType::Maint).equity.0;
        // The carry of the lots that went and the worth of those that stay are rounded down, the price in his favour.
        assert!((-1..=1).contains(&(equity - before.equity)), "I5: {} became {equity}", before.equity);
        let pool = |core: &Market| core.book.equity(core.mark()).expect("an equity").0;
        assert!((-1..=1).contains(&(pool(&after) - pool(&core))), "I5: the pool's value");
        assert_eq!(core.book.insurance - event.keeper, after.book.insurance, "the insurance pays the tip");
        assert!(event.keeper <= core.params.deleverage.keeper_tip);
        if let Some(left) = exposure(&crowd.world, &after, (trader, market))
            && after.deleveraging_since != 0
            && skew(&after) > 0
        {
            assert!(left.notional <= left.allowed, "reduced to the cut-off: {left:?}");
        }
    }
}
