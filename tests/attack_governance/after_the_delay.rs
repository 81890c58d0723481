//! What somebody with all keys can do once his first delay is over, at worst, against whoever has not left; in numbers.

use bulwark_sdk::engine::collateral::{CollateralParams, MAX_LISTED_WORTH};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, Failure, Outcome, SOL, SOL_VAULT, Signer, Trader, World, ledger};

use crate::griefing::status;
use crate::payloads::*;
use crate::stage::*;
use crate::volley::*;

/// Index of the attacker's vault.
const FAKE_VAULT: u16 = 2;
/// Delay of a change, hours.
const DELAY: i64 = 48;

/// Proposes, waits as long as it takes, and executes, with prices of then.
fn enact(stage: &mut Stage, payload: ChangePayload) -> Result<Outcome, Failure> {
    let nonce = stage.propose(payload)?;
    wait_for(stage, nonce);
    stage.execute(nonce, None)
}

/// Lets hours pass until a change is ripe.
fn wait_for(stage: &mut Stage, nonce: u64) {
    let eta = stage.change(nonce).timelock.eta;
    while stage.now() + HOUR < eta {
        stage.pass(1);
    }
    stage.set_clock(eta);
    stage.refresh();
}

fn create_fake(stage: &Stage, nonce: u64) -> Instruction {
    let keys = (stage.admin.pubkey(), stage.payer.pubkey());
    ix::create_vault(keys, (fake_mint(), address::TOKEN_PROGRAM), World::oracles(&FAKE), &stage.change(nonce))
}

/// Lists the attacker's token as a collateral with these parameters, when its oracle says so much for one.
fn list_fake(stage: &mut Stage, params: CollateralParams, price: i64) -> Result<Outcome, Failure> {
    stage.create_mint(fake_mint(), 6);
    let listing = ChangePayload::CreateVault { mint: fake_mint(), sources: fake_sources(), params };
    enact(stage, listing)?;
    stage.print(&FAKE, price, 0);
    let nonce = stage.exchange().next_change - 1;
    let (create, admin) = (create_fake(stage, nonce), stage.admin.insecure_clone());
    let outcome = stage.send(&[create], &[&admin])?;
    stage.listings.vaults.push(VaultListing::of_mint(fake_mint(), address::TOKEN_PROGRAM));
    Ok(outcome)
}

/// Prints the attacker's price, and refreshes his vault with it.
fn print_fake(stage: &mut Stage, price: i64) {
    stage.print(&FAKE, price, 0);
    let refresh = ix::refresh_vault((FAKE_VAULT, &fake_mint()), World::oracles(&FAKE));
    stage.send(&[refresh], &[]).expect("refresh_vault");
}

#[test]
fn attack_a_worthless_collateral_is_listed_with_a_cap_of_nothing_that_grows_to_ten_million_in_a_day() {
    let mut stage = Stage::new();
    // One unit more is refused when it is created.
    let more = CollateralParams { max_deposits: MAX_LISTED_WORTH + 1, soft_cap: 1, ..fake_collateral() };
    let mut other = Stage { world: stage.fork_world(), ..Stage::new() };
    refused(list_fake(&mut other, more, PRINT), "ParameterOutOfBounds");

    list_fake(&mut stage, fake_collateral(), PRINT).expect("ten million dollars' worth");
    assert_eq!(stage.hour(), DELAY);
    let (attacker, listed) = (stage.attacker.again(), stage.now());
    refused(stage.world.deposit_collateral(&attacker.trader, FAKE_VAULT, 1), "DepositCap");
    for (hours, dollars) in
        [(1, 416_666), (6, 2_500_000), (12, 5_000_000), (24, 10_000_000), (240, 10_000_000)]
    {
        stage.set_clock(listed + hours * HOUR);
        let cap = stage.vault(FAKE_VAULT).core.cap(stage.now()).expect("valid");
        assert_eq!(cap / DOLLAR, dollars, "after {hours} h");
        let deposit = |amount| {
            let mut other = stage.fork_world();
            other.deposit_collateral(&attacker.trader, FAKE_VAULT, amount)
        };
        deposit(cap).expect("up to the cap");
        refused(deposit(cap + 1), "DepositCap");
    }
    // Twice as much takes another delay, and then another day.
    let params = stage.vault(FAKE_VAULT).core.params;
    let doubled = |max_deposits| ChangePayload::VaultParams {
        vault: FAKE_VAULT,
        params: CollateralParams { max_deposits, ..params },
    };
    refused(stage.propose(doubled(2 * MAX_LISTED_WORTH + 1)), "StepTooLarge");
    let nonce = stage.propose(doubled(2 * MAX_LISTED_WORTH)).expect("twice");
    let proposed = stage.now();
    wait_for(&mut stage, nonce);
    stage.execute(nonce, None).expect("ripe");
    assert_eq!(stage.now() - proposed, DELAY * HOUR);
    for (hours, millions) in [(0, 10), (6, 15), (12, 20), (24, 20)] {
        stage.set_clock(proposed + (DELAY + hours) * HOUR);
        let cap = stage.vault(FAKE_VAULT).core.cap(stage.now()).expect("valid");
        assert_eq!(cap / DOLLAR, millions * 1_000_000, "after {hours} h more");
    }
}

#[test]
fn attack_every_limit_loosens_by_one_step_a_delay() {
    let mut stage = Stage::of(172_800, NARROW);
    let (mut steps, mut seen) = (0, Vec::new());
    // From a tenth to everything in an hour: four steps of two days.
    while stage.vault(0).core.params.outflow.max_ppm < 1_000_000 {
        let from = stage.vault(0).core.params;
        let outflow = OutflowParams { max_ppm: from.outflow.max_ppm * 2 + 1, ..from.outflow };
        let too_far = ChangePayload::VaultParams { vault: 0, params: CollateralParams { outflow, ..from } };
        let failure = stage.propose(too_far).expect_err("more than twice");
        assert!(failure.is("StepTooLarge") || failure.is("ParameterOutOfBounds"));
        let step = ChangePayload::VaultParams { vault: 0, params: loose_vault(&from, 0) };
        let twice = [step, step].map(|step| stage.propose(step).expect("one step"));
        // Until then the step can't be had, and not both of them then.
        stage.advance(DELAY * HOUR - 1);
        refused(stage.execute(twice[0], None), "ChangeTooEarly");
        stage.advance(1);
        stage.execute(twice[1], None).expect("ripe");
        refused(stage.execute(twice[0], None), "ChangeVoid");
        steps += 1;
        seen.push(stage.vault(0).core.params.outflow.max_ppm);
        assert_eq!(stage.now() - stage.began, steps * DELAY * HOUR);
    }
    assert_eq!(seen, [200_000, 400_000, 800_000, 1_000_000]);

    let mut margins = Vec::new();
    stage.refresh();
    for _ in 0..4 {
        let from = stage.market(SOL).core.params;
        let lower = MarketParams { mmf_ppm: loose_market(&from).mmf_ppm - 1, ..loose_market(&from) };
        refused(stage.propose(ChangePayload::MarketParams { market: SOL, params: lower }), "StepTooLarge");
        let params = loose_market(&from);
        enact(&mut stage, ChangePayload::MarketParams { market: SOL, params }).expect("one step");
        let core = stage.market(SOL).core;
        margins.push([core.params.mmf_ppm, core.params.imf_ppm]);
    }
    println!("{margins:?}");
    assert_eq!(margins, [[24_800, 33_350], [19_840, 24_800], [15_872, 19_840], [12_698, 15_873]]);
}

/// What leaves within an hour from now if everybody takes what he can every minute, as a share of what there was, ppm.
fn first_hour(stage: &mut Stage, whale: &Person) -> u64 {
    let before = stage.tokens_of(0);
    for minute in 0..=60 {
        stage.take_out(whale, 0);
        if minute < 60 {
            stage.advance(60);
        }
    }
    (before - stage.tokens_of(0)) * 1_000_000 / before
}

#[test]
fn attack_the_first_hour_after_the_delay_lets_twice_the_share_go_at_once() {
    let mut stage = Stage::of(172_800, NARROW);
    let whale = stage.attacker.again();
    // Somebody who has as much as all the others, and wants out at once.
    stage.world.write_tokens(whale.trader.tokens, |state| state.amount = 12_000_000 * DOLLAR);
    stage.world.deposit(&whale.trader, 12_000_000 * DOLLAR).expect("deposit");
    let params = loose_vault(&stage.vault(0).core.params, 0);
    let nonce = stage.propose(ChangePayload::VaultParams { vault: 0, params }).expect("one step");
    wait_for(&mut stage, nonce);
    stage.begin();
    let now = stage.now();
    let mut shares = Vec::new();
    for executed in [false, true] {
        let world = stage.fork_world();
        if executed {
            stage.execute(nonce, None).expect("ripe");
        }
        let (before, released) = (stage.tokens_of(0), stage.vault(0).core.releasable(now).expect("valid"));
        shares.push(released * 1_000_000 / before);
        shares.push(first_hour(&mut stage, &whale));
        stage.world = world;
    }
    println!("at once and in the first hour, before and after: {shares:?}");
    // A share s at once, and 1 − (1 − s)·e^−s within the hour: 18.6 % and 34.5 %.
    assert_eq!([shares[0], shares[2]], [100_000, 200_000]);
    assert!((185_000..=187_000).contains(&shares[1]), "{shares:?}");
    assert!((344_000..=346_000).contains(&shares[3]), "{shares:?}");
}

#[test]
fn attack_no_price_is_named_while_the_oracle_lives() {
    let mut stage = Stage::new();
    let key = stage.admin.insecure_clone();
    tighten(&mut stage, &key, status(SOL, MarketStatus::ReduceOnly, 0)).expect("stops");
    let last = stage.market(SOL).core.mark().to_bits();
    let named = stage.propose(status(SOL, MarketStatus::Settling, last * 2)).expect("proposes");
    let far = stage.propose(status(SOL, MarketStatus::Settling, last * 2 + 1)).expect("proposes");
    let sources = ChangePayload::MarketSources { market: SOL, sources: fake_sources() };
    let sources = stage.propose(sources).expect("proposes");
    wait_for(&mut stage, named);
    // However old the price is that is stored, a day without one has to pass, and who refreshes ends it.
    for age in [0, HOUR, 23 * HOUR, 24 * HOUR] {
        let mut other = stage.fork_world();
        other.advance(age);
        refused(other.execute(named, None), "OracleAlive");
    }
    let mut dead = stage.fork_world();
    dead.advance(24 * HOUR + 1);
    refused(dead.execute(far, None), "ParameterOutOfBounds");
    dead.execute(named, None).expect("a day without a price");
    // With sources of his own that he lets die, he has to propose it again: another delay.
    stage.print(&FAKE, 150 * PRINT, 0);
    stage.execute(sources, Some(World::oracles(&FAKE))).expect("ripe");
    stage.advance(25 * HOUR);
    refused(stage.execute(named, None), "ChangeVoid");
}

/// Executes a change of a market's sources to his, which says so many dollars then, and so many a second later.
pub fn take_source(
    stage: &mut Stage,
    (market, nonce): (u16, u64),
    dollars: [i64; 2],
) -> Result<Outcome, Failure> {
    stage.advance(1);
    stage.print(&FAKE, dollars[0] * PRINT, 0);
    stage.execute(nonce, Some(World::oracles(&FAKE)))?;
    stage.advance(1);
    stage.print(&FAKE, dollars[1] * PRINT, 0);
    stage.send(&[ix::refresh_market(market, World::oracles(&FAKE))], &[])
}

/// What a party is worth in quote, on the account and in the wallet.
fn quote_of(stage: &Stage, who: &Trader) -> i128 {
    i128::from(stage.margin(&who.margin).quote.0) + i128::from(stage.token_balance(&who.tokens))
}

/// Everything that is not in the SOL market and not its traders': BTC's cash, idle cash, stake and reserve.
fn elsewhere(stage: &Stage) -> [u64; 3] {
    let btc = stage.market(BTC).core.book;
    let fund = stage.fund().core;
    [btc.cash + btc.insurance, stage.pool().core.idle, fund.reserve + fund.backstop.value().expect("valid")]
}

#[test]
fn attack_sources_of_his_own_take_one_market_and_no_more() {
    // At the start he is long 700,000 dollars of SOL with his own money, stops the market, and asks for the oracle of his token.
    let mut stage = Stage::of(172_800, NARROW);
    let attacker = stage.attacker.again();
    let lots = SOL_ASSET.lots_worth(700_000) / 1_000_000 * 1_000_000;
    stage.world.open(&attacker.trader, SOL, Side::Long, lots).expect("open");
    let key = stage.admin.insecure_clone();
    tighten(&mut stage, &key, status(SOL, MarketStatus::ReduceOnly, 0)).expect("stops");
    let sources = ChangePayload::MarketSources { market: SOL, sources: fake_sources() };
    let sources = stage.propose(sources).expect("proposes");
    let params = loose_vault(&stage.vault(0).core.params, 0);
    let outflow = stage.propose(ChangePayload::VaultParams { vault: 0, params }).expect("one step");
    wait_for(&mut stage, sources);
    let idle = stage.traders[2].again();
    let (before, his, rest) = (stage.balances(&idle), quote_of(&stage, &attacker.trader), elsewhere(&stage));
    let sol = stage.market(SOL).core.book;
    let bound = sol.cash + sol.insurance;
    let all = stage.tokens_of(0);
    let vault = stage.vault(0).core;

    // At the first moment his oracle says no more than double; a second later SOL costs 1,500 dollars.
    stage.execute(outflow, None).expect("ripe");
    refused(take_source(&mut stage, (SOL, sources), [301, 1_500]), "PriceDivergent");
    take_source(&mut stage, (SOL, sources), [300, 1_500]).expect("nothing can be opened there");
    stage.world.close(&attacker.trader, SOL, u64::MAX).expect("close");
    let on_account = quote_of(&stage, &attacker.trader) - his;
    println!("of {all} in the vault, {bound} in the market, he books {on_account} at once");
    assert!(on_account > 0 && on_account <= i128::from(bound), "{on_account} of {bound}");
    let mut first = 0;
    for minute in 0..=60 {
        first += stage.take_out(&attacker, 0).expect("not paused");
        if minute < 60 {
            stage.advance(60);
        }
    }
    let rate = 2 * u64::from(vault.params.outflow.max_ppm);
    println!("{first} of it leave within the hour");
    assert!(first <= all * 2 / 1_000_000 * rate + 1, "{first}");
    assert!(first < all * 2 / 5);
    // The rest of the exchange has not noticed: what is elsewhere, and who is not in that market.
    assert_eq!(elsewhere(&stage), rest);
    assert_eq!(stage.balances(&idle), before);
    for vault in [0, SOL_VAULT] {
        stage.refresh();
        stage.take_out(&idle, vault);
    }
    let _ = ledger::check(&stage);
}

#[test]
fn attack_positions_against_a_worthless_collateral_take_what_limits_of_the_market_let_them() {
    // His token is listed at a thousandth of a dollar, and then costs a dollar: ten million become ten billion.
    for (listed, deposits) in [(PRINT, 1), (PRINT / 1_000, 1_000)] {
        let mut stage = Stage::of(172_800, NARROW);
        let params = CollateralParams {
            max_deposits: deposits * MAX_LISTED_WORTH,
            soft_cap: deposits * MAX_LISTED_WORTH,
            ..fake_collateral()
        };
        list_fake(&mut stage, params, listed).expect("ten million dollars' worth");
        stage.pass(24);
        while {
            stage.advance(60);
            print_fake(&mut stage, PRINT);
            let o = stage.vault(FAKE_VAULT).core.oracle;
            o.ema.to_bits() < o.price.to_bits() / 100 * 99
        } {}
        stage.refresh();
        let takes = worthless(&mut stage, deposits * MAX_LISTED_WORTH / 8);
        println!("listed at {listed}: {takes:?}");
    }
}

/// Four accounts long and four short, each with so much of the token and a dollar of quote; as large as the exchange lets them.
/// Then SOL falls by a fifth. Lots of a side in dollars, what his winners book, what all others have lost.
fn worthless(stage: &mut Stage, each: u64) -> [i128; 3] {
    let mut sides = [Side::Long, Side::Short].map(|side| (side, Vec::new()));
    for (_, accounts) in &mut sides {
        for _ in 0..4 {
            let account = stage.world.funded_trader(DOLLAR);
            stage.world.deposit_collateral(&account, FAKE_VAULT, each).expect("within the cap");
            accounts.push(account);
        }
    }
    let step = stage.market(SOL).core.params.step;
    let mut size = SOL_ASSET.lots_worth(2_000_000) / step * step;
    while size > SOL_ASSET.lots_worth(2_000) {
        let mut opened = false;
        for n in 0..4 {
            for (side, accounts) in &sides {
                print_fake(stage, PRINT);
                stage.refresh();
                opened |= stage.world.open(&accounts[n], SOL, *side, size).is_ok();
            }
        }
        if !opened {
            size = size / 2 / step * step;
        }
    }
    let core = stage.market(SOL).core;
    let side = core.notional(core.book.long.lots.max(core.book.short.lots)).expect("fits");
    assert!(core.book.long.lots <= core.params.max_oi && core.book.short.lots <= core.params.max_oi);
    let all: Vec<_> = sides.iter().flat_map(|(_, accounts)| accounts).collect();
    let quote = |stage: &Stage| -> Vec<i128> { all.iter().map(|who| quote_of(stage, who)).collect() };
    let (before, cash) = (quote(stage), core.book.cash);
    let rest = elsewhere(stage);
    stage.prices[0] = SOL_ASSET.price * 4 / 5;
    stage.advance(1);
    stage.refresh();
    for who in &sides[1].1 {
        stage.world.close(who, SOL, u64::MAX).expect("close");
    }
    let won: i128 = quote(stage).iter().zip(&before).map(|(now, then)| (now - then).max(0)).sum();
    let venue = i128::from(cash) - i128::from(stage.market(SOL).core.book.cash);
    // A fifth of what the limits let him hold, and never more than the market has.
    assert!(won > 0 && won <= i128::from(side) / 5, "{won} of {side}");
    assert!(won <= i128::from(cash), "{won} of {cash}");
    assert_eq!(elsewhere(stage), rest);
    [i128::from(side), won, venue]
}
