//! An indexer that applies the events from zero reproduces every balance.

use std::collections::BTreeMap;

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{InsuranceFund, MarginAccount};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use crate::support::{Held, PubkeyOf as _, Rng};

#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    quote: i128,
    collaterals: BTreeMap<u16, u64>,
    positions: BTreeMap<u16, (i64, i64)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Till {
    sequence: u64,
    cash: i128,
    committed: u64,
    fees: [u64; 3],
    price: u64,
}

/// What is known from events alone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Indexer {
    accounts: BTreeMap<Pubkey, Account>,
    markets: BTreeMap<u16, Till>,
    /// Sequence and recorded tokens.
    vaults: BTreeMap<u16, (u64, u64)>,
    pool_sequence: u64,
    idle: i128,
    /// Junior and senior.
    shares: [u64; 2],
    reserve: u64,
    protocol_fees: u64,
}

/// Takes the next number, without a gap.
fn next(sequence: &mut u64, number: u64, what: &str) {
    assert_eq!(*sequence, number, "gap in the events of {what}");
    *sequence += 1;
}

impl Indexer {
    fn market(&mut self, market: u16, sequence: u64) -> &mut Till {
        let till = self.markets.get_mut(&market).expect("market was created");
        next(&mut till.sequence, sequence, "a market");
        till
    }

    fn vault(&mut self, vault: u16, sequence: u64) -> &mut u64 {
        let (count, recorded) = self.vaults.get_mut(&vault).expect("vault was created");
        next(count, sequence, "a vault");
        recorded
    }

    fn account(&mut self, account: Pubkey) -> &mut Account {
        self.accounts.get_mut(&account).expect("account was opened")
    }

    fn moved(&mut self, account: Pubkey, vault: u16, amount: i128) {
        let account = self.account(account);
        if vault == 0 {
            account.quote += amount;
        } else {
            let held = account.collaterals.entry(vault).or_default();
            *held = u64::try_from(i128::from(*held) + amount).expect("not below zero");
        }
    }

    fn holds(&mut self, account: Pubkey, market: u16, lots: i64, quote: i64) {
        let positions = &mut self.account(account).positions;
        if (lots, quote) == (0, 0) {
            positions.remove(&market);
        } else {
            positions.insert(market, (lots, quote));
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::ExchangeInitialized(_) => {
                self.vaults.insert(0, (0, 0));
            }
            Event::VaultCreated(e) => {
                // The quote vault, listed with the exchange, may announce itself too.
                self.vaults.entry(e.vault).or_insert((0, 0));
            }
            Event::MarketCreated(e) => {
                self.markets.insert(e.market, Till { price: e.price, ..Till::default() });
            }
            Event::MarketRefreshed(e) => self.market(e.market, e.sequence).price = e.price,
            Event::VaultRefreshed(e) => {
                self.vault(e.vault, e.sequence);
            }
            Event::MarginAccountOpened(e) => {
                assert!(self.accounts.insert(e.account, Account::default()).is_none(), "opened twice");
            }
            Event::MarginAccountClosed(e) => {
                let account = self.accounts.remove(&e.account).expect("was open");
                assert!(account.quote == 0 && account.positions.is_empty(), "closed empty");
                assert!(account.collaterals.values().all(|c| *c == 0), "closed empty");
            }
            Event::Deposited(e) => {
                *self.vault(e.vault, e.sequence) += e.amount;
                self.moved(e.account, e.vault, i128::from(e.amount));
            }
            Event::Withdrawn(e) => {
                *self.vault(e.vault, e.sequence) -= e.amount;
                self.moved(e.account, e.vault, -i128::from(e.amount));
            }
            Event::Traded(e) => {
                let till = self.market(e.market, e.sequence);
                till.cash -= i128::from(e.paid);
                for (sum, fee) in till.fees.iter_mut().zip([e.fee_pool, e.fee_insurance, e.fee_protocol]) {
                    *sum += fee;
                }
                assert_eq!(till.price, e.price, "the mark is the last one that was refreshed");
                let fees = i128::from(e.fee_pool) + i128::from(e.fee_insurance) + i128::from(e.fee_protocol);
                self.account(e.account).quote += i128::from(e.paid) - fees;
                self.holds(e.account, e.market, e.position_lots, e.position_quote);
            }
            Event::PositionSettled(e) => {
                let change = i128::from(e.claim_paid) - i128::from(e.loss);
                self.market(e.market, e.sequence).cash -= change;
                self.account(e.account).quote += change;
                self.holds(e.account, e.market, e.position_lots, e.position_quote);
            }
            Event::LiquidityAdded(e) => {
                next(&mut self.pool_sequence, e.sequence, "the pool");
                self.idle += i128::from(e.amount);
                self.shares[usize::from(e.tranche)] += e.shares;
                *self.vault(0, e.vault_sequence) += e.amount;
            }
            Event::LiquidityAllocated(e) => {
                next(&mut self.pool_sequence, e.pool_sequence, "the pool");
                self.idle -= i128::from(e.amount);
                let till = self.market(e.market, e.sequence);
                // What comes back is realised profit first, cash beyond the principal, and then principal.
                let profit = (till.cash - i128::from(till.committed)).max(0);
                let lent =
                    if e.amount > 0 { e.amount.into() } else { (i128::from(e.amount) + profit).min(0) };
                assert_eq!(i128::from(e.committed), i128::from(till.committed) + lent, "principal");
                till.cash += i128::from(e.amount);
                till.committed = e.committed;
            }
            Event::MarketSwept(e) => {
                next(&mut self.pool_sequence, e.pool_sequence, "the pool");
                let till = self.market(e.market, e.sequence);
                assert_eq!(till.fees, [e.pool, e.insurance, e.protocol], "all that had accrued");
                till.fees = [0; 3];
                self.idle += i128::from(e.pool);
                self.reserve += e.insurance;
                self.protocol_fees += e.protocol;
            }
            Event::TriggerExecuted(e) => {
                self.market(e.market, e.sequence);
                self.account(e.account).quote -= i128::from(e.fee);
                self.account(e.keeper).quote += i128::from(e.fee);
            }
            Event::RedeemRequested(e) => next(&mut self.pool_sequence, e.sequence, "the pool"),
            Event::RedeemCancelled(e) => next(&mut self.pool_sequence, e.sequence, "the pool"),
            Event::Redeemed(e) => {
                next(&mut self.pool_sequence, e.sequence, "the pool");
                self.idle -= i128::from(e.paid);
                self.shares[usize::from(e.tranche)] -= e.shares;
                *self.vault(0, e.vault_sequence) -= e.paid;
            }
            Event::DelegateSet(_) | Event::TriggerPlaced(_) | Event::TriggerCancelled(_) => {}
            Event::InvariantsChecked(e) => assert!(e.ok),
        }
    }

    /// The same from the accounts.
    fn of_chain(world: &World) -> Self {
        let exchange = world.exchange();
        let mut chain = Self { protocol_fees: exchange.protocol_fees, ..Self::default() };
        for index in 0..exchange.market_count {
            let (market, book) = (world.market(index), world.market(index).core.book);
            let till = Till {
                sequence: market.sequence,
                cash: i128::from(book.cash),
                committed: book.committed,
                fees: [book.fees.pool, book.fees.insurance, book.fees.protocol],
                price: market.core.mark().to_bits(),
            };
            chain.markets.insert(index, till);
        }
        for index in 0..exchange.vault_count {
            let vault = world.vault(index);
            chain.vaults.insert(index, (vault.sequence, vault.core.recorded));
        }
        let (pool, fund) = (world.pool(), world.get::<InsuranceFund>(&address::insurance_fund()));
        (chain.pool_sequence, chain.idle, chain.shares) =
            (pool.sequence, i128::from(pool.core.idle), [pool.core.junior.shares, pool.core.senior.shares]);
        chain.reserve = fund.reserve;
        for (key, data) in world.svm.get_program_accounts(&address::PROGRAM) {
            let Ok(account) = bulwark_sdk::account::decode_copy::<MarginAccount>(&data.data) else {
                continue;
            };
            let held = account.collaterals.iter().filter(|c| c.amount != 0);
            let open = account.positions.iter().filter(|p| p.is_open());
            let account = Account {
                quote: i128::from(account.quote.0),
                collaterals: held.map(|c| (c.vault, c.amount)).collect(),
                positions: open.map(|p| (p.market, (p.lots.0, p.quote.0))).collect(),
            };
            chain.accounts.insert(key, account);
        }
        chain
    }

    /// Without collaterals that were withdrawn to nothing.
    fn tidy(&mut self) {
        for account in self.accounts.values_mut() {
            account.collaterals.retain(|_, amount| *amount != 0);
        }
    }

    /// Side totals and claims follow from the positions, and what the market owes at mark is what they are
    /// worth (I2).
    fn check_books(&self, world: &World, what: &str) {
        for index in self.markets.keys() {
            let book = world.market(*index).core.book;
            let held = || self.accounts.values().filter_map(|a| a.positions.get(index));
            let lots = |sign: i64| held().map(|p| (p.0 * sign).max(0).unsigned_abs()).sum::<u64>();
            assert_eq!((book.long.lots, book.short.lots), (lots(1), lots(-1)), "{what}: open interest");
            let cost: i64 = held().map(|p| p.1).sum();
            assert_eq!(book.long.cost.0 + book.short.cost.0, cost, "{what}: cost");
            let claims: i64 = held().filter(|p| p.0 == 0).map(|p| p.1).sum();
            assert_eq!(book.unpaid_claims.cast_signed(), claims, "{what}: claims");
            let mark = world.market(*index).core.mark();
            let worth = |p: &(i64, i64)| Held { b: i128::from(p.0), q: i128::from(p.1) }.pnl(mark.to_bits());
            let (sum, owed) = (held().map(worth).sum::<i128>(), book.traders_pnl(mark).expect("pnl"));
            let dust = i128::from(owed.0) - sum;
            assert!((0..=2 + held().count() as i128).contains(&dust), "{what}: {dust} units of dust");
        }
    }
}

/// Applies what is new and compares with the chain.
fn catch_up(indexer: &mut Indexer, read: &mut usize, world: &World, what: &str) {
    for event in &world.journal[*read..] {
        indexer.apply(event);
    }
    *read = world.journal.len();
    indexer.tidy();
    let chain = Indexer::of_chain(world);
    assert_eq!(indexer.markets, chain.markets, "{what}");
    for (key, account) in &chain.accounts {
        assert_eq!(indexer.accounts.get(key), Some(account), "{what}: {key}");
    }
    assert_eq!(*indexer, chain, "{what}");
    indexer.check_books(world, what);
}

struct Actor {
    trader: Trader,
    sol: Pubkey,
}

/// One random action; refusals are part of the history and leave no event.
fn act(world: &mut World, rng: &mut Rng, actors: &[Actor]) {
    let actor = &actors[rng.below(actors.len() as u64) as usize];
    let (trader, market) = (&actor.trader, rng.pick(&[SOL, BTC]));
    let asset = World::asset(market);
    let lots = asset.lots_worth(1 + rng.below(30_000)) / 100_000_000 * 100_000_000;
    match rng.below(23) {
        0..=7 => {
            let held = world.margin(&trader.margin);
            let side = held.position(market).and_then(|slot| held.positions[slot].side().ok());
            let _ = world.open(trader, market, side.unwrap_or(rng.pick(&Side::BOTH)), lots);
        }
        8..=9 => drop(world.close(trader, market, if rng.below(3) > 0 { u64::MAX } else { lots / 4 })),
        10 => drop(world.deposit(trader, rng.below(2_000) * DOLLAR)),
        11 => drop(world.withdraw(trader, 0, (trader.tokens, rng.below(4_000 * DOLLAR)))),
        12 => {
            let listing = world.listings.vaults[usize::from(SOL_VAULT)];
            let from = (actor.sol, rng.below(5) * SOL_ASSET.one());
            let deposit = ix::deposit(trader.key.pubkey_(), trader.margin, &listing, from);
            let _ = world.send(&[deposit], &[&trader.key]);
        }
        13 => drop(world.withdraw(trader, SOL_VAULT, (actor.sol, rng.below(5) * SOL_ASSET.one()))),
        14 => {
            for actor in actors {
                let _ = world.send(&[ix::settle_position(actor.trader.margin, market)], &[]);
            }
        }
        15 => drop(world.send(&[ix::sweep_market(market)], &[])),
        16 => drop(world.send(&[ix::allocate_liquidity(&world.listings, market)], &[])),
        20 => {
            let account = world.margin(&trader.margin);
            let margin = ix::Margin { address: trader.margin, account: &account };
            let (kind, side) = (rng.pick(&[Limit, TakeProfit, StopLoss]), rng.pick(&Side::BOTH));
            let buys = (kind == Limit) == (side == Side::Long);
            let limit_price = if buys { u64::MAX } else { 0 };
            let order = ix::TriggerOrder {
                kind,
                side,
                trigger_price: world.market(market).core.mark().to_bits(),
                order: ix::Order { market, lots, limit_price },
                expiry: world.now() + 300,
            };
            let place =
                ix::place_trigger(&world.listings, trader.key.pubkey_(), margin, &order).expect("builds");
            let _ = world.send(&[place], &[&trader.key]);
        }
        21..=22 => {
            let keeper = actors.iter().map(|a| a.trader.margin).find(|key| *key != trader.margin);
            let account = world.margin(&trader.margin);
            let margin = ix::Margin { address: trader.margin, account: &account };
            for id in account.triggers.iter().filter(|t| t.is_set()).map(|t| t.id) {
                let keeper = keeper.filter(|_| rng.below(3) > 0);
                let execute = ix::execute_trigger(&world.listings, margin, id, keeper).expect("builds");
                let _ = world.send(&[execute], &[]);
            }
        }
        17 if rng.below(3) == 0 => drop(world.add_liquidity(trader, rng.below(1_000) * DOLLAR)),
        _ => {
            let percent = i64::try_from(75 + rng.below(51)).expect("small");
            for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
                world.move_price(market, asset.price / 100 * percent);
            }
            world.refresh_sol_vault();
        }
    }
}

#[test]
fn the_events_of_a_random_history_reproduce_every_balance() {
    // Trades, trades that leave a claim, claims paid, losses collected, money lent, returned, fees swept; triggers
    // executed for nothing, for a fee, cancelled.
    let mut counts = [0; 10];
    for seed in [1, 2_026, 7_919] {
        let mut rng = Rng::new(seed);
        // Markets with little money of their own: profits exceed it now and then.
        let mut world = World::empty();
        for asset in [SOL_ASSET, BTC_ASSET] {
            let params =
                MarketParams { target_weight_ppm: 50_000, max_skew_ppm: 2_000_000, ..asset.market_params() };
            world.list_market(&asset, params);
        }
        world.list_vault(&SOL_ASSET, 9, u64::MAX);
        let provider = world.trader(1_000_000 * DOLLAR);
        world.add_liquidity(&provider, 400_000 * DOLLAR).expect("add_liquidity");
        for market in [SOL, BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let mut actors = Vec::new();
        for _ in 0..6 {
            let trader = world.trader(400_000 * DOLLAR);
            world.deposit(&trader, 100_000 * DOLLAR).expect("deposit");
            let mint = world.listings.vaults[usize::from(SOL_VAULT)].mint;
            let sol = world.create_tokens(mint, trader.key.pubkey_(), 1_000 * SOL_ASSET.one());
            actors.push(Actor { trader, sol });
        }
        let (mut indexer, mut read) = (Indexer::default(), 0);
        for step in 0..800 {
            act(&mut world, &mut rng, &actors);
            catch_up(&mut indexer, &mut read, &world, &format!("seed {seed} step {step}"));
        }
        for event in &world.journal {
            match event {
                Event::Traded(e) => counts[usize::from(e.claim > 0)] += 1,
                Event::PositionSettled(e) if e.claim_paid > 0 => counts[2] += 1,
                Event::PositionSettled(e) if e.loss > 0 => counts[3] += 1,
                Event::LiquidityAllocated(e) => counts[4 + usize::from(e.amount < 0)] += 1,
                Event::MarketSwept(_) => counts[6] += 1,
                Event::TriggerExecuted(e) => counts[7 + usize::from(e.fee > 0)] += 1,
                Event::TriggerCancelled(_) => counts[9] += 1,
                _ => {}
            }
        }
    }
    println!("{counts:?}");
    assert!(counts[0] > 300 && counts.iter().all(|n| *n > 0), "too tame: {counts:?}");
}

#[test]
fn a_refused_transaction_leaves_no_event() {
    let mut world = World::new();
    let trader = world.funded_trader(100 * DOLLAR);
    let events = world.journal.len();
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect_err("too large");
    assert_eq!(world.journal.len(), events);
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    assert_eq!(world.journal.len(), events + 1, "one instruction, one event");
}
