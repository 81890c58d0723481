//! What a change or a tightening does to its target: the one place where parameters, sources and status change.
//!
//! Every kind is checked alike when it is proposed, when it is executed and when it is applied at once; only then is it
//! put in force, and the target's revision moves on, which makes every other change void that was proposed for it.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::{CollateralParams, QuoteWeight};
use bulwark_engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use bulwark_engine::price::{Action, Age};
use bulwark_engine::tighten::{self, Governed};
use bulwark_engine::units::Price;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::{MarketSettling, MarketStatusChanged};
use crate::oracle::OracleSource;
use crate::prices;
use crate::state::{self, ChangePayload, Exchange, InsuranceFund, Market, MarketStatus, Pause, Pool, Vault};

/// How far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Only checked, as far as it can be now.
    Proposed,
    /// Checked and put in force: it has waited.
    Executed,
    /// Checked to be at least as strict, and put in force at once.
    Tightened,
}

/// The accounts that a change may be about. Only its own target is looked at.
pub(crate) struct Targets<'a, 'info> {
    /// The exchange.
    pub exchange: &'a AccountLoader<'info, Exchange>,
    /// A market.
    pub market: Option<&'a AccountLoader<'info, Market>>,
    /// A vault.
    pub vault: Option<&'a AccountLoader<'info, Vault>>,
    /// The pool.
    pub pool: Option<&'a AccountLoader<'info, Pool>>,
    /// The insurance fund.
    pub insurance_fund: Option<&'a AccountLoader<'info, InsuranceFund>>,
    /// Accounts of the new sources.
    pub oracles: prices::Accounts<'a, 'info>,
}

/// `Ok` if one set of parameters may follow the other.
fn require_move<T: Governed>(
    stage: Stage,
    (from, to): (&T, &T),
    stepped_at: &mut i64,
    now: i64,
) -> Result<()> {
    match stage {
        Stage::Tightened => {
            *stepped_at = tighten::require_tighter(from, to, (*stepped_at, now)).or_error()?
        }
        Stage::Proposed | Stage::Executed => tighten::require_steps(from, to).or_error()?,
    }
    Ok(())
}

/// Moves a target's version on.
fn revise(revision: &mut u32) {
    *revision = revision.wrapping_add(1);
}

/// `Ok` if every configured source is one of a known oracle, and no source is named twice; a market or a collateral needs a
/// primary one.
///
/// # Errors
/// [`BulwarkError::InvalidPayload`].
pub fn require_sources([primary, secondary]: &[OracleSource; 2], needed: bool) -> Result<()> {
    let known = primary.is_known() && secondary.is_known();
    let distinct = primary != secondary || !primary.is_some();
    let enough = primary.is_some() || !needed && !secondary.is_some();
    require!(known && distinct && enough, BulwarkError::InvalidPayload);
    Ok(())
}

impl<'a, 'info> Targets<'a, 'info> {
    fn market(&self, index: u16) -> Result<&'a AccountLoader<'info, Market>> {
        let market = self.market.ok_or(BulwarkError::AccountMissing)?;
        require!(market.load()?.index == index, BulwarkError::WrongAccount);
        Ok(market)
    }

    fn vault(&self, index: u16) -> Result<&'a AccountLoader<'info, Vault>> {
        let vault = self.vault.ok_or(BulwarkError::AccountMissing)?;
        require!(vault.load()?.index == index, BulwarkError::WrongAccount);
        Ok(vault)
    }

    /// Version of the payload's target.
    ///
    /// # Errors
    /// A missing target, or another one.
    pub(crate) fn revision(&self, payload: &ChangePayload) -> Result<u32> {
        Ok(match *payload {
            ChangePayload::MarketParams { market, .. }
            | ChangePayload::MarketSources { market, .. }
            | ChangePayload::MarketStatus { market, .. } => self.market(market)?.load()?.revision,
            ChangePayload::VaultParams { vault, .. } | ChangePayload::VaultSources { vault, .. } => {
                self.vault(vault)?.load()?.revision
            }
            ChangePayload::ExchangeParams { .. } => self.exchange.load()?.revision,
            ChangePayload::PoolParams { .. } => {
                self.pool.ok_or(BulwarkError::AccountMissing)?.load()?.revision
            }
            ChangePayload::InsuranceParams { .. } => {
                self.insurance_fund.ok_or(BulwarkError::AccountMissing)?.load()?.revision
            }
            ChangePayload::CreateVault { .. } | ChangePayload::CreateMarket { .. } => 0,
            ChangePayload::Guardian { .. } => self.exchange.load()?.guardian_epoch,
            ChangePayload::FeeRecipient { .. } => self.exchange.load()?.recipient_epoch,
            ChangePayload::Unpause { market: Some(market), .. } => self.market(market)?.load()?.pauses,
            ChangePayload::Unpause { market: None, .. } => self.exchange.load()?.pauses,
        })
    }

    /// Checks a payload, and puts it in force unless it is only proposed. A listing is only checked: an instruction of its
    /// own carries it out.
    ///
    /// # Errors
    /// [`BulwarkError::NotTightenable`]; a bound, a step or a status that does not allow it; what the engine refuses.
    pub(crate) fn run(&self, payload: &ChangePayload, stage: Stage, now: i64) -> Result<()> {
        match payload {
            ChangePayload::MarketParams { market, params } => self.market_params(*market, params, stage, now),
            ChangePayload::VaultParams { vault, params } => self.vault_params(*vault, params, stage, now),
            ChangePayload::ExchangeParams { params } => self.exchange_params(params, stage, now),
            ChangePayload::PoolParams { params } => self.pool_params(params, stage, now),
            ChangePayload::InsuranceParams { params } => self.insurance_params(params, stage, now),
            ChangePayload::MarketStatus { market, status, price } => {
                self.market_status(*market, (*status, *price), stage, now)
            }
            _ if stage == Stage::Tightened => err!(BulwarkError::NotTightenable),
            ChangePayload::MarketSources { market, sources } => {
                self.market_sources(*market, sources, stage, now)
            }
            ChangePayload::VaultSources { vault, sources } => self.vault_sources(*vault, sources, stage, now),
            ChangePayload::CreateVault { mint, sources, params } => {
                require!(*mint != Pubkey::default(), BulwarkError::InvalidPayload);
                require_sources(sources, true)?;
                params.validate().or_error()
            }
            ChangePayload::CreateMarket { sources, params } => {
                require_sources(sources, true)?;
                params.validate_listing().or_error()
            }
            ChangePayload::Guardian { guardian } => self.role(stage, |exchange| {
                exchange.guardian = *guardian;
                revise(&mut exchange.guardian_epoch);
            }),
            ChangePayload::FeeRecipient { fee_recipient } => self.role(stage, |exchange| {
                exchange.fee_recipient = *fee_recipient;
                revise(&mut exchange.recipient_epoch);
            }),
            ChangePayload::Unpause { market, bits } => self.unpause((*market, *bits), stage, now),
        }
    }

    fn market_params(&self, index: u16, params: &MarketParams, stage: Stage, now: i64) -> Result<()> {
        let market = self.market(index)?;
        let stepped_at = {
            let market = market.load()?;
            let mut stepped_at = market.stepped_at;
            params.validate().or_error()?;
            require_move(stage, (&market.core.params, params), &mut stepped_at, now)?;
            stepped_at
        };
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut market = market.load_mut()?;
        market.stepped_at = stepped_at;
        revise(&mut market.revision);
        market.core.change_params(params, now).or_error()
    }

    fn vault_params(&self, index: u16, params: &CollateralParams, stage: Stage, now: i64) -> Result<()> {
        let vault = self.vault(index)?;
        let stepped_at = {
            let vault = vault.load()?;
            let mut stepped_at = vault.stepped_at;
            params.validate_change(&vault.core.params, vault.is_quote()).or_error()?;
            vault.core.require_cap_worth(params).or_error()?;
            let opens = vault.core.params.max_deposits == 0 && params.max_deposits != 0;
            if opens && stage == Stage::Executed && !vault.is_quote() {
                // Its worth is judged by a price of now.
                let (oracle, judged) = (&vault.core.oracle, &vault.core.params.oracle);
                oracle.require(judged, (Action::Increase, Age::Margin), now).or_error()?;
            }
            require_move(stage, (&vault.core.params, params), &mut stepped_at, now)?;
            stepped_at
        };
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut vault = vault.load_mut()?;
        vault.stepped_at = stepped_at;
        revise(&mut vault.revision);
        if vault.is_quote() {
            let mut exchange = self.exchange.load_mut()?;
            exchange.quote_weight = exchange.quote_weight.with_floor(params);
        }
        vault.core.change_params(params, now).or_error()
    }

    fn exchange_params(&self, params: &ExchangeParams, stage: Stage, now: i64) -> Result<()> {
        let stepped_at = {
            let exchange = self.exchange.load()?;
            let mut stepped_at = exchange.stepped_at;
            params.validate().or_error()?;
            require_move(stage, (&exchange.params, params), &mut stepped_at, now)?;
            stepped_at
        };
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut exchange = self.exchange.load_mut()?;
        exchange.stepped_at = stepped_at;
        exchange.params = *params;
        revise(&mut exchange.revision);
        Ok(())
    }

    fn pool_params(&self, params: &PoolParams, stage: Stage, now: i64) -> Result<()> {
        let pool = self.pool.ok_or(BulwarkError::AccountMissing)?;
        params.validate().or_error()?;
        require_move(stage, (&pool.load()?.core.params, params), &mut 0, now)?;
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut pool = pool.load_mut()?;
        pool.core.accrue(now);
        pool.core.params = *params;
        revise(&mut pool.revision);
        Ok(())
    }

    fn insurance_params(&self, params: &InsuranceParams, stage: Stage, now: i64) -> Result<()> {
        let fund = self.insurance_fund.ok_or(BulwarkError::AccountMissing)?;
        params.validate().or_error()?;
        require_move(stage, (&fund.load()?.core.params(), params), &mut 0, now)?;
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut fund = fund.load_mut()?;
        fund.core.set_params(params);
        revise(&mut fund.revision);
        Ok(())
    }

    fn market_status(
        &self,
        index: u16,
        (status, price): (MarketStatus, u64),
        stage: Stage,
        now: i64,
    ) -> Result<()> {
        let market = self.market(index)?;
        {
            let market = market.load()?;
            require!(market.may_become(status), BulwarkError::BadTransition);
            require!(price == 0 || status == MarketStatus::Settling, BulwarkError::InvalidPayload);
            let strict = stage != Stage::Tightened || status == MarketStatus::ReduceOnly;
            require!(strict, BulwarkError::NotTightenable);
        }
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut market = market.load_mut()?;
        match status {
            MarketStatus::Active => {
                let core = &market.core;
                core.oracle.require(&core.params.oracle, (Action::Increase, Age::Margin), now).or_error()?;
            }
            MarketStatus::Settling => settle(&mut market, price, now)?,
            MarketStatus::ReduceOnly => {}
        }
        market.set_status(status);
        let sequence = state::next(&mut market.sequence)?;
        emit!(MarketStatusChanged { market: index, sequence, status, outage: false });
        Ok(())
    }

    fn market_sources(&self, index: u16, sources: &[OracleSource; 2], stage: Stage, now: i64) -> Result<()> {
        let market = self.market(index)?;
        require_sources(sources, true)?;
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut market = market.load_mut()?;
        let decimals = (self.exchange.load()?.quote_decimals, market.core.params.lot_decimals);
        let oracle = &market.core.params.oracle;
        let selection = prices::agreed(sources, (self.oracles, decimals), oracle, now)?;
        // Where nothing can be opened, a source that is alive and wrong can be replaced by one that disagrees.
        let waived = market.is(MarketStatus::ReduceOnly);
        market.core.change_sources(selection, (waived, now)).or_error()?;
        market.sources = *sources;
        revise(&mut market.revision);
        Ok(())
    }

    fn vault_sources(&self, index: u16, sources: &[OracleSource; 2], stage: Stage, now: i64) -> Result<()> {
        let vault = self.vault(index)?;
        let is_quote = vault.load()?.is_quote();
        require_sources(sources, !is_quote)?;
        if stage == Stage::Proposed {
            return Ok(());
        }
        let mut vault = vault.load_mut()?;
        let mut exchange = self.exchange.load_mut()?;
        if sources.iter().any(OracleSource::is_some) {
            let decimals = (exchange.quote_decimals, vault.decimals);
            let oracle = &vault.core.params.oracle;
            let selection = prices::agreed(sources, (self.oracles, decimals), oracle, now)?;
            vault.core.change_sources(selection, now).or_error()?;
        }
        vault.sources = *sources;
        revise(&mut vault.revision);
        if is_quote {
            let judged = sources.iter().any(OracleSource::is_some);
            exchange.quote_weight =
                if judged { QuoteWeight::of(&vault.core).or_error()? } else { QuoteWeight::WHOLE };
        }
        Ok(())
    }

    fn role(&self, stage: Stage, set: impl FnOnce(&mut Exchange)) -> Result<()> {
        if stage == Stage::Proposed {
            return Ok(());
        }
        set(&mut *self.exchange.load_mut()?);
        Ok(())
    }

    fn unpause(&self, (market, bits): (Option<u16>, u8), stage: Stage, now: i64) -> Result<()> {
        require_bits(market, bits)?;
        let market = market.map(|index| self.market(index)).transpose()?;
        if stage == Stage::Proposed {
            return Ok(());
        }
        if let Some(market) = market {
            market.load_mut()?.pause &= !bits;
            return Ok(());
        }
        self.exchange.load_mut()?.clear_pause(bits, now);
        Ok(())
    }
}

/// Freezes a market's price: the oracle's, or the named one if it is not zero.
fn settle(market: &mut Market, price: u64, now: i64) -> Result<()> {
    let named = if price == 0 { None } else { Some(Price::from_bits(price).or_error()?) };
    let price = market.core.begin_settling(named, now).or_error()?.to_bits();
    let sequence = state::next(&mut market.sequence)?;
    emit!(MarketSettling { market: market.index, sequence, price });
    Ok(())
}

/// `Ok` for pause bits that there are: of a market, or without one of the exchange; at least one.
///
/// # Errors
/// [`BulwarkError::InvalidPayload`].
pub fn require_bits(market: Option<u16>, bits: u8) -> Result<()> {
    let known = if market.is_some() { Pause::OF_A_MARKET } else { Pause::ALL };
    require!(bits != 0 && bits & !known == 0, BulwarkError::InvalidPayload);
    Ok(())
}
