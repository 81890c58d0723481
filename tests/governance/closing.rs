//! A market that has settled to the last position, claim and debt is closed: what is left goes where it belongs, the rent to
//! who paid it, and everything else goes on without it.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::events::MarketClosed;
use bulwark_sdk::program::state::{ChangePayload, InsuranceFund, Market, MarketStatus, Pool, RedeemTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Keypair, Signer as _, Trader, World, ledger};

use crate::scene::*;

/// A UNI market at the end of its life, in which there is something of everything.
struct Story {
    world: World,
    /// Long 50 UNI on 1,000 dollars.
    debtor: Trader,
    /// Short 20 UNI, long a DUO.
    winner: Trader,
    /// Long 5 UNI.
    loser: Trader,
    /// Provider's shares.
    shares: u64,
    provider: Trader,
    provider_shares: Pubkey,
}

impl Story {
    /// UNI was at 125 dollars when they came, and settled at 100.
    fn settling() -> Self {
        let (mut world, provider, provider_shares) = two_markets();
        let staker = world.trader(10_000 * DOLLAR);
        world.stake(&staker, 10_000 * DOLLAR).expect("stake_backstop");
        // Insurance of the market's own, as liquidations bring it.
        world.tamper::<Market>(&address::market(A), |market| market.core.book.insurance += 100 * DOLLAR);
        world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle -= 100 * DOLLAR);
        let holder = |world: &mut World, dollars: u64, side, uni| {
            let trader = world.funded_trader(dollars * DOLLAR);
            world.open(&trader, A, side, uni * ONE).expect("open");
            trader
        };
        let debtor = holder(&mut world, 1_000, Side::Long, 50);
        let winner = holder(&mut world, 10_000, Side::Short, 20);
        let loser = holder(&mut world, 5_000, Side::Long, 5);
        world.open(&winner, B, Side::Long, ONE).expect("open");
        stop(&mut world, A);
        settle(&mut world, (A, &UNI), 100 * PRINT);
        let shares = world.token_balance(&provider_shares);
        let mut story = Self { world, debtor, winner, loser, shares, provider, provider_shares };
        story.refresh_other();
        assert_eq!(story.world.market(A).core.mark().to_bits(), (1 << 32) / 10);
        story
    }

    /// Everybody has settled, and nobody owes or is owed anything.
    fn settled() -> Self {
        let mut story = Self::settling();
        for trader in [&story.debtor, &story.loser, &story.winner] {
            story.world.settle(&trader.margin, A).expect("settle_position");
        }
        story.world.resolve_bankruptcy(&story.debtor.margin, A).expect("resolve_bankruptcy");
        story.world.settle(&story.winner.margin, A).expect("the claim");
        story
    }

    fn refresh_other(&mut self) {
        print(&mut self.world, (B, &DUO), (DUO.price, 0));
    }

    fn worth(&self) -> u64 {
        worth(&self.world, self.shares)
    }

    #[track_caller]
    fn is_not_empty(&mut self) {
        let close = ix::close_market(A, self.world.market(A).payer);
        refuse(&mut self.world, &close, &[], "MarketNotEmpty");
    }

    /// Positions, claims and what is not backed.
    fn left(&self) -> (u64, u64, u64) {
        let book = self.world.market(A).core.book;
        (book.positions, book.unpaid_claims, book.unbacked)
    }
}

#[test]
fn a_market_that_does_not_settle_is_not_closed_however_empty_it_is() {
    let (mut world, ..) = two_markets();
    let close = ix::close_market(A, world.market(A).payer);
    refuse(&mut world, &close, &[], "MarketNotEmpty");
    stop(&mut world, A);
    refuse(&mut world, &close, &[], "MarketNotEmpty");
    let nonce = ripe(&mut world, to(A, MarketStatus::Settling));
    print(&mut world, (A, &UNI), (UNI.price, 0));
    refuse(&mut world, &close, &[], "MarketNotEmpty");
    world.execute(nonce, None).expect("execute_change");
    accept(&mut world, &close, &[]);
}

#[test]
fn nobody_is_left_behind_position_debt_claim_or_member() {
    let mut story = Story::settling();
    let keys = [story.debtor.margin, story.loser.margin, story.winner.margin];
    for (n, key) in keys.iter().enumerate() {
        story.is_not_empty();
        assert_eq!(story.left().0, 3 - n as u64);
        story.world.settle(key, A).expect("settle_position");
    }
    // A debt of some 250 dollars, and a claim of some 500.
    let (positions, claims, unbacked) = story.left();
    assert!(positions == 0 && claims > 495 * DOLLAR && unbacked > 250 * DOLLAR, "{claims} {unbacked}");
    assert_eq!(quote(&story.world, &story.debtor.margin), -i64::try_from(unbacked).expect("fits"));
    story.is_not_empty();

    // The claim can be paid a week later although the debt is still there: then it is the debt alone that is in the way.
    let mut late = Story { world: story.world.fork(), ..Story::settling() };
    late.world.advance(7 * 86_400 + 1);
    late.world.settle(&keys[2], A).expect("the claim");
    assert_eq!(late.left(), (0, 0, unbacked));
    late.is_not_empty();
    late.world.resolve_bankruptcy(&keys[0], A).expect("resolve_bankruptcy");
    close(&mut late.world, A);

    // Without the debt, the claim alone.
    refused(story.world.settle(&keys[2], A), "ClaimsWait");
    story.world.resolve_bankruptcy(&keys[0], A).expect("resolve_bankruptcy");
    assert_eq!((story.left().0, story.left().2), (0, 0));
    assert!(story.left().1 > 0);
    story.is_not_empty();
    story.world.settle(&keys[2], A).expect("the claim");
    assert_eq!(story.left(), (0, 0, 0));

    // A member of a bucket that the sums know nothing of: nobody ever sees one.
    for side in 0..2 {
        let mut odd = Story { world: story.world.fork(), ..Story::settling() };
        odd.world.tamper::<Market>(&address::market(A), |market| {
            let book = &mut market.core.book;
            let sides = [&mut book.long, &mut book.short];
            let bucket = sides.into_iter().nth(side).and_then(|side| side.buckets.last_mut());
            bucket.expect("a bucket").members = 1;
        });
        odd.is_not_empty();
    }
    close(&mut story.world, A);
}

#[test]
fn what_is_left_goes_to_the_pool_the_fund_and_the_protocol_to_the_unit() {
    let mut story = Story::settled();
    let (market, pool) = (story.world.market(A), story.world.pool());
    let (fund, exchange) = (story.world.fund(), story.world.exchange());
    let before = ledger::check(&story.world);
    let book = market.core.book;
    // Nothing of it is zero, or it would not show where it goes. Of the market's own insurance the debt took all.
    let fees = book.fees;
    assert!(book.cash > 999_000 * DOLLAR && fees.pool > 0 && fees.insurance > 1 && fees.protocol > 0);
    let own = 7 * DOLLAR;
    story.world.tamper::<Market>(&address::market(A), |market| market.core.book.insurance += own);
    story.world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle -= own);
    let own = own + book.insurance;
    let idle = pool.core.idle + book.insurance - own;

    let outcome = close(&mut story.world, A);
    let staked = fees.insurance / 2;
    let expected = MarketClosed {
        market: A,
        sequence: market.sequence,
        pool_sequence: pool.sequence,
        pool: book.cash + fees.pool,
        fund_sequence: fund.sequence,
        insurance: fees.insurance + own,
        staked,
        protocol: fees.protocol,
    };
    assert_eq!(event(&outcome), &Event::MarketClosed(expected));
    let core = story.world.fund().core;
    assert_eq!(story.world.pool().core.idle, idle + book.cash + fees.pool);
    assert_eq!(core.reserve, fund.core.reserve + own + fees.insurance - staked);
    assert_eq!(core.backstop.active.value, fund.core.backstop.active.value + staked);
    assert_eq!(story.world.exchange().protocol_fees, exchange.protocol_fees + fees.protocol);
    let after = ledger::check(&story.world);
    assert_eq!((after.tokens, after.accounts), (before.tokens, before.accounts), "nobody else's");
    let other = story.world.market(B).core.book;
    assert_eq!(after.cash, i128::from(other.cash));
    assert_eq!(after.market_insurance, i128::from(other.insurance));
}

#[test]
fn the_fund_covers_the_other_markets_and_not_a_closed_one() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    for (market, own) in [(A, 100), (B, 30)] {
        world.tamper::<Market>(&address::market(market), |market| {
            market.core.params.waterfall.backing_ppm = 20_000;
            market.core.book.insurance += own * DOLLAR;
        });
        world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle -= own * DOLLAR);
        world.open(&trader, market, Side::Long, 2 * ONE).expect("open");
        // What a market asks for and has is counted when it is swept, and not again before it is closed.
        accept(&mut world, &ix::sweep_market(market), &[]);
    }
    stop(&mut world, A);
    settle(&mut world, (A, &UNI), UNI.price);
    world.settle(&trader.margin, A).expect("settle_position");
    let [closed, other] = [A, B].map(|market| world.market(market).core.cover);
    // Two percent of 250 and of 500 dollars.
    assert_eq!(
        [closed.required, closed.own, other.required, other.own],
        [5, 100, 10, 30].map(|n| n * DOLLAR)
    );
    let sum = world.fund().core.cover;
    assert_eq!((sum.required, sum.own), (15 * DOLLAR, 130 * DOLLAR));
    close(&mut world, A);
    assert_eq!(world.fund().core.cover, other);
    accept(&mut world, &ix::sweep_market(B), &[]);
    assert_eq!(world.fund().core.cover, world.market(B).core.cover);
}

#[test]
fn providers_are_neither_richer_nor_poorer_for_it() {
    let mut story = Story::settled();
    let pool_fees = story.world.market(A).core.book.fees.pool;
    let mut swept = story.world.fork();
    let before = story.worth();
    close(&mut story.world, A);
    // The fees are the pool's already, though nobody has swept them.
    accept(&mut swept, &ix::sweep_market(A), &[]);
    let after_sweep = worth(&swept, story.shares);
    assert!(pool_fees > 0 && (before..=before + pool_fees).contains(&after_sweep));
    close(&mut swept, A);
    assert_eq!(worth(&swept, story.shares), after_sweep, "to the unit");
    assert_eq!(story.worth(), after_sweep, "whether they were swept or not");
    let core = |world: &World| (world.pool().core, world.fund().core, world.exchange().protocol_fees);
    assert_eq!(core(&story.world), core(&swept));
}

#[test]
fn the_rent_goes_back_to_who_paid_it_to_the_lamport() {
    let mut story = Story::settled();
    let (key, payer) = (address::market(A), story.world.market(A).payer);
    let rents = [A, B].map(|market| lamports(&story.world, &address::market(market)));
    assert_eq!(rents[0], story.world.svm.minimum_balance_for_rent_exemption(Market::SPACE));
    assert_eq!(lamports(&story.world, &payer), RICH - rents[0] - rents[1]);
    let call = ix::close_market(A, payer);
    for other in [story.world.payer.pubkey(), story.world.admin.pubkey(), story.provider.key.pubkey()] {
        let place = call.accounts.iter().position(|a| a.pubkey == payer).expect("the payer");
        refuse(&mut story.world, &with_account(&call, place, other), &[], "WrongAccount");
    }
    // With the dust that somebody has sent there.
    let mut account = story.world.svm.get_account(&key).expect("the market");
    account.lamports += 12_345;
    story.world.svm.set_account(key, account).expect("set account");
    close(&mut story.world, A);
    assert_eq!(lamports(&story.world, &payer), RICH - rents[1] + 12_345);
    assert_eq!(lamports(&story.world, &key), 0);
    refuse(&mut story.world, &call, &[], "AccountOwnedByWrongProgram");
    assert_eq!(story.world.exchange().closed_markets, 1);
    assert_eq!((story.world.exchange().market_count, story.world.exchange().generations[0]), (2, 1));
}

#[test]
fn another_account_than_the_books_is_not_credited() {
    let mut story = Story::settled();
    let call = ix::close_market(A, story.world.market(A).payer);
    // Nobody signs; every account has one address or is checked against the market.
    assert!(call.accounts.iter().all(|account| !account.is_signer && account.is_writable));
    for (name, key) in [
        ("exchange", address::exchange()),
        ("pool", address::pool()),
        ("insurance fund", address::insurance_fund()),
        ("market", address::market(A)),
    ] {
        let place = call.accounts.iter().position(|a| a.pubkey == key).expect(name);
        let wrong = with_account(&call, place, story.winner.margin);
        refuse(&mut story.world, &wrong, &[], "AccountDiscriminatorMismatch");
    }
}

/// Calls that name the closed market, each with its signer.
fn calls(story: &Story, listings: &Listings) -> Vec<(&'static str, Instruction, Option<Keypair>)> {
    let world = &story.world;
    let (trader, admin) = (&story.winner, &world.admin);
    let key = || Some(trader.key.insecure_clone());
    let account = world.margin(&trader.margin);
    let margin = ix::Margin { address: trader.margin, account: &account };
    let order = ix::Order { market: A, lots: ONE, limit_price: u64::MAX };
    let owner = trader.key.pubkey();
    let trigger = ix::TriggerOrder {
        kind: bulwark_sdk::engine::trigger::TriggerKind::Limit,
        side: Side::Long,
        trigger_price: 1 << 30,
        order,
        expiry: world.now() + 60,
    };
    let open = ix::open_position(listings, owner, margin, (Side::Long, order)).expect("builds");
    let trigger = ix::place_trigger(listings, owner, margin, &trigger).expect("builds");
    let keys = (admin.pubkey(), world.payer.pubkey());
    let payload = ChangePayload::MarketParams { market: A, params: UNI.listed_params() };
    let propose = ix::propose_change(listings, keys, world.exchange().next_change, payload).expect("builds");
    let pause = ix::set_pause(admin.pubkey(), Some(A), 1);
    vec![
        ("open_position", open, key()),
        ("place_trigger", trigger, key()),
        ("settle_position", ix::settle_position(trader.margin, A), None),
        ("refresh_market", ix::refresh_market(A, World::oracles(&UNI)), None),
        ("sweep_market", ix::sweep_market(A), None),
        ("rebalance_market", ix::rebalance_market(A), None),
        ("allocate_liquidity", ix::allocate_liquidity(listings, A), None),
        ("suspend_market", ix::suspend_market(A), None),
        ("resume_market", ix::resume_market(A), None),
        ("check_invariants", ix::check_invariants(None, Some(A), []), None),
        ("propose_change", propose, Some(admin.insecure_clone())),
        ("set_pause", pause, Some(admin.insecure_clone())),
    ]
}

#[test]
fn a_closed_market_is_no_market_to_any_instruction() {
    let mut story = Story::settled();
    let listings = story.world.listings.clone();
    close(&mut story.world, A);
    story.world.print(&UNI, UNI.price, 0);
    let calls = calls(&story, &listings);
    assert_eq!(calls.len(), 12);
    for (_, call, signer) in calls {
        let signers: Vec<&Keypair> = signer.iter().collect();
        refuse(&mut story.world, &call, &signers, "AccountOwnedByWrongProgram");
    }
    // Nor does the SDK know it.
    assert_eq!(story.world.listings.markets.keys().copied().collect::<Vec<_>>(), [B]);
    let unknown = ix::propose_change(
        &story.world.listings,
        (story.world.admin.pubkey(), story.world.payer.pubkey()),
        story.world.exchange().next_change,
        to(A, MarketStatus::Active),
    );
    assert_eq!(unknown, Err(ix::BuildError::UnknownMarket(A)));
}

#[test]
fn providers_come_and_go_without_the_closed_market() {
    let mut story = Story::settled();
    let stale = story.world.listings.clone();
    let owner = story.provider.key.pubkey();
    let keys = (owner, story.world.payer.pubkey(), story.provider_shares);
    let request = ix::request_redeem(&stale, TrancheKind::Junior, keys, (0, 1_000 * DOLLAR));
    accept(&mut story.world, &request, &[&story.provider.key]);
    close(&mut story.world, A);
    story.world.advance(86_400);
    story.refresh_other();

    let listings = story.world.listings.clone();
    let ticket: Box<RedeemTicket> = story.world.get(&address::redeem_ticket(&owner, 0));
    let key = story.provider.key.insecure_clone();
    let tokens = (owner, story.provider.tokens, story.provider_shares);
    let again = (owner, story.world.payer.pubkey(), story.provider_shares);
    let build = |listings: &Listings| {
        let add =
            ix::add_liquidity(listings, TrancheKind::Junior, tokens, (1_000 * DOLLAR, 1)).expect("builds");
        let request = ix::request_redeem(listings, TrancheKind::Junior, again, (1, 1_000 * DOLLAR));
        let redeem = ix::redeem(listings, &ticket, (story.provider.tokens, 1)).expect("builds");
        [add, request, redeem, ix::allocate_liquidity(listings, B)]
    };
    let signers: [&[&Keypair]; 4] = [&[&key], &[&key], &[&key], &[]];
    // With the closed market among the others, or without any, the pool is not valued; one market alone has no others.
    for (call, signers) in build(&stale)[..3].iter().zip(signers) {
        refuse(&mut story.world, call, signers, "WrongAccount");
    }
    for (call, signers) in build(&listings)[..3].iter().zip(signers) {
        let mut cut = call.clone();
        cut.accounts.pop();
        refuse(&mut story.world, &cut, signers, "AccountMissing");
    }
    let idle = story.world.pool().core.idle;
    for (call, signers) in build(&listings).iter().zip(signers) {
        accept(&mut story.world, call, signers);
    }
    // The million of the closed market waits for whoever is allocated them: what the other one may have is there already.
    assert!(story.world.pool().core.idle.abs_diff(idle) < 3_000 * DOLLAR);
}

#[test]
fn accounts_live_on_by_program_and_sdk() {
    let mut story = Story::settled();
    let before = story.world.health(&story.winner.margin, HealthType::Init);
    close(&mut story.world, A);
    let after = story.world.health(&story.winner.margin, HealthType::Init);
    assert_eq!(before, after);
    let nav = story.world.ask(|snapshot| snapshot.nav(&story.world.pool())).expect("without the closed one");
    assert!(nav.low > 9_000_000 * DOLLAR && nav.low <= nav.high);
    let winner = &story.winner;
    story.world.open(winner, B, Side::Long, ONE).expect("open");
    story.world.withdraw(winner, 0, (winner.tokens, 5_000 * DOLLAR)).expect("withdraw");
    story.world.close(winner, B, u64::MAX).expect("close");
    for trader in [&story.winner, &story.loser, &story.debtor] {
        let left = u64::try_from(quote(&story.world, &trader.margin)).expect("nobody owes");
        if left > 0 {
            story.world.withdraw(trader, 0, (trader.tokens, left)).expect("withdraw");
        }
        let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
        accept(&mut story.world, &close, &[&trader.key]);
    }
    let fund: Box<InsuranceFund> = story.world.get(&address::insurance_fund());
    assert!(fund.core.reserve > 0);
}
