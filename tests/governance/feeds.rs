//! Oracle sources in every format, and what has them.

use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_sdk::program::state::ChangePayload;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::World;
use bulwark_tests::fixtures::{self, Asset, DOLLAR, EXPONENT, PRINT, QUOTE_DECIMALS};
use bulwark_tests::oracle_accounts::{
    PYTH_PUSH_PROGRAM, PYTH_RECEIVER, Print, PushStatus, SWITCHBOARD_ON_DEMAND, Verification, pyth_pull,
    pyth_push, switchboard,
};

use crate::scene::*;
use SourceKind::{PythPull, PythPush, Switchboard};

/// The quote token, priced like any asset: one unit of it is one quote unit.
pub const USD: Asset = Asset { name: "USD", lot_decimals: QUOTE_DECIMALS, price: PRINT };

/// A source in some format, with its own account.
#[derive(Clone, Copy)]
pub struct Feed {
    pub asset: Asset,
    pub kind: SourceKind,
    pub n: u8,
}

impl Feed {
    pub fn key(&self) -> Pubkey {
        fixtures::address(&format!("{} feed {:?} {}", self.asset.name, self.kind, self.n))
    }

    pub fn owner(&self) -> Pubkey {
        match self.kind {
            PythPush => PYTH_PUSH_PROGRAM,
            Switchboard => SWITCHBOARD_ON_DEMAND,
            _ => PYTH_RECEIVER,
        }
    }

    pub fn source(&self) -> OracleSource {
        let feed = if self.kind == PythPull { self.asset.feed(100 + self.n) } else { self.key().to_bytes() };
        OracleSource { owner: self.owner(), feed, kind: self.kind as u8, _padding: [0; 7] }
    }

    /// Prints dollars with eight decimals, so many seconds ago.
    pub fn print(&self, world: &mut World, price: i64, age: i64) {
        let publish_time = world.now() - age;
        let print = Print { price, conf: 0, exponent: EXPONENT, publish_time, posted_slot: 7 };
        let data = match self.kind {
            PythPush => pyth_push(&print, PushStatus::Trading),
            Switchboard => switchboard(&print),
            _ => pyth_pull(self.asset.feed(100 + self.n), &print, Verification::Full),
        };
        world.set_account(self.key(), self.owner(), data);
    }
}

/// Something that has oracles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A market.
    Market(u16),
    /// A vault.
    Vault(u16),
}

/// The UNI vault.
pub const TOKEN: u16 = 1;
/// Those that can trade or be deposited.
pub const PLACES: [Place; 2] = [Place::Market(A), Place::Vault(TOKEN)];

impl Place {
    pub fn change(self, sources: [OracleSource; 2]) -> ChangePayload {
        match self {
            Self::Market(market) => ChangePayload::MarketSources { market, sources },
            Self::Vault(vault) => ChangePayload::VaultSources { vault, sources },
        }
    }

    pub fn refresh(self, world: &World, oracles: OracleAccounts) -> Instruction {
        match self {
            Self::Market(market) => ix::refresh_market(market, oracles),
            Self::Vault(vault) => {
                ix::refresh_vault((vault, &world.listings.vaults[usize::from(vault)].mint), oracles)
            }
        }
    }

    pub fn oracle(self, world: &World) -> OracleState {
        match self {
            Self::Market(market) => world.market(market).core.oracle,
            Self::Vault(vault) => world.vault(vault).core.oracle,
        }
    }

    pub fn sources(self, world: &World) -> ([OracleSource; 2], u32) {
        match self {
            Self::Market(market) => (world.market(market).sources, world.market(market).revision),
            Self::Vault(vault) => (world.vault(vault).sources, world.vault(vault).revision),
        }
    }
}

pub fn pair(feeds: &[Feed]) -> [OracleSource; 2] {
    [feeds[0].source(), feeds.get(1).map_or(OracleSource::NONE, Feed::source)]
}

pub fn accounts(feeds: &[Feed]) -> OracleAccounts {
    OracleAccounts { primary: feeds[0].key(), secondary: feeds.get(1).map(Feed::key) }
}

/// The UNI market, active, and UNI as collateral, both priced by one Pyth account; 125 dollars.
pub fn empty() -> World {
    let (mut world, ..) = two_markets();
    world.list_vault(&UNI, 9, 1_000_000 * ONE);
    both(&mut world, UNI.price);
    world
}

/// The same with somebody in the market and a deposit in the vault.
pub fn world() -> World {
    let mut world = empty();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.deposit_collateral(&trader, TOKEN, ONE).expect("deposit");
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    world
}

/// A print of the present source, taken in by market and vault.
pub fn both(world: &mut World, price: i64) {
    world.print(&UNI, price, 0);
    for place in PLACES {
        let refresh = place.refresh(world, World::oracles(&UNI));
        accept(world, &refresh, &[]);
    }
}

pub fn feed(kind: SourceKind, n: u8) -> Feed {
    Feed { asset: UNI, kind, n }
}

/// The price of UNI in Q32.32 quote units per lot.
pub fn bits(price: i64) -> u64 {
    u64::try_from((i128::from(price) << 32) / 100_000_000_000).expect("a price")
}
