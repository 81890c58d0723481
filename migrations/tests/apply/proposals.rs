//! Where the admin's key is not here, what it has to sign is written to files.

use std::fs;
use std::path::{Path, PathBuf};

use bulwark_migrate::{Applied, Options, apply};
use bulwark_sdk::instruction::proposal;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_sdk::{AccountMeta, Instruction, address};
use bulwark_tests::{Signer, World};
use serde_json::Value;
use solana_message::Message;

use crate::support::{Lab, parties};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn options(folder: &Path) -> Options<'_> {
    Options { proposals: Some(folder), loosen: false }
}

fn without_admin() -> Lab {
    let mut lab = Lab::new(|text| text);
    lab.parties = parties(&lab.world.borrow(), false);
    lab
}

async fn write(lab: &Lab, folder: &Path) -> Applied {
    apply(lab, (&lab.file, &lab.parties), &lab.so, options(folder)).await.unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The instructions of a file, rebuilt from its readable part.
fn instructions(file: &Value) -> Vec<Instruction> {
    use base64::Engine as _;
    let decode = |text: &Value| base64::prelude::BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    let meta = |meta: &Value| AccountMeta {
        pubkey: meta["address"].as_str().unwrap().parse().unwrap(),
        is_signer: meta["signer"].as_bool().unwrap(),
        is_writable: meta["writable"].as_bool().unwrap(),
    };
    let instruction = |one: &Value| Instruction {
        program_id: one["program"].as_str().unwrap().parse().unwrap(),
        accounts: one["accounts"].as_array().unwrap().iter().map(meta).collect(),
        data: decode(&one["data_base64"]),
    };
    file["instructions"].as_array().unwrap().iter().map(instruction).collect()
}

/// The admin signs what a file says, and pays.
fn sign(world: &mut World, file: &Value) {
    let admin = world.admin.insecure_clone();
    world.svm.airdrop(&admin.pubkey(), 10_000_000_000).unwrap();
    let instructions = instructions(file);
    let bytes = Message::new(&instructions, Some(&admin.pubkey())).serialize();
    assert_eq!(bs58::decode(file["message_base58"].as_str().unwrap()).into_vec().unwrap(), bytes);
    world.send(&instructions, &[&admin]).unwrap();
}

#[tokio::test]
async fn a_multisig_signs_what_the_files_say_and_the_chain_becomes_what_the_risk_file_says() {
    let lab = without_admin();
    let (mut rounds, mut unsettled) = (0, 0);
    loop {
        lab.print();
        let folder = folder(&format!("proposals-{rounds}"));
        let applied = write(&lab, &folder).await;
        let blocked = applied.left.steps.iter().any(|step| step.blocked.is_some());
        assert_eq!(applied.is_settled(), !blocked, "{}", applied.left);
        unsettled += usize::from(blocked);
        if applied.left.is_done() {
            break;
        }
        let json = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "json");
        for path in applied.written.iter().filter(json) {
            let explanation = fs::read_to_string(path.with_extension("txt")).unwrap();
            assert!(
                explanation.starts_with("Sign the proposals of this folder in the order of their numbers")
            );
            assert!(explanation.contains("(by admin)"), "{explanation}");
            sign(&mut lab.world.borrow_mut(), &read(path));
        }
        if applied.written.is_empty() {
            let ripe = applied.left.ripe_at().expect("something waits");
            lab.world.borrow_mut().set_clock(ripe);
        }
        rounds += 1;
        assert!(rounds < 12, "{}", applied.left);
    }
    assert_eq!(lab.world.borrow().exchange().market_count, 2);
    // The second market can't be created before the first one.
    assert_eq!(unsettled, 1);
}

#[tokio::test]
async fn proposals_that_are_written_together_have_numbers_of_their_own() {
    let lab = without_admin();
    lab.print();
    let folder = folder("proposals-numbers");
    let applied = write(&lab, &folder).await;
    let names: Vec<_> =
        applied.written.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let expected = [
        "001-propose-list-the-collateral-SOL.json",
        "001-propose-list-the-collateral-SOL.txt",
        "002-propose-list-the-market-SOL-PERP.json",
        "002-propose-list-the-market-SOL-PERP.txt",
        "003-propose-list-the-market-BTC-PERP.json",
        "003-propose-list-the-market-BTC-PERP.txt",
    ];
    assert_eq!(names, expected);
    let proposed: Vec<_> = applied
        .written
        .iter()
        .step_by(2)
        .map(|path| proposal(&instructions(&read(path))[0]).expect("a proposal"))
        .collect();
    assert_eq!(proposed.iter().map(|(nonce, _)| *nonce).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(
        matches!(proposed[0].1, ChangePayload::CreateVault { mint, .. } if mint == lab.file.vaults[0].mint)
    );
    assert!(lab.world.borrow().svm.get_account(&address::change(0)).is_none(), "nothing was sent");
}

#[tokio::test]
async fn a_folder_with_proposals_of_an_earlier_run_is_refused() {
    let lab = without_admin();
    lab.print();
    let folder = folder("proposals-old");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "of somebody").unwrap();
    assert_eq!(write(&lab, &folder).await.written.len(), 6);
    let sent = lab.sent.get();
    let refused = apply(&lab, (&lab.file, &lab.parties), &lab.so, options(&folder)).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("-propose-list-the-") && told.contains("move it away"), "{told}");
    assert_eq!((lab.sent.get(), fs::read_dir(&folder).unwrap().count()), (sent, 7));
}
