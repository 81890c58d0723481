//! The dispatcher over somebody who does the work when the test says so.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bulwark_sdk::listings::Listings;
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::rpc::MarketContext;
use tokio::sync::Notify;

use super::*;
use crate::oracles::Oracles;

/// Work ends as was said, when it was said.
#[derive(Default)]
struct Puppet {
    told: Notify,
    /// How work ends; none: in a panic.
    ends: Mutex<HashMap<Work, Option<End>>>,
    /// How urgent each piece was.
    urgencies: Mutex<Vec<u32>>,
}

impl Puppet {
    fn tell(&self, work: &Work, end: Option<End>) {
        self.ends.lock().expect("no panic").insert(work.clone(), end);
        self.told.notify_waiters();
    }
}

impl Act for Puppet {
    async fn act(&self, (work, urgency): (&Work, u32), _: &State) -> End {
        self.urgencies.lock().expect("no panic").push(urgency);
        loop {
            let told = self.told.notified();
            let end = self.ends.lock().expect("no panic").remove(work);
            if let Some(end) = end {
                return end.expect("a panic, as the test wants it");
            }
            told.await;
        }
    }
}

struct Scene {
    dispatcher: Dispatcher<Puppet>,
    puppet: Arc<Puppet>,
    state: Arc<State>,
}

/// What is known of an exchange without a market.
pub(crate) fn state() -> State {
    let context = MarketContext {
        slot: 1,
        clock_slot: 1,
        now: 1,
        exchange: bytemuck::zeroed_box(),
        pool: bytemuck::zeroed_box(),
        insurance_fund: bytemuck::zeroed_box(),
        markets: BTreeMap::new(),
        vaults: BTreeMap::new(),
    };
    State::new(Listings::default(), context, Oracles::default())
}

impl Scene {
    fn new(concurrency: usize) -> Self {
        let puppet = Arc::new(Puppet::default());
        let dispatcher = Dispatcher::new(Arc::clone(&puppet), concurrency);
        Self { dispatcher, puppet, state: Arc::new(state()) }
    }

    fn begin(&mut self, work: &[Work], now: Instant) -> usize {
        self.dispatcher.begin_at(now, work.to_vec(), &self.state)
    }

    fn begin_one(&mut self, work: &Work, now: Instant) -> usize {
        self.begin(std::slice::from_ref(work), now)
    }

    /// Lets a piece of work that is under way end like this.
    async fn end(&mut self, work: &Work, end: End) {
        self.puppet.tell(work, Some(end.clone()));
        assert_eq!(self.dispatcher.ended().await, Some((work.clone(), end)));
    }
}

fn who(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

fn liquidations(all: std::ops::Range<u8>) -> Vec<Work> {
    all.map(|n| Work::Liquidate(who(n))).collect()
}

#[tokio::test(start_paused = true)]
async fn never_are_two_pieces_about_one_account_under_way() {
    let (mut scene, now) = (Scene::new(8), Instant::now());
    let both = [Work::Liquidate(who(1)), Work::Trigger(who(1), 7), Work::Trigger(who(2), 7)];
    assert_eq!(scene.begin(&both, now), 2);
    assert_eq!((scene.dispatcher.in_flight(), scene.begin(&both, now)), (2, 0));
    scene.end(&both[2], End::Nothing).await;
    assert_eq!(
        scene.begin(&[Work::Settle(who(1), 0), Work::Settle(who(2), 0)], now),
        1,
        "the second is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn equal_work_is_begun_once() {
    let (mut scene, now) = (Scene::new(8), Instant::now());
    let refresh = Work::Refresh(vec![Leg::Market(1)]);
    assert_eq!(scene.begin(&[refresh.clone(), refresh.clone()], now), 1);
    assert_eq!(scene.begin_one(&refresh, now), 0);
}

#[tokio::test(start_paused = true)]
async fn liquidations_leave_room_for_prices() {
    let (mut scene, now) = (Scene::new(6), Instant::now());
    assert_eq!(scene.begin(&liquidations(1..11), now), 10, "so many are ready");
    assert_eq!(scene.dispatcher.in_flight(), 4, "and so many begun");
    let others = [1, 2, 3].map(|index| Work::Refresh(vec![Leg::Market(index)]));
    scene.begin(&others, now);
    assert_eq!(scene.dispatcher.in_flight(), 6, "nor is there more room than that");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_depends_on_leaves_nearly_half_of_the_room() {
    let (mut scene, now) = (Scene::new(6), Instant::now());
    let others: Vec<Work> = (0..6).map(Work::Sweep).collect();
    assert_eq!(scene.begin(&others, now), 6);
    assert_eq!(scene.dispatcher.in_flight(), 4);
    scene.begin(&liquidations(1..11), now);
    assert_eq!(scene.dispatcher.in_flight(), 4, "two are left for prices");
    for (concurrency, begun) in [(1, 1), (2, 2), (3, 2), (16, 9)] {
        let mut scene = Scene::new(concurrency);
        scene.begin(&(0..16).map(Work::Sweep).collect::<Vec<_>>(), now);
        assert_eq!(scene.dispatcher.in_flight(), begun, "{concurrency} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_do_one_thing_at_a_time_liquidates_too() {
    for (concurrency, begun) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
        let mut scene = Scene::new(concurrency);
        scene.begin(&liquidations(1..11), Instant::now());
        assert_eq!(scene.dispatcher.in_flight(), begun, "{concurrency} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_rests_and_nothing_else_does() {
    let (mut scene, now) = (Scene::new(8), Instant::now());
    let [first, second] = [1, 2].map(|n| Work::Liquidate(who(n)));
    scene.begin_one(&first, now);
    scene.end(&first, End::Refused("NotJudged".into())).await;
    assert!(scene.dispatcher.rests(&first) && !scene.dispatcher.rests(&second));
    assert_eq!(scene.begin(&[first.clone(), second], now), 1);
    assert_eq!(scene.dispatcher.backing_off(), 1);
    assert_eq!(scene.begin_one(&first, now + Duration::from_secs(3)), 1, "and comes again");
    assert_eq!(scene.dispatcher.summary.refused, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_node_failed_is_going_to_be_tried_again() {
    let minute = Duration::from_secs(60);
    let (mut scene, work) = (Scene::new(8), Work::Liquidate(who(1)));
    let unanswered = End::Unreachable("no answer".into());
    for (end, hopes) in [(&unanswered, true), (&End::Unsure, true), (&End::Refused("Paused".into()), false)] {
        assert_eq!(scene.begin_one(&work, Instant::now()), 1);
        tokio::time::advance(minute).await;
        scene.dispatcher.backing_off();
        scene.end(&work, end.clone()).await;
        assert_eq!(scene.dispatcher.hopes(), hopes, "{end:?}");
        assert_eq!(scene.begin_one(&work, Instant::now()), 0, "it rests");
        tokio::time::advance(minute / 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_nothing_to_do_yet_is_looked_at_again_soon() {
    for end in [End::Nothing, End::Wait, End::Gone, End::Outdated] {
        let (mut scene, now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
        scene.begin_one(&work, now);
        scene.end(&work, end).await;
        assert_eq!(scene.begin_one(&work, now), 0);
        assert_eq!(scene.begin_one(&work, now + Duration::from_secs(1)), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn after_something_was_done_the_book_is_waited_for() {
    let (mut scene, now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
    scene.begin_one(&work, now);
    scene.end(&work, End::Done { earned: 7 }).await;
    assert_eq!(scene.begin_one(&work, now), 0);
    assert_eq!(scene.begin(&[Work::Settle(who(1), 3)], now), 0, "nor is other work about it begun");
    scene.dispatcher.heard(&who(2));
    assert_eq!(scene.begin_one(&work, now), 0, "news of another");
    scene.dispatcher.heard(&who(1));
    assert_eq!(scene.begin_one(&work, now), 1);
    assert_eq!((scene.dispatcher.summary.confirmed, scene.dispatcher.summary.earned), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn news_that_came_first_or_do_not_come_are_not_waited_for() {
    let (mut scene, now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
    scene.begin_one(&work, now);
    scene.dispatcher.heard(&who(1));
    scene.end(&work, End::Done { earned: 0 }).await;
    assert_eq!(scene.begin_one(&work, now), 1, "they came while it was under way");
    scene.end(&work, End::Done { earned: 0 }).await;
    assert_eq!(scene.begin_one(&work, now + NEWS / 2), 0);
    assert_eq!(scene.begin_one(&work, now + 2 * NEWS), 1);
}

#[tokio::test(start_paused = true)]
async fn patience_grows_with_losses_and_shrinks_with_successes() {
    let (mut scene, now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
    let longest = |scene: &Scene| {
        let all = liquidations(0..200).into_iter().map(|work| scene.dispatcher.patience(&work));
        all.max().expect("some")
    };
    assert_eq!(longest(&scene), Duration::ZERO, "who was never late does not wait");
    let mut before = Duration::ZERO;
    for losses in 1..=PATIENCE_STEPS {
        scene.dispatcher.note(&work, &End::Lost("Healthy".into()), now);
        let waits = longest(&scene);
        assert!(waits > before / 2 && waits <= PATIENCE * losses, "{waits:?} after {losses}");
        before = waits;
    }
    scene.dispatcher.note(&work, &End::Lost("Healthy".into()), now);
    assert!(longest(&scene) <= PATIENCE * PATIENCE_STEPS, "and no longer");
    assert!(longest(&scene) > PATIENCE, "it is a matter of chance, but not always short");
    for _ in 0..PATIENCE_STEPS {
        scene.dispatcher.note(&work, &End::Done { earned: 0 }, now);
    }
    assert_eq!(longest(&scene), Duration::ZERO);
    assert_eq!(scene.dispatcher.summary.lost, u64::from(PATIENCE_STEPS) + 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_say_the_end_of_is_no_lost_race() {
    let (mut scene, now, work) = (Scene::new(8), Instant::now(), Work::Sweep(1));
    for end in [End::Unsure, End::Unreachable("no answer".into()), End::NoBudget, End::DryRun] {
        scene.dispatcher.note(&work, &end, now);
        assert_eq!(scene.dispatcher.losses, 0, "{end:?}");
        assert_eq!(scene.begin_one(&work, now), 0, "{end:?}");
    }
    let summary = scene.dispatcher.summary;
    assert_eq!((summary.lost, summary.dry, summary.confirmed), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_forgotten_and_the_rest_goes_on() {
    let (mut scene, now) = (Scene::new(8), Instant::now());
    let [first, second] = [1, 2].map(|n| Work::Liquidate(who(n)));
    scene.begin(&[first.clone(), second.clone()], now);
    scene.puppet.tell(&first, None);
    let ended = scene.dispatcher.ended().await;
    assert_eq!(ended, Some((first.clone(), End::Refused("Panicked".into()))));
    assert_eq!(scene.dispatcher.in_flight(), 1, "the other goes on");
    assert_eq!(scene.begin_one(&first, now), 0, "it rests");
    scene.end(&second, End::Nothing).await;
    assert_eq!(scene.begin_one(&first, now + Duration::from_secs(2)), 1, "and is tried again");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_included_is_more_urgent_each_time() {
    let (mut scene, mut now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
    for _ in 0..3 {
        scene.begin_one(&work, now);
        scene.end(&work, End::Unsure).await;
        now += 2 * Duration::from_secs(60);
    }
    scene.begin_one(&work, now);
    scene.end(&work, End::Done { earned: 0 }).await;
    now += Duration::from_secs(60);
    scene.begin_one(&work, now);
    scene.end(&work, End::Nothing).await;
    assert_eq!(*scene.puppet.urgencies.lock().expect("no panic"), [0, 1, 2, 3, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_there_any_more_does_not_rest_for_long_when_it_comes_back() {
    let (mut scene, mut now, work) = (Scene::new(8), Instant::now(), Work::Liquidate(who(1)));
    for _ in 0..6 {
        assert_eq!(scene.begin_one(&work, now), 1);
        scene.end(&work, End::Refused("Healthy".into())).await;
        now += Duration::from_secs(2);
    }
}
