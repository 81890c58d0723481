//! The book over the compiled program: a random walk of the whole exchange, of which the book is told what changed and nothing
//! else, against a judgement of everybody after every step.
//!
//! Between steps the prices that the chain has not seen yet move as well, as a forecast of the next refresh does.

mod chain;

use bulwark_keeper::book::{Book, Standing};
use bulwark_sdk::engine::ladder::FRACTION_ONE;
use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::price::{Reading, Selection};
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::rng::Rng;
use bulwark_tests::walk::stage::narrow;

use chain::{Chain, Counted};

/// Accounts of which the book says another thing than a judgement of everybody does.
fn mistaken(book: &Book, chain: &Chain) -> Vec<String> {
    let snapshot = chain.snapshot();
    let (mut wrong, mut troubled) = (Vec::new(), Vec::new());
    for (key, account) in book.accounts() {
        let said = *book.standing(key).expect("known");
        let is = match snapshot.distress(account, chain.slot) {
            Ok(None) => said == Standing::Healthy,
            Ok(Some(distress)) => {
                troubled.push(*key);
                let trouble = said.trouble().map(|trouble| (trouble.health, trouble.first));
                trouble == Some((distress.health, distress.first))
            }
            Err(error) => said == chain::standing_of(error),
        };
        if !is {
            let health: Result<Health, _> = snapshot.health(account, HealthType::Liquidate);
            wrong.push(format!("{key} is said to be {said:?}, with {health:?}"));
        }
    }
    let mut listed: Vec<_> = book.troubled().map(|(key, _)| *key).collect();
    listed.sort_unstable();
    troubled.sort_unstable();
    if listed != troubled || book.len() != chain.open() {
        wrong.push(format!("{} in trouble of {}, not {}", listed.len(), book.len(), troubled.len()));
    }
    wrong
}

/// A price moved by up to a fifth.
fn moved(price: Price, rng: &mut Rng) -> Price {
    let ppm = rng.pick(&[500, 5_000, 50_000, 200_000]);
    let bits = price.to_bits().max(1 << 21) / 1_000_000 * (1_000_000 - ppm + rng.below(2 * ppm));
    Price::from_bits(bits.max(Price::MIN.to_bits())).expect("in range")
}

/// Something happens that the chain does not know of, and the book is told. Returns how many it judged.
fn stir(chain: &mut Chain, book: &mut Book, rng: &mut Rng) -> usize {
    let (index, now) = (rng.index(chain.copies.markets.len()), chain.copies.now);
    match rng.below(10) {
        0 => {
            chain.copies.now += rng.pick(&[30, 100, 700, 90_000, 300_000]);
            return book.clock_moved(&chain.snapshot(), chain.slot);
        }
        1 | 2 => {
            let oracle = &mut chain.copies.vaults[1 + index].core.oracle;
            (oracle.price, oracle.publish_time) = (moved(oracle.price, rng), now - rng.pick(&[0, 0, 100]));
            return book.vault_moved(narrow(1 + index), &chain.snapshot(), chain.slot);
        }
        3 => {
            let core = &mut chain.copies.markets[index].core;
            let (side, mark) = (rng.pick(&Side::BOTH), core.mark());
            core.book.side_mut(side).unwind(mark, FRACTION_ONE / 8).expect("unwinds");
        }
        4 => chain.copies.markets[index].core.oracle.publish_time -= 100,
        _ => {
            // The engine's own refresh: carry accrues, margin follows volatility. A settling market refuses it.
            let core = &mut chain.copies.markets[index].core;
            let conf = if rng.one_in(8) { core.mark().to_bits() / 30 } else { 0 };
            let print = Reading { price: moved(core.mark(), rng), conf, publish_time: now };
            _ = core.refresh(Selection::Primary(print), now);
        }
    }
    book.market_moved(narrow(index), &chain.snapshot(), chain.slot)
}

/// What the next refreshes may bring, and worse; then everything is as it was.
fn forecast(chain: &mut Chain, book: &mut Book, rng: &mut Rng, counted: &mut Counted) -> Vec<String> {
    let before = chain.prices();
    for _ in 0..6 {
        counted.judged += stir(chain, book, rng);
        counted.all += book.len();
        counted.see(book);
        let wrong = mistaken(book, chain);
        if !wrong.is_empty() {
            return wrong;
        }
    }
    chain.restore(before);
    chain.tell_everything(book, counted);
    mistaken(book, chain)
}

/// Walks, tells the book what `told` lets through, and says where it was mistaken first.
fn walk(seed: u64, steps: u64, told: impl Fn(&chain::Change) -> bool) -> (Counted, Option<String>) {
    let (mut walk, mut rng, mut book) = (Walk::new(seed), Rng::new(seed), Book::new());
    let (mut chain, mut counted) = (Chain::of(&walk), Counted::default());
    chain.tell_everything(&mut book, &mut counted);
    for step in 1..=steps {
        walk.run(1).unwrap_or_else(|failure| panic!("{failure}"));
        chain.follow(&walk, &mut book, (&told, &mut counted));
        let mut wrong = mistaken(&book, &chain);
        if wrong.is_empty() && step % 4 == 0 {
            wrong = forecast(&mut chain, &mut book, &mut rng, &mut counted);
        }
        counted.see(&book);
        if !wrong.is_empty() {
            return (counted, Some(format!("seed {seed}, step {step}: {wrong:#?}")));
        }
    }
    (counted, None)
}

#[test]
fn whom_the_book_did_not_judge_again_is_as_it_says() {
    let mut sum = Counted::default();
    for seed in 1..=6 {
        let (counted, wrong) = walk(seed, 2_000, |_| true);
        assert_eq!(wrong, None);
        sum.add(&counted);
    }
    println!("{sum:?}");
    assert!(sum.troubled > 0 && sum.doubtful > 0 && sum.indebted > 0 && sum.claimants > 0, "{sum:?}");
    assert!(sum.settling > 0 && sum.triggers > 0, "{sum:?}");
    assert!(sum.judged * 2 < sum.all, "{} of {} judged", sum.judged, sum.all);
}

#[test]
fn a_book_that_is_not_told_of_prices_is_found_out() {
    let (_, wrong) = walk(1, 1_500, |change| !matches!(change, chain::Change::Market(_)));
    assert!(wrong.is_some());
}

#[test]
fn a_book_that_is_not_told_of_the_time_is_found_out() {
    let (_, wrong) = walk(1, 1_500, |change| *change != chain::Change::Clock);
    assert!(wrong.is_some());
}
