//! Events from transaction logs.
//!
//! Any program can write `Program data:` lines, so the reader follows the call stack in the log and takes
//! only what was written while Bulwark itself ran.

use anchor_lang::{AnchorDeserialize, Discriminator};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulwark::events;

use crate::address;

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// Every event of the program.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = concat!("See [`events::", stringify!($name), "`].")] $name(events::$name),)*
        }

        impl Event {
            /// Reads an event from its discriminator and fields; `None` for anything else.
            #[must_use]
            pub fn decode(data: &[u8]) -> Option<Self> {
                $(if let Some(mut fields) = data.strip_prefix(events::$name::DISCRIMINATOR) {
                    let event = events::$name::deserialize(&mut fields).ok()?;
                    return fields.is_empty().then_some(Self::$name(event));
                })*
                None
            }
        }
    };
}

events!(
    ExchangeInitialized,
    VaultCreated,
    MarketCreated,
    MarketRefreshed,
    VaultRefreshed,
    MarginAccountOpened,
    MarginAccountClosed,
    DelegateSet,
    Deposited,
    Withdrawn,
    Traded,
    TriggerPlaced,
    TriggerExecuted,
    TriggerCancelled,
    PositionSettled,
    AuctionCalled,
    Liquidated,
    CollateralSold,
    ClaimForfeited,
    BankruptcyResolved,
    MarketRebalanced,
    MarketSettling,
    InsuranceFunded,
    BackstopStaked,
    UnstakeRequested,
    Unstaked,
    UnstakeCancelled,
    LiquidityAdded,
    RedeemRequested,
    RedeemCancelled,
    Redeemed,
    LiquidityAllocated,
    MarketSwept,
    InvariantsChecked,
    ChangeProposed,
    ChangeExecuted,
    ChangeCancelled,
    Tightened,
    PauseSet,
    AdminNominated,
    AdminChanged,
    MarketStatusChanged,
    MarketClosed,
    ProtocolFeesCollected,
);

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedLog {
    /// Events in order.
    pub events: Vec<Event>,
    /// Whether the runtime cut the log: events may be missing.
    pub truncated: bool,
}

/// Reads the events of a transaction's log.
#[must_use]
pub fn parse_log<S: AsRef<str>>(lines: &[S]) -> ParsedLog {
    let program = address::PROGRAM.to_string();
    let (mut stack, mut parsed): (Vec<&str>, _) = (Vec::new(), ParsedLog::default());
    for line in lines.iter().map(AsRef::as_ref) {
        if line == "Log truncated" {
            parsed.truncated = true;
        } else if let Some(data) = line.strip_prefix("Program data: ") {
            if stack.last() == Some(&program.as_str()) {
                parsed.events.extend(STANDARD.decode(data).ok().and_then(|d| Event::decode(&d)));
            }
        } else if let Some((id, what)) = line.strip_prefix("Program ").and_then(|l| l.split_once(' ')) {
            // What a program logs of itself, `Program log: …`, is no call.
            if what.starts_with("invoke [") && !id.ends_with(':') {
                stack.push(id);
            } else if (what == "success" || what.starts_with("failed")) && stack.last() == Some(&id) {
                stack.pop();
            }
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use anchor_lang::Event as _;

    use super::*;

    fn line() -> String {
        format!("Program data: {}", STANDARD.encode(events::InvariantsChecked { ok: true }.data()))
    }

    #[test]
    fn only_what_the_program_itself_wrote_is_an_event() {
        let (ours, other) = (address::PROGRAM.to_string(), address::SYSTEM_PROGRAM.to_string());
        let log = [
            line(),
            format!("Program {ours} invoke [1]"),
            line(),
            format!("Program {other} invoke [2]"),
            line(),
            format!("Program {other} success"),
            line(),
            format!("Program {ours} success"),
            line(),
        ];
        let parsed = parse_log(&log);
        let event = Event::InvariantsChecked(events::InvariantsChecked { ok: true });
        assert_eq!(parsed, ParsedLog { events: vec![event.clone(), event], truncated: false });
    }

    #[test]
    fn what_a_program_logs_is_no_call() {
        let (ours, other) = (address::PROGRAM.to_string(), address::SYSTEM_PROGRAM.to_string());
        let log = [
            format!("Program {ours} invoke [1]"),
            format!("Program {other} invoke [2]"),
            "Program log: invoke [3]".to_string(),
            format!("Program {other} success"),
            line(),
        ];
        assert_eq!(parse_log(&log).events.len(), 1);
    }

    #[test]
    fn a_cut_log_says_so_and_garbage_is_no_event() {
        assert!(parse_log(&["Log truncated"]).truncated);
        assert_eq!(Event::decode(&[]), None);
        let mut long = events::InvariantsChecked { ok: true }.data();
        long.push(0);
        assert_eq!(Event::decode(&long), None);
    }
}
