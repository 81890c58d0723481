//! The ledger identity I1: per mint, the tokens in the vault are exactly what the ledger accounts for; and the ring fence
//! (I17): what accounts owe, markets hold back, each no more than it has.

use std::collections::BTreeMap;

use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::debt;
use bulwark_sdk::program::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};

use crate::world::World;

/// The terms of I1 for the quote token, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Σ account.quote.
    pub accounts: i128,
    /// Σ market.cash.
    pub cash: i128,
    /// Σ market.insurance.
    pub market_insurance: i128,
    /// Σ market.fees.
    pub fees: i128,
    /// Idle pool cash.
    pub idle: i128,
    /// Insurance fund reserve and stake.
    pub insurance_fund: i128,
    /// Protocol fees.
    pub protocol_fees: i128,
    /// Tokens in the quote vault.
    pub tokens: i128,
}

impl Ledger {
    /// Sum of all terms but the tokens.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.accounts
            + self.cash
            + self.market_insurance
            + self.fees
            + self.idle
            + self.insurance_fund
            + self.protocol_fees
    }
}

/// Reads the terms of I1 from all accounts of the program, and checks it for every vault.
///
/// # Panics
/// If I1 does not hold, naming the terms.
#[must_use]
pub fn check(world: &World) -> Ledger {
    let mut ledger = Ledger::default();
    let mut vaults: Vec<Vault> = Vec::new();
    let (mut owed, mut held_back) = (BTreeMap::<usize, u128>::new(), BTreeMap::<usize, u128>::new());
    let mut held = BTreeMap::<u16, u128>::new();
    for (_, account) in world.svm.get_program_accounts(&bulwark_sdk::address::PROGRAM) {
        let data = &account.data;
        if let Ok(margin) = decode_copy::<MarginAccount>(data) {
            ledger.accounts += i128::from(margin.quote.0);
            let debts = &margin.debts;
            let sum: u128 = debts.lost.iter().flatten().copied().map(u128::from).sum();
            assert_eq!(sum, u128::from(debts.total), "I17: the debts of an account sum to their total");
            assert!(debts.total >= debt::owed(margin.quote), "I17: whoever owes, owes for a market");
            for ([long, short], held) in debts.lost.iter().zip(debts.held) {
                assert!(long + short <= held, "I17: all is held back");
            }
            for (market, &amount) in debts.held.iter().enumerate().filter(|(_, amount)| **amount > 0) {
                *owed.entry(market).or_default() += u128::from(amount);
            }
            for slot in margin.collaterals.iter().filter(|c| c.amount != 0) {
                *held.entry(slot.vault).or_default() += u128::from(slot.amount);
            }
        } else if let Ok(market) = decode_copy::<Market>(data) {
            let book = &market.core.book;
            assert!(
                book.unbacked <= book.tokens().expect("tokens"),
                "I17: market {} holds back",
                market.index
            );
            if book.unbacked > 0 {
                held_back.insert(usize::from(market.index), u128::from(book.unbacked));
            }
            ledger.cash += i128::from(book.cash);
            ledger.market_insurance += i128::from(book.insurance);
            ledger.fees += i128::from(book.fees.total().expect("fees"));
        } else if let Ok(pool) = decode_copy::<Pool>(data) {
            ledger.idle += i128::from(pool.core.idle);
        } else if let Ok(fund) = decode_copy::<InsuranceFund>(data) {
            let stake = fund.core.backstop.value().expect("stake");
            ledger.insurance_fund += i128::from(fund.core.reserve) + i128::from(stake);
        } else if let Ok(exchange) = decode_copy::<Exchange>(data) {
            ledger.protocol_fees += i128::from(exchange.protocol_fees);
        } else if let Ok(vault) = decode_copy::<Vault>(data) {
            vaults.push(*vault);
        }
    }
    assert_eq!(owed, held_back, "I17: what accounts owe is what markets hold back");
    for vault in vaults {
        let donated = world.donated.get(&vault.index).copied().unwrap_or(0);
        let tokens = world.token_balance(&vault.token_account) - donated;
        assert_eq!(tokens, vault.core.recorded, "I1: vault {} records what it holds", vault.index);
        if vault.is_quote() {
            ledger.tokens = i128::from(tokens);
        } else {
            let held = held.get(&vault.index).copied().unwrap_or(0);
            assert_eq!(u128::from(tokens), held, "I1: vault {} holds what its accounts do", vault.index);
        }
    }
    assert_eq!(ledger.tokens, ledger.total(), "I1: {ledger:?}");
    ledger
}
