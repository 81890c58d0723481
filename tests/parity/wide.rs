//! Accounts of the widest shape, from a moment of a walk: sixteen markets, eight collaterals, and accounts that hold all of
//! them. Markets and vaults are copies of those of the walk at other prices, so that no two legs count the same.

use bulwark_sdk::engine::margin::{MAX_COLLATERALS, MAX_POSITIONS};
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::{Price, Quote};
use bulwark_sdk::program::state::{MarginAccount, Market, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::Copies;
use bulwark_tests::walk::rng::Rng;

use crate::scene::Scene;

/// A price within a tenth of this one.
fn near(price: Price, rng: &mut Rng) -> Price {
    let bits = price.to_bits();
    let moved = bits - bits / 10 + rng.below((bits / 5).max(1));
    Price::from_bits(moved).unwrap_or(price)
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).expect("few")
}

/// The scene with as many markets and vaults as an account can hold, and wide accounts only.
pub fn of(scene: &Scene, rng: &mut Rng) -> Scene {
    let markets: Vec<Box<Market>> = (0..MAX_POSITIONS).map(|index| market(scene, index, rng)).collect();
    let vaults: Vec<Vault> = (0..=MAX_COLLATERALS).map(|index| vault(scene, index, rng)).collect();
    let mut exchange = scene.copies.exchange.clone();
    (exchange.market_count, exchange.closed_markets) = (narrow(markets.len()), 0);
    exchange.vault_count = narrow(vaults.len());
    let held: Vec<Position> = positions(scene);
    let accounts = scene.accounts.iter().map(|(key, account)| (*key, widen(account, &held, rng))).collect();
    Scene {
        copies: Copies { exchange, markets, vaults, now: scene.copies.now },
        slot: scene.slot,
        pool: scene.pool.clone(),
        fund: scene.fund.clone(),
        accounts,
    }
}

fn market(scene: &Scene, index: usize, rng: &mut Rng) -> Box<Market> {
    let mut market = scene.copies.markets[index % scene.copies.markets.len()].clone();
    market.index = narrow(index);
    market.core.oracle.price = near(market.core.oracle.price, rng);
    market.core.oracle.ema = near(market.core.oracle.price, rng);
    market.core.params.risk_group = u8::try_from(rng.below(3)).expect("small");
    if rng.one_in(3) {
        // As young as a keeper would keep it.
        market.core.oracle.publish_time = scene.copies.now - rng.between(0, 40);
    }
    market
}

fn vault(scene: &Scene, index: usize, rng: &mut Rng) -> Vault {
    let last = scene.copies.vaults.len() - 1;
    let Some(volatile) = index.checked_sub(1) else { return scene.copies.vaults[0] };
    let mut vault = scene.copies.vaults[volatile % last + 1];
    (vault.index, vault.mint) =
        (narrow(index), Pubkey::new_from_array([u8::try_from(index).expect("few"); 32]));
    vault.token_account = address::vault_tokens(&vault.mint);
    vault.core.oracle.price = near(vault.core.oracle.price, rng);
    vault.core.oracle.publish_time = scene.copies.now - rng.between(0, 60);
    vault
}

/// Every position of the scene, by the market that it is in.
fn positions(scene: &Scene) -> Vec<Position> {
    let all = scene.accounts.iter().flat_map(|(_, account)| account.positions);
    all.filter(Position::is_open).collect()
}

/// The account with a position in every market and some of every collateral.
fn widen(account: &MarginAccount, held: &[Position], rng: &mut Rng) -> Box<MarginAccount> {
    let mut wide = Box::new(*account);
    for (slot, position) in wide.positions.iter_mut().enumerate() {
        let alike: Vec<&Position> = held.iter().filter(|p| usize::from(p.market) == slot % 3).collect();
        let model = alike.get(rng.index(alike.len().max(1)));
        *position = model.map_or(Position::EMPTY, |&&model| Position { market: narrow(slot), ..model });
    }
    for (slot, collateral) in wide.collaterals.iter_mut().enumerate() {
        collateral.vault = narrow(slot + 1);
        collateral.amount = rng.magnitude(1, 1 << 34);
    }
    wide.quote = Quote(rng.between(-1 << 36, 1 << 38));
    wide
}
