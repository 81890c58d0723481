//! Liquidators, keepers and stakers: their calls.

use bulwark_sdk::engine::debt::{self, Debts};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order};
use bulwark_sdk::program::state::{MarginAccount, Market, UnstakeTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use solana_signer::Signer;

use crate::actors::Trader;
use crate::world::{Failure, Outcome, World};

impl World {
    /// Makes what an account that was tampered with owes a debt to one market, for a position of this side.
    pub fn owe(&mut self, margin: &Pubkey, market: u16, side: Side) {
        let debt = debt::owed(self.margin(margin).quote);
        let before = self.margin(margin).debts.held[usize::from(market)];
        self.tamper::<MarginAccount>(margin, |account| {
            account.debts = Debts { total: debt, ..Debts::default() };
            account.debts.lost[usize::from(market)][usize::from(side.to_byte())] = debt;
            account.debts.held[usize::from(market)] = debt;
        });
        self.tamper::<Market>(&address::market(market), |m| {
            m.core.book.unbacked = m.core.book.unbacked - before + debt;
        });
    }

    /// The instruction with which `liquidator` takes over up to `lots` of a position at any price.
    ///
    /// # Panics
    /// If it can't be built.
    #[must_use]
    pub fn liquidate_instruction(
        &self,
        liquidator: &Trader,
        victim: &Pubkey,
        market: u16,
        lots: u64,
    ) -> Instruction {
        let (own, account) = (self.margin(&liquidator.margin), self.margin(victim));
        let margin = Margin { address: liquidator.margin, account: &own };
        let liquidator = Liquidator { authority: liquidator.key.pubkey(), margin };
        let short = account.position(market).is_some_and(|slot| account.positions[slot].side == 1);
        let limit_price = if short { 0 } else { u64::MAX };
        let victim = Margin { address: *victim, account: &account };
        ix::liquidate(&self.listings, liquidator, victim, Order { market, lots, limit_price })
            .expect("builds")
    }

    /// Takes over up to `lots` of a position at any price; `u64::MAX` takes what the auction offers, 0 only starts it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn liquidate(
        &mut self,
        liquidator: &Trader,
        victim: &Pubkey,
        market: u16,
        lots: u64,
    ) -> Result<Outcome, Failure> {
        let liquidate = self.liquidate_instruction(liquidator, victim, market, lots);
        self.send(&[liquidate], &[&liquidator.key])
    }

    /// Hands a position to the pool; the pay goes to the margin account `keeper`.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn liquidate_to_pool(
        &mut self,
        victim: &Pubkey,
        market: u16,
        keeper: Option<Pubkey>,
    ) -> Result<Outcome, Failure> {
        let account = self.margin(victim);
        let victim = Margin { address: *victim, account: &account };
        let call = ix::liquidate_to_pool(&self.listings, victim, market, keeper).expect("builds");
        self.send(&[call], &[])
    }

    /// Buys up to `amount` units of a collateral at any price.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn liquidate_collateral(
        &mut self,
        liquidator: &Trader,
        victim: &Pubkey,
        vault: u16,
        amount: u64,
    ) -> Result<Outcome, Failure> {
        self.press_debtor(liquidator, (victim, None), vault, amount)
    }

    /// As [`World::liquidate_collateral`], in the name of a market that is in need of what the account owes.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn press_debtor(
        &mut self,
        liquidator: &Trader,
        (victim, creditor): (&Pubkey, Option<u16>),
        vault: u16,
        amount: u64,
    ) -> Result<Outcome, Failure> {
        let (own, account) = (self.margin(&liquidator.margin), self.margin(victim));
        let margin = Margin { address: liquidator.margin, account: &own };
        let buyer = Liquidator { authority: liquidator.key.pubkey(), margin };
        let victim = Margin { address: *victim, account: &account };
        let call =
            ix::liquidate_collateral(&self.listings, buyer, (victim, creditor), (vault, amount, u64::MAX));
        self.send(&[call.expect("builds")], &[&liquidator.key])
    }

    /// Runs the waterfall for a bankrupt account in a market.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn resolve_bankruptcy(&mut self, bankrupt: &Pubkey, market: u16) -> Result<Outcome, Failure> {
        let account = self.margin(bankrupt);
        let margin = Margin { address: *bankrupt, account: &account };
        let call = ix::resolve_bankruptcy(&self.listings, margin, market).expect("builds");
        self.send(&[call], &[])
    }

    /// Reduces a position to the cut-off leverage; the tip goes to the margin account `keeper`.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn auto_deleverage(
        &mut self,
        target: &Pubkey,
        market: u16,
        keeper: Option<Pubkey>,
    ) -> Result<Outcome, Failure> {
        let account = self.margin(target);
        let margin = Margin { address: *target, account: &account };
        let call = ix::auto_deleverage(&self.listings, margin, market, keeper).expect("builds");
        self.send(&[call], &[])
    }

    /// Settles a position.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn settle(&mut self, margin: &Pubkey, market: u16) -> Result<Outcome, Failure> {
        self.send(&[ix::settle_position(*margin, market)], &[])
    }

    /// Donates to the insurance fund's reserve from the trader's wallet.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn fund_insurance(&mut self, donor: &Trader, amount: u64) -> Result<Outcome, Failure> {
        let call = ix::fund_insurance(&self.listings, donor.key.pubkey(), (donor.tokens, amount));
        self.send(&[call.expect("builds")], &[&donor.key])
    }

    /// Stakes from the trader's wallet. Returns the token account with the shares.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn stake(&mut self, staker: &Trader, amount: u64) -> Result<Pubkey, Failure> {
        let owner = staker.key.pubkey();
        let shares = self.create_tokens(address::backstop_mint(), owner, 0);
        let call = ix::stake_backstop(&self.listings, (owner, staker.tokens, shares), (amount, 0));
        self.send(&[call.expect("builds")], &[&staker.key]).map(|_| shares)
    }

    /// Puts backstop shares into the staker's ticket `nonce`. Returns the ticket's address.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn request_unstake(
        &mut self,
        staker: &Trader,
        shares: Pubkey,
        (nonce, amount): (u64, u64),
    ) -> Result<Pubkey, Failure> {
        let owner = staker.key.pubkey();
        let call = ix::request_unstake((owner, self.payer.pubkey(), shares), (nonce, amount));
        self.send(&[call], &[&staker.key]).map(|_| address::unstake_ticket(&owner, nonce))
    }

    /// Pays an unstake ticket to the staker's wallet.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the call can't be built.
    pub fn unstake(&mut self, staker: &Trader, ticket: &Pubkey, least: u64) -> Result<Outcome, Failure> {
        let ticket: Box<UnstakeTicket> = self.get(ticket);
        let call = ix::unstake(&self.listings, &ticket, (staker.tokens, least)).expect("builds");
        self.send(&[call], &[&staker.key])
    }

    /// Makes the stake of a ticket active again.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn cancel_unstake(
        &mut self,
        authority: &Trader,
        ticket: &Pubkey,
        shares: Pubkey,
    ) -> Result<Outcome, Failure> {
        let ticket: Box<UnstakeTicket> = self.get(ticket);
        let call = ix::cancel_unstake(authority.key.pubkey(), &ticket, shares);
        self.send(&[call], &[&authority.key])
    }
}
