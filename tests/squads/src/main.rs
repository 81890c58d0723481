//! What `squads-v4-client` makes of fixed inputs, for tests that have their own builder of Squads instructions. After a
//! change: `cargo run --locked --manifest-path tests/squads/Cargo.toml > tests/governance/squads_client.txt`.

use borsh::to_vec;
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;
use squads_v4_client::instructions::{
    ProposalCreateArgs, ProposalVoteArgs, VaultTransactionCreateArgs, proposal_approve, proposal_create,
    vault_transaction_create, vault_transaction_execute,
};
use squads_v4_client::message::TransactionMessage;
use squads_v4_client::pda;

fn key(byte: u8) -> Pubkey {
    Pubkey::new_from_array([byte; 32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn show(name: &str, instruction: &Instruction) {
    println!("instruction {name} {}", instruction.program_id);
    for AccountMeta { pubkey, is_signer, is_writable } in &instruction.accounts {
        println!("account {pubkey} {is_signer} {is_writable}");
    }
    println!("data {}", hex(&instruction.data));
}

fn main() {
    let (creator, rent_payer, index) = (key(2), key(3), 0x0102);
    let multisig = pda::get_multisig_pda(&key(1), None).0;
    let vault = pda::get_vault_pda(&multisig, 0, None).0;
    let transaction = pda::get_transaction_pda(&multisig, index, None).0;
    let proposal = pda::get_proposal_pda(&multisig, index, None).0;
    for (name, address) in
        [("multisig", multisig), ("vault", vault), ("transaction", transaction), ("proposal", proposal)]
    {
        println!("address {name} {address}");
    }

    // Every combination of flags, the vault reading only, an account twice, and more data than one byte can count.
    let inner = Instruction {
        program_id: key(4),
        accounts: vec![
            AccountMeta::new_readonly(key(5), false),
            AccountMeta::new(key(6), false),
            AccountMeta::new_readonly(vault, true),
            AccountMeta::new(key(7), true),
            AccountMeta::new_readonly(key(8), true),
            AccountMeta::new_readonly(key(6), false),
        ],
        data: (0..300).map(|i| (i % 251) as u8).collect(),
    };
    show("inner", &inner);

    let message = TransactionMessage::try_compile(&vault, &[inner]).expect("compiles");
    let transaction_message = to_vec(&message).expect("serializes");
    let create =
        VaultTransactionCreateArgs { vault_index: 0, ephemeral_signers: 0, transaction_message, memo: None };
    show(
        "vault_transaction_create",
        &vault_transaction_create(multisig, transaction, creator, rent_payer, create, None),
    );
    let propose = ProposalCreateArgs { transaction_index: index, draft: false };
    show("proposal_create", &proposal_create(multisig, proposal, creator, rent_payer, propose, None));
    let approve = ProposalVoteArgs { memo: None };
    show("proposal_approve", &proposal_approve(multisig, proposal, creator, approve, None));
    // The client leaves it to the caller to list the accounts of the message.
    show(
        "vault_transaction_execute",
        &vault_transaction_execute(multisig, proposal, transaction, creator, vec![], None),
    );
}
