//! The pool, its tickets, and the books.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::InvariantsChecked;
use bulwark_sdk::program::state::RedeemTicket;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::world::Failure;
use bulwark_tests::{Signer, Trader};

use super::{close, send};
use crate::shapes::{Bench, is_first, lots, market_asset, side};

pub fn add_liquidity(bench: &mut Bench) -> Result<u64, Failure> {
    let provider = bench.world.trader(1_000_000 * DOLLAR);
    bench.world.add_liquidity(&provider, 1_000_000 * DOLLAR)?;
    Ok(bench.world.compute_units)
}

pub fn allocate_liquidity(bench: &mut Bench) -> Result<u64, Failure> {
    add_liquidity(bench)?;
    let allocate = ix::allocate_liquidity(&bench.world.listings, bench.market());
    send(bench, allocate, &[])
}

/// From a market in which the pool has won.
pub fn take_back_liquidity(bench: &mut Bench) -> Result<u64, Failure> {
    let market = bench.market();
    bench.move_against(market);
    close(bench, u64::MAX)?;
    let allocate = ix::allocate_liquidity(&bench.world.listings, market);
    send(bench, allocate, &[])
}

pub fn sweep_market(bench: &mut Bench) -> Result<u64, Failure> {
    let sweep = ix::sweep_market(bench.market());
    send(bench, sweep, &[])
}

/// The quote vault and a market, with as many members as the shape has positions.
pub fn check_invariants(bench: &mut Bench) -> Result<u64, Failure> {
    let mut members = vec![bench.trader.margin];
    for _ in 1..bench.shape.positions {
        let member = bench.world.funded_trader(1_000 * DOLLAR);
        bench.world.open(&member, 0, side(0), lots(market_asset(0), 1_000))?;
        members.push(member.margin);
    }
    let quote = bench.world.listings.vaults[0];
    check(bench, ix::check_invariants(Some(&quote), Some(0), members))
}

fn check(bench: &mut Bench, check: Instruction) -> Result<u64, Failure> {
    let outcome = bench.world.send(&[check], &[])?;
    assert_eq!(outcome.events, [Event::InvariantsChecked(InvariantsChecked { ok: true })]);
    Ok(outcome.compute_units)
}

pub fn check_market(bench: &mut Bench) -> Result<u64, Failure> {
    let market = Some(bench.market());
    check(bench, ix::check_invariants(None, market, []))
}

pub fn check_vault(bench: &mut Bench) -> Result<u64, Failure> {
    let vault = bench.world.listings.vaults[usize::from(bench.vault())];
    check(bench, ix::check_invariants(Some(&vault), None, []))
}

/// A provider with shares.
fn provider(bench: &mut Bench, tranche: TrancheKind) -> Result<(Trader, Pubkey), Failure> {
    let provider = bench.first_attempt(
        |world| world.trader(1_000_000 * DOLLAR),
        |t| is_first(&[RedeemTicket::SEED, t.key.pubkey().as_ref(), &0_u64.to_le_bytes()]),
    );
    let shares = bench.world.add_to_tranche(&provider, tranche, 1_000_000 * DOLLAR)?;
    Ok((provider, shares))
}

/// Senior shares: the ratio to the junior tranche is looked at.
pub fn add_senior_liquidity(bench: &mut Bench) -> Result<u64, Failure> {
    provider(bench, TrancheKind::Senior)?;
    Ok(bench.world.compute_units)
}

fn request(bench: &mut Bench, (provider, shares): &(Trader, Pubkey)) -> Result<u64, Failure> {
    let keys = (provider.key.pubkey(), bench.world.payer.pubkey(), *shares);
    let amount = bench.world.token_balance(shares);
    let request = ix::request_redeem(&bench.world.listings, TrancheKind::Junior, keys, (0, amount));
    send(bench, request, &[&provider.key])
}

pub fn request_redeem(bench: &mut Bench) -> Result<u64, Failure> {
    let provider = provider(bench, TrancheKind::Junior)?;
    request(bench, &provider)
}

/// A whole ticket, with senior shares around: every gate is looked at.
pub fn redeem(bench: &mut Bench) -> Result<u64, Failure> {
    add_senior_liquidity(bench)?;
    let provider = provider(bench, TrancheKind::Junior)?;
    request(bench, &provider)?;
    bench.world.advance(86_400);
    for market in 0..bench.shape.positions {
        bench.reprice(market, 10_000);
    }
    bench.world.advance(1);
    let provider = provider.0;
    let ticket = bench.world.get(&address::redeem_ticket(&provider.key.pubkey(), 0));
    let redeem = ix::redeem(&bench.world.listings, &ticket, (provider.tokens, 1)).expect("builds");
    send(bench, redeem, &[&provider.key])
}

pub fn cancel_redeem(bench: &mut Bench) -> Result<u64, Failure> {
    let provider = provider(bench, TrancheKind::Junior)?;
    request(bench, &provider)?;
    bench.world.advance(3_600);
    let owner = provider.0.key.pubkey();
    let ticket = bench.world.get(&address::redeem_ticket(&owner, 0));
    send(bench, ix::cancel_redeem(owner, &ticket, provider.1), &[&provider.0.key])
}
