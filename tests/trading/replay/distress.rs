//! Liquidations, bankruptcies, deleveraging, settlement and the backstop: every event there is, and a random history of them.

use std::collections::BTreeSet;

use bulwark_sdk::program::state::{Market, UnstakeTicket};

use super::*;

/// A world with markets of little money, everybody's balances followed from zero.
struct Followed {
    world: World,
    indexer: Indexer,
    read: usize,
}

impl Followed {
    /// Two markets with a share of 400,000 dollars.
    fn new(target_weight_ppm: u32) -> Self {
        let mut world = World::empty();
        for asset in [SOL_ASSET, BTC_ASSET] {
            let params = MarketParams { target_weight_ppm, max_skew_ppm: 2_000_000, ..asset.market_params() };
            world.list_market(&asset, params);
        }
        world.list_vault(&SOL_ASSET, 9, u64::MAX);
        let provider = world.trader(400_000 * DOLLAR);
        world.add_liquidity(&provider, 400_000 * DOLLAR).expect("add_liquidity");
        for market in [SOL, BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        Self { world, indexer: Indexer::default(), read: 0 }
    }

    /// Does something and compares.
    fn step<T>(&mut self, what: &str, act: impl FnOnce(&mut World) -> T) -> T {
        let done = act(&mut self.world);
        catch_up(&mut self.indexer, &mut self.read, &self.world, what);
        done
    }

    /// Prices in dollars, the averages there too, both as young as now.
    fn prices(&mut self, sol: i64, btc: i64) {
        self.step("prices", |world| {
            for (market, dollars) in [(SOL, sol), (BTC, btc), (SOL, sol)] {
                if !world.market(market).core.is_settling() {
                    world.settle_price(market, dollars * 100_000_000);
                    world.set_price(BTC, btc * 100_000_000);
                }
            }
            world.refresh_sol_vault();
        });
    }

    fn params(&mut self, market: u16, change: impl FnOnce(&mut MarketParams)) {
        self.world.tamper::<Market>(&address::market(market), |m| change(&mut m.core.params));
    }

    /// Hands a position to the pool, however long that takes.
    fn close_out(&mut self, who: &Trader, market: u16, price: (i64, i64)) {
        for _ in 0..60 {
            if self.world.margin(&who.margin).position(market).is_none() {
                return;
            }
            self.step("to the pool", |world| drop(world.liquidate_to_pool(&who.margin, market, None)));
            self.world.advance_slots(5);
            self.step("refresh", |world| {
                world.set_price(SOL, price.0 * 100_000_000);
                world.set_price(BTC, price.1 * 100_000_000);
            });
        }
        panic!("nobody takes it over");
    }
}

#[test]
fn every_event_there_is_reproduces_every_balance() {
    let mut f = Followed::new(250_000);
    let giver = f.step("a giver", |w| w.trader(100_000 * DOLLAR));
    f.step("stake", |w| w.stake(&giver, 7_000 * DOLLAR).expect("stake_backstop"));
    let shares = f.step("stake", |w| w.stake(&giver, 3_000 * DOLLAR).expect("stake_backstop"));
    f.step("donate", |w| w.fund_insurance(&giver, 4_000 * DOLLAR).expect("fund_insurance"));

    // An account with SOL as collateral loses 2,700 dollars with 0.3 BTC.
    let [victim, taker, keeper] =
        [1_000, 200_000, 100].map(|dollars| f.step("a trader", |w| w.funded_trader(dollars * DOLLAR)));
    f.step("collateral", |w| {
        w.deposit_collateral(&victim, SOL_VAULT, 10 * SOL_ASSET.one()).expect("deposit")
    });
    let btc = BTC_ASSET.one();
    f.step("long", |w| w.open(&victim, BTC, Side::Long, btc / 10 * 3).expect("open"));
    f.step("sweep", |w| w.send(&[ix::sweep_market(BTC)], &[]).expect("sweep_market"));
    f.prices(150, 53_500);
    f.step("call", |w| w.liquidate(&taker, &victim.margin, BTC, 0).expect("liquidate"));
    let pool =
        |w: &mut World| w.liquidate_to_pool(&victim.margin, BTC, Some(keeper.margin)).expect("reduces");
    f.step("to the pool, with equity left", pool);
    f.prices(150, 45_000);
    f.step("take over", |w| w.liquidate(&taker, &victim.margin, BTC, btc / 10).expect("liquidate"));
    f.step("the rest to the pool", pool);
    let sale =
        |w: &mut World| w.liquidate_collateral(&taker, &victim.margin, SOL_VAULT, u64::MAX).expect("all");
    f.step("sale", sale);
    for (nonce, part) in [(1, 1_000), (2, 500)] {
        let request = |w: &mut World| w.request_unstake(&giver, shares, (nonce, part * DOLLAR));
        f.step("request", request).expect("request_unstake");
    }
    f.step("bankrupt", |w| w.resolve_bankruptcy(&victim.margin, BTC).expect("resolve_bankruptcy"));

    // A claim on the SOL market, whose winners are owed more than it has, of an account that loses more with BTC.
    f.prices(150, 60_000);
    let [claimant, winner] = [6_000, 6_000].map(|d| f.step("a trader", |w| w.funded_trader(d * DOLLAR)));
    let sol = SOL_ASSET.one();
    f.step("claimant", |w| w.open(&claimant, SOL, Side::Long, 500 * sol).expect("open"));
    f.step("winner", |w| w.open(&winner, SOL, Side::Long, 200 * sol).expect("open"));
    f.prices(390, 60_000);
    f.step("claim", |w| w.close(&claimant, SOL, u64::MAX).expect("120,000 dollars won, 100,000 there"));
    let claim = f.world.margin(&claimant.margin).positions[0];
    assert!(claim.is_claim() && claim.quote.0 > 15_000_000_000, "{claim:?}");
    f.step("rebalance", |w| w.send(&[ix::rebalance_market(SOL)], &[]).expect("nothing is left"));
    f.step("settle", |w| w.settle(&winner.margin, SOL).expect("settle_position"));
    let all = f.world.margin(&claimant.margin).quote.0.unsigned_abs();
    f.step("withdraw", |w| w.withdraw(&claimant, 0, (claimant.tokens, all)).expect("all but the claim"));
    f.step("again", |w| w.open(&claimant, BTC, Side::Long, btc).expect("on the claim alone"));
    f.prices(390, 40_000);
    f.close_out(&claimant, BTC, (390, 40_000));
    f.step("forfeit", |w| w.resolve_bankruptcy(&claimant.margin, BTC).expect("resolve_bankruptcy"));

    // A BTC market with little pool money, a long of 2 BTC on 6,300 dollars and a short of nearly as much: reduced, then ruined.
    f.prices(390, 60_000);
    let ruined = f.step("a trader", |w| w.funded_trader(6_300 * DOLLAR));
    let short = f.step("a trader", |w| w.funded_trader(50_000 * DOLLAR));
    f.step("long", |w| w.open(&ruined, BTC, Side::Long, 2 * btc).expect("open"));
    f.step("short", |w| w.open(&short, BTC, Side::Short, btc / 10 * 19).expect("open"));
    f.params(BTC, |p| {
        (p.target_weight_ppm, p.deleverage.inventory_cap) = (10_000, 1_000 * DOLLAR);
        p.deleverage.keeper_tip = DOLLAR;
    });
    f.step("back", |w| w.send(&[ix::allocate_liquidity(&w.listings, BTC)], &[]).expect("allocate_liquidity"));
    // The cut-off falls while somebody looks at the market.
    for _ in 0..10 {
        f.world.advance_slots(5);
        f.step("refresh", |world| world.set_price(BTC, 60_000 * 100_000_000));
    }
    let since = f.world.market(BTC).core.deleveraging_since;
    assert!(since > 0 && f.world.slot() - since > 40, "{since}");
    let reduce =
        |w: &mut World| w.auto_deleverage(&ruined.margin, BTC, Some(keeper.margin)).expect("19 times");
    f.step("deleverage", reduce);
    f.prices(390, 20_000);
    f.step("take over", |w| w.liquidate(&taker, &ruined.margin, BTC, u64::MAX).expect("all of it"));
    let outcome = f.step("ruin", |w| w.resolve_bankruptcy(&ruined.margin, BTC).expect("resolve_bankruptcy"));
    assert!(matches!(outcome.events.last(), Some(Event::MarketSettling(_))), "{outcome:?}");
    for who in [&short, &taker, &short, &taker] {
        f.step("settle", |w| drop(w.settle(&who.margin, BTC)));
    }
    f.step("leftover", |w| drop(w.send(&[ix::allocate_liquidity(&w.listings, BTC)], &[])));

    // The tickets: one is paid, one cancelled.
    f.world.advance(14 * 86_400);
    let ticket = |nonce| address::unstake_ticket(&giver.key.pubkey_(), nonce);
    f.step("unstake", |w| w.unstake(&giver, &ticket(1), 0).expect("unstake"));
    f.step("cancel", |w| w.cancel_unstake(&giver, &ticket(2), shares).expect("cancel_unstake"));

    let has = |test: fn(&Event) -> bool| f.world.journal.iter().any(test);
    assert!(has(|e| matches!(e, Event::MarketSwept(e) if e.staked > 0 && e.staked < e.insurance)));
    assert!(has(|e| matches!(e, Event::PositionSettled(e) if e.forgone > 0)), "claims were cut");
    assert!(has(|e| matches!(e, Event::BankruptcyResolved(e) if e.traders > 0 && e.fraction > 0)));
    assert!(has(|e| matches!(e, Event::BankruptcyResolved(e) if e.reserve > 0 && e.backstop > 0)));
    assert!(has(|e| matches!(e, Event::ClaimForfeited(_))));
    assert!(has(|e| matches!(e, Event::Liquidated(e) if e.keeper > 0)), "a keeper was paid");
    let mut kinds = BTreeSet::new();
    note_kinds(&f.world, &mut kinds);
    for wanted in NEW {
        assert!(kinds.contains(wanted), "{wanted} is not among {kinds:?}");
    }
}

/// The kinds of events that trouble makes, but for a takeover by the pool.
const NEW: [&str; 14] = [
    "AuctionCalled",
    "Liquidated Takeover",
    "Liquidated PoolReduction",
    "Liquidated Deleveraging",
    "CollateralSold",
    "ClaimForfeited",
    "BankruptcyResolved",
    "MarketRebalanced",
    "MarketSettling",
    "InsuranceFunded",
    "BackstopStaked",
    "UnstakeRequested",
    "Unstaked",
    "UnstakeCancelled",
];

/// Adds the names of the events there were.
fn note_kinds(world: &World, kinds: &mut BTreeSet<String>) {
    for event in &world.journal {
        let name = format!("{event:?}");
        let name = &name[..name.find('(').expect("an event")];
        kinds.insert(match event {
            Event::Liquidated(e) => format!("{name} {:?}", e.kind),
            _ => name.to_string(),
        });
    }
}

/// One random action of those who live on the trouble of others.
fn trouble(world: &mut World, rng: &mut Rng, actors: &[Actor], shares: &[Pubkey]) {
    let pick = |rng: &mut Rng| rng.below(actors.len() as u64) as usize;
    let (i, j, market) = (pick(rng), pick(rng), rng.pick(&[SOL, BTC]));
    let (who, other) = (&actors[i].trader, &actors[j].trader);
    let owner = who.key.pubkey_();
    let nonce = rng.below(4);
    match rng.below(13) {
        0..=1 if i != j => {
            let lots = rng.pick(&[0, u64::MAX]);
            if world.margin(&who.margin).position(market).is_some() {
                let _ = world.liquidate(other, &who.margin, market, lots);
            }
        }
        2..=3 => {
            for victim in actors.iter().map(|a| a.trader.margin).filter(|key| *key != other.margin) {
                let _ = world.liquidate_to_pool(&victim, market, Some(other.margin));
            }
        }
        4 if i != j => drop(world.liquidate_collateral(other, &who.margin, SOL_VAULT, u64::MAX)),
        5 => {
            for actor in actors {
                let _ = world.resolve_bankruptcy(&actor.trader.margin, market);
            }
        }
        6 => drop(world.auto_deleverage(&who.margin, market, (i != j).then_some(other.margin))),
        7 => drop(world.send(&[ix::rebalance_market(market)], &[])),
        8 => drop(world.fund_insurance(who, rng.below(100) * DOLLAR)),
        9 => {
            let amounts = (rng.below(300) * DOLLAR, 0);
            let keys = (owner, who.tokens, shares[i]);
            let stake = ix::stake_backstop(&world.listings, keys, amounts).expect("builds");
            let _ = world.send(&[stake], &[&who.key]);
        }
        10 => drop(world.request_unstake(who, shares[i], (nonce, 1 + rng.below(200_000_000)))),
        11 | 12 => {
            let ticket = address::unstake_ticket(&owner, nonce);
            if world.svm.get_account(&ticket).is_none_or(|account| account.data.is_empty()) {
                return;
            }
            if rng.below(2) == 0 {
                world.tamper::<UnstakeTicket>(&ticket, |t| t.core.requested_at -= 14 * 86_400);
                let _ = world.unstake(who, &ticket, 0);
            } else {
                let _ = world.cancel_unstake(who, &ticket, shares[i]);
            }
        }
        _ => {}
    }
}

#[test]
fn the_events_of_a_random_history_of_trouble_reproduce_every_balance() {
    let mut kinds = BTreeSet::new();
    for seed in [3, 59, 104_729] {
        let mut rng = Rng::new(seed);
        let mut f = Followed::new(50_000);
        for market in [SOL, BTC] {
            f.params(market, |p| p.deleverage.inventory_cap = 15_000 * DOLLAR);
        }
        let (mut actors, mut shares) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let trader = f.world.trader(400_000 * DOLLAR);
            f.world.deposit(&trader, 3_000 * DOLLAR).expect("deposit");
            let mint = f.world.listings.vaults[usize::from(SOL_VAULT)].mint;
            let sol = f.world.create_tokens(mint, trader.key.pubkey_(), 100 * SOL_ASSET.one());
            shares.push(f.world.create_tokens(address::backstop_mint(), trader.key.pubkey_(), 0));
            actors.push(Actor { trader, sol });
        }
        for step in 0..900 {
            let what = format!("seed {seed} step {step}");
            let often = rng.below(2) == 0;
            f.step(&what, |world| match often {
                true => trouble(world, &mut rng, &actors, &shares),
                false => act(world, &mut rng, &actors),
            });
        }
        note_kinds(&f.world, &mut kinds);
    }
    // What is rare the other test has.
    let rare = ["ClaimForfeited", "MarketRebalanced", "MarketSettling"];
    for wanted in NEW.into_iter().filter(|name| !rare.contains(name)) {
        assert!(kinds.contains(wanted), "too tame: {wanted} is not among {kinds:?}");
    }
}
