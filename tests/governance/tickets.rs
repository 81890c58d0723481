//! Tickets whose window a pause of their way out has cut have a whole one again; others have not.

use bulwark_sdk::engine::backstop;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus, Pause, RedeemTicket, UnstakeTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{DOLLAR, POOL_PARAMS};
use bulwark_tests::{Keypair, Signer as _, Trader, World};

use crate::scene::*;

/// Seconds for which ways out can be stopped.
const STOPPED: i64 = 43_200;

/// A ticket and who owns it.
struct Ticket {
    world: World,
    owner: Trader,
    /// Shares of the owner that the ticket was made of.
    shares: Pubkey,
    /// Pays and is paid nothing.
    stranger: Keypair,
    kind: Kind,
    /// First moment of its window.
    opens: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Redeem,
    Unstake,
}

const KINDS: [Kind; 2] = [Kind::Redeem, Kind::Unstake];

impl Kind {
    fn bit(self) -> u8 {
        if self == Self::Redeem { Pause::LIQUIDITY.0 } else { Pause::STAKE.0 }
    }

    fn delay(self) -> i64 {
        if self == Self::Redeem { i64::from(POOL_PARAMS.redeem_delay) } else { backstop::COOLDOWN }
    }

    fn window(self) -> i64 {
        if self == Self::Redeem { i64::from(POOL_PARAMS.redeem_window) } else { backstop::WINDOW }
    }

    fn too_late(self) -> &'static str {
        if self == Self::Redeem { "RedeemTooLate" } else { "UnstakeTooLate" }
    }

    fn too_early(self) -> &'static str {
        if self == Self::Redeem { "RedeemTooEarly" } else { "UnstakeTooEarly" }
    }
}

impl Ticket {
    fn new(kind: Kind) -> Self {
        let (mut world, owner, junior) = two_markets();
        let stranger = funded(&mut world);
        let payer = world.payer.pubkey();
        let shares = match kind {
            Kind::Redeem => {
                let keys = (owner.key.pubkey(), payer, junior);
                let request =
                    ix::request_redeem(&world.listings, TrancheKind::Junior, keys, (0, 1_000 * DOLLAR));
                accept(&mut world, &request, &[&owner.key]);
                junior
            }
            Kind::Unstake => {
                let staked = world.stake(&owner, 10_000 * DOLLAR).expect("stake_backstop");
                world.request_unstake(&owner, staked, (0, 1_000 * DOLLAR)).expect("request_unstake");
                staked
            }
        };
        let opens = world.now() + kind.delay();
        Self { world, owner, shares, stranger, kind, opens }
    }

    fn fork(&self) -> Self {
        let owner = Trader { key: self.owner.key.insecure_clone(), ..self.owner };
        let stranger = self.stranger.insecure_clone();
        Self { world: self.world.fork(), owner, stranger, ..*self }
    }

    /// As it is so many seconds after its window has opened, or before.
    fn at(&self, seconds: i64) -> Self {
        let mut ticket = self.fork();
        ticket.world.set_clock(self.opens + seconds);
        ticket
    }

    fn key(&self) -> Pubkey {
        match self.kind {
            Kind::Redeem => address::redeem_ticket(&self.owner.key.pubkey(), 0),
            Kind::Unstake => address::unstake_ticket(&self.owner.key.pubkey(), 0),
        }
    }

    fn leave(&self) -> Instruction {
        let (listings, to) = (&self.world.listings, (self.owner.tokens, 1));
        match self.kind {
            Kind::Redeem => ix::redeem(listings, &self.world.get::<RedeemTicket>(&self.key()), to),
            Kind::Unstake => ix::unstake(listings, &self.world.get::<UnstakeTicket>(&self.key()), to),
        }
        .expect("builds")
    }

    fn cancel_by(&self, who: &Keypair) -> Instruction {
        match self.kind {
            Kind::Redeem => {
                ix::cancel_redeem(who.pubkey(), &self.world.get::<RedeemTicket>(&self.key()), self.shares)
            }
            Kind::Unstake => {
                ix::cancel_unstake(who.pubkey(), &self.world.get::<UnstakeTicket>(&self.key()), self.shares)
            }
        }
    }

    /// Whether its owner can be paid, and whether anyone may cancel it.
    fn state(&self) -> (Result<(), String>, bool) {
        let send = |call: Instruction, who: &Keypair| {
            let mut world = self.world.fork();
            world.send(&[call], &[who]).map(|_| ()).map_err(|failure| label(&failure))
        };
        let cancelled = send(self.cancel_by(&self.stranger), &self.stranger);
        assert!(cancelled.is_ok() || cancelled == Err("Unauthorized".into()), "{cancelled:?}");
        assert_eq!(send(self.cancel_by(&self.owner.key), &self.owner.key), Ok(()), "its owner always may");
        (send(self.leave(), &self.owner.key), cancelled.is_ok())
    }

    /// The guardian stops something.
    #[track_caller]
    fn pause(&mut self, bits: u8) {
        let guardian = self.world.guardian.insecure_clone();
        let set = ix::set_pause(guardian.pubkey(), None, bits);
        accept(&mut self.world, &set, &[&guardian]);
    }

    /// Its window is over after this second, and was not before.
    #[track_caller]
    fn ends(&self, last: i64, what: &str) {
        assert_eq!(self.at(last).state(), (Ok(()), false), "{what}: the last second");
        let over = (Err(self.kind.too_late().to_string()), true);
        assert_eq!(self.at(last + 1).state(), over, "{what}: over");
        assert_eq!(self.at(last + 100 * 86_400).state(), over, "{what}: for ever");
    }
}

fn paused() -> (Result<(), String>, bool) {
    (Err("Paused".into()), false)
}

#[test]
fn without_a_pause_a_window_is_what_it_is() {
    for kind in KINDS {
        let ticket = Ticket::new(kind);
        assert_eq!(ticket.at(-1).state(), (Err(kind.too_early().into()), false));
        assert_eq!(ticket.at(0).state(), (Ok(()), false));
        ticket.ends(kind.window(), "whole");
    }
}

#[test]
fn a_window_that_a_pause_of_its_way_out_has_cut_runs_again_in_full_from_the_end() {
    for kind in KINDS {
        let (whole, window) = (Ticket::new(kind), kind.window());
        // When the pause begins, and whether that cuts the window: by its first second, or by its last.
        for (begins, cut) in [
            (-STOPPED, false),
            (-STOPPED + 1, true),
            (-1, true),
            (0, true),
            (window / 2, true),
            (window, true),
            (window + 1, false),
        ] {
            let mut ticket = whole.at(begins);
            ticket.pause(kind.bit());
            let what = format!("{kind:?}, a pause from {begins}");
            let ended = begins + STOPPED;
            // While it lasts nobody is paid, and nobody cancels what is not over.
            let late = begins > window;
            for second in [begins, ended - 1] {
                assert_eq!(ticket.at(second).state(), (Err("Paused".into()), late), "{what}, at {second}");
            }
            if late {
                assert_eq!(ticket.at(ended).state(), (Err(kind.too_late().into()), true), "{what}");
                continue;
            }
            assert_eq!(ticket.at(ended.max(0)).state(), (Ok(()), false), "{what}");
            ticket.ends(if cut { window.max(ended + window) } else { window }, &what);
        }
    }
}

#[test]
fn a_window_that_no_pause_of_its_way_out_has_cut_is_not_longer_for_it() {
    for kind in KINDS {
        let others = 15 & !kind.bit();
        for bits in [Pause::INCREASE.0, Pause::WITHDRAW.0, others] {
            for begins in [-1, 0, kind.window()] {
                let mut ticket = Ticket::new(kind).at(begins);
                ticket.pause(bits);
                let what = format!("{kind:?}, {bits} from {begins}");
                ticket.ends(kind.window(), &what);
            }
        }
    }
}

#[test]
fn a_bit_that_is_added_to_a_pause_cuts_the_window_too() {
    for kind in KINDS {
        let mut ticket = Ticket::new(kind).at(0);
        ticket.pause(Pause::WITHDRAW.0);
        assert_eq!(ticket.at(100).state(), (Ok(()), false), "another way out is stopped");
        let mut ticket = ticket.at(100);
        ticket.pause(kind.bit());
        assert_eq!(ticket.at(STOPPED - 1).state(), paused());
        ticket.ends(STOPPED + kind.window(), "from the end of the first one");
    }
}

#[test]
fn in_a_window_that_runs_again_the_ticket_is_paid_and_gone() {
    for kind in KINDS {
        let mut ticket = Ticket::new(kind).at(kind.window() - 1);
        ticket.pause(kind.bit());
        let mut late = ticket.at(kind.window() - 1 + STOPPED + kind.window());
        let before = late.world.token_balance(&late.owner.tokens);
        let (leave, payer) = (late.leave(), late.world.payer.pubkey());
        let rent = lamports(&late.world, &late.key());
        let rich = lamports(&late.world, &payer);
        accept(&mut late.world, &leave, &[&late.owner.key]);
        let paid = late.world.token_balance(&late.owner.tokens) - before;
        let fee = if kind == Kind::Redeem { DOLLAR } else { 0 };
        assert!(paid.abs_diff(1_000 * DOLLAR - fee) <= 1, "{kind:?} {paid}");
        assert_eq!(lamports(&late.world, &late.key()), 0);
        assert!(lamports(&late.world, &payer) > rich + rent / 2, "less the fees of the transaction");
    }
}

#[test]
fn a_refusal_does_not_use_up_the_window() {
    for kind in KINDS {
        let mut ticket = Ticket::new(kind).at(kind.window());
        ticket.pause(kind.bit());
        let mut late = ticket.at(kind.window() + STOPPED - 1);
        let (leave, cancel) = (late.leave(), late.cancel_by(&late.stranger));
        let (owner, stranger) = (late.owner.key.insecure_clone(), late.stranger.insecure_clone());
        refuse(&mut late.world, &leave, &[&owner], "Paused");
        refuse(&mut late.world, &cancel, &[&stranger], "Unauthorized");
        late.ends(kind.window() + STOPPED + kind.window(), "as if nobody had tried");
    }
}

#[test]
fn a_ticket_that_was_asked_for_while_ways_out_were_paused_has_its_own_window() {
    for kind in KINDS {
        let mut before = Ticket::new(kind);
        // A second ticket, half an hour into a pause.
        before.pause(kind.bit());
        before.world.advance(1_800);
        let opens = before.world.now() + kind.delay();
        let (owner, payer) = (before.owner.key.pubkey(), before.world.payer.pubkey());
        let keys = (owner, payer, before.shares);
        let (request, key) = match kind {
            Kind::Redeem => {
                let listings = &before.world.listings;
                let request = ix::request_redeem(listings, TrancheKind::Junior, keys, (1, DOLLAR));
                (request, address::redeem_ticket(&owner, 1))
            }
            Kind::Unstake => (ix::request_unstake(keys, (1, DOLLAR)), address::unstake_ticket(&owner, 1)),
        };
        accept(&mut before.world, &request, &[&before.owner.key]);
        let leave = |world: &World| match kind {
            Kind::Redeem => {
                ix::redeem(&world.listings, &world.get::<RedeemTicket>(&key), (before.owner.tokens, 1))
            }
            Kind::Unstake => {
                ix::unstake(&world.listings, &world.get::<UnstakeTicket>(&key), (before.owner.tokens, 1))
            }
        };
        for (passed, name) in
            [(-1, kind.too_early()), (0, ""), (kind.window(), ""), (kind.window() + 1, kind.too_late())]
        {
            let mut world = before.world.fork();
            world.set_clock(opens + passed);
            let leave = leave(&world).expect("builds");
            if name.is_empty() {
                accept(&mut world, &leave, &[&before.owner.key]);
            } else {
                refuse(&mut world, &leave, &[&before.owner.key], name);
            }
        }
    }
}

#[test]
fn a_pause_of_liquidity_keeps_no_money_from_coming_back_to_the_pool_and_lends_none() {
    let mut ticket = Ticket::new(Kind::Redeem);
    ticket.pause(Pause::LIQUIDITY.0);
    let world = &mut ticket.world;
    // More than its target, as after a loss elsewhere; and then less.
    let into = ix::allocate_liquidity(&world.listings, B);
    let stop = tighten(world, &world.guardian, to(A, MarketStatus::ReduceOnly));
    let guardian = world.guardian.insecure_clone();
    accept(world, &stop, &[&guardian]);
    let (idle, cash) = (world.pool().core.idle, world.market(A).core.book.cash);
    allocate(world, A);
    assert_eq!((world.pool().core.idle, world.market(A).core.book.cash), (idle + cash, 0));
    // The other market may have half of what it has, and then as much as before.
    let params = world.market(B).core.params;
    for (ppm, name) in [(params.target_weight_ppm / 2, ""), (params.target_weight_ppm, "Paused")] {
        let params = MarketParams { target_weight_ppm: ppm, ..params };
        let nonce = ripe(world, ChangePayload::MarketParams { market: B, params });
        world.execute(nonce, None).expect("execute_change");
        if name.is_empty() {
            accept(world, &into, &[]);
        } else {
            refuse(world, &into, &[], name);
        }
    }
    let bits = Pause::LIQUIDITY.0;
    let nonce = ripe(world, ChangePayload::Unpause { market: None, bits });
    world.execute(nonce, None).expect("execute_change");
    accept(world, &into, &[]);
}
