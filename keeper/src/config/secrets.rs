//! Keeps keys in the addresses of nodes out of what a keeper writes.
//!
//! Providers put keys into the path, the query or the user of an address, and HTTP clients put the address into their errors. So
//! whatever is written goes through here.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Config, Endpoint};

/// Parts of addresses that may be secret. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Shorter parts are no keys, and are found in other words.
    const LEAST: usize = 6;
    const HIDDEN: &'static str = "…";

    /// Of the endpoints of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let endpoints = [&config.cluster.rpc_url, &config.cluster.ws_url];
        let mut parts: Vec<String> = endpoints.into_iter().flat_map(parts).map(str::to_string).collect();
        parts.retain(|part| part.len() >= Self::LEAST);
        // The longer first, lest a part of it be replaced and the rest stay.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Self(parts.into())
    }

    /// The text without them.
    #[must_use]
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.iter().fold(Cow::Borrowed(text), |text, secret| match text.contains(secret.as_str()) {
            true => Cow::Owned(text.replace(secret.as_str(), Self::HIDDEN)),
            false => text,
        })
    }
}

/// User, path and query of an address, as far as it has them.
fn parts(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    let url = endpoint.as_str();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let (path, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    user.into_iter().flat_map(|user| user.split(':')).chain([path.trim_start_matches('/')]).chain(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_addresses_are_not_written_however_a_client_writes_the_address() {
        let mut config = Config::default();
        config.cluster.rpc_url = "https://node.example?api-key=TOPSECRET".into();
        config.cluster.ws_url = "wss://user:PASSWORD@node.example/v2/OTHERSECRET/".into();
        let secrets = Secrets::of(&config);
        let error = "no answer from https://node.example/?api-key=TOPSECRET, wss://user:PASSWORD@node.example/v2/OTHERSECRET/";
        let written = secrets.hide(error);
        assert_eq!(written, "no answer from https://node.example/?…, wss://user:…@node.example/…");
        assert_eq!(secrets.hide("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn an_address_without_a_key_has_nothing_to_hide() {
        let text = "http://127.0.0.1:8899 ws://127.0.0.1:8900 /";
        assert!(matches!(Secrets::of(&Config::default()).hide(text), Cow::Borrowed(same) if same == text));
    }
}
