//! Oracle sources as a file names them.

use bulwark_sdk::Pubkey;
use bulwark_sdk::program::governance::require_sources;
use bulwark_sdk::program::oracle::{OWNERS, OracleSource, SourceKind};

use crate::document::Document;

/// Primary and secondary source of a table, `needed` where there has to be one; mistakes are noted in the document.
pub(crate) fn read(document: &Document<'_>, table: &str, needed: bool) -> Option<[OracleSource; 2]> {
    let [primary, secondary] = ["primary", "secondary"].map(|name| format!("{table}.{name}"));
    let sources = [source(document, &primary), source(document, &secondary)];
    let [Ok(first), Ok(second)] = sources else { return None };
    let sources = [first, second];
    if require_sources(&sources, needed).is_err() {
        if first.is_some() {
            document.wrong_at(&secondary, "must be another source than the primary one");
        } else if needed {
            document.missing(&primary);
        } else {
            document.wrong_at(&secondary, "can't be there without a primary one");
        }
    }
    Some(sources)
}

/// A source such as `{ pyth_pull = "<feed id>" }`, with `owner` where it isn't mainnet's program.
fn source(document: &Document<'_>, path: &str) -> Result<OracleSource, ()> {
    if document.find(path).is_none() {
        return Ok(OracleSource::NONE);
    }
    let kinds = [
        ("pyth_pull", SourceKind::PythPull),
        ("pyth_push", SourceKind::PythPush),
        ("switchboard", SourceKind::Switchboard),
    ];
    let named: Vec<_> =
        kinds.iter().filter(|(key, _)| document.find(&format!("{path}.{key}")).is_some()).collect();
    let [(key, kind)] = named[..] else {
        document.wrong_at(path, "must have one of the keys pyth_pull, pyth_push, switchboard");
        return Err(());
    };
    let feed_path = format!("{path}.{key}");
    let feed = document.text(&feed_path).ok_or(())?;
    let feed = match kind {
        SourceKind::PythPull => feed_id(feed),
        _ => feed.parse().ok().map(|address: Pubkey| address.to_bytes()),
    };
    if feed.is_none() {
        let what = if *kind == SourceKind::PythPull { "a feed id: 64 hex digits" } else { "an address" };
        document.wrong_at(&feed_path, format!("must be {what}"));
    }
    let owner = owner(document, &format!("{path}.owner"), *kind)?;
    // The stored form of a kind is its discriminant.
    Ok(OracleSource { owner, feed: feed.ok_or(())?, kind: *kind as u8, _padding: [0; 7] })
}

fn owner(document: &Document<'_>, path: &str, kind: SourceKind) -> Result<Pubkey, ()> {
    let known: Vec<Pubkey> = OWNERS.iter().filter(|(of, _)| *of == kind).map(|(_, owner)| *owner).collect();
    if document.find(path).is_none() {
        return known.first().copied().ok_or(());
    }
    let owner = document.key(path).ok_or(())?;
    if !known.contains(&owner) {
        let known: Vec<String> = known.iter().map(Pubkey::to_string).collect();
        document
            .wrong_at(path, format!("must be a program that the exchange believes: {}", known.join(" or ")));
    }
    Ok(owner)
}

fn feed_id(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut feed = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in feed.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(feed)
}
