//! What a keeper is paid: the exchange's fee, never more than the trade's own taker fee, from what quote the trader has
//! after the trade, and only by an account that has it to spare.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side::{Long, Short};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{Traded, TriggerExecuted};
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET, TRIGGER_FEE};
use bulwark_tests::{Trader, World, ledger};

use crate::support::{
    MARKET, Rng, arm, drain, execute, execute_instruction, mark, move_uni, print_now, state, uni_params,
    uni_world,
};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;
/// What the taker pays for 10,000 dollars.
const TAKER: u64 = 5 * DOLLAR;
const STEP: u64 = 1_000_000;

/// A trader with this much quote and 100 SOL of collateral, worth 15,000 dollars, and a keeper.
fn scene(params: MarketParams, quote: u64) -> (World, Trader, Trader) {
    with_sol(params, quote, 100)
}

/// The same with as many SOL.
fn with_sol(params: MarketParams, quote: u64, sol: u64) -> (World, Trader, Trader) {
    let mut world = uni_world(params);
    world.list_vault(&SOL_ASSET, 9, u64::MAX);
    let (trader, keeper) = (world.funded_trader(quote), world.funded_trader(DOLLAR));
    if sol > 0 {
        world.deposit_collateral(&trader, 1, sol * SOL_ASSET.one()).expect("collateral");
    }
    move_uni(&mut world, 125 * PRINT);
    (world, trader, keeper)
}

/// Quote of these accounts.
fn quotes<const N: usize>(world: &World, who: [&Trader; N]) -> [i64; N] {
    who.map(|t| world.margin(&t.margin).quote.0)
}

/// Sends an execution, and checks that the fee moved from one account to the other and nothing else is different from
/// an execution without a keeper.
fn pay(world: &mut World, instruction: Instruction, (trader, keeper): (&Trader, &Trader)) -> (Traded, u64) {
    let mut unpaid = world.fork();
    let mut without = instruction.clone();
    // No account: the program's own key stands for it.
    without.accounts[3] = AccountMeta::new_readonly(address::PROGRAM, false);
    unpaid.send(&[without], &[]).expect("without a keeper");
    let outcome = world.send(&[instruction], &[]).expect("with one");
    let [Event::Traded(trade), Event::TriggerExecuted(TriggerExecuted { keeper: paid_to, fee, .. })] =
        &outcome.events[..]
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(*paid_to, keeper.margin);
    let who = [trader, keeper];
    let ([a, b], [c, d]) = (quotes(world, who), quotes(&unpaid, who));
    assert_eq!([c - a, b - d], [fee.cast_signed(); 2], "out of one account and into the other");
    let before = state(&unpaid);
    for (key, data) in state(world) {
        let differs = key == trader.margin || key == keeper.margin;
        assert!(differs || before.get(&key) == Some(&data), "{key}");
    }
    let _ = ledger::check(world);
    (trade.clone(), *fee)
}

/// Executes and pays.
fn paid(world: &mut World, trader: &Trader, id: u64, keeper: &Trader) -> u64 {
    let instruction = execute_instruction(world, trader, id, Some(keeper));
    pay(world, instruction, (trader, keeper)).1
}

#[test]
fn a_keeper_gets_no_more_than_the_taker_fee_of_the_trade() {
    // 1.6 units of base are 200 dollars, of which 5 bp are ten cents.
    let even = 1_600_000_000;
    for (lots, due) in [
        (even + STEP, TRIGGER_FEE),
        (even, TRIGGER_FEE),
        (even - STEP, 99_938),
        (even / 2, TRIGGER_FEE / 2),
        (80_000_000, 5_000),
    ] {
        for kind in [Limit, TakeProfit, StopLoss] {
            for side in [Long, Short] {
                let (mut world, trader, keeper) = scene(uni_params(), 10_000 * DOLLAR);
                if kind != Limit {
                    world.open(&trader, MARKET, side, LOTS).expect("open");
                }
                let at = mark(&world);
                let id = arm(&mut world, &trader, (kind, side), lots, at);
                let execute = execute_instruction(&world, &trader, id, Some(&keeper));
                let (trade, fee) = pay(&mut world, execute, (&trader, &keeper));
                assert_eq!(fee, due, "{kind:?} {side:?} {lots}");
                assert!(fee <= trade.fee_pool + trade.fee_insurance + trade.fee_protocol);
            }
        }
    }
    // A market without a taker fee pays nobody.
    let (mut world, trader, keeper) = scene(crate::support::free_params(), 10_000 * DOLLAR);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
    assert_eq!(paid(&mut world, &trader, id, &keeper), 0);
}

#[test]
fn an_entry_pays_what_initial_margin_spares() {
    for (spare, due) in [
        (TRIGGER_FEE + 1, TRIGGER_FEE),
        (TRIGGER_FEE, TRIGGER_FEE),
        (TRIGGER_FEE - 1, TRIGGER_FEE - 1),
        (1, 1),
        (0, 0),
    ] {
        let mut world = uni_world(uni_params());
        let (trader, keeper) = (world.funded_trader(10_000 * DOLLAR), world.funded_trader(DOLLAR));
        move_uni(&mut world, 125 * PRINT);
        let mut probe = world.fork();
        probe.open(&trader, MARKET, Long, LOTS).expect("open");
        let excess = |w: &World| {
            let health = w.health(&trader.margin, HealthType::Init);
            health.excess().expect("excess").0
        };
        let too_much = excess(&probe).unsigned_abs() - spare;
        world.withdraw(&trader, 0, (trader.tokens, too_much)).expect("withdraw");
        let at = mark(&world);
        let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
        assert_eq!(paid(&mut world, &trader, id, &keeper), due, "{spare}");
        assert_eq!(excess(&world).unsigned_abs(), spare - due, "{spare}: initial margin to the unit");
    }
}

#[test]
fn attack_no_fee_is_paid_from_collateral_nor_makes_quote_negative() {
    for (left, due) in [
        (-DOLLAR.cast_signed(), 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (TRIGGER_FEE.cast_signed() - 1, TRIGGER_FEE - 1),
        (TRIGGER_FEE.cast_signed(), TRIGGER_FEE),
        (TRIGGER_FEE.cast_signed() + 1, TRIGGER_FEE),
    ] {
        let quote = (TAKER.cast_signed() + left).unsigned_abs();
        let (mut entry, trader, keeper) = scene(uni_params(), quote);
        let at = mark(&entry);
        let id = arm(&mut entry, &trader, (Limit, Long), LOTS, at);
        let fee = paid(&mut entry, &trader, id, &keeper);
        assert_eq!((fee, quotes(&entry, [&trader])), (due, [left - due.cast_signed()]), "entry {left}");

        // An exit at a loss, which the same sum is to survive.
        let (mut exit, trader, keeper) = scene(uni_params(), 100 * DOLLAR);
        exit.open(&trader, MARKET, Long, LOTS).expect("open");
        let mut probe = exit.fork();
        probe.close(&trader, MARKET, LOTS).expect("close");
        let [after] = quotes(&probe, [&trader]);
        exit.withdraw(&trader, 0, (trader.tokens, (after - left).unsigned_abs())).expect("SOL carries it");
        let at = mark(&exit);
        let id = arm(&mut exit, &trader, (StopLoss, Long), LOTS, at);
        let fee = paid(&mut exit, &trader, id, &keeper);
        assert_eq!((fee, quotes(&exit, [&trader])), (due, [left - due.cast_signed()]), "exit {left}");
    }
}

#[test]
fn attack_no_fee_is_paid_from_profit_that_was_not_paid() {
    // 10,000 dollars of profit, and a market that can pay none of it: what is left stays as a claim, or in the position.
    for (left, due) in [(0, 0), (1, 1), (TRIGGER_FEE - 1, TRIGGER_FEE - 1), (TRIGGER_FEE + 1, TRIGGER_FEE)] {
        for lots in [u64::MAX, LOTS] {
            let (mut world, trader, keeper) = scene(uni_params(), 1_000 * DOLLAR);
            world.open(&trader, MARKET, Long, 2 * LOTS).expect("open");
            move_uni(&mut world, 187 * PRINT);
            drain(&mut world, MARKET, 0);
            let mut probe = world.fork();
            let trade = probe.close(&trader, MARKET, lots).expect("close").trade().clone();
            assert!(trade.paid == 0 && trade.claim > 4_000 * DOLLAR, "{trade:?}");
            let [after] = quotes(&probe, [&trader]);
            let spare = after.unsigned_abs() - left;
            world.withdraw(&trader, 0, (trader.tokens, spare)).expect("withdraw");
            let at = mark(&world);
            let id = arm(&mut world, &trader, (TakeProfit, Long), lots, at);
            assert_eq!(paid(&mut world, &trader, id, &keeper), due, "{left} {lots}");
            assert_eq!(quotes(&world, [&trader]), [(left - due).cast_signed()]);
            assert!(world.pnl(&trader.margin, MARKET) > 4_000 * DOLLAR.cast_signed(), "he is worth it");
        }
    }
}

#[test]
fn an_exit_pays_nobody_unless_the_account_is_healthy_after_it() {
    for (spare, due) in [
        (TRIGGER_FEE + 1, TRIGGER_FEE),
        (TRIGGER_FEE, TRIGGER_FEE),
        (TRIGGER_FEE - 1, 0),
        (0, 0),
        (-1_i64 as u64, 0),
    ] {
        let mut world = uni_world(uni_params());
        let (trader, keeper) = (world.funded_trader(20_000 * DOLLAR), world.funded_trader(DOLLAR));
        move_uni(&mut world, 125 * PRINT);
        world.open(&trader, MARKET, Long, 20 * LOTS).expect("open");
        let excess = |w: &World| w.health(&trader.margin, HealthType::Maint).excess().expect("excess").0;
        let mut probe = world.fork();
        probe.close(&trader, MARKET, LOTS).expect("close");
        // As if it had lost as much: a withdrawal would have to keep initial margin.
        let lost = excess(&probe) - spare.cast_signed();
        world.tamper::<MarginAccount>(&trader.margin, |a| a.quote.0 -= lost);
        world.tamper::<Market>(&address::market(MARKET), |m| m.core.book.cash += lost.unsigned_abs());
        let at = mark(&world);
        let id = arm(&mut world, &trader, (StopLoss, Long), LOTS, at);
        assert_eq!(paid(&mut world, &trader, id, &keeper), due, "{}", spare.cast_signed());
        assert_eq!(excess(&world), (spare - due).cast_signed(), "and the trade went through");
    }
}

#[test]
fn attack_an_unhealthy_owner_moves_nothing_to_himself_by_fees() {
    let mut world = uni_world(uni_params());
    let (trader, own) = (world.funded_trader(15_000 * DOLLAR), world.funded_trader(DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Long, 20 * LOTS).expect("open");
    move_uni(&mut world, 125 * PRINT * 940 / 1_000);
    let is_healthy = |w: &World| w.health(&trader.margin, HealthType::Maint).require().is_ok();
    assert!(!is_healthy(&world) && quotes(&world, [&trader])[0] > 10_000 * DOLLAR.cast_signed());
    let at = mark(&world);
    let (mut before, mut was_unhealthy, mut was_paid) = (quotes(&world, [&own])[0], 0, 0);
    // Slice by slice until nothing is left: each makes the account healthier.
    for n in 0..20 {
        let id = arm(&mut world, &trader, (StopLoss, Long), LOTS, at);
        let fee = paid(&mut world, &trader, id, &own).cast_signed();
        assert!(fee == 0 || is_healthy(&world), "{n}: an unhealthy account paid {fee}");
        let [now] = quotes(&world, [&own]);
        assert_eq!(now - before, fee);
        before = now;
        (was_unhealthy, was_paid) = (was_unhealthy + i32::from(fee == 0), was_paid + i32::from(fee > 0));
    }
    assert!(was_unhealthy > 2 && was_paid > 2, "{was_unhealthy} {was_paid}: both were seen");
    assert_eq!(world.margin(&trader.margin).position(MARKET), None);
}

#[test]
fn an_exit_whose_account_cannot_be_judged_pays_nobody_and_goes_through() {
    let (mut world, trader, keeper) = scene(uni_params(), 10_000 * DOLLAR);
    let btc = world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    let fill = bulwark_sdk::instruction::allocate_liquidity(&world.listings, btc);
    world.send(&[fill], &[]).expect("allocate_liquidity");
    world.open(&trader, btc, Long, BTC_ASSET.one() / 100).expect("open");
    world.open(&trader, MARKET, Long, LOTS).expect("open");
    let at = mark(&world);
    let id = arm(&mut world, &trader, (StopLoss, Long), LOTS, at);
    let good = execute_instruction(&world, &trader, id, Some(&keeper));
    assert_eq!(good.accounts.len(), 4 + 2, "a market and a vault");
    let bytes = world.svm.get_account(&address::market(btc)).expect("market").data.to_vec();
    let forged = Pubkey::new_from_array([0x76; 32]);
    world.set_account(forged, address::SYSTEM_PROGRAM, bytes);
    let fee = |world: &World, change: &dyn Fn(&mut World), legs: Vec<AccountMeta>| {
        let (mut world, mut execute) = (world.fork(), good.clone());
        change(&mut world);
        execute.accounts.truncate(4);
        execute.accounts.extend(legs);
        let (trade, fee) = pay(&mut world, execute, (&trader, &keeper));
        assert_eq!(trade.position_lots, 0);
        fee
    };
    let (market, vault) = (good.accounts[4].clone(), good.accounts[5].clone());
    let all = || vec![market.clone(), vault.clone()];
    let forged = AccountMeta::new_readonly(forged, false);
    let traded = AccountMeta::new_readonly(address::market(MARKET), false);
    assert_eq!(fee(&world, &|_| (), all()), TRIGGER_FEE);
    for (what, legs) in [
        ("no leg", vec![]),
        ("no vault", vec![market.clone()]),
        ("no market", vec![vault.clone()]),
        ("swapped", vec![vault.clone(), market.clone()]),
        ("a forged market", vec![forged, vault.clone()]),
        ("the traded market", vec![traded, vault.clone()]),
    ] {
        assert_eq!(fee(&world, &|_| (), legs), 0, "{what}");
    }
    let btc = market.pubkey;
    let stale = |w: &mut World| w.tamper::<Market>(&btc, |m| m.core.oracle.publish_time -= 61);
    let divergent = |w: &mut World| w.tamper::<Market>(&btc, |m| m.core.oracle.divergent = 1);
    let clock = |w: &mut World| {
        w.advance(61);
        print_now(w, 125 * PRINT, 0);
    };
    for (what, change) in
        [("stale", &stale as &dyn Fn(&mut World)), ("divergent", &divergent), ("a minute", &clock)]
    {
        assert_eq!(fee(&world, change, all()), 0, "{what}");
    }
    // Unhealthy because of the other leg alone.
    let ruined = |w: &mut World| {
        w.tamper::<Market>(&btc, |m| m.core.volatility.mmf_ppm = 100_000_000);
    };
    assert_eq!(fee(&world, &ruined, all()), 0, "the whole account counts");
}

#[test]
fn attack_whatever_the_trade_the_fee_is_the_least_of_all_bounds() {
    let mut rng = Rng::new(0xFEE5);
    let mut seen = [0; 4];
    for round in 0..120 {
        let kind = rng.pick(&[Limit, TakeProfit, StopLoss]);
        let side = rng.pick(&[Long, Short]);
        let (mut world, trader, keeper) = with_sol(uni_params(), 12_000 * DOLLAR, rng.pick(&[0, 100]));
        if kind != Limit {
            world.open(&trader, MARKET, side, (10 + rng.below(10)) * LOTS).expect("open");
            let away = i64::try_from(rng.below(7)).expect("small") - 3;
            move_uni(&mut world, (125 + away) * PRINT);
        }
        let most_steps = rng.pick(&[2_000, 60_000]);
        let lots = (100 + rng.below(most_steps)) * STEP;
        let at = if (kind == TakeProfit) == (side == Long) { 1 << 20 } else { 1 << 46 };
        let id = arm(&mut world, &trader, (kind, side), lots, at);
        // As near to a bound as a unit: to what quote or margin has to spare after the trade.
        let mut probe = world.fork();
        execute(&mut probe, &trader, id, None).expect("probe");
        let health = if kind == Limit { HealthType::Init } else { HealthType::Maint };
        let excess = |w: &World| w.health(&trader.margin, health).excess().expect("excess").0;
        let bound = rng.pick(&[quotes(&probe, [&trader])[0], excess(&probe)]);
        let goal = rng.pick(&[-1, 0, 1, 4_999, 50_000, 99_999, 100_000, 100_001]);
        let take = bound - goal;
        world.tamper::<MarginAccount>(&trader.margin, |a| a.quote.0 -= take);
        world.tamper::<Market>(&address::market(MARKET), |m| {
            m.core.book.cash = m.core.book.cash.checked_add_signed(take).expect("cash");
        });
        world.owe(&trader.margin, MARKET, Long);
        let mut probe = world.fork();
        let Ok(outcome) = execute(&mut probe, &trader, id, None) else { continue };
        let Some(Event::Traded(trade)) = outcome.events.first() else { continue };
        let taker = trade.fee_pool + trade.fee_insurance + trade.fee_protocol;
        let [quote] = quotes(&probe, [&trader]);
        let spare = excess(&probe);
        let most = TRIGGER_FEE.min(taker).min(u64::try_from(quote).unwrap_or(0));
        let (due, which) = match (kind, u64::try_from(spare).unwrap_or(0)) {
            (Limit, spare) => (most.min(spare), usize::from(spare < most)),
            (_, spare) if spare >= most => (most, 2),
            _ => (0, 3),
        };
        seen[which] += i32::from(most > 0);
        let fee = paid(&mut world, &trader, id, &keeper);
        assert_eq!(
            fee, due,
            "{round}: {kind:?} {side:?} {lots}, quote {quote}, spare {spare}, taker {taker}"
        );
    }
    assert!(seen.iter().all(|n| *n > 3), "{seen:?}");
}
