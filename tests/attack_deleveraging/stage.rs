//! What the files of this suite share: bankrupts, the fund, and parameters.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::program::state::Market;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

/// Neither fee nor spread; a thin market's winners pay before the fund.
pub fn market(tail: bool) -> MarketParams {
    let waterfall = WaterfallParams { tail: u8::from(tail), ..free().waterfall };
    MarketParams { waterfall, ..free() }
}

impl Scene {
    /// Fills the fund's reserve and, if asked for, the stake; dollars. Returns who staked, and the shares.
    pub fn fund_with(&mut self, reserve: u64, stake: u64) -> (Trader, Pubkey) {
        let donor = self.trader((reserve + stake) * DOLLAR);
        self.fund_insurance(&donor, reserve * DOLLAR).expect("fund_insurance");
        let mint = address::backstop_mint();
        let shares = match stake {
            0 => self.create_tokens(mint, bulwark_tests::Signer::pubkey(&donor.key), 0),
            _ => self.stake(&donor, stake * DOLLAR).expect("stake"),
        };
        (donor, shares)
    }

    /// Somebody who has nothing and owes so much for a market, lost by positions of this side.
    pub fn bankrupt(&mut self, market: u16, side: Side, debt: u64) -> Trader {
        let who = self.trader(0);
        tamper_account(self, &who, |a| a.quote = Quote(-i64::try_from(debt).expect("fits")));
        self.tamper::<Market>(&address::market(market), |m| m.core.book.cash += debt);
        self.owe(&who.margin, market, side);
        who
    }

    /// What an account's position in a market has won, quote units.
    pub fn won(&self, who: &Trader, market: u16) -> i128 {
        i128::from(self.pnl(&who.margin, market))
    }
}
