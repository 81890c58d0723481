//! I12 over histories: whoever comes, waits and leaves, all shares together are paid no more than there is.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::pool::{Nav, Pool, PoolParams, Ticket, TrancheKind};
use model::config;
use model::pool::{NOW, any_amount, any_kind, any_params, new};
use proptest::prelude::*;

/// What may happen to a pool and its three depositors.
#[derive(Clone, Copy, Debug)]
enum Step {
    Deposit(usize, TrancheKind, u64),
    /// So many eighths of what is not in the ticket.
    Request(usize, TrancheKind, u64),
    Redeem(usize, TrancheKind),
    Cancel(usize, TrancheKind),
    /// The markets are worth this much more, and as much more again at the higher price.
    Earn(u64, u64),
    /// So many eighths of what is in the markets are lost.
    Lose(u64),
    /// So many eighths of the idle cash go to the markets.
    Lend(u64),
    /// All comes back.
    Return,
    Wait(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let (who, kind) = (0..3_usize, any_kind());
    prop_oneof![
        4 => (who.clone(), any_kind(), any_amount(36)).prop_map(|(w, k, a)| Step::Deposit(w, k, a)),
        3 => (who.clone(), any_kind(), 1..=8_u64).prop_map(|(w, k, e)| Step::Request(w, k, e)),
        4 => (who.clone(), any_kind()).prop_map(|(w, k)| Step::Redeem(w, k)),
        1 => (who, kind).prop_map(|(w, k)| Step::Cancel(w, k)),
        2 => (any_amount(36), any_amount(30)).prop_map(|(a, b)| Step::Earn(a, b)),
        2 => (0..=8_u64).prop_map(Step::Lose),
        2 => (0..=8_u64).prop_map(Step::Lend),
        1 => Just(Step::Return),
        3 => prop_oneof![Just(3_600), 0..10_000_000_u32].prop_map(Step::Wait),
    ]
}

/// A pool, what its markets are worth, and who holds what: shares outside tickets and tickets, by tranche.
#[derive(Clone, Debug)]
struct Story {
    pool: Pool,
    markets: [u64; 2],
    now: i64,
    held: [[u64; 2]; 3],
    tickets: [[Ticket; 2]; 3],
    /// Money in and out from the depositors' point of view.
    deposited: u64,
    paid: u64,
}

impl Story {
    fn nav(&self) -> Nav {
        let [low, gap] = self.markets;
        Nav {
            low: self.pool.idle + low,
            high: self.pool.idle + low + gap,
            used: low / 4,
            releasable: u64::MAX,
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), EngineError> {
        let (nav, now) = (self.nav(), self.now);
        match step {
            Step::Deposit(who, kind, amount) => {
                let shares = self.pool.issue(kind, amount, &nav, now)?;
                self.held[who][usize::from(kind.to_byte())] += shares;
                self.deposited += amount;
            }
            Step::Request(who, kind, eighths) => {
                let k = usize::from(kind.to_byte());
                if self.tickets[who][k].shares > 0 {
                    return Ok(());
                }
                let shares = if eighths == 8 { self.held[who][k] } else { self.held[who][k] / 8 * eighths };
                self.tickets[who][k] = self.pool.request(kind, shares, &nav, now)?;
                self.held[who][k] -= shares;
            }
            Step::Redeem(who, kind) => {
                let ticket = &mut self.tickets[who][usize::from(kind.to_byte())];
                let report = self.pool.redeem(kind, ticket, &nav, now)?;
                self.paid += report.paid;
            }
            Step::Cancel(who, kind) => {
                let k = usize::from(kind.to_byte());
                self.held[who][k] += self.pool.cancel(kind, &mut self.tickets[who][k], now)?;
            }
            Step::Earn(low, gap) => self.markets = [self.markets[0] + low, gap],
            Step::Lose(eighths) => self.markets[0] -= self.markets[0] / 8 * eighths,
            Step::Lend(eighths) => {
                let lent = self.pool.idle / 8 * eighths;
                self.pool.idle -= lent;
                self.markets[0] += lent;
            }
            Step::Return => {
                self.pool.idle += self.markets[0];
                self.markets = [0, 0];
            }
            Step::Wait(seconds) => {
                self.now += i64::from(seconds);
                self.pool.accrue(self.now);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    /// Whatever happens: shares and tickets add up, together they are worth no more than there is, all can
    /// leave with it, and no deposit, request, redemption or cancellation takes from another.
    #[test]
    fn i12_all_shares_together_are_never_paid_more_than_the_nav(
        params in any_params(), steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let params = PoolParams { max_senior_ratio_ppm: params.max_senior_ratio_ppm.max(500_000), ..params };
        let mut story = Story {
            pool: new(&params), markets: [0, 0], now: NOW, held: [[0; 2]; 3], tickets: [[Ticket::default(); 2]; 3],
            deposited: 0, paid: 0,
        };
        for step in steps {
            let mut next = story.clone();
            if next.apply(step).is_err() {
                continue;
            }
            if let Step::Deposit(who, ..) | Step::Request(who, ..) | Step::Redeem(who, ..) | Step::Cancel(who, _) = step {
                for other in (0..3).filter(|&other| other != who) {
                    for kind in TrancheKind::BOTH {
                        let k = usize::from(kind.to_byte());
                        let shares = story.held[other][k] + story.tickets[other][k].shares;
                        for high in [false, true] {
                            let at = |story: &Story| if high { story.nav().high } else { story.nav().low };
                            let was = story.pool.share_value(kind, shares, at(&story)).unwrap();
                            let is = next.pool.share_value(kind, shares, at(&next)).unwrap();
                            prop_assert!(is + 1 >= was, "{:?} took {} from {} by {:?}", kind, was - is, was, step);
                        }
                    }
                }
            }
            story = next;
            let nav = story.nav();
            for kind in TrancheKind::BOTH {
                let k = usize::from(kind.to_byte());
                let tranche = [story.pool.junior, story.pool.senior][k];
                let redeeming: u64 = story.tickets.iter().map(|t| t[k].shares).sum();
                prop_assert_eq!(tranche.redeeming, redeeming);
                prop_assert_eq!(tranche.shares, redeeming + story.held.iter().map(|h| h[k]).sum::<u64>());
                let values = (0..3).map(|who| story.pool.share_value(kind, story.held[who][k] + story.tickets[who][k].shares, nav.low).unwrap());
                prop_assert!(values.sum::<u64>() <= story.pool.tranche_value(kind, nav.low).unwrap());
            }
            prop_assert!(story.pool.pending(&nav).unwrap() <= nav.low);
        }
        // Everybody leaves, seniors first.
        story.apply(Step::Return).unwrap();
        let nav = story.nav();
        let paid = story.paid;
        for kind in [TrancheKind::Senior, TrancheKind::Junior] {
            for who in 0..3 {
                let _ = story.apply(Step::Cancel(who, kind));
                let Ok(()) = story.apply(Step::Request(who, kind, 8)) else { continue };
                story.apply(Step::Wait(3_600)).unwrap();
                match story.apply(Step::Redeem(who, kind)) {
                    Ok(()) | Err(EngineError::WorthNothing { .. } | EngineError::SeniorRatio { .. }) => {}
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
        }
        prop_assert_eq!(story.pool.idle, nav.low - (story.paid - paid), "and no more than there is");
    }
}
