//! The shapes that instructions are measured at: how much a trader holds, and how much is listed.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
use bulwark_tests::{Trader, World};

/// An account and a listing of a certain size.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Column of the table.
    pub name: &'static str,
    /// Positions of the trader, and markets listed.
    pub positions: u16,
    /// Volatile collaterals of the trader, and volatile vaults listed.
    pub collaterals: u16,
}

/// All shapes, smallest first.
pub const SHAPES: [Shape; 3] = [
    Shape { name: "one", positions: 1, collaterals: 1 },
    Shape { name: "eight", positions: 8, collaterals: 4 },
    Shape { name: "max", positions: 16, collaterals: 8 },
];

/// Token decimals of every collateral.
pub const TOKEN_DECIMALS: u8 = 8;

/// What gets listed, in this order; the first eight are collaterals as well.
const ASSETS: [Asset; 16] = [
    asset("SOL", 9, 150 * PRINT),
    asset("BTC", 11, 60_000 * PRINT),
    asset("ETH", 10, 3_000 * PRINT),
    asset("XRP", 6, PRINT * 3 / 5),
    asset("BNB", 9, 600 * PRINT),
    asset("ADA", 6, PRINT / 2),
    asset("TRX", 6, PRINT * 12 / 100),
    asset("SUI", 7, 2 * PRINT),
    asset("APT", 7, 9 * PRINT),
    asset("TON", 7, 6 * PRINT),
    asset("LTC", 8, 80 * PRINT),
    asset("BCH", 9, 400 * PRINT),
    asset("DOT", 7, 7 * PRINT),
    asset("UNI", 8, 10 * PRINT),
    asset("JUP", 6, PRINT * 9 / 10),
    asset("SEI", 6, PRINT * 2 / 5),
];

const fn asset(name: &'static str, lot_decimals: u8, price: i64) -> Asset {
    Asset { name, lot_decimals, price }
}

/// The asset of a market.
pub fn market_asset(market: u16) -> &'static Asset {
    &ASSETS[usize::from(market)]
}

/// The asset of a volatile vault; vault 0 holds the quote token.
pub fn vault_asset(vault: u16) -> &'static Asset {
    &ASSETS[usize::from(vault) - 1]
}

/// Lots worth about this much, a multiple of the market's step.
pub fn lots(asset: &Asset, dollars: u64) -> u64 {
    let step = asset.one() / 1_000;
    asset.lots_worth(dollars) / step * step
}

/// A world in which one trader has the shape. Prices are a second old and off their averages, and no position
/// is alone in its bucket.
pub struct Bench {
    /// The chain.
    pub world: World,
    /// The shape.
    pub shape: Shape,
    /// Who has it.
    pub trader: Trader,
}

impl Bench {
    /// Builds the world of a shape.
    pub fn new(shape: Shape) -> Self {
        let mut world = World::empty();
        for market in 0..shape.positions {
            let asset = market_asset(market);
            world.list_market(asset, params(asset, shape.positions));
        }
        for vault in 1..=shape.collaterals {
            world.list_vault(vault_asset(vault), TOKEN_DECIMALS, u64::MAX);
        }
        let provider = world.trader(20_000_000 * DOLLAR);
        world.add_liquidity(&provider, 20_000_000 * DOLLAR).expect("add_liquidity");
        for market in 0..shape.positions {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let trader = world.funded_trader(100_000 * DOLLAR);
        let mut bench = Self { world, shape, trader };
        bench.fill();
        bench
    }

    /// Gives the trader its shape, and a neighbour to every position.
    fn fill(&mut self) {
        let Self { world, shape, trader } = self;
        let neighbour = world.funded_trader(100_000 * DOLLAR);
        for vault in 1..=shape.collaterals {
            let amount = 1_000 * 10_u64.pow(u32::from(TOKEN_DECIMALS));
            world.deposit_collateral(trader, vault, amount).expect("deposit");
        }
        for market in 0..shape.positions {
            let size = lots(market_asset(market), 10_000);
            for trader in [&*trader, &neighbour] {
                world.open(trader, market, side(market), size).expect("open_position");
            }
        }
        world.advance(20);
        for market in 0..shape.positions {
            self.reprice(market, 10_000);
        }
        for vault in 1..=self.shape.collaterals {
            let mint = self.world.listings.vaults[usize::from(vault)].mint;
            let oracles = World::oracles(vault_asset(vault));
            self.world.send(&[ix::refresh_vault((vault, &mint), oracles)], &[]).expect("refresh_vault");
        }
        self.world.advance(1);
    }

    /// The same state once more, to change at will.
    pub fn fork(&self) -> Self {
        let Trader { key, margin, tokens } = &self.trader;
        let trader = Trader { key: key.insecure_clone(), margin: *margin, tokens: *tokens };
        Self { world: self.world.fork(), shape: self.shape, trader }
    }

    /// The market of the trader's last position: the one whose slot is found last.
    pub fn market(&self) -> u16 {
        self.shape.positions - 1
    }

    /// The vault of the trader's last collateral.
    pub fn vault(&self) -> u16 {
        self.shape.collaterals
    }

    /// Prints a market's first price moved by `ppm`, 1 bp wide, and refreshes the market.
    pub fn reprice(&mut self, market: u16, ppm: i64) {
        let asset = market_asset(market);
        let price = asset.price + asset.price / 1_000_000 * ppm;
        self.reprice_wide(market, price, 100);
    }

    /// Moves the price so that the trader's position in this market loses.
    pub fn move_against(&mut self, market: u16) {
        self.reprice(market, if side(market) == Side::Long { -20_000 } else { 20_000 });
    }

    /// Prints a price with a confidence of `conf_ppm`, and refreshes the market.
    pub fn reprice_wide(&mut self, market: u16, price: i64, conf_ppm: u64) {
        let asset = market_asset(market);
        let conf = u64::try_from(price).expect("positive") / 1_000_000 * conf_ppm;
        self.world.print(asset, price, conf);
        let refresh = ix::refresh_market(market, World::oracles(asset));
        self.world.send(&[refresh], &[]).expect("refresh_market");
    }

    /// The first of the things made whose program-derived addresses `is_first` finds at the first attempt.
    pub fn first_attempt<T>(
        &mut self,
        mut make: impl FnMut(&mut World) -> T,
        is_first: impl Fn(&T) -> bool,
    ) -> T {
        loop {
            let candidate = make(&mut self.world);
            if is_first(&candidate) {
                return candidate;
            }
        }
    }
}

/// Whether the address of these seeds is found at the first attempt.
pub fn is_first(seeds: &[&[u8]]) -> bool {
    Pubkey::find_program_address(seeds, &bulwark_sdk::address::PROGRAM).1 == u8::MAX
}

/// The side of the trader's position in a market.
pub fn side(market: u16) -> Side {
    if market.is_multiple_of(2) { Side::Long } else { Side::Short }
}

/// Parameters of one of `count` markets: together they may take 80 % of the pool.
pub fn params(asset: &Asset, count: u16) -> MarketParams {
    MarketParams { target_weight_ppm: 800_000 / u32::from(count), ..asset.live_params() }
}
