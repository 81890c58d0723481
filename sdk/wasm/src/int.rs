//! Integers as text: `"-12n"`. The letter tells them from other text.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An integer of any width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int<T>(pub T);

impl<T: Display> Serialize for Int<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}n", self.0))
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Int<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_suffix('n').and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| D::Error::custom(format!("{text} is no integer of this width")))
    }
}
