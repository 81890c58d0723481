//! What the files of this suite share: exact arithmetic that knows nothing of the engine, a reproducible
//! stream of numbers, and the check that a refusal changes nothing.

use std::collections::BTreeMap;

use bulwark_sdk::engine::market::{Market as Core, MarketParams};
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::{MarginAccount, Market, Pool};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
pub use bulwark_tests::walk::rng::Rng;
use bulwark_tests::{Failure, Keypair, Outcome, Trader, World};

/// A base asset at 125 dollars: 0.125 quote units a lot, which Q32.32 holds exactly.
pub const UNI: Asset = Asset { name: "UNI", lot_decimals: 9, price: 125 * PRINT };
/// Index of the only market of [`uni_world`].
pub const MARKET: u16 = 0;

/// Fees of 5 bp and a half spread of 2 bp, on a skew scale that makes sums by hand easy.
pub fn uni_params() -> MarketParams {
    MarketParams { skew_scale: 1_000_000_000_000_000, ..UNI.market_params() }
}

/// As [`uni_params`], with neither fee nor spread: rounding is all that is left.
pub fn free_params() -> MarketParams {
    MarketParams { taker_fee_ppm: 0, base_spread_ppm: 0, conf_spread_ppm: 0, ..uni_params() }
}

/// One market of [`UNI`] with four million dollars of its own.
pub fn uni_world(params: MarketParams) -> World {
    let mut world = World::empty();
    world.list_market(&UNI, params);
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    world.send(&[ix::allocate_liquidity(&world.listings, MARKET)], &[]).expect("allocate_liquidity");
    world
}

/// A second later, a print of `price` dollars (eight decimals) with `conf`, refreshed into the market.
pub fn refresh(world: &mut World, (market, asset): (u16, &Asset), price: i64, conf: u64) -> Outcome {
    world.advance(1);
    world.print(asset, price, conf);
    world.send(&[ix::refresh_market(market, World::oracles(asset))], &[]).expect("refresh_market")
}

/// Moves the [`UNI`] market to a price with an exact confidence of zero.
pub fn move_uni(world: &mut World, price: i64) {
    refresh(world, (MARKET, &UNI), price, 0);
}

/// Moves pool money out of a market until `left` remains, as a loss or an allocation would. I1 holds.
pub fn drain(world: &mut World, market: u16, left: u64) {
    let cash = world.market(market).core.book.cash;
    world.tamper::<Market>(&address::market(market), |m| m.core.book.cash = left);
    world.tamper::<Pool>(&address::pool(), |p| p.core.idle = p.core.idle + cash - left);
}

/// An open with a limit price.
pub fn open_at(
    world: &World,
    who: &Trader,
    (market, side): (u16, Side),
    lots: u64,
    limit_price: u64,
) -> Instruction {
    let account = world.margin(&who.margin);
    let margin = ix::Margin { address: who.margin, account: &account };
    let order = Order { market, lots, limit_price };
    ix::open_position(&world.listings, who.key.pubkey_(), margin, (side, order)).expect("builds")
}

/// A close with a limit price.
pub fn close_at(world: &World, who: &Trader, market: u16, lots: u64, limit_price: u64) -> Instruction {
    let account = world.margin(&who.margin);
    let margin = ix::Margin { address: who.margin, account: &account };
    let order = Order { market, lots, limit_price };
    ix::close_position(&world.listings, who.key.pubkey_(), margin, order).expect("builds")
}

/// Shorthand for the public key without importing the trait everywhere.
pub trait PubkeyOf {
    /// The public key.
    fn pubkey_(&self) -> Pubkey;
}

impl PubkeyOf for Keypair {
    fn pubkey_(&self) -> Pubkey {
        bulwark_tests::Signer::pubkey(self)
    }
}

/// Every account of the program and every vault's tokens, byte by byte.
pub fn state(world: &World) -> BTreeMap<Pubkey, Vec<u8>> {
    let owned = world.svm.get_program_accounts(&address::PROGRAM);
    let tokens = world.listings.vaults.iter().map(|v| v.token_account);
    let tokens = tokens.map(|key| (key, world.svm.get_account(&key).expect("vault tokens")));
    owned.into_iter().chain(tokens).map(|(key, account)| (key, account.data.to_vec())).collect()
}

/// Sends what must be refused with `name`, and checks that nothing changed.
pub fn refused(world: &mut World, instruction: Instruction, signers: &[&Keypair], name: &str, what: &str) {
    let before = state(world);
    let failure = match world.send(&[instruction], signers) {
        Ok(outcome) => panic!("{what}: went through, {name} was expected: {outcome:?}"),
        Err(failure) => failure,
    };
    assert!(failure.is(name), "{what}: {name} was expected: {failure:#?}");
    assert!(state(world) == before, "{what}: a refusal changed something");
}

/// The dearer neighbour of a quotient: towards +∞.
pub fn ceil(numerator: i128, denominator: i128) -> i128 {
    -(-numerator).div_euclid(denominator)
}

/// What a fill must cost, from `risk.md` formula (3), in exact integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Worth at mark, up.
    pub notional: i128,
    /// Along the curve, signed.
    pub curve: i128,
    /// Spread.
    pub spread: i128,
    /// Taker fee.
    pub fee: i128,
}

impl Cost {
    /// `Δ` lots in this market as it is.
    pub fn of(core: &Core, delta: i64) -> Self {
        let (params, price) = (&core.params, i128::from(core.oracle.price.to_bits()));
        let scale = i128::from(params.skew_scale);
        let limit = scale * i128::from(params.max_impact_ppm) / 1_000_000;
        let area = |x: i128| if x.abs() <= limit { x * x } else { 2 * limit * x.abs() - limit * limit };
        let skew = i128::from(core.book.long.lots) - i128::from(core.book.short.lots);
        let delta = i128::from(delta);
        let numerator = 2 * scale * delta + area(skew + delta) - area(skew);
        let notional = ceil(delta.abs() * price, 1 << 32);
        let conf = ceil(i128::from(core.oracle.conf) * 1_000_000, price);
        let from_conf = ceil(conf * i128::from(params.conf_spread_ppm), 1_000_000);
        let half_spread = from_conf.max(i128::from(params.base_spread_ppm)).min(890_000);
        Self {
            notional,
            curve: ceil(numerator * price, 2 * scale * (1 << 32)),
            spread: ceil(notional * half_spread, 1_000_000),
            fee: ceil(notional * i128::from(params.taker_fee_ppm), 1_000_000),
        }
    }

    /// What the trader pays, fees excluded.
    pub fn total(&self) -> i128 {
        self.curve + self.spread
    }
}

/// A position as formula (1) has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Signed lots.
    pub b: i128,
    /// Quote.
    pub q: i128,
}

impl Held {
    /// Adds a fill.
    pub fn open(&mut self, delta: i64, cost: &Cost) {
        self.b += i128::from(delta);
        self.q -= cost.total();
    }

    /// Takes off `count` lots; what that realises.
    pub fn close(&mut self, count: u64, cost: &Cost) -> i128 {
        let count = i128::from(count);
        let part = (self.q * count).div_euclid(self.b.abs());
        self.q -= part;
        self.b -= self.b.signum() * count;
        part - cost.total()
    }

    /// `b·P + q`, down.
    pub fn pnl(&self, price_bits: u64) -> i128 {
        ((self.b * i128::from(price_bits)) >> 32) + self.q
    }

    /// The position in this account.
    pub fn in_account(account: &MarginAccount, market: u16) -> Self {
        account.position(market).map_or_else(Self::default, |slot| {
            let position = &account.positions[slot];
            Self { b: i128::from(position.lots.0), q: i128::from(position.quote.0) }
        })
    }
}

/// `lots`, signed as a fill on `side` is.
pub fn signed(side: Side, lots: u64) -> i64 {
    let lots = i64::try_from(lots).expect("lots fit");
    if side == Side::Long { lots } else { -lots }
}

/// A trigger for these lots at any fill price, for an hour.
pub fn trigger(
    world: &World,
    (kind, side): (TriggerKind, Side),
    lots: u64,
    trigger_price: u64,
) -> TriggerOrder {
    let buys = (kind == TriggerKind::Limit) == (side == Side::Long);
    let limit_price = if buys { u64::MAX } else { 0 };
    let order = Order { market: MARKET, lots, limit_price };
    TriggerOrder { kind, side, trigger_price, order, expiry: world.now() + 3_600 }
}

/// The instruction that places a trigger, signed by its owner.
pub fn place_instruction(world: &World, who: &Trader, trigger: &TriggerOrder) -> Instruction {
    let account = world.margin(&who.margin);
    let margin = Margin { address: who.margin, account: &account };
    ix::place_trigger(&world.listings, who.key.pubkey_(), margin, trigger).expect("builds")
}

/// Places a trigger. Returns its id.
pub fn place(world: &mut World, who: &Trader, trigger: &TriggerOrder) -> u64 {
    let place = place_instruction(world, who, trigger);
    let outcome = world.send(&[place], &[&who.key]).expect("place_trigger");
    match outcome.events.as_slice() {
        [Event::TriggerPlaced(placed)] => placed.id,
        other => panic!("one event of placing, not {other:?}"),
    }
}

/// The instruction that executes a trigger: nobody signs.
pub fn execute_instruction(world: &World, who: &Trader, id: u64, keeper: Option<&Trader>) -> Instruction {
    let account = world.margin(&who.margin);
    let margin = Margin { address: who.margin, account: &account };
    ix::execute_trigger(&world.listings, margin, id, keeper.map(|k| k.margin)).expect("builds")
}

/// Executes a trigger for anyone.
pub fn execute(
    world: &mut World,
    who: &Trader,
    id: u64,
    keeper: Option<&Trader>,
) -> Result<Outcome, Failure> {
    let execute = execute_instruction(world, who, id, keeper);
    world.send(&[execute], &[])
}

/// The instruction with which `signer` cancels a trigger of this account.
pub fn cancel_instruction(world: &World, signer: Pubkey, who: &Trader, id: u64) -> Instruction {
    let account = world.margin(&who.margin);
    ix::cancel_trigger(signer, Margin { address: who.margin, account: &account }, id)
}

/// Ids of the triggers that wait.
pub fn waiting(world: &World, who: &Trader) -> Vec<u64> {
    world.margin(&who.margin).triggers.iter().filter(|t| t.is_set()).map(|t| t.id).collect()
}

/// A print of now without a step of the clock, refreshed into the [`UNI`] market.
pub fn print_now(world: &mut World, price: i64, conf: u64) {
    world.print(&UNI, price, conf);
    world.send(&[ix::refresh_market(MARKET, World::oracles(&UNI))], &[]).expect("refresh_market");
}

/// Mark of the [`UNI`] market, Q32.32.
pub fn mark(world: &World) -> u64 {
    world.market(MARKET).core.mark().to_bits()
}

/// Places a trigger for these lots at any fill price, for an hour. Returns its id.
pub fn arm(world: &mut World, who: &Trader, what: (TriggerKind, Side), lots: u64, price: u64) -> u64 {
    let trigger = trigger(world, what, lots, price);
    place(world, who, &trigger)
}
