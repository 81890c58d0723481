//! Where the walk takes place: three markets, three collaterals besides the quote token, ten actors with two
//! margin accounts each.
//!
//! The markets are made to be in trouble. SOL is ordinary. BTC's open interest is capped low, so that caps
//! are met, and it charges neither fee nor spread, so that nothing hides a rounding. JUP is thin, steep and quoted by two
//! oracles: its cash runs out when the price jumps, the oracles can disagree, and a position can be a few lots; its winners pay
//! for its losers before the fund does.

mod listing;

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::event::{Event, parse_log};
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::{Instruction, Pubkey, address};
use litesvm::types::TransactionMetadata;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

use super::state::{Place, State};
use crate::fixtures::{Asset, BTC_ASSET, DOLLAR, EXPONENT, PRINT, SOL_ASSET};
use crate::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};
use crate::world::World;

/// Markets.
pub const MARKETS: usize = 3;
/// Vaults, the quote token's with index 0 included; vault `i + 1` holds the asset of market `i`.
pub const VAULTS: usize = MARKETS + 1;
/// Actors.
pub const ACTORS: usize = 10;
/// Margin accounts of an actor, open or not.
pub const SUBS: usize = 2;
/// Margin accounts of all actors.
pub const ACCOUNTS: usize = ACTORS * SUBS;
/// Redeem tickets of an actor, written or not.
pub const NONCES: usize = 3;
/// Redeem tickets of all actors.
pub const TICKETS: usize = ACTORS * NONCES;
/// Kinds of shares: of the junior and the senior tranche, and of the backstop.
const SHARES: usize = 3;
/// Shares of the backstop among them.
pub const BACKSTOP: usize = 2;
/// Token accounts of an actor: one per vault and one for each kind of shares.
const WALLETS: usize = VAULTS + SHARES;

/// JUP at 90 cents.
const JUP_ASSET: Asset = Asset { name: "JUP", lot_decimals: 6, price: PRINT / 10 * 9 };
/// What the markets trade and the vaults hold.
pub const ASSETS: [Asset; MARKETS] = [SOL_ASSET, BTC_ASSET, JUP_ASSET];
/// Decimals of the collaterals' tokens.
pub const TOKEN_DECIMALS: [u8; MARKETS] = [9, 8, 6];
/// The market with two oracles.
pub const TWO_SOURCES: usize = 2;

/// The actor who begins with junior shares.
const LARGE_PROVIDER: usize = ACTORS - 1;
/// How many.
const LARGE: u64 = 800_000 * DOLLAR;

/// Reserve of the insurance fund and stake behind it, each, to begin with.
const BACKING: u64 = 25_000 * DOLLAR;

/// Who and what there is.
pub struct Stage {
    /// Addresses of everything in a [`State`].
    pub keys: Vec<Pubkey>,
    /// The actors' own addresses.
    pub actors: Vec<Pubkey>,
    /// Pays fees and rents.
    pub payer: Pubkey,
}

impl Stage {
    /// Place of the exchange.
    pub const EXCHANGE: Place = 0;
    /// Place of the pool.
    pub const POOL: Place = 1;
    /// Place of the insurance fund.
    pub const FUND: Place = 2;
    const FIRST_SHARES: Place = 3;
    const FIRST_MARKET: Place = Self::FIRST_SHARES + SHARES;
    const FIRST_VAULT: Place = Self::FIRST_MARKET + MARKETS;
    const FIRST_TOKENS: Place = Self::FIRST_VAULT + VAULTS;
    const FIRST_MARGIN: Place = Self::FIRST_TOKENS + VAULTS;
    const FIRST_TICKET: Place = Self::FIRST_MARGIN + ACCOUNTS;
    const FIRST_UNSTAKE: Place = Self::FIRST_TICKET + TICKETS;
    const FIRST_WALLET: Place = Self::FIRST_UNSTAKE + TICKETS;

    /// Place of the mint of a kind of shares.
    #[must_use]
    pub const fn share_mint(kind: usize) -> Place {
        Self::FIRST_SHARES + kind
    }

    /// Place of an unstake ticket.
    #[must_use]
    pub const fn unstake_place(ticket: usize) -> Place {
        Self::FIRST_UNSTAKE + ticket
    }

    /// Place of a redeem ticket.
    #[must_use]
    pub const fn ticket_place(ticket: usize) -> Place {
        Self::FIRST_TICKET + ticket
    }

    /// Place of a market.
    #[must_use]
    pub const fn market(market: usize) -> Place {
        Self::FIRST_MARKET + market
    }

    /// Place of a vault.
    #[must_use]
    pub const fn vault(vault: usize) -> Place {
        Self::FIRST_VAULT + vault
    }

    /// Place of a vault's tokens.
    #[must_use]
    pub const fn vault_tokens(vault: usize) -> Place {
        Self::FIRST_TOKENS + vault
    }

    /// Place of a margin account.
    #[must_use]
    pub const fn margin(account: usize) -> Place {
        Self::FIRST_MARGIN + account
    }

    /// Place of an actor's tokens of a vault's mint.
    #[must_use]
    pub const fn wallet(actor: usize, vault: usize) -> Place {
        Self::FIRST_WALLET + actor * WALLETS + vault
    }

    /// An actor's own token account of the kind that `key` is of somebody; any other key as it is.
    #[must_use]
    pub fn own(&self, key: Pubkey, actor: usize) -> Pubkey {
        let wallets = &self.keys[Self::FIRST_WALLET..];
        let kind = wallets.iter().position(|wallet| *wallet == key).map(|place| place % WALLETS);
        kind.map_or(key, |kind| self.keys[Self::wallet(actor, kind)])
    }

    /// Place of an actor's shares of a kind.
    #[must_use]
    pub const fn shares(actor: usize, kind: usize) -> Place {
        Self::wallet(actor, VAULTS + kind)
    }

    /// Whose margin account this is.
    #[must_use]
    pub const fn owner(account: usize) -> usize {
        account / SUBS
    }

    /// The margin account with this address.
    #[must_use]
    pub fn account(&self, key: &Pubkey) -> Option<usize> {
        (0..ACCOUNTS).find(|&account| self.keys[Self::margin(account)] == *key)
    }

    /// The actor with this address.
    #[must_use]
    pub fn actor(&self, key: &Pubkey) -> Option<usize> {
        self.actors.iter().position(|actor| actor == key)
    }

    /// The redeem or unstake ticket of an owner.
    #[must_use]
    pub fn ticket(&self, owner: &Pubkey, nonce: u64) -> Option<usize> {
        let nonce = usize::try_from(nonce).ok().filter(|nonce| *nonce < NONCES)?;
        Some(self.actor(owner)? * NONCES + nonce)
    }

    /// Builds the chain and everybody on it.
    ///
    /// # Panics
    /// If a transaction is refused.
    #[must_use]
    pub fn build() -> (World, Self) {
        let mut world = listing::exchange();
        for (index, asset) in ASSETS.iter().enumerate() {
            listing::list(&mut world, index, asset);
        }
        let provider = world.trader(2_000_000 * DOLLAR + 2 * BACKING);
        let mut stage = Self { keys: Vec::new(), actors: Vec::new(), payer: world.payer.pubkey() };
        stage.keys.extend([address::exchange(), address::pool(), address::insurance_fund()]);
        stage.keys.extend(TrancheKind::BOTH.map(address::share_mint));
        stage.keys.push(address::backstop_mint());
        stage.keys.extend(world.listings.markets.values());
        stage.keys.extend(world.listings.vaults.iter().map(|v| v.address));
        stage.keys.extend(world.listings.vaults.iter().map(|v| v.token_account));
        stage.people(&mut world);
        let shares = world.add_liquidity(&provider, 2_000_000 * DOLLAR).expect("add_liquidity");
        // One of the actors is a large provider: when he leaves, idle cash does not reach.
        let large = stage.keys[Stage::shares(LARGE_PROVIDER, 0)];
        world.write_tokens(shares, |tokens| tokens.amount -= LARGE);
        world.write_tokens(large, |tokens| tokens.amount += LARGE);
        world.fund_insurance(&provider, BACKING).expect("fund_insurance");
        let stake = world.stake(&provider, BACKING).expect("stake_backstop");
        let staked = stage.keys[Stage::shares(LARGE_PROVIDER, BACKSTOP)];
        world.write_tokens(stake, |tokens| tokens.amount -= BACKING);
        world.write_tokens(staked, |tokens| tokens.amount += BACKING);
        for market in 0..MARKETS {
            let allocate = ix::allocate_liquidity(&world.listings, narrow(market));
            world.send(&[allocate], &[]).expect("allocate_liquidity");
        }
        // The pool's money has stood for a day: most of it may not leave at once.
        world.tamper::<Vault>(&stage.keys[Self::vault(0)], |quote| {
            quote.core.outflow.anchor = quote.core.recorded;
        });
        // The provider's part is played: the margin account that he happens to have would be one too many.
        let close = ix::close_margin_account(provider.key.pubkey(), provider.margin);
        world.send(&[close], &[&provider.key]).expect("close_margin_account");
        // What signatures cost is not what is walked over: from here on the header says who signs.
        let svm = std::mem::take(&mut world.svm);
        world.svm = svm.with_sigverify(false).with_blockhash_check(false).with_transaction_history(0);
        (world, stage)
    }

    /// Actors with more tokens than they can use, and the first margin account of most.
    fn people(&mut self, world: &mut World) {
        let (mut tickets, mut stakes, mut wallets) = (Vec::new(), Vec::new(), Vec::new());
        for actor in 0..ACTORS {
            let key = world.keypair();
            let owner = key.pubkey();
            for sub in 0..SUBS {
                self.keys.push(address::margin_account(&owner, narrow(sub)));
            }
            if actor != 0 {
                let open = ix::open_margin_account(owner, world.payer.pubkey(), 0);
                world.send(&[open], &[&key]).expect("open_margin_account");
            }
            let mints = world.listings.vaults.iter().map(|v| v.mint).collect::<Vec<_>>();
            wallets.extend(mints.into_iter().map(|mint| world.create_tokens(mint, owner, 1 << 56)));
            let shares = TrancheKind::BOTH.map(address::share_mint);
            let kinds = shares.into_iter().chain([address::backstop_mint()]);
            wallets.extend(kinds.map(|mint| world.create_tokens(mint, owner, 0)));
            tickets.extend((0..NONCES).map(|nonce| address::redeem_ticket(&owner, nonce as u64)));
            stakes.extend((0..NONCES).map(|nonce| address::unstake_ticket(&owner, nonce as u64)));
            self.actors.push(owner);
        }
        self.keys.extend(tickets);
        self.keys.extend(stakes);
        self.keys.extend(wallets);
    }
}

/// An index as the program has it.
#[must_use]
pub fn narrow(index: usize) -> u16 {
    u16::try_from(index).expect("a small index")
}

/// The oracle accounts of a market or its vault.
#[must_use]
pub fn oracles(market: usize) -> OracleAccounts {
    let asset = &ASSETS[market];
    let secondary = (market == TWO_SOURCES).then(|| World::oracle_key(asset, 1));
    OracleAccounts { primary: World::oracle_key(asset, 0), secondary }
}

/// Writes an oracle account of a market's asset: price and confidence in dollars with eight decimals, `age`
/// seconds old.
pub fn print(world: &mut World, (market, source): (usize, u8), (price, conf): (i64, u64), age: i64) {
    let asset = &ASSETS[market];
    let publish_time = world.now() - age;
    let print = Print { price, conf, exponent: EXPONENT, publish_time, posted_slot: 0 };
    let data = oracle_accounts::pyth_pull(asset.feed(source), &print, Verification::Full);
    world.set_account(World::oracle_key(asset, source), PYTH_RECEIVER, data);
}

/// What became of a transaction: its events, or what the refusal is called.
pub type Sent = Result<Vec<Event>, String>;

/// Sends a transaction without the full scan of the ledger that [`World::send`] makes: the walk knows which
/// accounts there are and checks them all.
pub fn send(world: &mut World, stage: &Stage, instructions: &[Instruction]) -> Sent {
    let transaction = Transaction::new_unsigned(Message::new(instructions, Some(&stage.payer)));
    match world.svm.send_transaction(transaction) {
        Ok(TransactionMetadata { logs, .. }) => {
            let parsed = parse_log(&logs);
            if parsed.truncated { Err("log truncated".into()) } else { Ok(parsed.events) }
        }
        Err(failed) => Err(label(&failed.meta.logs).unwrap_or_else(|| format!("{:?}", failed.err))),
    }
}

/// Name of an error of program, framework, token or system program.
fn label(logs: &[String]) -> Option<String> {
    let named = logs.iter().rev().find_map(|line| line.split_once("Error Code: ")?.1.split_once('.'));
    let told = || logs.iter().find_map(|line| line.strip_prefix("Program log: Error: "));
    named.map(|(name, _)| name.to_string()).or_else(|| told().map(ToString::to_string))
}

impl Stage {
    /// The state now.
    #[must_use]
    pub fn state(&self, world: &World) -> State {
        State::take(world, self)
    }
}
