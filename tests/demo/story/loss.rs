//! A loss that margin did not cover: who pays for it, and what a winner finds later.

use bulwark_sdk::Pubkey;
use bulwark_sdk::program::state::UnstakeTicket;
use bulwark_tests::SOL;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};

use super::Cast;
use super::crash::{Backing, sol};
use crate::distress::tier;
use crate::model::waterfall::Tiers;
use crate::show::{self, change, print_price, quantity, share, usd};
use crate::stage::{Actor, Result, Stage, refused, same};

/// Fritz and Gina are short: Hugo's loss is theirs to share when nobody else has it.
const LONG: usize = 0;

/// Stake on its way out.
pub struct Leaving {
    /// The ticket.
    pub ticket: Pubkey,
    /// What it was worth, quote units.
    pub asked: i128,
}

/// The price jumps below what Hugo's margin covers; the waterfall pays in its order.
pub fn gap(stage: &mut Stage, cast: &mut Cast, backing: &Backing) -> Result<(Actor, Leaving)> {
    show::section(15, "A gap, and who pays for it");
    let sara = leaving(stage, backing)?;
    let mut hugo = stage.newcomer("Hugo", SOL, 2_000 * DOLLAR)?;
    stage.trade(&mut hugo, sol(200), "buys 200 SOL with 2,000")?;
    let price = 140 * PRINT;
    stage.wait(SOL, 3, price)?;
    show::say(&format!("SOL gaps to {}: no auction could have been in time.", print_price(price)));
    let [equity, _] = stage.margin(&hugo)?;
    same("below zero", equity < 0, true)?;
    stage.show_margin(&hugo)?;
    stage.until_takeover(&cast.kira, &[&hugo], price)?;
    stage.pool_takes(&mut cast.kira, &mut hugo)?;
    same("all of it is gone", hugo.position.lots(), 0)?;
    stage.ledger()?;

    let fund = stage.fund;
    let (tiers, _) = stage.resolve(&mut hugo, LONG)?;
    let Tiers { insurance, reserve, backstop, deleveraged, pool, traders, winners, fraction, surplus } =
        tiers;
    tier("1  the market's insurance", insurance, "all it had");
    tier(
        "2  the insurance fund's reserve",
        reserve,
        &format!("a quarter of {}, its share of a day", usd(fund.reserve)),
    );
    tier("3  the stakers", backstop, &format!("half of {}", usd(fund.stake())));
    tier("4  the pool's first loss", 0, "none by default");
    tier(
        "5  winners of the other side",
        deleveraged,
        &format!("{} of their {}", share(fraction), usd(winners)),
    );
    tier("6  the pool", pool, "what rounding left of it");
    tier("7  what the market owes its traders", traders, "not needed");
    same("the winners are asked last", deleveraged > 0 && pool <= 4 && traders + surplus == 0, true)?;
    stage.ledger()?;
    Ok((hugo, sara))
}

/// Sara wants half of her stake back: it can be slashed until she has it.
fn leaving(stage: &mut Stage, backing: &Backing) -> Result<Leaving> {
    let (sara, all) = (&backing.sara, stage.world.token_balance(&backing.shares));
    let request = stage.world.request_unstake(sara, backing.shares, (0, all / 2));
    let ticket = request.map_err(refused("a request"))?;
    let asked = stage.fund.cool((all / 2).into(), all.into());
    let seen = stage.world.get::<UnstakeTicket>(&ticket).core;
    same("what is asked for", [seen.shares, seen.value].map(i128::from), [asked; 2])?;
    stage.step(&format!("Sara asks for half of her stake, {}: she has to wait for two weeks.", usd(asked)));
    let early = stage.world.unstake(sara, &ticket, 0).err().and_then(|failure| failure.name);
    same("at once", early.as_deref(), Some("UnstakeTooEarly"))?;
    Ok(Leaving { ticket, asked })
}

/// What is pending is applied when somebody touches a position: the same share of profit for each, nothing else.
pub fn winners(stage: &mut Stage, cast: &mut Cast) -> Result {
    show::section(16, "A winner settles, another one closes");
    let Cast { fritz, gina, .. } = cast;
    let market = stage.market(SOL);
    // What both had before is what their stored numbers are worth.
    let fritz_had = worth_as_stored(market.price(), market.carry()[1], fritz.position.numbers());
    let gina_had = worth_as_stored(market.price(), market.carry()[1], gina.position.numbers());
    let [fritz_has, gina_has] = [&*fritz, &*gina].map(|actor| stage.standing(actor)[0]);
    for (actor, had, has) in [(&*fritz, fritz_had, fritz_has), (&*gina, gina_had, gina_has)] {
        same("PnL", has, stage.market(SOL).pnl(&actor.position))?;
        show::say(&format!(
            "{} had a profit of {}, and has {}: {}.",
            actor.name,
            usd(had),
            usd(has),
            change(has - had)
        ));
    }
    // Losses in proportion to profits: to a lot and a unit of each.
    let crossed = (fritz_had - fritz_has) * gina_had - (gina_had - gina_has) * fritz_had;
    same("I6: the same share", crossed.abs() <= 3 * (fritz_had + gina_had), true)?;

    let [unwound, ..] = stage.settle(fritz)?;
    stage.step(&format!(
        "Anybody settles Fritz's: {} SOL at his own entry are undone, {} left.",
        quantity(unwound, SOL_ASSET.lot_decimals),
        quantity(-fritz.position.lots(), SOL_ASSET.lot_decimals)
    ));
    stage.ledger()?;
    for actor in [fritz, gina] {
        let left = -stage.market(SOL).held(&actor.position).0;
        let what = format!("buys back the {} SOL that are left", quantity(left, SOL_ASSET.lot_decimals));
        stage.close_all(actor, &what)?;
    }
    stage.ledger()
}

/// What stored numbers are worth before an unwind is applied, quote units rounded down.
fn worth_as_stored(price: i128, carry: i128, [lots, quote]: [i128; 2]) -> i128 {
    ((lots * ((price << 16) - carry)) >> 48) + quote
}
