//! The largest account in trouble is closed by calls that anyone may send, each within one transaction.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
use bulwark_tests::{Outcome, Signer, Trader, World};

use crate::support::*;

/// Most compute units of a transaction.
const UNITS: u64 = 1_400_000;
/// Most bytes of a transaction on the wire.
const BYTES: usize = 1_232;
const NAMES: [&str; 16] = [
    "M00", "M01", "M02", "M03", "M04", "M05", "M06", "M07", "M08", "M09", "M10", "M11", "M12", "M13", "M14",
    "M15",
];

fn asset(n: u16) -> Asset {
    Asset { name: NAMES[usize::from(n)], ..ASSETS[0] }
}

fn collateral(n: u16) -> Asset {
    Asset { name: ["C01", "C02", "C03", "C04", "C05", "C06", "C07", "C08"][usize::from(n)], ..ASSETS[0] }
}

/// Sixteen markets and eight collaterals, whose prices are `market` and `gold` dollars.
struct Crowd {
    world: World,
    market: i64,
    gold: i64,
}

impl Crowd {
    fn new() -> Self {
        let mut world = World::empty();
        for n in 0..16 {
            world.list_market(&asset(n), MarketParams { target_weight_ppm: 50_000, ..params() });
        }
        for n in 0..8 {
            world.list_vault(&collateral(n), 9, 1_000_000_000 * ONE);
        }
        let provider = world.trader(50_000_000 * DOLLAR);
        world.add_liquidity(&provider, 50_000_000 * DOLLAR).expect("add_liquidity");
        for n in 0..16 {
            world.send(&[ix::allocate_liquidity(&world.listings, n)], &[]).expect("allocate_liquidity");
        }
        Self { world, market: 125, gold: 125 }
    }

    fn refresh(&mut self, slots: u64) {
        self.world.advance_slots(slots);
        for n in 0..16 {
            self.world.print(&asset(n), self.market * PRINT, 0);
            let refresh = ix::refresh_market(n, World::oracles(&asset(n)));
            self.world.send(&[refresh], &[]).expect("refresh_market");
        }
        for n in 0..8 {
            self.world.print(&collateral(n), self.gold * PRINT, 0);
            let mint = self.world.listings.vaults[usize::from(n) + 1].mint;
            let refresh = ix::refresh_vault((n + 1, &mint), World::oracles(&collateral(n)));
            self.world.send(&[refresh], &[]).expect("refresh_vault");
        }
    }

    /// A trader of the largest shape, all long.
    fn giant(&mut self, quote: u64, lots: u64, gold: u64) -> Trader {
        let trader = self.world.funded_trader(quote * DOLLAR);
        for vault in 1..=8 {
            self.world.deposit_collateral(&trader, vault, gold).expect("collateral");
        }
        for market in 0..16 {
            // Not all the same, so that one is the worst.
            let lots = lots + u64::from(market) * STEP;
            self.world.open(&trader, market, Side::Long, lots).expect("open");
        }
        trader
    }

    /// Sends what must fit one transaction, signed by nobody but who pays, or by this one too.
    fn fits(
        &mut self,
        what: &str,
        call: Instruction,
        signer: Option<&Trader>,
    ) -> Result<Outcome, bulwark_tests::Failure> {
        let payer = signer.map_or(self.world.payer.pubkey(), |s| s.key.pubkey());
        let message = solana_message::Message::new(std::slice::from_ref(&call), Some(&payer));
        let signatures = usize::from(message.header.num_required_signatures);
        let bytes = 1 + 64 * signatures + message.serialize().len();
        assert!(bytes <= BYTES, "{what}: {bytes} bytes");
        let limit = compute_limit();
        let signers: Vec<_> = signer.map(|s| &s.key).into_iter().collect();
        let outcome = self.world.send(&[limit, call], &signers)?;
        assert!(outcome.compute_units <= UNITS, "{what}: {} units", outcome.compute_units);
        assert!(
            outcome.compute_units <= 200_000,
            "{what}: {} units, more than it gets by default",
            outcome.compute_units
        );
        println!("{what}: {bytes} bytes, {} units", outcome.compute_units);
        Ok(outcome)
    }

    fn first(&self, who: &Trader) -> Option<u16> {
        let (account, slot) = (self.world.margin(&who.margin), self.world.slot());
        self.world.ask(|s| s.distress(&account, slot).expect("distress")).and_then(|d| d.first)
    }
}

/// Asks for all the compute units that there are.
fn compute_limit() -> Instruction {
    let mut data = vec![2];
    data.extend(u32::try_from(UNITS).expect("fits").to_le_bytes());
    let program_id = anchor_lang::pubkey!("ComputeBudget111111111111111111111111111111");
    Instruction { program_id, accounts: vec![], data }
}

#[test]
fn attack_45_an_account_of_the_largest_shape_is_closed_by_anyone() {
    let mut crowd = Crowd::new();
    let victim = crowd.giant(100, 100 * ONE, 15 * ONE);
    let keeper = crowd.world.trader(0);
    let buyer = crowd.world.funded_trader(100_000 * DOLLAR);
    crowd.market = 112;
    crowd.refresh(3);
    assert!(crowd.first(&victim).is_some());
    let mut fills = 0;
    while let Some(market) = crowd.first(&victim) {
        let account = crowd.world.margin(&victim.margin);
        let margin = Margin { address: victim.margin, account: &account };
        let call = ix::liquidate_to_pool(&crowd.world.listings, margin, market, Some(keeper.margin))
            .expect("builds");
        match crowd.fits("liquidate_to_pool", call, None) {
            Ok(outcome) => {
                fills += usize::from(outcome.events.iter().any(|e| matches!(e, Event::Liquidated(_))))
            }
            Err(failure) => panic!("{failure:?}"),
        }
        crowd.refresh(5);
        assert!(fills <= 16, "one call a position");
    }
    assert_eq!(fills, 16);
    assert!(crowd.world.margin(&victim.margin).positions.iter().all(|p| !p.is_open()));
    // Then the collaterals, for what they bring, and what is missing.
    for vault in 1..=8 {
        let (own, account) = (crowd.world.margin(&buyer.margin), crowd.world.margin(&victim.margin));
        let liquidator = Liquidator {
            authority: buyer.key.pubkey(),
            margin: Margin { address: buyer.margin, account: &own },
        };
        let margin = Margin { address: victim.margin, account: &account };
        let order = (vault, u64::MAX, u64::MAX);
        let call = ix::liquidate_collateral(&crowd.world.listings, liquidator, (margin, None), order)
            .expect("builds");
        crowd.fits("liquidate_collateral", call, Some(&buyer)).expect("buys");
    }
    let owed = crowd.world.margin(&victim.margin).quote.0;
    assert!(owed < 0, "{owed}");
    let mut resolved = 0;
    for market in 0..16 {
        let account = crowd.world.margin(&victim.margin);
        if account.debts.share(market, account.quote).expect("share") == 0 {
            continue;
        }
        let margin = Margin { address: victim.margin, account: &account };
        let call = ix::resolve_bankruptcy(&crowd.world.listings, margin, market).expect("builds");
        resolved +=
            super::support::resolved(&crowd.fits("resolve_bankruptcy", call, None).expect("resolves")).debt;
    }
    assert_eq!((crowd.world.margin(&victim.margin).quote.0, resolved), (0, owed.unsigned_abs()));
}

#[test]
fn attack_45_two_accounts_of_the_largest_shape_take_over_and_buy() {
    let mut crowd = Crowd::new();
    let victim = crowd.giant(100, 100 * ONE, 15 * ONE);
    let taker = crowd.giant(200_000, 10 * ONE, ONE);
    crowd.market = 120;
    crowd.refresh(3);
    crowd.gold = 60;
    crowd.refresh(3);
    let market = crowd.first(&victim).expect("in trouble");
    let [own, account] = [&taker, &victim].map(|t| crowd.world.margin(&t.margin));
    let liquidator =
        Liquidator { authority: taker.key.pubkey(), margin: Margin { address: taker.margin, account: &own } };
    let order = |lots| Order { market, lots, limit_price: u64::MAX };
    let margin = Margin { address: victim.margin, account: &account };
    let start = ix::liquidate(&crowd.world.listings, liquidator, margin, order(0)).expect("builds");
    let take = ix::liquidate(&crowd.world.listings, liquidator, margin, order(u64::MAX)).expect("builds");
    let what = (3, ONE, u64::MAX);
    let buy =
        ix::liquidate_collateral(&crowd.world.listings, liquidator, (margin, None), what).expect("builds");
    crowd.fits("start of an auction", start, Some(&taker)).expect("starts");
    crowd.fits("liquidate_collateral of two giants", buy, Some(&taker)).expect("buys");
    crowd.fits("liquidate of two giants", take, Some(&taker)).expect("takes over");
}

#[test]
fn attack_45_a_keeper_reduces_and_settles_the_largest_account() {
    let mut crowd = Crowd::new();
    let victim = crowd.giant(20_000, 10 * ONE, 15 * ONE);
    let keeper = crowd.world.trader(0);
    crowd.world.tamper::<bulwark_sdk::program::state::Market>(&address::market(7), |m| {
        m.core.params.deleverage.inventory_cap = DOLLAR;
    });
    // Its leverage is low: the cut-off falls below it within two minutes.
    for _ in 0..30 {
        crowd.refresh(10);
    }
    let account = crowd.world.margin(&victim.margin);
    let margin = Margin { address: victim.margin, account: &account };
    let call = ix::auto_deleverage(&crowd.world.listings, margin, 7, Some(keeper.margin)).expect("builds");
    crowd.fits("auto_deleverage", call, None).expect("reduces");
    for market in 0..16 {
        if crowd.world.margin(&victim.margin).position(market).is_some() {
            crowd.fits("settle_position", ix::settle_position(victim.margin, market), None).expect("settles");
        }
    }
}

#[test]
fn attack_45_a_bankrupt_with_sixteen_claims_is_resolved_in_one_transaction() {
    // A claim on every market and a debt for the last: all markets are passed, writable.
    let mut crowd = Crowd::new();
    let victim = crowd.giant(30_000, 10 * ONE, STEP);
    crowd.market = 130;
    crowd.refresh(3);
    for market in 0..16 {
        let cash = crowd.world.market(market).core.book.cash;
        crowd.world.tamper::<bulwark_sdk::program::state::Market>(&address::market(market), |m| {
            m.core.book.cash = 0
        });
        crowd.world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle += cash);
        crowd.world.close(&victim, market, u64::MAX).expect("close");
    }
    let account = crowd.world.margin(&victim.margin);
    assert_eq!(account.positions.iter().filter(|p| p.is_claim()).count(), 16);
    let (claims, quote) = (account.positions.iter().map(|p| p.quote.0).sum::<i64>(), account.quote.0);
    let debt = (claims + 1_000).unsigned_abs();
    crowd.world.tamper::<bulwark_sdk::program::state::MarginAccount>(&victim.margin, |a| {
        a.quote.0 = -debt.cast_signed();
        a.collaterals = Default::default();
    });
    for vault in 1..=8 {
        *crowd.world.donated.entry(vault).or_default() += STEP;
        let key = crowd.world.listings.vaults[usize::from(vault)].address;
        crowd.world.tamper::<bulwark_sdk::program::state::Vault>(&key, |v| v.core.recorded -= STEP);
    }
    let freed = quote.unsigned_abs() + debt;
    crowd.world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle += freed);
    crowd.world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= debt);
    crowd
        .world
        .tamper::<bulwark_sdk::program::state::Market>(&address::market(15), |m| m.core.book.cash += debt);
    crowd.world.owe(&victim.margin, 15, Side::Long);
    let account = crowd.world.margin(&victim.margin);
    let margin = Margin { address: victim.margin, account: &account };
    let call = ix::resolve_bankruptcy(&crowd.world.listings, margin, 15).expect("builds");
    let outcome = crowd.fits("resolve_bankruptcy with 16 claims", call, None).expect("resolves");
    let forfeited = outcome.events.iter().filter(|e| matches!(e, Event::ClaimForfeited(_))).count();
    assert!(forfeited >= 15, "every event is there: {forfeited}");
}
