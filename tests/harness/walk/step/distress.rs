//! What liquidators and keepers send.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, BuildError, Liquidator, Margin, Order};
use bulwark_sdk::program::state::MarginAccount;

use super::{Plan, Step};
use crate::walk::stage::{Stage, narrow};
use crate::walk::state::State;
use crate::world::World;

impl Step {
    /// As [`Step::instructions`] for liquidation, bankruptcy and deleveraging.
    pub(super) fn distress(&self, world: &World, stage: &Stage, now: &State) -> Result<Plan, BuildError> {
        let (listings, closed) = (&world.listings, bytemuck::zeroed_box::<MarginAccount>());
        let key = |account| stage.keys[Stage::margin(account)];
        let margin =
            |account| Margin { address: key(account), account: now.margin(account).unwrap_or(&closed) };
        let liquidator =
            |by: usize, account| Liquidator { authority: stage.actors[by], margin: margin(account) };
        let (instruction, flaw) = match *self {
            Self::Liquidate { by, liquidator: taker, account, order, flaw } => {
                let slot = margin(account).account.position(narrow(order.market));
                let side =
                    slot.map_or(Side::Long.to_byte(), |slot| margin(account).account.positions[slot].side);
                let any = if side == Side::Long.to_byte() { u64::MAX } else { 0 };
                let limit_price = order.limit.unwrap_or(any);
                let order = Order { market: narrow(order.market), lots: order.lots, limit_price };
                (ix::liquidate(listings, liquidator(by, taker), margin(account), order)?, flaw)
            }
            Self::LiquidateToPool { account, market, keeper, flaw } => {
                let keeper = keeper.map(key);
                (ix::liquidate_to_pool(listings, margin(account), narrow(market), keeper)?, flaw)
            }
            Self::LiquidateCollateral { by, liquidator: buyer, account, creditor, vault, amount, flaw } => {
                let wish = (narrow(vault), amount, u64::MAX);
                let seller = (margin(account), creditor.map(narrow));
                (ix::liquidate_collateral(listings, liquidator(by, buyer), seller, wish)?, flaw)
            }
            Self::Resolve { account, market, flaw } => {
                (ix::resolve_bankruptcy(listings, margin(account), narrow(market))?, flaw)
            }
            Self::Deleverage { account, market, keeper, flaw } => {
                let keeper = keeper.map(key);
                (ix::auto_deleverage(listings, margin(account), narrow(market), keeper)?, flaw)
            }
            Self::Rebalance { market } => (ix::rebalance_market(narrow(market)), super::Flaw::None),
            _ => return Ok(None),
        };
        Ok(Some(vec![flaw.put(instruction, stage)]))
    }
}
