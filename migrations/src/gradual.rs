//! One change may move a parameter only so far. A target that is further away is reached by several changes, each as
//! large as may be.

use bulwark_sdk::engine::tighten::{Effect, Move, Safer, moves};

use crate::fields::{Decimals, Described};

/// A step towards a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stride<T> {
    /// What one change reaches.
    pub next: T,
    /// What is left after it, field by field.
    pub rest: Vec<String>,
    /// What no change ever reaches.
    pub never: Vec<String>,
}

/// The largest step from present parameters towards a target that one change may take and that `is_valid` allows.
pub(crate) fn towards<T: Described>(
    (from, to): (&T, &T),
    decimals: Decimals,
    is_valid: impl Fn(&T) -> bool,
) -> Stride<T> {
    let planned: Vec<Move> = moves(from, to).collect();
    let reached: Vec<u64> = planned.iter().map(reach).collect();
    let all_at_once = with(from, reached.iter().copied().enumerate());
    let next = if is_valid(&all_at_once) { all_at_once } else { one_by_one(from, &reached, is_valid) };
    let (mut rest, mut never) = (Vec::new(), Vec::new());
    for (field, planned) in T::FIELDS.iter().zip(&planned) {
        let now = (field.get)(&next);
        if now == planned.to {
            continue;
        }
        let show = |value| field.unit.show(value, decimals);
        let (now, to) = (show(now), show(planned.to));
        if planned.rule.safer == Safer::Fixed {
            never.push(format!(
                "{} was decided at the listing: it stays {now}, the file says {to}",
                field.name
            ));
        } else {
            rest.push(format!("{} then goes on from {now} to {to}", field.name));
        }
    }
    Stride { next, rest, never }
}

/// A target without what it loosens, and what that is, field by field.
pub(crate) fn held<T: Described>((from, to): (&T, &T), decimals: Decimals) -> (T, Vec<String>) {
    let planned: Vec<Move> = moves(from, to).collect();
    let loosens = || planned.iter().enumerate().filter(|(_, planned)| planned.effect() == Effect::Loosens);
    let held = with(to, loosens().map(|(index, planned)| (index, planned.from)));
    let say = |(index, planned): (usize, &Move)| {
        let field = &T::FIELDS[index];
        let [is, says] = [planned.from, planned.to].map(|value| field.unit.show(value, decimals));
        format!(
            "{} is {is} on the chain, stricter than the file's {says}: put that into the file, or pass --loosen to propose \
             the file's",
            field.name
        )
    };
    (held, loosens().map(say).collect())
}

/// What one change reaches of one parameter.
fn reach(planned: &Move) -> u64 {
    planned.reach().map_or(planned.from, |(least, most)| planned.to.clamp(least, most))
}

fn with<T: Described>(from: &T, values: impl Iterator<Item = (usize, u64)>) -> T {
    let mut params = *from;
    for (index, value) in values {
        // A value between two that the field has fits.
        let _ = (T::FIELDS[index].set)(&mut params, value);
    }
    params
}

/// Parameters that depend on each other can't always go as far as each might alone: each goes once it is allowed.
fn one_by_one<T: Described>(from: &T, reached: &[u64], is_valid: impl Fn(&T) -> bool) -> T {
    let mut next = *from;
    let mut open: Vec<usize> = (0..reached.len()).collect();
    loop {
        let before = open.len();
        open.retain(|&index| {
            let moved = with(&next, std::iter::once((index, reached[index])));
            let allowed = is_valid(&moved);
            if allowed {
                next = moved;
            }
            !allowed
        });
        if open.len() == before || open.is_empty() {
            return next;
        }
    }
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::engine::market::MarketParams;
    use bulwark_sdk::engine::tighten::require_steps;
    use bulwark_tests::fixtures::SOL_ASSET;

    use super::*;

    fn decimals() -> Decimals {
        Decimals { quote: 6, lots: 9, tokens: 0 }
    }

    fn stride(from: &MarketParams, to: &MarketParams) -> Stride<MarketParams> {
        let stride = towards((from, to), decimals(), |params| params.validate().is_ok());
        stride.next.validate().unwrap();
        require_steps(from, &stride.next).unwrap();
        stride
    }

    #[test]
    fn a_target_within_reach_is_one_step() {
        let from = SOL_ASSET.market_params();
        let to = MarketParams { taker_fee_ppm: 700, ..from };
        assert_eq!(stride(&from, &to), Stride { next: to, rest: vec![], never: vec![] });
    }

    #[test]
    fn a_target_further_away_is_reached_by_the_largest_steps() {
        let mut at = MarketParams { target_weight_ppm: 100_000, ..SOL_ASSET.market_params() };
        let to = MarketParams { target_weight_ppm: 400_000, ..at };
        let mut weights = Vec::new();
        while at != to {
            let step = stride(&at, &to);
            assert_eq!(step.rest.is_empty(), step.next == to);
            at = step.next;
            weights.push(at.target_weight_ppm);
        }
        assert_eq!(weights, [150_000, 225_000, 337_500, 400_000]);
    }

    #[test]
    fn parameters_that_depend_on_each_other_go_in_an_order_that_is_allowed() {
        let mut at = SOL_ASSET.market_params();
        // The gap asks for more maintenance margin than one change may raise it to.
        let to = MarketParams { max_gap_ppm: 60_000, mmf_ppm: 80_000, imf_ppm: 120_000, ..at };
        let mut steps = 0;
        while at != to {
            let step = stride(&at, &to);
            assert_ne!(step.next, at, "{:?}", step.rest);
            (at, steps) = (step.next, steps + 1);
        }
        // 31,000 rises by a quarter each time.
        assert_eq!(steps, 5);
    }

    #[test]
    fn what_was_decided_at_the_listing_stays() {
        let from = SOL_ASSET.market_params();
        let to = MarketParams { lot_decimals: 8, ..from };
        let step = stride(&from, &to);
        assert_eq!((step.next, step.rest.len(), step.never.len()), (from, 0, 1));
    }
}
