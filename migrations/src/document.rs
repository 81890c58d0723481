//! A TOML document whose every value knows its line, and which remembers what was asked of it: a key that nobody asked
//! for is a mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use bulwark_sdk::Pubkey;
use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Path of the key; empty for a mistake of the whole document.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, message } = self;
        let colon = if key.is_empty() { "" } else { ": " };
        write!(f, "{line}:{column}: {key}{colon}{message}")
    }
}

/// A parsed document, what was asked of it, and the mistakes found so far.
pub(crate) struct Document<'a> {
    text: &'a str,
    root: Spanned<DeValue<'a>>,
    asked: RefCell<BTreeSet<String>>,
    problems: RefCell<Vec<Problem>>,
}

/// A value with its place.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'d> {
    spanned: &'d Spanned<DeValue<'d>>,
}

impl<'a> Document<'a> {
    /// Parses a text.
    ///
    /// # Errors
    /// The first mistakes of syntax.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| {
                let (line, column) = place(text, error.span().map_or(0, |span| span.start));
                Problem { line, column, key: String::new(), message: error.message().to_string() }
            };
            return Err(errors.iter().map(problem).collect());
        }
        let span = table.span();
        let root = Spanned::new(span, DeValue::Table(table.into_inner()));
        Ok(Self { text, root, asked: RefCell::default(), problems: RefCell::default() })
    }

    /// The value at a path such as `market[0].params.step`; the path counts as known from now on.
    pub(crate) fn find(&self, path: &str) -> Option<Entry<'_>> {
        self.asked.borrow_mut().insert(path.to_string());
        let mut at = &self.root;
        for (key, index) in segments(path) {
            let table = at.get_ref().as_table()?;
            at = table.iter().find(|(name, _)| name.get_ref() == key)?.1;
            if let Some(index) = index {
                at = at.get_ref().as_array()?.get(index)?;
            }
        }
        Some(Entry { spanned: at })
    }

    /// How many tables or values the array at a path has; none if it is not there.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.find(path).and_then(|entry| entry.value().as_array().map(|array| array.len())).unwrap_or(0)
    }

    /// The value at a path, which must be there: a missing one is a mistake of the table that it belongs in.
    pub(crate) fn need(&self, path: &str) -> Option<Entry<'_>> {
        let found = self.find(path);
        if found.is_none() {
            self.missing(path);
        }
        found
    }

    /// Text at a path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        let found = self.find(path)?;
        let text = found.spanned.get_ref().as_str();
        if text.is_none() {
            self.wrong(path, found, "must be a text in quotes");
        }
        text
    }

    /// Text at a path, which must be there.
    pub(crate) fn need_text(&self, path: &str) -> Option<&str> {
        self.need(path)?;
        self.text(path)
    }

    /// A whole number at a path.
    pub(crate) fn number(&self, path: &str) -> Option<u64> {
        let found = self.find(path)?;
        let number = found.number();
        if number.is_none() {
            self.wrong(path, found, "must be a whole number, not negative");
        }
        number
    }

    /// A whole number of a smaller type at a path, which must be there.
    pub(crate) fn need_number<T: TryFrom<u64>>(&self, path: &str) -> Option<T> {
        let found = self.need(path)?;
        let number = T::try_from(self.number(path)?).ok();
        if number.is_none() {
            self.wrong(path, found, "is too large");
        }
        number
    }

    /// Notes a mistake of a value.
    pub(crate) fn wrong(&self, path: &str, entry: Entry<'_>, message: impl Into<String>) {
        self.report(entry.spanned.span(), path, message.into());
    }

    /// An address at a path.
    pub(crate) fn key(&self, path: &str) -> Option<Pubkey> {
        let key = self.text(path)?.parse().ok();
        if key.is_none() {
            self.wrong_at(path, "must be an address in base58");
        }
        key
    }

    /// Notes a mistake of whatever is at a path, or of its absence.
    pub(crate) fn wrong_at(&self, path: &str, message: impl Into<String>) {
        match self.find(path) {
            Some(entry) => self.wrong(path, entry, message),
            None => self.absent(path, message.into()),
        }
    }

    /// Notes that a value is missing.
    pub(crate) fn missing(&self, path: &str) {
        self.absent(path, "is missing".to_string());
    }

    /// Notes a mistake at the table that a path would be in.
    fn absent(&self, path: &str, message: String) {
        let mut parent = path;
        let span = loop {
            parent = parent.rsplit_once('.').map_or("", |(parent, _)| parent);
            if parent.is_empty() {
                break 0..0;
            }
            if let Some(entry) = self.find(parent) {
                break entry.spanned.span();
            }
        };
        self.report(span, path, message);
    }

    fn report(&self, span: Range<usize>, path: &str, message: String) {
        let (line, column) = place(self.text, span.start);
        self.problems.borrow_mut().push(Problem { line, column, key: path.to_string(), message });
    }

    /// All mistakes in the order of the file, keys that nobody asked for among them.
    pub(crate) fn finish(self) -> Vec<Problem> {
        if let Some(table) = self.root.get_ref().as_table() {
            self.unknown("", table);
        }
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        problems
    }

    fn unknown(&self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{}", key.get_ref());
            let (prefix, item) = (format!("{path}."), format!("{path}["));
            let asked = self.asked.borrow();
            let leaf = asked.contains(&path);
            let inside = asked.iter().any(|asked| asked.starts_with(&prefix) || asked.starts_with(&item));
            drop(asked);
            match value.get_ref() {
                DeValue::Table(table) if inside => self.unknown(&path, table),
                DeValue::Array(array) if inside => {
                    for (index, value) in array.iter().enumerate() {
                        if let DeValue::Table(table) = value.get_ref() {
                            self.unknown(&format!("{path}[{index}]"), table);
                        }
                    }
                }
                _ if leaf => {}
                _ => self.report(key.span(), &path, "is not a key that this file has".to_string()),
            }
        }
    }
}

impl<'d> Entry<'d> {
    /// The value.
    pub(crate) fn value(&self) -> &'d DeValue<'d> {
        self.spanned.get_ref()
    }

    fn number(&self) -> Option<u64> {
        let integer = self.value().as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }
}

/// Keys of a path with their indices.
fn segments(path: &str) -> impl Iterator<Item = (&str, Option<usize>)> {
    path.split('.').map(|segment| match segment.split_once('[') {
        Some((key, index)) => (key, index.trim_end_matches(']').parse().ok()),
        None => (segment, None),
    })
}

/// Line and column of a byte.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
