//! Orders that wait for a price.

use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_tests::Signer;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::world::Failure;

use super::{close, send, send_as_trader};
use crate::shapes::{Bench, lots, market_asset, side};

/// A trigger in the trader's last market at the price of now.
fn place(bench: &mut Bench, kind: TriggerKind, dollars: u64) -> Result<u64, Failure> {
    let (market, side) = (bench.market(), side(bench.market()));
    let buys = (side == Side::Long) != kind.is_reduce_only();
    let order = Order {
        market,
        lots: lots(market_asset(market), dollars),
        limit_price: if buys { u64::MAX } else { 0 },
    };
    let trigger_price = bench.world.market(market).core.mark().to_bits();
    let trigger = TriggerOrder { kind, side, trigger_price, order, expiry: bench.world.now() + 60 };
    let account = bench.world.margin(&bench.trader.margin);
    let margin = Margin { address: bench.trader.margin, account: &account };
    let owner = bench.trader.key.pubkey();
    let place = ix::place_trigger(&bench.world.listings, owner, margin, &trigger).expect("builds");
    send_as_trader(bench, place)
}

/// Executes the trader's only trigger for a keeper's fee.
fn execute(bench: &mut Bench) -> Result<u64, Failure> {
    let keeper = bench.world.trader(0);
    let account = bench.world.margin(&bench.trader.margin);
    let margin = Margin { address: bench.trader.margin, account: &account };
    let (id, keeper) = (account.trigger_count, Some(keeper.margin));
    let execute = ix::execute_trigger(&bench.world.listings, margin, id, keeper).expect("builds");
    send(bench, execute, &[])
}

pub fn place_trigger(bench: &mut Bench) -> Result<u64, Failure> {
    place(bench, TriggerKind::TakeProfit, 10_000)
}

pub fn cancel_trigger(bench: &mut Bench) -> Result<u64, Failure> {
    place(bench, TriggerKind::TakeProfit, 10_000)?;
    let account = bench.world.margin(&bench.trader.margin);
    let margin = Margin { address: bench.trader.margin, account: &account };
    let cancel = ix::cancel_trigger(bench.trader.key.pubkey(), margin, account.trigger_count);
    send_as_trader(bench, cancel)
}

/// The position that completes the shape.
pub fn execute_limit(bench: &mut Bench) -> Result<u64, Failure> {
    close(bench, u64::MAX)?;
    place(bench, TriggerKind::Limit, 10_000)?;
    execute(bench)
}

pub fn execute_take_profit(bench: &mut Bench) -> Result<u64, Failure> {
    place(bench, TriggerKind::TakeProfit, 10_000)?;
    execute(bench)
}

/// A limit entry that the account has no margin for any more.
pub fn execute_without_margin(bench: &mut Bench) -> Result<u64, Failure> {
    place(bench, TriggerKind::Limit, 20_000)?;
    bench.world.tamper::<bulwark_sdk::program::state::MarginAccount>(
        &bench.trader.margin.clone(),
        |account| {
            account.quote.0 -= i64::try_from(1_000_000_000 * DOLLAR).expect("fits");
        },
    );
    let before = bench.world.margin(&bench.trader.margin).positions;
    let account = bench.world.margin(&bench.trader.margin);
    let margin = Margin { address: bench.trader.margin, account: &account };
    let execute =
        ix::execute_trigger(&bench.world.listings, margin, account.trigger_count, None).expect("builds");
    let outcome = bench.world.send_unchecked(&[execute], &[])?;
    let account = bench.world.margin(&bench.trader.margin);
    assert!(account.positions == before && account.triggers.iter().all(|t| !t.is_set()), "cancelled");
    Ok(outcome.compute_units)
}
