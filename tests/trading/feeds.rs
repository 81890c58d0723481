//! Listings with any two oracle sources, and their accounts.

use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, EXPONENT};
use bulwark_tests::oracle_accounts::{
    PYTH_PUSH_PROGRAM, PYTH_RECEIVER, Print, PushStatus, SWITCHBOARD_ON_DEMAND, Verification, pyth_pull,
    pyth_push, switchboard,
};
use bulwark_tests::{Failure, Outcome, World};

/// One source of an asset: the `n`th account of its fixtures, in some format.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// Whose price.
    pub asset: Asset,
    /// Which account.
    pub n: u8,
    /// Which format.
    pub kind: SourceKind,
}

/// All formats.
pub const KINDS: [SourceKind; 3] = [SourceKind::PythPull, SourceKind::PythPush, SourceKind::Switchboard];

impl Feed {
    /// Its address.
    pub fn key(&self) -> Pubkey {
        World::oracle_key(&self.asset, self.n)
    }

    /// The program that owns it.
    pub fn owner(&self) -> Pubkey {
        match self.kind {
            SourceKind::PythPush => PYTH_PUSH_PROGRAM,
            SourceKind::Switchboard => SWITCHBOARD_ON_DEMAND,
            _ => PYTH_RECEIVER,
        }
    }

    /// Whether a listing names the account itself, so that nobody can pass another.
    pub fn is_pinned(&self) -> bool {
        self.kind != SourceKind::PythPull
    }

    /// How a listing names it.
    pub fn source(&self) -> OracleSource {
        let feed = match self.kind {
            SourceKind::PythPull => self.asset.feed(self.n),
            _ => self.key().to_bytes(),
        };
        OracleSource { owner: self.owner(), feed, kind: self.kind as u8, _padding: [0; 7] }
    }

    /// Bytes of its account with this print.
    pub fn bytes(&self, print: &Print) -> Vec<u8> {
        match self.kind {
            SourceKind::PythPush => pyth_push(print, PushStatus::Trading),
            SourceKind::Switchboard => switchboard(print),
            _ => pyth_pull(self.asset.feed(self.n), print, Verification::Full),
        }
    }

    /// Prints a price and confidence in dollars with eight decimals, `age` seconds ago.
    pub fn print(&self, world: &mut World, (price, conf): (i64, u64), age: i64) {
        let bytes = self.bytes(&print_at(world.now() - age, price, conf));
        world.set_account(self.key(), self.owner(), bytes);
    }
}

/// A print of eight decimals.
pub fn print_at(publish_time: i64, price: i64, conf: u64) -> Print {
    Print { price, conf, exponent: EXPONENT, publish_time, posted_slot: 7 }
}

/// Something with an oracle: a market or a vault, and its one or two feeds.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Primary, and secondary if there is one.
    pub feeds: Vec<Feed>,
    /// Market index, or the vault's mint and index.
    pub place: Place,
}

/// Where a price is stored.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Market index.
    Market(u16),
    /// Vault index and mint.
    Vault(u16, Pubkey),
}

/// Feeds of these formats for an asset.
pub fn feeds(asset: Asset, kinds: &[SourceKind]) -> Vec<Feed> {
    (0..).zip(kinds).map(|(n, kind)| Feed { asset, n, kind: *kind }).collect()
}

fn sources(feeds: &[Feed]) -> [OracleSource; 2] {
    [feeds[0].source(), feeds.get(1).map_or(OracleSource::NONE, Feed::source)]
}

/// The accounts of these feeds.
pub fn accounts(feeds: &[Feed]) -> OracleAccounts {
    OracleAccounts { primary: feeds[0].key(), secondary: feeds.get(1).map(Feed::key) }
}

/// Lists a market with these sources at the asset's price.
pub fn list_market(world: &mut World, feeds: &[Feed]) -> Listed {
    for feed in feeds {
        feed.print(world, (feed.asset.price, 0), 0);
    }
    let listed = world.list_active(sources(feeds), feeds[0].asset.market_params(), accounts(feeds));
    let index = listed.expect("create_market");
    Listed { feeds: feeds.to_vec(), place: Place::Market(index) }
}

/// Lists a collateral with these sources at the asset's price.
pub fn list_vault(world: &mut World, feeds: &[Feed]) -> Listed {
    for feed in feeds {
        feed.print(world, (feed.asset.price, 0), 0);
    }
    let index = world.exchange().vault_count;
    let mint = fixtures::address(&format!("mint {index} {}", feeds[0].asset.name));
    world.create_mint(mint, feeds[0].asset.lot_decimals);
    let terms = (sources(feeds), fixtures::collateral_params(u64::MAX));
    world.list_collateral((mint, address::TOKEN_PROGRAM), terms, accounts(feeds)).expect("create_vault");
    Listed { feeds: feeds.to_vec(), place: Place::Vault(index, mint) }
}

impl Listed {
    /// The refresh instruction with its own accounts.
    pub fn refresh(&self) -> Instruction {
        self.refresh_with(accounts(&self.feeds))
    }

    /// The refresh instruction with other accounts.
    pub fn refresh_with(&self, accounts: OracleAccounts) -> Instruction {
        match self.place {
            Place::Market(index) => ix::refresh_market(index, accounts),
            Place::Vault(index, mint) => ix::refresh_vault((index, &mint), accounts),
        }
    }

    /// Sends the refresh.
    pub fn send(&self, world: &mut World) -> Result<Outcome, Failure> {
        world.send(&[self.refresh()], &[])
    }

    /// What is stored.
    pub fn oracle(&self, world: &World) -> OracleState {
        match self.place {
            Place::Market(index) => world.market(index).core.oracle,
            Place::Vault(index, _) => world.vault(index).core.oracle,
        }
    }
}
