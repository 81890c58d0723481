//! Token accounts of wallets, which instructions take from and pay to.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};

use crate::address::{ASSOCIATED_TOKEN_PROGRAM, SYSTEM_PROGRAM, associated_token};

/// Creates the token account that a wallet keeps a mint's tokens in, unless it is there. Signed by the payer.
#[must_use]
pub fn create_associated_token(
    payer: Pubkey,
    owner: Pubkey,
    (mint, token_program): (Pubkey, Pubkey),
) -> Instruction {
    /// The associated token account program's number of this instruction.
    const CREATE_IDEMPOTENT: u8 = 1;
    let accounts = vec![
        AccountMeta::new(payer, true),
        AccountMeta::new(associated_token(&owner, &mint, &token_program), false),
        AccountMeta::new_readonly(owner, false),
        AccountMeta::new_readonly(mint, false),
        AccountMeta::new_readonly(SYSTEM_PROGRAM, false),
        AccountMeta::new_readonly(token_program, false),
    ];
    Instruction { program_id: ASSOCIATED_TOKEN_PROGRAM, accounts, data: vec![CREATE_IDEMPOTENT] }
}
