//! Which sources can be named at all, and those of the quote token, which can do without.

use bulwark_sdk::engine::collateral::QuoteWeight;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::{OWNERS, OracleSource, SourceKind};
use bulwark_sdk::program::state::{ChangePayload, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::World;
use bulwark_tests::fixtures::{self, PRINT};

use crate::feeds::*;
use crate::scene::*;
use SourceKind::{PythPull, PythPush, Switchboard};

/// Sources that nobody can configure.
fn bad() -> Vec<(&'static str, [OracleSource; 2])> {
    let (good, none) = (feed(PythPull, 0).source(), OracleSource::NONE);
    let other = feed(PythPush, 1).source();
    let owned_by = |owner| OracleSource { owner, ..good };
    let mut padded = good;
    padded._padding[6] = 1;
    let mut bad = vec![
        ("no primary", [none, other]),
        ("the same twice", [good, good]),
        ("an unknown owner", [owned_by(fixtures::address("nobody's program")), none]),
        ("the program itself", [owned_by(address::PROGRAM), none]),
        ("no owner", [owned_by(Pubkey::default()), none]),
        ("an unknown kind", [OracleSource { kind: 4, ..good }, none]),
        ("no kind", [OracleSource { kind: 0, ..good }, none]),
        ("padding", [padded, none]),
        ("an unknown second owner", [good, OracleSource { owner: address::PROGRAM, ..other }]),
        ("an unknown second kind", [good, OracleSource { kind: 255, ..other }]),
        ("half of a second one", [good, OracleSource { feed: [1; 32], ..none }]),
    ];
    // Every known owner, for what it does not write.
    for (kind, owner) in OWNERS {
        for other in [PythPull, PythPush, Switchboard].into_iter().filter(|other| *other != kind) {
            let known = OWNERS.contains(&(other, owner));
            assert!(!known);
            bad.push(("of another kind", [OracleSource { owner, kind: other as u8, ..good }, none]));
        }
    }
    bad
}

#[test]
fn sources_that_make_no_sense_are_refused_when_they_are_proposed() {
    let mut world = world();
    let params = UNI.listed_params();
    let vault_params = fixtures::collateral_params(1_000_000);
    let mint = fixtures::address("another mint");
    let none = ("none at all", [OracleSource::NONE; 2]);
    for (what, sources) in bad().into_iter().chain([none]) {
        let needing = [
            Place::Market(A).change(sources),
            Place::Vault(TOKEN).change(sources),
            ChangePayload::CreateMarket { sources, params },
            ChangePayload::CreateVault { mint, sources, params: vault_params },
        ];
        for payload in needing {
            refuse_proposal(&mut world, payload, "InvalidPayload");
        }
        // The quote token can do without.
        let quote = Place::Vault(Vault::QUOTE).change(sources);
        if what == none.0 {
            world.propose(quote).expect("propose_change");
        } else {
            refuse_proposal(&mut world, quote, "InvalidPayload");
        }
    }
    for (kind, owner) in OWNERS {
        let sources =
            [OracleSource { owner, kind: kind as u8, ..feed(PythPull, 0).source() }, OracleSource::NONE];
        for place in [Place::Market(A), Place::Vault(TOKEN), Place::Vault(Vault::QUOTE)] {
            world.propose(place.change(sources)).expect("a known one");
        }
    }
}

#[test]
fn the_quote_token_gets_an_oracle_and_loses_it_again() {
    let (mut world, ..) = two_markets();
    let place = Place::Vault(Vault::QUOTE);
    let usd = |kind, n| Feed { asset: USD, kind, n };
    let feeds = [usd(PythPull, 0), usd(PythPush, 1)];
    let weight = |world: &World| world.exchange().quote_weight.at(world.now());
    assert_eq!(world.exchange().quote_weight, QuoteWeight::WHOLE);
    let alone = world.listings.vaults[0].mint;
    let refresh = ix::refresh_vault((Vault::QUOTE, &alone), accounts(&feeds));
    for feed in &feeds {
        feed.print(&mut world, 95 * PRINT / 100, 0);
    }
    refuse(&mut world, &refresh, &[], "OracleNotConfigured");

    let nonce = ripe(&mut world, place.change(pair(&feeds)));
    assert_eq!(weight(&world), 1_000_000, "in full until then");
    for feed in &feeds {
        feed.print(&mut world, 95 * PRINT / 100, 0);
    }
    let (_, revision) = place.sources(&world);
    world.execute(nonce, Some(accounts(&feeds))).expect("execute_change");
    assert_eq!(place.sources(&world), (pair(&feeds), revision + 1));
    // 0.95 is not exact in binary: rounded down.
    let floor = 1_000_000 - world.vault(Vault::QUOTE).core.params.haircut_init_ppm;
    let until = world.now() + 60;
    let expected = QuoteWeight { until, fresh_ppm: 949_999, floor_ppm: floor };
    assert_eq!(world.exchange().quote_weight, expected);
    world.advance(61);
    assert_eq!(weight(&world), floor, "no longer than its price lives");
    for feed in &feeds {
        feed.print(&mut world, 97 * PRINT / 100, 0);
    }
    accept(&mut world, &refresh, &[]);
    let above = weight(&world);
    assert!((949_999..970_000).contains(&above) && above > floor, "{above}");

    // One more: a third source alone, at another price although the present one lives.
    let third = usd(Switchboard, 2);
    let gone = ripe(&mut world, place.change([OracleSource::NONE; 2]));
    assert_eq!(weight(&world), floor);
    world.execute(gone, None).expect("execute_change");
    assert_eq!(world.exchange().quote_weight, QuoteWeight::WHOLE);
    assert_eq!(place.sources(&world), ([OracleSource::NONE; 2], revision + 2));
    refuse(&mut world, &refresh, &[], "OracleNotConfigured");
    world.advance(1_000_000);
    assert_eq!(weight(&world), 1_000_000, "in full whatever time passes");

    // And another one again, whose price is another.
    let nonce = ripe(&mut world, place.change(pair(&[third])));
    third.print(&mut world, 90 * PRINT / 100, 0);
    world.execute(nonce, Some(accounts(&[third]))).expect("execute_change");
    assert_eq!(weight(&world), 899_999);
}
