//! What the checks look at: every account of the exchange at a moment.
//!
//! Taking one copies nothing: accounts share their bytes with the runtime, which writes to a copy of its own.

use anchor_lang::Discriminator;
use bulwark_sdk::account::decode;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::{
    Exchange, InsuranceFund, MarginAccount, Market, Pool, RedeemTicket, UnstakeTicket, Vault,
};
use bulwark_sdk::{Pubkey, address};
use solana_account::{AccountSharedData, ReadableAccount};

use super::stage::{MARKETS, Stage, VAULTS};
use crate::world::World;

/// Every account of the exchange, and its users' tokens, at a moment.
#[derive(Clone)]
pub struct State {
    /// Clock, unix seconds.
    pub now: i64,
    /// Slot.
    pub slot: u64,
    /// Accounts that the program owns, known to the stage or not.
    pub owned: usize,
    accounts: Vec<Option<AccountSharedData>>,
}

/// Where an account is in a [`State`]: the order of [`Stage::keys`].
pub type Place = usize;

impl State {
    /// Takes one.
    #[must_use]
    pub fn take(world: &World, stage: &Stage) -> Self {
        let accounts = &world.svm.accounts_db().inner;
        let owned = accounts.values().filter(|a| *a.owner() == address::PROGRAM).count();
        let accounts = stage.keys.iter().map(|key| existing(accounts.get(key))).collect();
        Self { now: world.now(), slot: world.slot(), owned, accounts }
    }

    /// Places whose accounts differ between two states.
    pub fn changes<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Place> + 'a {
        (0..self.accounts.len()).filter(|&i| self.accounts[i] != other.accounts[i])
    }

    /// How many of the stage's accounts the program owns.
    #[must_use]
    pub fn known(&self) -> usize {
        self.accounts.iter().flatten().filter(|a| *a.owner() == address::PROGRAM).count()
    }

    fn get<T: bytemuck::Pod + Discriminator>(&self, place: Place) -> &T {
        let account = self.accounts[place].as_ref().expect("the account exists");
        decode(account.data()).expect("the account decodes")
    }

    /// The exchange.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        self.get(Stage::EXCHANGE)
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        self.get(Stage::POOL)
    }

    /// The insurance fund.
    #[must_use]
    pub fn fund(&self) -> &InsuranceFund {
        self.get(Stage::FUND)
    }

    /// A market.
    #[must_use]
    pub fn market(&self, market: usize) -> &Market {
        self.get(Stage::market(market))
    }

    /// A vault.
    #[must_use]
    pub fn vault(&self, vault: usize) -> &Vault {
        self.get(Stage::vault(vault))
    }

    /// Tokens in a vault.
    #[must_use]
    pub fn vault_tokens(&self, vault: usize) -> u64 {
        self.tokens(Stage::vault_tokens(vault))
    }

    /// A margin account, `None` unless it is open.
    #[must_use]
    pub fn margin(&self, account: usize) -> Option<&MarginAccount> {
        let place = Stage::margin(account);
        self.accounts[place].as_ref().map(|_| self.get(place))
    }

    /// Balance of a token account.
    #[must_use]
    pub fn tokens(&self, place: Place) -> u64 {
        let account = self.accounts[place].as_ref().expect("the token account exists");
        u64::from_le_bytes(account.data()[64..72].try_into().expect("eight bytes"))
    }

    /// Owner of a token account.
    #[must_use]
    pub fn token_owner(&self, place: Place) -> Pubkey {
        let account = self.accounts[place].as_ref().expect("the token account exists");
        Pubkey::try_from(&account.data()[32..64]).expect("32 bytes")
    }

    /// A redeem ticket, `None` unless there is one.
    #[must_use]
    pub fn ticket(&self, ticket: usize) -> Option<&RedeemTicket> {
        let place = Stage::ticket_place(ticket);
        self.accounts[place].as_ref().map(|_| self.get(place))
    }

    /// An unstake ticket, `None` unless there is one.
    #[must_use]
    pub fn unstake_ticket(&self, ticket: usize) -> Option<&UnstakeTicket> {
        let place = Stage::unstake_place(ticket);
        self.accounts[place].as_ref().map(|_| self.get(place))
    }

    /// Supply of a kind of shares: of a tranche, or of the backstop.
    #[must_use]
    pub fn share_supply(&self, kind: usize) -> u64 {
        let mint = self.accounts[Stage::share_mint(kind)].as_ref().expect("the mint exists");
        u64::from_le_bytes(mint.data()[36..44].try_into().expect("eight bytes"))
    }
}

impl State {
    /// What the SDK answers questions from.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: self.exchange(),
            markets: (0..MARKETS).map(|i| self.market(i)).map(|x| (x.index, x)).collect(),
            vaults: (0..VAULTS).map(|i| self.vault(i)).map(|x| (x.index, x)).collect(),
            now: self.now,
        }
    }
}

/// A closed account is kept by the runtime as one without lamports.
fn existing(account: Option<&AccountSharedData>) -> Option<AccountSharedData> {
    account.filter(|a| a.lamports() > 0 && !a.data().is_empty()).cloned()
}
