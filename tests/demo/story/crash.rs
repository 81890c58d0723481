//! A crash: auctions that end in seconds, and a pool that takes what nobody wants.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::auction::LAPSE_SLOTS;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{SOL, Trader, World};

use super::Cast;
use crate::show::{self, cents, print_price, quantity, ratio, usd};
use crate::stage::{Actor, Result, Stage, refused, same};

/// Widths of the fall's columns.
const FALL: [usize; 9] = [7, 9, 13, 10, 11, 13, 10, 11, 17];

/// What people put behind the traders, quote units.
pub struct Backing {
    /// Given to the reserve.
    pub given: i128,
    /// Staked.
    pub staked: i128,
    /// Who staked.
    pub sara: Trader,
    /// Her shares.
    pub shares: Pubkey,
}

/// Otto gives to the insurance fund's reserve, Sara stakes.
pub fn backing(stage: &mut Stage) -> Result<Backing> {
    show::section(10, "What stands behind the traders");
    let (given, staked) = (400 * DOLLAR, 600 * DOLLAR);
    let otto = stage.world.trader(given);
    stage.world.fund_insurance(&otto, given).map_err(refused("a gift"))?;
    stage.step(&format!("Otto gives {} USDC to the insurance fund: its reserve.", usd(given.into())));
    let sara = stage.world.trader(staked);
    let shares = stage.world.stake(&sara, staked).map_err(refused("a stake"))?;
    same("shares", stage.world.token_balance(&shares), staked)?;
    stage.step(&format!("Sara stakes {} USDC, for half of the fund's income.", usd(staked.into())));
    let backing = Backing { given: given.into(), staked: staked.into(), sara, shares };
    stage.fund.reserve += backing.given;
    stage.fund.active += backing.staked;
    stage.tokens += backing.given + backing.staked;
    stage.ledger()?;
    Ok(backing)
}

/// Positions on both sides, shorts the heavier one.
pub fn opening(stage: &mut Stage) -> Result<Cast> {
    show::section(11, "A new cast");
    for _ in 0..90 {
        stage.later(60, 166 * PRINT, 63_400 * PRINT)?;
    }
    show::say("An hour and a half later SOL is still at 166, and so is its average.");
    let mut dora = stage.newcomer("Dora", SOL, 2_000 * DOLLAR)?;
    stage.trade(&mut dora, sol(200), "buys 200 SOL, sixteen times her 2,000")?;
    let mut fritz = stage.newcomer("Fritz", SOL, 10_000 * DOLLAR)?;
    stage.trade(&mut fritz, -sol(250), "sells 250 SOL short with 10,000")?;
    let mut emil = stage.newcomer("Emil", SOL, 1_300 * DOLLAR)?;
    stage.trade(&mut emil, sol(100), "buys 100 SOL with 1,300")?;
    let mut gina = stage.newcomer("Gina", SOL, 3_000 * DOLLAR)?;
    stage.later(60, 163 * PRINT, 63_400 * PRINT)?;
    show::say(&format!("A minute later SOL is at {}.", print_price(163 * PRINT)));
    stage.trade(&mut gina, -sol(80), "sells 80 SOL short with 3,000")?;
    let max = stage.newcomer("Max", SOL, 10_000 * DOLLAR)?;
    let kira = stage.newcomer("Kira", SOL, DOLLAR)?;
    show::say("Max, with 10,000, takes positions over where it pays. Kira makes calls for tips.");
    stage.ledger()?;
    Ok(Cast { dora, emil, fritz, gina, max, kira })
}

/// SOL falls until the first account is in trouble.
pub fn fall(stage: &mut Stage, cast: &Cast) -> Result {
    let header = ["", "SOL", "Dora: E", "MM", "", "Emil: E", "MM", "", "Fritz: PnL"];
    show::row(FALL, header.map(String::from));
    for cent in [16_250, 16_200, 16_150, 16_100] {
        let price = cent * PRINT / 100;
        stage.wait(SOL, 3, price)?;
        let [dora, emil] = [stage.margin(&cast.dora)?, stage.margin(&cast.emil)?];
        let cells = |[equity, requirement]: [i128; 2]| {
            [cents(equity), cents(requirement), ratio(equity, requirement)]
        };
        let [[a, b, c], [d, e, f]] = [cells(dora), cells(emil)];
        let [pnl, ..] = stage.standing(&cast.fritz);
        same("Fritz's PnL", pnl, stage.market(SOL).pnl(&cast.fritz.position))?;
        show::row(FALL, ["+1.2 s".into(), print_price(price), a, b, c, d, e, f, cents(pnl)]);
        if dora[0] >= dora[1] {
            let early = stage.world.liquidate(&cast.max.trader, &cast.dora.key(), SOL, u64::MAX);
            same("above MM", early.err().and_then(|f| f.name).as_deref(), Some("Healthy"))?;
        }
    }
    let dora = stage.margin(&cast.dora)?;
    same("Dora is in trouble", dora[0] < dora[1], true)?;
    show::say(
        "Max tried Dora's account every time: refused, Healthy. Now she is below her maintenance margin.",
    );
    stage.ledger()
}

/// An auction: its start, a part, a recovery that ends it not, the rest, its end, and another one.
pub fn auction(stage: &mut Stage, cast: &mut Cast) -> Result {
    show::section(12, "An auction");
    let Cast { dora, max, .. } = cast;
    let started = stage.world.slot();
    stage.start_auction(max, dora)?;
    stage.wait(SOL, 6, 161 * PRINT)?;
    stage.take_over([max, dora], (6, 30 * SOL_ASSET.one()))?;
    stage.ledger()?;

    let [equity, requirement] = stage.margin(dora)?;
    same("between 100 and 105 %", equity >= requirement && equity * 20 < requirement * 21, true)?;
    let refusal = stage.world.liquidate(&max.trader, &dora.key(), SOL, u64::MAX);
    same("above MM", refusal.err().and_then(|f| f.name).as_deref(), Some("Healthy"))?;
    same("the auction goes on", started_at(&stage.world, dora), started)?;
    show::say("Above 100 % nothing more can be taken from her. Below 105 % her auction is not over:");
    let price = 16_050 * PRINT / 100;
    stage.wait(SOL, 6, price)?;
    show::say(&format!(
        "SOL falls to {}, and the concession is where twelve slots have brought it.",
        print_price(price)
    ));
    stage.show_margin(dora)?;
    stage.take_over([max, dora], (12, u64::MAX))?;
    let [equity, requirement] = stage.margin(dora)?;
    same("105 %", equity * 20 >= requirement * 21, true)?;
    same("the auction is over", started_at(&stage.world, dora), 0)?;
    show::say("At 105 % it is over: if she falls again, another one begins with a small concession.");
    stage.ledger()
}

/// Nobody bids: after 50 slots the pool takes over.
pub fn nobody_bids(stage: &mut Stage, cast: &mut Cast) -> Result {
    show::section(13, "Nobody bids");
    let Cast { dora, emil, max, kira, .. } = cast;
    let price = 158 * PRINT;
    stage.wait(SOL, 5, price)?;
    show::say(&format!("SOL falls to {}. Max has enough, and nobody else is there.", print_price(price)));
    stage.show_margin(dora)?;
    stage.show_margin(emil)?;
    stage.call(kira, dora, 0)?;
    stage.step("Kira calls: Dora's auction begins. Then she forgets it.");
    show::say(&format!("{} slots later it has lapsed: the next call begins another one.", LAPSE_SLOTS + 1));
    stage.wait(SOL, LAPSE_SLOTS + 1, price)?;
    stage.until_takeover(kira, &[dora, emil], price)?;
    for victim in [&mut *dora, &mut *emil] {
        stage.pool_takes(kira, victim)?;
        stage.show_margin(victim)?;
    }
    stage.ledger()?;
    show::say("The curve was cheap, so a part restored them. Both have had enough, and Max has too.");
    for victim in [&mut *dora, &mut *emil] {
        let left = quantity(victim.position.lots(), SOL_ASSET.lot_decimals);
        stage.close_all(victim, &format!("sells the {left} SOL that are left"))?;
    }
    let rest = max.position.lots();
    let what = format!("sells the {} SOL that he took over", quantity(rest, SOL_ASSET.lot_decimals));
    stage.trade(max, -i64::try_from(rest).map_err(|e| e.to_string())?, &what)?;
    stage.ledger()
}

/// Slot of the first call of an account's auction.
fn started_at(world: &World, actor: &Actor) -> u64 {
    world.margin(&actor.key()).auction.started
}

/// Lots of so many SOL.
pub fn sol(count: i64) -> i64 {
    count * 1_000_000_000
}
