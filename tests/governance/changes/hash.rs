//! The hash of a payload is that of the bytes that were signed.

use anchor_lang::AnchorSerialize;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_tests::{Signer, World};
use sha2::{Digest, Sha256};

use super::kinds::{cases, print_all, world};

#[test]
fn what_is_stored_and_hashed_is_what_was_signed() {
    let base = world();
    for case in cases(&base) {
        let payload = case.payload;
        let (mut world, nonce) = (base.fork(), base.exchange().next_change);
        let keys = (world.admin.pubkey(), world.payer.pubkey());
        let propose = ix::propose_change(&world.listings, keys, nonce, payload).expect("builds");
        // Discriminator, number, payload.
        let signed = &propose.data[16..];
        let mut bytes = Vec::new();
        payload.serialize(&mut bytes).expect("serializes");
        assert_eq!(signed, bytes);
        let hash: [u8; 32] = Sha256::digest(signed).into();

        let admin = world.admin.insecure_clone();
        let proposed = world.send(std::slice::from_ref(&propose), &[&admin]).expect("propose_change");
        let change = world.change(nonce);
        assert_eq!(change.payload_hash, hash, "{payload:?}");
        assert_eq!(usize::from(change.payload_len), bytes.len());
        let (stored, rest) = change.payload.split_at(bytes.len());
        assert_eq!(stored, bytes);
        assert!(rest.iter().chain(&change.reserved).chain(&change._padding).all(|byte| *byte == 0));
        assert!(matches!(&proposed.events[..], [Event::ChangeProposed(e)] if e.payload_hash == hash));

        world.set_clock(change.timelock.eta);
        print_all(&mut world);
        let executed = world.execute(nonce, case.oracles).expect("execute_change");
        let Some(Event::ChangeExecuted(event)) = executed.events.last() else { panic!("an event") };
        assert_eq!((event.nonce, event.payload_hash), (nonce, hash));
    }
}

#[test]
fn other_payloads_have_other_hashes() {
    let base: World = world();
    let mut hashes: Vec<_> = cases(&base)
        .into_iter()
        .map(|case| {
            let mut world = base.fork();
            let nonce = world.propose(case.payload).expect("propose_change");
            world.change(nonce).payload_hash
        })
        .collect();
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}
