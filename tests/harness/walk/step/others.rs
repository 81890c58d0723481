//! What triggers, providers and stakers send.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction::{self as ix, BuildError, Margin};
use bulwark_sdk::program::state::{MarginAccount, RedeemTicket, UnstakeTicket};

use super::{Plan, Step};
use crate::walk::stage::{BACKSTOP, Stage, narrow};
use crate::walk::state::State;
use crate::world::World;

impl Step {
    /// As [`Step::instructions`] for triggers.
    pub(super) fn trigger(&self, world: &World, stage: &Stage, now: &State) -> Result<Plan, BuildError> {
        let (listings, closed) = (&world.listings, bytemuck::zeroed_box::<MarginAccount>());
        let key = |account| stage.keys[Stage::margin(account)];
        let account = |account| now.margin(account).unwrap_or(&closed);
        let (instruction, flaw) = match *self {
            Self::PlaceTrigger { by, account: at, wish, flaw } => {
                let margin = Margin { address: key(at), account: account(at) };
                (ix::place_trigger(listings, stage.actors[by], margin, &wish.order())?, flaw)
            }
            Self::CancelTrigger { by, account: at, id, flaw } => {
                let margin = Margin { address: key(at), account: account(at) };
                (ix::cancel_trigger(stage.actors[by], margin, id), flaw)
            }
            Self::ExecuteTrigger { account: at, id, keeper, market, flaw } => {
                // Whoever asks for what is not there, or elsewhere, believes something else of the account.
                let mut believed = Box::new(*account(at));
                let slot = believed.triggers.iter().position(|t| t.is_set() && t.id == id).unwrap_or(0);
                let trigger = &mut believed.triggers[slot];
                trigger.id = id;
                trigger.market = market.map_or(trigger.market, narrow);
                let margin = Margin { address: key(at), account: &believed };
                (ix::execute_trigger(listings, margin, id, keeper.map(key))?, flaw)
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![flaw.put(instruction, stage)]))
    }

    /// As [`Step::instructions`] for the pool's shares.
    pub(super) fn liquidity(&self, world: &World, stage: &Stage, now: &State) -> Result<Plan, BuildError> {
        let listings = &world.listings;
        let wallet = |actor| stage.keys[Stage::wallet(actor, 0)];
        let shares = |actor, tranche: TrancheKind| stage.keys[Stage::shares(actor, tranche as usize)];
        let ticket = |actor, nonce| {
            let (owner, payer) = (stage.actors[actor], stage.payer);
            let written = stage.ticket(&owner, nonce).and_then(|ticket| now.ticket(ticket));
            *written.unwrap_or(&RedeemTicket { owner, payer, nonce, ..bytemuck::Zeroable::zeroed() })
        };
        let (instruction, flaw) = match *self {
            Self::AddLiquidity { actor, tranche, amount, flaw } => {
                let keys = (stage.actors[actor], wallet(actor), shares(actor, tranche));
                (ix::add_liquidity(listings, tranche, keys, (amount, 0))?, flaw)
            }
            Self::RequestRedeem { actor, tranche, nonce, shares: amount, flaw } => {
                let keys = (stage.actors[actor], stage.payer, shares(actor, tranche));
                (ix::request_redeem(listings, tranche, keys, (nonce, amount)), flaw)
            }
            Self::Redeem { actor, nonce, least, flaw } => {
                (ix::redeem(listings, &ticket(actor, nonce), (wallet(actor), least))?, flaw)
            }
            Self::CancelRedeem { actor, nonce, flaw } => {
                let ticket = ticket(actor, nonce);
                let tranche = TrancheKind::BOTH[usize::from(ticket.tranche)];
                (ix::cancel_redeem(stage.actors[actor], &ticket, shares(actor, tranche)), flaw)
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![flaw.put(instruction, stage)]))
    }

    /// As [`Step::instructions`] for the insurance fund.
    pub(super) fn backstop(&self, world: &World, stage: &Stage, now: &State) -> Result<Plan, BuildError> {
        let listings = &world.listings;
        let wallet = |actor| stage.keys[Stage::wallet(actor, 0)];
        let shares = |actor| stage.keys[Stage::shares(actor, BACKSTOP)];
        let ticket = |actor, nonce| {
            let (owner, payer) = (stage.actors[actor], stage.payer);
            let written = stage.ticket(&owner, nonce).and_then(|ticket| now.unstake_ticket(ticket));
            *written.unwrap_or(&UnstakeTicket { owner, payer, nonce, ..bytemuck::Zeroable::zeroed() })
        };
        let (instruction, flaw) = match *self {
            Self::FundInsurance { actor, amount, flaw } => {
                (ix::fund_insurance(listings, stage.actors[actor], (wallet(actor), amount))?, flaw)
            }
            Self::Stake { actor, amount, flaw } => {
                let keys = (stage.actors[actor], wallet(actor), shares(actor));
                (ix::stake_backstop(listings, keys, (amount, 0))?, flaw)
            }
            Self::RequestUnstake { actor, nonce, shares: amount, flaw } => {
                let keys = (stage.actors[actor], stage.payer, shares(actor));
                (ix::request_unstake(keys, (nonce, amount)), flaw)
            }
            Self::Unstake { actor, nonce, least, flaw } => {
                (ix::unstake(listings, &ticket(actor, nonce), (wallet(actor), least))?, flaw)
            }
            Self::CancelUnstake { actor, nonce, flaw } => {
                (ix::cancel_unstake(stage.actors[actor], &ticket(actor, nonce), shares(actor)), flaw)
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![flaw.put(instruction, stage)]))
    }
}
