//! A chain in an embedded runtime, which can be told to lose a transaction, or to deny that it went through.

use std::cell::{Cell, RefCell};
use std::path::Path;

use anchor_lang::Discriminator;
use bulwark_migrate::chain::Batch;
use bulwark_migrate::{Applied, Chain, ChainError, Options, Parties, Party, Plan, RiskFile, apply, plan};
use bulwark_sdk::account::decode_copy;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{self, BTC_ASSET, SOL_ASSET};
use bulwark_tests::oracle_accounts::{PYTH_RECEIVER, Print, Verification, pyth_pull};
use bulwark_tests::world::program_bytes;
use bulwark_tests::{Signer, World};
use bytemuck::Pod;
use solana_account::Account;
use solana_hash::Hash;
use solana_keypair::Keypair;
use solana_message::Message;

/// What a packet has room for, less what a compute limit and a price take.
const ROOM: usize = 1_232 - 60;

/// What the chain says that its genesis hash is.
pub const GENESIS: Hash = Hash::new_from_array([7; 32]);

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It never arrives.
    Lost,
    /// It goes through, and nobody hears of it.
    Unheard,
}

/// A chain with the program and nothing else, and a file to apply to it.
pub struct Lab {
    pub world: RefCell<World>,
    pub sent: Cell<usize>,
    pub mishap: Cell<Option<(usize, Mishap)>>,
    /// What prices are, percent of the first ones.
    pub percent: Cell<i64>,
    /// Whether what the guardian may have tightened is loosened.
    pub loosen: Cell<bool>,
    pub file: RiskFile,
    pub parties: Parties,
    pub so: Vec<u8>,
}

pub fn text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("localnet.toml")).unwrap()
}

pub fn parse(text: &str) -> RiskFile {
    RiskFile::parse(text, Path::new("")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl Lab {
    /// With the file of the local network, changed by `change`.
    pub fn new(change: impl FnOnce(String) -> String) -> Self {
        let mut world = World::bare();
        let file = parse(&change(text()));
        world.create_mint(file.quote.mint, file.quote.decimals);
        for vault in &file.vaults {
            world.create_mint(vault.mint, vault.decimals);
        }
        let parties = parties(&world, true);
        let (sent, mishap) = (Cell::default(), Cell::default());
        let percent = Cell::new(100);
        let (world, loosen, so) = (RefCell::new(world), Cell::default(), program_bytes());
        Self { world, sent, mishap, percent, loosen, file, parties, so }
    }

    /// A copy: what happens to one does not happen to the other.
    pub fn fork(&self) -> Self {
        let world = self.world.borrow().fork();
        let parties = parties(&world, self.parties.admin.keypair.is_some());
        let (sent, mishap) = (Cell::default(), Cell::default());
        let percent = Cell::new(100);
        Self {
            world: RefCell::new(world),
            sent,
            mishap,
            percent,
            loosen: self.loosen.clone(),
            file: self.file.clone(),
            parties,
            so: self.so.clone(),
        }
    }

    /// Prints the first price of every asset, now.
    pub fn print(&self) {
        let mut world = self.world.borrow_mut();
        let assets = [&self.file.markets[0].sources[0], &self.file.markets[1].sources[0]];
        for (source, asset) in assets.into_iter().zip([SOL_ASSET, BTC_ASSET]) {
            let publish_time = world.now();
            let print = Print {
                price: asset.price / 100 * self.percent.get(),
                conf: 1,
                exponent: fixtures::EXPONENT,
                publish_time,
                posted_slot: 0,
            };
            let data = pyth_pull(source.feed, &print, Verification::Full);
            world.set_account(address::pyth_feed(0, &source.feed), PYTH_RECEIVER, data);
        }
    }

    pub fn options(&self) -> Options<'static> {
        Options { proposals: None, loosen: self.loosen.get() }
    }

    pub async fn plan(&self) -> Plan {
        self.print();
        plan(self, (&self.file, &self.parties), &self.so, self.options()).await.unwrap()
    }

    pub async fn apply(&self) -> Result<Applied, bulwark_migrate::apply::ApplyError> {
        self.print();
        apply(self, (&self.file, &self.parties), &self.so, self.options()).await
    }

    /// Applies the file and waits for proposals until nothing is left. Returns how often it had to wait.
    pub async fn finish(&self) -> usize {
        for round in 0..20 {
            let left = self.apply().await.unwrap_or_else(|error| panic!("{error}")).left;
            if left.is_done() {
                return round;
            }
            assert!(left.steps.is_empty() && left.conflicts.is_empty(), "{left}");
            let ripe = left.ripe_at().expect("something waits");
            self.world.borrow_mut().set_clock(ripe);
        }
        panic!("it does not end");
    }

    /// All accounts of the program but the changes, as bytes.
    pub fn accounts_now(&self) -> Vec<(Pubkey, Vec<u8>)> {
        let world = self.world.borrow();
        let mut accounts: Vec<_> = world
            .svm
            .get_program_accounts(&address::PROGRAM)
            .into_iter()
            .map(|(key, account)| (key, account.data))
            .collect();
        accounts.sort();
        accounts
    }
}

/// Everybody whose key the world has; the admin as a mere address if asked for.
pub fn parties(world: &World, admin_is_here: bool) -> Parties {
    let admin = world.admin.insecure_clone();
    Parties {
        deployer: Party::from(world.deployer.insecure_clone()),
        admin: if admin_is_here { Party::from(admin) } else { Party::from(admin.pubkey()) },
        payer: Party::from(world.payer.insecure_clone()),
        guardian: world.guardian.pubkey(),
        fee_recipient: fixtures::address("fee recipient"),
        program: None,
    }
}

impl Chain for Lab {
    async fn genesis(&self) -> Result<Hash, ChainError> {
        Ok(GENESIS)
    }

    async fn accounts(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>, ChainError> {
        let mut world = self.world.borrow_mut();
        // Whoever waits for the next slot gets it.
        world.advance_slots(1);
        Ok(addresses.iter().map(|address| account(&world, address)).collect())
    }

    async fn all<T: Pod + Discriminator>(&self) -> Result<Vec<(Pubkey, Box<T>)>, ChainError> {
        let accounts = self.world.borrow().svm.get_program_accounts(&address::PROGRAM);
        let typed = |(key, account): (Pubkey, Account)| Some((key, decode_copy(&account.data).ok()?));
        Ok(accounts.into_iter().filter_map(typed).collect())
    }

    async fn send(&self, batch: Batch<'_>) -> Result<(), ChainError> {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let mishap = self.mishap.get().filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
        let lost = || ChainError::Unreachable("the connection broke".to_string());
        if mishap == Some(Mishap::Lost) {
            return Err(lost());
        }
        let mut world = self.world.borrow_mut();
        world.svm.expire_blockhash();
        let blockhash = world.svm.latest_blockhash();
        let payer = batch.signers[0].pubkey();
        let message = Message::new_with_blockhash(&batch.instructions, Some(&payer), &blockhash);
        let signatures = usize::from(message.header.num_required_signatures);
        let size = 1 + 64 * signatures + message.serialize().len();
        assert!(size <= ROOM, "{size} bytes");
        let signers: Vec<&Keypair> = batch.signers;
        let refused = |failure: bulwark_tests::Failure| ChainError::Refused {
            error: failure.error,
            logs: failure.logs,
        };
        world.send_message(message, &signers).map_err(refused)?;
        if mishap.is_some() { Err(lost()) } else { Ok(()) }
    }
}

fn account(world: &World, address: &Pubkey) -> Option<Account> {
    if *address == solana_clock::sysvar::ID {
        let clock: solana_clock::Clock = world.svm.get_sysvar();
        let mut data = Vec::new();
        data.extend(clock.slot.to_le_bytes());
        data.extend(clock.epoch_start_timestamp.to_le_bytes());
        data.extend(clock.epoch.to_le_bytes());
        data.extend(clock.leader_schedule_epoch.to_le_bytes());
        data.extend(clock.unix_timestamp.to_le_bytes());
        return Some(Account { data, ..Account::default() });
    }
    world.svm.get_account(address).filter(|account| account.lamports > 0)
}
