//! Values that a file writes as text and that have a type of their own: addresses, roles, endpoints.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use bulwark_sdk::Pubkey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Reads one value.
pub(super) fn read<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

/// A set of values: a list of texts.
pub(super) mod set {
    use super::{BTreeSet, Deserialize, Deserializer, Display, FromStr, Serializer, de};

    pub fn deserialize<'de, T, D>(from: D) -> Result<BTreeSet<T>, D::Error>
    where
        T: FromStr<Err: Display> + Ord,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }

    pub fn serialize<T: Display, S: Serializer>(values: &BTreeSet<T>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }
}

/// Where to listen: an address and a port, or nothing for none.
pub(super) mod listen {
    use std::net::SocketAddr;

    use super::{Deserialize, Deserializer, Serializer, de};

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        let what = "an address and a port such as 127.0.0.1:9464, or \"\" for none";
        text.parse().map(Some).map_err(|_| de::Error::custom(format!("{text:?} must be {what}")))
    }

    pub fn serialize<S: Serializer>(listen: &Option<SocketAddr>, to: S) -> Result<S::Ok, S::Error> {
        match listen {
            Some(listen) => to.collect_str(listen),
            None => to.serialize_str(""),
        }
    }
}

/// An address in base58.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub Pubkey);

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: 32 bytes in base58")]
pub struct NoAddress(String);

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        text.parse().map(Self).map_err(|_| NoAddress(text.to_string()))
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which oracle: the id of a Pyth feed, or the address of an oracle's account. Both are 32 bytes, as the program keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed(pub [u8; 32]);

/// Text that names no oracle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no oracle: write a feed's id as 64 hexadecimal digits, or an account's address in base58")]
pub struct NoFeed(String);

impl FromStr for Feed {
    type Err = NoFeed;

    fn from_str(text: &str) -> Result<Self, NoFeed> {
        let hex = text.strip_prefix("0x").unwrap_or(text);
        if hex.len() == 64 {
            return from_hex(hex).map(Self).ok_or_else(|| NoFeed(text.to_string()));
        }
        let address = text.parse::<Pubkey>().map_err(|_| NoFeed(text.to_string()))?;
        Ok(Self(address.to_bytes()))
    }
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

impl Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a node is. Shown without what may be a secret: a path, a query, a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The whole of it, with its secrets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme and rest, if there are both.
    pub(super) fn scheme(&self) -> Option<&str> {
        self.0.split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme)
    }
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self(url.to_string())
    }
}

impl From<String> for Endpoint {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str("…") };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = authority.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}://{host}{}", if tail.len() > 1 { "/…" } else { tail })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

macro_rules! as_text {
    (both $($type:ty),*) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                read(from)
            }
        }
        as_text!(out $type);
    )* };
    (out $($type:ty),*) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )* };
}

as_text!(both Address, Feed);
as_text!(out Endpoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_its_id_or_an_address_and_nothing_else() {
        let id = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d";
        let feed: Feed = id.parse().unwrap();
        assert_eq!(format!("0x{id}").parse(), Ok(feed));
        assert_eq!(feed.to_string(), id);
        let address = Pubkey::new_from_array(feed.0);
        assert_eq!(address.to_string().parse(), Ok(feed));
        for bad in [&id[1..], "", &format!("+{}", &id[1..]), &id.replace('e', "x"), &"é".repeat(32)] {
            let error = bad.parse::<Feed>().unwrap_err().to_string();
            assert!(error.contains("is no oracle"), "{error}");
        }
    }

    #[test]
    fn an_endpoint_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("http://127.0.0.1:8899", "http://127.0.0.1:8899"),
            ("https://node.example/", "https://node.example/"),
            ("https://node.example/v2/KEY", "https://node.example/…"),
            ("https://node.example?api-key=KEY", "https://node.example/…"),
            ("wss://user:KEY@node.example:1/x", "wss://node.example:1/…"),
            ("KEY", "…"),
        ] {
            let endpoint = Endpoint::from(url);
            assert_eq!((endpoint.to_string(), endpoint.as_str()), (shown.to_string(), url));
            assert!(!format!("{endpoint:?}").contains("KEY"));
        }
    }
}
