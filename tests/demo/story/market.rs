//! Two markets, a pool, and traders who win and lose as they should.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::units::parse_price;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, QUOTE_DECIMALS, SOL_ASSET, TRIGGER_FEE};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Signer as _, Trader, World};

use crate::show::{self, cents, percent, print_price, quantity, usd};
use crate::stage::{self, Actor, Result, Stage, event, refused, same};

use super::{HALF_AN_HOUR, LIQUIDITY, SOL_COLLATERAL};

/// Widths of the path's columns.
const PATH: [usize; 9] = [7, 9, 12, 13, 12, 11, 12, 11, 9];

/// The deployer creates an exchange, the admin lists two markets and a collateral.
pub fn listing() -> Result<Stage> {
    show::section(1, "An exchange");
    let mut world = World::empty();
    show::step(
        "The deployer creates the exchange: USDC vault, pool and insurance fund.",
        world.compute_units,
    );
    for asset in [SOL_ASSET, BTC_ASSET] {
        let params = stage::params(&asset);
        world.list_market(&asset, params);
        let text = format!(
            "The admin lists {} at {}, from a Pyth price account; {}x at most, fee {} %.",
            asset.name,
            print_price(asset.price),
            1_000_000 / params.imf_ppm,
            percent(params.taker_fee_ppm),
        );
        show::step(&text, world.compute_units);
    }
    world.list_vault(&SOL_ASSET, SOL_ASSET.lot_decimals, 1_000_000 * SOL_COLLATERAL);
    let params = world.vault(SOL_VAULT).core.params;
    let [new, stay] = [params.haircut_init_ppm, params.haircut_maint_ppm].map(|h| percent(1_000_000 - h));
    let text =
        format!("The admin lists SOL as collateral: it counts {new} % for new risk, {stay} % to stay.");
    show::step(&text, world.compute_units);
    Stage::new(world)
}

/// Lena lends.
pub fn liquidity(stage: &mut Stage) -> Result<(Trader, Pubkey)> {
    show::section(2, "A pool that takes the other side");
    let provider = stage.world.trader(LIQUIDITY);
    let shares = stage.world.add_liquidity(&provider, LIQUIDITY).map_err(refused("liquidity"))?;
    same("shares", stage.world.token_balance(&shares), LIQUIDITY)?;
    stage.step(&format!("Lena adds {} USDC of liquidity and gets as many shares.", usd(LIQUIDITY.into())));
    (stage.idle, stage.tokens) = (LIQUIDITY.into(), LIQUIDITY.into());
    for market in [SOL, BTC] {
        let amount = stage.allocate(market, 0)?;
        let (asset, weight) = (stage.asset(market), stage::params(&stage.asset(market)).target_weight_ppm);
        let (amount, weight) = (usd(amount), percent(weight));
        stage.step(&format!(
            "Anybody moves the {} market's target of {weight} % there: {amount}.",
            asset.name
        ));
    }
    stage.ledger()?;
    Ok((provider, shares))
}

/// Alice is long SOL, Bob short BTC.
pub fn opening(stage: &mut Stage) -> Result<(Actor, Actor, Pubkey)> {
    show::section(3, "Two traders");
    let mut alice = stage.actor("Alice", SOL, 10_000 * DOLLAR)?;
    stage.trade(&mut alice, sol(200), "buys 200 SOL, three times her money")?;
    let mut bob = stage.actor("Bob", BTC, 2_000 * DOLLAR)?;
    let deposit = stage.world.deposit_collateral(&bob.trader, SOL_VAULT, SOL_COLLATERAL);
    let bobs_sol = deposit.map_err(refused("a deposit"))?;
    let amount = quantity(SOL_COLLATERAL.into(), SOL_ASSET.lot_decimals);
    stage.step(&format!("Bob deposits {amount} SOL as collateral too."));
    stage.trade(&mut bob, -btc_quarter(), "sells 0.25 BTC short")?;
    stage.ledger()?;
    Ok((alice, bob, bobs_sol))
}

fn path(stage: &mut Stage, actors: [&Actor; 2], prices: &[(i64, i64)]) -> Result {
    let [a, b] = actors.map(|actor| format!("{}: PnL", actor.name));
    let header = ["", "SOL", "BTC", &a, "E", "MM", &b, "E", "MM"];
    show::row(PATH, header.map(String::from));
    let (mut compute_units, before) = (0, actors.map(|actor| stage.carry(actor.market)));
    for (sol, btc) in prices.iter().map(|(sol, btc)| (sol * PRINT, btc * PRINT)) {
        compute_units = stage.later(HALF_AN_HOUR, sol, btc)?;
        let [alice, bob] = actors.map(|actor| stage.standing(actor).map(cents));
        let cells = ["+30 min".into(), print_price(sol), print_price(btc)];
        let [[a, b, c], [d, e, f], [g, h, i]] = [cells, alice, bob];
        show::row(PATH, [a, b, c, d, e, f, g, h, i]);
    }
    for (actor, since) in actors.into_iter().zip(before) {
        stage.funding(actor, since);
    }
    let text = "Every line took three refreshes from the oracles, by anybody: markets and SOL vault. One:";
    show::step(text, compute_units);
    Ok(())
}

/// Both markets rise.
pub fn first_path(stage: &mut Stage, actors: [&Actor; 2]) -> Result {
    show::section(4, "SOL rises, BTC rises more slowly");
    path(stage, actors, &[(153, 60_300), (156, 60_900), (160, 61_500), (162, 62_100)])?;
    let units = stage.check_invariants(&actors)?;
    show::step("The program recounts both ladders from the two accounts, and both vaults.", units);
    stage.ledger()?;
    Ok(())
}

/// Alice takes a profit.
pub fn profit_and_patience(stage: &mut Stage, alice: &mut Actor) -> Result {
    show::section(5, "A profit taken, and one that has to wait");
    stage.trade(alice, -sol(100), "sells half of her 200 SOL")?;
    let tokens = alice.trader.tokens;
    let quote = u64::try_from(stage.world.margin(&alice.trader.margin).quote.0).map_err(|_| "a debt")?;
    let refusal = stage.world.withdraw(&alice.trader, 0, (tokens, quote));
    let name = refusal.err().and_then(|failure| failure.name);
    same("withdrawing it all", name.as_deref(), Some("InsufficientMargin"))?;
    show::say(&format!(
        "Alice asks for all her {} USDC: refused, InsufficientMargin. Her other half",
        usd(quote.into())
    ));
    show::say("needs margin, and its profit is not money yet. Nothing has changed.");
    stage.ledger()?;
    Ok(())
}

/// SOL falls and recovers.
pub fn second_path(stage: &mut Stage, actors: [&Actor; 2]) -> Result {
    show::section(6, "SOL turns, BTC does not");
    path(stage, actors, &[(159, 62_600), (155, 63_000), (161, 63_300)])?;
    let [_, bob] = actors;
    let settle = ix::settle_position(bob.trader.margin, BTC);
    let outcome = stage.world.send(&[settle], &[]).map_err(refused("settling"))?;
    let pick = |e| if let Event::PositionSettled(e) = e { Some(e) } else { None };
    let settled = event(outcome, pick)?;
    same("moved by settling", (settled.claim_paid, settled.loss, settled.unwound_lots), (0, 0, 0))?;
    stage.step("Anybody settles Bob's position: nobody waits for his loss, so nothing moves.");
    Ok(())
}

/// Alice's other half is to be sold once SOL is at 165.
pub fn take_profit(stage: &mut Stage, alice: &Actor) -> Result {
    let account = stage.world.margin(&alice.trader.margin);
    let margin = Margin { address: alice.trader.margin, account: &account };
    let price =
        parse_price("165", QUOTE_DECIMALS, SOL_ASSET.lot_decimals).map_err(|e| e.to_string())?.to_bits();
    let order = Order { market: SOL, lots: u64::MAX, limit_price: 0 };
    let expiry = stage.world.now() + 7 * 86_400;
    let trigger =
        TriggerOrder { kind: TriggerKind::TakeProfit, side: Side::Long, trigger_price: price, order, expiry };
    let place = ix::place_trigger(&stage.world.listings, alice.trader.key.pubkey(), margin, &trigger);
    let place = place.map_err(|e| e.to_string())?;
    stage.world.send(&[place], &[&alice.trader.key]).map_err(refused("a take-profit"))?;
    stage.step("Alice leaves a take-profit for the other half at 165 and goes to sleep.");
    Ok(())
}

/// SOL reaches the take-profit, and a keeper executes it for its fee.
fn keeper(stage: &mut Stage, alice: &mut Actor) -> Result<Actor> {
    let mut keeper = stage.actor("Kim", SOL, DOLLAR)?;
    let account = stage.world.margin(&alice.trader.margin);
    let margin = Margin { address: alice.trader.margin, account: &account };
    let execute = |stage: &mut Stage| {
        let built = ix::execute_trigger(&stage.world.listings, margin, 1, Some(keeper.trader.margin));
        stage
            .world
            .send(&[built.map_err(|e| e.to_string())?], &[])
            .map_err(|failure| failure.name.unwrap_or_default())
    };
    same("too early", execute(stage).err().as_deref(), Some("TriggerNotMet"))?;
    stage.later(HALF_AN_HOUR, 166 * PRINT, 63_400 * PRINT)?;
    let outcome = execute(stage)?;
    let fee = i128::from(TRIGGER_FEE);
    stage.credit(&mut keeper, fee);
    stage.credit(alice, -fee);
    stage
        .step(&format!("SOL at 166: Kim, a keeper, executes it for {} USDC. Alice sells 100 SOL.", usd(fee)));
    stage.traded(alice, -sol(100), (outcome.trade(), true))?;
    Ok(keeper)
}

/// Both close.
pub fn closing(stage: &mut Stage, alice: &mut Actor, bob: &mut Actor) -> Result<Actor> {
    show::section(7, "A profit taken while asleep, and a loss");
    let keeper = keeper(stage, alice)?;
    stage.trade(bob, btc_quarter(), "buys his 0.25 BTC back")?;
    same("Alice wins and Bob loses", (alice.expected > 0, bob.expected < 0), (true, true))?;
    stage.ledger()?;
    Ok(keeper)
}

/// Fees leave the markets.
pub fn sweeping(stage: &mut Stage) -> Result {
    show::section(8, "Fees go where they belong");
    for market in [SOL, BTC] {
        stage.sweep(market)?;
    }
    stage.ledger()
}

/// The first cast leaves.
pub fn leaving(stage: &mut Stage, [alice, bob, keeper]: [&Actor; 3], bobs_sol: Pubkey) -> Result {
    show::section(9, "Everybody takes what is theirs");
    stage.leave(alice, None)?;
    stage.leave(bob, Some((bobs_sol, SOL_COLLATERAL)))?;
    stage.leave(keeper, None)?;
    stage.ledger()?;
    Ok(())
}

fn sol(count: i64) -> i64 {
    count * 1_000_000_000
}

fn btc_quarter() -> i64 {
    25_000_000_000
}
