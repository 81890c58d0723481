//! Risk may not outgrow what stands behind it.
//!
//! Every market asks for backing in proportion to its open interest. The insurance fund knows the sum, and what there is
//! against it: reserve, stake, the markets' own insurance and what the pool takes first. While that is less than one and a
//! half times what is asked for, every open-interest cap is scaled down by the missing part: a shrinking backstop shrinks
//! risk by itself. The sums are brought up to date whenever a market meets the fund, which anyone can bring about
//! (`sweep_market`).

use bytemuck::{Pod, Zeroable};

use crate::market::Market;
use crate::units::{PPM, PPM_ONE, ppm_ceil, ppm_floor};
use crate::waterfall::Fund;
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Coverage from which on caps are whole, as `3 / 2`.
const WHOLE: (u64, u64) = (3, 2);

/// What a market asks for and has of its own, or a sum of such; quote units.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Cover {
    /// Backing that the open interest asks for.
    pub required: u64,
    /// Insurance of the market and first loss of its pool money.
    pub own: u64,
}

impl Market {
    /// What the market asks for at the live price, rounded up, and has, rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn cover(&self) -> Result<Cover> {
        let (book, params) = (&self.book, &self.params);
        let lots = book.long.lots.max(book.short.lots);
        let required = ppm_ceil(self.mark().mul_ceil(lots)?, params.waterfall.backing_ppm)?;
        let equity = book.equity(self.mark())?.units_or_zero();
        let first = ppm_floor(equity, params.waterfall.first_loss_ppm)?;
        let own = book.insurance.checked_add(first).ok_or(EngineError::Overflow)?;
        Ok(Cover { required, own })
    }
}

impl Fund {
    /// Brings a market's part of the sums up to date, and scales its cap of open interest by what covers them all.
    ///
    /// # Errors
    /// [`EngineError::Overflow`], [`EngineError::Corrupt`] if the market was never part of the sums.
    pub fn cover(&mut self, market: &mut Market) -> Result<()> {
        let new = market.cover()?;
        self.replace(market.cover, new)?;
        market.cover = new;
        market.oi_scale_ppm = self.scale_ppm()?;
        Ok(())
    }

    /// Takes a market that closes out of the sums.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if it was never part of them.
    pub fn uncover(&mut self, market: &Market) -> Result<()> {
        self.replace(market.cover, Cover::default())
    }

    /// Puts a market's new part of the sums in the place of its old one.
    fn replace(&mut self, old: Cover, new: Cover) -> Result<()> {
        const ERROR: EngineError = EngineError::Corrupt("cover: a market's part is not in the sum");
        let moved = |sum: u64, old: u64, new: u64| {
            sum.checked_sub(old).ok_or(ERROR)?.checked_add(new).ok_or(EngineError::Overflow)
        };
        self.cover = Cover {
            required: moved(self.cover.required, old.required, new.required)?,
            own: moved(self.cover.own, old.own, new.own)?,
        };
        Ok(())
    }

    /// `min(1, CR / 1.5)` with `CR = (reserve + stake + own) / required`, ppm rounded down; 1 if nothing is required.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn scale_ppm(&self) -> Result<u32> {
        let stake = self.backstop.value()?;
        let there = self.reserve.checked_add(stake).and_then(|sum| sum.checked_add(self.cover.own));
        let there = there.ok_or(EngineError::Overflow)?;
        let wanted = wide::mul_div(self.cover.required, WHOLE.0, WHOLE.1, Round::Up)?;
        if there >= wanted {
            return Ok(PPM_ONE);
        }
        u32::try_from(wide::mul_div(there, PPM, wanted, Round::Down)?).map_err(|_| EngineError::Overflow)
    }
}

const _: () = assert!(size_of::<Cover>() == 16);
