//! What can be asked, and the accounts that come along.

use std::collections::BTreeMap;

use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::{Change, Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use serde::Deserialize;

use crate::int::Int;

/// Long or short.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SideName {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl From<SideName> for Side {
    fn from(name: SideName) -> Self {
        match name {
            SideName::Long => Self::Long,
            SideName::Short => Self::Short,
        }
    }
}

/// Junior or senior pool shares.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrancheName {
    /// Bears losses first.
    Junior,
    /// Has a fixed rate.
    Senior,
}

impl From<TrancheName> for TrancheKind {
    fn from(name: TrancheName) -> Self {
        match name {
            TrancheName::Junior => Self::Junior,
            TrancheName::Senior => Self::Senior,
        }
    }
}

/// A question. Prices are Q32.32 quote units per lot, amounts the smallest units of their token.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Question {
    /// Every margin account that came along as its owner sees it.
    Views,
    /// What a trade of the first margin account would do; without a side it decreases.
    Quote {
        /// Market index.
        market: u16,
        /// Side to open or increase.
        side: Option<SideName>,
        /// Lots; 2^64 − 1 closes all.
        lots: Int<u64>,
        /// Worst fill price; none takes any.
        limit: Option<Int<u64>>,
    },
    /// Which of the margin accounts can be liquidated at this slot, and what their auctions offer.
    Distress {
        /// Slot.
        slot: Int<u64>,
    },
    /// What the first margin account has to have refreshed before it trades or withdraws.
    OldLegs {
        /// Market that it trades in.
        traded: Option<u16>,
    },
    /// Markets to refresh before the pool is valued.
    OldMarkets {
        /// Whether it takes prices as young as for a trade: to add liquidity and to redeem.
        strict: bool,
    },
    /// What the pool is worth, and is exposed to.
    Pool,
    /// What shares of a tranche are worth.
    ShareValue {
        /// Tranche.
        tranche: TrancheName,
        /// Shares.
        shares: Int<u64>,
    },
    /// What a governance payload would do.
    ExplainPayload {
        /// Its borsh bytes.
        payload: Vec<u8>,
    },
    /// What every change that came along would do, and when.
    ExplainChanges,
    /// Smallest units of a decimal amount.
    ParseAmount {
        /// Decimal text.
        text: String,
        /// Decimals of the token.
        decimals: u8,
    },
    /// Decimal text of smallest units.
    FormatAmount {
        /// Smallest units.
        amount: Int<i64>,
        /// Decimals of the token.
        decimals: u8,
    },
    /// Price per lot of a decimal price per whole base.
    ParsePrice {
        /// Decimal text.
        text: String,
        /// Decimals of the quote token.
        quote_decimals: u8,
        /// A lot is 10^-`lot_decimals` of the base.
        lot_decimals: u8,
    },
    /// Decimal price per whole base of a price per lot.
    FormatPrice {
        /// Price per lot.
        price: Int<u64>,
        /// Decimals of the quote token.
        quote_decimals: u8,
        /// A lot is 10^-`lot_decimals` of the base.
        lot_decimals: u8,
        /// Digits behind the point.
        digits: u8,
    },
    /// Lots, a multiple of the market's step, that are worth at most so many quote units at its live price.
    LotsWorth {
        /// Market index.
        market: u16,
        /// Quote units.
        notional: Int<u64>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// Unix seconds.
    now: Int<i64>,
    /// Lengths of the accounts that follow.
    accounts: Vec<usize>,
    question: Question,
}

/// A question with its accounts.
#[derive(Debug, Default)]
pub struct Accounts {
    /// Clock, unix seconds.
    pub now: i64,
    /// The exchange.
    pub exchange: Option<Box<Exchange>>,
    /// The pool.
    pub pool: Option<Box<Pool>>,
    /// The insurance fund.
    pub insurance_fund: Option<Box<InsuranceFund>>,
    /// Markets by index.
    pub markets: BTreeMap<u16, Box<Market>>,
    /// Vaults by index.
    pub vaults: BTreeMap<u16, Box<Vault>>,
    /// Margin accounts in order.
    pub margin: Vec<Box<MarginAccount>>,
    /// Changes in order.
    pub changes: Vec<Box<Change>>,
}

/// What goes in.
#[derive(Debug)]
pub struct Request {
    /// The question.
    pub question: Question,
    /// Its accounts.
    pub accounts: Accounts,
}

impl Accounts {
    /// Takes an account of any type of the program.
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        if let Ok(market) = decode_copy::<Market>(bytes) {
            self.markets.insert(market.index, market);
        } else if let Ok(vault) = decode_copy::<Vault>(bytes) {
            self.vaults.insert(vault.index, vault);
        } else if let Ok(account) = decode_copy::<MarginAccount>(bytes) {
            self.margin.push(account);
        } else if let Ok(exchange) = decode_copy::<Exchange>(bytes) {
            self.exchange = Some(exchange);
        } else if let Ok(pool) = decode_copy::<Pool>(bytes) {
            self.pool = Some(pool);
        } else if let Ok(fund) = decode_copy::<InsuranceFund>(bytes) {
            self.insurance_fund = Some(fund);
        } else if let Ok(change) = decode_copy::<Change>(bytes) {
            self.changes.push(change);
        } else {
            return Err(format!("an account of {} bytes is none of the program's", bytes.len()));
        }
        Ok(())
    }

    /// What health is computed from.
    ///
    /// # Errors
    /// Without the exchange.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, String> {
        Ok(Snapshot {
            exchange: self.exchange.as_deref().ok_or("the exchange is missing")?,
            markets: self.markets.iter().map(|(index, market)| (*index, &**market)).collect(),
            vaults: self.vaults.iter().map(|(index, vault)| (*index, &**vault)).collect(),
            now: self.now,
        })
    }

    /// The first margin account.
    ///
    /// # Errors
    /// Without one.
    pub fn account(&self) -> Result<&MarginAccount, String> {
        self.margin.first().map(|account| &**account).ok_or_else(|| "the margin account is missing".into())
    }

    /// The pool.
    ///
    /// # Errors
    /// Without it.
    pub fn pool(&self) -> Result<&Pool, String> {
        self.pool.as_deref().ok_or_else(|| "the pool is missing".into())
    }
}

impl Request {
    /// Reads the length of the JSON (32 bits, little endian), the JSON, and the accounts.
    ///
    /// # Errors
    /// A message for people.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        const SHORT: &str = "the question ends before its accounts do";
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(SHORT)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| SHORT)?;
        let (json, mut rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        let head: Head = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut accounts = Accounts { now: head.now.0, ..Accounts::default() };
        for length in head.accounts {
            let (account, after) = rest.split_at_checked(length).ok_or(SHORT)?;
            accounts.take(account)?;
            rest = after;
        }
        Ok(Self { question: head.question, accounts })
    }
}
