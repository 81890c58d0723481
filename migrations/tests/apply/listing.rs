//! What is checked before a listing is proposed: it can't be mended afterwards.

use crate::support::Lab;

#[tokio::test]
async fn a_cap_that_is_worth_too_much_for_a_listing_grows_afterwards() {
    let cap = |text: String| {
        text.replace("max_deposits = \"30_000\"", "max_deposits = \"100_000\"")
            .replace("soft_cap = \"30_000\"", "soft_cap = \"100_000\"")
    };
    let lab = Lab::new(cap);
    lab.apply().await.unwrap();
    let left = lab.plan().await;
    // Five million dollars at 150 dollars a SOL.
    let later = &left.waiting[0].later[0];
    assert!(later.starts_with("max_deposits then goes on from 33333.3333"), "{left}");
    // The listing that waits is known for what it is at another price, too.
    lab.percent.set(120);
    assert!(lab.plan().await.steps.is_empty());
    // One change doubles it at most. From the second one on the chain may be smaller because somebody has made it so.
    lab.world.borrow_mut().set_clock(left.ripe_at().unwrap());
    lab.apply().await.unwrap();
    let grows = lab.apply().await.unwrap().left;
    assert!(grows.conflicts.is_empty(), "{grows}");
    lab.world.borrow_mut().set_clock(grows.ripe_at().unwrap());
    let held = lab.apply().await.unwrap().left;
    assert!(held.conflicts[0].starts_with("SOL: max_deposits is 66666.6667"), "{held}");
    lab.loosen.set(true);
    lab.finish().await;
    let mint = lab.file.vaults[0].mint;
    let vault =
        lab.world.borrow().get::<bulwark_sdk::program::state::Vault>(&bulwark_sdk::address::vault(&mint));
    assert_eq!(vault.core.params.max_deposits, 100_000_000_000_000);
}

#[tokio::test]
async fn a_listing_that_waits_with_larger_caps_than_the_file_has_is_not_the_files() {
    for smaller in [
        |lab: &mut Lab| lab.file.vaults[0].params.max_deposits /= 2,
        |lab: &mut Lab| lab.file.vaults[0].params.soft_cap /= 2,
        |lab: &mut Lab| lab.file.vaults[0].params.outflow.floor /= 2,
    ] {
        let mut lab = Lab::new(|text| text);
        lab.apply().await.unwrap();
        assert!(lab.plan().await.steps.is_empty());
        smaller(&mut lab);
        let plan = lab.plan().await;
        assert_eq!(plan.steps[0].title, "propose: list the collateral SOL", "{plan}");
        assert!(plan.notes[0].contains("is not what this file says"), "{plan}");
    }
}

#[tokio::test]
async fn a_market_whose_lot_is_worth_too_much_is_not_proposed() {
    let lab = Lab::new(|text| text);
    // Ten times the first prices: 600,000 dollars a BTC, 6 units a lot of 10^-11; 1.5 units a lot of 10^-9 SOL.
    lab.percent.set(1_000);
    let left = lab.apply().await.unwrap().left;
    let blocked: Vec<&str> = left.steps.iter().filter_map(|step| step.blocked.as_deref()).collect();
    assert_eq!(blocked.len(), 2, "{left}");
    assert!(blocked[0].starts_with("at the price 1500.0000"), "{left}");
    assert!(blocked.iter().all(|why| why.ends_with("choose more lot_decimals")), "{left}");
    assert_eq!(lab.world.borrow().exchange().next_change, 1, "the collateral and nothing else");
    // At prices that allow it they are proposed; when they have run away meanwhile, the listing waits for them.
    lab.percent.set(100);
    let ripe = lab.apply().await.unwrap().left.ripe_at().unwrap();
    lab.percent.set(1_000);
    lab.world.borrow_mut().set_clock(ripe);
    let left = lab.apply().await.unwrap().left;
    assert!(left.steps[0].title.contains("carry out") && left.steps[0].blocked.is_some(), "{left}");
    lab.percent.set(100);
    // The collateral was listed at the higher price, with smaller caps that take more than one change to grow.
    lab.loosen.set(true);
    lab.finish().await;
}

#[tokio::test]
async fn a_market_without_a_price_is_not_proposed() {
    let lab = Lab::new(|text| text);
    let options = lab.options();
    let applied = bulwark_migrate::apply(&lab, (&lab.file, &lab.parties), &lab.so, options).await.unwrap();
    let market = applied.left.steps.iter().find(|step| step.title.contains("SOL-PERP")).unwrap();
    assert_eq!(market.blocked.as_deref(), Some("its primary oracle has no price"));
}
