//! The engine names the first parameter that is out of bounds; a file is told of every one.

use bulwark_sdk::engine::{EngineError, Result};

use crate::document::Document;
use crate::fields::{Described, Place};

/// A parameter out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which field, by its place in [`Described::FIELDS`].
    pub field: usize,
    /// What it is.
    pub value: u64,
    /// Least value that is allowed beside the other parameters.
    pub min: u64,
    /// Largest value that is.
    pub max: u64,
}

/// All parameters that the engine refuses, and what it refuses beside them without a parameter to name. One that is found is put into its bounds before the next is looked for, so
/// that whatever depends on it is judged by a value that can be.
pub(crate) fn violations<T: Described>(
    params: &T,
    validate: impl Fn(&T) -> Result<()>,
) -> (Vec<Violation>, Option<EngineError>) {
    let (mut params, mut found) = (*params, Vec::new());
    loop {
        let Err(error) = validate(&params) else { return (found, None) };
        let EngineError::ParameterOutOfBounds { name, value, min, max } = error else {
            return (found, Some(error));
        };
        let field = position(&params, name, value).filter(|_| found.len() < T::FIELDS.len());
        let Some(field) = field else { return (found, Some(error)) };
        found.push(Violation { field, value, min, max });
        if !(T::FIELDS[field].set)(&mut params, value.clamp(min, max.max(min))) {
            return (found, None);
        }
    }
}

/// The field that the engine means: it names some by the last part of their path.
pub(crate) fn position<T: Described>(params: &T, name: &str, value: u64) -> Option<usize> {
    let wanted = name.rsplit([' ', '.']).next()?;
    T::FIELDS.iter().position(|field| {
        let leaf = field.name.rsplit('.').next().and_then(|leaf| leaf.split('[').next());
        leaf == Some(wanted) && (field.get)(params) == value
    })
}

/// Notes every parameter that is out of bounds.
pub(crate) fn check<T: Described>(
    document: &Document<'_>,
    place: &Place<'_>,
    params: &T,
    validate: impl Fn(&T) -> Result<()>,
) {
    let (found, other) = violations(params, validate);
    if let Some(error) = other {
        document.wrong_at(place.table, error.to_string());
    }
    for Violation { field, value, min, max } in found {
        let field = &T::FIELDS[field];
        let [value, min, max] = [value, min, max].map(|number| field.unit.show(number, place.decimals));
        let message = format!("{value} is outside {min} to {max}");
        let path = place.path(document, field.name);
        // That one which has to be there is missing has been said.
        if field.optional || document.find(&path).is_some() {
            document.wrong_at(&path, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::engine::governance::ExchangeParams;

    use super::*;
    use crate::fields::{self, Decimals};
    use crate::file::Problem;

    const TEXT: &str = "[other]\n\n[exchange]\ntrigger_fee = \"20\"\nauto_exchange_threshold = \"1\"\n";

    fn checked(validate: impl Fn(&ExchangeParams) -> Result<()>) -> Vec<Problem> {
        let document = Document::parse(TEXT).unwrap();
        let place =
            Place { table: "exchange", preset: None, decimals: Decimals { quote: 6, ..Decimals::default() } };
        let params: ExchangeParams = fields::read(&document, &place);
        check(&document, &place, &params, validate);
        document.find("other");
        document.finish()
    }

    #[test]
    fn what_is_refused_without_naming_a_parameter_is_reported_at_the_table() {
        let sum = EngineError::ParameterOutOfBounds { name: "sum of offsets", value: 9, min: 0, max: 7 };
        for error in [sum, EngineError::Overflow] {
            let found = checked(|params| params.validate().and(Err(error)));
            let told: Vec<_> = found.into_iter().map(|p| (p.line, p.key, p.message)).collect();
            let expected = [
                (3, "exchange".to_string(), error.to_string()),
                (4, "exchange.trigger_fee".to_string(), "20 is outside 0 to 10".to_string()),
            ];
            assert_eq!(told, expected);
        }
        assert_eq!(checked(ExchangeParams::validate).len(), 1);
    }
}
