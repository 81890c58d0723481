//! Every parameter with its key in the file and its unit. The order and the names are the engine's.

use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{DEFAULT_DELAY, ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::engine::tighten::Governed;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::units::{format_amount, read_amount};
use bytemuck::Zeroable;

use crate::document::Document;

/// How a parameter is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A whole number: ppm, seconds, a count.
    Number,
    /// A decimal amount of the quote token, in quotes.
    Quote,
    /// A decimal amount of whole base units, in quotes.
    Base,
    /// A decimal amount of whole tokens of a vault, in quotes.
    Tokens,
}

/// Decimals by which amounts become integers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decimals {
    /// Of the quote token.
    pub quote: u8,
    /// Of a market's lots.
    pub lots: u8,
    /// Of a vault's token.
    pub tokens: u8,
}

impl Unit {
    fn decimals(self, decimals: Decimals) -> Option<u8> {
        match self {
            Self::Number => None,
            Self::Quote => Some(decimals.quote),
            Self::Base => Some(decimals.lots),
            Self::Tokens => Some(decimals.tokens),
        }
    }

    /// The value as one would write it in the file.
    pub(crate) fn show(self, value: u64, decimals: Decimals) -> String {
        match (self.decimals(decimals), i64::try_from(value)) {
            (Some(places), Ok(amount)) => {
                let text = format_amount(amount, places);
                if text.contains('.') {
                    text.trim_end_matches('0').trim_end_matches('.').to_string()
                } else {
                    text
                }
            }
            (Some(_), Err(_)) => "max".to_string(),
            (None, _) => value.to_string(),
        }
    }
}

/// One parameter.
pub(crate) struct Field<T> {
    /// Its name with the path to it.
    pub name: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Whether it may be left out: then it is what [`Described::preset`] has.
    pub optional: bool,
    /// Reads it.
    pub get: fn(&T) -> u64,
    /// Writes it; `false` if it does not fit.
    pub set: fn(&mut T, u64) -> bool,
}

/// Parameters that a file describes.
pub(crate) trait Described: Governed + Copy + 'static {
    /// One for each field, in the engine's order.
    const FIELDS: &'static [Field<Self>];

    /// What fields that are left out are.
    fn preset() -> Self;
}

macro_rules! described {
    (@optional need) => { false };
    (@optional may) => { true };
    ($type:ty, $preset:expr, { $($need:ident $unit:ident $field:ident $(. $part:ident)* $([$index:literal])?;)+ }) => {
        impl Described for $type {
            const FIELDS: &'static [Field<Self>] = &[$(
                Field {
                    name: concat!(stringify!($field) $(, ".", stringify!($part))* $(, "[", $index, "]")?),
                    unit: Unit::$unit,
                    optional: described!(@optional $need),
                    get: |params| u64::from(params.$field $(.$part)* $([$index])?),
                    set: |params, value| match value.try_into() {
                        Ok(value) => {
                            params.$field $(.$part)* $([$index])? = value;
                            true
                        }
                        Err(_) => false,
                    },
                },
            )+];

            fn preset() -> Self {
                $preset
            }
        }
    };
}

described!(MarketParams, MarketParams {
    carry: CarryParams::DEFAULT,
    volatility: VolatilityParams::DEFAULT,
    oracle: OracleParams::DEFAULT,
    ..MarketParams::zeroed()
}, {
    need Base skew_scale;
    need Base max_oi;
    need Base share_floor;
    need Quote min_notional;
    need Base step;
    need Quote oi_margin_low;
    need Quote oi_margin_high;
    need Number taker_fee_ppm;
    need Number insurance_share_ppm;
    need Number protocol_share_ppm;
    need Number base_spread_ppm;
    need Number conf_spread_ppm;
    need Number max_impact_ppm;
    need Number max_skew_ppm;
    need Number profit_cap_ppm;
    need Number max_share_ppm;
    need Number mmf_ppm;
    need Number imf_ppm;
    need Number profit_weight_ppm;
    need Number liquidation_fee_ppm;
    need Number max_gap_ppm;
    need Number target_weight_ppm;
    need Number toxic_window;
    need Number toxic_fee_ppm;
    need Number lot_decimals;
    need Number risk_group;
    need Number max_outage;
    may Number carry.funding_velocity_ppm;
    may Number carry.funding_max_ppm;
    may Number carry.borrow_base_ppm;
    may Number carry.borrow_slope_ppm;
    may Number carry.borrow_steep_ppm;
    may Number carry.borrow_kink_ppm;
    may Number volatility.spread_sigma_ppm;
    may Number volatility.mmf_sigma_ppm;
    may Number volatility.imf_sigma_ppm;
    may Number volatility.sigma_floor_ppm;
    need Number waterfall.reserve_share_ppm;
    need Number waterfall.first_loss_ppm;
    need Number waterfall.backing_ppm;
    need Number waterfall.tail;
    need Quote deleverage.inventory_cap;
    need Quote deleverage.keeper_tip;
    need Number deleverage.profit_high_ppm;
    need Number deleverage.profit_target_ppm;
    may Number oracle.max_conf_ppm;
    may Number oracle.max_divergence_ppm;
    may Number oracle.max_trade_age;
    may Number oracle.max_margin_age;
    may Number oracle.ema_half_life;
});

described!(CollateralParams, CollateralParams { oracle: OracleParams::DEFAULT, ..CollateralParams::zeroed() }, {
    need Tokens max_deposits;
    need Tokens soft_cap;
    need Tokens outflow.floor;
    need Number outflow.max_ppm;
    need Number haircut_init_ppm;
    need Number haircut_maint_ppm;
    need Number cap_growth_ppm;
    may Number oracle.max_conf_ppm;
    may Number oracle.max_divergence_ppm;
    may Number oracle.max_trade_age;
    may Number oracle.max_margin_age;
    may Number oracle.ema_half_life;
});

described!(PoolParams, PoolParams::DEFAULT, {
    may Number redeem_delay;
    may Number redeem_fee_ppm;
    may Number senior_rate_ppm;
    may Number max_senior_ratio_ppm;
    may Number max_utilisation_ppm;
    may Number redeem_window;
});

described!(ExchangeParams, ExchangeParams { delay: DEFAULT_DELAY, ..ExchangeParams::zeroed() }, {
    may Number risk_groups.offset_ppm[0];
    may Number risk_groups.offset_ppm[1];
    may Number risk_groups.offset_ppm[2];
    may Number risk_groups.offset_ppm[3];
    may Number risk_groups.offset_ppm[4];
    may Number risk_groups.offset_ppm[5];
    may Number risk_groups.offset_ppm[6];
    may Number risk_groups.offset_ppm[7];
    need Quote trigger_fee;
    need Quote auto_exchange_threshold;
    may Number delay;
});

described!(InsuranceParams, InsuranceParams::zeroed(), {
    need Number stake_income_ppm;
});

/// Where parameters stand in the file: their table, and a table of presets that it may leave keys to.
pub(crate) struct Place<'p> {
    /// The table.
    pub table: &'p str,
    /// A table that is asked for keys that the first one lacks.
    pub preset: Option<&'p str>,
    /// Decimals of amounts.
    pub decimals: Decimals,
}

impl Place<'_> {
    /// Path of the value that counts for a field.
    pub(crate) fn path(&self, document: &Document<'_>, name: &str) -> String {
        let own = format!("{}.{name}", self.table);
        let inherited = self.preset.map(|preset| format!("{preset}.{name}"));
        match inherited {
            // Both are asked for, so that a preset that everybody overrides is no unknown key.
            Some(inherited) if document.find(&inherited).is_some() && document.find(&own).is_none() => {
                inherited
            }
            _ => own,
        }
    }
}

/// Reads parameters; mistakes are noted in the document.
pub(crate) fn read<T: Described>(document: &Document<'_>, place: &Place<'_>) -> T {
    let mut params = T::preset();
    for field in T::FIELDS {
        let path = place.path(document, field.name);
        let found = if field.optional { document.find(&path) } else { document.need(&path) };
        let Some(found) = found else { continue };
        let value = match field.unit.decimals(place.decimals) {
            None => document.number(&path),
            Some(decimals) => amount(document, &path, decimals),
        };
        if let Some(value) = value
            && !(field.set)(&mut params, value)
        {
            document.wrong(&path, found, format!("{value} is too large for this parameter"));
        }
    }
    params
}

fn amount(document: &Document<'_>, path: &str, decimals: u8) -> Option<u64> {
    let found = document.find(path)?;
    let Some(text) = found.value().as_str() else {
        document.wrong(path, found, "is an amount: a decimal number in quotes, such as \"10_000.50\"");
        return None;
    };
    match read_amount(text, decimals) {
        Ok(amount) => Some(amount),
        Err(error) => {
            document.wrong(path, found, format!("{text:?}: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows_the_engine<T: Described>() {
        let (names, rules): (Vec<_>, Vec<_>) =
            (T::FIELDS.iter().map(|f| f.name).collect(), T::RULES.iter().map(|r| r.name).collect());
        assert_eq!(names, rules);
        // Each field writes what the engine reads, and nothing else.
        for (index, field) in T::FIELDS.iter().enumerate() {
            let mut params = T::preset();
            let before: Vec<u64> = params.values().into_iter().collect();
            assert!((field.set)(&mut params, before[index] ^ 1), "{}", field.name);
            let after: Vec<u64> = params.values().into_iter().collect();
            let changed: Vec<usize> = (0..after.len()).filter(|&i| after[i] != before[i]).collect();
            assert_eq!(changed, [index], "{}", field.name);
            assert_eq!((field.get)(&params), after[index]);
        }
    }

    #[test]
    fn every_parameter_of_the_engine_has_a_key() {
        follows_the_engine::<MarketParams>();
        follows_the_engine::<CollateralParams>();
        follows_the_engine::<PoolParams>();
        follows_the_engine::<ExchangeParams>();
        follows_the_engine::<InsuranceParams>();
    }

    #[test]
    fn amounts_are_shown_as_they_are_written() {
        let decimals = Decimals { quote: 6, lots: 9, tokens: 8 };
        assert_eq!(Unit::Quote.show(10_500_000, decimals), "10.5");
        assert_eq!(Unit::Base.show(1_000_000, decimals), "0.001");
        assert_eq!(Unit::Tokens.show(100_000_000, decimals), "1");
        assert_eq!(Unit::Number.show(100, decimals), "100");
        assert_eq!(Unit::Quote.show(u64::MAX, decimals), "max");
    }
}
