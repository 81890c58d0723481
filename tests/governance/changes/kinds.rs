//! Every kind of change does exactly what it says, and nothing else.

use bulwark_sdk::engine::collateral::QuoteWeight;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::events::{ChangeExecuted, ChangeProposed, MarketSettling, MarketStatusChanged};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{
    Change, ChangePayload, Exchange, InsuranceFund, Market, MarketStatus, Pool, Vault,
};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, BTC_ASSET, EXPONENT, PRINT, SOL_ASSET};
use bulwark_tests::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{BTC, SOL, SOL_VAULT, Signer, World};
use solana_account::ReadableAccount;

use crate::stage::{funded, is_gone, lamports, propose_by, refresh, remove, set_lamports, stake_income};

/// A change, the accounts of its oracles, and what it does: besides that it was executed, it says these events.
pub struct Case {
    pub payload: ChangePayload,
    pub oracles: Option<OracleAccounts>,
    effect: Effect,
}

/// What a change does to the chain, and says.
type Effect = Box<dyn Fn(&mut World) -> Vec<Event>>;

impl Case {
    fn new(payload: ChangePayload, effect: impl Fn(&mut World) + 'static) -> Self {
        let quiet = move |world: &mut World| {
            effect(world);
            vec![]
        };
        Self { payload, oracles: None, effect: Box::new(quiet) }
    }

    fn with_oracles(self, primary: Pubkey) -> Self {
        Self { oracles: Some(OracleAccounts { primary, secondary: None }), ..self }
    }

    /// Moves a market on in its life; `more` is what else that does, and says before.
    fn status(
        (market, status): (u16, MarketStatus),
        more: impl Fn(&mut Market, i64) -> Vec<Event> + 'static,
    ) -> Self {
        let effect = move |world: &mut World| {
            let (now, mut events) = (world.now(), vec![]);
            on_market(world, market, |account| {
                events = more(account, now);
                let changed =
                    MarketStatusChanged { market, sequence: account.sequence, status, outage: false };
                events.push(Event::MarketStatusChanged(changed));
                account.sequence += 1;
                account.revision += 1;
                account.status = status as u8;
            });
            events
        };
        let payload = ChangePayload::MarketStatus { market, status, price: 0 };
        Self { payload, oracles: None, effect: Box::new(effect) }
    }
}

/// 4.5 cents of a whole SOL for one of its 10^9 lots, in Q32.32 and rounded up: three times the first source's.
const SECOND_CONF: u64 = (1 << 32) * 45 / 1_000_000 + 1;

/// The quote token, as its oracle sees it.
const USDC: Asset = Asset { name: "USD", lot_decimals: 6, price: PRINT };

/// Everything listed, everything paused, BTC only to be reduced.
pub fn world() -> World {
    let mut world = World::new();
    world.tamper::<Exchange>(&address::exchange(), |e| {
        (e.pause, e.exits.bits, e.exits.stopping) = (0b1111, 0b1110, 0b1110)
    });
    world.tamper::<Market>(&address::market(SOL), |market| market.pause = 0b101);
    world
        .tamper::<Market>(&address::market(BTC), |market| market.status = MarketStatus::ReduceOnly.to_byte());
    world
}

/// Prints an asset's price to its second oracle account, three times as wide as the first.
pub fn print_second(world: &mut World, asset: &Asset) {
    let print = Print {
        price: asset.price,
        conf: u64::try_from(asset.price / 10_000).expect("positive") * 3,
        exponent: EXPONENT,
        publish_time: world.now(),
        posted_slot: 0,
    };
    let data = oracle_accounts::pyth_pull(asset.feed(1), &print, Verification::Full);
    world.set_account(World::oracle_key(asset, 1), PYTH_RECEIVER, data);
}

fn second(asset: &Asset) -> [OracleSource; 2] {
    [fixtures::pyth_source(asset.feed(1)), OracleSource::NONE]
}

fn on_market(world: &mut World, market: u16, set: impl FnOnce(&mut Market)) {
    world.tamper(&address::market(market), set);
}

fn on_vault(world: &mut World, vault: u16, set: impl FnOnce(&mut Vault)) {
    let key = world.listings.vaults[usize::from(vault)].address;
    world.tamper(&key, set);
}

fn on_exchange(world: &mut World, set: impl FnOnce(&mut Exchange)) {
    world.tamper(&address::exchange(), set);
}

fn of_markets(world: &World) -> Vec<Case> {
    let mut params = world.market(SOL).core.params;
    params.taker_fee_ppm = 700; // shifts
    params.max_oi *= 2; // loosens
    params.max_share_ppm = 400_000; // tightens
    let changed = ChangePayload::MarketParams { market: SOL, params };
    let sources = second(&SOL_ASSET);
    vec![
        Case::new(changed, move |world| {
            on_market(world, SOL, |market| {
                (market.core.params, market.revision) = (params, market.revision + 1)
            });
        }),
        // The new source's confidence is the wider one of the same second.
        Case::new(ChangePayload::MarketSources { market: SOL, sources }, move |world| {
            on_market(world, SOL, |market| {
                market.sources = sources;
                market.revision += 1;
                market.core.oracle.conf = SECOND_CONF;
            });
        })
        .with_oracles(World::oracle_key(&SOL_ASSET, 1)),
        Case::status((SOL, MarketStatus::ReduceOnly), |_, _| vec![]),
        Case::status((BTC, MarketStatus::Active), |_, _| vec![]),
        // Nobody has a position, so the live price is as good as the average. It is sure, and never too old.
        Case::status((BTC, MarketStatus::Settling), |market, now| {
            let (sequence, price) = (market.sequence, market.core.oracle.price);
            market.sequence += 1;
            market.core.settling_since = now;
            (market.core.oracle.publish_time, market.core.oracle.conf) = (i64::MAX, 0);
            vec![Event::MarketSettling(MarketSettling { market: BTC, sequence, price: price.to_bits() })]
        }),
        Case::new(ChangePayload::Unpause { market: Some(SOL), bits: 0b100 }, |world| {
            on_market(world, SOL, |market| market.pause = 0b001);
        }),
    ]
}

fn of_vaults(world: &World) -> Vec<Case> {
    let mut params = world.vault(SOL_VAULT).core.params;
    params.max_deposits *= 2;
    params.haircut_init_ppm = 120_000;
    let mut quote = world.vault(Vault::QUOTE).core.params;
    quote.soft_cap /= 2;
    let (sources, usdc) = (second(&SOL_ASSET), second(&USDC));
    vec![
        // The cap in force stays where it is, and grows from there.
        Case::new(ChangePayload::VaultParams { vault: SOL_VAULT, params }, move |world| {
            let now = world.now();
            on_vault(world, SOL_VAULT, |vault| {
                vault.core.ramp_from = vault.core.params.max_deposits;
                vault.core.ramp_since = now;
                (vault.core.outflow.anchor, vault.core.outflow.updated_at) = (0, now);
                vault.core.params = params;
                vault.revision += 1;
            });
        }),
        Case::new(ChangePayload::VaultParams { vault: Vault::QUOTE, params: quote }, move |world| {
            let now = world.now();
            on_vault(world, Vault::QUOTE, |vault| {
                vault.core.ramp_from = vault.core.params.max_deposits;
                vault.core.ramp_since = now;
                (vault.core.outflow.anchor, vault.core.outflow.updated_at) = (vault.core.recorded, now);
                vault.core.params = quote;
                vault.revision += 1;
            });
        }),
        Case::new(ChangePayload::VaultSources { vault: SOL_VAULT, sources }, move |world| {
            on_vault(world, SOL_VAULT, |vault| {
                vault.sources = sources;
                vault.revision += 1;
                vault.core.oracle.conf = SECOND_CONF;
            });
        })
        .with_oracles(World::oracle_key(&SOL_ASSET, 1)),
        // From now on the quote token is judged: it counts in full while its oracle says a dollar.
        Case::new(ChangePayload::VaultSources { vault: Vault::QUOTE, sources: usdc }, move |world| {
            let now = world.now();
            let conf = (1 << 32) * 3 / 10_000;
            on_vault(world, Vault::QUOTE, |vault| {
                vault.sources = usdc;
                vault.revision += 1;
                (vault.core.oracle.publish_time, vault.core.oracle.primary_time) = (now, now);
                vault.core.oracle.conf = conf + 1; // rounded up
            });
            on_exchange(world, |exchange| {
                exchange.quote_weight =
                    QuoteWeight { until: now + 60, fresh_ppm: 1_000_000, floor_ppm: 900_000 };
            });
        })
        .with_oracles(World::oracle_key(&USDC, 1)),
    ]
}

fn of_the_rest(world: &World) -> Vec<Case> {
    let (mut exchange, mut pool) = (world.exchange().params, world.pool().core.params);
    (exchange.trigger_fee, exchange.delay) = (70_000, 100_000);
    (pool.redeem_fee_ppm, pool.redeem_delay) = (2_000, 100_000);
    let (guardian, fee_recipient) = (fixtures::address("next guardian"), fixtures::address("next recipient"));
    let insurance = stake_income(250_000);
    let create_vault = ChangePayload::CreateVault {
        mint: fixtures::address("a mint"),
        sources: second(&BTC_ASSET),
        params: fixtures::collateral_params(1_000_000),
    };
    let create_market = ChangePayload::CreateMarket {
        sources: second(&BTC_ASSET),
        params: MarketParams { target_weight_ppm: 100_000, ..BTC_ASSET.live_params() },
    };
    vec![
        Case::new(ChangePayload::ExchangeParams { params: exchange }, move |world| {
            on_exchange(world, |e| (e.params, e.revision) = (exchange, e.revision + 1));
        }),
        Case::new(ChangePayload::PoolParams { params: pool }, move |world| {
            let now = world.now();
            world.tamper::<Pool>(&address::pool(), |p| {
                (p.core.params, p.core.accrued_at, p.revision) = (pool, now, p.revision + 1);
            });
        }),
        Case::new(insurance, |world| {
            world.tamper::<InsuranceFund>(&address::insurance_fund(), |fund| {
                (fund.core.stake_income_ppm, fund.revision) = (250_000, fund.revision + 1);
            });
        }),
        Case::new(create_vault, |_| ()),
        Case::new(create_market, |_| ()),
        Case::new(ChangePayload::Guardian { guardian }, move |world| {
            on_exchange(world, |e| (e.guardian, e.guardian_epoch) = (guardian, e.guardian_epoch + 1));
        }),
        Case::new(ChangePayload::FeeRecipient { fee_recipient }, move |world| {
            on_exchange(world, |e| {
                (e.fee_recipient, e.recipient_epoch) = (fee_recipient, e.recipient_epoch + 1)
            });
        }),
        Case::new(ChangePayload::Unpause { market: None, bits: 0b0011 }, |world| {
            on_exchange(world, |e| (e.pause, e.exits.stopping) = (0b1100, 0b1100));
        }),
    ]
}

/// At least one change of each kind, each of which goes through on [`world`].
pub fn cases(world: &World) -> Vec<Case> {
    [of_markets(world), of_vaults(world), of_the_rest(world)].into_iter().flatten().collect()
}

/// The prices that cases are executed at.
pub fn print_all(world: &mut World) {
    refresh(world);
    print_second(world, &SOL_ASSET);
    print_second(world, &USDC);
}

#[test]
fn there_is_a_case_of_each_kind() {
    let mut kinds: Vec<_> = cases(&world()).iter().map(|case| case.payload.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (0..=12).collect::<Vec<_>>());
}

#[test]
fn proposing_stores_the_change_and_does_nothing_else() {
    let base = world();
    for Case { payload, .. } in cases(&base) {
        let mut world = base.fork();
        world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.admin_epoch = 3);
        let payer = funded(&mut world);
        let (mut expected, now, nonce) = (world.fork(), world.now(), 5);
        let outcome = propose_by(&mut world, &payer, nonce, payload).expect("propose_change");

        let (key, change) = (address::change(nonce), world.change(nonce));
        let eta = now + 172_800;
        assert_eq!((change.proposer, change.payer), (world.admin.pubkey(), payer.pubkey()));
        assert_eq!((change.nonce, change.proposed_at, change.admin_epoch), (nonce, now, 3));
        assert_eq!((change.timelock.eta, change.timelock.expiry), (eta, eta + 604_800), "{payload:?}");
        assert_eq!((change.kind, change.executed, change.version), (payload.kind(), 0, 1));
        assert_eq!(change.payload().expect("a payload"), payload);
        let proposed = ChangeProposed {
            nonce,
            proposer: world.admin.pubkey(),
            eta,
            expiry: eta + 604_800,
            payload_hash: change.payload_hash,
            payload,
        };
        assert_eq!(outcome.events, [Event::ChangeProposed(proposed)]);

        let account = world.svm.get_account(&key).expect("a change");
        let rent = world.svm.minimum_balance_for_rent_exemption(Change::SPACE);
        assert_eq!((account.lamports(), account.data().len()), (rent, Change::SPACE));
        expected.tamper::<Exchange>(&address::exchange(), |exchange| exchange.next_change = nonce + 1);
        let left = lamports(&expected, &payer.pubkey()) - rent;
        set_lamports(&mut expected, payer.pubkey(), left);
        expected.svm.set_account(key, account).expect("set account");
        assert_eq!(Snapshot::take(&expected).changes(&world), [], "{payload:?}");
    }
}

#[test]
fn executing_does_what_the_change_says_and_nothing_else() {
    let base = world();
    for Case { payload, oracles, effect } in cases(&base) {
        let mut world = base.fork();
        let payer = funded(&mut world);
        let (nonce, rich) = (world.exchange().next_change, lamports(&world, &payer.pubkey()));
        propose_by(&mut world, &payer, nonce, payload).expect("propose_change");
        let (key, change) = (address::change(nonce), world.change(nonce));
        world.set_clock(change.timelock.eta);
        print_all(&mut world);

        let mut expected = world.fork();
        let mut events = effect(&mut expected);
        if payload.is_listing() {
            expected.tamper::<Change>(&key, |change| change.executed = 1);
        } else {
            set_lamports(&mut expected, payer.pubkey(), rich);
            remove(&mut expected, key);
        }
        let outcome = world.execute(nonce, oracles).unwrap_or_else(|e| panic!("{payload:?}: {e:?}"));
        assert_eq!(Snapshot::take(&expected).changes(&world), [], "{payload:?}");
        assert_eq!(is_gone(&world, &key), !payload.is_listing());
        let executed = ChangeExecuted { nonce, payload_hash: change.payload_hash };
        events.push(Event::ChangeExecuted(executed));
        assert_eq!(outcome.events, events, "{payload:?}");
    }
}

#[test]
fn new_sources_bring_their_own_price() {
    let mut world = World::new();
    let sources = second(&SOL_ASSET);
    let nonce = world.propose(ChangePayload::MarketSources { market: SOL, sources }).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta - 1);
    refresh(&mut world);
    world.advance(1);
    let dearer = Asset { price: SOL_ASSET.price / 100 * 101, ..SOL_ASSET };
    print_second(&mut world, &dearer);
    let before = world.market(SOL).core.oracle;
    let oracles = OracleAccounts { primary: World::oracle_key(&SOL_ASSET, 1), secondary: None };
    world.execute(nonce, Some(oracles)).expect("execute_change");
    let after = world.market(SOL).core.oracle;
    // 151.5 dollars for 10^9 lots, in millionths.
    assert_eq!(after.price.to_bits(), (1 << 32) * 1_515 / 10_000);
    assert_eq!((after.publish_time, after.primary_time, after.secondary_time), (world.now(), world.now(), 0));
    assert_ne!(after.ema, before.ema);
}

#[test]
fn a_quote_token_that_is_judged_from_now_on_counts_for_what_it_is_worth() {
    let mut world = World::new();
    let cheap = Asset { price: PRINT / 100 * 99, ..USDC };
    let sources = second(&cheap);
    let nonce =
        world.propose(ChangePayload::VaultSources { vault: Vault::QUOTE, sources }).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    print_second(&mut world, &cheap);
    let oracles = OracleAccounts { primary: World::oracle_key(&cheap, 1), secondary: None };
    world.execute(nonce, Some(oracles)).expect("execute_change");
    // 0.99 rounded down to 2^-32, and to a millionth.
    assert_eq!(world.exchange().quote_weight.at(world.now()), 989_999);
    // Without an oracle it counts in full again.
    let none = [OracleSource::NONE; 2];
    let none = ChangePayload::VaultSources { vault: Vault::QUOTE, sources: none };
    world.enact(none).expect("execute_change");
    assert_eq!(world.exchange().quote_weight, QuoteWeight::WHOLE);
}

/// Whatever needs a price needs it when it is executed, whenever it was proposed.
#[test]
fn a_change_that_needs_a_price_waits_for_one() {
    let mut base = world();
    let all = cases(&base);
    let nonces: Vec<_> = all.iter().map(|case| base.propose(case.payload).expect("propose_change")).collect();
    base.set_clock(base.change(nonces[0]).timelock.eta);
    let mut refusals = vec![];
    for (case, nonce) in all.iter().zip(&nonces) {
        // Prices of two days ago.
        let mut world = base.fork();
        print_all(&mut world);
        world.set_clock(base.now() + 3_600);
        let execute =
            ix::execute_change(&world.listings, &world.change(*nonce), case.oracles).expect("builds");
        if let Err(failure) = world.send(&[execute], &[]) {
            refusals.push((case.payload.kind(), failure.name.expect("a name")));
        }
    }
    let [active, settling] = ["PriceStale"; 2].map(|name| (2, name.to_string()));
    let [market, sol, quote] = [1, 4, 4].map(|kind| (kind, "NoValidSource".to_string()));
    assert_eq!(refusals, [market, active, settling, sol, quote]);
}
