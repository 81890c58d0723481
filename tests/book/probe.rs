//! Hard bounds of parameters, asked of the engine's own checks: a value that is out of bounds is refused with the bounds.

use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use bulwark_engine::EngineError;
use bulwark_engine::tighten::Governed;
use serde_json::Value;

use crate::fields::{self, Field};

/// The check of a set of parameters.
pub type Check<P> = fn(&P) -> bulwark_engine::Result<()>;

/// A set of parameters that is valid, to be changed field by field.
pub struct Probe<P> {
    bytes: Vec<u8>,
    pub fields: Vec<Field>,
    check: Check<P>,
}

/// What the checks say of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub least: u64,
    pub most: u64,
    /// Other fields that move these bounds.
    pub by: Vec<String>,
}

impl<P: Governed + AnchorSerialize + AnchorDeserialize> Probe<P> {
    /// Of a valid set, whose type has this name in the interface description.
    pub fn new(idl: &Value, name: &str, (valid, check): (&P, Check<P>)) -> Self {
        check(valid).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut bytes = Vec::new();
        valid.serialize(&mut bytes).expect("a vector takes everything");
        let probe = Self { bytes, fields: fields::of(idl, name), check };
        let values: Vec<u64> = valid.values().into_iter().collect();
        assert_eq!(values.len(), probe.fields.len(), "{name}: fields without a row, or the other way round");
        for (rule, value) in P::RULES.iter().zip(values) {
            assert_eq!(probe.field(rule.name).get(&probe.bytes), value, "{name}: {}", rule.name);
        }
        probe
    }

    /// The field with this path.
    pub fn field(&self, path: &str) -> &Field {
        self.fields.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("no field {path}"))
    }

    /// Bounds of a field, with the fields that they depend on.
    pub fn bounds(&self, path: &str) -> Bounds {
        let field = self.field(path);
        let [low, high] = self.own(field, &self.bytes);
        let (least, most) = (low.unwrap_or(0), high.unwrap_or(field.most()));
        let value = field.get(&self.bytes);
        assert!((least..=most).contains(&value), "{path}: {value} is valid, and not in {least}..={most}");
        let others = self.fields.iter().filter(|other| other.path != path);
        let by = others.filter(|other| self.moves(other, field)).map(|other| other.path.clone()).collect();
        Bounds { least, most, by }
    }

    /// Lower and upper bound that refusals of the least and of the largest number name.
    fn own(&self, field: &Field, bytes: &[u8]) -> [Option<u64>; 2] {
        let refused = |value: u64| self.refused(field, bytes, value);
        [refused(0).map(|(min, _)| min), refused(field.most()).map(|(_, max)| max)]
    }

    /// Bounds that a refusal of this very field names.
    fn refused(&self, field: &Field, bytes: &[u8], value: u64) -> Option<(u64, u64)> {
        let mut bytes = bytes.to_vec();
        field.set(&mut bytes, value);
        let set = P::deserialize(&mut bytes.as_slice()).expect("numbers only");
        match (self.check)(&set) {
            Err(EngineError::ParameterOutOfBounds { name, min, max, .. }) if names(name, &field.path) => {
                Some((min, max))
            }
            Ok(()) | Err(EngineError::ParameterOutOfBounds { .. }) => None,
            Err(error) => panic!("{}: {error}", field.path),
        }
    }

    /// Whether another value of `other` moves the bounds of `field`.
    fn moves(&self, other: &Field, field: &Field) -> bool {
        let usual = self.own(field, &self.bytes);
        let [low, high] = self.own(other, &self.bytes);
        [low.unwrap_or(0), high.unwrap_or(other.most())].into_iter().any(|value| {
            let mut bytes = self.bytes.clone();
            other.set(&mut bytes, value);
            let moved = self.own(field, &bytes);
            usual.into_iter().zip(moved).any(|pair| matches!(pair, (Some(then), Some(now)) if then != now))
        })
    }
}

/// Whether a refusal is about this field: it names the last part of the path.
fn names(name: &str, path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let last = last.split('[').next().unwrap_or(last);
    name.rsplit(' ').next() == Some(last)
}
