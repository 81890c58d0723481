//! From an empty chain to an exchange that trades.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bulwark_migrate::chain::{Batch, Chain};
use bulwark_migrate::rpc::RpcChain;
use bulwark_migrate::state::State;
use bulwark_migrate::{Options, Parties, Party, RiskFile, apply};
use bulwark_sdk::Pubkey;
use bulwark_sdk::address::{self, UPGRADEABLE_LOADER};
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction as ix;
use solana_account::Account;
use solana_rent::Rent;
use solana_signer::Signer;

use crate::cheats::Cheats;
use crate::oracles::Oracles;
use crate::wallets::{DOLLAR, Wallets, associated, set_tokens};

/// What the provider puts into the pool, quote units.
const LIQUIDITY: u64 = 40_000_000 * DOLLAR;
/// Rounds of proposals and waiting that the risk file may take.
const ROUNDS: usize = 16;

/// What a stage is made of.
pub(crate) struct Stage<'a> {
    pub cheats: &'a Cheats,
    pub oracles: &'a Oracles,
    pub wallets: &'a Wallets,
    pub file: &'a RiskFile,
    pub so: &'a Path,
    pub rpc_url: &'a str,
}

impl Stage<'_> {
    /// Makes an empty chain an exchange that trades.
    pub(crate) async fn set(&self) -> Result<()> {
        let so = std::fs::read(self.so)
            .with_context(|| format!("{}: `make build` compiles the program", self.so.display()))?;
        self.place_program(&so).await?;
        let quote = &self.file.quote;
        self.wallets.fund(self.cheats, (&quote.mint, quote.decimals)).await?;
        self.initialise(&so).await?;
        self.fill_pool().await
    }

    /// The program as the upgradeable loader would have left it.
    async fn place_program(&self, so: &[u8]) -> Result<()> {
        let (program, data) = (address::PROGRAM, address::program_data());
        let authority = self.wallets.get("deployer").keypair.pubkey();
        let header: [&[u8]; 4] = [&3_u32.to_le_bytes(), &0_u64.to_le_bytes(), &[1], authority.as_ref()];
        self.cheats.set_data(&data, UPGRADEABLE_LOADER, [&header.concat(), so].concat()).await?;
        let bytes = [&2_u32.to_le_bytes(), data.as_ref()].concat();
        let lamports = Rent::default().minimum_balance(bytes.len());
        let account = Account {
            lamports,
            data: bytes,
            owner: UPGRADEABLE_LOADER,
            executable: true,
            rent_epoch: u64::MAX,
        };
        self.cheats.set_account(&program, &account).await
    }

    fn parties(&self) -> Parties {
        let address = |name: &str| self.wallets.get(name).keypair.pubkey();
        Parties {
            deployer: Party::from(self.wallets.key("deployer")),
            admin: Party::from(self.wallets.key("admin")),
            payer: Party::from(self.wallets.key("admin")),
            guardian: address("guardian"),
            fee_recipient: address("admin"),
            program: None,
        }
    }

    /// Applies the risk file, and moves the clock whenever a proposal has to wait.
    async fn initialise(&self, so: &[u8]) -> Result<()> {
        let (chain, parties) = (RpcChain::new(self.rpc_url), self.parties());
        let options = Options { loosen: true, ..Options::default() };
        for _ in 0..ROUNDS {
            self.oracles.print().await?;
            let applied = apply(&chain, (self.file, &parties), so, options).await?;
            if applied.left.is_done() {
                return Ok(());
            }
            match applied.left.ripe_at() {
                Some(eta) if applied.is_settled() => self.cheats.travel(eta + 1).await?,
                _ => bail!("the risk file can't be applied:\n{}", applied.left),
            }
        }
        bail!("the risk file takes more than {ROUNDS} rounds of proposals")
    }

    /// The provider's money, allocated to the markets.
    async fn fill_pool(&self) -> Result<()> {
        let chain = RpcChain::new(self.rpc_url);
        let provider = self.wallets.get("provider");
        let owner = provider.keypair.pubkey();
        for mint in [TrancheKind::Junior, TrancheKind::Senior].map(address::share_mint) {
            set_tokens(self.cheats, (&owner, &mint), 0).await?;
        }
        let state = State::read(&chain, self.file).await?;
        let deployed = state.deployed.context("the exchange is not there")?;
        self.oracles.print().await?;
        let refreshes = deployed
            .markets
            .values()
            .filter_map(|market| Some(ix::refresh_market(market.index, address::oracles(&market.sources)?)));
        let shares: Pubkey = associated(&owner, &address::share_mint(TrancheKind::Junior));
        let keys = (owner, provider.quote, shares);
        let add = ix::add_liquidity(&deployed.listings, TrancheKind::Junior, keys, (LIQUIDITY, 0))?;
        let allocate =
            deployed.markets.keys().map(|&market| ix::allocate_liquidity(&deployed.listings, market));
        let instructions = refreshes.chain([add]).chain(allocate).collect();
        chain.send(Batch { instructions, signers: vec![&provider.keypair] }).await?;
        Ok(())
    }
}
