//! Read over RPC: a keeper sees what it has earned.

use std::time::Duration;

use bulwark_keeper::report::amount::Amount;
use bulwark_keeper::report::{ReportOptions, read, report};
use bulwark_keeper::roles::Own;
use bulwark_localnet::{Localnet, Options};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Order};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::rpc::{self, Client, Receipt};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{Keypair, SOL, Signer};

/// Somebody with a wallet and a margin account.
struct Actor {
    key: Keypair,
    margin: Pubkey,
}

fn options() -> rpc::Options {
    rpc::Options { poll: Duration::from_millis(50), ..rpc::Options::default() }
}

impl Actor {
    async fn funded(stage: (&Localnet, &Client, &Listings), (name, dollars): (&str, u64)) -> Self {
        let (network, client, listings) = stage;
        let (key, tokens) = (network.wallets().key(name), network.wallets().get(name).quote);
        let margin = address::margin_account(&key.pubkey(), 0);
        let open = ix::open_margin_account(key.pubkey(), key.pubkey(), 0);
        let vault = listings.vault(Vault::QUOTE).expect("the quote token");
        let deposit = ix::deposit(key.pubkey(), margin, vault, (tokens, dollars * DOLLAR));
        client.send(&[open, deposit], &[&key], &options()).await.expect("opens and deposits");
        Self { key, margin }
    }

    /// Sends what is built from an account as it is, with the refreshes that it needs.
    async fn act(
        &self,
        (client, listings): (&Client, &Listings),
        whose: &Pubkey,
        build: impl FnOnce(&rpc::Context) -> Instruction,
    ) -> Receipt {
        let context = client.context(listings, whose).await.expect("the account");
        let (instruction, options) = ([build(&context)], options());
        client
            .send_refreshed((&context, Some(SOL)), &instruction, &[&self.key], &options)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

#[tokio::test]
async fn a_keeper_that_handed_a_position_to_the_pool_sees_its_pay() {
    let network = Localnet::start(Options::for_tests()).await.unwrap_or_else(|error| panic!("{error:#}"));
    let client = Client::new(&network.description().rpc_url, &network.description().ws_url);
    let listings = client.listings().await.expect("listings");
    let stage = (&network, &client, &listings);
    let trader = Actor::funded(stage, ("trader", 1_000)).await;
    let keeper = Actor::funded(stage, ("keeper", 100)).await;
    let at = (&client, &listings);
    let order = Order { market: SOL, lots: 100 * SOL_ASSET.one(), limit_price: u64::MAX };
    let buyer = trader.key.pubkey();
    let buy = |c: &rpc::Context| {
        ix::open_position(&listings, buyer, c.margin(), (Side::Long, order)).expect("builds")
    };
    trader.act(at, &trader.margin, buy).await;

    network.oracles().set("SOL", 143 * PRINT).await.expect("the price falls");
    let to_pool = |c: &rpc::Context| {
        ix::liquidate_to_pool(&listings, c.margin(), SOL, Some(keeper.margin)).expect("builds")
    };
    let receipt = keeper.act(at, &trader.margin, to_pool).await;
    let pay = receipt.events.iter().find_map(|event| match event {
        Event::Liquidated(liquidated) => Some(liquidated.keeper),
        _ => None,
    });
    let pay = Amount::from(pay.expect("a liquidation"));
    assert!(pay > Amount::ZERO);

    let own = Some(Own { authority: keeper.key.pubkey(), margin: keeper.margin });
    let seen = report(&client, own, &ReportOptions::default()).await.expect("a report");
    assert_eq!((seen.risks.counts.accounts, seen.markets.len()), (2, 2));
    assert_eq!(seen.solvency.len(), 8 * 3);
    let own_seen = seen.own.as_ref().expect("own");
    assert_eq!(own_seen.history_error, None);
    let earnings = own_seen.earnings.as_ref().expect("earnings");
    assert_eq!((earnings.to_pool.count, earnings.to_pool.amount), (1, pay));
    assert_eq!(earnings.moved[&0].deposited, (100 * DOLLAR).into());
    assert_eq!(own_seen.holdings.as_ref().expect("open").quote, Amount((100 * i128::from(DOLLAR)) + pay.0));
    assert_eq!((earnings.span.transactions, earnings.span.cut, earnings.span.missing), (2, false, 0));
    assert_eq!(earnings.span.slots.map(|[_, last]| last), Some(receipt.slot));
    assert_eq!(earnings.failed, 0);
    assert!(earnings.lamports >= 10_000, "two signatures at 5,000 lamports: {}", earnings.lamports);

    // A shorter history says that it is cut, and knows nothing of what came before.
    let last = report(&client, own, &ReportOptions { history: 1, ..ReportOptions::default() })
        .await
        .expect("a report");
    let last = last.own.and_then(|own| own.earnings).expect("earnings");
    assert_eq!((last.span.transactions, last.span.cut, last.to_pool.amount), (1, true, pay));
    assert!(last.moved.is_empty());
}

#[tokio::test]
async fn a_node_that_can_not_be_asked_for_history_is_named() {
    // Nobody listens there.
    let client = Client::new("http://127.0.0.1:1", "ws://127.0.0.1:1");
    let nobody = Own { authority: Pubkey::new_unique(), margin: Pubkey::new_unique() };
    let refused = read::history(&client, nobody, 10).await.expect_err("no node");
    assert!(format!("{refused:#}").contains("getSignaturesForAddress"), "{refused:#}");
}
