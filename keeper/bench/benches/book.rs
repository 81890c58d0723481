//! What a hundred thousand margin accounts cost: memory, full judgements, and price updates of the market that nearly everybody
//! holds, through the book and by judging everybody in the same run. Ends with an error if a bound does not hold.
//!
//! `make bench-keeper`. Without `--bench` (as tests run it) the crowd is small and nothing is bound.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use bulwark_keeper::book::Book;
use bulwark_keeper_bench::{Crowd, MARKETS};
use bulwark_sdk::Pubkey;
use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};

/// Accounts.
const ACCOUNTS: usize = 100_000;
/// Longest price update.
const LONGEST: Duration = Duration::from_millis(100);
/// Most memory, bytes.
const MOST_BYTES: usize = 1 << 30;
/// Slot of every judgement.
const SLOT: u64 = 1_000;
/// Sizes of the updates, ppm, and how many there are of each: multiples of [`WALK`].
const MOVES: [(i64, usize); 3] = [(500, 198), (10_000, 18), (50_000, 12)];

/// Two down, two up, one of each: a walk that returns.
const WALK: [i64; 6] = [-1, -1, 1, 1, -1, 1];

/// Resident memory of this process, bytes; 0 where the system does not say.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}

/// Time of this thread on a core: what else runs on the machine does not count.
fn core_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = core_time();
    let result = what();
    (result, core_time().saturating_sub(start))
}

/// A ratio with one decimal.
fn ratio(a: Duration, b: Duration) -> String {
    let tenths = a.as_nanos() * 10 / b.as_nanos().max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Everybody in trouble, by judging everybody.
fn judge_everybody(book: &Book, crowd: &Crowd) -> BTreeSet<Pubkey> {
    let snapshot = crowd.snapshot();
    let troubled = book.accounts().filter(|(_, a)| snapshot.distress(a, SLOT).is_ok_and(|d| d.is_some()));
    troubled.map(|(key, _)| *key).collect()
}

/// A book of all accounts of the crowd, which it takes over; and what it holds.
fn fill(crowd: &mut Crowd) -> Book {
    let mut book = Book::new();
    let accounts = std::mem::take(&mut crowd.accounts);
    let (count, snapshot) = (accounts.len(), crowd.snapshot());
    let ((), took) = timed(|| {
        for (key, account) in accounts {
            assert!(book.insert(key, (account, SLOT), (&snapshot, SLOT)));
        }
        (0..MARKETS).for_each(|market| _ = book.market_moved(market, &snapshot, SLOT));
    });
    println!("{count} accounts filed and judged in {} ms", took.as_millis());
    book
}

/// Full judgements of everybody, several times.
fn full_checks(book: &Book, crowd: &Crowd) {
    let rounds = 10;
    let (_, took) = timed(|| (0..rounds).for_each(|_| _ = black_box(judge_everybody(book, crowd))));
    let each = took.as_nanos() / u128::try_from(rounds * book.len()).unwrap_or(1);
    println!("full health check: {each} ns, {} per second", 1_000_000_000 / each.max(1));
}

/// Moves of one size, down and up in turn. Returns the longest update.
fn updates(book: &mut Book, crowd: &mut Crowd, (ppm, count): (i64, usize)) -> Duration {
    let (mut through_book, mut naive) = (Duration::ZERO, Duration::ZERO);
    let (mut longest, mut judged, mut most) = (Duration::ZERO, 0, 0);
    for n in 0..count {
        crowd.move_market(0, WALK[n % WALK.len()] * ppm);
        let snapshot = crowd.snapshot();
        let (concerned, took) = timed(|| book.market_moved(0, &snapshot, SLOT));
        let (troubled, all) = timed(|| judge_everybody(book, crowd));
        let listed: BTreeSet<_> = book.troubled().map(|(key, _)| *key).collect();
        assert!(listed == troubled, "{} listed, {} in trouble", listed.len(), troubled.len());
        (through_book, naive, judged) = (through_book + took, naive + all, judged + concerned);
        (longest, most) = (longest.max(took), most.max(listed.len()));
    }
    let each = |sum: Duration| (sum / u32::try_from(count).unwrap_or(1)).as_micros();
    println!(
        "{}.{:02} % moves: up to {most} in trouble, {} judged, {} µs, longest {} µs; everybody {} µs: {} times as long",
        ppm / 10_000,
        ppm % 10_000 / 100,
        judged / count,
        each(through_book),
        longest.as_micros(),
        each(naive),
        ratio(naive, through_book)
    );
    longest
}

/// The same by criterion, for comparison between versions.
fn compare(criterion: &mut Criterion, book: &mut Book, crowd: &mut Crowd) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(10);
    let mut up = false;
    group.bench_function("a price update of 0.05 % through the book", |bench| {
        bench.iter(|| {
            up = !up;
            crowd.move_market(0, if up { 500 } else { -500 });
            book.market_moved(0, &crowd.snapshot(), SLOT)
        });
    });
    group.bench_function("a collateral's update of 0.05 % through the book", |bench| {
        bench.iter(|| {
            up = !up;
            crowd.move_vault(1, if up { 500 } else { -500 });
            book.vault_moved(1, &crowd.snapshot(), SLOT)
        });
    });
    group.bench_function("a judgement of everybody", |bench| bench.iter(|| judge_everybody(book, crowd)));
    group.bench_function("a round of sweeping", |bench| {
        let (all, snapshot) = (book.len(), crowd.snapshot());
        bench.iter(|| book.sweep(all, &snapshot, SLOT));
    });
    group.finish();
}

fn main() -> ExitCode {
    let bound = std::env::args().any(|argument| argument == "--bench");
    let count = if bound { ACCOUNTS } else { ACCOUNTS / 100 };
    let before = resident();
    let mut crowd = Crowd::new(1, count);
    let mut book = fill(&mut crowd);
    let (held, grown) = (book.bytes(), resident().saturating_sub(before));
    println!(
        "memory: {} MiB held, {} bytes an account; {} MiB resident, {} bytes an account",
        held >> 20,
        held / count,
        grown >> 20,
        grown / count
    );
    println!(
        "members of the market that moves: {}; in trouble: {}",
        book.members(0).count(),
        book.troubled().count()
    );

    full_checks(&book, &crowd);
    let longest =
        MOVES.map(|size| updates(&mut book, &mut crowd, size)).into_iter().max().unwrap_or_default();
    let mut criterion = Criterion::default().configure_from_args();
    compare(&mut criterion, &mut book, &mut crowd);
    criterion.final_summary();

    if bound && (longest > LONGEST || held.max(grown) > MOST_BYTES) {
        eprintln!("a bound does not hold: {} ms, {} MiB", longest.as_millis(), held.max(grown) >> 20);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
