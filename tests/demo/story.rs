//! What happens, in order.
//!
//! | module | for |
//! |---|---|
//! | [`market`] | a market that works: sections 1 to 9 |
//! | [`crash`] | a crash: auctions, and the pool when nobody bids: 10 to 13 |
//! | [`debt`] | a debt, and what pays it: 14 |
//! | [`loss`] | a loss that margin did not cover, and who pays for it: 15 and 16 |
//! | [`settling`] | a small market that runs out of money, and can't pay everybody: 17 to 19 |
//! | [`end`] | everybody leaves: 20 to 23 |

mod crash;
mod debt;
mod end;
mod loss;
mod market;
mod settling;

use bulwark_tests::fixtures::DOLLAR;

use crate::stage::{Actor, Result};

const LIQUIDITY: u64 = 1_000_000 * DOLLAR;
const SOL_COLLATERAL: u64 = 20_000_000_000;
const HALF_AN_HOUR: i64 = 1_800;

/// Who plays from section 10 on.
struct Cast {
    /// Long, with too little behind it.
    dora: Actor,
    /// Long, with a little more.
    emil: Actor,
    /// Short.
    fritz: Actor,
    /// Short, from lower down.
    gina: Actor,
    /// Takes positions over.
    max: Actor,
    /// Makes calls for others.
    kira: Actor,
}

/// Tells it all.
pub fn tell() -> Result {
    println!("Bulwark: the life of a market, on the compiled program.");
    println!("Amounts are USDC; E is equity, MM and IM maintenance and initial margin, CU compute units.");
    println!(
        "Every number is worked out a second time without the program; the first difference ends the story."
    );
    let mut stage = market::listing()?;
    let lena = market::liquidity(&mut stage)?;
    let (mut alice, mut bob, bobs_sol) = market::opening(&mut stage)?;
    market::first_path(&mut stage, [&alice, &bob])?;
    market::profit_and_patience(&mut stage, &mut alice)?;
    market::take_profit(&mut stage, &alice)?;
    market::second_path(&mut stage, [&alice, &bob])?;
    let kim = market::closing(&mut stage, &mut alice, &mut bob)?;
    market::sweeping(&mut stage)?;
    market::leaving(&mut stage, [&alice, &bob, &kim], bobs_sol)?;

    let backing = crash::backing(&mut stage)?;
    let mut cast = crash::opening(&mut stage)?;
    crash::fall(&mut stage, &cast)?;
    crash::auction(&mut stage, &mut cast)?;
    crash::nobody_bids(&mut stage, &mut cast)?;
    let nina = debt::collateral(&mut stage, &mut cast)?;
    let (hugo, sara) = loss::gap(&mut stage, &mut cast, &backing)?;
    loss::winners(&mut stage, &mut cast)?;
    let willa = settling::exhausted(&mut stage)?;
    let small = settling::small_market(&mut stage, &mut cast, willa)?;
    let small = settling::claims(&mut stage, small)?;

    let Cast { dora, emil, fritz, gina, max, kira } = cast;
    let mut all = vec![alice, bob, kim];
    let leaving = [dora, emil, fritz, gina, nina, hugo, max, kira].into_iter().chain(small);
    all.extend(end::leaving(&mut stage, leaving.collect())?);
    let redeemed = end::redemption(&mut stage, &lena)?;
    let unstaked = end::unstaking(&mut stage, &backing, &sara)?;
    end::books(&mut stage, &all, (&backing, redeemed, unstaked))
}
