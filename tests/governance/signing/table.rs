//! Every instruction that governance signs, and who may.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, DOLLAR, SOL_ASSET};
use bulwark_tests::{Keypair, SOL, Signer, World};

use crate::stage::{DAY, WEEK, funded, refresh, stake_income};

/// What an office may do with an instruction.
#[derive(Clone, Copy, Debug)]
pub enum May {
    /// Sign it, even in advance with a durable nonce.
    Always,
    /// Sign it for now.
    Now,
    /// Not sign it, and this is the reason.
    Not(&'static str),
}

/// An instruction whose first account decides.
#[derive(Clone, Copy)]
pub struct Row {
    /// Name of the instruction, and which one it is about after a colon.
    pub name: &'static str,
    /// The instruction for a signer; what it needs is written before.
    pub build: fn(&mut World, &Stage, &Keypair) -> Instruction,
    /// Admin, guardian, nominated admin, anybody.
    pub may: [May; 4],
}

const NOT: May = May::Not("Unauthorized");
const NOBODY: May = May::Not("NoNomination");
const OF_THE_ADMIN: [May; 4] = [May::Now, NOT, NOT, NOT];
const OF_BOTH: [May; 4] = [May::Now, May::Now, NOT, NOT];
const OF_THE_GUARDIAN_ABOVE_ALL: [May; 4] = [May::Now, May::Always, NOT, NOT];

/// All of them.
pub const ROWS: [Row; 16] = [
    Row { name: "propose_change", build: |w, s, by| propose(w, s, by, stake_income(1)), may: OF_THE_ADMIN },
    Row {
        name: "propose_change: guardian",
        build: |w, s, by| propose(w, s, by, another_guardian()),
        may: OF_THE_ADMIN,
    },
    Row { name: "cancel_change", build: |w, _, by| cancel(w, by, PENDING), may: OF_BOTH },
    Row { name: "cancel_change: guardian", build: |w, _, by| cancel(w, by, REPLACEMENT), may: OF_THE_ADMIN },
    Row { name: "cancel_change: lapsed", build: |w, _, by| cancel(w, by, LAPSED), may: [May::Always; 4] },
    Row { name: "tighten", build: |w, _, by| tighten(w, by, stricter(w)), may: OF_THE_GUARDIAN_ABOVE_ALL },
    Row {
        name: "tighten: status",
        build: |w, _, by| tighten(w, by, REDUCE_ONLY),
        may: OF_THE_GUARDIAN_ABOVE_ALL,
    },
    Row {
        name: "set_pause",
        build: |_, _, by| ix::set_pause(by.pubkey(), None, 15),
        may: OF_THE_GUARDIAN_ABOVE_ALL,
    },
    Row {
        name: "set_pause: market",
        build: |_, _, by| ix::set_pause(by.pubkey(), Some(SOL), 5),
        may: OF_THE_GUARDIAN_ABOVE_ALL,
    },
    Row {
        name: "nominate_admin",
        build: |_, _, by| ix::nominate_admin(by.pubkey(), fixtures::address("next admin")),
        may: OF_THE_ADMIN,
    },
    Row {
        name: "nominate_admin: taken back",
        build: |_, _, by| ix::nominate_admin(by.pubkey(), Pubkey::default()),
        may: OF_BOTH,
    },
    Row {
        name: "accept_admin",
        build: |_, _, by| ix::accept_admin(by.pubkey()),
        may: [NOBODY, NOBODY, May::Now, NOBODY],
    },
    Row { name: "create_vault", build: |w, _, by| create_vault(w, by), may: OF_THE_ADMIN },
    Row { name: "create_market: first", build: |w, _, by| create_market(w, by), may: OF_THE_ADMIN },
    Row { name: "create_market: second", build: create_market_second, may: OF_THE_ADMIN },
    Row {
        name: "collect_protocol_fees",
        build: |w, s, by| {
            ix::collect_protocol_fees(&w.listings, by.pubkey(), (s.destination, w.exchange().protocol_fees))
                .expect("builds")
        },
        may: OF_THE_ADMIN,
    },
];

impl Row {
    /// Every office by name, with its key and what it may do.
    pub fn offices<'a>(&self, stage: &'a Stage) -> [(&'static str, &'a Keypair, May); 4] {
        let [admin, guardian, nominee, anybody] = self.may;
        [
            ("the admin", &stage.admin, admin),
            ("the guardian", &stage.guardian, guardian),
            ("the nominee", &stage.nominee, nominee),
            ("anybody", &stage.stranger, anybody),
        ]
    }
}

// The listings of the world have the numbers before.
const LAPSED: u64 = 3;
const VAULT: u64 = 4;
const MARKET: u64 = 5;
const PENDING: u64 = 6;
const REPLACEMENT: u64 = 7;

const REDUCE_ONLY: ChangePayload =
    ChangePayload::MarketStatus { market: SOL, status: MarketStatus::ReduceOnly, price: 0 };

/// Everything is there that an instruction of the table needs.
pub struct Stage {
    pub world: World,
    pub admin: Keypair,
    pub guardian: Keypair,
    pub nominee: Keypair,
    pub stranger: Keypair,
    /// A durable nonce of the payer's.
    pub nonce: Pubkey,
    /// Where fees go.
    destination: Pubkey,
}

impl Stage {
    pub fn new() -> Self {
        let mut world = World::new();
        let nonce = super::durable::create(&mut world);
        let (nominee, stranger) = (funded(&mut world), funded(&mut world));
        let (admin, guardian) = (world.admin.insecure_clone(), world.guardian.insecure_clone());
        let recipient = world.exchange().fee_recipient;
        let destination =
            world.create_tokens(world.listings.vaults[usize::from(Vault::QUOTE)].mint, recipient, 0);
        earn_fees(&mut world);

        assert_eq!(world.propose(stake_income(1)).expect("propose_change"), LAPSED);
        world.set_clock(world.change(LAPSED).timelock.expiry + 1);
        world.create_mint(mint(), 9);
        let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
        let params = fixtures::collateral_params(1_000_000);
        let vault = ChangePayload::CreateVault { mint: mint(), sources, params };
        let market = ChangePayload::CreateMarket { sources, params: SOL_ASSET.listed_params() };
        for (payload, number) in [(vault, VAULT), (market, MARKET)] {
            assert_eq!(world.propose(payload).expect("propose_change"), number);
        }
        let nominate = ix::nominate_admin(admin.pubkey(), nominee.pubkey());
        world.send(&[nominate], &[&admin]).expect("nominate_admin");
        world.advance(2 * DAY);
        for number in [VAULT, MARKET] {
            world.execute(number, None).expect("execute_change");
        }
        for (payload, number) in [(stake_income(1), PENDING), (another_guardian(), REPLACEMENT)] {
            assert_eq!(world.propose(payload).expect("propose_change"), number);
        }
        refresh(&mut world);
        assert!(world.now() - world.change(LAPSED).timelock.expiry < WEEK);
        Self { world, admin, guardian, nominee, stranger, nonce, destination }
    }
}

/// Somebody trades, and the market's fees are swept.
fn earn_fees(world: &mut World) {
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 600 * SOL_ASSET.one()).expect("open_position");
    world.close(&trader, SOL, u64::MAX).expect("close_position");
    world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
    assert_ne!(world.exchange().protocol_fees, 0);
}

fn mint() -> Pubkey {
    fixtures::address("a mint")
}

fn another_guardian() -> ChangePayload {
    ChangePayload::Guardian { guardian: fixtures::address("next guardian") }
}

fn propose(world: &World, _: &Stage, by: &Keypair, payload: ChangePayload) -> Instruction {
    let keys = (by.pubkey(), world.payer.pubkey());
    ix::propose_change(&world.listings, keys, world.exchange().next_change, payload).expect("builds")
}

fn cancel(world: &World, by: &Keypair, number: u64) -> Instruction {
    ix::cancel_change(by.pubkey(), &world.change(number))
}

fn stricter(world: &World) -> ChangePayload {
    let mut params = world.market(SOL).core.params;
    params.max_outage /= 2;
    ChangePayload::MarketParams { market: SOL, params }
}

fn tighten(world: &World, by: &Keypair, payload: ChangePayload) -> Instruction {
    ix::tighten(&world.listings, by.pubkey(), payload).expect("builds")
}

fn create_vault(world: &World, by: &Keypair) -> Instruction {
    let keys = (by.pubkey(), world.payer.pubkey());
    let token = (mint(), address::TOKEN_PROGRAM);
    ix::create_vault(keys, token, World::oracles(&SOL_ASSET), &world.change(VAULT))
}

fn create_market(world: &World, by: &Keypair) -> Instruction {
    let (keys, index) = ((by.pubkey(), world.payer.pubkey()), world.exchange().next_market().expect("free"));
    let [step, _] = ix::create_market(keys, index, World::oracles(&SOL_ASSET), &world.change(MARKET));
    step
}

/// With the first one done by the admin.
fn create_market_second(world: &mut World, stage: &Stage, by: &Keypair) -> Instruction {
    let first = create_market(world, &stage.admin);
    world.send(&[first], &[&stage.admin]).expect("create_market");
    create_market(world, by)
}
