//! The pages of instructions, events and errors, from the interface description.

use std::fmt::Write as _;

use serde_json::Value;

use crate::fields::definition;
use crate::page::{self, docs};

const MADE: &str = "<!-- Made by tests/book from idl/bulwark.json: `make book-pages` writes it. -->";

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_else(|| panic!("no {key} in {of}"))
}

fn all<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// A type as one writes it.
fn kind(of: &Value) -> String {
    if let Some(plain) = of.as_str() {
        return plain.to_string();
    }
    if let Some(name) = of["defined"]["name"].as_str() {
        return name.to_string();
    }
    if !of["option"].is_null() {
        return format!("{} or none", kind(&of["option"]));
    }
    match of["array"].as_array() {
        Some(array) => format!("{} × {}", array[1], kind(&array[0])),
        None => panic!("a type of its own kind: {of}"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "–".to_string() } else { items.join(", ") }
}

/// Arguments of an instruction; those of a struct by its fields.
fn arguments(idl: &Value, instruction: &Value) -> String {
    let named = |field: &Value| format!("`{}`", text(field, "name"));
    let flat = all(instruction, "args").iter().flat_map(|argument| match argument["type"]["defined"]["name"]
        .as_str()
    {
        Some(name) if name.ends_with("Args") => {
            all(&definition(idl, name)["type"], "fields").iter().map(named).collect()
        }
        _ => vec![named(argument)],
    });
    list(flat)
}

#[test]
fn the_page_of_instructions_is_current() {
    let idl = page::idl();
    let mut page = format!(
        "# Instructions\n\n{MADE}\n\nWho has to sign, and what it does. Where nobody signs but the one who pays the fee of the \
         transaction, anyone can call.\nAccounts and their order are in `idl/bulwark.json`; both SDKs fill them in.\n\n\
         | instruction | signed by | arguments | what it does |\n|---|---|---|---|\n"
    );
    for instruction in all(&idl, "instructions") {
        let signers = all(instruction, "accounts").iter().filter(|account| account["signer"] == true);
        let signers = list(signers.map(|account| format!("`{}`", text(account, "name"))));
        let signers = if signers == "–" { "anyone".to_string() } else { signers };
        let (name, arguments) = (text(instruction, "name"), arguments(&idl, instruction));
        writeln!(page, "| `{name}` | {signers} | {arguments} | {} |", docs(instruction)).expect("a string");
    }
    page::check("instructions.md", &page);
}

#[test]
fn the_page_of_events_is_current() {
    let idl = page::idl();
    let mut page = format!(
        "# Events\n\n{MADE}\n\nEvents are in the log of the transaction (`Program data: …`, base64: 8 bytes of discriminator, then the \
         fields in Borsh). Each\nsource of events numbers them, see `sequence`: after a gap, read the accounts. The runtime cuts a log at 10 kB.\n"
    );
    for event in all(&idl, "events") {
        let definition = definition(&idl, text(event, "name"));
        writeln!(page, "\n## {}\n\n{}\n", text(event, "name"), docs(definition)).expect("a string");
        page.push_str("| field | type | what it is |\n|---|---|---|\n");
        for field in all(&definition["type"], "fields") {
            let (name, kind) = (text(field, "name"), kind(&field["type"]));
            writeln!(page, "| `{name}` | {kind} | {} |", docs(field)).expect("a string");
        }
    }
    page::check("events.md", &page);
}

#[test]
fn the_page_of_errors_is_current() {
    let idl = page::idl();
    let mut page = format!(
        "# Errors\n\n{MADE}\n\nWhat the program refuses with. The message says what to do; the numbers behind it are in the log of \
         the transaction. Both SDKs\ngive name, message and numbers.\n\n| code | name | message |\n|---|---|---|\n"
    );
    for error in all(&idl, "errors") {
        let (code, name) = (&error["code"], text(error, "name"));
        writeln!(page, "| {code} | `{name}` | {} |", page::cell(text(error, "msg"))).expect("a string");
    }
    page::check("errors.md", &page);
}
