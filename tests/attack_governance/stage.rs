//! An exchange with people in it: traders on both sides, providers of both tranches, a staker, and an attacker with an
//! account of his own. What leaves the vaults is followed to whoever got it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use bulwark_sdk::engine::governance::ExchangeParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::state::{RedeemTicket, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{
    self, Asset, BTC_ASSET, DOLLAR, PRINT, QUOTE_DECIMALS, SOL_ASSET, collateral_params,
};
use bulwark_tests::{BTC, Failure, Outcome, SOL, SOL_VAULT, Signer, Trader, World};

/// An hour, seconds.
pub const HOUR: i64 = 3_600;
/// One SOL, token units.
pub const ONE_SOL: u64 = 1_000_000_000;
/// The attacker's token: one dollar as its oracle says, six decimals.
pub const FAKE: Asset = Asset { name: "FAK", lot_decimals: 6, price: PRINT };

/// Half of the balance may leave in an hour, or four million dollars; half of the SOL, or 20,000. Tightened as far as it goes at
/// once that is a quarter, or two millions: what ten millions need to be out within the six hours of a window.
pub const WIDE: [OutflowParams; 2] = [
    OutflowParams { floor: 4_000_000 * DOLLAR, max_ppm: 500_000, _padding: 0 },
    OutflowParams { floor: 20_000 * ONE_SOL, max_ppm: 500_000, _padding: 0 },
];

/// A tenth of the balance may leave in an hour, or 200,000 dollars; a tenth of the SOL, or 1,000.
pub const NARROW: [OutflowParams; 2] = [
    OutflowParams { floor: 200_000 * DOLLAR, max_ppm: 100_000, _padding: 0 },
    OutflowParams { floor: 1_000 * ONE_SOL, max_ppm: 100_000, _padding: 0 },
];

/// Somebody with wallets of both tokens.
pub struct Person {
    /// Name for people.
    pub name: &'static str,
    /// Key, margin account and quote wallet.
    pub trader: Trader,
    /// Wallet of SOL.
    pub sol: Pubkey,
    /// What both wallets held when the attack began.
    pub had: [u64; 2],
}

impl Person {
    /// The same person again.
    pub fn again(&self) -> Self {
        let Trader { key, margin, tokens } = &self.trader;
        Self { trader: Trader { key: key.insecure_clone(), margin: *margin, tokens: *tokens }, ..*self }
    }
}

/// A provider or the staker, with a token account of shares.
pub struct Holder {
    /// Who.
    pub person: Person,
    /// The shares.
    pub shares: Pubkey,
}

/// The exchange before the attack, and who is on it.
pub struct Stage {
    /// The chain.
    pub world: World,
    /// Prices of SOL and BTC, dollars with eight decimals.
    pub prices: [i64; 2],
    /// Long SOL and short BTC; the other way round; and one without positions.
    pub traders: [Person; 3],
    /// Junior and senior.
    pub providers: [Holder; 2],
    /// Backstop stake.
    pub staker: Holder,
    /// Whoever got hold of the keys.
    pub attacker: Person,
    /// What the two vaults held when the attack began.
    pub held: [u64; 2],
    /// When it began, unix seconds.
    pub began: i64,
    /// What left, and when: hours since then, name, vault, token units.
    pub left: Vec<(i64, &'static str, u16, u64)>,
}

impl Deref for Stage {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

/// An exchange with nothing listed, whose changes wait so long.
fn exchange(delay: u32) -> World {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let args = world.initialize_args();
    let args = bulwark_sdk::program::instructions::InitializeExchangeArgs {
        quote_params: collateral_params(100_000_000 * DOLLAR),
        exchange_params: ExchangeParams { delay, ..args.exchange_params },
        ..args
    };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer]).expect("initialize_exchange");
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    world
}

impl Stage {
    /// Changes wait two days, and vaults let half of what they hold go in an hour.
    pub fn new() -> Self {
        Self::of(172_800, WIDE)
    }

    /// Two markets as one would list them with four million dollars each, two million idle, half a million of stake; a
    /// trader long 600,000 dollars of SOL and short 400,000 of BTC on 350,000 dollars of equity, one the other way round,
    /// one who holds 100,000 dollars and 2,000 SOL, and an attacker with 100,000 dollars of his own on his account.
    pub fn of(delay: u32, outflow: [OutflowParams; 2]) -> Self {
        let mut world = exchange(delay);
        for asset in [SOL_ASSET, BTC_ASSET] {
            world.list_market(&asset, asset.live_params());
        }
        world.list_vault(&SOL_ASSET, 9, 1_000_000 * ONE_SOL);
        for (vault, outflow) in [0, 1].into_iter().zip(outflow) {
            let vault = world.listings.vaults[vault].address;
            world.tamper::<Vault>(&vault, |vault| vault.core.params.outflow = outflow);
        }
        let providers = [(TrancheKind::Junior, 8), (TrancheKind::Senior, 2)].map(|(tranche, millions)| {
            let person = person(&mut world, tranche_name(tranche), [millions * 1_000_000 * DOLLAR, 0]);
            let amount = millions * 1_000_000 * DOLLAR;
            let shares = world.add_to_tranche(&person.trader, tranche, amount).expect("add_liquidity");
            Holder { person, shares }
        });
        for market in [SOL, BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let staker = person(&mut world, "staker", [500_000 * DOLLAR, 0]);
        let shares = world.stake(&staker.trader, 500_000 * DOLLAR).expect("stake_backstop");
        let staker = Holder { person: staker, shares };
        let traders = [("bull", 200, 1_000), ("bear", 200, 1_000), ("idle", 100, 2_000)]
            .map(|(name, quote, sol)| on_account(&mut world, name, [quote * 1_000 * DOLLAR, sol * ONE_SOL]));
        let attacker = on_account(&mut world, "attacker", [100_000 * DOLLAR, 0]);
        let prices = [SOL_ASSET.price, BTC_ASSET.price];
        let mut stage = Self {
            world,
            prices,
            traders,
            providers,
            staker,
            attacker,
            held: [0; 2],
            began: 0,
            left: Vec::new(),
        };
        stage.refresh();
        for (trader, [sol, btc]) in [(0, [Side::Long, Side::Short]), (1, [Side::Short, Side::Long])] {
            let dollars = if trader == 0 { [600_000, 400_000] } else { [400_000, 300_000] };
            stage.hold(trader, SOL, (sol, SOL_ASSET, dollars[0]));
            stage.hold(trader, BTC, (btc, BTC_ASSET, dollars[1]));
        }
        // Two days later the outflow is measured against what is there.
        stage.pass(48);
        for market in [SOL, BTC] {
            stage.send(&[ix::sweep_market(market)], &[]).expect("sweep_market");
        }
        stage.begin();
        stage
    }

    /// From now on what leaves is counted.
    pub fn begin(&mut self) {
        self.held = [0, 1].map(|vault| self.tokens_of(vault));
        self.began = self.now();
        let world = &self.world;
        let people =
            self.traders.iter_mut().chain(self.providers.iter_mut().map(|holder| &mut holder.person));
        for person in people.chain([&mut self.staker.person, &mut self.attacker]) {
            person.had = [person.trader.tokens, person.sol].map(|wallet| world.token_balance(&wallet));
        }
    }

    fn hold(&mut self, trader: usize, market: u16, (side, asset, dollars): (Side, Asset, u64)) {
        let lots = asset.lots_worth(dollars);
        let step = self.market(market).core.params.step;
        let trader = &self.traders[trader].trader;
        self.world.open(trader, market, side, lots - lots % step).expect("open");
    }

    /// A new quote wallet.
    pub fn wallet(&mut self, owner: Pubkey) -> Pubkey {
        let mint = self.listings.vaults[0].mint;
        self.create_tokens(mint, owner, 0)
    }

    /// A copy of the chain; what people have of it is read from the chain.
    pub fn fork_world(&self) -> World {
        self.world.fork()
    }

    /// Prints and refreshes everything that trades, now.
    pub fn refresh(&mut self) {
        for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
            let price = self.prices[usize::from(market)];
            self.print(&asset, price, 0);
            let sources = self.market(market).sources;
            if self.market(market).core.is_settling() || sources[0].feed != asset.feed(0) {
                continue;
            }
            self.send(&[ix::refresh_market(market, World::oracles(&asset))], &[]).expect("refresh_market");
        }
        if self.listings.vaults.len() > usize::from(SOL_VAULT) {
            self.refresh_sol_vault();
        }
    }

    /// Lets hours pass, with prices as they are.
    pub fn pass(&mut self, hours: i64) {
        self.advance(hours * HOUR);
        self.refresh();
    }

    /// Hours since the attack began.
    pub fn hour(&self) -> i64 {
        (self.now() - self.began) / HOUR
    }

    /// Tokens in a vault's account.
    pub fn tokens_of(&self, vault: usize) -> u64 {
        self.token_balance(&self.listings.vaults[vault].token_account)
    }

    /// Everybody, the attacker last.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        let providers = self.providers.iter().map(|holder| &holder.person);
        self.traders.iter().chain(providers).chain([&self.staker.person, &self.attacker])
    }

    /// What somebody's wallets have gained since the attack began.
    pub fn gained(&self, person: &Person) -> [i128; 2] {
        let now = [person.trader.tokens, person.sol].map(|wallet| i128::from(self.token_balance(&wallet)));
        [now[0] - i128::from(person.had[0]), now[1] - i128::from(person.had[1])]
    }

    /// What an account holds, per vault.
    pub fn balances(&self, person: &Person) -> [u64; 2] {
        let account = self.margin(&person.trader.margin);
        let sol =
            account.collaterals.iter().find(|slot| slot.vault == SOL_VAULT).map_or(0, |slot| slot.amount);
        [account.quote.units_or_zero(), sol]
    }

    /// Withdraws all that the exchange lets go of one vault. What left; `None` while it is paused.
    pub fn take_out(&mut self, person: &Person, vault: u16) -> Option<u64> {
        let now = self.now();
        let wanted = self.balances(person)[usize::from(vault)];
        let amount = wanted.min(self.vault(vault).core.releasable(now).expect("valid"));
        if amount == 0 {
            return Some(0);
        }
        let wallet = if vault == 0 { person.trader.tokens } else { person.sol };
        match self.world.withdraw(&person.trader, vault, (wallet, amount)) {
            Ok(_) => {
                let hour = self.hour();
                self.left.push((hour, person.name, vault, amount));
                Some(amount)
            }
            Err(failure) if failure.is("Paused") => None,
            Err(failure) => panic!("{} at hour {}: {failure:#?}", person.name, self.hour()),
        }
    }

    /// Puts all shares of a provider into his first ticket.
    pub fn request_redeem(&mut self, provider: usize) -> Result<Outcome, Failure> {
        let Holder { person, shares } = &self.providers[provider];
        let key = &person.trader.key;
        let amount = self.world.token_balance(shares);
        let keys = (key.pubkey(), self.world.payer.pubkey(), *shares);
        let call = ix::request_redeem(&self.world.listings, TrancheKind::BOTH[provider], keys, (0, amount));
        self.world.send(&[call], &[key])
    }

    /// The first ticket of a provider, while there is one.
    pub fn ticket(&self, provider: usize) -> Option<Box<RedeemTicket>> {
        let key = address::redeem_ticket(&self.providers[provider].person.trader.key.pubkey(), 0);
        let there = self.svm.get_account(&key).is_some_and(|account| !account.data.is_empty());
        there.then(|| self.get(&key))
    }

    /// Redeems what the pool pays of a provider's first ticket.
    pub fn redeem(&mut self, provider: usize) -> Result<Outcome, Failure> {
        let ticket = self.ticket(provider).expect("a ticket");
        let person = &self.providers[provider].person;
        let call = ix::redeem(&self.world.listings, &ticket, (person.trader.tokens, 1)).expect("builds");
        let before = self.world.token_balance(&person.trader.tokens);
        let outcome = self.world.send(&[call], &[&person.trader.key])?;
        let paid = self.world.token_balance(&person.trader.tokens) - before;
        self.left.push((self.hour(), self.providers[provider].person.name, 0, paid));
        Ok(outcome)
    }

    /// The last hour in which each left, and what he took in all, per vault.
    pub fn summary(&self) -> BTreeMap<(&'static str, u16), (i64, i64, u64)> {
        let mut all = BTreeMap::new();
        for &(hour, name, vault, amount) in &self.left {
            let entry = all.entry((name, vault)).or_insert((hour, hour, 0));
            *entry = (entry.0, hour, entry.2 + amount);
        }
        all
    }
}

const fn tranche_name(tranche: TrancheKind) -> &'static str {
    match tranche {
        TrancheKind::Junior => "junior",
        TrancheKind::Senior => "senior",
    }
}

/// Somebody with this much in the wallets.
fn person(world: &mut World, name: &'static str, [quote, sol]: [u64; 2]) -> Person {
    let trader = world.trader(quote);
    let mint = world.listings.vaults[usize::from(SOL_VAULT)].mint;
    let sol = world.create_tokens(mint, trader.key.pubkey(), sol);
    Person { name, trader, sol, had: [0; 2] }
}

/// Somebody who has deposited this much.
fn on_account(world: &mut World, name: &'static str, amounts: [u64; 2]) -> Person {
    let person = person(world, name, amounts);
    world.deposit(&person.trader, amounts[0]).expect("deposit");
    if amounts[1] > 0 {
        let (listing, key) = (world.listings.vaults[usize::from(SOL_VAULT)], &person.trader.key);
        let deposit = ix::deposit(key.pubkey(), person.trader.margin, &listing, (person.sol, amounts[1]));
        world.send(&[deposit], &[key]).expect("deposit");
    }
    person
}

/// Checks that a call was refused with this error.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Failure>, name: &str) {
    let failure = result.expect_err(name);
    assert!(failure.is(name), "{name}: {failure:#?}");
}
