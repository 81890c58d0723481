//! Token transfers: what moved is what is credited.

use anchor_lang::prelude::*;
use anchor_spl::token_2022::spl_token_2022;
use anchor_spl::token_2022::spl_token_2022::extension::{
    BaseStateWithExtensions, ExtensionType, StateWithExtensions,
};
use anchor_spl::token_interface::{self, TokenAccount, TokenInterface, TransferChecked};

use crate::errors::BulwarkError;
use crate::state::Exchange;

/// Both ends of a transfer and what it takes.
pub(crate) struct Transfer<'a, 'info> {
    /// Token program of the mint.
    pub program: &'a Interface<'info, TokenInterface>,
    /// Mint and its decimals, as the vault records them.
    pub mint: (&'a UncheckedAccount<'info>, u8),
    /// From.
    pub from: &'a mut InterfaceAccount<'info, TokenAccount>,
    /// To.
    pub to: &'a mut InterfaceAccount<'info, TokenAccount>,
}

impl<'info> Transfer<'_, 'info> {
    fn cpi(&self, authority: AccountInfo<'info>) -> TransferChecked<'info> {
        TransferChecked {
            from: self.from.to_account_info(),
            mint: self.mint.0.to_account_info(),
            to: self.to.to_account_info(),
            authority,
        }
    }

    /// `Ok` if the outside end is another account than the vault's, of its mint, and nobody's but its owner's.
    fn validate(&self, outside: &InterfaceAccount<'info, TokenAccount>, owner: &Pubkey) -> Result<()> {
        require!(self.from.key() != self.to.key(), BulwarkError::DuplicateAccount);
        require!(outside.mint == self.mint.0.key(), BulwarkError::BadTokenAccount);
        require_plain(outside, owner)
    }

    /// Moves `amount` in, signed by the owner of `from`. Returns what arrived.
    ///
    /// # Errors
    /// Zero amount, a source that is not plainly the signer's, or whatever the token program refuses.
    pub(crate) fn pull(&mut self, amount: u64, authority: AccountInfo<'info>) -> Result<u64> {
        self.validate(self.from, authority.key)?;
        require!(amount > 0, BulwarkError::ZeroAmount);
        let before = self.to.amount;
        let cpi = CpiContext::new(*self.program.key, self.cpi(authority));
        token_interface::transfer_checked(cpi, amount, self.mint.1)?;
        self.to.reload()?;
        Ok(self.to.amount.checked_sub(before).ok_or(BulwarkError::TransferMismatch)?)
    }

    /// Moves `amount` out of a vault to a token account of `owner`, signed by the exchange.
    ///
    /// # Errors
    /// Zero amount, a destination that is not plainly the owner's, [`BulwarkError::TransferMismatch`] if the vault lost
    /// another amount.
    pub(crate) fn push(
        &mut self,
        amount: u64,
        exchange: &AccountLoader<'info, Exchange>,
        owner: &Pubkey,
    ) -> Result<()> {
        self.validate(self.to, owner)?;
        require!(amount > 0, BulwarkError::ZeroAmount);
        let before = self.from.amount;
        let seeds: &[&[&[u8]]] = &[&[Exchange::SEED, &[exchange.load()?.bump]]];
        let authority = exchange.to_account_info();
        let cpi = CpiContext::new_with_signer(*self.program.key, self.cpi(authority), seeds);
        token_interface::transfer_checked(cpi, amount, self.mint.1)?;
        self.from.reload()?;
        require!(before.checked_sub(self.from.amount) == Some(amount), BulwarkError::TransferMismatch);
        Ok(())
    }
}

/// `Ok` for a token account that nobody but `owner` can move or close.
///
/// # Errors
/// [`BulwarkError::BadTokenAccount`].
pub(crate) fn require_plain(account: &TokenAccount, owner: &Pubkey) -> Result<()> {
    let plain = account.owner == *owner
        && account.delegate.is_none()
        && account.close_authority.is_none()
        && !account.is_frozen();
    require!(plain, BulwarkError::BadTokenAccount);
    Ok(())
}

/// Extensions that neither change amounts nor give anybody authority over holders' tokens.
const HARMLESS: [ExtensionType; 6] = [
    ExtensionType::MetadataPointer,
    ExtensionType::TokenMetadata,
    ExtensionType::GroupPointer,
    ExtensionType::TokenGroup,
    ExtensionType::GroupMemberPointer,
    ExtensionType::TokenGroupMember,
];

/// `Ok` for a mint whose transfers move what they say and that nobody can take back. Classic mints always
/// are; a freeze authority is accepted, as every regulated stable token has one.
///
/// # Errors
/// [`BulwarkError::UnsupportedMint`].
pub(crate) fn require_supported(mint: &AccountInfo<'_>) -> Result<()> {
    if *mint.owner != spl_token_2022::ID {
        return Ok(());
    }
    let data = mint.try_borrow_data()?;
    let state = StateWithExtensions::<spl_token_2022::state::Mint>::unpack(&data)?;
    let harmless = state.get_extension_types()?.iter().all(|kind| HARMLESS.contains(kind));
    require!(harmless, BulwarkError::UnsupportedMint);
    Ok(())
}
