//! Who signs for governance, and that it was signed for now.

use anchor_lang::prelude::*;
use solana_instructions_sysvar as sysvar;

use crate::errors::BulwarkError;
use crate::state::Exchange;

/// First bytes of an `AdvanceNonceAccount` instruction: its variant's number.
const ADVANCE_NONCE: [u8; 4] = 4_u32.to_le_bytes();

/// `Ok` if the transaction was signed for now. A durable nonce keeps a signature good for ever: a set of approvals can then
/// be collected long before it is used. Such a transaction must begin by advancing its nonce.
///
/// # Errors
/// [`BulwarkError::DurableNonce`]; [`BulwarkError::WrongAccount`] for another account than the instructions sysvar.
pub(crate) fn require_fresh(instructions: &AccountInfo<'_>) -> Result<()> {
    let first =
        sysvar::load_instruction_at_checked(0, instructions).map_err(|_| BulwarkError::WrongAccount)?;
    let durable = first.program_id == System::id() && first.data.starts_with(&ADVANCE_NONCE);
    require!(!durable, BulwarkError::DurableNonce);
    Ok(())
}

/// `Ok` for the admin, who signs for now.
///
/// # Errors
/// [`BulwarkError::Unauthorized`], or as [`require_fresh`].
pub(crate) fn require_admin(
    exchange: &Exchange,
    signer: &Pubkey,
    instructions: &AccountInfo<'_>,
) -> Result<()> {
    require!(exchange.admin == *signer, BulwarkError::Unauthorized);
    require_fresh(instructions)
}

/// `Ok` for the guardian, who may keep signatures for an emergency, and for the admin, who signs for now.
///
/// # Errors
/// As [`require_admin`].
pub(crate) fn require_admin_or_guardian(
    exchange: &Exchange,
    signer: &Pubkey,
    instructions: &AccountInfo<'_>,
) -> Result<()> {
    if exchange.guardian == *signer { Ok(()) } else { require_admin(exchange, signer, instructions) }
}
