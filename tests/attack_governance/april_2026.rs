//! Field note 1. In April 2026 somebody had approvals signed in advance, took over a one-step admin with them, listed a
//! worthless collateral, lifted the guard of withdrawals and emptied the vaults, in minutes. Here he has the keys of admin and
//! guardian from the start, for as long as he likes.

use bulwark_sdk::Instruction;
use bulwark_sdk::address;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, Signer, Trader, World};

use crate::impostures::{place_trigger, refuse_impostures, refuse_outsiders};
use crate::in_force::InForce;
use crate::leaving::require_all_out;
use crate::payloads::*;
use crate::stage::*;
use crate::volley::*;

/// The attack, as it goes on.
struct Attack {
    stage: Stage,
    /// What was in force before.
    before: InForce,
    /// Numbers of his proposals.
    wishes: Vec<u64>,
    /// First hour in which he pauses everything.
    pauses: i64,
    /// What his account held before.
    his: [u64; 2],
}

/// A payload that the attacker signed long ago.
fn signed_in_advance(world: &World, attacker: &Trader) -> Vec<Instruction> {
    let (admin, payer) = (world.admin.pubkey(), world.payer.pubkey());
    let nonce = world.exchange().next_change;
    let fake =
        ChangePayload::CreateVault { mint: fake_mint(), sources: fake_sources(), params: fake_collateral() };
    let stop = ChangePayload::MarketStatus { market: SOL, status: MarketStatus::ReduceOnly, price: 0 };
    vec![
        ix::nominate_admin(admin, attacker.key.pubkey()),
        ix::propose_change(&world.listings, (admin, payer), nonce, fake).expect("builds"),
        ix::set_pause(admin, None, 15),
        ix::tighten(&world.listings, admin, stop).expect("builds"),
        ix::collect_protocol_fees(&world.listings, admin, (attacker.tokens, 1)).expect("builds"),
    ]
}

impl Attack {
    /// Everything in one go.
    fn begin(delay: u32, pauses: i64, outflow: [OutflowParams; 2]) -> Self {
        let mut stage = Stage::of(delay, outflow);
        let (attacker, admin) = (stage.attacker.again(), stage.admin.insecure_clone());
        let guardian = stage.guardian.insecure_clone();
        let his_key = attacker.trader.key.pubkey();
        let trader = stage.traders[0].again();
        place_trigger(&mut stage, &trader);
        let his = stage.balances(&attacker);
        let mut attack = Self { before: InForce::now(&stage), stage, wishes: Vec::new(), pauses, his };
        attack.create_fake();
        attack.refuse_old_signatures(&attacker.trader);

        let stage = &mut attack.stage;
        refuse_outsiders(stage, &attacker.trader.key);
        propose_without_bounds(stage);
        for key in [&admin, &guardian] {
            loosen_at_once(stage, key, his_key);
        }
        attack.check();
        attack.take_office();

        // The harm that is instant: all that can be tightened is.
        let stage = &mut attack.stage;
        assert_eq!(tighten_all(stage, &guardian), 4);
        assert_eq!(stop_markets(stage, &admin), 2);
        attack.check();

        let stage = &mut attack.stage;
        for wish in wishes(stage, his_key) {
            attack.wishes.push(stage.propose(wish).expect("within bounds and steps"));
        }
        assert_eq!(attack.wishes.len(), 18);
        // So that nobody undoes it soon.
        let params = tight_exchange(&attack.stage.exchange().params);
        tighten(&mut attack.stage, &admin, ChangePayload::ExchangeParams { params }).expect("a longer delay");
        attack.take_fees();
        attack
    }

    /// The attacker's token exists, and its price is what he says.
    fn create_fake(&mut self) {
        self.stage.create_mint(fake_mint(), 6);
        self.stage.print(&FAKE, FAKE.price, 0);
    }

    /// What was signed in advance is refused; what the guardian has signed for an emergency is not.
    fn refuse_old_signatures(&mut self, attacker: &Trader) {
        let admin = self.stage.admin.insecure_clone();
        let stage = &mut self.stage;
        let mut signed = Vec::new();
        for instruction in signed_in_advance(stage, attacker) {
            signed.push(sign_for_ever(stage, &admin, instruction));
        }
        let guardian = stage.guardian.insecure_clone();
        let emergency = sign_for_ever(stage, &guardian, ix::set_pause(guardian.pubkey(), Some(SOL), 1));
        stage.pass(24);
        let count = signed.len();
        for transaction in signed {
            assert_eq!(send_signed(stage, transaction), Err("DurableNonce".into()));
        }
        assert_eq!(count, 5);
        self.check();
        assert_eq!(send_signed(&mut self.stage.fork_world(), emergency), Ok(()));
        self.stage.begin();
    }

    /// He nominates himself: nothing comes of it for the delay.
    fn take_office(&mut self) {
        let admin = self.stage.admin.insecure_clone();
        let stage = &mut self.stage;
        let key = stage.attacker.trader.key.insecure_clone();
        stage.send(&[ix::nominate_admin(admin.pubkey(), key.pubkey())], &[&admin]).expect("nominate_admin");
        let at_once = [ix::nominate_admin(admin.pubkey(), key.pubkey()), ix::accept_admin(key.pubkey())];
        refused(stage.send(&at_once, &[&admin, &key]), "ChangeTooEarly");
        refused(stage.send(&[ix::accept_admin(key.pubkey())], &[&key]), "ChangeTooEarly");
        self.check();
    }

    /// The protocol's fees go to the recorded recipient or nowhere.
    fn take_fees(&mut self) {
        let admin = self.stage.admin.insecure_clone();
        let stage = &mut self.stage;
        let fees = stage.exchange().protocol_fees;
        assert!(fees > 50 * DOLLAR, "{fees}");
        let wallet = stage.attacker.trader.tokens;
        let collect = |world: &World, to| ix::collect_protocol_fees(&world.listings, admin.pubkey(), to);
        let his = collect(stage, (wallet, fees)).expect("builds");
        refused(stage.send(&[his], &[&admin]), "BadTokenAccount");
        let (mint, recipient) = (stage.listings.vaults[0].mint, stage.exchange().fee_recipient);
        let mut other = stage.fork_world();
        let theirs = other.create_tokens(mint, recipient, 0);
        let most = collect(&other, (theirs, fees + 1)).expect("builds");
        refused(other.send(&[most], &[&admin]), "InsufficientBalance");
        let all = collect(&other, (theirs, fees)).expect("builds");
        other.send(&[all], &[&admin]).expect("to the recipient");
        assert_eq!(other.token_balance(&theirs), fees);
    }

    /// What he repeats every hour: nothing of it goes through.
    fn again(&mut self) {
        let (admin, guardian) = (self.stage.admin.insecure_clone(), self.stage.guardian.insecure_clone());
        let stage = &mut self.stage;
        let attacker = stage.attacker.again();
        let key = attacker.trader.key.pubkey();
        for &nonce in &self.wishes {
            refused(stage.execute(nonce, None), "ChangeTooEarly");
            refused(stage.execute(nonce, Some(World::oracles(&FAKE))), "ChangeTooEarly");
        }
        self.list_fake();
        let stage = &mut self.stage;
        loosen_at_once(stage, &guardian, key);
        assert_eq!(tighten_all(stage, &admin), 0, "all is as tight as it goes");
        assert_eq!(stop_markets(stage, &guardian), 0);
        for market in [SOL, BTC] {
            pause(stage, &guardian, Some(market), 5).expect("a market's bits");
        }
        let hour = stage.hour();
        if hour >= self.pauses {
            let paused = pause(stage, [&admin, &guardian][usize::from(hour % 2 == 0)], None, 15);
            if hour - self.pauses < 12 {
                paused.expect("for half a day");
            } else {
                refused(paused, "ExitPauseTooSoon");
            }
        }
        self.accept(hour);
        self.stage.take_out(&attacker, 0);
        self.check();
    }

    /// No change was executed: nothing can be listed.
    fn list_fake(&mut self) {
        let admin = self.stage.admin.insecure_clone();
        let stage = &mut self.stage;
        let keys = (admin.pubkey(), stage.payer.pubkey());
        let token = (fake_mint(), address::TOKEN_PROGRAM);
        for &nonce in &self.wishes {
            let change = stage.change(nonce);
            let vault = ix::create_vault(keys, token, World::oracles(&FAKE), &change);
            refused(stage.send(&[vault], &[&admin]), "ChangeNotExecuted");
            let market = ix::create_market(keys, 2, World::oracles(&FAKE), &change);
            refused(stage.send(&market, &[&admin]), "ChangeNotExecuted");
        }
    }

    /// Once the nomination is ripe he may be the admin in person: then all that he has proposed is void.
    fn accept(&mut self, hour: i64) {
        let key = self.stage.attacker.trader.key.insecure_clone();
        let ripe = hour * HOUR >= self.stage.exchange().nomination.eta - self.stage.began;
        let mut other = self.stage.fork_world();
        let accepted = other.send(&[ix::accept_admin(key.pubkey())], &[&key]);
        if !ripe {
            return refused(accepted, "ChangeTooEarly");
        }
        accepted.expect("the delay is over");
        let eta = self.wishes.iter().map(|nonce| other.change(*nonce).timelock.eta).max().expect("wishes");
        other.set_clock(eta);
        for &nonce in &self.wishes {
            refused(other.execute(nonce, None), "ChangeVoid");
        }
    }

    /// What honest people do every hour.
    fn leave(&mut self) {
        self.stage.leave();
        self.check();
    }

    /// Nothing is looser than before, and every token that left has gone to whom it belonged.
    #[track_caller]
    fn check(&self) {
        let stage = &self.stage;
        self.before.require_no_looser(stage);
        for vault in [0, 1] {
            let gained: i128 = stage.people().map(|person| stage.gained(person)[vault]).sum();
            let lost = i128::from(stage.held[vault]) - i128::from(stage.tokens_of(vault));
            assert_eq!(lost, gained, "vault {vault}");
            let his = stage.gained(&stage.attacker)[vault];
            assert!(his <= i128::from(self.his[vault]), "he has taken {his}");
        }
    }

    /// The whole delay: returns with a second left.
    fn run(delay: u32, pauses: i64, outflow: [OutflowParams; 2]) -> Self {
        let mut attack = Self::begin(delay, pauses, outflow);
        attack.stage.ask_for_all();
        for key in [attack.stage.admin.insecure_clone(), attack.stage.guardian.insecure_clone()] {
            let wallet = attack.stage.wallet(key.pubkey());
            refuse_impostures(&mut attack.stage, &key, wallet);
        }
        attack.again();
        let eta = attack.wishes.iter().map(|nonce| attack.stage.change(*nonce).timelock.eta).min();
        let hours = (eta.expect("wishes") - attack.stage.began) / HOUR;
        for _ in 1..hours {
            attack.stage.pass(1);
            attack.again();
            attack.leave();
        }
        attack.stage.advance(HOUR - 1);
        attack.stage.refresh();
        attack.again();
        attack.leave();
        attack
    }
}

/// The whole delay, and that everybody is out: traders in one hour, providers from one to another. Then his proposals are what
/// he waited for: each of them, alone, would be executed or is void by what he did since.
fn replay(delay: u32, pauses: i64, (traders, providers): (i64, [i64; 2])) {
    let attack = Attack::run(delay, pauses, WIDE);
    let (stage, summary) = (&attack.stage, attack.stage.summary());
    require_all_out(stage);
    for name in ["bull", "bear", "idle"] {
        for vault in [0, 1] {
            let (first, last, _) = summary[&(name, vault)];
            assert_eq!([first, last], [traders; 2], "{name}");
        }
    }
    let hours = ["senior", "junior"].map(|name| summary[&(name, 0)]);
    assert_eq!([hours[0].0, hours[1].1], providers);
    // Ten millions less a fee of a thousandth and what two days of carry have moved.
    let paid = hours[0].2 + hours[1].2;
    assert!((9_980_000..10_000_000).contains(&(paid / DOLLAR)), "{paid}");

    let mut voided = Vec::new();
    for &nonce in &attack.wishes {
        let change = stage.change(nonce);
        let mut other = stage.fork_world();
        other.set_clock(change.timelock.eta);
        other.print(&FAKE, FAKE.price, 0);
        let sources = matches!(
            change.payload().expect("readable"),
            ChangePayload::MarketSources { .. } | ChangePayload::VaultSources { .. }
        );
        match other.execute(nonce, sources.then(|| World::oracles(&FAKE))) {
            Ok(_) => {}
            Err(failure) => voided.push((change.kind, failure.name.unwrap_or_default())),
        }
    }
    // Unpausing is void by his own pauses, the exchange's parameters by his own longer delay; a dollar is no price of a lot of BTC.
    let void = |kind| (kind, "ChangeVoid".to_string());
    assert_eq!(voided, [void(12), (1, "PriceOutOfRange".into()), void(12), void(5), void(12)]);
}

#[test]
fn attack_of_april_2026_with_all_keys_and_a_delay_of_two_days() {
    replay(172_800, 0, (12, [24, 28]));
}

#[test]
fn attack_of_april_2026_with_a_pause_when_the_windows_open() {
    replay(172_800, 24, (1, [36, 40]));
}

#[test]
fn attack_of_april_2026_with_the_least_delay() {
    replay(86_400, 0, (12, [24, 28]));
}

#[test]
fn attack_of_april_2026_with_the_least_delay_and_a_pause_when_the_windows_open() {
    replay(86_400, 24, (1, [36, 40]));
}
