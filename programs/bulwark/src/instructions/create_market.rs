//! List a market, as an executed change says, under the lowest free index. It can only be reduced until a change activates it.
//!
//! A market's ladders make it larger than the 10 KiB that one instruction may allocate. The same
//! instruction is sent twice: the first call allocates what it can, the second one grows the account to
//! its size and initializes it.

use anchor_lang::Discriminator as _;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::entrypoint::MAX_PERMITTED_DATA_INCREASE;
use anchor_lang::system_program::{self, Allocate, Assign, Transfer};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::MarketCreated;
use crate::prices;
use crate::signing;
use crate::state::{Change, ChangePayload, Exchange, Market, MarketStatus, VERSION};

/// Where [`Market::payer`] lies: the first call writes it, the second keeps it.
const PAYER: core::ops::Range<usize> = 8..40;
const _: () = assert!(core::mem::offset_of!(Market, payer) == 0);

/// Accounts of `create_market`.
#[derive(Accounts)]
pub struct CreateMarket<'info> {
    /// Admin.
    pub admin: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The exchange.
    #[account(mut, has_one = admin @ BulwarkError::Unauthorized)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The executed change that lists it: closed by the second call.
    #[account(mut)]
    pub change: AccountLoader<'info, Change>,
    /// CHECK: who paid the rent of the change: gets it back.
    #[account(mut, constraint = change.load()?.payer == change_payer.key() @ BulwarkError::WrongAccount)]
    pub change_payer: UncheckedAccount<'info>,
    /// CHECK: the new market: allocated by the first call, initialized by the second.
    #[account(mut, seeds = [Market::SEED, &exchange.load()?.next_market()?.to_le_bytes()], bump)]
    pub market: UncheckedAccount<'info>,
    /// CHECK: the primary source; checked against the change.
    pub primary: UncheckedAccount<'info>,
    /// CHECK: the secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl<'info> CreateMarket<'info> {
    /// Pays the full rent and makes the account the program's. Lamports that someone sent ahead count.
    fn allocate(&self, index: u16, bump: u8) -> Result<()> {
        let market = self.market.to_account_info();
        let missing = Rent::get()?.minimum_balance(Market::SPACE).saturating_sub(market.lamports());
        let program = *self.system_program.key;
        let pay = Transfer { from: self.payer.to_account_info(), to: market.clone() };
        system_program::transfer(CpiContext::new(program, pay), missing)?;
        let seeds: &[&[&[u8]]] = &[&[Market::SEED, &index.to_le_bytes(), &[bump]]];
        let space = u64::try_from(MAX_PERMITTED_DATA_INCREASE).map_err(|_| BulwarkError::Overflow)?;
        let allocate = Allocate { account_to_allocate: market.clone() };
        system_program::allocate(CpiContext::new_with_signer(program, allocate, seeds), space)?;
        let assign = Assign { account_to_assign: market.clone() };
        system_program::assign(CpiContext::new_with_signer(program, assign, seeds), &crate::ID)?;
        let mut data = market.try_borrow_mut_data()?;
        let payer = data.get_mut(PAYER).ok_or(BulwarkError::WrongAccount)?;
        payer.copy_from_slice(self.payer.key.as_ref());
        Ok(())
    }
}

pub(crate) fn handler(ctx: Context<CreateMarket>) -> Result<()> {
    let (accounts, bump) = (&ctx.accounts, ctx.bumps.market);
    signing::require_fresh(&accounts.instructions)?;
    let now = Clock::get()?.unix_timestamp;
    let listing = accounts.change.load()?.listing(&*accounts.exchange.load()?, now)?;
    let ChangePayload::CreateMarket { sources, params } = listing else {
        return err!(BulwarkError::WrongAccount);
    };
    let index = accounts.exchange.load()?.next_market()?;
    if accounts.market.data_is_empty() {
        return accounts.allocate(index, bump);
    }
    require!(*accounts.market.owner == crate::ID, BulwarkError::WrongAccount);
    accounts.market.resize(Market::SPACE)?;

    let mut exchange = accounts.exchange.load_mut()?;
    let oracles = [Some(accounts.primary.as_ref()), accounts.secondary.as_deref()];
    let decimals = (exchange.quote_decimals, params.lot_decimals);
    let oracle = prices::first(&sources, (oracles, decimals), &params.oracle)?;

    {
        let mut data = accounts.market.try_borrow_mut_data()?;
        let (discriminator, body) = data.split_first_chunk_mut::<8>().ok_or(BulwarkError::WrongAccount)?;
        require!(*discriminator == [0; 8], BulwarkError::WrongAccount);
        discriminator.copy_from_slice(Market::DISCRIMINATOR);
        let market: &mut Market =
            bytemuck::try_from_bytes_mut(body).map_err(|_| BulwarkError::WrongAccount)?;
        market.index = index;
        market.generation = exchange.open_market(index)?;
        // What was proposed for a former market of this index is void.
        market.revision = u32::from(market.generation).wrapping_shl(24);
        market.pauses = market.revision;
        market.set_status(MarketStatus::ReduceOnly);
        market.bump = bump;
        market.version = VERSION;
        market.sources = sources;
        market.core.initialize(&params, oracle).or_error()?;
    }

    emit!(MarketCreated { market: index, price: oracle.price.to_bits() });
    accounts.change.close(accounts.change_payer.to_account_info())
}
