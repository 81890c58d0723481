//! A synthetic exchange: markets, collaterals, and as many accounts as one likes, whose positions are members of their markets'
//! ladders. A function of its seed.
//!
//! Nearly everybody holds the first market. Every second market is in a risk group, one account in five has a part of its
//! equity in a collateral, one in seven holds two to four markets. Leverage is from 2x to 25x; entries are within a tenth of
//! the price.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::margin::CollateralSlot;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::price::{OracleParams, OracleState, Reading};
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::units::{CarryIndex, Lots, NormalPrice, Price, Quote, Side};
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::{Exchange, MarginAccount, Market, Vault};

/// Markets.
pub const MARKETS: u16 = 8;
/// Vaults, the quote token's among them.
pub const VAULTS: u16 = 3;
/// Clock, unix seconds.
pub const NOW: i64 = 1_800_000_000;
/// Maintenance margin fraction of every market, ppm.
const MMF_PPM: u32 = 20_000;
/// Quote units of a dollar.
const DOLLAR: u64 = 1_000_000;

/// Numbers that depend on the seed alone (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number from `low` to `high`.
    pub const fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True `percent` times in a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn side(&mut self) -> Side {
        if self.chance(50) { Side::Long } else { Side::Short }
    }

    fn key(&mut self) -> Pubkey {
        let words = [self.next(), self.next(), self.next(), self.next()];
        Pubkey::new_from_array(bytemuck::cast(words.map(u64::to_le_bytes)))
    }
}

/// The exchange and its accounts.
pub struct Crowd {
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// Markets by index.
    pub markets: Vec<Box<Market>>,
    /// Vaults by index.
    pub vaults: Vec<Vault>,
    /// Margin accounts.
    pub accounts: Vec<(Pubkey, Box<MarginAccount>)>,
    /// Clock, unix seconds.
    pub now: i64,
}

fn oracle(bits: u64) -> OracleState {
    let price = Price::from_bits(bits).expect("in range");
    OracleState::first(&Reading { price, conf: 0, publish_time: NOW })
}

fn market(index: u16) -> Box<Market> {
    let mut market: Box<Market> = bytemuck::zeroed_box();
    market.index = index;
    let core = &mut market.core;
    // 0.15 to 0.85 quote units per lot.
    core.oracle = oracle((15 + 10 * u64::from(index)) * (1 << 32) / 100);
    core.params.oracle = OracleParams::DEFAULT;
    core.params.risk_group = u8::from(index.is_multiple_of(2));
    core.volatility.mmf_ppm = MMF_PPM;
    core.book.initialize(core.oracle.price);
    // A cost of carry of a thousandth of a unit per lot for longs, and half of it for shorts.
    core.book.long.carry = carry(1 << 38);
    core.book.short.carry = carry(1 << 37);
    market
}

/// A carry index, Q80.48.
pub fn carry(bits: u64) -> CarryIndex {
    bytemuck::cast([bits, 0])
}

fn vault(index: u16) -> Vault {
    let mut vault: Vault = bytemuck::Zeroable::zeroed();
    vault.index = index;
    vault.core.oracle = oracle(u64::from(index + 1) * (1 << 30));
    vault.core.params.oracle = OracleParams::DEFAULT;
    vault.core.params.haircut_init_ppm = 100_000;
    vault.core.params.haircut_maint_ppm = 50_000;
    vault
}

impl Crowd {
    /// So many accounts of a seed.
    pub fn new(seed: u64, count: usize) -> Self {
        let mut exchange: Box<Exchange> = bytemuck::zeroed_box();
        (exchange.market_count, exchange.vault_count) = (MARKETS, VAULTS);
        exchange.params.risk_groups.offset_ppm = [500_000; 8];
        let mut crowd = Self {
            exchange,
            markets: (0..MARKETS).map(market).collect(),
            vaults: (0..VAULTS).map(vault).collect(),
            accounts: Vec::with_capacity(count),
            now: NOW,
        };
        let mut dice = Dice::new(seed);
        for _ in 0..count {
            let account = crowd.account(&mut dice);
            crowd.accounts.push(account);
        }
        crowd
    }

    /// What judgements are made from.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|market| (market.index, &**market)).collect(),
            vaults: self.vaults.iter().map(|vault| (vault.index, vault)).collect(),
            now: self.now,
        }
    }

    /// Another account, with positions that have joined their ladders.
    pub fn account(&mut self, dice: &mut Dice) -> (Pubkey, Box<MarginAccount>) {
        let key = dice.key();
        let mut account: Box<MarginAccount> = bytemuck::zeroed_box();
        account.owner = dice.key();
        let legs = if dice.chance(85) { 1 } else { dice.within(2, 4) };
        let first = if dice.chance(95) { 0 } else { dice.within(1, u64::from(MARKETS) - 1) };
        let (mut notional, mut pnl) = (0, 0);
        for leg in 0..legs {
            let market = u16::try_from((first + leg * 2) % u64::from(MARKETS)).expect("few");
            // A hundred dollars to a million, most of them small.
            let size = [1, 10, 100, 1_000][usize::try_from(dice.within(0, 3)).expect("few")];
            let worth = DOLLAR * 100 * dice.within(1, 10) * size;
            let position = self.position(dice, market, worth);
            pnl += self.snapshot_pnl(&position);
            account.positions[usize::try_from(leg).expect("few")] = position;
            notional += worth;
        }
        self.fund(dice, &mut account, (notional, pnl));
        if dice.chance(10) {
            account.triggers[usize::from(dice.chance(50))] = self.trigger(dice, &account.positions[0]);
        }
        (key, account)
    }

    /// Gives an account the equity of its leverage.
    fn fund(&self, dice: &mut Dice, account: &mut MarginAccount, (notional, pnl): (u64, i64)) {
        // Twice as much leverage is about as frequent.
        let octave = 1 << dice.within(1, 4);
        let percent = (octave * dice.within(100, 200)).min(2_500);
        let equity = notional * 100 / percent;
        let mut quote = i64::try_from(equity).expect("fits") - pnl;
        if dice.chance(20) {
            let vault = u16::try_from(dice.within(1, u64::from(VAULTS) - 1)).expect("few");
            let price = self.vaults[usize::from(vault)].core.oracle.price;
            let amount = u64::try_from(u128::from(equity / 2) * (1 << 32) / u128::from(price.to_bits()));
            let amount = amount.expect("fits");
            account.collaterals[0] = CollateralSlot { amount, vault, ..CollateralSlot::default() };
            quote -= i64::try_from(price.mul_floor(amount).expect("fits") * 95 / 100).expect("fits");
        }
        account.quote = Quote(quote);
    }

    /// A position worth so many quote units, opened within a tenth of the price.
    pub fn position(&mut self, dice: &mut Dice, market: u16, worth: u64) -> Position {
        let side = dice.side();
        let core = &mut self.markets[usize::from(market)].core;
        let mark = core.mark().to_bits();
        let lots = u64::try_from(u128::from(worth) * (1 << 32) / u128::from(mark)).expect("fits");
        let entry = Price::from_bits(mark * dice.within(900, 1_100) / 1_000).expect("in range");
        let ladder = core.book.side_mut(side);
        let mut position = Position::new(market, side);
        position.lots = Lots::on(side, lots).expect("fits");
        let entry = NormalPrice::new(entry, ladder.carry).expect("fits");
        position.quote = Quote(-entry.mul_floor(position.lots).expect("fits").0);
        ladder.join(&mut position).expect("joins");
        core.book.positions += 1;
        position
    }

    fn snapshot_pnl(&self, position: &Position) -> i64 {
        self.snapshot().pnl(position).expect("priced").0
    }

    fn trigger(&self, dice: &mut Dice, position: &Position) -> Trigger {
        let mark = self.markets[usize::from(position.market)].core.mark().to_bits();
        Trigger {
            id: 1 + dice.within(0, 1_000),
            lots: u64::MAX,
            trigger_price: mark * dice.within(700, 1_300) / 1_000,
            limit_price: mark,
            expiry: NOW + i64::try_from(dice.within(0, 10_000)).expect("fits"),
            market: position.market,
            kind: u8::try_from(dice.within(0, 2)).expect("few"),
            side: position.side,
            ..Trigger::default()
        }
    }

    /// Moves the price of a market by ppm of what it is.
    pub fn move_market(&mut self, market: u16, ppm: i64) {
        let oracle = &mut self.markets[usize::from(market)].core.oracle;
        oracle.price = moved(oracle.price, ppm);
        oracle.publish_time = self.now;
    }

    /// Moves the price of a collateral by ppm of what it is.
    pub fn move_vault(&mut self, vault: u16, ppm: i64) {
        let oracle = &mut self.vaults[usize::from(vault)].core.oracle;
        oracle.price = moved(oracle.price, ppm);
        oracle.publish_time = self.now;
    }
}

fn moved(price: Price, ppm: i64) -> Price {
    let bits = i128::from(price.to_bits()) * i128::from(1_000_000 + ppm) / 1_000_000;
    Price::from_bits(u64::try_from(bits).expect("positive")).expect("in range")
}
