//! No key can take the tokens of users, pool, insurance or stake: this is every movement of tokens that there is, and who
//! signs it. Whatever leaves a vault is taken off a balance of the signer.

use std::collections::BTreeSet;

use anchor_lang_idl::types::{IdlDefinedFields, IdlInstruction, IdlType, IdlTypeDefTy};
use bulwark_sdk::address;

use crate::support::*;

/// A balance: the account that it is in, its type, and the field that says who owns it.
pub type Balance = (&'static str, &'static str, &'static str);

/// What happens to tokens. Names are those of the instruction's accounts.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// An empty token account, or a mint, comes to be.
    Creates(&'static str),
    /// From a token account of the signer to a vault.
    In { from: &'static str, to: &'static str },
    /// From a vault to a token account of the owner of a balance, which is debited.
    Out { from: &'static str, to: &'static str, of: Balance },
    /// Shares to a token account of the owner of a balance, or of the signer, who pays in the same instruction.
    Mints { to: &'static str, of: Option<Balance> },
    /// Shares of a token account of the signer.
    Burns { from: &'static str },
}

use Effect::{Burns, Creates, In, Mints, Out};

const MARGIN: Balance = ("margin_account", "MarginAccount", "owner");
const REDEEM: Balance = ("ticket", "RedeemTicket", "owner");
const UNSTAKE: Balance = ("ticket", "UnstakeTicket", "owner");
const FEES: Balance = ("exchange", "Exchange", "fee_recipient");

const DEPOSITED: Effect = In { from: "source", to: "token_account" };
const BURNED: Effect = Burns { from: "shares" };
const BOUGHT: Effect = Mints { to: "shares", of: None };

const fn paid(of: Balance) -> Effect {
    Out { from: "token_account", to: "destination", of }
}

const fn returned(of: Balance) -> Effect {
    Mints { to: "shares", of: Some(of) }
}

/// `(instruction, who signs, what happens to tokens)`.
pub const MOVEMENTS: [(&str, &str, Effect); 19] = [
    ("initialize_exchange", "deployer", Creates("token_account")),
    ("initialize_exchange", "deployer", Creates("junior_mint")),
    ("initialize_exchange", "deployer", Creates("senior_mint")),
    ("initialize_exchange", "deployer", Creates("backstop_mint")),
    ("create_vault", "admin", Creates("token_account")),
    ("deposit", "depositor", DEPOSITED),
    ("withdraw", "owner", paid(MARGIN)),
    ("add_liquidity", "provider", DEPOSITED),
    ("add_liquidity", "provider", BOUGHT),
    ("request_redeem", "provider", BURNED),
    ("redeem", "provider", paid(REDEEM)),
    ("cancel_redeem", "authority", returned(REDEEM)),
    ("fund_insurance", "donor", DEPOSITED),
    ("stake_backstop", "staker", DEPOSITED),
    ("stake_backstop", "staker", BOUGHT),
    ("request_unstake", "staker", BURNED),
    ("unstake", "staker", paid(UNSTAKE)),
    ("cancel_unstake", "authority", returned(UNSTAKE)),
    ("collect_protocol_fees", "admin", paid(FEES)),
];

/// Writable accounts that are not of a token program: the program's own, and who pays or gets back rents.
const NO_TOKENS: [&str; 15] = [
    "exchange",
    "pool",
    "insurance_fund",
    "market",
    "vault",
    "quote_vault",
    "margin_account",
    "keeper_account",
    "liquidator_account",
    "ticket",
    "change",
    "change_payer",
    "payer",
    "owner",
    "deployer",
];

/// Who holds an office and no balance.
const OFFICES: [&str; 6] = ["admin", "guardian", "authority", "governance", "deployer", "delegate"];

/// Pays the protocol's own fees, and nothing else, to who is recorded to get them.
const OF_THE_PROTOCOL: &str = "collect_protocol_fees";

impl Effect {
    /// The accounts of a token program that it writes.
    fn writes(self) -> Vec<&'static str> {
        match self {
            Creates(account) => vec![account],
            In { from, to } | Out { from, to, .. } => vec![from, to],
            Mints { to, .. } => vec!["share_mint", to],
            Burns { from } => vec![from, "share_mint"],
        }
    }

    /// The call in the program's sources that does it.
    fn call(self) -> &'static str {
        match self {
            Creates(_) => "token::authority = exchange",
            In { .. } => ".pull(",
            Out { .. } => ".push(",
            Mints { .. } => ".mint(",
            Burns { .. } => ".burn(",
        }
    }

    fn balance(self) -> Option<Balance> {
        match self {
            Out { of, .. } => Some(of),
            Mints { of, .. } => of,
            _ => None,
        }
    }
}

fn rows(instruction: &str) -> impl Iterator<Item = (&'static str, Effect)> {
    MOVEMENTS.into_iter().filter(move |row| row.0 == instruction).map(|(_, signer, effect)| (signer, effect))
}

fn has_token_program(instruction: &IdlInstruction) -> bool {
    let programs = [address::TOKEN_PROGRAM, address::TOKEN_2022_PROGRAM].map(|key| key.to_string());
    accounts(instruction).any(|account| {
        account.name.contains("token_program")
            || account.address.as_ref().is_some_and(|a| programs.contains(a))
    })
}

#[test]
fn only_what_is_listed_writes_token_accounts_or_has_a_token_program_to_call() {
    for instruction in &IDL.instructions {
        let written: BTreeSet<_> = accounts(instruction)
            .filter(|account| account.writable && !NO_TOKENS.contains(&account.name.as_str()))
            .map(|account| account.name.as_str())
            .collect();
        let listed: BTreeSet<_> = rows(&instruction.name).flat_map(|(_, effect)| effect.writes()).collect();
        assert_eq!(written, listed, "{}", instruction.name);
        assert_eq!(has_token_program(instruction), !listed.is_empty(), "{}", instruction.name);
    }
    for (name, ..) in MOVEMENTS {
        instruction(name); // is there
    }
}

#[test]
fn nobody_signs_a_movement_but_who_is_listed() {
    for (name, signer, _) in MOVEMENTS {
        let rent = |name: &str| name == "payer";
        let signs = accounts(instruction(name)).filter(|account| account.signer && !rent(&account.name));
        assert_eq!(signs.map(|account| account.name.as_str()).collect::<Vec<_>>(), [signer], "{name}");
    }
}

#[test]
fn what_leaves_is_debited_to_an_account_that_records_its_owner() {
    for (name, _, effect) in MOVEMENTS {
        let Some((account, ty, owner)) = effect.balance() else { continue };
        let debited = accounts(instruction(name)).find(|a| a.name == account);
        assert!(debited.is_some_and(|a| a.writable), "{name}: {account} is not written");
        let IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Named(fields)) } = &type_of(ty).ty else {
            panic!("{ty} is not a struct");
        };
        let recorded = fields.iter().any(|field| field.name == owner && field.ty == IdlType::Pubkey);
        assert!(recorded, "{name}: {ty} has no key {owner}");
    }
}

#[test]
fn no_office_takes_tokens_out() {
    // Who may sign for another's balance can but give it back: shares, to the owner that it records.
    for (name, signer, effect) in MOVEMENTS {
        let harmless = matches!(effect, Creates(_) | Mints { of: Some(_), .. }) || name == OF_THE_PROTOCOL;
        assert!(harmless || !OFFICES.contains(&signer), "{name}: {effect:?} is signed by {signer}");
    }
}

#[test]
fn the_sources_call_token_programs_where_the_table_says_and_nowhere_else() {
    // Cross-program calls: token transfers, share tokens, and the allocation of a market by the system program.
    let mut callers = Vec::new();
    for (name, text) in program_sources() {
        if text.contains("CpiContext") || text.contains("invoke") {
            callers.push(name.clone());
        }
        let Some(instruction) = name.strip_prefix("instructions/") else { continue };
        if !IDL.instructions.iter().any(|i| i.name == instruction) {
            continue;
        }
        let effects = [DEPOSITED, paid(MARGIN), BOUGHT, BURNED, Creates("")];
        let called: BTreeSet<_> =
            effects.map(Effect::call).into_iter().filter(|c| text.contains(c)).collect();
        let listed: BTreeSet<_> = rows(instruction).map(|(_, effect)| effect.call()).collect();
        assert_eq!(called, listed, "{instruction}");
    }
    callers.sort();
    assert_eq!(callers, ["instructions/create_market", "instructions/liquidity", "tokens"]);
    let create_market = source(&repository("programs/bulwark/src/instructions/create_market.rs"));
    assert!(!create_market.contains("token_interface") && !create_market.contains("anchor_spl"));
}
