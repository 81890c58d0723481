//! A debt of quote that a collateral stands for, and what pays it.

use bulwark_tests::fixtures::{AUTO_EXCHANGE_THRESHOLD, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL_VAULT, Signer as _};

use super::{Cast, SOL_COLLATERAL};
use crate::show::{self, print_price, quantity, usd};
use crate::stage::{Actor, Result, Stage, refused, same};

/// Nina loses more quote than she has; a profit pays a part, her collateral the rest.
pub fn collateral(stage: &mut Stage, cast: &mut Cast) -> Result<Actor> {
    show::section(14, "A debt, and what pays it");
    let mut nina = stage.newcomer("Nina", BTC, 100 * DOLLAR)?;
    let deposit = stage.world.deposit_collateral(&nina.trader, SOL_VAULT, SOL_COLLATERAL);
    let tokens = deposit.map_err(refused("a deposit"))?;
    let held = quantity(SOL_COLLATERAL.into(), SOL_ASSET.lot_decimals);
    stage.step(&format!("Nina has 100 USDC and deposits {held} SOL."));
    stage.later(1, 158 * PRINT, 63_400 * PRINT)?;
    stage.trade(&mut nina, btc(30), "buys 0.3 BTC")?;
    moves(stage, 61_800)?;
    stage.trade(&mut nina, -btc(30), "sells them again")?;
    show::detail(&format!("she owes {}: her SOL stands for it", usd(nina.owed())));
    let lends = i128::from(AUTO_EXCHANGE_THRESHOLD);
    same("less than the exchange lends", nina.owed() < lends, true)?;
    stage.trade(&mut nina, -btc(30), "sells 0.3 BTC short")?;
    stage.ledger()?;

    stage.later(20, 158 * PRINT, 60_800 * PRINT)?;
    show::say(&format!("Twenty seconds later BTC is at {}.", print_price(60_800 * PRINT)));
    let pnl = stage.market(BTC).pnl(&nina.position);
    let [.., early] = stage.settle(&mut nina)?;
    same("not within the toxic window", (early, pnl > 0), (0, true))?;
    stage.step("Anybody settles Nina's position, and moves nothing: an exit would pay for being so quick.");
    stage.later(60, 158 * PRINT, 60_800 * PRINT)?;
    show::say("A minute later it is still there.");
    let pnl = stage.market(BTC).pnl(&nina.position);
    let [.., profit] = stage.settle(&mut nina)?;
    same("all of the profit pays", (profit, profit > 0), (pnl, true))?;
    stage
        .step(&format!("Anybody settles Nina's position: her profit of {} pays what she owes.", usd(profit)));
    show::detail(&format!("she owes {} now, and her position begins at the mark", usd(nina.owed())));
    stage.ledger()?;

    moves(stage, 64_600)?;
    stage.trade(&mut nina, btc(30), "buys the 0.3 BTC back")?;
    same("more than the exchange lends", nina.owed() > lends, true)?;
    let [owed, most] = [nina.owed(), lends].map(usd);
    show::detail(&format!("she owes {owed}: more than the {most} that the exchange lends"));
    let sold = stage.buy_collateral([&mut cast.max, &mut nina])?;
    same("nothing is owed", nina.owed(), 0)?;
    stage.settle(&mut nina)?;
    stage.step("Anybody settles: the market holds nothing back for her debt any more.");
    let owner = cast.max.trader.key.pubkey();
    let mint = stage.world.listings.vaults[usize::from(SOL_VAULT)].mint;
    let bought = stage.world.create_tokens(mint, owner, 0);
    stage.take_sol(&cast.max, (bought, sold))?;
    stage.take_sol(&nina, (tokens, SOL_COLLATERAL - sold))?;
    stage.ledger()?;
    Ok(nina)
}

/// A minute later BTC is there.
fn moves(stage: &mut Stage, price: i64) -> Result {
    stage.later(60, 158 * PRINT, price * PRINT)?;
    show::say(&format!("A minute later BTC is at {}.", print_price(price * PRINT)));
    Ok(())
}

/// Lots of so many hundredths of a BTC.
fn btc(hundredths: i64) -> i64 {
    hundredths * 1_000_000_000
}
