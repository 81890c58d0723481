//! A multisig whose vault signs for what it governs: what stands in for Squads.

use anchor_lang::{AccountDeserialize, InstructionData, ToAccountMetas};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_test_multisig::state::{self, PROPOSAL, Proposal, Proposed, ProposedAccount, SEED, VAULT};
use bulwark_test_multisig::{ID, accounts, instruction};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::world::{Failure, Outcome, World, neighbour_bytes};

/// The compiled multisig, beside the program.
const FILE: &str = "bulwark_test_multisig.so";

/// A multisig and the keys of its members.
pub struct Multisig {
    /// Its members.
    pub members: Vec<Keypair>,
    /// How many of them must approve.
    pub threshold: u8,
    create_key: Pubkey,
}

impl Multisig {
    /// A multisig of `n` members with SOL in its vault, so that it can pay rents itself.
    ///
    /// # Panics
    /// If its program was not built, or refuses this threshold or number.
    pub fn new(world: &mut World, threshold: u8, n: usize) -> Self {
        let members = (0..n).map(|_| world.keypair()).collect();
        Self::with_members(world, threshold, members).expect("create")
    }

    /// As [`Multisig::new`], of these members.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If its program was not built.
    pub fn with_members(world: &mut World, threshold: u8, members: Vec<Keypair>) -> Result<Self, Failure> {
        world.svm.add_program(ID, &neighbour_bytes(FILE)).expect("the multisig loads");
        let key = world.keypair();
        let multisig = Self { members, threshold, create_key: key.pubkey() };
        let accounts = accounts::Create {
            create_key: key.pubkey(),
            payer: world.payer.pubkey(),
            multisig: multisig.address(),
            vault: multisig.vault(),
            system_program: address::SYSTEM_PROGRAM,
        };
        let members = multisig.members.iter().map(Signer::pubkey).collect();
        world.send(&[build(&accounts, &instruction::Create { threshold, members })], &[&key])?;
        world.svm.airdrop(&multisig.vault(), 1_000_000_000_000).expect("airdrop");
        Ok(multisig)
    }

    /// The account that knows its members.
    #[must_use]
    pub fn address(&self) -> Pubkey {
        Pubkey::find_program_address(&[SEED, self.create_key.as_ref()], &ID).0
    }

    /// Who signs for it.
    #[must_use]
    pub fn vault(&self) -> Pubkey {
        Pubkey::find_program_address(&[SEED, self.create_key.as_ref(), VAULT], &ID).0
    }

    /// The account of a proposal.
    #[must_use]
    pub fn proposal(&self, index: u64) -> Pubkey {
        let seeds = [SEED, self.address().as_ref(), PROPOSAL, &index.to_le_bytes()].map(<[u8]>::to_vec);
        Pubkey::find_program_address(&seeds.each_ref().map(Vec::as_slice), &ID).0
    }

    /// Proposes an instruction. Returns the index of the proposal.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If there is no such multisig on this chain.
    pub fn propose(&self, world: &mut World, by: &Keypair, what: &Instruction) -> Result<u64, Failure> {
        let account = world.svm.get_account(&self.address()).expect("a multisig");
        let index =
            state::Multisig::try_deserialize(&mut account.data.as_slice()).expect("a multisig").proposals;
        let account = |meta: &AccountMeta| ProposedAccount {
            key: meta.pubkey,
            is_signer: meta.is_signer,
            is_writable: meta.is_writable,
        };
        let proposed = Proposed {
            program_id: what.program_id,
            accounts: what.accounts.iter().map(account).collect(),
            data: what.data.clone(),
        };
        let accounts = accounts::Propose {
            multisig: self.address(),
            member: by.pubkey(),
            payer: world.payer.pubkey(),
            proposal: self.proposal(index),
            system_program: address::SYSTEM_PROGRAM,
        };
        let propose = build(&accounts, &instruction::Propose { instruction: proposed });
        world.send(&[propose], &[by]).map(|_| index)
    }

    /// Approves a proposal.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn approve(&self, world: &mut World, by: &Keypair, index: u64) -> Result<Outcome, Failure> {
        let approve = build(&self.decide(by.pubkey(), index), &instruction::Approve {});
        world.send(&[approve], &[by])
    }

    /// Executes a proposal; `extra` are the signers of the instruction besides the vault.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn execute(
        &self,
        world: &mut World,
        (by, index): (&Keypair, u64),
        extra: &[&Keypair],
    ) -> Result<Outcome, Failure> {
        let execute = self.execute_instruction(world, by.pubkey(), index);
        let signers: Vec<_> = extra.iter().copied().chain([by]).collect();
        world.send(&[execute], &signers)
    }

    /// The instruction that executes a proposal.
    ///
    /// # Panics
    /// If there is no such proposal.
    #[must_use]
    pub fn execute_instruction(&self, world: &World, by: Pubkey, index: u64) -> Instruction {
        let account = world.svm.get_account(&self.proposal(index)).expect("a proposal");
        let proposal = Proposal::try_deserialize(&mut account.data.as_slice()).expect("a proposal");
        let mut execute = build(&self.decide(by, index), &instruction::Execute {});
        // The vault has no key: its program adds the signature.
        let outer = |account: &ProposedAccount| AccountMeta {
            pubkey: account.key,
            is_signer: account.is_signer && account.key != self.vault(),
            is_writable: account.is_writable,
        };
        execute.accounts.extend(proposal.instruction.accounts.iter().map(outer));
        execute.accounts.push(AccountMeta::new_readonly(proposal.instruction.program_id, false));
        execute
    }

    /// Proposes, has as many members as needed approve, and executes.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// # Panics
    /// If the multisig itself refuses.
    pub fn run(&self, world: &mut World, what: &Instruction, extra: &[&Keypair]) -> Result<Outcome, Failure> {
        let index = self.propose(world, &self.members[0], what).expect("propose");
        for member in &self.members[..usize::from(self.threshold)] {
            self.approve(world, member, index).expect("approve");
        }
        self.execute(world, (&self.members[0], index), extra)
    }

    fn decide(&self, member: Pubkey, index: u64) -> accounts::Decide {
        accounts::Decide {
            multisig: self.address(),
            member,
            vault: self.vault(),
            proposal: self.proposal(index),
        }
    }
}

fn build(accounts: &impl ToAccountMetas, data: &impl InstructionData) -> Instruction {
    Instruction { program_id: ID, accounts: accounts.to_account_metas(None), data: data.data() }
}
