//! The program's bytes by the upgradeable loader.

use bulwark_migrate::program::{Deployer, ProgramAction, compare};
use bulwark_migrate::{Parties, plan};
use bulwark_sdk::address;
use bulwark_tests::world::neighbour_bytes;
use bulwark_tests::{Keypair, Signer};

use crate::support::{Lab, Mishap};

fn keys(parties: &Parties) -> Deployer<'_> {
    let (authority, payer) =
        (parties.deployer.keypair.as_ref().unwrap(), parties.payer.keypair.as_ref().unwrap());
    Deployer { authority, payer }
}

#[tokio::test]
async fn an_upload_that_breaks_off_goes_on_where_it_was() {
    let lab = Lab::new(|text| text);
    let (so, program) = (neighbour_bytes("bulwark_test_multisig.so"), Keypair::new_from_array([0x51; 32]));
    let deployer = keys(&lab.parties);
    let ids = (&program.pubkey(), &lab.parties.deployer.address);
    let before = compare(&lab, ids, &so).await.unwrap();
    assert_eq!((before.action, before.chunks_left), (ProgramAction::Deploy, before.chunks));
    // One to create the buffer, then the chunks: the hundredth of them is lost.
    lab.mishap.set(Some((100, Mishap::Lost)));
    deployer.deploy(&lab, &program, &so).await.unwrap_err();
    let half = compare(&lab, ids, &so).await.unwrap();
    assert_eq!((half.action, half.chunks_left), (ProgramAction::Deploy, half.chunks - 99));
    deployer.deploy(&lab, &program, &so).await.unwrap();
    // The buffer, the chunks, the lost one once more, and the deployment.
    assert_eq!(lab.sent.get(), 1 + half.chunks + 1 + 1);
    let after = compare(&lab, ids, &so).await.unwrap();
    assert_eq!((after.action, after.authority), (ProgramAction::Nothing, Some(lab.parties.deployer.address)));
    assert_eq!(after.capacity, so.len());
}

#[tokio::test]
async fn a_program_whose_bytes_differ_is_upgraded() {
    let mut lab = Lab::new(|text| text);
    let mut so = lab.so.clone();
    // Another build: the same code, and a byte more at its end.
    so.push(7);
    lab.so = so;
    let planned = plan(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap();
    assert!(planned.steps[0].title.starts_with("upgrade the program"), "{planned}");
    let applied = lab.apply().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(applied.done[0], "upgrade the program");
    let ids = (&address::PROGRAM, &lab.parties.deployer.address);
    assert_eq!(compare(&lab, ids, &lab.so).await.unwrap().action, ProgramAction::Nothing);
    // It still runs: the exchange was initialised by the new bytes.
    assert_eq!(applied.done[1], "initialise the exchange");
}

#[tokio::test]
async fn a_missing_program_needs_the_key_of_the_declared_address() {
    let mut lab = Lab::new(|text| text);
    let gone = solana_account::Account::default();
    lab.world.borrow_mut().svm.set_account(address::PROGRAM, gone).unwrap();
    for (program, words) in
        [(None, "program.keypair"), (Some(Keypair::new_from_array([9; 32])), "anchor keys sync")]
    {
        lab.parties.program = program;
        let planned = plan(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap();
        assert!(planned.steps[0].blocked.as_ref().unwrap().contains(words), "{planned}");
        assert_eq!((planned.steps.len(), planned.later[0].as_str()), (1, "initialise the exchange"));
    }
    let sent = lab.sent.get();
    lab.apply().await.map(|applied| assert!(applied.done.is_empty())).unwrap();
    assert_eq!(lab.sent.get(), sent);
}
