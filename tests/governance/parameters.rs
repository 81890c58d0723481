//! Every parameter of market, vault, quote vault, pool, exchange and insurance fund: its hard bounds on both sides, what can
//! be tightened at once, and what takes a change and its delay.

mod rows;
mod together;

use std::fmt::Debug;

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::tighten::{Governed, Move, Rule, STEP_INTERVAL, Safer};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, Exchange, InsuranceFund, Market, Pool, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::POOL_PARAMS;
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Failure, Keypair, Outcome, SOL, SOL_VAULT, Signer, World};

use rows::Row;

/// A set of parameters.
trait Parameters: Governed + Copy + Debug + PartialEq {}

impl<P: Governed + Copy + Debug + PartialEq> Parameters for P {}

/// One kind of parameters, of one account.
struct Kind<P> {
    rows: Vec<Row<P>>,
    base: P,
    payload: fn(P) -> ChangePayload,
    /// The parameters in force, the version, and when something gradual was tightened last.
    read: fn(&World) -> (P, u32, Option<i64>),
    /// Puts parameters in force behind governance's back; nothing gradual was tightened for this many seconds.
    write: fn(&mut World, P, i64),
}

fn market() -> Kind<MarketParams> {
    Kind {
        rows: rows::MARKET.to_vec(),
        base: rows::market_base(),
        payload: |params| ChangePayload::MarketParams { market: SOL, params },
        read: |world| {
            let market = world.market(SOL);
            (market.core.params, market.revision, Some(market.stepped_at))
        },
        write: |world, params, ago| {
            let stepped_at = world.now() - ago;
            world.tamper::<Market>(&address::market(SOL), |market| {
                (market.core.params, market.stepped_at) = (params, stepped_at);
            });
        },
    }
}

fn vault_of(world: &World, index: u16) -> (CollateralParams, u32, Option<i64>) {
    let vault = world.vault(index);
    (vault.core.params, vault.revision, Some(vault.stepped_at))
}

fn set_vault(world: &mut World, index: u16, params: CollateralParams, ago: i64) {
    let (key, stepped_at) = (world.listings.vaults[usize::from(index)].address, world.now() - ago);
    world.tamper::<Vault>(&key, |vault| (vault.core.params, vault.stepped_at) = (params, stepped_at));
}

fn vault() -> Kind<CollateralParams> {
    Kind {
        rows: rows::VAULT.to_vec(),
        base: rows::VAULT_BASE,
        payload: |params| ChangePayload::VaultParams { vault: SOL_VAULT, params },
        read: |world| vault_of(world, SOL_VAULT),
        write: |world, params, ago| set_vault(world, SOL_VAULT, params, ago),
    }
}

fn quote_vault() -> Kind<CollateralParams> {
    Kind {
        rows: rows::quote().to_vec(),
        payload: |params| ChangePayload::VaultParams { vault: Vault::QUOTE, params },
        read: |world| vault_of(world, Vault::QUOTE),
        write: |world, params, ago| set_vault(world, Vault::QUOTE, params, ago),
        ..vault()
    }
}

fn pool() -> Kind<PoolParams> {
    Kind {
        rows: rows::POOL.to_vec(),
        base: POOL_PARAMS,
        payload: |params| ChangePayload::PoolParams { params },
        read: |world| (world.pool().core.params, world.pool().revision, None),
        write: |world, params, _| world.tamper::<Pool>(&address::pool(), |pool| pool.core.params = params),
    }
}

fn exchange() -> Kind<ExchangeParams> {
    Kind {
        rows: rows::EXCHANGE.to_vec(),
        base: rows::EXCHANGE_BASE,
        payload: |params| ChangePayload::ExchangeParams { params },
        read: |world| {
            let exchange = world.exchange();
            (exchange.params, exchange.revision, Some(exchange.stepped_at))
        },
        write: |world, params, ago| {
            let stepped_at = world.now() - ago;
            world.tamper::<Exchange>(&address::exchange(), |exchange| {
                (exchange.params, exchange.stepped_at) = (params, stepped_at);
            });
        },
    }
}

fn insurance() -> Kind<InsuranceParams> {
    Kind {
        rows: rows::INSURANCE.to_vec(),
        base: InsuranceParams { stake_income_ppm: 500_000 },
        payload: |params| ChangePayload::InsuranceParams { params },
        read: |world| (world.fund().core.params(), world.fund().revision, None),
        write: |world, params, _| {
            let fund = address::insurance_fund();
            world.tamper::<InsuranceFund>(&fund, |fund| fund.core.set_params(&params));
        },
    }
}

/// A parameter that a test is about.
struct Subject<'a, P> {
    kind: &'a Kind<P>,
    row: Row<P>,
    rule: &'static Rule,
}

impl<P: Parameters> Kind<P> {
    /// Every row with its rule: the same name, and what the row sets is what the rule is about.
    fn subjects(&self) -> impl Iterator<Item = Subject<'_, P>> {
        assert_eq!(self.rows.len(), P::RULES.len(), "every parameter has a row");
        self.rows.iter().zip(P::RULES).enumerate().map(|(i, (&row, rule))| {
            let subject = Subject { kind: self, row, rule };
            assert_eq!(row.0, rule.name);
            for value in [row.2, row.3, row.4] {
                let base = self.base.values().into_iter().enumerate();
                let expected: Vec<u64> = base.map(|(j, other)| if i == j { value } else { other }).collect();
                assert_eq!(
                    subject.with(value).values().into_iter().collect::<Vec<_>>(),
                    expected,
                    "{}",
                    row.0
                );
            }
            subject
        })
    }

    fn params(&self, world: &World) -> P {
        (self.read)(world).0
    }

    fn tighten(&self, world: &mut World, by: &Keypair, params: P) -> Result<Outcome, Failure> {
        let payload = (self.payload)(params);
        let tighten = ix::tighten(&world.listings, by.pubkey(), payload).expect("a listed target");
        world.send(&[tighten], &[by])
    }

    fn propose(&self, world: &mut World, params: P) -> Result<u64, Failure> {
        world.propose((self.payload)(params))
    }
}

impl<P: Parameters> Subject<'_, P> {
    fn with(&self, value: u64) -> P {
        let mut params = self.kind.base;
        (self.row.1)(&mut params, value);
        params
    }

    /// Puts a value in force, a week after the last gradual step.
    fn put(&self, world: &mut World, value: u64) {
        (self.kind.write)(world, self.with(value), STEP_INTERVAL);
    }

    /// Values outside the bounds that the field can hold.
    fn outside(&self) -> impl Iterator<Item = (u64, u64)> {
        let (_, _, min, max, _) = self.row;
        // A quote token's haircut may be whatever the field holds.
        let above = if max == u64::from(u32::MAX) { None } else { max.checked_add(1) };
        [min.checked_sub(1).map(|below| (min, below)), above.map(|above| (max, above))].into_iter().flatten()
    }

    /// What one change reaches from a value: its step, and the part of it within the bounds.
    fn reach(&self, from: u64) -> ([u64; 2], [u64; 2]) {
        let (_, _, min, max, _) = self.row;
        let (least, most) = Move { rule: self.rule, from, to: from }.reach().expect("a reach");
        ([least, most], [least.max(min), most.min(max)])
    }

    /// The name in a refusal by the bounds.
    fn bound(&self) -> String {
        let name = self.row.0;
        if name.starts_with("risk_groups") {
            return "risk group offset_ppm".into();
        }
        let (path, field) = name.rsplit_once('.').unwrap_or(("", name));
        if path == "outflow" { format!("outflow {field}") } else { field.into() }
    }

    fn says_outside(&self, value: u64) -> String {
        let (_, _, min, max, _) = self.row;
        format!("parameter {} = {value} is outside {min}..={max}", self.bound())
    }

    fn says_too_far(&self, from: u64, to: u64) -> String {
        let ([least, most], name) = (self.reach(from).0, self.row.0);
        format!("{name} cannot go from {from} to {to} at once: one change reaches {least}..={most}")
    }
}

/// What is done must be refused by this name, with these words in the log, and nothing may have changed.
#[track_caller]
fn refuse<T>(
    world: &mut World,
    (name, says): (&str, &str),
    act: impl FnOnce(&mut World) -> Result<T, Failure>,
) {
    let before = Snapshot::take(world);
    let Err(failure) = act(world) else { panic!("{name} expected: {says}") };
    assert!(failure.is(name), "{name} expected, {says}: {failure:?}");
    assert!(failure.logs.iter().any(|line| line.ends_with(says)), "{says}: {:?}", failure.logs);
    assert_eq!(before.changes(world), Vec::<Pubkey>::new(), "{name}, {says}");
}

/// Two values at which one change ends, and what would be one further.
fn beyond([least, most]: [u64; 2]) -> impl Iterator<Item = u64> {
    [least.checked_sub(1), most.checked_add(1)].into_iter().flatten()
}

fn bounds<P: Parameters>(kind: &Kind<P>) {
    let mut world = World::new();
    for subject in kind.subjects() {
        let (_, _, min, max, _) = subject.row;
        for value in [min, max] {
            subject.put(&mut world, value);
            kind.propose(&mut world, subject.with(value))
                .unwrap_or_else(|e| panic!("{} = {value}: {e:?}", subject.row.0));
        }
        for (end, value) in subject.outside() {
            subject.put(&mut world, end);
            let says = subject.says_outside(value);
            refuse(&mut world, ("ParameterOutOfBounds", &says), |world| {
                kind.propose(world, subject.with(value))
            });
        }
    }
}

/// The safe direction: at once, by admin and guardian, within step and bounds; gradual ones once a week.
fn tightens<P: Parameters>(world: &mut World, subject: &Subject<'_, P>) {
    let (kind, (name, _, min, max, from)) = (subject.kind, subject.row);
    let lower = subject.rule.safer == Safer::Lower;
    let (step, [least, most]) = subject.reach(from);
    let [end, bound] = if lower { [least, min] } else { [most, max] };
    let further = |value: u64| if lower { value.checked_sub(1) } else { value.checked_add(1) };
    let gradual = subject.rule.is_gradual();
    for by in [world.admin.insecure_clone(), world.guardian.insecure_clone()] {
        subject.put(world, from);
        let (before, revision, stepped_at) = (kind.read)(world);
        let outcome = kind.tighten(world, &by, subject.with(end)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let expected =
            (subject.with(end), revision + 1, if gradual { Some(world.now()) } else { stepped_at });
        assert_eq!((kind.read)(world), expected, "{name}");
        assert_ne!(before, subject.with(end), "{name}");
        let Event::Tightened(told) = &outcome.events[0] else { panic!("{:?}", outcome.events) };
        assert_eq!((told.authority, told.payload), (by.pubkey(), (kind.payload)(subject.with(end))));
    }
    // A second step.
    let admin = world.admin.insecure_clone();
    if gradual {
        let second = subject.with(further(end).expect("room"));
        for seconds_left in [STEP_INTERVAL, 1] {
            let says = format!("{name} has a step a week: {seconds_left} s are left");
            refuse(world, ("StepTooSoon", &says), |world| kind.tighten(world, &admin, second));
            world.advance(seconds_left - 1);
        }
        world.advance(1);
        kind.tighten(world, &admin, second).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(kind.params(world), second);
    } else {
        (kind.write)(world, subject.with(from), 0);
        for value in [further(from).expect("room"), end] {
            kind.tighten(world, &admin, subject.with(value)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert_eq!(kind.params(world), subject.with(value), "{name} moves as often as one likes");
        }
    }
    // Too far: for its step, and out of its bounds.
    subject.put(world, from);
    if let Some(value) = beyond(step).find(|value| (min..=max).contains(value) && (*value < from) == lower) {
        let says = subject.says_too_far(from, value);
        refuse(world, ("StepTooLarge", &says), |world| kind.tighten(world, &admin, subject.with(value)));
    }
    if let Some((_, value)) = subject.outside().find(|&(end, _)| end == bound) {
        subject.put(world, bound);
        let says = subject.says_outside(value);
        refuse(world, ("ParameterOutOfBounds", &says), |world| {
            kind.tighten(world, &admin, subject.with(value))
        });
    }
}

fn tighten<P: Parameters>(kind: &Kind<P>) {
    let mut world = World::new();
    for subject in kind.subjects() {
        let (name, _, min, max, from) = subject.row;
        let [lower, higher] =
            [from.checked_sub(1), from.checked_add(1)].map(|value| value.filter(|v| (min..=max).contains(v)));
        let looser = match subject.rule.safer {
            Safer::Lower => [None, higher],
            Safer::Higher => [lower, None],
            Safer::Neither | Safer::Fixed => [lower, higher],
        };
        if matches!(subject.rule.safer, Safer::Lower | Safer::Higher) {
            tightens(&mut world, &subject);
        }
        subject.put(&mut world, from);
        assert!(looser.iter().any(Option::is_some), "{name}");
        for by in [world.admin.insecure_clone(), world.guardian.insecure_clone()] {
            for value in looser.into_iter().flatten() {
                let says = format!("{name} = {value} is not at least as strict as {from}: propose a change");
                refuse(&mut world, ("Loosens", &says), |world| kind.tighten(world, &by, subject.with(value)));
            }
        }
        let says = "these parameters are in force already";
        let guardian = world.guardian.insecure_clone();
        refuse(&mut world, ("NothingChanges", says), |world| {
            kind.tighten(world, &guardian, subject.with(from))
        });
    }
}

/// Both ends of what one change reaches come into force after the delay and not before; one further is refused.
fn change<P: Parameters>(kind: &Kind<P>) {
    let mut world = World::new();
    for subject in kind.subjects() {
        let (name, _, min, max, from) = subject.row;
        let (step, ends) = subject.reach(from);
        for value in ends.into_iter().filter(|&value| value != from) {
            (kind.write)(&mut world, subject.with(from), 0);
            let (_, revision, stepped_at) = (kind.read)(&world);
            let proposed = kind.propose(&mut world, subject.with(value));
            let nonce = proposed.unwrap_or_else(|e| panic!("{name} = {value}: {e:?}"));
            let (now, eta) = (world.now(), world.change(nonce).timelock.eta);
            assert!(eta >= now + 172_800, "{name}");
            world.set_clock(eta - 1);
            let says = "the change can be executed in 1 s";
            refuse(&mut world, ("ChangeTooEarly", says), |world| world.execute(nonce, None));
            assert_eq!(kind.params(&world), subject.with(from));
            world.set_clock(eta);
            world.execute(nonce, None).unwrap_or_else(|e| panic!("{name} = {value}: {e:?}"));
            assert_eq!((kind.read)(&world), (subject.with(value), revision + 1, stepped_at), "{name}");
        }
        subject.put(&mut world, from);
        for value in beyond(step).filter(|value| (min..=max).contains(value)) {
            let says = subject.says_too_far(from, value);
            refuse(&mut world, ("StepTooLarge", &says), |world| kind.propose(world, subject.with(value)));
        }
        if subject.rule.safer != Safer::Fixed {
            assert!(ends.iter().any(|&value| value != from), "{name} can be changed");
        }
    }
}

macro_rules! every_parameter {
    ($($kind:ident)+) => {$(
        mod $kind {
            #[test]
            fn every_parameter_is_bounded_on_both_sides() {
                super::bounds(&super::$kind());
            }

            #[test]
            fn every_parameter_is_tightened_at_once_in_its_safe_direction_alone() {
                super::tighten(&super::$kind());
            }

            #[test]
            fn every_parameter_changes_by_its_step_after_the_delay() {
                super::change(&super::$kind());
            }
        }
    )+};
}

every_parameter!(market vault quote_vault pool exchange insurance);
