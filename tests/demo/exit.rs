//! How somebody leaves, and that he gets to the unit what the [model](crate::model) says.

use bulwark_sdk::Pubkey;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::SOL_ASSET;
use bulwark_tests::{SOL_VAULT, Signer as _};

use crate::show::{quantity, usd};
use crate::stage::{Actor, Result, Stage, refused, same};

impl Stage {
    /// Takes all SOL out.
    pub fn take_sol(&mut self, actor: &Actor, (tokens, amount): (Pubkey, u64)) -> Result {
        let withdraw = self.world.withdraw(&actor.trader, SOL_VAULT, (tokens, amount));
        withdraw.map_err(refused("a withdrawal"))?;
        same("SOL taken out", self.world.token_balance(&tokens), amount)?;
        let amount = quantity(amount.into(), SOL_ASSET.lot_decimals);
        self.step(&format!("{} withdraws {amount} SOL.", actor.name));
        Ok(())
    }

    /// Takes everything out and closes the account. Returns the quote units that came out.
    pub fn leave(&mut self, actor: &Actor, sol_tokens: Option<(Pubkey, u64)>) -> Result<u64> {
        let (name, trader) = (actor.name, &actor.trader);
        if let Some(sol) = sol_tokens {
            self.take_sol(actor, sol)?;
        }
        let quote = u64::try_from(self.world.margin(&trader.margin).quote.0).map_err(|_| "a debt")?;
        if quote > 0 {
            self.world.withdraw(trader, 0, (trader.tokens, quote)).map_err(refused("a withdrawal"))?;
            self.step(&format!("{name} withdraws {} USDC.", usd(quote.into())));
        }
        same("tokens taken out", self.world.token_balance(&trader.tokens), quote)?;
        let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
        self.world.send(&[close], &[&trader.key]).map_err(refused("closing"))?;
        let rent = self.world.svm.get_balance(&trader.key.pubkey()).unwrap_or(0);
        let rent = quantity(rent.into(), 9);
        self.step(&format!("{name} closes the account; the rent of {rent} SOL comes back."));
        same("result", i128::from(quote), actor.quote())?;
        self.accounts -= i128::from(quote);
        self.tokens -= i128::from(quote);
        Ok(quote)
    }
}
