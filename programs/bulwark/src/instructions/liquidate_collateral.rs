//! Buy collateral of an account below maintenance margin, or of one that owes more quote than the exchange lends. The
//! liquidator's own margin account pays quote and gets the collateral, at its price less the auction's discount. Never paused.

use anchor_lang::prelude::*;
use bulwark_engine::limits;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::sale::{Reason, Sale};
use bulwark_engine::trade::Order;
use bulwark_engine::units::{Lots, Quote, Side};
use bulwark_engine::{debt, fill};

use super::trade;
use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::CollateralSold;
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Market, Vault};

/// What the liquidator buys at most, and at what price.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidateCollateralArgs {
    /// Incarnation id of the liquidator's margin account.
    pub incarnation: u64,
    /// Most token units to buy; `u64::MAX` buys what the account has to sell, 0 only calls the auction.
    pub amount: u64,
    /// Highest price, Q32.32 quote units per token unit.
    pub limit_price: u64,
}

/// Accounts of `liquidate_collateral`. Remaining: the account's markets, then its other vaults, in slot order; then the
/// markets and vaults of the liquidator's account, in slot order.
#[derive(Accounts)]
pub struct LiquidateCollateral<'info> {
    /// Owner or delegate of the liquidator's account.
    pub liquidator: Signer<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The account that sells.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// Buys.
    #[account(mut)]
    pub liquidator_account: AccountLoader<'info, MarginAccount>,
    /// Vault of the collateral.
    #[account(mut)]
    pub vault: AccountLoader<'info, Vault>,
    /// A market that the account owes for and that is in need of it: it settles, or claims on it wait. Then it sells for that
    /// debt, however small.
    pub market: Option<AccountLoader<'info, Market>>,
}

/// Why the account sells, and for how much quote.
fn wanted(
    (exchange, account): (&Exchange, &mut MarginAccount),
    (vault, creditor): (&Vault, Option<&Market>),
    legs: &mut core::slice::Iter<'_, AccountInfo<'_>>,
    (slot, now): (u64, i64),
) -> core::result::Result<Offered, Refusal> {
    let what = (HealthType::Liquidate, now);
    let others = Legs { skip_vault: Some(vault.index), ..account.legs() };
    let mut all = health::of_legs(&others, legs, what)?;
    let held = account.collaterals.iter().find(|c| c.amount != 0 && c.vault == vault.index);
    let held = held.ok_or(BulwarkError::InsufficientBalance)?;
    all.count_collateral(&vault.core, held.amount, what)?;
    all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
    match all.in_trouble(&exchange.params.risk_groups) {
        Ok(health) => {
            let (elapsed, positions) = (account.call_auction(slot, health)?.elapsed, account.has_positions());
            let discount = vault.core.discount(Reason::Margin { elapsed, positions }, now)?;
            let wanted = vault.core.wanted(health, (account.quote, positions), discount)?;
            Ok(Offered { wanted, discount })
        }
        Err(healthy) => {
            let owed = debt::owed(account.quote);
            let wanted = if owed > exchange.params.auto_exchange_threshold {
                owed
            } else {
                let due = creditor.map(|m| Ok(m.core.pressing(account.debts.share(m.index, account.quote)?)));
                due.unwrap_or(Ok(0)).and_then(|due: u64| match due {
                    0 => Err(healthy),
                    due => Ok(due),
                })?
            };
            Ok(Offered { wanted, discount: vault.core.discount(Reason::Debt, now)? })
        }
    }
}

/// What an account has to sell for, and at which discount.
struct Offered {
    /// Quote units.
    wanted: u64,
    /// Discount, Q32.
    discount: u64,
}

/// Moves the collateral one way and the quote the other.
fn sell(
    [from, to]: [&mut MarginAccount; 2],
    (vault, most): (&Vault, u64),
    Offered { wanted, discount }: Offered,
) -> core::result::Result<Sale, Refusal> {
    let slot = from.collateral_or_free(vault.index).ok_or(BulwarkError::InsufficientBalance)?;
    let sale = vault.core.sell((slot.amount, most), wanted, discount)?;
    slot.amount = limits::shrink(slot.amount, sale.amount)?;
    let slot = to.collateral_or_free(vault.index).ok_or(BulwarkError::NoFreeCollateralSlot)?;
    slot.amount = limits::credit(slot.amount, sale.amount)?;
    let proceeds = Quote::from_units(sale.proceeds)?;
    from.credit(proceeds)?;
    // Paid with quote that the liquidator has: nobody owes for a market what he spent here.
    let left = limits::shrink(to.quote.units_or_zero(), sale.proceeds)?;
    to.quote = Quote::from_units(left)?;
    Ok(sale)
}

pub(crate) fn handler<'info>(
    ctx: Context<'info, LiquidateCollateral<'info>>,
    args: &LiquidateCollateralArgs,
) -> Result<()> {
    let Clock { unix_timestamp: now, slot, .. } = Clock::get()?;
    let accounts = &*ctx.accounts;
    let (key, buyer_key) = (accounts.margin_account.key(), accounts.liquidator_account.key());
    require!(key != buyer_key, BulwarkError::DuplicateAccount);
    let exchange = accounts.exchange.load()?;
    let mut account = accounts.margin_account.load_mut()?;
    let mut buyer = accounts.liquidator_account.load_mut()?;
    let mut vault = accounts.vault.load_mut()?;
    require!(!vault.is_quote(), BulwarkError::WrongAccount);
    trade::require_trader(&buyer, accounts.liquidator.key, args.incarnation)?;

    let mut legs = ctx.remaining_accounts.iter();
    let offered = {
        let creditor = match &accounts.market {
            Some(market) => Some(market.load()?),
            None => None,
        };
        wanted((&exchange, &mut account), (&vault, creditor.as_deref()), &mut legs, (slot, now))?
    };
    // What is left of a dead price is no price for a delegate to trade at.
    let fades = vault.core.faded_ppm(now).or_error()? > 0;
    require!(!fades || buyer.owner == accounts.liquidator.key(), BulwarkError::Unauthorized);
    if args.amount == 0 {
        return Ok(()); // the auction has been called
    }
    let sale = sell([&mut account, &mut buyer], (&vault, args.amount), offered)?;
    let limit = Order::limit(Side::Long, args.limit_price).or_error()?;
    let bought = Lots::on(Side::Long, sale.amount).or_error()?;
    fill::require_limit(bought, Quote::from_units(sale.proceeds).or_error()?, limit).or_error()?;
    if buyer.has_positions() {
        drop(vault);
        health::initial(&exchange, &buyer, None, (&mut legs, now))?.require().or_error()?;
        vault = accounts.vault.load_mut()?;
    }

    emit!(CollateralSold {
        account: key,
        vault: vault.index,
        sequence: state::next(&mut vault.sequence)?,
        liquidator: buyer_key,
        amount: sale.amount,
        price: vault.core.oracle.price.to_bits(),
        discount: sale.discount,
        proceeds: sale.proceeds,
    });
    Ok(())
}
