//! What a governance change would do: for signers to check what they sign, and for users to know what comes.
//!
//! A payload holds whole parameter sets. [`explain_payload`] compares it with what is in force, by the very table that the
//! program goes by: each field that moves, from what to what, and whether that loosens or tightens. [`explain_change`] adds
//! when a stored change can be executed, and why it can't be.

use std::fmt;

use anchor_lang::AnchorDeserialize;
use bulwark::governance::{require_bits, require_sources};
use bulwark::oracle::{OracleSource, SourceKind};
use bulwark::state::{Change, ChangePayload, InsuranceFund, MarketStatus, Pause, Pool};
use bulwark_engine::tighten::{Effect, Governed, Move, moves};
use thiserror::Error;

use crate::health::{HealthError, Snapshot};

const BAD_SOURCES: &str = "sources must be accounts of Pyth or Switchboard, distinct, the primary first";

/// What is in force.
#[derive(Clone, Debug)]
pub struct InForce<'a> {
    /// Exchange, markets, vaults and clock.
    pub snapshot: &'a Snapshot<'a>,
    /// The pool.
    pub pool: &'a Pool,
    /// The insurance fund.
    pub insurance_fund: &'a InsuranceFund,
}

/// One thing that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Name of the field.
    pub name: String,
    /// What it is.
    pub from: String,
    /// What it would be.
    pub to: String,
    /// Whether that loosens or tightens.
    pub effect: Effect,
}

/// What a payload would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it is about.
    pub title: String,
    /// Everything that moves.
    pub moves: Vec<Moved>,
    /// Why the program would refuse it, if it would.
    pub refusals: Vec<String>,
}

/// When a change can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In so many seconds.
    Waits(i64),
    /// Now, for so many seconds more.
    Ripe(i64),
    /// A listing that was executed: `create_vault` or `create_market` carries it out, for so many seconds more.
    Executed(i64),
    /// Never: its window is over.
    Expired,
    /// Never: its target or the admin has changed since it was proposed.
    Void,
}

/// What a stored change would do, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeExplanation {
    /// Its number.
    pub nonce: u64,
    /// What it would do.
    pub explanation: Explanation,
    /// First moment at which it can be executed, unix seconds.
    pub eta: i64,
    /// Last such moment.
    pub expiry: i64,
    /// What can be done with it now.
    pub status: Status,
}

/// Why there is no explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// What is in force is not known.
    #[error(transparent)]
    Missing(#[from] HealthError),
    /// The stored bytes are no payload.
    #[error("change {0} has no readable payload: read it again")]
    Unreadable(u64),
}

impl Explanation {
    /// Whether anything loosens, or is new.
    #[must_use]
    pub fn loosens(&self) -> bool {
        self.moves.iter().any(|moved| moved.effect == Effect::Loosens)
    }

    fn of<T: Governed>(title: String, (from, to): (&T, &T), bounds: bulwark_engine::Result<()>) -> Self {
        let all: Vec<Move> = moves(from, to).filter(|moved| moved.from != moved.to).collect();
        let steps = all.iter().filter_map(|moved| moved.require_step().err());
        let refusals = bounds.err().into_iter().chain(steps).map(|error| error.to_string()).collect();
        let named = all.iter().map(|m| moved(m.rule.name, m.from, m.to, m.effect()));
        Self { title, moves: named.collect(), refusals }
    }

    fn refuse_if(&mut self, refused: bool, why: &str) {
        if refused {
            self.refusals.push(why.to_string());
        }
    }

    fn single(title: impl Into<String>, moved: Moved) -> Self {
        Self { title: title.into(), moves: vec![moved], refusals: Vec::new() }
    }

    /// A listing: everything is new.
    fn listing<T: Governed>(title: String, params: &T, bounds: bulwark_engine::Result<()>) -> Self {
        let new = moves(params, params).map(|m| moved(m.rule.name, "(new)", m.to, Effect::Loosens));
        let refusals = bounds.err().into_iter().map(|error| error.to_string()).collect();
        Self { title, moves: new.collect(), refusals }
    }
}

fn moved(name: &str, from: impl fmt::Display, to: impl fmt::Display, effect: Effect) -> Moved {
    Moved { name: name.to_string(), from: from.to_string(), to: to.to_string(), effect }
}

/// A source as one can compare it: kind, owner and feed.
fn source(source: &OracleSource) -> String {
    let kind = match SourceKind::try_from(source.kind) {
        Ok(SourceKind::None) => return "none".to_string(),
        Ok(kind) => format!("{kind:?}"),
        Err(_) => format!("unknown kind {}", source.kind),
    };
    let feed: String = source.feed.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind} of {} feed {feed}", source.owner)
}

fn sources(title: String, (from, to): (&[OracleSource; 2], &[OracleSource; 2]), needed: bool) -> Explanation {
    let both = ["primary", "secondary"].into_iter().zip(from.iter().zip(to));
    let moves = both
        .filter(|(_, (from, to))| from != to)
        .map(|(name, (from, to))| moved(name, source(from), source(to), Effect::Loosens));
    let mut explanation = Explanation { title, moves: moves.collect(), refusals: Vec::new() };
    explanation.refuse_if(require_sources(to, needed).is_err(), BAD_SOURCES);
    explanation
}

fn listed_sources(explanation: Explanation, of: &[OracleSource; 2]) -> Explanation {
    let names = ["primary", "secondary"].into_iter().zip(of);
    let named = names.map(|(name, of)| moved(name, "(new)", source(of), Effect::Loosens));
    let mut explanation = Explanation { moves: named.chain(explanation.moves).collect(), ..explanation };
    explanation.refuse_if(require_sources(of, true).is_err(), BAD_SOURCES);
    explanation
}

fn bits(bits: u8) -> String {
    let names = [
        (Pause::INCREASE, "increase"),
        (Pause::WITHDRAW, "withdraw"),
        (Pause::LIQUIDITY, "liquidity"),
        (Pause::STAKE, "stake"),
    ];
    let set: Vec<_> = names.iter().filter(|(bit, _)| bit.is_set(bits)).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_string() } else { set.join("+") }
}

const fn status_name(status: u8) -> &'static str {
    match status {
        0 => "ReduceOnly",
        1 => "Active",
        2 => "Settling",
        _ => "unknown",
    }
}

/// A payload from its bytes, as `propose_change` and a stored change hold them; `None` for any others.
#[must_use]
pub fn read_payload(bytes: &[u8]) -> Option<ChangePayload> {
    ChangePayload::try_from_slice(bytes).ok()
}

/// What a payload would do if it were put in force now.
///
/// # Errors
/// [`ExplainError::Missing`] if the snapshot lacks its target.
pub fn explain_payload(payload: &ChangePayload, now: &InForce<'_>) -> Result<Explanation, ExplainError> {
    let InForce { snapshot, pool, insurance_fund } = now;
    let exchange = snapshot.exchange;
    Ok(match payload {
        ChangePayload::MarketParams { market, params } => {
            let core = &snapshot.find_market(*market)?.core;
            let from = &core.params;
            let mut explanation =
                Explanation::of(format!("parameters of market {market}"), (from, params), params.validate());
            explanation.refuse_if(core.is_settling(), "the market settles");
            let regrouped = params.risk_group != from.risk_group && core.book.positions != 0;
            explanation.refuse_if(regrouped, "another risk group while there are positions");
            explanation
        }
        ChangePayload::MarketSources { market, sources: to } => {
            let from = &snapshot.find_market(*market)?.sources;
            sources(format!("oracles of market {market}"), (from, to), true)
        }
        ChangePayload::MarketStatus { market, status, price } => {
            let market_account = snapshot.find_market(*market)?;
            let allowed = market_account.may_become(*status);
            let from = market_account.status;
            let effect = if *status == MarketStatus::ReduceOnly { Effect::Tightens } else { Effect::Loosens };
            let (from, to) = (status_name(from), status_name(status.to_byte()));
            let mut explanation =
                Explanation::single(format!("status of market {market}"), moved("status", from, to, effect));
            explanation.refuse_if(!allowed, "the market can't go there from its present status");
            let named = *price != 0 && *status != MarketStatus::Settling;
            explanation.refuse_if(named, "a price is named for a settlement only");
            if *price != 0 {
                let live = market_account.core.oracle.price.to_bits();
                explanation.moves.push(moved("settlement price (Q32.32)", live, price, Effect::Shifts));
            }
            explanation
        }
        ChangePayload::VaultParams { vault, params } => {
            let vault_account = snapshot.find_vault(*vault)?;
            let from = &vault_account.core.params;
            let bounds = params
                .validate_change(from, vault_account.is_quote())
                .and_then(|()| vault_account.core.require_cap_worth(params));
            Explanation::of(format!("parameters of vault {vault}"), (from, params), bounds)
        }
        ChangePayload::VaultSources { vault, sources: to } => {
            let from = snapshot.find_vault(*vault)?;
            sources(format!("oracles of vault {vault}"), (&from.sources, to), !from.is_quote())
        }
        ChangePayload::ExchangeParams { params } => {
            let from = &exchange.params;
            Explanation::of("parameters of the exchange".to_string(), (from, params), params.validate())
        }
        ChangePayload::PoolParams { params } => {
            let from = &pool.core.params;
            Explanation::of("parameters of the pool".to_string(), (from, params), params.validate())
        }
        ChangePayload::InsuranceParams { params } => {
            let from = &insurance_fund.core.params();
            let title = "parameters of the insurance fund".to_string();
            Explanation::of(title, (from, params), params.validate())
        }
        ChangePayload::CreateVault { mint, sources, params } => {
            let title = format!("list the collateral {mint}");
            let mut explanation =
                listed_sources(Explanation::listing(title, params, params.validate()), sources);
            explanation.refuse_if(mint.to_bytes() == [0; 32], "there is no such mint");
            explanation
        }
        ChangePayload::CreateMarket { sources, params } => {
            let title = "list a market".to_string();
            listed_sources(Explanation::listing(title, params, params.validate_listing()), sources)
        }
        ChangePayload::Guardian { guardian } => Explanation::single(
            "the guardian",
            moved("guardian", exchange.guardian, guardian, Effect::Loosens),
        ),
        ChangePayload::FeeRecipient { fee_recipient } => Explanation::single(
            "the recipient of protocol fees",
            moved("fee_recipient", exchange.fee_recipient, fee_recipient, Effect::Shifts),
        ),
        ChangePayload::Unpause { market, bits: cleared } => {
            let (title, from) = match market {
                Some(market) => (format!("unpause market {market}"), snapshot.find_market(*market)?.pause),
                None => ("unpause the exchange".to_string(), exchange.pause),
            };
            let to = from & !cleared;
            let effect = if from == to { Effect::Same } else { Effect::Loosens };
            let mut explanation = Explanation::single(title, moved("pause", bits(from), bits(to), effect));
            if market.is_none() && Pause::WITHDRAW.is_set(*cleared) && exchange.broken != 0 {
                explanation.moves.push(moved("broken books", "yes", "no", Effect::Loosens));
            }
            explanation.refuse_if(require_bits(*market, *cleared).is_err(), "there are no such bits");
            explanation
        }
    })
}

/// Version of the payload's target now.
fn revision(payload: &ChangePayload, now: &InForce<'_>) -> Result<u32, ExplainError> {
    let InForce { snapshot, pool, insurance_fund } = now;
    Ok(match payload {
        ChangePayload::MarketParams { market, .. }
        | ChangePayload::MarketSources { market, .. }
        | ChangePayload::MarketStatus { market, .. } => snapshot.find_market(*market)?.revision,
        ChangePayload::VaultParams { vault, .. } | ChangePayload::VaultSources { vault, .. } => {
            snapshot.find_vault(*vault)?.revision
        }
        ChangePayload::ExchangeParams { .. } => snapshot.exchange.revision,
        ChangePayload::PoolParams { .. } => pool.revision,
        ChangePayload::InsuranceParams { .. } => insurance_fund.revision,
        ChangePayload::CreateVault { .. } | ChangePayload::CreateMarket { .. } => 0,
        ChangePayload::Guardian { .. } => snapshot.exchange.guardian_epoch,
        ChangePayload::FeeRecipient { .. } => snapshot.exchange.recipient_epoch,
        ChangePayload::Unpause { market: Some(market), .. } => snapshot.find_market(*market)?.pauses,
        ChangePayload::Unpause { market: None, .. } => snapshot.exchange.pauses,
    })
}

/// What a stored change would do, and when it can be executed.
///
/// # Errors
/// [`ExplainError`].
pub fn explain_change(change: &Change, now: &InForce<'_>) -> Result<ChangeExplanation, ExplainError> {
    let payload = change.payload().map_err(|_| ExplainError::Unreadable(change.nonce))?;
    let clock = now.snapshot.now;
    // A listing that was executed waits for its creation as long as it said when it was proposed.
    let lock = match change.executed {
        0 => change.ripens(&payload, &now.pool.core.params),
        _ => change.timelock,
    };
    // A target that is gone has changed.
    let same = revision(&payload, now).is_ok_and(|revision| revision == change.revision);
    let status = if lock.is_over(clock) {
        Status::Expired
    } else if change.admin_epoch != now.snapshot.exchange.admin_epoch || !same {
        Status::Void
    } else if change.executed != 0 {
        Status::Executed(lock.expiry - clock)
    } else if clock < lock.eta {
        Status::Waits(lock.eta - clock)
    } else {
        Status::Ripe(lock.expiry - clock)
    };
    let explanation = match explain_payload(&payload, now) {
        Err(ExplainError::Missing(_)) if status == Status::Void => {
            Explanation { title: "its target is gone".to_string(), moves: Vec::new(), refusals: Vec::new() }
        }
        explained => explained?,
    };
    Ok(ChangeExplanation { nonce: change.nonce, explanation, eta: lock.eta, expiry: lock.expiry, status })
}

/// Seconds that a payload would wait if it were proposed now.
#[must_use]
pub fn delay(payload: &ChangePayload, now: &InForce<'_>) -> i64 {
    payload.wait(now.snapshot.exchange.params.delay, &now.pool.core.params)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for Moved { name, from, to, effect } in &self.moves {
            let effect = match effect {
                Effect::Same => "stays",
                Effect::Tightens => "tightens",
                Effect::Loosens => "LOOSENS",
                Effect::Shifts => "shifts",
            };
            writeln!(f, "  {effect:8} {name}: {from} -> {to}")?;
        }
        if self.moves.is_empty() {
            writeln!(f, "  nothing moves")?;
        }
        self.refusals.iter().try_for_each(|refusal| writeln!(f, "  REFUSED  {refusal}"))
    }
}

impl fmt::Display for ChangeExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "change {}: {}", self.nonce, self.explanation)?;
        match self.status {
            Status::Waits(seconds) => write!(f, "  can be executed in {seconds} s, from {}", self.eta),
            Status::Ripe(seconds) => write!(f, "  can be executed now, for {seconds} s more"),
            Status::Executed(seconds) => write!(f, "  executed: to be created within {seconds} s"),
            Status::Expired => write!(f, "  has lapsed"),
            Status::Void => write!(f, "  is void: its target or the admin has changed"),
        }
    }
}
