//! Bulwark: a perpetuals clearinghouse for Solana.
//!
//! The program is a thin shell around [`bulwark_engine`]: it checks who signs and which accounts are passed,
//! moves tokens and emits events; every number about money is the engine's. This file is the list of
//! entry points; each instruction has its own file under [`instructions`].

#![allow(
    missing_docs,
    reason = "what Anchor generates for entry points and accounts structs has no documentation"
)]

use anchor_lang::prelude::*;

#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod errors;
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod events;
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod governance;
mod health;
pub mod instructions;
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod oracle;
pub mod prices;
mod signing;
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod state;
mod tokens;

use instructions::*;
use state::ChangePayload;

declare_id!("BuLwarkXq7cVJ1Yq3wqnVxCwDvHqVw2Wm9LrTgQbVpzE");

/// The entry points.
#[program]
pub mod bulwark {
    use super::*;

    /// Creates the exchange, the quote vault, the pool and the insurance fund. Signed by the upgrade authority.
    pub fn initialize_exchange(ctx: Context<InitializeExchange>, args: InitializeExchangeArgs) -> Result<()> {
        initialize_exchange::handler(ctx, &args)
    }

    /// Proposes a change, to be executed by anyone once its delay is over.
    pub fn propose_change(ctx: Context<ProposeChange>, nonce: u64, payload: ChangePayload) -> Result<()> {
        propose_change::handler(ctx, nonce, &payload)
    }

    /// Executes a change whose delay is over.
    pub fn execute_change(ctx: Context<ExecuteChange>) -> Result<()> {
        execute_change::handler(ctx)
    }

    /// Cancels a change.
    pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
        cancel_change::handler(ctx)
    }

    /// Puts parameters in force at once that are at least as strict in every field.
    pub fn tighten(ctx: Context<Tighten>, payload: ChangePayload) -> Result<()> {
        tighten::handler(ctx, &payload)
    }

    /// Sets pause bits of a market, or of the exchange without one.
    pub fn set_pause(ctx: Context<SetPause>, bits: u8) -> Result<()> {
        set_pause::handler(ctx, bits)
    }

    /// Nominates the next admin; the default key takes a nomination back.
    pub fn nominate_admin(ctx: Context<NominateAdmin>, nominee: Pubkey) -> Result<()> {
        nominate_admin::handler(ctx, nominee)
    }

    /// Accepts a nomination after its delay.
    pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
        accept_admin::handler(ctx)
    }

    /// Lists a collateral, as an executed change says.
    pub fn create_vault(ctx: Context<CreateVault>) -> Result<()> {
        create_vault::handler(ctx)
    }

    /// Lists a market, as an executed change says. A market is larger than one instruction may allocate: the first call
    /// allocates, the second one grows and initializes.
    pub fn create_market(ctx: Context<CreateMarket>) -> Result<()> {
        create_market::handler(ctx)
    }

    /// Stops increases of a market without a price.
    pub fn suspend_market(ctx: Context<SuspendMarket>) -> Result<()> {
        suspend_market::handler(ctx)
    }

    /// Activates a market again that was suspended and has a price.
    pub fn resume_market(ctx: Context<ResumeMarket>) -> Result<()> {
        resume_market::handler(ctx)
    }

    /// Closes a market that has settled.
    pub fn close_market(ctx: Context<CloseMarket>) -> Result<()> {
        close_market::handler(ctx)
    }

    /// Moves `amount` quote units of protocol fees to the recorded recipient.
    pub fn collect_protocol_fees(ctx: Context<CollectProtocolFees>, amount: u64) -> Result<()> {
        collect_protocol_fees::handler(ctx, amount)
    }

    /// Takes the configured oracles' prices into a market.
    pub fn refresh_market(ctx: Context<RefreshMarket>) -> Result<()> {
        refresh_market::handler(ctx)
    }

    /// Takes the configured oracles' prices into a vault.
    pub fn refresh_vault(ctx: Context<RefreshVault>) -> Result<()> {
        refresh_vault::handler(ctx)
    }

    /// Opens a margin account.
    pub fn open_margin_account(ctx: Context<OpenMarginAccount>, sub_id: u16) -> Result<()> {
        open_margin_account::handler(ctx, sub_id)
    }

    /// Closes an empty margin account and returns its rent to the owner.
    pub fn close_margin_account(ctx: Context<CloseMarginAccount>) -> Result<()> {
        close_margin_account::handler(ctx)
    }

    /// Sets who may trade besides the owner; the default key is nobody.
    pub fn set_delegate(ctx: Context<SetDelegate>, incarnation: u64, delegate: Pubkey) -> Result<()> {
        set_delegate::handler(ctx, incarnation, delegate)
    }

    /// Moves `amount` token units from the signer's token account to a margin account.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        deposit::handler(ctx, amount)
    }

    /// Moves token units from a margin account to a token account of its owner.
    pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, args: WithdrawArgs) -> Result<()> {
        withdraw::handler(ctx, &args)
    }

    /// Increases a position.
    pub fn open_position<'info>(ctx: Context<'info, Trade<'info>>, args: OpenPositionArgs) -> Result<()> {
        open_position::handler(ctx, &args)
    }

    /// Decreases or closes a position.
    pub fn close_position<'info>(ctx: Context<'info, Trade<'info>>, args: ClosePositionArgs) -> Result<()> {
        close_position::handler(ctx, &args)
    }

    /// Places a trigger: limit entry, take-profit or stop-loss.
    pub fn place_trigger(ctx: Context<PlaceTrigger>, args: PlaceTriggerArgs) -> Result<()> {
        place_trigger::handler(ctx, &args)
    }

    /// Cancels a trigger.
    pub fn cancel_trigger(ctx: Context<CancelTrigger>, incarnation: u64, id: u64) -> Result<()> {
        cancel_trigger::handler(ctx, incarnation, id)
    }

    /// Executes a trigger whose price has come.
    pub fn execute_trigger<'info>(ctx: Context<'info, ExecuteTrigger<'info>>, id: u64) -> Result<()> {
        execute_trigger::handler(ctx, id)
    }

    /// Settles a position: pending unwind, claim, losses that claims wait for.
    pub fn settle_position(ctx: Context<SettlePosition>) -> Result<()> {
        settle_position::handler(ctx)
    }

    /// Takes over a position of an account below maintenance margin, at the auction's price; the first call starts it.
    pub fn liquidate<'info>(ctx: Context<'info, Liquidate<'info>>, args: LiquidateArgs) -> Result<()> {
        liquidate::handler(ctx, &args)
    }

    /// Hands a position of an account below maintenance margin to the pool.
    pub fn liquidate_to_pool<'info>(ctx: Context<'info, LiquidateToPool<'info>>) -> Result<()> {
        liquidate_to_pool::handler(ctx)
    }

    /// Buys collateral of an account in trouble, or of one that owes too much quote.
    pub fn liquidate_collateral<'info>(
        ctx: Context<'info, LiquidateCollateral<'info>>,
        args: LiquidateCollateralArgs,
    ) -> Result<()> {
        liquidate_collateral::handler(ctx, &args)
    }

    /// Pays what a bankrupt account owes for a market through the waterfall.
    pub fn resolve_bankruptcy<'info>(ctx: Context<'info, ResolveBankruptcy<'info>>) -> Result<()> {
        resolve_bankruptcy::handler(ctx)
    }

    /// Reduces a position above the cut-off leverage while the pool is exposed too much.
    pub fn auto_deleverage<'info>(ctx: Context<'info, AutoDeleverage<'info>>) -> Result<()> {
        auto_deleverage::handler(ctx)
    }

    /// Unwinds the winners of a market whose pool money is used up.
    pub fn rebalance_market(ctx: Context<RebalanceMarket>) -> Result<()> {
        rebalance_market::handler(ctx)
    }

    /// Donates `amount` quote units to the insurance fund's reserve.
    pub fn fund_insurance(ctx: Context<FundInsurance>, amount: u64) -> Result<()> {
        fund_insurance::handler(ctx, amount)
    }

    /// Stakes `amount` quote units behind the markets, for at least `min_shares` shares.
    pub fn stake_backstop(ctx: Context<StakeBackstop>, amount: u64, min_shares: u64) -> Result<()> {
        stake_backstop::handler(ctx, amount, min_shares)
    }

    /// Puts backstop shares into a ticket, to be paid after a cooldown.
    pub fn request_unstake(ctx: Context<RequestUnstake>, nonce: u64, shares: u64) -> Result<()> {
        request_unstake::handler(ctx, nonce, shares)
    }

    /// Pays an unstake ticket at least `min_amount` quote units.
    pub fn unstake(ctx: Context<Unstake>, min_amount: u64) -> Result<()> {
        unstake::handler(ctx, min_amount)
    }

    /// Takes stake back out of a ticket: it is active again.
    pub fn cancel_unstake(ctx: Context<CancelUnstake>) -> Result<()> {
        cancel_unstake::handler(ctx)
    }

    /// Adds `amount` quote units to the pool for at least `min_shares` shares of the mint that is passed.
    pub fn add_liquidity<'info>(
        ctx: Context<'info, AddLiquidity<'info>>,
        amount: u64,
        min_shares: u64,
    ) -> Result<()> {
        add_liquidity::handler(ctx, amount, min_shares)
    }

    /// Puts pool shares into a ticket, to be redeemed after a delay.
    pub fn request_redeem<'info>(
        ctx: Context<'info, RequestRedeem<'info>>,
        nonce: u64,
        shares: u64,
    ) -> Result<()> {
        request_redeem::handler(ctx, nonce, shares)
    }

    /// Pays a ticket at least `min_amount` quote units, whole or as far as the pool can.
    pub fn redeem<'info>(ctx: Context<'info, Redeem<'info>>, min_amount: u64) -> Result<()> {
        redeem::handler(ctx, min_amount)
    }

    /// Takes the shares back out of a ticket.
    pub fn cancel_redeem(ctx: Context<CancelRedeem>) -> Result<()> {
        cancel_redeem::handler(ctx)
    }

    /// Moves idle pool cash to a market, or its excess back, towards the market's target weight.
    pub fn allocate_liquidity<'info>(ctx: Context<'info, AllocateLiquidity<'info>>) -> Result<()> {
        allocate_liquidity::handler(ctx)
    }

    /// Distributes a market's accrued fees.
    pub fn sweep_market(ctx: Context<SweepMarket>) -> Result<()> {
        sweep_market::handler(ctx)
    }

    /// Recomputes what the passed accounts decide; a mismatch pauses withdrawals and increases.
    pub fn check_invariants<'info>(ctx: Context<'info, CheckInvariants<'info>>) -> Result<()> {
        check_invariants::handler(ctx)
    }
}
