//! Whatever was done before, and wherever it broke off: the chain becomes what the file says.

use bulwark_migrate::plan::Signer;
use bulwark_sdk::Pubkey;
use bulwark_sdk::program::state::MarketStatus;
use bulwark_tests::Signer as _;

use crate::support::{Lab, Mishap};

#[tokio::test]
async fn an_empty_chain_becomes_what_the_file_says() {
    let lab = Lab::new(|text| text);
    let plan = lab.plan().await;
    assert_eq!(plan.steps.len(), 1, "{plan}");
    assert_eq!((plan.steps[0].title.as_str(), plan.later.len()), ("initialise the exchange", 3));
    // Listings, then the activation of what was listed.
    assert_eq!(lab.finish().await, 2);
    let world = lab.world.borrow();
    for file in &lab.file.markets {
        let market = world.market(file.index);
        assert!(market.is(MarketStatus::Active));
        assert_eq!((market.core.params, market.sources), (file.params, file.sources));
    }
    let exchange = world.exchange();
    assert_eq!((exchange.vault_count, exchange.params), (2, lab.file.exchange));
    assert_eq!((world.pool().core.params, world.fund().core.params()), (lab.file.pool, lab.file.insurance));
}

#[tokio::test]
async fn a_second_run_does_nothing() {
    let lab = Lab::new(|text| text);
    lab.finish().await;
    let (sent, before) = (lab.sent.get(), lab.accounts_now());
    let applied = lab.apply().await.unwrap();
    assert!(applied.done.is_empty() && applied.left.is_done(), "{}", applied.left);
    assert!(lab.plan().await.is_done());
    assert_eq!((lab.sent.get(), lab.accounts_now() == before), (sent, true));
}

#[tokio::test]
async fn a_run_that_breaks_off_anywhere_is_resumed() {
    let fresh = Lab::new(|text| text);
    let clean = fresh.fork();
    clean.finish().await;
    let (steps, expected) = (clean.sent.get(), listed(&clean));
    // Initialise; three listings, each proposed, executed and created; two activations, each proposed and executed.
    assert_eq!(steps, 1 + 3 * 3 + 2 * 2);
    for mishap in [Mishap::Lost, Mishap::Unheard] {
        for at in 0..steps {
            let lab = fresh.fork();
            lab.mishap.set(Some((at, mishap)));
            let mut failures = 0;
            while lab.sent.get() <= at {
                let outcome = lab.apply().await;
                failures += usize::from(outcome.is_err());
                if let Ok(applied) = outcome {
                    lab.world.borrow_mut().set_clock(applied.left.ripe_at().expect("something waits"));
                }
            }
            assert_eq!(failures, 1, "{mishap:?} at {at}");
            lab.finish().await;
            // What got lost is sent once more; what went through unheard is not.
            assert_eq!(lab.sent.get(), steps + usize::from(mishap == Mishap::Lost), "{mishap:?} at {at}");
            assert_eq!(listed(&lab), expected, "{mishap:?} at {at}");
        }
    }
}

/// What governance has made of the chain: addresses, parameters, revisions.
fn listed(lab: &Lab) -> Vec<(Pubkey, String)> {
    let world = lab.world.borrow();
    let exchange = world.exchange();
    let markets = exchange.markets().map(|index| {
        let market = world.market(index);
        let key = bulwark_sdk::address::market(index);
        (key, format!("{:?} {:?} {} {}", market.core.params, market.sources, market.status, market.revision))
    });
    let vaults = lab.file.vaults.iter().map(|file| {
        let vault = world.get::<bulwark_sdk::program::state::Vault>(&bulwark_sdk::address::vault(&file.mint));
        (vault.mint, format!("{:?} {:?} {}", vault.core.params, vault.sources, vault.revision))
    });
    let whole = format!("{:?} {}", exchange.params, exchange.next_change);
    markets.chain(vaults).chain([(exchange.admin, whole)]).collect()
}

#[tokio::test]
async fn a_difference_is_proposed_once_and_executed_when_it_is_ripe() {
    let mut lab = Lab::new(|text| text);
    lab.finish().await;
    lab.file.markets[1].params.taker_fee_ppm = 700;
    let plan = lab.plan().await;
    let [step] = &plan.steps[..] else { panic!("{plan}") };
    assert_eq!((step.title.as_str(), step.signer), ("propose: parameters of market 1", Signer::Admin));
    assert_eq!(step.explanation, "  shifts   taker_fee_ppm: 500 -> 700\n");
    lab.apply().await.unwrap();
    let sent = lab.sent.get();
    // It waits: nothing more is proposed, however often one asks.
    let left = lab.apply().await.unwrap().left;
    assert!(left.steps.is_empty() && left.waiting.len() == 1 && !left.is_done(), "{left}");
    assert!((172_700..=172_800).contains(&left.waiting[0].seconds_left), "{left}");
    assert_eq!(lab.sent.get(), sent);
    assert_eq!(lab.finish().await, 1);
    assert_eq!(lab.world.borrow().market(1).core.params.taker_fee_ppm, 700);
    assert_eq!(lab.sent.get(), sent + 1);
}

#[tokio::test]
async fn a_target_out_of_reach_is_reached_by_several_changes() {
    let lab = Lab::new(|text| text.replace("target_weight_ppm = 100_000", "target_weight_ppm = 400_000"));
    lab.apply().await.unwrap();
    let ripe = lab.plan().await.ripe_at().unwrap();
    lab.world.borrow_mut().set_clock(ripe);
    lab.apply().await.unwrap();
    // Listed at the most that a listing may have, and activated before it grows.
    let plan = lab.plan().await;
    assert!(plan.waiting.iter().all(|waiting| waiting.title.starts_with("status of market")), "{plan}");
    lab.world.borrow_mut().set_clock(plan.ripe_at().unwrap());
    let left = lab.apply().await.unwrap().left;
    assert_eq!(left.waiting[0].later, ["target_weight_ppm then goes on from 150000 to 400000"], "{left}");
    // 150,000, which is proposed; 225,000; 337,500; 400,000.
    assert_eq!(lab.finish().await, 4);
    assert_eq!(lab.world.borrow().market(0).core.params.target_weight_ppm, 400_000);
}

#[tokio::test]
async fn what_can_not_be_is_said_and_not_tried() {
    let mut lab = Lab::new(|text| text);
    lab.parties.deployer = lab.world.borrow().guardian.insecure_clone().into();
    let plan = lab.plan().await;
    assert!(
        plan.steps[0].blocked.as_ref().unwrap().contains("not the program's upgrade authority"),
        "{plan}"
    );
    assert_eq!(lab.apply().await.unwrap().done.len(), 0);

    let mut lab = Lab::new(|text| text);
    lab.finish().await;
    lab.file.markets[0].params.lot_decimals = 8;
    lab.parties.admin = lab.world.borrow().guardian.insecure_clone().into();
    let plan = lab.plan().await;
    assert_eq!(plan.conflicts.len(), 2, "{plan}");
    assert!(plan.conflicts[0].contains("nominates the next one"), "{plan}");
    assert!(plan.conflicts[1].contains("was decided at the listing"), "{plan}");
}

#[tokio::test]
async fn what_others_have_proposed_is_pointed_out() {
    use bulwark_sdk::program::state::ChangePayload;
    let lab = Lab::new(|text| text);
    lab.finish().await;
    let guardian = lab.world.borrow().payer.pubkey();
    lab.world.borrow_mut().propose(ChangePayload::Guardian { guardian }).unwrap();
    let plan = lab.plan().await;
    assert!(plan.is_done(), "{plan}");
    assert!(plan.notes[0].contains("(the guardian) is not what this file says"), "{plan}");
}

#[tokio::test]
async fn a_price_that_is_too_old_stops_a_listing_and_nothing_else() {
    let lab = Lab::new(|text| text);
    lab.apply().await.unwrap();
    let ripe = lab.plan().await.ripe_at().unwrap();
    lab.world.borrow_mut().set_clock(ripe);
    // No print since the proposal: the listings are executed and wait for a price.
    let applied =
        bulwark_migrate::apply(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap();
    assert!(!applied.is_settled());
    assert_eq!(applied.done.len(), 3, "{:?}", applied.done);
    let blocked: Vec<&str> = applied.left.steps.iter().filter_map(|step| step.blocked.as_deref()).collect();
    assert!(blocked[..2].iter().all(|why| why.contains(" s old, at most 60 s count")), "{blocked:?}");
    assert_eq!(blocked[2..], ["the next market that can be listed is 0, this one is 1"]);
    lab.finish().await;
}
