//! Which prices an instruction needs anew, and the instructions that bring them.
//!
//! Whoever wants something of the program brings the prices for it: a trade its market's, as young as they come, and margin
//! those of everything that the account holds. A client puts the instructions of [`Snapshot::refresh_account`] or [`Snapshot::refresh_pool`] in front of its own,
//! in the same transaction.

use anchor_lang::solana_program::instruction::Instruction;
use bulwark::state::{MarginAccount, Market, Vault};
use bulwark_engine::price::{Age, OracleParams, OracleState, Validity};

use crate::address;
use crate::health::{HealthError, Snapshot};
use crate::instruction as ix;

/// Something with a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// Market by index.
    Market(u16),
    /// Vault by index.
    Vault(u16),
}

/// Markets and vaults that an account's health depends on: those of its positions, then its collaterals, in slot order.
pub fn legs_of(account: &MarginAccount) -> impl Iterator<Item = Leg> {
    let positions = account.positions.iter().filter(|p| p.is_open() && !p.is_claim());
    let collaterals = account.collaterals.iter().filter(|slot| slot.amount != 0);
    positions.map(|p| Leg::Market(p.market)).chain(collaterals.map(|slot| Leg::Vault(slot.vault)))
}

/// Half of what margin allows, so that there is time for the transaction to land; or not Fresh, which the next print may be.
fn is_old((oracle, params): (&OracleState, &OracleParams), now: i64) -> bool {
    let old = now.saturating_sub(oracle.publish_time) > i64::from(params.max_margin_age / 2);
    old || oracle.validity(params, Age::Margin, now) != Ok(Validity::Fresh)
}

impl Snapshot<'_> {
    fn is_priced(market: &Market) -> bool {
        address::oracle(&market.sources[0]).is_some() && !market.core.is_settling()
    }

    fn market_is_old(&self, market: &Market) -> bool {
        Self::is_priced(market) && is_old((&market.core.oracle, &market.core.params.oracle), self.now)
    }

    fn vault_is_old(&self, vault: &Vault) -> bool {
        let priced = address::oracle(&vault.sources[0]).is_some();
        priced && is_old((&vault.core.oracle, &vault.core.params.oracle), self.now)
    }

    /// What has to be refreshed before an account trades in `traded`, or does something else that asks for its margin: the
    /// traded market in any case, of the rest what is older than half of the age that margin allows, or wide or disputed. Markets
    /// come first.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg.
    pub fn old_legs(&self, account: &MarginAccount, traded: Option<u16>) -> Result<Vec<Leg>, HealthError> {
        let traded = traded.map(Leg::Market);
        let mut legs = Vec::from_iter(traded);
        for leg in legs_of(account).chain([Leg::Vault(Vault::QUOTE)]) {
            let old = match leg {
                Leg::Market(index) => self.market_is_old(self.find_market(index)?),
                Leg::Vault(index) => self.vault_is_old(self.find_vault(index)?),
            };
            if old && Some(leg) != traded {
                legs.push(leg);
            }
        }
        Ok(legs)
    }

    /// What has to be refreshed before the pool is valued: markets that hold positions. With [`Age::Trade`], to add liquidity
    /// and to redeem, each of them; with [`Age::Margin`], to request a redemption and to allocate, those whose price is older
    /// than half of the age that margin allows.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a market.
    pub fn old_markets(&self, age: Age) -> Result<Vec<Leg>, HealthError> {
        let mut legs = Vec::new();
        for index in self.exchange.markets() {
            let market = self.find_market(index)?;
            let held = market.core.book.long.lots != 0 || market.core.book.short.lots != 0;
            let old = match age {
                Age::Trade => Self::is_priced(market),
                Age::Margin => self.market_is_old(market),
            };
            if held && old {
                legs.push(Leg::Market(index));
            }
        }
        Ok(legs)
    }

    /// Takes the oracles' prices into a leg, from the accounts of [`address::oracles`]. `None` for one that has no source.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks it.
    pub fn refresh(&self, leg: Leg) -> Result<Option<Instruction>, HealthError> {
        Ok(match leg {
            Leg::Market(index) => {
                let oracles = address::oracles(&self.find_market(index)?.sources);
                oracles.map(|oracles| ix::refresh_market(index, oracles))
            }
            Leg::Vault(index) => {
                let vault = self.find_vault(index)?;
                address::oracles(&vault.sources)
                    .map(|oracles| ix::refresh_vault((index, &vault.mint), oracles))
            }
        })
    }

    /// The refreshes of [`Snapshot::old_legs`].
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg.
    pub fn refresh_account(
        &self,
        account: &MarginAccount,
        traded: Option<u16>,
    ) -> Result<Vec<Instruction>, HealthError> {
        self.old_legs(account, traded)?.into_iter().filter_map(|leg| self.refresh(leg).transpose()).collect()
    }

    /// The refreshes of [`Snapshot::old_markets`].
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a market.
    pub fn refresh_pool(&self, age: Age) -> Result<Vec<Instruction>, HealthError> {
        self.old_markets(age)?.into_iter().filter_map(|leg| self.refresh(leg).transpose()).collect()
    }
}
