//! Mints and token accounts, written directly.

use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use bulwark_sdk::{Pubkey, address};
use solana_account::Account;
use solana_signer::Signer;

use crate::world::World;

impl World {
    /// Creates a classic mint whose authority nobody has the key of.
    pub fn create_mint(&mut self, mint: Pubkey, decimals: u8) {
        let state = spl_token::state::Mint { decimals, is_initialized: true, ..Default::default() };
        let mut data = vec![0; spl_token::state::Mint::LEN];
        state.pack_into_slice(&mut data);
        self.set_account(mint, address::TOKEN_PROGRAM, data);
    }

    /// Creates a token account that holds `amount`.
    pub fn create_tokens(&mut self, mint: Pubkey, owner: Pubkey, amount: u64) -> Pubkey {
        let key = self.keypair().pubkey();
        self.write_tokens(key, |state| (state.mint, state.owner, state.amount) = (mint, owner, amount));
        key
    }

    /// Writes a token account, starting from an empty one.
    pub fn write_tokens(&mut self, key: Pubkey, change: impl FnOnce(&mut spl_token::state::Account)) {
        let mut state = match self.svm.get_account(&key) {
            Some(account) => {
                spl_token::state::Account::unpack_from_slice(&account.data).expect("token account")
            }
            None => spl_token::state::Account {
                state: spl_token::state::AccountState::Initialized,
                ..Default::default()
            },
        };
        change(&mut state);
        let mut data = vec![0; spl_token::state::Account::LEN];
        state.pack_into_slice(&mut data);
        self.set_account(key, address::TOKEN_PROGRAM, data);
    }

    /// Balance of a token account.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn token_balance(&self, key: &Pubkey) -> u64 {
        let account = self.svm.get_account(key).expect("token account");
        u64::from_le_bytes(account.data[64..72].try_into().expect("eight bytes"))
    }

    /// Writes any account, rent-exempt.
    pub fn set_account(&mut self, key: Pubkey, owner: Pubkey, data: Vec<u8>) {
        let lamports = self.svm.minimum_balance_for_rent_exemption(data.len());
        let account = Account { lamports, data, owner, executable: false, rent_epoch: u64::MAX };
        self.svm.set_account(key, account).expect("set account");
    }
}
