//! Instructions as the Rust SDK builds them. Arguments are named as the TypeScript SDK names them.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, BuildError, Liquidator, Margin, Order, TriggerOrder};
use bulwark_sdk::listings::{Listings, VaultListing};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures;
use bulwark_tests::walk::rng::Rng;
use serde_json::{Value, json};

use crate::leaves::base64;
use crate::scene::Scene;

/// An instruction: program, accounts with their flags, data.
pub fn built(instruction: &Instruction) -> Value {
    let accounts = instruction
        .accounts
        .iter()
        .map(|meta| json!([meta.pubkey.to_string(), u8::from(meta.is_signer), u8::from(meta.is_writable)]));
    json!({
        "program": instruction.program_id.to_string(),
        "accounts": accounts.collect::<Value>(),
        "data": base64(&instruction.data),
    })
}

/// The listings of a scene; every token is of SPL Token.
pub fn listings(scene: &Scene) -> Listings {
    let vaults =
        scene.copies.vaults.iter().map(|vault| VaultListing::of_mint(vault.mint, address::TOKEN_PROGRAM));
    Listings::new(vaults.collect(), &scene.copies.exchange)
}

fn record(name: &str, args: Value, result: Result<Instruction, BuildError>) -> Value {
    let instruction = result.unwrap_or_else(|error| panic!("{name}: {error}"));
    json!({ "name": name, "args": args, "built": built(&instruction) })
}

/// A few instructions of the account with this number in the scene.
pub fn of_account(scene: &Scene, number: usize, rng: &mut Rng) -> Vec<Value> {
    let all = [
        withdraw, open, close, place, execute, liquidate, to_pool, deleverage, collateral, resolve, refreshes,
    ];
    (0..3).filter_map(|_| rng.pick(&all)(scene, number, rng)).collect()
}

/// What an instruction of an account is built from.
struct Desk<'a> {
    listings: Listings,
    margin: Margin<'a>,
    market: u16,
    lots: u64,
    price: u64,
}

impl<'a> Desk<'a> {
    fn of(scene: &'a Scene, number: usize, rng: &mut Rng) -> Self {
        let (address, account) = &scene.accounts[number];
        let market = scene.copies.markets[rng.index(scene.copies.markets.len())].index;
        let margin = Margin { address: *address, account };
        Self { listings: listings(scene), margin, market, lots: rng.magnitude(1, 1 << 40), price: rng.word() }
    }

    fn order(&self) -> Order {
        Order { market: self.market, lots: self.lots, limit_price: self.price }
    }

    fn args(&self) -> Value {
        json!({ "market": self.market, "lots": self.lots.to_string(), "limitPrice": self.price.to_string() })
    }
}

fn withdraw(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let vault = scene.copies.vaults[rng.index(scene.copies.vaults.len())].index;
    let (to, amount) = (fixtures::address("destination"), rng.word());
    let args = json!({ "vault": vault, "destination": to.to_string(), "amount": amount.to_string() });
    Some(record("withdraw", args, ix::withdraw(&desk.listings, desk.margin, vault, (to, amount))))
}

fn open(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let side = rng.pick(&[Side::Long, Side::Short]);
    let mut args = desk.args();
    args["side"] = json!(if side == Side::Long { "long" } else { "short" });
    let owner = desk.margin.account.owner;
    Some(record(
        "openPosition",
        args,
        ix::open_position(&desk.listings, owner, desk.margin, (side, desk.order())),
    ))
}

fn close(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let owner = desk.margin.account.owner;
    Some(record(
        "closePosition",
        desk.args(),
        ix::close_position(&desk.listings, owner, desk.margin, desk.order()),
    ))
}

fn place(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let kinds = [
        (TriggerKind::Limit, "limit"),
        (TriggerKind::TakeProfit, "takeProfit"),
        (TriggerKind::StopLoss, "stopLoss"),
    ];
    let (kind, name) = rng.pick(&kinds);
    let trigger = TriggerOrder {
        kind,
        side: Side::Short,
        trigger_price: desk.price / 2,
        order: desk.order(),
        expiry: scene.copies.now + 60,
    };
    let mut args = desk.args();
    args["kind"] = json!(name);
    args["side"] = json!("short");
    args["triggerPrice"] = json!(trigger.trigger_price.to_string());
    args["expiry"] = json!(trigger.expiry.to_string());
    let owner = desk.margin.account.owner;
    Some(record("placeTrigger", args, ix::place_trigger(&desk.listings, owner, desk.margin, &trigger)))
}

fn execute(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let id = desk.margin.account.triggers.iter().find(|trigger| trigger.is_set())?.id;
    let keeper = rng.one_in(2).then(|| fixtures::address("keeper"));
    let args = json!({ "id": id.to_string(), "keeper": keeper.map(|key| key.to_string()) });
    Some(record("executeTrigger", args, ix::execute_trigger(&desk.listings, desk.margin, id, keeper)))
}

/// Another account of the scene as the liquidator's.
fn liquidator<'a>(scene: &'a Scene, number: usize, rng: &mut Rng) -> (usize, Liquidator<'a>) {
    let other = (number + 1 + rng.index(scene.accounts.len().max(2) - 1)) % scene.accounts.len();
    let (address, account) = &scene.accounts[other];
    (other, Liquidator { authority: account.owner, margin: Margin { address: *address, account } })
}

fn liquidate(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let (desk, (other, by)) = (Desk::of(scene, number, rng), liquidator(scene, number, rng));
    let mut args = desk.args();
    args["liquidator"] = json!(other);
    Some(record("liquidate", args, ix::liquidate(&desk.listings, by, desk.margin, desk.order())))
}

fn keeper(desk: &Desk<'_>, rng: &mut Rng) -> (Value, Option<Pubkey>) {
    let keeper = rng.one_in(2).then(|| fixtures::address("keeper"));
    (json!({ "market": desk.market, "keeper": keeper.map(|key| key.to_string()) }), keeper)
}

fn to_pool(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let (args, keeper) = keeper(&desk, rng);
    Some(record(
        "liquidateToPool",
        args,
        ix::liquidate_to_pool(&desk.listings, desk.margin, desk.market, keeper),
    ))
}

fn deleverage(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let (args, keeper) = keeper(&desk, rng);
    Some(record(
        "autoDeleverage",
        args,
        ix::auto_deleverage(&desk.listings, desk.margin, desk.market, keeper),
    ))
}

fn collateral(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let (desk, (other, by)) = (Desk::of(scene, number, rng), liquidator(scene, number, rng));
    let vault = scene.copies.vaults[1 + rng.index(scene.copies.vaults.len() - 1)].index;
    let creditor = rng.one_in(3).then_some(desk.market);
    let args = json!({
        "liquidator": other,
        "vault": vault,
        "amount": desk.lots.to_string(),
        "limitPrice": desk.price.to_string(),
        "creditor": creditor,
    });
    let what = (vault, desk.lots, desk.price);
    Some(record(
        "liquidateCollateral",
        args,
        ix::liquidate_collateral(&desk.listings, by, (desk.margin, creditor), what),
    ))
}

fn resolve(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let args = json!({ "market": desk.market });
    Some(record("resolveBankruptcy", args, ix::resolve_bankruptcy(&desk.listings, desk.margin, desk.market)))
}

fn refreshes(scene: &Scene, number: usize, rng: &mut Rng) -> Option<Value> {
    let desk = Desk::of(scene, number, rng);
    let found = scene.copies.snapshot().refresh_account(desk.margin.account, Some(desk.market));
    let all = found.expect("every leg is there").iter().map(built).collect::<Value>();
    Some(json!({ "name": "refresh", "args": { "market": desk.market }, "built": all }))
}

/// Instructions that no margin account's legs go into, for an exchange of one market and two vaults.
pub fn without_account() -> Value {
    let world = bulwark_tests::World::new();
    let (listings, provider) = (&world.listings, fixtures::address("provider"));
    let (source, shares) = (fixtures::address("source"), fixtures::address("shares"));
    let margin = address::margin_account(&provider, 3);
    let [text, shares_text, who] = [source, shares, provider].map(|key| key.to_string());
    let vaults = listings.vaults.iter().map(|vault| vault.mint.to_string()).collect::<Value>();
    let mut records = Vec::new();
    for (index, vault) in listings.vaults.iter().enumerate() {
        let args = json!({ "depositor": who, "marginAccount": margin.to_string(), "vault": index, "source": text, "amount": "7" });
        records.push(record("deposit", args, Ok(ix::deposit(provider, margin, vault, (source, 7)))));
    }
    records.push(record(
        "openMarginAccount",
        json!({ "owner": who, "subId": 3 }),
        Ok(ix::open_margin_account(provider, provider, 3)),
    ));
    let close = json!({ "owner": who, "marginAccount": margin.to_string() });
    records.push(record("closeMarginAccount", close, Ok(ix::close_margin_account(provider, margin))));
    for (name, tranche) in [("junior", TrancheKind::Junior), ("senior", TrancheKind::Senior)] {
        let args = json!({ "provider": who, "tranche": name, "source": text, "shares": shares_text, "amount": "8", "minShares": "9" });
        let add = ix::add_liquidity(listings, tranche, (provider, source, shares), (8, 9));
        records.push(record("addLiquidity", args, add));
    }
    let args =
        json!({ "staker": who, "source": text, "shares": shares_text, "amount": "8", "minShares": "9" });
    records.push(record(
        "stakeBackstop",
        args,
        ix::stake_backstop(listings, (provider, source, shares), (8, 9)),
    ));
    let args = json!({ "donor": who, "source": text, "amount": "8" });
    records.push(record("fundInsurance", args, ix::fund_insurance(listings, provider, (source, 8))));
    for market in listings.markets.keys().copied() {
        let args = json!({ "market": market });
        records.push(record("allocateLiquidity", args.clone(), Ok(ix::allocate_liquidity(listings, market))));
        records.push(record("sweepMarket", args.clone(), Ok(ix::sweep_market(market))));
        records.push(record("rebalanceMarket", args.clone(), Ok(ix::rebalance_market(market))));
        records.push(record("suspendMarket", args.clone(), Ok(ix::suspend_market(market))));
        records.push(record("resumeMarket", args, Ok(ix::resume_market(market))));
    }
    let scene = json!({
        "vaults": vaults,
        "markets": listings.markets.keys().collect::<Vec<_>>(),
        "exchange": base64(&crate::scene::bytes(&*world.exchange())),
    });
    json!({ "scene": scene, "records": records })
}
