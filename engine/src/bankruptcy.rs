//! When an account has nothing left to pay with.
//!
//! Bankrupt is who owes quote, holds no position and no collateral, and is owed less by the markets than he owes. There is
//! one test for it, whichever way led there. What the markets owe him is paid first, as far as they can; what is left of it
//! is forfeited: it can't be paid to somebody whose own debt others pay. Then every market where he lost pays its part through the waterfall.

use crate::debt;
use crate::margin::Legs;
use crate::market::Market;
use crate::position::Position;
use crate::units::{Lots, Quote};
use crate::{EngineError, Result};

impl Legs<'_> {
    /// `Ok` if an account of this quote balance is bankrupt. Claims count at their face value, before a pending unwind.
    ///
    /// # Errors
    /// [`EngineError::NotBankrupt`] saying why not, [`EngineError::Overflow`].
    pub fn require_bankrupt(&self, quote: Quote) -> Result<()> {
        let not = |why| Err(EngineError::NotBankrupt(why));
        if debt::owed(quote) == 0 {
            return not("it owes nothing");
        }
        if self.collaterals.iter().any(|c| c.amount != 0) {
            return not("it holds collateral: liquidate_collateral first");
        }
        if self.positions.iter().any(|p| p.is_open() && p.lots != Lots::ZERO) {
            return not("it holds a position: liquidate it, or settle it where the market settles");
        }
        let claims = self.positions.iter().filter(|p| p.is_open());
        let worth = claims.map(|p| p.quote).try_fold(quote, Quote::plus)?;
        if worth >= Quote::ZERO {
            return not("its claims are worth what it owes: settle_position pays them");
        }
        Ok(())
    }
}

impl Market {
    /// Cancels the claim of a bankrupt account; nothing for an empty slot. Returns what it was, quote units.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for a position with lots.
    pub fn forfeit(&mut self, position: &mut Position) -> Result<u64> {
        if !position.is_open() {
            return Ok(0);
        }
        if !position.is_claim() {
            return Err(EngineError::Corrupt("only a claim can be forfeited"));
        }
        self.take_out(position)?;
        let claim = position.quote.units_or_zero();
        *position = Position::EMPTY;
        Ok(claim)
    }

    /// Whether the market owes its traders more than it has, at the live price and at the average.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn is_insolvent(&self) -> Result<bool> {
        Ok(self.equity_at_best()? < Quote::ZERO)
    }
}
