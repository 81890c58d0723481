//! Squads v4's instructions for one transaction of a vault, and the message they carry, both ways.
//!
//! Our own, because `squads-v4-client` needs other versions of Solana's crates than the runtime of these tests;
//! `squads_client.txt` is what it makes of the same inputs.

use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use solana_message::Message;
use solana_message::compiled_instruction::CompiledInstruction;

/// The program on mainnet.
pub const PROGRAM: Pubkey = anchor_lang::pubkey!("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf");

/// The first eight bytes of an instruction's data: `sha256("global:<name>")`, cut.
pub mod discriminator {
    pub const VAULT_TRANSACTION_CREATE: [u8; 8] = [0x30, 0xfa, 0x4e, 0xa8, 0xd0, 0xe2, 0xda, 0xd3];
    pub const PROPOSAL_CREATE: [u8; 8] = [0xdc, 0x3c, 0x49, 0xe0, 0x1e, 0x6c, 0x4f, 0x9f];
    pub const PROPOSAL_APPROVE: [u8; 8] = [0x90, 0x25, 0xa4, 0x88, 0xbc, 0xd8, 0x2a, 0xf8];
    pub const VAULT_TRANSACTION_EXECUTE: [u8; 8] = [0xc2, 0x08, 0xa1, 0x57, 0x99, 0xa4, 0x19, 0xab];
}

/// A multisig's transaction, and who signs what is about it.
pub struct Squads {
    /// What the multisig's address is derived from.
    pub create_key: Pubkey,
    /// A member: creates, approves and executes.
    pub member: Pubkey,
    /// Pays the rents of transaction and proposal.
    pub rent_payer: Pubkey,
    /// Index of the transaction.
    pub index: u64,
}

impl Squads {
    /// The multisig.
    pub fn multisig(&self) -> Pubkey {
        derive(&[b"multisig", self.create_key.as_ref()])
    }

    /// Its first vault: who signs the inner instruction.
    pub fn vault(&self) -> Pubkey {
        derive(&[self.multisig().as_ref(), b"vault", &[0]])
    }

    /// The transaction.
    pub fn transaction(&self) -> Pubkey {
        derive(&[self.multisig().as_ref(), b"transaction", &self.index.to_le_bytes()])
    }

    /// The proposal to execute it.
    pub fn proposal(&self) -> Pubkey {
        derive(&[self.multisig().as_ref(), b"transaction", &self.index.to_le_bytes(), b"proposal"])
    }

    /// The message in which the vault signs an instruction.
    pub fn message(&self, inner: &Instruction) -> Inner {
        Inner::compile(&self.vault(), inner)
    }

    /// Stores the message: vault 0, no ephemeral signers, no memo.
    pub fn vault_transaction_create(&self, message: &Inner) -> Instruction {
        let bytes = message.to_bytes();
        let length = u32::try_from(bytes.len()).expect("short").to_le_bytes();
        let data = [&discriminator::VAULT_TRANSACTION_CREATE[..], &[0, 0], &length, &bytes, &[0]].concat();
        let accounts = vec![
            AccountMeta::new(self.multisig(), false),
            AccountMeta::new(self.transaction(), false),
            AccountMeta::new_readonly(self.member, true),
            AccountMeta::new(self.rent_payer, true),
            AccountMeta::new_readonly(address::SYSTEM_PROGRAM, false),
        ];
        Instruction { program_id: PROGRAM, accounts, data }
    }

    /// Opens the vote, not as a draft.
    pub fn proposal_create(&self) -> Instruction {
        let data = [&discriminator::PROPOSAL_CREATE[..], &self.index.to_le_bytes(), &[0]].concat();
        let accounts = vec![
            AccountMeta::new_readonly(self.multisig(), false),
            AccountMeta::new(self.proposal(), false),
            AccountMeta::new_readonly(self.member, true),
            AccountMeta::new(self.rent_payer, true),
            AccountMeta::new_readonly(address::SYSTEM_PROGRAM, false),
        ];
        Instruction { program_id: PROGRAM, accounts, data }
    }

    /// Approves, without a memo.
    pub fn proposal_approve(&self) -> Instruction {
        let data = [&discriminator::PROPOSAL_APPROVE[..], &[0]].concat();
        let accounts = vec![
            AccountMeta::new_readonly(self.multisig(), false),
            AccountMeta::new(self.member, true),
            AccountMeta::new(self.proposal(), false),
        ];
        Instruction { program_id: PROGRAM, accounts, data }
    }

    /// Executes: the message's accounts follow in its order, the vault without a signature, which Squads adds.
    pub fn vault_transaction_execute(&self, message: &Inner) -> Instruction {
        let mut accounts = vec![
            AccountMeta::new_readonly(self.multisig(), false),
            AccountMeta::new(self.proposal(), false),
            AccountMeta::new_readonly(self.transaction(), false),
            AccountMeta::new_readonly(self.member, true),
        ];
        accounts.extend((0..message.keys.len()).map(|i| {
            let meta = message.meta(i);
            AccountMeta { is_signer: meta.is_signer && meta.pubkey != self.vault(), ..meta }
        }));
        Instruction { program_id: PROGRAM, accounts, data: discriminator::VAULT_TRANSACTION_EXECUTE.to_vec() }
    }
}

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(&[&[&b"multisig"[..]], seeds].concat(), &PROGRAM).0
}

/// Squads' `TransactionMessage`: a Solana message without a blockhash. Lists are preceded by their length in one byte,
/// an instruction's data in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    /// How many of the keys sign.
    pub signers: u8,
    /// How many of those are written to.
    pub writable_signers: u8,
    /// How many of the others are written to.
    pub writable_others: u8,
    /// Writable signers, other signers, writable others, others.
    pub keys: Vec<Pubkey>,
    /// The instructions.
    pub instructions: Vec<CompiledInstruction>,
}

impl Inner {
    /// The vault pays, so it is the first key, and writable.
    fn compile(vault: &Pubkey, instruction: &Instruction) -> Self {
        let message = Message::new(std::slice::from_ref(instruction), Some(vault));
        let (header, count) = (message.header, u8::try_from(message.account_keys.len()).expect("few keys"));
        let signers = header.num_required_signatures;
        Self {
            signers,
            writable_signers: signers - header.num_readonly_signed_accounts,
            writable_others: count - signers - header.num_readonly_unsigned_accounts,
            keys: message.account_keys,
            instructions: message.instructions,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let byte = |length: usize| u8::try_from(length).expect("at most 255");
        let mut out = vec![self.signers, self.writable_signers, self.writable_others, byte(self.keys.len())];
        out.extend(self.keys.iter().flat_map(|key| key.to_bytes()));
        out.push(byte(self.instructions.len()));
        for instruction in &self.instructions {
            out.extend([instruction.program_id_index, byte(instruction.accounts.len())]);
            out.extend(&instruction.accounts);
            out.extend(u16::try_from(instruction.data.len()).expect("short").to_le_bytes());
            out.extend(&instruction.data);
        }
        // No address lookup tables.
        out.push(0);
        out
    }

    /// The message in the data of `vault_transaction_create`; `None` if there is anything else in it.
    pub fn of_create(data: &[u8]) -> Option<Self> {
        let mut reader = Reader(data);
        let head: [u8; 10] = reader.take(10)?.try_into().ok()?;
        let (name, vault_and_ephemeral) = head.split_at(8);
        let length = u32::from_le_bytes(reader.take(4)?.try_into().ok()?);
        let message = Self::from_bytes(reader.take(usize::try_from(length).ok()?)?)?;
        let ours = name == discriminator::VAULT_TRANSACTION_CREATE && vault_and_ephemeral == [0, 0];
        (ours && reader.0 == [0]).then_some(message)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [signers, writable_signers, writable_others] = reader.take(3)?.try_into().ok()?;
        let keys =
            (0..reader.byte()?).map(|_| Pubkey::try_from(reader.take(32)?).ok()).collect::<Option<_>>()?;
        let instructions = (0..reader.byte()?).map(|_| reader.instruction()).collect::<Option<_>>()?;
        let message = Self { signers, writable_signers, writable_others, keys, instructions };
        (reader.0 == [0]).then_some(message)
    }

    /// A key with the flags that Squads passes it with: the header's, whichever instruction it is in.
    pub fn meta(&self, index: usize) -> AccountMeta {
        let (signers, others) = (usize::from(self.signers), usize::from(self.writable_others));
        let is_signer = index < signers;
        let is_writable =
            if is_signer { index < usize::from(self.writable_signers) } else { index < signers + others };
        AccountMeta { pubkey: self.keys[index], is_signer, is_writable }
    }

    /// The instructions as Squads invokes them.
    pub fn invoked(&self) -> Vec<Instruction> {
        let invoked = |compiled: &CompiledInstruction| Instruction {
            program_id: self.keys[usize::from(compiled.program_id_index)],
            accounts: compiled.accounts.iter().map(|&index| self.meta(usize::from(index))).collect(),
            data: compiled.data.clone(),
        };
        self.instructions.iter().map(invoked).collect()
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn instruction(&mut self) -> Option<CompiledInstruction> {
        let program_id_index = self.byte()?;
        let count = self.byte()?;
        let accounts = self.take(usize::from(count))?.to_vec();
        let length = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        let data = self.take(usize::from(length))?.to_vec();
        Some(CompiledInstruction { program_id_index, accounts, data })
    }
}
