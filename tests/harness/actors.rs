//! Traders and providers: what they own and do.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin, Order};
use bulwark_sdk::{Instruction, Pubkey, address};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::world::{Failure, Outcome, World};

/// A trader or provider with tokens and a margin account.
pub struct Trader {
    /// Signs.
    pub key: Keypair,
    /// The margin account, sub-id 0.
    pub margin: Pubkey,
    /// The quote token account.
    pub tokens: Pubkey,
}

impl World {
    /// A trader with an open margin account and `quote` units in the wallet.
    ///
    /// # Panics
    /// If opening the account is refused.
    pub fn trader(&mut self, quote: u64) -> Trader {
        let key = self.keypair();
        let tokens = self.create_tokens(self.listings.vaults[0].mint, key.pubkey(), quote);
        let open = ix::open_margin_account(key.pubkey(), self.payer.pubkey(), 0);
        self.send(&[open], &[&key]).expect("open_margin_account");
        Trader { margin: address::margin_account(&key.pubkey(), 0), key, tokens }
    }

    /// A trader who has deposited `quote` units.
    ///
    /// # Panics
    /// If a transaction is refused.
    pub fn funded_trader(&mut self, quote: u64) -> Trader {
        let trader = self.trader(quote);
        self.deposit(&trader, quote).expect("deposit");
        trader
    }

    /// Deposits quote.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deposit(&mut self, trader: &Trader, amount: u64) -> Result<Outcome, Failure> {
        let vault = self.listings.vaults[0];
        let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &vault, (trader.tokens, amount));
        self.send(&[deposit], &[&trader.key])
    }

    /// Gives the trader `amount` units of a collateral and deposits them. Returns the token account.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deposit_collateral(
        &mut self,
        trader: &Trader,
        vault: u16,
        amount: u64,
    ) -> Result<Pubkey, Failure> {
        let listing = self.listings.vaults[usize::from(vault)];
        let source = self.create_tokens(listing.mint, trader.key.pubkey(), amount);
        let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &listing, (source, amount));
        self.send(&[deposit], &[&trader.key]).map(|_| source)
    }

    /// Withdraws to a token account of the trader.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn withdraw(
        &mut self,
        trader: &Trader,
        vault: u16,
        (destination, amount): (Pubkey, u64),
    ) -> Result<Outcome, Failure> {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let withdraw = ix::withdraw(&self.listings, margin, vault, (destination, amount)).expect("builds");
        self.send(&[withdraw], &[&trader.key])
    }

    /// The instruction that sets a delegate.
    #[must_use]
    pub fn delegate_instruction(&self, trader: &Trader, delegate: Pubkey) -> Instruction {
        let account = self.margin(&trader.margin);
        ix::set_delegate(Margin { address: trader.margin, account: &account }, delegate)
    }

    /// The instruction that increases a position at any price.
    ///
    /// # Panics
    /// If it can't be built.
    #[must_use]
    pub fn open_instruction(&self, trader: &Trader, market: u16, side: Side, lots: u64) -> Instruction {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let limit_price = if side == Side::Long { u64::MAX } else { 0 };
        let order = Order { market, lots, limit_price };
        ix::open_position(&self.listings, trader.key.pubkey(), margin, (side, order)).expect("builds")
    }

    /// The instruction that decreases a position at any price.
    ///
    /// # Panics
    /// If it can't be built.
    #[must_use]
    pub fn close_instruction(&self, trader: &Trader, market: u16, lots: u64) -> Instruction {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let slot = account.position(market).map(|i| account.positions[i]);
        let limit_price = match slot.map(|p| p.side) {
            Some(1) => u64::MAX,
            _ => 0,
        };
        let order = Order { market, lots, limit_price };
        ix::close_position(&self.listings, trader.key.pubkey(), margin, order).expect("builds")
    }

    /// Increases a position at any price.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(&mut self, trader: &Trader, market: u16, side: Side, lots: u64) -> Result<Outcome, Failure> {
        let open = self.open_instruction(trader, market, side, lots);
        self.send(&[open], &[&trader.key])
    }

    /// Decreases a position at any price; `u64::MAX` closes all.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn close(&mut self, trader: &Trader, market: u16, lots: u64) -> Result<Outcome, Failure> {
        let close = self.close_instruction(trader, market, lots);
        self.send(&[close], &[&trader.key])
    }

    /// Adds liquidity from the trader's wallet. Returns the token account with the shares.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn add_liquidity(&mut self, trader: &Trader, amount: u64) -> Result<Pubkey, Failure> {
        self.add_to_tranche(trader, TrancheKind::Junior, amount)
    }

    /// Adds liquidity from the trader's wallet to a tranche. Returns the token account with the shares.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn add_to_tranche(
        &mut self,
        trader: &Trader,
        tranche: TrancheKind,
        amount: u64,
    ) -> Result<Pubkey, Failure> {
        let owner = trader.key.pubkey();
        let shares = self.create_tokens(address::share_mint(tranche), owner, 0);
        let keys = (owner, trader.tokens, shares);
        let add = ix::add_liquidity(&self.listings, tranche, keys, (amount, 0)).expect("builds");
        self.send(&[add], &[&trader.key]).map(|_| shares)
    }
}
