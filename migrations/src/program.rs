//! The program's bytes on the chain: compared with the compiled file, uploaded, deployed, upgraded.
//!
//! Bytes are collected in a buffer first. Its address is derived from the deployer and the bytes' hash, so a run that
//! broke off finds what is there already and writes only the chunks that differ.

use std::time::Duration;

use bulwark_sdk::address::UPGRADEABLE_LOADER;
use bulwark_sdk::{Instruction, Pubkey};
use serde::Serialize;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_loader_v3_interface::instruction::{self as loader, UpgradeableLoaderInstruction};
use solana_loader_v3_interface::state::UpgradeableLoaderState as LoaderState;
use solana_rent::Rent;
use solana_signer::Signer;
use solana_system_interface::instruction as system;

use crate::chain::{Batch, Chain, ChainError};
use crate::state::CLOCK;

/// Bytes of the program that one transaction writes: what is left of a packet with two signatures and a compute budget.
const CHUNK: usize = 840;
/// How often the clock is asked whether a slot is over, and how long it may take in all.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

/// What has to be done to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramAction {
    /// The bytes on the chain are those of the file.
    Nothing,
    /// There is no program.
    Deploy,
    /// The bytes differ.
    Upgrade,
}

/// The program on the chain beside the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What has to be done.
    pub action: ProgramAction,
    /// Who may upgrade it; `None` for a program that is final, or missing.
    pub authority: Option<Pubkey>,
    /// Bytes that a program of this account can have.
    pub capacity: usize,
    /// Chunks that a buffer of earlier has not got yet.
    pub chunks_left: usize,
    /// Chunks of the whole program.
    pub chunks: usize,
}

/// Compares the program at an address with compiled bytes that `deployer` would upload.
///
/// # Errors
/// [`ChainError`].
pub async fn compare(
    chain: &impl Chain,
    (program, deployer): (&Pubkey, &Pubkey),
    so: &[u8],
) -> Result<Comparison, ChainError> {
    let buffer = buffer(deployer, so);
    let found = chain.accounts(&[*program, program_data(program), buffer]).await?;
    let [program, data, buffer] = [0, 1, 2].map(|index| found.get(index).cloned().flatten());
    let chunks = so.len().div_ceil(CHUNK);
    let chunks_left = missing(buffer.as_ref(), so).len();
    let none =
        Comparison { action: ProgramAction::Deploy, authority: None, capacity: 0, chunks_left, chunks };
    let (Some(_), Some(data)) = (program.filter(|account| account.owner == UPGRADEABLE_LOADER), data) else {
        return Ok(none);
    };
    let authority = match (data.data.get(12), data.data.get(13..45)) {
        (Some(1), Some(key)) => key.try_into().ok().map(Pubkey::new_from_array),
        _ => None,
    };
    let bytes = data.data.get(LoaderState::size_of_programdata_metadata()..).unwrap_or(&[]);
    let same = bytes.strip_prefix(so).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    let action = if same { ProgramAction::Nothing } else { ProgramAction::Upgrade };
    Ok(Comparison { action, authority, capacity: bytes.len(), ..none })
}

/// Who deploys.
#[derive(Clone, Copy, Debug)]
pub struct Deployer<'a> {
    /// Upgrade authority, now or from now on.
    pub authority: &'a Keypair,
    /// Pays.
    pub payer: &'a Keypair,
}

impl<'a> Deployer<'a> {
    fn batch(&self, instructions: Vec<Instruction>) -> Batch<'a> {
        Batch { instructions, signers: vec![self.payer, self.authority] }
    }

    /// Writes the bytes to the buffer, as far as they are not there.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn upload(&self, chain: &impl Chain, so: &[u8]) -> Result<Pubkey, ChainError> {
        let authority = self.authority.pubkey();
        let buffer = buffer(&authority, so);
        let mut account = chain.accounts(&[buffer]).await?.pop().flatten();
        if account.is_none() {
            let space = LoaderState::size_of_buffer(so.len());
            let lamports = Rent::default().minimum_balance(space);
            let create = system::create_account_with_seed(
                &self.payer.pubkey(),
                &buffer,
                &authority,
                &seed(so),
                lamports,
                space as u64,
                &UPGRADEABLE_LOADER,
            );
            chain.send(self.batch(vec![create, initialize(&buffer, &authority)])).await?;
            account = chain.accounts(&[buffer]).await?.pop().flatten();
        }
        let write = |&offset: &usize| {
            let chunk = so[offset..so.len().min(offset + CHUNK)].to_vec();
            // A program is far smaller than 4 GiB.
            self.batch(vec![loader::write(
                &buffer,
                &authority,
                u32::try_from(offset).unwrap_or(u32::MAX),
                chunk,
            )])
        };
        chain.send_all(missing(account.as_ref(), so).iter().map(write).collect()).await?;
        let account = chain.accounts(&[buffer]).await?.pop().flatten();
        match missing(account.as_ref(), so).len() {
            0 => Ok(buffer),
            left => Err(ChainError::BadAccount {
                address: buffer,
                error: format!("{left} chunks of the program did not arrive: run this again"),
            }),
        }
    }

    /// Deploys the program for the first time, to the address of `program`.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn deploy(&self, chain: &impl Chain, program: &Keypair, so: &[u8]) -> Result<(), ChainError> {
        let buffer = self.upload(chain, so).await?;
        let lamports = Rent::default().minimum_balance(LoaderState::size_of_program());
        let deploy = loader::deploy_with_max_program_len(
            &self.payer.pubkey(),
            &program.pubkey(),
            &buffer,
            &self.authority.pubkey(),
            lamports,
            so.len(),
            true,
        );
        let instructions = deploy.map_err(|error| ChainError::BadAccount {
            address: program.pubkey(),
            error: error.to_string(),
        })?;
        let signers = vec![self.payer, self.authority, program];
        chain.send(Batch { instructions, signers }).await?;
        settled(chain, &program.pubkey()).await
    }

    /// Replaces the bytes of a program, whose account grows if they need more room.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn upgrade(
        &self,
        chain: &impl Chain,
        (program, capacity): (&Pubkey, usize),
        so: &[u8],
    ) -> Result<(), ChainError> {
        let buffer = self.upload(chain, so).await?;
        if so.len() > capacity {
            let more = u32::try_from(so.len() - capacity).unwrap_or(u32::MAX).max(10_240);
            let extend = loader::extend_program(program, Some(&self.payer.pubkey()), more);
            chain.send(self.batch(vec![extend])).await?;
            settled(chain, program).await?;
        }
        let authority = self.authority.pubkey();
        let upgrade = loader::upgrade(program, &buffer, &authority, &self.payer.pubkey(), true);
        chain.send(self.batch(vec![upgrade])).await?;
        settled(chain, program).await
    }
}

/// Waits until the slot is over in which a program was deployed: it can be called, and upgraded again, from the next one.
async fn settled(chain: &impl Chain, program: &Pubkey) -> Result<(), ChainError> {
    let data = program_data(program);
    let slot_at = |account: &Option<Account>, at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(account.as_ref()?.data.get(at..at + 8)?.try_into().ok()?))
    };
    let wait = async {
        loop {
            let found = chain.accounts(&[CLOCK, data]).await?;
            let (now, deployed) = (slot_at(&found[0], 0), slot_at(&found[1], 4));
            if now > deployed && deployed.is_some() {
                return Ok(());
            }
            tokio::time::sleep(POLL.0).await;
        }
    };
    let late =
        || ChainError::Unreachable("the slot of the deployment does not end: run this again".to_string());
    tokio::time::timeout(POLL.1, wait).await.map_err(|_| late())?
}

/// Data account of a program.
#[must_use]
pub fn program_data(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[program.as_ref()], &UPGRADEABLE_LOADER).0
}

fn initialize(buffer: &Pubkey, authority: &Pubkey) -> Instruction {
    let accounts = vec![
        bulwark_sdk::AccountMeta::new(*buffer, false),
        bulwark_sdk::AccountMeta::new_readonly(*authority, false),
    ];
    Instruction::new_with_wincode(
        UPGRADEABLE_LOADER,
        &UpgradeableLoaderInstruction::InitializeBuffer,
        accounts,
    )
}

/// The seed of a buffer: as much of the bytes' hash as a seed may have, in hex.
fn seed(so: &[u8]) -> String {
    let hash = solana_sha256_hasher::hash(so).to_bytes();
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where `deployer` collects these bytes.
fn buffer(deployer: &Pubkey, so: &[u8]) -> Pubkey {
    // Fails only for a seed that is too long, or an owner that ends in a marker.
    Pubkey::create_with_seed(deployer, &seed(so), &UPGRADEABLE_LOADER).unwrap_or_default()
}

/// Offsets of the chunks that a buffer has not got.
fn missing(buffer: Option<&Account>, so: &[u8]) -> Vec<usize> {
    let bytes =
        buffer.and_then(|buffer| buffer.data.get(LoaderState::size_of_buffer_metadata()..)).unwrap_or(&[]);
    (0..so.len())
        .step_by(CHUNK)
        .filter(|&offset| {
            let end = so.len().min(offset + CHUNK);
            bytes.get(offset..end) != so.get(offset..end)
        })
        .collect()
}
