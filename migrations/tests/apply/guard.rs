//! What a run must not undo, and where it must not run at all.

use bulwark_migrate::cluster::Genesis;
use bulwark_migrate::plan::Signer;
use bulwark_migrate::state::State;
use bulwark_migrate::{ChainError, apply, plan};
use bulwark_sdk::address;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_tests::Signer as _;
use solana_hash::Hash;

use crate::support::{GENESIS, Lab};

async fn done() -> Lab {
    let lab = Lab::new(|text| text);
    lab.finish().await;
    lab
}

/// The guardian tightens at once.
async fn tighten(lab: &Lab, payload: ChangePayload) {
    let listings = State::read(lab, &lab.file).await.unwrap().deployed.unwrap().listings;
    let mut world = lab.world.borrow_mut();
    let guardian = world.guardian.insecure_clone();
    let tighten = ix::tighten(&listings, guardian.pubkey(), payload).unwrap();
    world.send(&[tighten], &[&guardian]).unwrap();
}

/// A market with a smaller cap than the file's, by the guardian.
async fn smaller_cap(lab: &Lab) -> u64 {
    let mut params = lab.world.borrow().market(0).core.params;
    params.max_oi /= 2;
    tighten(lab, ChangePayload::MarketParams { market: 0, params }).await;
    params.max_oi
}

#[tokio::test]
async fn what_the_guardian_has_tightened_stays_until_somebody_says_loosen() {
    let lab = done().await;
    let tight = smaller_cap(&lab).await;
    let applied = lab.apply().await.unwrap();
    assert!(applied.done.is_empty() && !applied.is_settled(), "{}", applied.left);
    let [conflict] = &applied.left.conflicts[..] else { panic!("{}", applied.left) };
    let words = "SOL-PERP: max_oi is 15000 on the chain, stricter than the file's 30000";
    assert!(conflict.starts_with(words) && conflict.contains("--loosen"), "{conflict}");
    assert!(!lab.plan().await.is_done());

    lab.loosen.set(true);
    let left = lab.apply().await.unwrap().left;
    assert_eq!((left.waiting.len(), left.conflicts.len()), (1, 0), "{left}");
    // Once proposed it goes on by itself.
    lab.loosen.set(false);
    assert_eq!(lab.world.borrow().market(0).core.params.max_oi, tight);
    assert_eq!(lab.finish().await, 1);
    assert_eq!(lab.world.borrow().market(0).core.params.max_oi, lab.file.markets[0].params.max_oi);
}

#[tokio::test]
async fn a_proposal_that_the_guardian_has_overtaken_is_not_made_again() {
    let lab = done().await;
    smaller_cap(&lab).await;
    lab.loosen.set(true);
    let ripe = lab.apply().await.unwrap().left.ripe_at().unwrap();
    let tighter = smaller_cap(&lab).await;
    lab.loosen.set(false);
    lab.world.borrow_mut().set_clock(ripe);
    let applied = lab.apply().await.unwrap();
    assert_eq!((applied.done.len(), applied.left.conflicts.len()), (0, 1), "{}", applied.left);
    assert_eq!(lab.world.borrow().market(0).core.params.max_oi, tighter);
}

#[tokio::test]
async fn what_does_not_loosen_is_still_proposed() {
    let mut lab = done().await;
    let tight = smaller_cap(&lab).await;
    lab.file.markets[0].params.taker_fee_ppm = 700;
    lab.file.markets[0].params.share_floor /= 2;
    let plan = lab.plan().await;
    assert_eq!((plan.steps.len(), plan.conflicts.len()), (1, 1), "{plan}");
    let explanation = &plan.steps[0].explanation;
    assert!(explanation.contains("tightens share_floor") && !explanation.contains("max_oi"), "{plan}");
    let ripe = lab.apply().await.unwrap().left.ripe_at().unwrap();
    lab.world.borrow_mut().set_clock(ripe);
    lab.apply().await.unwrap();
    let params = lab.world.borrow().market(0).core.params;
    assert_eq!((params.taker_fee_ppm, params.max_oi), (700, tight));
}

#[tokio::test]
async fn a_vault_that_the_guardian_has_made_smaller_stays_small() {
    let lab = done().await;
    let mint = lab.file.vaults[0].mint;
    let vault = || lab.world.borrow().get::<bulwark_sdk::program::state::Vault>(&address::vault(&mint));
    let mut params = vault().core.params;
    params.haircut_init_ppm += 50_000;
    tighten(&lab, ChangePayload::VaultParams { vault: 1, params }).await;
    let left = lab.apply().await.unwrap().left;
    assert_eq!((left.steps.len(), left.conflicts.len()), (0, 1), "{left}");
    assert!(left.conflicts[0].starts_with("SOL: haircut_init_ppm is 150000 on the chain"), "{left}");
    assert_eq!(vault().core.params, params);
}

#[tokio::test]
async fn a_market_that_the_guardian_has_stopped_stays_stopped() {
    let lab = done().await;
    let status = MarketStatus::ReduceOnly;
    tighten(&lab, ChangePayload::MarketStatus { market: 0, status, price: 0 }).await;
    let applied = lab.apply().await.unwrap();
    let [conflict] = &applied.left.conflicts[..] else { panic!("{}", applied.left) };
    assert!(conflict.starts_with("SOL-PERP: market 0 is reduce-only") && conflict.contains("--loosen"));
    assert!(applied.done.is_empty() && applied.left.steps.is_empty(), "{}", applied.left);
    lab.loosen.set(true);
    assert_eq!(lab.finish().await, 1);
    assert!(lab.world.borrow().market(0).is(MarketStatus::Active));
}

#[tokio::test]
async fn a_stopped_market_still_gets_what_does_not_loosen() {
    let mut lab = done().await;
    lab.file.markets[0].params.target_weight_ppm = 400_000;
    let status = MarketStatus::ReduceOnly;
    tighten(&lab, ChangePayload::MarketStatus { market: 0, status, price: 0 }).await;
    let plan = lab.plan().await;
    assert_eq!((plan.steps.len(), plan.conflicts.len()), (1, 1), "{plan}");
    assert_eq!(plan.steps[0].explanation, "  shifts   target_weight_ppm: 100000 -> 150000\n");
    lab.loosen.set(true);
    assert_eq!(lab.plan().await.steps[0].title, "propose: status of market 0");
}

#[tokio::test]
async fn a_market_that_was_suspended_for_an_outage_is_resumed() {
    let lab = done().await;
    let outage = i64::from(lab.file.markets[0].params.max_outage);
    {
        let mut world = lab.world.borrow_mut();
        let silent = world.now() + outage + 1;
        world.set_clock(silent);
        world.send(&[ix::suspend_market(0)], &[]).unwrap();
        assert!(world.market(0).is(MarketStatus::ReduceOnly));
    }
    let early = lab.apply().await.unwrap();
    let [step] = &early.left.steps[..] else { panic!("{}", early.left) };
    assert_eq!((step.title.as_str(), step.signer), ("resume market 0", Signer::Anyone));
    assert!(step.blocked.as_ref().unwrap().starts_with("it can be resumed in "), "{}", early.left);
    assert!(early.done.is_empty() && early.left.conflicts.is_empty());
    let now = lab.world.borrow().now();
    lab.world.borrow_mut().set_clock(now + outage);
    // Nothing printed since.
    let stale = plan(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap();
    assert!(stale.steps[0].blocked.as_ref().unwrap().contains("s old"), "{stale}");
    let applied = lab.apply().await.unwrap();
    assert_eq!(applied.done, ["resume market 0"]);
    assert!(applied.left.is_done() && lab.world.borrow().market(0).is(MarketStatus::Active));
}

#[tokio::test]
async fn on_another_cluster_nothing_is_planned_or_done() {
    let mut lab = Lab::new(|text| text);
    let wanted = Hash::new_from_array([9; 32]);
    lab.file.genesis = Genesis::Hash(wanted);
    let both =
        |told: String| assert!(told.contains(&wanted.to_string()) && told.contains(&GENESIS.to_string()));
    let refused = plan(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap_err();
    assert!(matches!(refused, ChainError::OtherCluster { .. }));
    both(refused.to_string());
    // Not even the program, which would be the first step.
    lab.so.push(7);
    both(apply(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap_err().to_string());
    assert_eq!(lab.sent.get(), 0);
    lab.so.pop();
    lab.file.genesis = Genesis::Hash(GENESIS);
    assert_eq!(lab.finish().await, 2);
}

#[tokio::test]
async fn lamports_sent_ahead_are_no_exchange() {
    let lab = Lab::new(|text| text);
    for key in [address::exchange(), address::pool(), address::insurance_fund(), address::market(0)] {
        lab.world.borrow_mut().svm.airdrop(&key, 10_000_000).unwrap();
    }
    assert_eq!(lab.plan().await.steps[0].title, "initialise the exchange");
    assert_eq!(lab.finish().await, 2);
}

#[tokio::test]
async fn an_account_of_another_program_is_no_exchange() {
    let lab = done().await;
    let owner = address::TOKEN_PROGRAM;
    {
        let mut world = lab.world.borrow_mut();
        let data = world.svm.get_account(&address::exchange()).unwrap().data;
        world.set_account(address::exchange(), owner, data);
    }
    let refused = plan(&lab, (&lab.file, &lab.parties), &lab.so, lab.options()).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("belongs to the program {owner}")), "{refused}");
}

#[tokio::test]
async fn a_final_program_can_not_be_initialised() {
    let lab = Lab::new(|text| text);
    {
        let mut world = lab.world.borrow_mut();
        let key = address::program_data();
        let mut account = world.svm.get_account(&key).unwrap();
        account.data[12] = 0;
        world.svm.set_account(key, account).unwrap();
    }
    let plan = lab.plan().await;
    assert_eq!(plan.steps[0].title, "initialise the exchange");
    assert!(plan.steps[0].blocked.as_ref().unwrap().contains("the program is final"), "{plan}");
    assert!(lab.apply().await.unwrap().done.is_empty());
}
