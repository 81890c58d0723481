//! `check_invariants`: healthy books pass, whatever part of them is shown; a broken one pauses the exchange.

use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::{Price, Quote, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::InvariantsChecked;
use bulwark_sdk::program::state::{MarginAccount, Market, Pause, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, SOL_VAULT, Trader, World};

use crate::support::*;

/// Two longs and a short in SOL, and somebody who is only in BTC.
struct Book {
    world: World,
    longs: [Trader; 2],
    short: Trader,
    elsewhere: Trader,
}

impl Book {
    fn new() -> Self {
        let mut world = World::new();
        let mut trader = |market, side, lots| {
            let trader = world.funded_trader(10_000 * DOLLAR);
            world.open(&trader, market, side, lots).expect("open");
            trader
        };
        let one = SOL_ASSET.one();
        let longs = [trader(SOL, Side::Long, 3 * one), trader(SOL, Side::Long, 5 * one)];
        let short = trader(SOL, Side::Short, 2 * one);
        let elsewhere = trader(BTC, Side::Long, BTC_ASSET.one() / 10);
        Self { world, longs, short, elsewhere }
    }

    fn members(&self) -> [Pubkey; 4] {
        [self.longs[0].margin, self.longs[1].margin, self.short.margin, self.elsewhere.margin]
    }

    fn check(&self) -> Instruction {
        ix::check_invariants(Some(&self.world.listings.vaults[0]), Some(SOL), self.members())
    }

    fn market(&mut self, change: impl FnOnce(&mut Market)) {
        self.world.tamper(&address::market(SOL), change);
    }

    fn member(&mut self, key: Pubkey, change: impl FnOnce(&mut Position)) {
        self.world.tamper::<MarginAccount>(&key, |account| change(&mut account.positions[0]));
    }
}

/// The check says so, and nothing has changed.
#[track_caller]
fn holds(world: &mut World, check: &Instruction) {
    let before = Snapshot::take(world);
    let outcome = accept(world, check, &[]);
    assert_eq!(event(&outcome), &Event::InvariantsChecked(InvariantsChecked { ok: true }));
    assert_eq!(before.changes(world), []);
}

/// The check says so, sets the two bits and the mark that stops withdrawals until governance has looked, makes every change
/// void that would clear bits, and changes nothing else; said again, it changes nothing at all.
#[track_caller]
fn broken(world: &mut World, check: &Instruction, what: &str) {
    let before = Snapshot::take(world);
    let mut expected = *world.exchange();
    let outcome = world.send_unchecked(std::slice::from_ref(check), &[]);
    let outcome = outcome.unwrap_or_else(|failure| panic!("{what}: {}", label(&failure)));
    assert_eq!(event(&outcome), &Event::InvariantsChecked(InvariantsChecked { ok: false }), "{what}");
    assert_eq!(before.changes(world), [address::exchange()], "{what}");
    expected.pause |= BROKEN;
    expected.pauses += u32::from(expected.broken == 0);
    expected.broken = 1;
    assert_eq!(bytemuck::bytes_of(&*world.exchange()), bytemuck::bytes_of(&expected), "{what}");
    let before = Snapshot::take(world);
    let again = world.send_unchecked(std::slice::from_ref(check), &[]).expect("check_invariants");
    assert_eq!(event(&again), &Event::InvariantsChecked(InvariantsChecked { ok: false }), "{what}");
    assert_eq!(before.changes(world), [], "{what}, again");
}

#[test]
fn healthy_books_pass_with_every_subset_of_members() {
    let mut book = Book::new();
    let members = book.members();
    for bits in 0..16_u32 {
        let subset = (0..4).filter(|i| bits >> i & 1 == 1).map(|i| members[i]);
        for market in [Some(SOL), Some(BTC), None] {
            for vault in [None, Some(0), Some(SOL_VAULT)] {
                let vault = vault.map(|v| book.world.listings.vaults[usize::from(v)]);
                let check = ix::check_invariants(vault.as_ref(), market, subset.clone());
                holds(&mut book.world, &check);
            }
        }
    }
}

#[test]
fn books_with_carried_losses_partial_closes_and_unwinds_pass() {
    let mut book = Book::new();
    book.world.move_price(SOL, 155 * PRINT);
    book.world.close(&book.longs[0], SOL, SOL_ASSET.one()).expect("close");
    book.world.open(&book.short, SOL, Side::Short, SOL_ASSET.one()).expect("open");
    let check = book.check();
    holds(&mut book.world, &check);
    // A third of every winner unwound, before and after its members settle.
    let price = book.world.market(SOL).core.mark();
    let report = |m: &mut Market| m.core.book.long.unwind(price, 1_431_655_765).expect("unwind").lots;
    let mut taken = 0;
    book.market(|m| taken = report(m));
    assert!(taken > 0, "longs are in profit");
    holds(&mut book.world, &check);
    for member in [book.longs[0].margin, book.longs[1].margin, book.short.margin] {
        accept(&mut book.world, &ix::settle_position(member, SOL), &[]);
        holds(&mut book.world, &check);
    }
}

#[test]
fn a_claim_is_a_member_like_any_other() {
    let mut book = Book::new();
    book.world.move_price(SOL, 155 * PRINT);
    // The market's cash is gone: a profit stays as a claim.
    let cash = book.world.market(SOL).core.book.cash;
    let vault = book.world.listings.vaults[0];
    book.market(|m| m.core.book.cash = 0);
    book.world.tamper::<Vault>(&vault.address, |v| v.core.recorded -= cash);
    book.world.write_tokens(vault.token_account, |tokens| tokens.amount -= cash);
    book.world.close(&book.longs[0], SOL, u64::MAX).expect("close");
    assert!(book.world.margin(&book.longs[0].margin).positions[0].is_claim());
    let check = book.check();
    holds(&mut book.world, &check);
    book.member(book.longs[0].margin, |claim| claim.quote = Quote(claim.quote.0 + 1));
    broken(&mut book.world, &check, "a claim of one unit more");
}

#[test]
fn anything_that_does_not_add_up_sets_exactly_the_two_pause_bits_and_stops_withdrawals() {
    type Break = fn(&mut Book);
    let table: [(&str, Break); 22] = [
        ("long total lots", |b| b.market(|m| m.core.book.long.lots += 1)),
        ("long total lots, less", |b| b.market(|m| m.core.book.long.lots -= 1)),
        ("short total lots", |b| b.market(|m| m.core.book.short.lots += 1)),
        ("long total cost", |b| b.market(|m| m.core.book.long.cost = up(m.core.book.long.cost))),
        ("short total cost", |b| b.market(|m| m.core.book.short.cost = down(m.core.book.short.cost))),
        ("total beyond any sum", |b| b.market(|m| m.core.book.long.lots = u64::MAX)),
        ("bucket lots", |b| b.market(|m| m.core.book.long.buckets[occupied(m)].lots += 1)),
        ("bucket lots and total", |b| b.market(|m| more_lots(m, 1))),
        ("bucket lots and total, less", |b| b.market(|m| more_lots(m, -1))),
        ("bucket cost and total", |b| b.market(|m| more_cost(m, 1))),
        ("bucket cost and total, less", |b| b.market(|m| more_cost(m, -1))),
        ("lots in an empty bucket", |b| {
            b.market(|m| {
                m.core.book.short.buckets[0].lots += 1;
                m.core.book.short.lots += 1;
            });
        }),
        ("bucket members", |b| b.market(|m| m.core.book.long.buckets[occupied(m)].members -= 1)),
        ("buckets beyond any sum", |b| {
            b.market(|m| {
                m.core.book.long.buckets[0].lots = u64::MAX;
                m.core.book.long.buckets[1].lots = u64::MAX;
            });
        }),
        ("a member's lots", |b| b.member(b.longs[0].margin, |p| p.lots.0 += 1)),
        ("a member's lots, less", |b| b.member(b.longs[0].margin, |p| p.lots.0 -= 1)),
        ("a short member's lots", |b| b.member(b.short.margin, |p| p.lots.0 -= 1)),
        ("a member's cost", |b| b.member(b.longs[1].margin, |p| p.quote = up(p.quote))),
        ("a member's cost, less", |b| b.member(b.longs[1].margin, |p| p.quote = down(p.quote))),
        ("a member's bucket", |b| b.member(b.longs[0].margin, |p| p.bucket += 1)),
        ("a member's side", |b| b.member(b.longs[0].margin, |p| p.side = 1)),
        ("the vault's record", |b| {
            let vault = b.world.listings.vaults[0].address;
            b.world.tamper::<Vault>(&vault, |v| v.core.recorded += 1);
        }),
    ];
    for (what, spoil) in table {
        for already in [0, Pause::LIQUIDITY.0, BROKEN] {
            let mut book = Book::new();
            let check = book.check();
            holds(&mut book.world, &check);
            spoil(&mut book);
            book.world.pause(already);
            broken(&mut book.world, &check, what);
        }
    }
}

fn up(quote: Quote) -> Quote {
    Quote(quote.0 + 1)
}

fn down(quote: Quote) -> Quote {
    Quote(quote.0 - 1)
}

/// The bucket that the longs are in: they joined at nearly the same price.
fn occupied(market: &Market) -> usize {
    market.core.book.long.buckets.iter().position(|b| b.members == 2).expect("both longs")
}

fn more_lots(market: &mut Market, change: i64) {
    let (i, long) = (occupied(market), &mut market.core.book.long);
    long.buckets[i].lots = long.buckets[i].lots.strict_add_signed(change);
    long.lots = long.lots.strict_add_signed(change);
}

fn more_cost(market: &mut Market, change: i64) {
    let (i, long) = (occupied(market), &mut market.core.book.long);
    long.buckets[i].cost.0 += change;
    long.cost.0 += change;
}

#[test]
fn a_position_that_cannot_be_a_member_at_all_pauses_too() {
    type Break = fn(&mut Position);
    let table: [(&str, Break); 4] = [
        ("a bucket that does not exist", |p| p.bucket = 200),
        ("a side that does not exist", |p| p.side = 7),
        ("an unwind factor of zero", |p| p.unwind = 0),
        ("an unwind factor from the future", |p| p.unwind /= 1_000_000_000_000_000_000),
    ];
    for (what, spoil) in table {
        let mut book = Book::new();
        book.member(book.longs[0].margin, spoil);
        let check = book.check();
        broken(&mut book.world, &check, what);
    }
}

#[test]
fn after_a_mismatch_one_can_deposit_and_close_but_neither_open_nor_withdraw() {
    let mut book = Book::new();
    let check = book.check();
    book.market(|m| m.core.book.short.cost = up(m.core.book.short.cost));
    broken(&mut book.world, &check, "short total cost");
    book.market(|m| m.core.book.short.cost = down(m.core.book.short.cost));

    let [trader, _] = &book.longs;
    let mint = book.world.listings.vaults[0].mint;
    let world = &mut book.world;
    world.write_tokens(trader.tokens, |tokens| (tokens.mint, tokens.amount) = (mint, 1_000));
    let open = world.open_instruction(trader, SOL, Side::Long, SOL_ASSET.one());
    refuse(world, &open, &[&trader.key], "Paused");
    let withdraw = withdraw_instruction(world, trader, 0, (trader.tokens, 1));
    refuse(world, &withdraw, &[&trader.key], "Paused");
    world.deposit(trader, 1_000).expect("deposit");
    world.close(trader, SOL, u64::MAX).expect("close");
    // Books that hold again do not lift the pause: that is for governance.
    holds(world, &check);
    assert_eq!(world.exchange().pause, BROKEN);
}

#[test]
fn a_tampered_member_of_another_market_is_that_markets_business() {
    let mut book = Book::new();
    book.member(book.elsewhere.margin, |p| p.lots.0 += 1);
    let check = book.check();
    holds(&mut book.world, &check);
    let other = ix::check_invariants(None, Some(BTC), book.members());
    broken(&mut book.world, &other, "a member's lots");
}

#[test]
fn members_passed_twice_or_out_of_order_are_refused() {
    let mut book = Book::new();
    let check = book.check();
    let first = check.accounts.len() - 4;
    let mut twice = check.clone();
    twice.accounts.insert(first, check.accounts[first].clone());
    refuse(&mut book.world, &twice, &[], "DuplicateAccount");
    let mut unsorted = check.clone();
    unsorted.accounts.swap(first + 1, first + 2);
    refuse(&mut book.world, &unsorted, &[], "DuplicateAccount");
}

#[test]
fn only_margin_accounts_are_members_and_only_its_own_tokens_are_a_vaults() {
    let mut book = Book::new();
    let listings = book.world.listings.clone();
    for key in [address::market(SOL), address::exchange(), listings.vaults[0].mint, book.longs[0].tokens] {
        let check = ix::check_invariants(None, Some(SOL), [key]);
        refuse(&mut book.world, &check, &[], "WrongAccount");
    }
    let check = ix::check_invariants(Some(&listings.vaults[0]), None, []);
    let other = listings.vaults[1].token_account;
    refuse(&mut book.world, &with_account(&check, 3, other), &[], "WrongAccount");
    refuse(&mut book.world, &with_account(&check, 3, book.longs[0].tokens), &[], "WrongAccount");
    refuse(&mut book.world, &with_account(&check, 3, address::PROGRAM), &[], "AccountMissing");
}

#[test]
fn the_price_does_not_matter_to_the_check() {
    let mut book = Book::new();
    book.world.advance(1_000_000);
    book.market(|m| {
        (m.core.oracle.divergent, m.core.oracle.price) = (1, Price::from_bits(1 << 40).expect("price"))
    });
    let check = book.check();
    holds(&mut book.world, &check);
}
