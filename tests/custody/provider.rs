//! A provider of pool liquidity: shares, tickets, and what both are worth.

use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::pool::{Nav, TrancheKind};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{LiquidityAdded, Redeemed};
use bulwark_sdk::program::state::{Pool, RedeemTicket, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Failure, SOL, Signer, Trader, World};

use crate::support::*;

/// Seconds between request and redemption in these fixtures.
pub const DELAY: i64 = 86_400;

/// Seconds after the delay in which a ticket can be redeemed.
pub const WINDOW: i64 = 21_600;

/// Seconds that a ticket stands at least before it can be cancelled.
pub const MIN_AGE: i64 = 3_600;

/// A provider with quote tokens and an empty account for the shares of a tranche.
pub struct Provider {
    /// Owner of everything.
    pub trader: Trader,
    /// Which shares.
    pub tranche: TrancheKind,
    /// The shares.
    pub shares: Pubkey,
}

impl Provider {
    /// A junior provider.
    pub fn new(world: &mut World, amount: u64) -> Self {
        Self::of(world, TrancheKind::Junior, amount)
    }

    /// A provider of a tranche.
    pub fn of(world: &mut World, tranche: TrancheKind, amount: u64) -> Self {
        let trader = world.trader(amount);
        let shares = world.create_tokens(address::share_mint(tranche), trader.key.pubkey(), 0);
        Self { trader, tranche, shares }
    }

    /// A provider who has added all of it.
    pub fn with_shares(world: &mut World, tranche: TrancheKind, amount: u64) -> Self {
        let provider = Self::of(world, tranche, amount);
        provider.mint(world, amount);
        provider
    }

    /// The instruction that adds liquidity.
    pub fn add(&self, world: &World, amount: u64, min_shares: u64) -> Instruction {
        let keys = (self.trader.key.pubkey(), self.trader.tokens, self.shares);
        ix::add_liquidity(&world.listings, self.tranche, keys, (amount, min_shares)).expect("builds")
    }

    /// Adds liquidity; what was minted.
    #[track_caller]
    pub fn mint(&self, world: &mut World, amount: u64) -> LiquidityAdded {
        let add = self.add(world, amount, 0);
        let outcome = accept(world, &add, &[&self.trader.key]);
        let Event::LiquidityAdded(added) = event(&outcome) else { panic!("{outcome:?}") };
        shares_add_up(world);
        added.clone()
    }

    /// The instruction that puts shares into a ticket whose rent the world's payer pays.
    pub fn request_instruction(&self, world: &World, nonce: u64, shares: u64) -> Instruction {
        let keys = (self.trader.key.pubkey(), world.payer.pubkey(), self.shares);
        ix::request_redeem(&world.listings, self.tranche, keys, (nonce, shares))
    }

    /// Puts shares into a ticket; their value.
    #[track_caller]
    pub fn request(&self, world: &mut World, nonce: u64, shares: u64) -> u64 {
        let request = self.request_instruction(world, nonce, shares);
        accept(world, &request, &[&self.trader.key]);
        shares_add_up(world);
        self.ticket(world, nonce).core.value
    }

    /// The address of a ticket.
    pub fn ticket_key(&self, nonce: u64) -> Pubkey {
        address::redeem_ticket(&self.trader.key.pubkey(), nonce)
    }

    /// A ticket.
    pub fn ticket(&self, world: &World, nonce: u64) -> Box<RedeemTicket> {
        world.get(&self.ticket_key(nonce))
    }

    /// The instruction that redeems a ticket.
    pub fn redeem_instruction(&self, world: &World, nonce: u64, min_amount: u64) -> Instruction {
        let ticket = self.ticket(world, nonce);
        ix::redeem(&world.listings, &ticket, (self.trader.tokens, min_amount)).expect("builds")
    }

    /// Redeems as much of a ticket as the pool pays.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn try_redeem(&self, world: &mut World, nonce: u64) -> Result<Redeemed, Failure> {
        let redeem = self.redeem_instruction(world, nonce, 0);
        let outcome = world.send(&[redeem], &[&self.trader.key])?;
        let Event::Redeemed(redeemed) = event(&outcome) else { panic!("{outcome:?}") };
        shares_add_up(world);
        Ok(redeemed.clone())
    }

    /// Redeems as much of a ticket as the pool pays.
    #[track_caller]
    pub fn redeem(&self, world: &mut World, nonce: u64) -> Redeemed {
        self.try_redeem(world, nonce).unwrap_or_else(|f| panic!("{}\n{}", f.error, f.logs.join("\n")))
    }

    /// The instruction that takes the shares of a ticket back.
    pub fn cancel_instruction(&self, world: &World, nonce: u64) -> Instruction {
        ix::cancel_redeem(self.trader.key.pubkey(), &self.ticket(world, nonce), self.shares)
    }

    /// Takes the shares of a ticket back.
    #[track_caller]
    pub fn cancel(&self, world: &mut World, nonce: u64) {
        let cancel = self.cancel_instruction(world, nonce);
        accept(world, &cancel, &[&self.trader.key]);
        shares_add_up(world);
    }

    /// Shares in the wallet.
    pub fn held(&self, world: &World) -> u64 {
        world.token_balance(&self.shares)
    }

    /// Quote tokens in the wallet.
    pub fn quote(&self, world: &World) -> u64 {
        world.token_balance(&self.trader.tokens)
    }

    /// What the shares in the wallet are worth now.
    pub fn worth(&self, world: &World) -> u64 {
        worth(world, self.tranche, self.held(world))
    }
}

/// What shares of a tranche are worth now, by the SDK.
pub fn worth(world: &World, tranche: TrancheKind, shares: u64) -> u64 {
    let pool = world.pool();
    world.ask(|snapshot| snapshot.share_value(&pool, tranche, shares)).expect("value")
}

/// What the pool is worth now, by the SDK.
pub fn nav(world: &World) -> Nav {
    let pool = world.pool();
    world.ask(|snapshot| snapshot.nav(&pool)).expect("nav")
}

/// Shares of a tranche in wallets.
pub fn supply(world: &World, tranche: TrancheKind) -> u64 {
    let mint = world.svm.get_account(&address::share_mint(tranche)).expect("share mint");
    spl_token::state::Mint::unpack(&mint.data).expect("mint").supply
}

/// Shares in wallets and in tickets are what the pool counts, tranche by tranche.
#[track_caller]
pub fn shares_add_up(world: &World) {
    let mut tickets = [0_u64; 2];
    for (_, account) in world.svm.get_program_accounts(&address::PROGRAM) {
        if let Ok(ticket) = decode_copy::<RedeemTicket>(&account.data) {
            tickets[usize::from(ticket.tranche)] += ticket.core.shares;
        }
    }
    let core = world.pool().core;
    for (tranche, (counted, tickets)) in
        TrancheKind::BOTH.into_iter().zip([core.junior, core.senior].into_iter().zip(tickets))
    {
        assert_eq!(counted.redeeming, tickets, "{tranche:?} shares in tickets");
        assert_eq!(counted.shares, supply(world, tranche) + tickets, "{tranche:?} shares");
    }
}

/// Income of the pool that no deposit explains, as fees and lost trades bring it.
pub fn earn(world: &mut World, amount: u64) {
    change_idle(world, |units| *units += amount);
}

/// A loss of the pool.
pub fn lose(world: &mut World, amount: u64) {
    change_idle(world, |units| *units -= amount);
}

fn change_idle(world: &mut World, change: impl Fn(&mut u64)) {
    let vault = world.listings.vaults[0];
    world.tamper::<Pool>(&address::pool(), |pool| change(&mut pool.core.idle));
    world.tamper::<Vault>(&vault.address, |v| change(&mut v.core.recorded));
    world.write_tokens(vault.token_account, |tokens| change(&mut tokens.amount));
}

/// SOL and BTC markets with a target of 40 % each, and no money in the pool.
pub fn markets() -> World {
    let mut world = World::empty();
    world.list_market(&SOL_ASSET, SOL_ASSET.market_params());
    world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    world
}

/// Lets time pass and prints the prices that the markets have: both are Fresh.
pub fn wait(world: &mut World, seconds: i64) {
    world.advance(seconds);
    if world.exchange().market_count > 0 {
        world.set_price(SOL, SOL_ASSET.price);
        world.set_price(BTC, BTC_ASSET.price);
    }
}

/// Allocates for a market; what moved.
#[track_caller]
pub fn allocate(world: &mut World, market: u16) -> i64 {
    let allocate = ix::allocate_liquidity(&world.listings, market);
    let outcome = accept(world, &allocate, &[]);
    let Event::LiquidityAllocated(allocated) = event(&outcome) else { panic!("{outcome:?}") };
    allocated.amount
}
