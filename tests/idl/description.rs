//! Nothing is missing, and every discriminator is the program's.

use std::collections::BTreeSet;

use anchor_lang::Discriminator;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::*;
use bulwark_sdk::{Instruction, address};
use bulwark_tests::World;
use sha2::{Digest as _, Sha256};

use crate::support::*;

/// What Anchor begins instruction data, accounts and events with.
fn discriminator(kind: &str, name: &str) -> Vec<u8> {
    Sha256::digest(format!("{kind}:{name}"))[..8].to_vec()
}

/// The name that each of these texts begins with.
fn names<'a>(texts: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    texts.map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().expect("a name")).collect()
}

#[test]
fn the_description_is_of_this_program() {
    assert_eq!(IDL.address, address::PROGRAM.to_string());
    assert_eq!((IDL.metadata.name.as_str(), IDL.metadata.spec.as_str()), ("bulwark", "0.1.0"));
}

#[test]
fn every_entry_point_is_described_with_its_documentation() {
    let entry_points = source(&repository("programs/bulwark/src/lib.rs"));
    let described: BTreeSet<_> = IDL.instructions.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(described, names(entry_points.split("pub fn ").skip(1)));
    for instruction in &IDL.instructions {
        assert!(!instruction.docs.is_empty(), "{}", instruction.name);
    }
}

#[test]
fn every_event_is_described_with_its_documentation() {
    let sources = program_sources();
    let events = sources.iter().flat_map(|(_, text)| text.split("#[event]").skip(1));
    let structs = events.map(|text| text.split_once("pub struct ").expect("a struct").1);
    let described: BTreeSet<_> = IDL.events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(described, names(structs));
    for event in &IDL.events {
        assert!(!type_of(&event.name).docs.is_empty(), "{}", event.name);
    }
}

#[test]
fn every_error_says_what_to_do() {
    let codes: Vec<_> = IDL.errors.iter().map(|e| e.code).collect();
    assert_eq!(codes, (6000..).take(codes.len()).collect::<Vec<_>>());
    for error in &IDL.errors {
        assert!(error.msg.as_ref().is_some_and(|text| !text.is_empty()), "{}", error.name);
    }
}

#[test]
fn discriminators_are_the_hashes_that_anchor_defines() {
    for instruction in &IDL.instructions {
        assert_eq!(instruction.discriminator, discriminator("global", &instruction.name));
    }
    for event in &IDL.events {
        assert_eq!(event.discriminator, discriminator("event", &event.name));
    }
    for account in &IDL.accounts {
        assert_eq!(account.discriminator, discriminator("account", &account.name));
    }
}

#[test]
fn accounts_begin_with_the_discriminators_of_the_rust_types() {
    let types = [
        ("Change", Change::DISCRIMINATOR),
        ("Exchange", Exchange::DISCRIMINATOR),
        ("InsuranceFund", InsuranceFund::DISCRIMINATOR),
        ("MarginAccount", MarginAccount::DISCRIMINATOR),
        ("Market", Market::DISCRIMINATOR),
        ("Pool", Pool::DISCRIMINATOR),
        ("RedeemTicket", RedeemTicket::DISCRIMINATOR),
        ("UnstakeTicket", UnstakeTicket::DISCRIMINATOR),
        ("Vault", Vault::DISCRIMINATOR),
    ];
    let described: Vec<_> =
        IDL.accounts.iter().map(|a| (a.name.as_str(), a.discriminator.as_slice())).collect();
    assert_eq!(described, types);
}

#[test]
fn the_compiled_program_knows_every_instruction_that_is_described() {
    let mut world = World::bare();
    let mut call = |data: Vec<u8>| {
        let bare = Instruction { program_id: address::PROGRAM, accounts: vec![], data };
        world.send_unchecked(&[bare], &[]).expect_err("without accounts").name.expect("a named error")
    };
    for instruction in &IDL.instructions {
        let name = call(instruction.discriminator.clone());
        assert_ne!(name, "InstructionFallbackNotFound", "{}", instruction.name);
    }
    assert_eq!(call(discriminator("global", "no_such_instruction")), "InstructionFallbackNotFound");
}

#[test]
fn the_sdk_reads_every_event_that_is_described_under_its_name() {
    for event in &IDL.events {
        // Fields of zeros: integers, keys, flags and first variants.
        let read = (0..512)
            .find_map(|length| Event::decode(&[event.discriminator.as_slice(), &vec![0; length]].concat()));
        let name = format!("{:?}", read.unwrap_or_else(|| panic!("the SDK does not read {}", event.name)));
        assert!(name.starts_with(&format!("{}(", event.name)), "{} is read as {name}", event.name);
    }
}
