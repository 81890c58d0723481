//! Parameters and numbers that tests start from.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};

use crate::oracle_accounts::PYTH_RECEIVER;

/// Index of the SOL market.
pub const SOL: u16 = 0;
/// Index of the BTC market.
pub const BTC: u16 = 1;
/// Index of the SOL vault.
pub const SOL_VAULT: u16 = 1;
/// Decimals of the quote token.
pub const QUOTE_DECIMALS: u8 = 6;
/// One unit of the quote currency.
pub const DOLLAR: u64 = 1_000_000;
/// Decimal exponent of the oracle prints.
pub const EXPONENT: i32 = -8;
/// One dollar in the mantissa of a print.
pub const PRINT: i64 = 100_000_000;
/// Where the clock starts, unix seconds.
pub const GENESIS: i64 = 1_800_000_000;

/// A listed asset: what its oracle and its lots look like.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Name for people.
    pub name: &'static str,
    /// A lot is 10^-`lot_decimals`.
    pub lot_decimals: u8,
    /// First price, dollars with eight decimals.
    pub price: i64,
}

/// SOL at 150 dollars.
pub const SOL_ASSET: Asset = Asset { name: "SOL", lot_decimals: 9, price: 150 * PRINT };
/// BTC at 60,000 dollars.
pub const BTC_ASSET: Asset = Asset { name: "BTC", lot_decimals: 11, price: 60_000 * PRINT };

impl Asset {
    /// Lots of one whole base unit.
    #[must_use]
    pub fn one(&self) -> u64 {
        10_u64.pow(u32::from(self.lot_decimals))
    }

    /// Lots worth about `dollars` at the first price.
    #[must_use]
    pub fn lots_worth(&self, dollars: u64) -> u64 {
        let price = u128::try_from(self.price).expect("positive");
        let lots = u128::from(dollars) * u128::from(self.one()) * 100_000_000 / price;
        u64::try_from(lots).expect("lots")
    }

    /// The feed id that the fixtures use for the `n`th source of this asset.
    #[must_use]
    pub fn feed(&self, n: u8) -> [u8; 32] {
        let mut feed = [n; 32];
        feed[..3].copy_from_slice(self.name.as_bytes());
        feed
    }

    /// A market of 20x leverage: 5 % initial and 3.1 % maintenance margin, 5 bp fee, 2 bp half spread. Nothing in it
    /// moves by itself: no carry, no volatility, no toxic-exit fee.
    #[must_use]
    pub fn market_params(&self) -> MarketParams {
        MarketParams {
            skew_scale: self.lots_worth(200_000_000),
            max_oi: self.lots_worth(5_000_000),
            share_floor: self.lots_worth(2_000_000),
            min_notional: 10 * DOLLAR,
            step: self.one() / 1000,
            oi_margin_low: 100_000_000 * DOLLAR,
            oi_margin_high: 1_000_000_000 * DOLLAR,
            taker_fee_ppm: 500,
            insurance_share_ppm: 200_000,
            protocol_share_ppm: 100_000,
            base_spread_ppm: 200,
            conf_spread_ppm: 1_000_000,
            max_impact_ppm: 5_000,
            max_skew_ppm: 1_000_000,
            profit_cap_ppm: 700_000,
            max_share_ppm: 500_000,
            mmf_ppm: 31_000,
            imf_ppm: 50_000,
            profit_weight_ppm: 500_000,
            liquidation_fee_ppm: 5_000,
            max_gap_ppm: 19_000,
            target_weight_ppm: 400_000,
            toxic_window: 0,
            toxic_fee_ppm: 0,
            lot_decimals: self.lot_decimals,
            risk_group: 0,
            max_outage: 3_600,
            carry: CarryParams::NONE,
            volatility: VolatilityParams::NONE,
            waterfall: WATERFALL,
            deleverage: DeleverageParams {
                inventory_cap: u64::MAX,
                keeper_tip: 0,
                profit_high_ppm: 1_000_000,
                profit_target_ppm: 950_000,
            },
            oracle: OracleParams::DEFAULT,
        }
    }

    /// The same market as it is listed: with the largest part of the pool that a new one may have.
    #[must_use]
    pub fn listed_params(&self) -> MarketParams {
        MarketParams { target_weight_ppm: 100_000, ..self.market_params() }
    }

    /// The same market alive, as one would list it: funding and borrow, spread and margin that follow volatility, margin
    /// that grows with open interest, 10 bp on an exit in profit that falls to zero within 30 s, a cap of the pool's
    /// inventory, and open interest that asks for 2 % backing.
    #[must_use]
    pub fn live_params(&self) -> MarketParams {
        MarketParams {
            oi_margin_low: 3_000_000 * DOLLAR,
            oi_margin_high: 30_000_000 * DOLLAR,
            toxic_window: 30,
            toxic_fee_ppm: 1_000,
            carry: CarryParams::DEFAULT,
            volatility: VolatilityParams::DEFAULT,
            waterfall: WaterfallParams { backing_ppm: 20_000, ..WATERFALL },
            deleverage: DeleverageParams {
                inventory_cap: 4_000_000 * DOLLAR,
                keeper_tip: KEEPER_TIP,
                profit_high_ppm: 850_000,
                profit_target_ppm: 800_000,
            },
            ..self.market_params()
        }
    }
}

/// A pool that redeems after a day, for 0.1 %; senior shares earn 8 % a year, up to three quarters of the junior's worth.
pub const POOL_PARAMS: PoolParams = PoolParams {
    redeem_fee_ppm: 1_000,
    senior_rate_ppm: 80_000,
    max_senior_ratio_ppm: 750_000,
    ..PoolParams::DEFAULT
};

/// A quarter of the reserve a day, no first loss of the pool, winners last.
pub const WATERFALL: WaterfallParams = WaterfallParams {
    reserve_share_ppm: 250_000,
    first_loss_ppm: 0,
    backing_ppm: 0,
    tail: 0,
    _padding: [0; 3],
};

/// What a keeper is paid for a position that nobody wanted: a dollar.
pub const KEEPER_TIP: u64 = DOLLAR;

/// Debt of quote that a healthy account may carry: a thousand dollars.
pub const AUTO_EXCHANGE_THRESHOLD: u64 = 1_000 * DOLLAR;

/// Stakers' part of the insurance fund's income: half.
pub const STAKE_INCOME_PPM: u32 = 500_000;

/// What a keeper is paid for a trigger: ten cents.
pub const TRIGGER_FEE: u64 = DOLLAR / 10;

/// A Pyth pull source of this feed.
#[must_use]
pub fn pyth_source(feed: [u8; 32]) -> OracleSource {
    OracleSource { owner: PYTH_RECEIVER, feed, kind: SourceKind::PythPull as u8, _padding: [0; 7] }
}

/// A collateral with 10 % and 5 % haircut, not crowded below its cap; the cap opens within a day, and an average balance
/// or a twentieth of the cap may leave in an hour.
#[must_use]
pub fn collateral_params(max_deposits: u64) -> CollateralParams {
    CollateralParams {
        max_deposits,
        soft_cap: max_deposits,
        outflow: OutflowParams { floor: max_deposits / 20, max_ppm: 1_000_000, _padding: 0 },
        haircut_init_ppm: 100_000,
        haircut_maint_ppm: 50_000,
        cap_growth_ppm: 1_000_000,
        _padding: 0,
        oracle: OracleParams::DEFAULT,
    }
}

/// A deterministic address that nobody has a key to.
#[must_use]
pub fn address(name: &str) -> Pubkey {
    let mut bytes = [0xA5; 32];
    let n = name.len().min(32);
    bytes[..n].copy_from_slice(&name.as_bytes()[..n]);
    Pubkey::new_from_array(bytes)
}
