//! A small market that can't pay everybody pays everybody the same part.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_tests::SOL;
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT, WATERFALL};

use super::Cast;
use crate::distress::tier;
use crate::model::ladder::Unwound;
use crate::model::waterfall::Tiers;
use crate::show::{self, print_price, quantity, ratio, share, usd};
use crate::stage::{Actor, Result, Stage, event, refused, same};

/// A thin market.
const JUP: Asset = Asset { name: "JUP", lot_decimals: 7, price: PRINT };
/// Of the curve's two sides, the one that loses.
const SHORT: usize = 1;
/// Minutes of the night.
const NIGHT: usize = 150;

/// Half a percent of the pool, winners first.
fn params() -> MarketParams {
    MarketParams {
        skew_scale: JUP.lots_worth(10_000_000),
        target_weight_ppm: 5_000,
        waterfall: WaterfallParams { tail: 1, ..WATERFALL },
        ..JUP.market_params()
    }
}

fn jup(count: i64) -> i64 {
    count * 10_000_000
}

/// A night: JUP goes there and stays, and is a little lower in the morning, so that its average is above it.
fn night(stage: &mut Stage, market: u16, price: i64) -> Result {
    for _ in 0..NIGHT {
        stage.wait(market, 150, price + PRINT / 100)?;
    }
    stage.wait(market, 150, price)
}

/// A long wins more than the pool has committed.
pub fn exhausted(stage: &mut Stage) -> Result<Actor> {
    show::section(17, "A market whose pool money is used up");
    stage.print(SOL, 140 * PRINT)?;
    stage.later(1, 140 * PRINT, 63_400 * PRINT)?;
    let market = stage.list(JUP, params())?;
    stage.step(&format!(
        "The admin lists JUP at {}: thin, so its winners pay before the fund.",
        print_price(PRINT)
    ));
    let amount = stage.allocate(market, 0)?;
    stage.step(&format!("Anybody moves its half percent of the pool there: {}.", usd(amount)));
    let mut willa = stage.newcomer("Willa", market, 1_000 * DOLLAR)?;
    stage.trade(&mut willa, jup(4_000), "buys 4,000 JUP with 1,000")?;
    night(stage, market, 26 * PRINT / 10)?;
    show::say(&format!("A night later JUP stands at {}.", print_price(26 * PRINT / 10)));
    let outcome = stage.world.send(&[ix::rebalance_market(market)], &[]).map_err(refused("rebalancing"))?;
    let seen = event(outcome, |e| if let Event::MarketRebalanced(e) = e { Some(e) } else { None })?;
    let model = stage.market(market);
    let (deficit, unwound) = model.rebalance();
    let amounts = [seen.deficit, seen.winners, seen.fraction, seen.booked, seen.lots].map(i128::from);
    let Unwound { winners, fraction, booked, lots } = unwound;
    same("what was unwound", amounts, [deficit, winners, fraction, booked, lots])?;
    let (cash, equity) = (model.cash, model.equity());
    same("nothing is missing any more", (0..=3).contains(&equity), true)?;
    stage.step(&format!(
        "Winners are owed {}, and the market has {}. Anybody rebalances it:",
        usd(winners),
        usd(cash)
    ));
    show::detail(&format!(
        "{} of their profit is undone, {} of it; the pool can't lose more",
        share(fraction),
        usd(booked)
    ));
    stage.settle(&mut willa)?;
    let left = quantity(willa.position.lots(), JUP.lot_decimals);
    stage.step(&format!("Anybody settles Willa's position: {left} JUP are left."));
    night(stage, market, PRINT)?;
    show::say(&format!(
        "Another night later JUP is back at {}, and nobody owes anybody.",
        print_price(PRINT)
    ));
    stage.ledger()?;
    Ok(willa)
}

/// Two longs win more in a night than the short and the market have.
pub fn small_market(stage: &mut Stage, cast: &mut Cast, willa: Actor) -> Result<[Actor; 3]> {
    show::section(18, "A small market that can't pay everybody");
    let market = willa.market;
    let mut yuri = stage.newcomer("Yuri", market, 800 * DOLLAR)?;
    stage.trade(&mut yuri, -jup(6_000), "sells 6,000 JUP short with 800")?;
    let mut xenia = stage.newcomer("Xenia", market, 1_000 * DOLLAR)?;
    stage.wait(market, 5, PRINT * 108 / 100)?;
    stage.trade(&mut xenia, jup(3_500), "buys 3,500 JUP at 1.08 with 1,000")?;
    stage.ledger()?;

    let price = 399 * PRINT / 100;
    night(stage, market, price)?;
    show::say(&format!(
        "A night without keepers: JUP stands at {}, and has for two hours.",
        print_price(price)
    ));
    for actor in [&willa, &xenia, &yuri] {
        stage.show_margin(actor)?;
    }
    stage.until_takeover(&cast.kira, &[&yuri], price)?;
    stage.pool_takes(&mut cast.kira, &mut yuri)?;
    bankruptcy(stage, &mut yuri)?;
    Ok([willa, xenia, yuri])
}

/// Yuri's debt goes through all tiers, and the market has to settle.
fn bankruptcy(stage: &mut Stage, yuri: &mut Actor) -> Result {
    let (market, fund) = (yuri.market, stage.fund);
    let (tiers, outcome) = stage.resolve(yuri, SHORT)?;
    let Tiers { insurance, reserve, backstop, deleveraged, pool, traders, winners, fraction, .. } = tiers;
    tier("1  the market's insurance", insurance, "all it had");
    tier(
        "5  winners of the other side",
        deleveraged,
        &format!("{} of their {}", share(fraction), usd(winners)),
    );
    tier("2  the insurance fund's reserve", reserve, &format!("a quarter of {}", usd(fund.reserve)));
    tier("3  the stakers", backstop, &format!("half of {}", usd(fund.stake())));
    tier("4  the pool's first loss", 0, "none by default");
    tier("6  the pool", pool, "all it had in this market");
    tier("7  what the market owes its traders", traders, "so it owes more than it has:");
    same("all of it was needed", traders > 0 && pool > 0, true)?;
    let settling = event(outcome, |e| if let Event::MarketSettling(e) = e { Some(e) } else { None })?;
    let model = stage.market(market);
    same("the frozen price", i128::from(settling.price), model.price())?;
    same("the market is short", model.equity() < 0, true)?;
    show::say("JUP settles: its price is frozen, nobody trades, and the other markets have not noticed.");
    stage.ledger()
}

/// Positions become claims, and every claim is paid the same part.
pub fn claims(stage: &mut Stage, [mut willa, mut xenia, yuri]: [Actor; 3]) -> Result<[Actor; 3]> {
    show::section(19, "Claims, pro rata");
    let market = willa.market;
    let mut owed = vec![];
    for actor in [&mut willa, &mut xenia] {
        let seen = stage.settle_finally(actor)?;
        let change = stage.market(market).close_finally(&mut actor.position);
        let left = [seen.position_lots, seen.position_quote].map(i128::from);
        same("the claim", left, actor.position.numbers())?;
        same("nobody lost", (seen.loss, seen.claim_paid, seen.profit, change), (0, 0, 0, 0))?;
        stage.step(&format!("Anybody settles {}'s position: a claim of {}.", actor.name, usd(left[1])));
        owed.push(left[1]);
        if owed.len() == 1 {
            let early = stage.world.settle(&actor.key(), market);
            same("too early", early.err().and_then(|f| f.name).as_deref(), Some("ClaimsWait"))?;
            show::detail("she asks to be paid at once: refused, ClaimsWait. Another position is open.");
        }
    }
    let (cash, all) = (stage.market(market).cash, owed.iter().sum::<i128>());
    show::say(&format!("The market has {} for {}: {}.", usd(cash), usd(all), ratio(cash, all)));
    for (actor, claim) in [&mut willa, &mut xenia].into_iter().zip(&owed) {
        let seen = stage.settle_finally(actor)?;
        let paid = stage.market(market).pay_claim(&mut actor.position);
        let amounts = [seen.claim_paid, seen.forgone].map(i128::from);
        same("what the claim was paid", amounts, [paid, claim - paid])?;
        // The exact part, less what rounding keeps: a unit, and the dust of the unwind.
        let exact = claim * cash / all;
        same("pro rata", (exact - 2..=exact + 1).contains(&paid), true)?;
        stage.credit(actor, paid);
        stage.step(&format!(
            "{} is paid {} of {}, and the rest is nobody's.",
            actor.name,
            usd(paid),
            usd(*claim)
        ));
        stage.ledger()?;
    }
    Ok([willa, xenia, yuri])
}
