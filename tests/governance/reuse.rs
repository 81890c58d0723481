//! The index of a closed market is the next one's: nothing that was meant for the former market touches the new one.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{CancelReason, MarketCreated, TriggerCancelled};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, Exchange, MarketStatus};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::{self, Asset, DOLLAR, PRINT, TRIGGER_FEE};
use bulwark_tests::{Signer as _, Trader, World};

use crate::scene::*;
use MarketStatus::{Active, ReduceOnly, Settling};

/// What takes the place of UNI: at a price that all triggers for UNI are met by.
const TRI: Asset = Asset { name: "TRI", lot_decimals: 9, price: 125 * PRINT };

/// The instruction that places a trigger that is met at 125 dollars.
fn place(world: &World, trader: &Trader, kind: TriggerKind, side: Side) -> Instruction {
    let account = world.margin(&trader.margin);
    let margin = ix::Margin { address: trader.margin, account: &account };
    let limit_price = match (kind, side) {
        (TriggerKind::Limit, Side::Long) | (TriggerKind::StopLoss | TriggerKind::TakeProfit, Side::Short) => {
            u64::MAX
        }
        _ => 0,
    };
    let order = ix::Order { market: A, lots: ONE, limit_price };
    let trigger = ix::TriggerOrder {
        kind,
        side,
        trigger_price: (1 << 32) / 8,
        order,
        expiry: world.now() + 89 * 86_400,
    };
    ix::place_trigger(&world.listings, trader.key.pubkey(), margin, &trigger).expect("builds")
}

fn execute(world: &World, trader: &Trader, id: u64, keeper: &Trader) -> Instruction {
    let account = world.margin(&trader.margin);
    let margin = ix::Margin { address: trader.margin, account: &account };
    ix::execute_trigger(&world.listings, margin, id, Some(keeper.margin)).expect("builds")
}

/// Ids of the triggers that wait.
fn waiting(world: &World, trader: &Trader) -> Vec<u64> {
    world.margin(&trader.margin).triggers.iter().filter(|t| t.is_set()).map(|t| t.id).collect()
}

/// Stops, settles and closes the UNI market, in which nobody is but these.
fn end(world: &mut World, holders: &[&Trader]) {
    stop(world, A);
    settle(world, (A, &UNI), UNI.price);
    for trader in holders {
        while world.margin(&trader.margin).position(A).is_some() {
            world.settle(&trader.margin, A).expect("settle_position");
        }
    }
    close(world, A);
}

/// Lists and activates TRI.
fn begin(world: &mut World) -> u16 {
    let index = list(world, &TRI, TRI.listed_params());
    activate(world, (index, &TRI));
    print(world, (B, &DUO), (DUO.price, 0));
    index
}

#[test]
fn the_next_listing_takes_the_free_index_and_is_a_market_of_its_own() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, Side::Long, ONE).expect("open");
    end(&mut world, &[&trader]);
    assert_eq!(world.exchange().markets().collect::<Vec<_>>(), [B]);
    assert_eq!(world.exchange().next_market(), Ok(A));
    let created = world.journal.len();
    assert_eq!(list(&mut world, &TRI, MarketParams { max_oi: ONE, ..TRI.listed_params() }), A);
    let price = (1 << 32) / 8;
    let expected = Event::MarketCreated(MarketCreated { market: A, price });
    assert!(world.journal[created..].contains(&expected));
    assert_eq!(world.exchange().markets().collect::<Vec<_>>(), [A, B]);
    assert_eq!((world.exchange().closed_markets, world.exchange().market_count), (0, 2));
    assert_eq!(life(&world, A), (ReduceOnly, false, (1 << 24) + 1, 1));
    let market = world.market(A);
    assert_eq!(market.core.params.max_oi, ONE);
    assert_eq!(market.sources[0], fixtures::pyth_source(TRI.feed(0)));
    assert_eq!((market.core.book.cash, market.core.book.positions, market.core.settling_since), (0, 0, 0));
    assert_eq!((market.sequence, market.pause, market.pauses), (0, 0, 1 << 24));
    // The former one's oracle is a stranger.
    world.advance(1);
    world.print(&UNI, UNI.price, 0);
    refuse(&mut world, &ix::refresh_market(A, World::oracles(&UNI)), &[], "OracleWrongFeed");
    assert_eq!(world.exchange().next_market(), Ok(2), "and then a new one");
}

#[test]
fn an_index_can_be_used_again_and_again() {
    let (mut world, ..) = two_markets();
    for generation in 1..=3 {
        end(&mut world, &[]);
        assert_eq!(world.exchange().generations[0], generation);
        assert_eq!(list(&mut world, &UNI, UNI.listed_params()), A);
        assert_eq!(life(&world, A).3, generation);
        activate(&mut world, (A, &UNI));
        assert_eq!(life(&world, A).2, (u32::from(generation) << 24) + 2);
        assert_eq!(world.exchange().generations[1], 0);
    }
    // The other one is not older for it, and its index is free once it is closed; the lowest goes first.
    refresh(&mut world);
    stop(&mut world, B);
    settle(&mut world, (B, &DUO), DUO.price);
    close(&mut world, B);
    assert_eq!(world.exchange().next_market(), Ok(B));
    print(&mut world, (A, &UNI), (UNI.price, 0));
    end(&mut world, &[]);
    assert_eq!((world.exchange().next_market(), world.exchange().closed_markets), (Ok(A), 3));
    assert_eq!(list(&mut world, &DUO, DUO.listed_params()), A);
    assert_eq!(list(&mut world, &UNI, UNI.listed_params()), B);
}

#[test]
fn triggers_of_the_former_market_are_cancelled_and_pay_nobody() {
    let (mut world, ..) = two_markets();
    let [trader, keeper] = [0; 2].map(|_| world.funded_trader(10_000 * DOLLAR));
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    for kind in [TriggerKind::Limit, TriggerKind::StopLoss, TriggerKind::TakeProfit, TriggerKind::StopLoss] {
        let call = place(&world, &trader, kind, Side::Long);
        accept(&mut world, &call, &[&trader.key]);
    }
    let [entry, stop_loss, take_profit, own] = waiting(&world, &trader)[..] else { panic!("four triggers") };
    // They would all be executed, and paid.
    for id in [entry, stop_loss, take_profit] {
        let mut world = world.fork();
        print(&mut world, (A, &UNI), (UNI.price, 0));
        let call = execute(&world, &trader, id, &keeper);
        let outcome = accept(&mut world, &call, &[]);
        assert!(matches!(outcome.events[0], Event::Traded(_)), "{:?}", outcome.events);
        assert!(quote(&world, &keeper.margin) > 10_000_000_000);
    }
    let call = execute(&world, &trader, entry, &keeper);
    end(&mut world, &[&trader]);
    // There is no market: nothing can be said of them but by their owner.
    refuse(&mut world, &call, &[], "AccountOwnedByWrongProgram");
    let account = world.margin(&trader.margin);
    let margin = ix::Margin { address: trader.margin, account: &account };
    let cancel = ix::cancel_trigger(trader.key.pubkey(), margin, own);
    let by_keeper = ix::cancel_trigger(keeper.key.pubkey(), margin, own);
    refuse(&mut world, &by_keeper, &[&keeper.key], "Unauthorized");
    let mut closed = world.fork();
    accept(&mut closed, &cancel, &[&trader.key]);
    assert_eq!(waiting(&closed, &trader), [entry, stop_loss, take_profit]);

    assert_eq!(begin(&mut world), A);
    let provider = world.trader(DOLLAR);
    assert!(world.margin(&provider.margin).triggers.iter().all(|t| !t.is_set()));
    allocate(&mut world, A);
    // He has a position in the new market that they would reduce, and their price has come.
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    print(&mut world, (A, &TRI), (TRI.price, 0));
    let before = [&trader, &keeper].map(|who| quote(&world, &who.margin));
    let position = world.margin(&trader.margin).positions;
    for id in [entry, stop_loss, take_profit] {
        let book = world.market(A).core.book;
        let call = execute(&world, &trader, id, &keeper);
        let outcome = accept(&mut world, &call, &[]);
        let reason = CancelReason::MarketClosed;
        let cancelled = TriggerCancelled { account: trader.margin, id, reason };
        assert_eq!(event(&outcome), &Event::TriggerCancelled(cancelled));
        assert_eq!(world.market(A).core.book, book, "nothing is traded");
        refuse(&mut world, &call, &[], "NoTrigger");
    }
    assert_eq!([&trader, &keeper].map(|who| quote(&world, &who.margin)), before, "nobody is paid");
    assert_eq!(world.margin(&trader.margin).positions, position);
    assert_eq!(waiting(&world, &trader), [own]);
    accept(&mut world, &cancel, &[&trader.key]);

    // One of the new market's own is executed and paid.
    let call = place(&world, &trader, TriggerKind::StopLoss, Side::Long);
    accept(&mut world, &call, &[&trader.key]);
    let id = waiting(&world, &trader)[0];
    let call = execute(&world, &trader, id, &keeper);
    accept(&mut world, &call, &[]);
    assert_eq!(
        quote(&world, &keeper.margin) - before[1],
        i64::try_from(TRIGGER_FEE.min(62_500)).expect("small")
    );
}

#[test]
fn accounts_of_the_former_market_trade_in_the_new_one() {
    let (mut world, ..) = two_markets();
    let [winner, loser] = [Side::Short, Side::Long].map(|side| {
        let trader = world.funded_trader(10_000 * DOLLAR);
        world.open(&trader, A, side, 4 * ONE).expect("open");
        trader
    });
    world.advance(1);
    print(&mut world, (A, &UNI), (100 * PRINT, 0));
    end(&mut world, &[&loser, &winner, &winner]);
    begin(&mut world);
    allocate(&mut world, A);
    for (trader, side) in [(&winner, Side::Long), (&loser, Side::Short), (&loser, Side::Short)] {
        print(&mut world, (A, &TRI), (TRI.price, 0));
        world.open(trader, A, side, ONE).expect("open");
    }
    assert_eq!(world.market(A).core.book.positions, 2);
    let members = [&winner, &loser].map(|trader| trader.margin);
    let check = ix::check_invariants(None, Some(A), members);
    let outcome = accept(&mut world, &check, &[]);
    assert!(matches!(event(&outcome), Event::InvariantsChecked(checked) if checked.ok));
    for trader in [&winner, &loser] {
        world.close(trader, A, u64::MAX).expect("close");
    }
    assert_eq!(world.market(A).core.book.positions, 0);
}

#[test]
fn attack_a_change_for_the_former_market_is_void_for_the_next_at_the_same_revision() {
    let mut world = World::empty();
    let payer = funded(&mut world);
    list(&mut world, &UNI, UNI.listed_params());
    assert_eq!(life(&world, A), (ReduceOnly, false, 1, 0));
    // All is decided in two days: the market is closed, and its successor is listed, which then has the revision of the first
    // but for the generation. A pause of the market counts alike.
    let admin = world.admin.insecure_clone();
    accept(&mut world, &ix::set_pause(admin.pubkey(), Some(A), 1), &[&admin]);
    let old = [
        to(A, Active),
        ChangePayload::MarketParams { market: A, params: UNI.listed_params() },
        ChangePayload::Unpause { market: Some(A), bits: 1 },
    ]
    .map(|payload| world.propose(payload).expect("propose_change"));
    let settled = world.propose(to(A, Settling)).expect("propose_change");
    let next = world.propose(listing(&TRI, TRI.listed_params())).expect("propose_change");
    world.set_clock(world.change(next).timelock.eta);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    // Without all that they can be executed.
    for nonce in old {
        world.fork().execute(nonce, None).expect("execute_change");
    }
    world.execute(settled, None).expect("execute_change");
    close(&mut world, A);
    let listings = [(A, address::market(A))].into_iter().collect();
    world.listings.markets = listings;
    for nonce in old {
        refuse_execution(&mut world, (nonce, None), "AccountOwnedByWrongProgram");
    }
    assert_eq!(create(&mut world, (&TRI, next), &payer), A);
    let (status, _, revision, generation) = life(&world, A);
    assert_eq!((status, revision & 0xFF_FFFF, generation), (ReduceOnly, 1, 1));
    assert_eq!(world.market(A).pause, 0, "what paused the former one does not pause it");
    accept(&mut world, &ix::set_pause(admin.pubkey(), Some(A), 1), &[&admin]);
    assert_eq!(world.market(A).pauses & 0xFF_FFFF, 1);
    for nonce in old {
        refuse_execution(&mut world, (nonce, None), "ChangeVoid");
    }
}

#[test]
fn two_listings_that_wait_take_free_indices_in_the_order_of_their_creation() {
    let (mut world, ..) = two_markets();
    let payer = funded(&mut world);
    let nonces = [TRI, UNI]
        .map(|asset| world.propose(listing(&asset, asset.listed_params())).expect("propose_change"));
    end(&mut world, &[]);
    assert_eq!(create(&mut world, (&UNI, nonces[1]), &payer), A);
    assert_eq!(create(&mut world, (&TRI, nonces[0]), &payer), 2);
    assert_eq!([A, B, 2].map(|market| life(&world, market).3), [1, 0, 0]);
}

#[test]
fn closing_one_of_32_markets_makes_room_for_another() {
    const LAST: u16 = Exchange::MAX_MARKETS - 1;
    const GONE: u16 = 17;
    let mut world = World::empty();
    let payer = funded(&mut world);
    let few = MarketParams { target_weight_ppm: 25_000, ..UNI.listed_params() };
    let nonces: Vec<u64> =
        (0..=LAST + 1).map(|_| world.propose(listing(&UNI, few)).expect("propose_change")).collect();
    let more = world.svm.minimum_balance_for_rent_exemption(0).max(20_000_000_000);
    world.svm.airdrop(&payer.pubkey(), 50 * more).expect("airdrop");
    world.set_clock(world.change(*nonces.last().expect("33")).timelock.eta);
    for (index, nonce) in (0..=LAST).zip(&nonces) {
        assert_eq!(create(&mut world, (&UNI, *nonce), &payer), index);
    }
    let extra = *nonces.last().expect("33");
    world.execute(extra, None).expect("execute_change");
    let admin = world.admin.insecure_clone();
    let [first, second] =
        ix::create_market((admin.pubkey(), payer.pubkey()), GONE, World::oracles(&UNI), &world.change(extra));
    for step in [&first, &second] {
        refuse(&mut world, step, &[&admin, &payer], "TooManyListings");
    }
    settle(&mut world, (GONE, &UNI), UNI.price);
    close(&mut world, GONE);
    assert_eq!(world.exchange().markets().count(), 31);
    // The 31 others are still all that the pool is valued by.
    let provider = world.trader(1_000_000 * DOLLAR);
    let add = |world: &mut World| {
        let shares = world.create_tokens(
            address::share_mint(bulwark_sdk::engine::pool::TrancheKind::Junior),
            provider.key.pubkey(),
            0,
        );
        let keys = (provider.key.pubkey(), provider.tokens, shares);
        let junior = bulwark_sdk::engine::pool::TrancheKind::Junior;
        ix::add_liquidity(&world.listings, junior, keys, (1_000 * DOLLAR, 1)).expect("builds")
    };
    assert_eq!(add(&mut world).accounts.len(), 11 + 31);

    world.print(&UNI, UNI.price, 0);
    world.send(&[first, second], &[&admin, &payer]).expect("create_market");
    world.listings.markets.insert(GONE, address::market(GONE));
    assert_eq!(life(&world, GONE), (ReduceOnly, false, (1 << 24) + 1, 1));
    assert_eq!((world.exchange().market_count, world.exchange().closed_markets), (32, 0));
    assert_eq!(add(&mut world).accounts.len(), 11 + 32);
    let sources = [fixtures::pyth_source(UNI.feed(0)), OracleSource::NONE];
    assert!((0..=LAST).all(|market| world.market(market).sources == sources));
    refused_listing(&mut world, &payer);
}

/// The 33rd again.
fn refused_listing(world: &mut World, payer: &bulwark_tests::Keypair) {
    let nonce = ripe(world, listing(&UNI, UNI.listed_params()));
    world.print(&UNI, UNI.price, 0);
    world.execute(nonce, None).expect("execute_change");
    let (admin, change) = (world.admin.insecure_clone(), world.change(nonce));
    let [first, _] = ix::create_market((admin.pubkey(), payer.pubkey()), 0, World::oracles(&UNI), &change);
    refuse(world, &first, &[&admin, payer], "TooManyListings");
}
