//! Many small bankruptcies instead of a large one: the limits are those of a day, whoever owes and on whichever side.

use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A long that has won 1,300 dollars and a short that has won 1,200, an hour ago; reserve and stake of 10,000 dollars each.
fn winners(tail: bool) -> (Scene, [Trader; 2]) {
    let mut scene = Scene::of(bulwark_tests::World::empty(), [crate::stage::market(tail); 2]);
    let [long, short] = [(); 2].map(|()| scene.funded_trader(50_000 * DOLLAR));
    scene.settle_at(A, 10_000);
    scene.hold(&long, A, Side::Long, LOTS);
    scene.settle_at(A, 12_500);
    scene.hold(&short, A, Side::Short, LOTS);
    scene.settle_at(A, 11_300);
    scene.fund_with(10_000, 10_000);
    near(scene.won(&long, A), dollars(1_300));
    near(scene.won(&short, A), dollars(1_200));
    (scene, [long, short])
}

/// Resolves so many bankrupts of this debt, one after the other. What each tier but the last paid.
fn resolve_all(scene: &mut Scene, side: Side, (count, debt): (u64, u64)) -> [u64; 7] {
    let mut sum = [0; 7];
    for _ in 0..count {
        let who = scene.bankrupt(A, side, debt);
        let tiers = paid(&scene.resolve(&who, A));
        assert_eq!(tiers.iter().sum::<u64>(), debt);
        sum.iter_mut().zip(tiers).for_each(|(sum, tier)| *sum += tier);
        scene.refresh();
    }
    sum
}

#[test]
fn attack_forty_bankruptcies_in_a_slot_take_no_more_of_anybody_than_one() {
    for tail in [false, true] {
        let (scene, who) = winners(tail);
        let (mut one, mut many) = (scene.fork(), scene.fork());
        let debt = 16_000 * DOLLAR;
        let once = resolve_all(&mut one, Side::Long, (1, debt));
        let often = resolve_all(&mut many, Side::Long, (40, debt / 40));
        println!("tail {tail}: {once:?} at once, {often:?} in parts");
        let [_, reserve, backstop, _, deleveraged, ..] = once;
        near(reserve, 2_500 * DOLLAR);
        near(backstop, 5_000 * DOLLAR);
        near(deleveraged, 600 * DOLLAR);
        // The fund's limits are shares of what is left: in parts it pays a fifth and a third instead of a fourth and a half.
        assert!(often[1] <= reserve && often[2] <= backstop && often[4] <= deleveraged + 100);
        near(often[4], deleveraged);
        let [long, short] = &who;
        for end in [&one, &many] {
            near(end.won(short, A), dollars(600));
            assert!(end.won(short, A) >= dollars(600) - 100, "half of his profit, and dust");
            assert_eq!(end.won(long, A), scene.won(long, A), "those on the losers' side lose nothing");
        }
    }
}

#[test]
fn attack_bankruptcies_on_both_sides_take_half_of_each_sides_profit_and_the_fund_once() {
    let (scene, [long, short]) = winners(false);
    let mut one = scene.fork();
    let once = resolve_all(&mut one, Side::Long, (1, 40_000 * DOLLAR));
    let mut both = scene.fork();
    let mut sum = [0; 7];
    for n in 0..20 {
        let side = Side::BOTH[n % 2];
        let tiers = resolve_all(&mut both, side, (1, 2_000 * DOLLAR));
        sum.iter_mut().zip(tiers).for_each(|(sum, tier)| *sum += tier);
    }
    assert!(sum[1] <= once[1] && sum[2] <= once[2], "the fund pays once a day: {sum:?} {once:?}");
    near(both.won(&long, A), dollars(650));
    near(both.won(&short, A), dollars(600));
    near(sum[4], 1_250 * DOLLAR);
}

#[test]
fn attack_a_bankruptcy_every_hour_takes_less_than_three_quarters_of_a_day_s_profit() {
    // What a day's limit has taken comes back evenly: the winners' half at once, and half of what is left in the course of
    // the next day. So some 70 % in any day, never all of it; and the reserve two fifths.
    let (mut scene, [long, short]) = winners(true);
    let (before, fund) = (scene.won(&short, A), scene.fund().core);
    for _ in 0..24 {
        resolve_all(&mut scene, Side::Long, (1, 5_000 * DOLLAR));
        scene.wait(9_000);
    }
    let left = scene.won(&short, A);
    let taken = (before - left) * 1_000 / before;
    let reserve = u128::from(fund.reserve - scene.fund().core.reserve) * 1_000 / u128::from(fund.reserve);
    let stake = [&fund, &scene.fund().core].map(|f| u128::from(f.backstop.value().expect("value")));
    let staked = (stake[0] - stake[1]) * 1_000 / stake[0];
    println!(
        "a day of hourly losses: {taken} of a thousand of profit, {reserve} of the reserve, {staked} of the stake"
    );
    assert!((500..710).contains(&taken), "{taken}");
    assert!((250..420).contains(&reserve) && (500..750).contains(&staked), "{reserve} {staked}");
    near(scene.won(&long, A), dollars(1_300));
}

#[test]
fn attack_debts_of_a_unit_do_not_grind_winners_down() {
    // Each unwind is rounded up: what it takes beyond the unit goes to the market's insurance, and that pays the next one.
    let (mut scene, [_, short]) = winners(true);
    let before = scene.won(&short, A);
    let sum = resolve_all(&mut scene, Side::Long, (300, 1));
    let insurance = scene.market(A).core.book.insurance;
    let lost = before - scene.won(&short, A);
    println!("300 debts of a unit: {lost} lost by the winner, {sum:?}, {insurance} insured");
    assert_eq!(sum.iter().sum::<u64>(), 300);
    // 2^-32 of 1,200 dollars is less than a unit: a unit or two of rounding for each debt.
    assert!(lost <= 900, "{lost}");
    assert!(i128::from(insurance) <= lost);
}
