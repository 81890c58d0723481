//! Where every account is: program-derived addresses and the ids of other programs.

use anchor_lang::prelude::Pubkey;
use anchor_lang::pubkey;
use bulwark::oracle::{OracleSource, SourceKind};
use bulwark::state::{
    Change, Exchange, InsuranceFund, MarginAccount, Market, Pool, RedeemTicket, UnstakeTicket, Vault,
};
use bulwark_engine::pool::TrancheKind;

use crate::instruction::OracleAccounts;

/// The program.
pub const PROGRAM: Pubkey = bulwark::ID;
/// SPL Token.
pub const TOKEN_PROGRAM: Pubkey = pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// SPL Token-2022.
pub const TOKEN_2022_PROGRAM: Pubkey = pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
/// Associated token account program.
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey = pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
/// System program.
pub const SYSTEM_PROGRAM: Pubkey = pubkey!("11111111111111111111111111111111");
/// Clock sysvar: slot and time that programs see.
pub const CLOCK: Pubkey = pubkey!("SysvarC1ock11111111111111111111111111111111");
/// Instructions sysvar: what else is in the transaction.
pub const INSTRUCTIONS: Pubkey = pubkey!("Sysvar1nstructions1111111111111111111111111");
/// Pyth's push oracle: the program whose addresses hold the sponsored updates of Pyth pull feeds.
pub const PYTH_PUSH_ORACLE: Pubkey = pubkey!("pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT");
/// Upgradeable loader: owner of the program's data account.
pub const UPGRADEABLE_LOADER: Pubkey = pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &PROGRAM).0
}

/// The exchange.
#[must_use]
pub fn exchange() -> Pubkey {
    derive(&[Exchange::SEED])
}

/// The pool.
#[must_use]
pub fn pool() -> Pubkey {
    derive(&[Pool::SEED])
}

/// The insurance fund.
#[must_use]
pub fn insurance_fund() -> Pubkey {
    derive(&[InsuranceFund::SEED])
}

/// Mint of a tranche's pool shares.
#[must_use]
pub fn share_mint(tranche: TrancheKind) -> Pubkey {
    let name = match tranche {
        TrancheKind::Junior => Pool::JUNIOR_SEED,
        TrancheKind::Senior => Pool::SENIOR_SEED,
    };
    derive(&[Pool::SHARES_SEED, name])
}

/// Mint of the backstop's shares.
#[must_use]
pub fn backstop_mint() -> Pubkey {
    derive(&[Pool::SHARES_SEED, InsuranceFund::BACKSTOP_SEED])
}

/// Unstake ticket of a staker.
#[must_use]
pub fn unstake_ticket(owner: &Pubkey, nonce: u64) -> Pubkey {
    derive(&[UnstakeTicket::SEED, owner.as_ref(), &nonce.to_le_bytes()])
}

/// Redeem ticket of a provider.
#[must_use]
pub fn redeem_ticket(owner: &Pubkey, nonce: u64) -> Pubkey {
    derive(&[RedeemTicket::SEED, owner.as_ref(), &nonce.to_le_bytes()])
}

/// Vault of a mint.
#[must_use]
pub fn vault(mint: &Pubkey) -> Pubkey {
    derive(&[Vault::SEED, mint.as_ref()])
}

/// Token account of a mint's vault.
#[must_use]
pub fn vault_tokens(mint: &Pubkey) -> Pubkey {
    derive(&[Vault::TOKENS_SEED, mint.as_ref()])
}

/// Market with this index.
#[must_use]
pub fn market(index: u16) -> Pubkey {
    derive(&[Market::SEED, &index.to_le_bytes()])
}

/// Governance change with this number.
#[must_use]
pub fn change(nonce: u64) -> Pubkey {
    derive(&[Change::SEED, &nonce.to_le_bytes()])
}

/// Margin account of an owner.
#[must_use]
pub fn margin_account(owner: &Pubkey, sub_id: u16) -> Pubkey {
    derive(&[MarginAccount::SEED, owner.as_ref(), &sub_id.to_le_bytes()])
}

/// Account that holds the sponsored updates of a Pyth pull feed: one is kept for each of a feed's shards.
#[must_use]
pub fn pyth_feed(shard: u16, feed: &[u8; 32]) -> Pubkey {
    Pubkey::find_program_address(&[&shard.to_le_bytes(), feed], &PYTH_PUSH_ORACLE).0
}

/// Account to read a source from: the one that it names, or shard 0 of its Pyth pull feed. `None` if no source is configured.
/// A Pyth pull feed can be read from any other account of the receiver with a full update of it, too.
#[must_use]
pub fn oracle(source: &OracleSource) -> Option<Pubkey> {
    match SourceKind::try_from(source.kind) {
        Ok(SourceKind::PythPull) => Some(pyth_feed(0, &source.feed)),
        Ok(SourceKind::PythPush | SourceKind::Switchboard) => Some(Pubkey::new_from_array(source.feed)),
        Ok(SourceKind::None) | Err(_) => None,
    }
}

/// Accounts to read a market's or vault's sources from, see [`oracle`]. `None` without a primary source: nothing to refresh.
#[must_use]
pub fn oracles([primary, secondary]: &[OracleSource; 2]) -> Option<OracleAccounts> {
    Some(OracleAccounts { primary: oracle(primary)?, secondary: oracle(secondary) })
}

/// Token account that wallets keep an owner's tokens of a mint in.
#[must_use]
pub fn associated_token(owner: &Pubkey, mint: &Pubkey, token_program: &Pubkey) -> Pubkey {
    let seeds = [owner.as_ref(), token_program.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &ASSOCIATED_TOKEN_PROGRAM).0
}

/// Data account of the deployed program: names the upgrade authority.
#[must_use]
pub fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[PROGRAM.as_ref()], &UPGRADEABLE_LOADER).0
}
