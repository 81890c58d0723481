//! A chain on which every instruction can be called, and who calls them.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarginAccount, Market, Pool};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, DOLLAR, PRINT};
use bulwark_tests::{Signer as _, Trader, World};
use solana_clock::Clock;

use crate::scene::*;

/// The UNI vault.
pub const TOKEN: u16 = 1;
/// A market that has had no price for weeks.
pub const SILENT: u16 = 2;
/// A market that was suspended.
pub const SUSPENDED: u16 = 3;
/// A market that has settled, and that nobody is in.
pub const SETTLED: u16 = 4;
/// What those three are about, and what is listed next.
pub const OTHER: Asset = Asset { name: "PEN", ..UNI };

/// The chain and its people.
pub struct Cast {
    pub world: World,
    /// Of UNI and DUO.
    prices: [i64; 2],
    /// Long UNI and DUO; provides, stakes, liquidates.
    pub alice: Trader,
    /// With a thousand dollars and nothing else.
    pub keeper: Trader,
    /// With an empty margin account.
    pub idle: Trader,
    /// Long 100 UNI and a DUO, with 10 UNI as collateral.
    pub victim: Trader,
    /// UNI tokens of the victim.
    pub tokens: Pubkey,
    /// Alice's junior and backstop shares.
    pub shares: [Pubkey; 2],
    /// Where protocol fees go.
    pub collected: Pubkey,
}

/// Neither fee nor spread nor carry, and a curve that is nearly flat: price moves are all there is.
fn flat(asset: &Asset) -> MarketParams {
    MarketParams {
        skew_scale: 1_000_000_000_000_000,
        taker_fee_ppm: 0,
        base_spread_ppm: 0,
        conf_spread_ppm: 0,
        ..asset.market_params()
    }
}

impl Cast {
    pub fn new() -> Self {
        let mut world = World::empty();
        for (index, asset) in [(A, UNI), (B, DUO), (SILENT, OTHER), (SUSPENDED, OTHER), (SETTLED, OTHER)] {
            assert_eq!(world.list_market(&asset, flat(&asset)), index);
        }
        stop(&mut world, SETTLED);
        settle(&mut world, (SETTLED, &OTHER), OTHER.price);
        world.advance(3_601);
        accept(&mut world, &ix::suspend_market(SUSPENDED), &[]);
        world.list_vault(&UNI, 9, 1_000_000 * ONE);
        // Windows of two days: what is redeemed now can be redeemed tomorrow.
        world.tamper::<Pool>(&address::pool(), |pool| pool.core.params.redeem_window = 172_800);
        let alice = world.trader(20_000_000 * DOLLAR);
        let junior = world.add_liquidity(&alice, 10_000_000 * DOLLAR).expect("add_liquidity");
        let staked = world.stake(&alice, 10_000 * DOLLAR).expect("stake_backstop");
        world.request_unstake(&alice, staked, (0, DOLLAR)).expect("request_unstake");
        world.advance(13 * 86_400);
        let keys = (alice.key.pubkey(), world.payer.pubkey(), junior);
        let request = ix::request_redeem(&world.listings, TrancheKind::Junior, keys, (0, DOLLAR));
        accept(&mut world, &request, &[&alice.key]);
        world.advance(86_400);
        for market in [A, B] {
            allocate(&mut world, market);
        }

        let keeper = world.funded_trader(1_000 * DOLLAR);
        let (idle, victim) = (world.trader(0), world.funded_trader(10_000 * DOLLAR));
        let tokens = world.deposit_collateral(&victim, TOKEN, 10 * ONE).expect("deposit");
        world.deposit(&alice, 100_000 * DOLLAR).expect("deposit");
        let recipient = world.exchange().fee_recipient;
        let collected = world.create_tokens(world.listings.vaults[0].mint, recipient, 0);
        let shares = [junior, staked];
        let mut cast = Self {
            world,
            prices: [UNI.price, DUO.price],
            alice,
            keeper,
            idle,
            victim,
            tokens,
            shares,
            collected,
        };
        cast.refresh();
        for (trader, market, uni) in [(1, A, 100), (1, B, 1), (0, A, 1), (0, B, 1)] {
            let who = if trader == 1 { &cast.victim } else { &cast.alice };
            cast.world.open(who, market, Side::Long, uni * ONE).expect("open");
        }
        cast
    }

    pub fn fork(&self) -> Self {
        let copy = |t: &Trader| Trader { key: t.key.insecure_clone(), ..*t };
        Self {
            world: self.world.fork(),
            alice: copy(&self.alice),
            keeper: copy(&self.keeper),
            idle: copy(&self.idle),
            victim: copy(&self.victim),
            ..*self
        }
    }

    /// Both markets and the vault have the prices of now.
    fn refresh(&mut self) {
        for (market, asset) in [(B, DUO), (A, UNI)] {
            print(&mut self.world, (market, &asset), (self.prices[usize::from(market)], 0));
        }
        let mint = self.world.listings.vaults[usize::from(TOKEN)].mint;
        let refresh = ix::refresh_vault((TOKEN, &mint), World::oracles(&UNI));
        accept(&mut self.world, &refresh, &[]);
    }

    /// Lets time pass; all prices are as young as the clock.
    pub fn wait(&mut self, seconds: i64) {
        self.world.advance(seconds);
        self.refresh();
    }

    /// A second later a market has another price, and its average, too.
    pub fn settle_at(&mut self, market: u16, price: i64) {
        self.prices[usize::from(market)] = price;
        self.wait(1);
        let average = self.world.market(market).core.oracle.price;
        self.world.tamper::<Market>(&address::market(market), |m| m.core.oracle.ema = average);
    }

    /// Takes dollars from the victim for the pool.
    pub fn take(&mut self, dollars: u64) {
        let amount = i64::try_from(dollars * DOLLAR).expect("an amount");
        self.world.tamper::<MarginAccount>(&self.victim.margin, |account| account.quote.0 -= amount);
        self.world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle += dollars * DOLLAR);
    }

    /// Moves all pool money out of a market.
    pub fn drain(&mut self, market: u16) {
        let cash = self.world.market(market).core.book.cash;
        self.world.tamper::<Market>(&address::market(market), |m| m.core.book.cash = 0);
        self.world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle += cash);
    }

    /// The victim has nothing but 10 UNI, which count 1,113 dollars, and a loss of 782.
    pub fn trouble(&mut self) {
        self.take(10_000);
        self.settle_at(A, 117 * PRINT + PRINT * 3 / 16);
    }

    /// What was proposed or nominated so many seconds ago.
    pub fn earlier(&mut self, seconds: i64, what: impl FnOnce(&mut World)) {
        let clock = self.world.svm.get_sysvar::<Clock>();
        self.world.set_clock(clock.unix_timestamp - seconds);
        what(&mut self.world);
        self.world.svm.set_sysvar(&clock);
    }

    pub fn margin<T>(&self, trader: &Trader, build: impl FnOnce(Margin<'_>) -> T) -> T {
        let account = self.world.margin(&trader.margin);
        build(Margin { address: trader.margin, account: &account })
    }

    /// The trigger of Alice that was placed last.
    pub fn trigger(&self) -> u64 {
        let account = self.world.margin(&self.alice.margin);
        account.triggers.iter().filter(|t| t.is_set()).map(|t| t.id).max().expect("a trigger")
    }

    pub fn place(&self, kind: TriggerKind) -> Instruction {
        let limit_price = if kind == TriggerKind::Limit { u64::MAX } else { 0 };
        let order = ix::Order { market: A, lots: ONE, limit_price };
        let (trigger_price, expiry) =
            (self.world.market(A).core.mark().to_bits(), self.world.now() + 172_800);
        let trigger = ix::TriggerOrder { kind, side: Side::Long, trigger_price, order, expiry };
        let owner = self.alice.key.pubkey();
        self.margin(&self.alice, |m| {
            ix::place_trigger(&self.world.listings, owner, m, &trigger).expect("builds")
        })
    }

    pub fn placed(&mut self, kind: TriggerKind) {
        let place = self.place(kind);
        accept(&mut self.world, &place, &[&self.alice.key]);
    }

    pub fn listing_of_vault() -> ChangePayload {
        let sources = [fixtures::pyth_source(OTHER.feed(0)), OracleSource::NONE];
        let params = fixtures::collateral_params(1_000_000);
        ChangePayload::CreateVault { mint: fixtures::address("mint PEN"), sources, params }
    }

    pub fn last_change(&self) -> u64 {
        self.world.exchange().next_change - 1
    }
}
