//! Instructions of the program inside Squads' own: what members of a Squads multisig would sign is exactly our instruction,
//! with the vault as its signer.

use std::collections::BTreeMap;

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::tighten::Effect;
use bulwark_sdk::instruction::{self as ix, Margin, OracleAccounts};
use bulwark_sdk::listings::{Listings, VaultListing};
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange, MarginAccount};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, SOL_ASSET};
use bulwark_tests::{Signer, World};
use bytemuck::Zeroable;
use solana_message::Message;
use solana_transaction::Transaction;

use crate::explain::explain;
use crate::squads_instructions::{Inner, PROGRAM, Squads, discriminator};

/// A packet, less the lengths and the blockhash that are in the message already.
const LARGEST_TRANSACTION: usize = 1232;

/// The transaction about which all these tests are.
fn squads() -> Squads {
    let [create_key, member, rent_payer] = [1, 2, 3].map(|byte| Pubkey::new_from_array([byte; 32]));
    Squads { create_key, member, rent_payer, index: 0x0102 }
}

/// The largest payload: a market with two oracles.
fn largest() -> ChangePayload {
    let sources = [0, 1].map(|n| fixtures::pyth_source(SOL_ASSET.feed(n)));
    ChangePayload::CreateMarket {
        sources,
        params: MarketParams { target_weight_ppm: 100_000, ..SOL_ASSET.live_params() },
    }
}

fn listings() -> Listings {
    let mut listings = Listings::default();
    listings.vaults.push(VaultListing::of_mint(fixtures::address("USDC"), address::TOKEN_PROGRAM));
    listings.markets.insert(0, address::market(0));
    listings
}

/// Instructions that the vault signs.
fn ours(vault: Pubkey) -> Vec<Instruction> {
    let margin = address::margin_account(&vault, 3);
    let account = MarginAccount { owner: vault, incarnation: 5, ..MarginAccount::zeroed() };
    let payer = Pubkey::new_from_array([9; 32]);
    let change = Change { nonce: u64::MAX - 1, payer, ..Change::zeroed() };
    let [list, _] = ix::create_market((vault, payer), 0, World::oracles(&SOL_ASSET), &change);
    let token = (fixtures::address("a mint"), address::TOKEN_PROGRAM);
    let oracles =
        OracleAccounts { secondary: Some(World::oracle_key(&SOL_ASSET, 1)), ..World::oracles(&SOL_ASSET) };
    let stricter = ChangePayload::MarketParams {
        market: 0,
        params: MarketParams { target_weight_ppm: 100_000, ..SOL_ASSET.live_params() },
    };
    let propose = |payer, payload| {
        ix::propose_change(&listings(), (vault, payer), change.nonce, payload).expect("builds")
    };
    vec![
        propose(payer, largest()),
        propose(vault, largest()),
        propose(payer, stricter),
        ix::cancel_change(vault, &change),
        ix::tighten(&listings(), vault, stricter).expect("builds"),
        ix::set_pause(vault, Some(0), 5),
        ix::nominate_admin(vault, Pubkey::new_from_array([7; 32])),
        ix::accept_admin(vault),
        ix::create_vault((vault, payer), token, oracles, &change),
        ix::collect_protocol_fees(&listings(), vault, (Pubkey::new_from_array([6; 32]), 1)).expect("builds"),
        list,
        ix::set_delegate(Margin { address: margin, account: &account }, Pubkey::new_from_array([8; 32])),
        ix::open_margin_account(vault, vault, 3),
        ix::open_margin_account(vault, payer, 3),
    ]
}

/// The instruction as a message carries it: flags belong to a key, not to its places, and the vault pays.
fn unified(instruction: &Instruction, vault: &Pubkey) -> Instruction {
    let mut unified = instruction.clone();
    for meta in &mut unified.accounts {
        let same = || instruction.accounts.iter().filter(|other| other.pubkey == meta.pubkey);
        meta.is_writable = meta.pubkey == *vault || same().any(|other| other.is_writable);
        meta.is_signer = same().any(|other| other.is_signer);
    }
    unified
}

/// Wraps an instruction as Squads does, and asserts that what comes out is that instruction, that everybody but the vault
/// signs outside, and that the transaction fits into a packet.
#[track_caller]
fn assert_carried(squads: &Squads, instruction: &Instruction) {
    let vault = squads.vault();
    let create = squads.vault_transaction_create(&squads.message(instruction));
    let decoded = Inner::of_create(&create.data).expect("a message");
    assert_eq!(decoded.invoked(), [unified(instruction, &vault)]);

    let execute = squads.vault_transaction_execute(&decoded);
    let (own, passed) = execute.accounts.split_at(4);
    assert!(own.iter().all(|meta| meta.pubkey != vault));
    assert_eq!(passed.iter().map(|meta| meta.pubkey).collect::<Vec<_>>(), decoded.keys);
    let mut signers: Vec<_> = passed.iter().filter(|meta| meta.is_signer).map(|meta| meta.pubkey).collect();
    let mut expected: Vec<_> =
        instruction.accounts.iter().filter(|meta| meta.is_signer).map(|m| m.pubkey).collect();
    expected.retain(|key| *key != vault);
    signers.sort();
    expected.sort();
    assert_eq!(signers, expected, "everybody but the vault");

    for outer in [create, squads.proposal_create(), squads.proposal_approve(), execute] {
        let transaction = Transaction::new_unsigned(Message::new(&[outer], Some(&squads.rent_payer)));
        let signatures = 1 + 64 * transaction.signatures.len();
        let size = signatures + transaction.message.serialize().len();
        assert!(size <= LARGEST_TRANSACTION, "{size} bytes");
    }
}

/// What the client printed: addresses by name, instructions by name.
fn clients() -> (BTreeMap<&'static str, Pubkey>, BTreeMap<&'static str, Instruction>) {
    let (mut addresses, mut instructions) = (BTreeMap::new(), BTreeMap::new());
    let mut current = "";
    let key = |text: &str| text.parse::<Pubkey>().expect("an address");
    for line in include_str!("squads_client.txt").lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["address", name, address] => drop(addresses.insert(name, key(address))),
            ["instruction", name, program] => {
                current = name;
                let empty = Instruction { program_id: key(program), accounts: vec![], data: vec![] };
                instructions.insert(name, empty);
            }
            ["account", address, is_signer, is_writable] => {
                let (is_signer, is_writable) = (is_signer == "true", is_writable == "true");
                let meta = AccountMeta { pubkey: key(address), is_signer, is_writable };
                instructions.get_mut(current).expect("an instruction").accounts.push(meta);
            }
            ["data", hex] => {
                let byte = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
                instructions.get_mut(current).expect("an instruction").data =
                    (0..hex.len() / 2).map(byte).collect();
            }
            _ => panic!("{line}"),
        }
    }
    (addresses, instructions)
}

#[test]
fn discriminators_are_the_hashes_of_the_names() {
    for (name, bytes) in [
        ("vault_transaction_create", discriminator::VAULT_TRANSACTION_CREATE),
        ("proposal_create", discriminator::PROPOSAL_CREATE),
        ("proposal_approve", discriminator::PROPOSAL_APPROVE),
        ("vault_transaction_execute", discriminator::VAULT_TRANSACTION_EXECUTE),
    ] {
        let hash = solana_sha256_hasher::hash(format!("global:{name}").as_bytes()).to_bytes();
        assert_eq!(hash[..8], bytes, "{name}");
    }
}

#[test]
fn addresses_are_those_of_the_client() {
    let (squads, (addresses, instructions)) = (squads(), clients());
    let ours = [
        ("multisig", squads.multisig()),
        ("vault", squads.vault()),
        ("transaction", squads.transaction()),
        ("proposal", squads.proposal()),
    ];
    assert_eq!(BTreeMap::from(ours), addresses);
    assert!(instructions.iter().all(|(name, ix)| *name == "inner" || ix.program_id == PROGRAM));
}

#[test]
fn instructions_are_those_of_the_client() {
    let (squads, (_, clients)) = (squads(), clients());
    let inner = &clients["inner"];
    let message = squads.message(inner);
    assert_eq!(squads.vault_transaction_create(&message), clients["vault_transaction_create"]);
    assert_eq!(squads.proposal_create(), clients["proposal_create"]);
    assert_eq!(squads.proposal_approve(), clients["proposal_approve"]);
    // The client leaves it to its user to append the message's accounts.
    let mut execute = squads.vault_transaction_execute(&message);
    execute.accounts.truncate(4);
    assert_eq!(execute, clients["vault_transaction_execute"]);
}

#[test]
fn a_message_of_the_client_decodes_to_the_instruction_in_it() {
    let (squads, (_, clients)) = (squads(), clients());
    let data = &clients["vault_transaction_create"].data;
    let decoded = Inner::of_create(data).expect("a message");
    assert_eq!(decoded.invoked(), [unified(&clients["inner"], &squads.vault())]);
    for cut in 0..data.len() {
        assert_eq!(Inner::of_create(&data[..cut]), None, "cut at {cut}");
    }
    assert_eq!(Inner::of_create(&[&data[..], &[0]].concat()), None, "more than a message");
}

#[test]
fn squads_carries_our_instructions_unchanged() {
    let squads = squads();
    for instruction in ours(squads.vault()) {
        assert_carried(&squads, &instruction);
    }
}

#[test]
fn what_squads_invokes_goes_through_with_the_vault_as_signer() {
    let (squads, mut world) = (squads(), World::empty());
    let vault = squads.vault();
    let open = ix::open_margin_account(vault, world.payer.pubkey(), 0);
    let create = squads.vault_transaction_create(&squads.message(&open));
    let invoked = Inner::of_create(&create.data).expect("a message").invoked();
    // The vault has no key; Squads' program would sign.
    world.svm = world.svm.with_sigverify(false);
    world.svm.airdrop(&vault, 1_000_000_000).expect("airdrop");
    let message =
        Message::new_with_blockhash(&invoked, Some(&world.payer.pubkey()), &world.svm.latest_blockhash());
    world.svm.send_transaction(Transaction::new_unsigned(message)).expect("open_margin_account");
    assert_eq!(world.margin(&address::margin_account(&vault, 0)).owner, vault);
}

/// What a member reads before he approves: from the stored message to what would move.
#[test]
fn a_member_sees_what_a_stored_proposal_would_do() {
    let (squads, world) = (squads(), World::new());
    let mut params = world.market(0).core.params;
    params.imf_ppm -= 1_000;
    let payload = ChangePayload::MarketParams { market: 0, params };
    for (payload, title) in [(payload, "parameters of market 0"), (largest(), "list a market")] {
        let payer = Pubkey::new_from_array([9; 32]);
        let propose = ix::propose_change(&listings(), (squads.vault(), payer), 77, payload).expect("builds");
        let stored = squads.vault_transaction_create(&squads.message(&propose)).data;
        let invoked = Inner::of_create(&stored).expect("a message").invoked();
        assert_eq!(invoked.iter().map(ix::proposal).collect::<Vec<_>>(), [Some((77, payload))]);
        let explanation = explain(&world, &payload);
        assert_eq!(explanation.title, title);
        assert!(explanation.loosens());
        assert_eq!(explanation.refusals, [""; 0]);
    }
    let lower = explain(&world, &payload).moves;
    assert_eq!(lower.len(), 1);
    assert_eq!((lower[0].name.as_str(), lower[0].effect), ("imf_ppm", Effect::Loosens));
}

#[test]
fn only_a_proposal_is_read_as_one() {
    let squads = squads();
    let proposals = ours(squads.vault()).iter().filter_map(ix::proposal).count();
    assert_eq!(proposals, 3);
    let propose = ours(squads.vault()).remove(0);
    let (foreign, mut longer, mut cut) =
        (Instruction { program_id: PROGRAM, ..propose.clone() }, propose.clone(), propose);
    longer.data.push(0);
    cut.data.pop();
    assert_eq!([foreign, longer, cut].map(|instruction| ix::proposal(&instruction)), [None; 3]);
}

#[test]
fn what_squads_proposes_is_proposed_with_the_vault_as_admin() {
    let (squads, mut world) = (squads(), World::empty());
    let vault = squads.vault();
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.admin = vault);
    let keys = (vault, world.payer.pubkey());
    let propose = ix::propose_change(&world.listings, keys, 0, largest()).expect("builds");
    let create = squads.vault_transaction_create(&squads.message(&propose));
    let invoked = Inner::of_create(&create.data).expect("a message").invoked();
    world.svm = world.svm.with_sigverify(false);
    let message =
        Message::new_with_blockhash(&invoked, Some(&world.payer.pubkey()), &world.svm.latest_blockhash());
    world.svm.send_transaction(Transaction::new_unsigned(message)).expect("propose_change");
    let change = world.change(0);
    assert_eq!((change.proposer, change.payload().expect("a payload")), (vault, largest()));
}
