//! Everybody leaves, and the books are closed.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{POOL_PARAMS, PRINT};
use bulwark_tests::{BTC, SOL, Signer as _, Trader};

use super::LIQUIDITY;
use super::crash::Backing;
use super::loss::Leaving;
use crate::model;
use crate::show::{self, change, usd};
use crate::stage::{Actor, Result, Stage, event, refused, same};

/// Fees leave all markets, and everybody takes what is left to him.
pub fn leaving(stage: &mut Stage, cast: Vec<Actor>) -> Result<Vec<Actor>> {
    show::section(20, "Everybody leaves");
    let markets = u16::try_from(stage.markets.len()).map_err(|e| e.to_string())?;
    for market in 0..markets {
        stage.sweep(market)?;
    }
    for actor in &cast {
        stage.leave(actor, None)?;
    }
    stage.ledger()?;
    Ok(cast)
}

/// Lena takes half of her money back: a request, a day, the markets give back what is on its way out, the payment.
pub fn redemption(stage: &mut Stage, (lena, shares): &(Trader, Pubkey)) -> Result<i128> {
    show::section(21, "A provider leaves, in two steps");
    let (owner, half) = (lena.key.pubkey(), LIQUIDITY / 2);
    let keys = (owner, stage.world.payer.pubkey(), *shares);
    let request = ix::request_redeem(&stage.world.listings, TrancheKind::Junior, keys, (0, half));
    let outcome = stage.world.send(&[request], &[&lena.key]).map_err(refused("a request"))?;
    let value = event(outcome, |e| if let Event::RedeemRequested(e) = e { Some(e.value) } else { None })?;
    let text = format!("Lena asks for half of her shares to be redeemed: worth {} now.", usd(value.into()));
    stage.step(&text);
    let key = address::redeem_ticket(&owner, 0);
    let redeem = |stage: &mut Stage| {
        let ticket = stage.world.get(&key);
        let redeem =
            ix::redeem(&stage.world.listings, &ticket, (lena.tokens, 0)).map_err(|e| e.to_string())?;
        stage.world.send(&[redeem], &[&lena.key]).map_err(|failure| failure.name.unwrap_or_default())
    };
    same("redeeming at once", redeem(stage).err().as_deref(), Some("RedeemTooEarly"))?;
    stage.later(86_400, 140 * PRINT, 63_400 * PRINT)?;
    let [expected, fee] =
        model::redemption(half, (stage.pool_worth(), LIQUIDITY), POOL_PARAMS.redeem_fee_ppm);
    same("what it was worth", i128::from(value), expected + fee)?;
    for market in [SOL, BTC] {
        let back = -stage.allocate(market, expected + fee)?;
        let name = stage.asset(market).name;
        stage.step(&format!("A day later anybody moves {} back from the {name} market.", usd(back)));
    }
    let paid =
        event(redeem(stage)?, |e| if let Event::Redeemed(e) = e { Some([e.paid, e.fee]) } else { None })?;
    same("what the redemption paid", paid.map(i128::from), [expected, fee])?;
    same("tokens taken out", i128::from(stage.world.token_balance(&lena.tokens)), expected)?;
    stage.step(&format!("Lena gets {}; a fee of {} stays in the pool.", usd(expected), usd(fee)));
    stage.idle -= expected;
    stage.tokens -= expected;
    stage.ledger()?;
    Ok(expected)
}

/// Two weeks after her request Sara gets what is left of that stake.
pub fn unstaking(stage: &mut Stage, backing: &Backing, leaving: &Leaving) -> Result<i128> {
    show::section(22, "A staker leaves");
    stage.later(13 * 86_400, 140 * PRINT, 63_400 * PRINT)?;
    let (sara, expected) = (&backing.sara, stage.fund.cooling);
    let outcome = stage.world.unstake(sara, &leaving.ticket, 0).map_err(refused("unstaking"))?;
    let paid =
        event(outcome, |e| if let Event::Unstaked(e) = e { Some([e.paid, e.cooling_left]) } else { None })?;
    same("what the stake was worth", paid.map(i128::from), [expected, 0])?;
    same("the lesser of then and now", expected < leaving.asked, true)?;
    same("tokens taken out", i128::from(stage.world.token_balance(&sara.tokens)), expected)?;
    stage.step(&format!(
        "Sara asked for {} and gets {}: slashed twice since.",
        usd(leaving.asked),
        usd(expected)
    ));
    stage.fund.cooling -= expected;
    stage.tokens -= expected;
    stage.ledger()?;
    Ok(expected)
}

/// What everybody has won or lost sums to nothing.
pub fn books(
    stage: &mut Stage,
    actors: &[Actor],
    (backing, redeemed, unstaked): (&Backing, i128, i128),
) -> Result {
    show::section(23, "The books");
    let insured: i128 = stage.markets.iter().map(|m| m.insurance).sum();
    let others = [
        ("Lena and the pool", stage.pool_worth() + redeemed - i128::from(LIQUIDITY)),
        ("Sara, stake", stage.fund.stake() + unstaked - backing.staked),
        ("Insurance, Otto's gift", stage.fund.reserve + insured - backing.given),
        ("Protocol", stage.protocol),
    ];
    let names = actors
        .iter()
        .map(|actor| (format!("{}, {}", actor.name, stage.asset(actor.market).name), actor.expected));
    let results: Vec<_> = names.chain(others.map(|(name, result)| (name.into(), result))).collect();
    for (name, result) in &results {
        show::say(&format!("{name:<24}{:>16}", change(*result)));
    }
    let sum: i128 = results.iter().map(|(_, result)| result).sum();
    same("the sum of all results", sum, 0)?;
    show::say(&format!("{:<24}{:>16}   to the unit, as worked out without the program ✓", "Sum", usd(sum)));
    show::say("In USDC: the SOL that Max bought of Nina comes on top for him, and is what she lost besides.");
    let units = stage.check_invariants(&[])?;
    show::step("The program checks every market and every vault once more.", units);
    println!("\ninvariants: OK");
    Ok(())
}
