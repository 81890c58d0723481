//! The book against judging everybody, and its lists against the accounts that they are made of.

use std::collections::BTreeSet;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::ladder::FRACTION_ONE;
use bulwark_sdk::engine::margin::Health;
use bulwark_sdk::engine::units::{Price, Quote, Side};
use bulwark_sdk::program::state::MarginAccount;

use super::floors::GENEROSITY;
use super::standing::Rank;
use super::{Book, Standing, is_indebted};

use bulwark_keeper_bench::{Crowd, Dice, MARKETS, VAULTS, carry};

const SLOT: u64 = 1_000;

fn copy(account: &MarginAccount) -> Box<MarginAccount> {
    let mut copy: Box<MarginAccount> = bytemuck::zeroed_box();
    *copy = *account;
    copy
}

fn book_of(crowd: &Crowd) -> Book {
    let (mut book, snapshot) = (Book::new(), crowd.snapshot());
    for (key, account) in &crowd.accounts {
        assert!(book.insert(*key, (copy(account), SLOT), (&snapshot, SLOT)));
    }
    (0..MARKETS).for_each(|market| _ = book.market_moved(market, &snapshot, SLOT));
    book
}

/// Accounts that the book has another opinion of than [`Snapshot::distress`](bulwark_sdk::health::Snapshot::distress).
fn mistaken(book: &Book, crowd: &Crowd, slot: u64) -> Vec<String> {
    let snapshot = crowd.snapshot();
    let mut wrong = Vec::new();
    let mut troubled = BTreeSet::new();
    for (key, account) in book.accounts() {
        let said = *book.standing(key).unwrap();
        let is = Standing::of(account, (&snapshot, slot), Some(&said));
        if is != said {
            wrong.push(format!("{key}: {said:?}, not {is:?}"));
        }
        troubled.extend(is.trouble().map(|_| *key));
    }
    if book.troubled().map(|(key, _)| *key).collect::<BTreeSet<_>>() != troubled {
        wrong.push("the list of the troubled".to_owned());
    }
    wrong
}

/// Something happens to the crowd; the book is told. Returns how many were judged.
fn step(crowd: &mut Crowd, book: &mut Book, dice: &mut Dice, slot: u64) -> usize {
    let market = u16::try_from(dice.within(0, u64::from(MARKETS) - 1)).unwrap();
    let vault = u16::try_from(dice.within(1, u64::from(VAULTS) - 1)).unwrap();
    let size = [500, 5_000, 50_000][dice.within(0, 2) as usize];
    let ppm = dice.within(0, 2 * size) as i64 - size as i64;
    let core = &mut crowd.markets[usize::from(market)].core;
    match dice.within(0, 19) {
        0..=9 => crowd.move_market(market, ppm),
        10..=13 => {
            crowd.move_vault(vault, ppm);
            return book.vault_moved(vault, &crowd.snapshot(), slot);
        }
        14 => core.volatility.mmf_ppm = dice.within(15_000, 30_000) as u32,
        15 => core.book.long.carry = carry(dice.within(1 << 37, 1 << 39)),
        16 => {
            let side = if dice.chance(50) { Side::Long } else { Side::Short };
            let price = core.mark();
            core.book.side_mut(side).unwind(price, FRACTION_ONE / 4).unwrap();
        }
        17 => core.oracle.conf = core.mark().to_bits() / 20 * dice.within(0, 1), // Wide, or sure
        18 => core.oracle.divergent ^= 1,
        _ => {
            crowd.exchange.params.risk_groups.offset_ppm[0] = dice.within(0, 600_000) as u32;
        }
    }
    book.market_moved(market, &crowd.snapshot(), slot)
}

#[test]
fn whom_the_book_did_not_judge_again_is_as_it_says() {
    let (mut judged, mut all) = (0, 0);
    for seed in 0..6 {
        let (mut crowd, mut dice) = (Crowd::new(seed, 300), Dice::new(seed));
        let mut book = book_of(&crowd);
        for slot in SLOT..SLOT + 300 {
            judged += step(&mut crowd, &mut book, &mut dice, slot);
            all += book.len();
            let wrong = mistaken(&book, &crowd, slot);
            assert!(wrong.is_empty(), "seed {seed}, slot {slot}: {wrong:#?}");
        }
        assert!(book.troubled().count() > 0 && book.troubled().count() < book.len());
    }
    assert!(judged * 4 < all, "{judged} of {all} judged");
}

#[test]
fn floors_that_give_away_twice_the_slack_are_found_out() {
    GENEROSITY.set(2);
    let (mut crowd, mut dice) = (Crowd::new(1, 300), Dice::new(1));
    let mut book = book_of(&crowd);
    let found = (SLOT..SLOT + 300).any(|slot| {
        step(&mut crowd, &mut book, &mut dice, slot);
        !mistaken(&book, &crowd, slot).is_empty()
    });
    GENEROSITY.set(1);
    assert!(found, "nobody notices");
}

#[test]
fn what_nobody_told_the_book_of_is_seen_within_a_round_of_sweeping() {
    let mut crowd = Crowd::new(3, 500);
    let mut book = book_of(&crowd);
    crowd.move_market(0, -100_000);
    assert!(!mistaken(&book, &crowd, SLOT).is_empty());
    for _ in 0..5 {
        assert_eq!(book.sweep(100, &crowd.snapshot(), SLOT), 100);
    }
    assert_eq!(mistaken(&book, &crowd, SLOT), [""; 0]);
    assert_eq!(book.sweep(10_000, &crowd.snapshot(), SLOT), 500);
    assert_eq!(Book::new().sweep(10, &crowd.snapshot(), SLOT), 0);
}

#[test]
fn the_clock_alone_moves_who_has_no_floors_and_who_holds_a_fading_collateral() {
    let mut crowd = Crowd::new(4, 300);
    crowd.move_market(0, -60_000);
    let mut book = book_of(&crowd);
    let in_trouble = book.troubled().count();
    assert!(in_trouble > 0);
    // Stale: nobody may be liquidated on it. Dead: its legs need nothing. Days later collaterals fade.
    let start = crowd.now;
    for hours in [0, 1, 23, 25, 40, 90, 140, 168, 200] {
        crowd.now = start + 61 + hours * 3_600;
        book.clock_moved(&crowd.snapshot(), SLOT);
        assert_eq!(mistaken(&book, &crowd, SLOT), [""; 0], "{hours} hours");
        if hours == 0 {
            assert!(book.doubtful().count() > 0 && book.troubled().count() < in_trouble);
        }
    }
    assert!(book.troubled().count() > 0, "a collateral that is worth nothing any more");
}

#[test]
fn a_settling_market_and_one_that_is_missing_are_judged_each_time() {
    let mut crowd = Crowd::new(5, 200);
    let mut book = book_of(&crowd);
    crowd.markets[2].core.settling_since = 1;
    let members = book.members(2).count();
    assert!(members > 0);
    for _ in 0..2 {
        assert_eq!(book.market_moved(2, &crowd.snapshot(), SLOT), members);
        assert_eq!(mistaken(&book, &crowd, SLOT), [""; 0]);
    }
    let missing = crowd.markets.pop().unwrap();
    assert!(book.market_moved(missing.index, &crowd.snapshot(), SLOT) > 0);
    assert_eq!(mistaken(&book, &crowd, SLOT), [""; 0]);
    assert!(book.accounts().any(|(key, _)| book.standing(key) == Some(&Standing::Unknown)));
    crowd.markets.push(missing);
    book.clock_moved(&crowd.snapshot(), SLOT);
    assert!(book.accounts().all(|(key, _)| book.standing(key) != Some(&Standing::Unknown)));
}

#[test]
fn an_older_update_is_ignored_and_a_closed_account_stays_closed() {
    let mut crowd = Crowd::new(6, 1);
    let (key, account) = crowd.accounts.pop().unwrap();
    let (mut book, snapshot) = (Book::new(), crowd.snapshot());
    let put = |book: &mut Book, slot, quote| {
        let mut changed = copy(&account);
        changed.quote = Quote(quote);
        book.insert(key, (changed, slot), (&snapshot, SLOT))
    };
    assert!(put(&mut book, 10, 1) && put(&mut book, 10, 2) && put(&mut book, 12, 3));
    assert!(!put(&mut book, 11, 4));
    assert_eq!((book.get(&key).unwrap().quote, book.slot_of(&key)), (Quote(3), Some(12)));
    assert!(!book.remove(&key, 11));
    assert!(book.remove(&key, 13) && book.is_empty() && book.get(&key).is_none());
    assert!(!book.remove(&key, 13));
    assert!(!put(&mut book, 12, 5) && book.is_empty());
    assert!(put(&mut book, 14, 6));
    assert_eq!(book.len(), 1);
}

/// Checks every list against the accounts.
fn check_lists(book: &Book, crowd: &Crowd) {
    let sorted = |keys: Vec<&Pubkey>| keys.into_iter().copied().collect::<BTreeSet<_>>();
    let who = |test: &dyn Fn(&MarginAccount) -> bool| {
        sorted(book.accounts().filter(|(_, account)| test(account)).map(|(key, _)| key).collect())
    };
    for market in 0..MARKETS {
        let members: Vec<_> = book.members(market).map(|(key, _)| key).collect();
        assert_eq!(members.len(), sorted(members.clone()).len());
        assert_eq!(sorted(members), who(&|account| account.position(market).is_some()));
        let mark = crowd.markets[usize::from(market)].core.mark();
        let met = book.triggers_met(market, mark);
        let is: BTreeSet<_> = triggers(book)
            .filter(|(_, t)| t.market == market && t.require_met(mark).is_ok())
            .map(|(key, t)| (key, t.id))
            .collect();
        assert_eq!((met.len(), met.into_iter().collect::<BTreeSet<_>>()), (is.len(), is));
    }
    let later = crowd.now + 5_000;
    let over: BTreeSet<_> =
        triggers(book).filter(|(_, t)| t.is_expired(later)).map(|(key, t)| (key, t.id)).collect();
    assert_eq!(book.triggers_expired(later).into_iter().collect::<BTreeSet<_>>(), over);
    assert_eq!(sorted(book.indebted().map(|(key, _)| key).collect()), who(&is_indebted));
    let claims = |account: &MarginAccount| account.positions.iter().any(|p| p.is_claim());
    assert_eq!(sorted(book.claimants().map(|(key, _)| key).collect()), who(&claims));
    check_references(book);
}

fn triggers(book: &Book) -> impl Iterator<Item = (Pubkey, &bulwark_sdk::engine::trigger::Trigger)> {
    let set = |account: &'_ MarginAccount| account.triggers.map(|t| t.is_set());
    book.accounts().flat_map(move |(key, account)| {
        account.triggers.iter().zip(set(account)).filter(|(_, set)| *set).map(|(trigger, _)| (*key, trigger))
    })
}

/// Every element names its account, every account its elements.
fn check_references(book: &Book) {
    let (mut legs, mut waiting) = (0, 0);
    for (place, entry) in book.entries.iter().enumerate().filter_map(|(i, e)| e.as_ref().map(|e| (i, e))) {
        for (n, leg) in entry.legs.iter().enumerate() {
            let list = match leg.list {
                super::lists::List::Side(market, side) => &book.markets[&market].sides[side as usize],
                super::lists::List::Vault(vault) => &book.vaults[&vault],
            };
            let member = list.iter().nth(leg.index as usize).unwrap();
            assert_eq!((member.entry as usize, usize::from(member.leg)), (place, n));
        }
        for (n, flag) in entry.triggers.iter().enumerate() {
            let home = book.markets[&flag.market].triggers.iter().nth(flag.index as usize).unwrap().home;
            assert_eq!((home.entry as usize, usize::from(home.leg)), (place, n));
        }
        (legs, waiting) = (legs + entry.legs.len(), waiting + entry.triggers.len());
    }
    let sides: usize = book.markets.values().flat_map(|m| &m.sides).map(|side| side.iter().count()).sum();
    let vaults: usize = book.vaults.values().map(|vault| vault.iter().count()).sum();
    let set: usize = book.markets.values().map(|m| m.triggers.iter().count()).sum();
    assert_eq!((sides + vaults, set), (legs, waiting));
}

#[test]
fn lists_follow_the_accounts_that_come_change_and_go() {
    let (mut crowd, mut dice) = (Crowd::new(8, 0), Dice::new(8));
    let (mut book, mut keys) = (Book::new(), Vec::new());
    for slot in 0..600 {
        let (key, mut account) = crowd.account(&mut dice);
        match dice.within(0, 9) {
            0..=2 if !keys.is_empty() => {
                let key = keys.swap_remove(dice.next() as usize % keys.len());
                assert!(book.remove(&key, slot));
            }
            3..=5 if !keys.is_empty() => {
                let key = keys[dice.next() as usize % keys.len()];
                if dice.chance(30) {
                    account.positions[0].lots.0 = 0; // a claim
                    account.positions[0].quote.0 = 5;
                }
                assert!(book.insert(key, (account, slot), (&crowd.snapshot(), slot)));
            }
            _ => {
                keys.push(key);
                assert!(book.insert(key, (account, slot), (&crowd.snapshot(), slot)));
            }
        }
        if slot % 20 == 0 {
            check_lists(&book, &crowd);
        }
    }
    for key in keys {
        assert!(book.remove(&key, 600));
    }
    check_lists(&book, &crowd);
    assert!(book.is_empty() && book.unguarded.is_empty() && book.troubled.is_empty());
}

#[test]
fn who_is_nearest_to_bankruptcy_comes_first() {
    let rank = |equity, requirement, key: u8| Rank {
        health: Health { equity: Quote(equity), requirement: Quote(requirement) },
        key: Pubkey::new_from_array([key; 32]),
        entry: u32::from(key),
    };
    let in_order = [
        rank(-9, 0, 9),                  // owes, and requires nothing
        rank(-5, 0, 1),                  //
        rank(-50, 10, 2),                // −5
        rank(-5, 10, 3),                 // −1/2
        rank(0, 7, 4),                   // 0, more required
        rank(0, 5, 5),                   // 0
        rank(400, 1_000, 6),             // 2/5, more required
        rank(4, 10, 7),                  // 2/5, the lower address
        rank(4, 10, 8),                  // 2/5
        rank(i64::MAX - 1, i64::MAX, 0), // just below 1
    ];
    let mut dice = Dice::new(1);
    let mut shuffled = in_order;
    for i in (1..shuffled.len()).rev() {
        shuffled.swap(i, dice.next() as usize % (i + 1));
    }
    assert_ne!(shuffled, in_order);
    shuffled.sort();
    assert_eq!(shuffled, in_order);
}

#[test]
fn the_book_lists_trouble_in_order_and_remembers_since_when() {
    let mut crowd = Crowd::new(9, 300);
    let mut book = book_of(&crowd);
    assert_eq!(book.troubled().count(), 0);
    crowd.move_market(0, -60_000);
    book.market_moved(0, &crowd.snapshot(), SLOT + 1);
    let first: Vec<_> = book.troubled().map(|(key, trouble)| (*key, *trouble)).collect();
    let ratios: Vec<_> =
        first.iter().map(|(_, t)| t.health.equity.0 * 1_000_000 / t.health.requirement.0).collect();
    assert!(first.len() > 10 && ratios.is_sorted(), "{ratios:?}");
    assert!(first.iter().all(|(_, trouble)| trouble.since == SLOT + 1 && trouble.first.is_some()));

    crowd.move_market(0, -20_000);
    book.market_moved(0, &crowd.snapshot(), SLOT + 2);
    // Other bytes of the same account change nothing of it either.
    let (key, _) = first[0];
    let account = copy(book.get(&key).unwrap());
    assert!(book.insert(key, (account, SLOT + 3), (&crowd.snapshot(), SLOT + 3)));
    let since = |book: &Book, key: &Pubkey| book.standing(key).unwrap().trouble().map(|t| t.since);
    assert_eq!(since(&book, &key), Some(SLOT + 1));
    assert!(book.troubled().any(|(_, trouble)| trouble.since == SLOT + 2));

    crowd.move_market(0, 90_000);
    book.market_moved(0, &crowd.snapshot(), SLOT + 4);
    assert_eq!(since(&book, &key), None);
    crowd.move_market(0, -80_000);
    book.market_moved(0, &crowd.snapshot(), SLOT + 5);
    assert_eq!(since(&book, &key), Some(SLOT + 5), "trouble that ended and came back is another one");
}

#[test]
fn a_trigger_at_either_end_of_the_range_is_found() {
    let (mut crowd, mut dice) = (Crowd::new(10, 0), Dice::new(10));
    let mut book = Book::new();
    for (n, price) in [Price::MIN, Price::MAX].into_iter().enumerate() {
        let (key, mut account) = crowd.account(&mut dice);
        account.triggers = Default::default();
        for kind in 0..3_u8 {
            for side in 0..2_u8 {
                let slot = usize::from(kind * 2 + side);
                let trigger = &mut account.triggers[slot];
                (trigger.id, trigger.kind, trigger.side) = (1 + slot as u64, kind, side);
                trigger.trigger_price = price.to_bits();
            }
        }
        assert!(book.insert(key, (account, n as u64), (&crowd.snapshot(), SLOT)));
    }
    for mark in [Price::MIN, Price::from_bits(1 << 32).unwrap(), Price::MAX] {
        let is: BTreeSet<_> = triggers(&book)
            .filter(|(_, t)| t.require_met(mark).is_ok())
            .map(|(key, t)| (key, t.id))
            .collect();
        assert_eq!(book.triggers_met(0, mark).into_iter().collect::<BTreeSet<_>>(), is);
        assert!(is.len() >= 6);
    }
}
