//! Who is funded. The keys are the same on every start, and known to everybody: worthless anywhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anchor_lang::solana_program::program_option::COption;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use anyhow::{Context, Result};
use bulwark_sdk::{Pubkey, address};
use serde::Serialize;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_rent::Rent;
use solana_signer::Signer;

use crate::cheats::Cheats;

/// The mint of wrapped SOL.
pub const WRAPPED_SOL: Pubkey = spl_token::native_mint::ID;
/// Lamports of a SOL.
pub const SOL: u64 = 1_000_000_000;
/// Quote units of a dollar.
pub const DOLLAR: u64 = 1_000_000;

/// What somebody begins with.
struct Funds {
    name: &'static str,
    /// Lamports.
    sol: u64,
    /// Quote units.
    quote: u64,
    /// Lamports in a token account of wrapped SOL.
    wrapped: u64,
}

const fn funds(name: &'static str, quote: u64, wrapped: u64) -> Funds {
    Funds { name, sol: 10_000 * SOL, quote: quote * DOLLAR, wrapped: wrapped * SOL }
}

const FUNDS: [Funds; 7] = [
    funds("deployer", 0, 0),
    funds("admin", 0, 0),
    funds("guardian", 0, 0),
    funds("trader", 1_000_000, 1_000),
    funds("trader2", 1_000_000, 1_000),
    funds("provider", 100_000_000, 0),
    funds("keeper", 1_000_000, 0),
];

/// Somebody with funds.
#[derive(Debug)]
pub struct Wallet {
    /// Signs.
    pub keypair: Keypair,
    /// Associated account of the quote token.
    pub quote: Pubkey,
    /// Associated account of wrapped SOL.
    pub wrapped: Pubkey,
}

/// All of them by name: deployer, admin, guardian, trader, trader2, provider, keeper.
#[derive(Debug)]
pub struct Wallets {
    by_name: BTreeMap<&'static str, Wallet>,
}

/// Where a wallet's key is.
#[derive(Clone, Debug, Serialize)]
pub struct WalletFile {
    /// Address.
    pub pubkey: String,
    /// Key pair: a JSON array of 64 bytes.
    pub path: Option<PathBuf>,
}

/// The associated token account of an owner, for a classic mint.
#[must_use]
pub fn associated(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    address::associated_token(owner, mint, &address::TOKEN_PROGRAM)
}

impl Wallets {
    /// The wallets of a network with this quote token.
    #[must_use]
    pub fn new(quote_mint: &Pubkey) -> Self {
        let wallet = |name: &'static str| {
            let seed = solana_sha256_hasher::hash(format!("bulwark localnet {name}").as_bytes()).to_bytes();
            let keypair = Keypair::new_from_array(seed);
            let owner = keypair.pubkey();
            (
                name,
                Wallet {
                    keypair,
                    quote: associated(&owner, quote_mint),
                    wrapped: associated(&owner, &WRAPPED_SOL),
                },
            )
        };
        Self { by_name: FUNDS.iter().map(|funds| wallet(funds.name)).collect() }
    }

    /// The wallet with this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Wallet {
        let names = || self.by_name.keys().copied().collect::<Vec<_>>().join(", ");
        self.by_name.get(name).unwrap_or_else(|| panic!("there is no wallet {name}: there are {}", names()))
    }

    /// A copy of the key pair of a wallet.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn key(&self, name: &str) -> Keypair {
        self.get(name).keypair.insecure_clone()
    }

    /// Puts the mints and everybody's funds on the chain.
    ///
    /// # Errors
    /// The endpoint refuses.
    pub async fn fund(&self, cheats: &Cheats, (quote_mint, decimals): (&Pubkey, u8)) -> Result<()> {
        let supply = FUNDS.iter().map(|funds| funds.quote).sum();
        let authority = self.get("admin").keypair.pubkey();
        set_mint(cheats, quote_mint, (decimals, supply, COption::Some(authority))).await?;
        set_mint(cheats, &WRAPPED_SOL, (9, 0, COption::None)).await?;
        for funds in &FUNDS {
            let wallet = self.get(funds.name);
            let owner = wallet.keypair.pubkey();
            set_lamports(cheats, &owner, funds.sol).await?;
            set_tokens(cheats, (&owner, quote_mint), funds.quote).await?;
            set_tokens(cheats, (&owner, &WRAPPED_SOL), funds.wrapped).await?;
        }
        Ok(())
    }

    /// Writes the key pairs to a folder. Returns where they are.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, folder: Option<&Path>) -> Result<BTreeMap<String, WalletFile>> {
        let write = |(name, wallet): (&&str, &Wallet)| {
            let path = folder.map(|folder| folder.join(format!("{name}.json")));
            if let Some(path) = &path {
                let bytes = serde_json::to_string(&wallet.keypair.to_bytes().to_vec())?;
                std::fs::write(path, bytes).with_context(|| path.display().to_string())?;
            }
            Ok(((*name).to_string(), WalletFile { pubkey: wallet.keypair.pubkey().to_string(), path }))
        };
        self.by_name.iter().map(write).collect()
    }
}

async fn set_mint(cheats: &Cheats, mint: &Pubkey, what: (u8, u64, COption<Pubkey>)) -> Result<()> {
    let (decimals, supply, mint_authority) = what;
    let freeze_authority = COption::None;
    let state =
        spl_token::state::Mint { mint_authority, supply, decimals, is_initialized: true, freeze_authority };
    let mut data = vec![0; spl_token::state::Mint::LEN];
    state.pack_into_slice(&mut data);
    cheats.set_data(mint, address::TOKEN_PROGRAM, data).await
}

/// Writes a wallet that holds so many lamports.
///
/// # Errors
/// The endpoint refuses.
pub async fn set_lamports(cheats: &Cheats, owner: &Pubkey, lamports: u64) -> Result<()> {
    let account = Account { lamports, owner: address::SYSTEM_PROGRAM, ..Account::default() };
    cheats.set_account(owner, &account).await
}

/// Writes an associated token account that holds `amount`.
///
/// # Errors
/// The endpoint refuses.
pub async fn set_tokens(cheats: &Cheats, (owner, mint): (&Pubkey, &Pubkey), amount: u64) -> Result<()> {
    let rent = Rent::default().minimum_balance(spl_token::state::Account::LEN);
    let native = *mint == WRAPPED_SOL;
    let state = spl_token::state::Account {
        mint: *mint,
        owner: *owner,
        amount,
        state: spl_token::state::AccountState::Initialized,
        is_native: if native { COption::Some(rent) } else { COption::None },
        ..spl_token::state::Account::default()
    };
    let mut data = vec![0; spl_token::state::Account::LEN];
    state.pack_into_slice(&mut data);
    let lamports = if native { rent + amount } else { rent };
    let account =
        Account { lamports, data, owner: address::TOKEN_PROGRAM, executable: false, rent_epoch: u64::MAX };
    cheats.set_account(&associated(owner, mint), &account).await
}
