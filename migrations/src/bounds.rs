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

/// All parameters that the engine refuses. One that is found is put into its bounds before the next is looked for, so
/// that whatever depends on it is judged by a value that can be.
pub(crate) fn violations<T: Described>(params: &T, validate: impl Fn(&T) -> Result<()>) -> Vec<Violation> {
    let (mut params, mut found) = (*params, Vec::new());
    while found.len() < T::FIELDS.len() {
        let Err(EngineError::ParameterOutOfBounds { name, value, min, max }) = validate(&params) else {
            break;
        };
        let Some(field) = position(&params, name, value) else { break };
        found.push(Violation { field, value, min, max });
        if !(T::FIELDS[field].set)(&mut params, value.clamp(min, max.max(min))) {
            break;
        }
    }
    found
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
    for Violation { field, value, min, max } in violations(params, validate) {
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
