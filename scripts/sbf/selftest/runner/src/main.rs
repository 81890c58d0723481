//! Runs the self-test's program in LiteSVM: `selftest-runner PROGRAM.so [BATCHES]`. Every result has to be what the
//! host computes, and every panic has to be reported with its file and line; else the exit code is 1.

use std::process::ExitCode;

use litesvm::{LiteSVM, types::TransactionResult};
use selftest_ops::{INPUT, OUTPUT, RESULT, RESULTS, case};
use solana_account::Account;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;

/// Cases per transaction: as many as its compute units allow.
const CASES: usize = 8;
const PANICS: [&str; 6] = ["overflow", "index", "division", "explicit", "unwrap", "expect"];
const PROGRAM_SOURCE: &str = include_str!("../../program/src/lib.rs");

const PROGRAM: Address = Address::new_from_array([7; 32]);
const DATA: Address = Address::new_from_array([9; 32]);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("usage: selftest-runner PROGRAM.so [BATCHES]");
    let batches = arguments.next().map_or(100, |n| n.parse().expect("a number of batches"));
    let mut chain = Chain::new(&program);
    let wrong = compare_results(&mut chain, batches) + check_panics(&mut chain);
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs random cases on chain and on the host, and returns how many results differ.
fn compare_results(chain: &mut Chain, batches: usize) -> usize {
    let mut random = Random(0x0123_4567);
    let (mut wrong, mut compute_units) = (0, 0);
    for _ in 0..batches {
        let inputs: Vec<u8> = (0..CASES).flat_map(|_| random.input()).collect();
        let mut expected = vec![0; CASES * OUTPUT];
        for (input, output) in inputs.chunks_exact(INPUT).zip(expected.chunks_exact_mut(OUTPUT)) {
            assert_eq!(case(input, output), RESULTS);
        }
        let data = [&(CASES as u64).to_le_bytes()[..], &inputs, &vec![0; expected.len()]].concat();
        compute_units += match chain.call(data, vec![0]) {
            Ok(done) => done.compute_units_consumed,
            Err(failed) => {
                eprintln!("failed: {:?}\n{}", failed.err, failed.meta.logs.join("\n"));
                return 1;
            }
        };
        let data = chain.data();
        let results = data[8 + inputs.len()..].chunks_exact(RESULT).zip(expected.chunks_exact(RESULT));
        for (i, (result, expected)) in
            results.enumerate().filter(|(_, (result, expected))| result != expected)
        {
            wrong += 1;
            let input = &inputs[i / RESULTS * INPUT..][..INPUT];
            eprintln!("result {}: {result:?}, on the host {expected:?}, of {input:?}", i % RESULTS);
        }
    }
    let cases = batches * CASES;
    let each = compute_units / cases.max(1) as u64;
    println!("{} results of {cases} cases, {wrong} wrong, {each} compute units per case", cases * RESULTS);
    wrong
}

/// Panics in every way, and returns how many times the runtime did not report where.
fn check_panics(chain: &mut Chain) -> usize {
    let mut wrong = 0;
    for (kind, name) in PANICS.into_iter().enumerate() {
        let marker = format!("// panic: {name}");
        let line = PROGRAM_SOURCE.lines().position(|line| line.ends_with(&marker)).expect(&marker) + 1;
        let expected = format!("Panicked in program/src/lib.rs at {line}:");
        let logs = match chain.call(vec![0; 64], vec![1, kind as u8, 0]) {
            Ok(done) => done.logs,
            Err(failed) => failed.meta.logs,
        };
        if !logs.iter().any(|log| log.contains(&expected)) {
            wrong += 1;
            eprintln!("{name}: no \"{expected}\" in\n{}", logs.join("\n"));
        }
    }
    println!("{} panics, {wrong} without their file and line", PANICS.len());
    wrong
}

struct Chain {
    svm: LiteSVM,
    payer: Keypair,
}

impl Chain {
    fn new(program: &str) -> Self {
        let mut svm = LiteSVM::new().with_transaction_history(0);
        svm.add_program_from_file(PROGRAM, program).expect("the program loads");
        let payer = Keypair::new();
        svm.airdrop(&payer.pubkey(), 1_000_000_000_000).expect("an airdrop");
        Self { svm, payer }
    }

    fn call(&mut self, data: Vec<u8>, instruction: Vec<u8>) -> TransactionResult {
        let account = Account {
            lamports: 10_000_000_000,
            data,
            owner: PROGRAM,
            executable: false,
            rent_epoch: u64::MAX,
        };
        self.svm.set_account(DATA, account).expect("an account");
        // SetComputeUnitLimit, to the highest.
        let limit = Instruction {
            program_id: "ComputeBudget111111111111111111111111111111".parse().expect("an address"),
            accounts: vec![],
            data: [&[2][..], &1_400_000u32.to_le_bytes()].concat(),
        };
        let call = Instruction {
            program_id: PROGRAM,
            accounts: vec![AccountMeta::new(DATA, false)],
            data: instruction,
        };
        let blockhash = self.svm.latest_blockhash();
        let message = Message::new_with_blockhash(&[limit, call], Some(&self.payer.pubkey()), &blockhash);
        let transaction = VersionedTransaction::try_new(VersionedMessage::Legacy(message), &[&self.payer]);
        let result = self.svm.send_transaction(transaction.expect("a signed transaction"));
        self.svm.expire_blockhash();
        result
    }

    fn data(&self) -> Vec<u8> {
        self.svm.get_account(&DATA).expect("the account").data
    }
}

/// xorshift64*: the same cases in every run.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn input(&mut self) -> [u8; INPUT] {
        let mut input = [0; INPUT];
        input[..16].copy_from_slice(&self.number().to_le_bytes());
        input[16..32].copy_from_slice(&self.number().to_le_bytes());
        input[32..36].copy_from_slice(&((self.word() % 140) as u32).to_le_bytes());
        input
    }

    /// Numbers of every width and sign, dense around powers of two and the ends of the range.
    fn number(&mut self) -> u128 {
        let x = u128::from(self.word()) << 64 | u128::from(self.word());
        let x = match self.word() % 12 {
            0 => u128::MAX,
            1 => 1 << (x % 128),
            2 => (1u128 << (x % 128)).wrapping_sub(1),
            3 => x & u128::from(self.word()) << 64,
            4 => i128::MIN as u128,
            5 => i128::MAX as u128,
            6 => 0,
            7 => x & 0xff,
            8 => i128::from(x as i64) as u128,
            _ => x,
        };
        let shift = self.word() % 128;
        match self.word() % 4 {
            0 => x,
            1 => x >> shift,
            2 => (x as i128 >> shift) as u128,
            _ => (x as i128 >> (shift / 2)).wrapping_neg() as u128,
        }
    }
}
