//! Invariant I13: what each state of a price allows, cell by cell.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::oracle::SourceKind;
use bulwark_sdk::program::state::Market;
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::{Asset, BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{Trader, World};

use crate::feeds::{Listed, feeds, list_market, list_vault};
use crate::support::{Cost, PubkeyOf as _, UNI, refresh, refused, signed, uni_params, uni_world};

const STATES: [&str; 5] = ["Fresh", "Wide", "Stale for trades", "Stale", "Divergent"];

/// A UNI market, a BTC market that is always Fresh, and SOL as collateral; all but BTC with two sources.
struct Scene {
    world: World,
    market: Listed,
    vault: Listed,
    /// Has a position in the UNI market, one in BTC and SOL as collateral.
    exposed: Trader,
    /// Has quote and SOL, and no position.
    free: Trader,
    /// Lends to the pool; where its shares are.
    provider: (Trader, bulwark_sdk::Pubkey),
}

const UNI_MARKET: u16 = 0;
const BTC_MARKET: u16 = 1;
const SOL_VAULT: u16 = 1;

impl Scene {
    fn new() -> Self {
        let (mut world, kinds) = (World::empty(), [SourceKind::PythPull, SourceKind::PythPush]);
        let market = list_market(&mut world, &feeds(UNI, &kinds));
        world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
        let vault = list_vault(&mut world, &feeds(SOL_ASSET, &kinds));
        world.open_cap();
        let provider = world.trader(12_000_000 * DOLLAR);
        world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
        for market in [UNI_MARKET, BTC_MARKET] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        // Some more, so that there is something to allocate.
        let shares = world.add_liquidity(&provider, 1_000_000 * DOLLAR).expect("add_liquidity");
        let (exposed, free) = (world.funded_trader(10_000 * DOLLAR), world.funded_trader(10_000 * DOLLAR));
        for trader in [&exposed, &free] {
            world.deposit_collateral(trader, SOL_VAULT, 10 * SOL_ASSET.one()).expect("collateral");
        }
        world.open(&exposed, UNI_MARKET, Side::Long, 8 * UNI.one()).expect("open");
        world.open(&exposed, BTC_MARKET, Side::Long, BTC_ASSET.one() / 100).expect("open");
        Self { world, market, vault, exposed, free, provider: (provider, shares) }
    }

    /// Brings `listed` into a state, with BTC and the other listing Fresh.
    fn set(&mut self, listed: &Listed, state: &str) {
        let world = &mut self.world;
        let age = match state {
            "Stale" => 61,
            "Stale for trades" => 6,
            _ => 1,
        };
        world.advance(age);
        for other in [&self.market, &self.vault] {
            let stale = format!("{:?}", other.place) == format!("{:?}", listed.place);
            let price = other.feeds[0].asset.price;
            let (conf, off) = match state {
                _ if !stale => (0, 0),
                "Wide" => (price / 32, 0),
                "Divergent" => (0, price / 10),
                "Fresh" => (0, 0),
                _ => continue,
            };
            let conf = u64::try_from(conf).expect("positive");
            other.feeds[0].print(world, (price, conf), 0);
            other.feeds[1].print(world, (price + off, conf), 0);
            other.send(world).expect("refresh");
        }
        world.print(&BTC_ASSET, BTC_ASSET.price, 0);
        world.send(&[ix::refresh_market(BTC_MARKET, World::oracles(&BTC_ASSET))], &[]).expect("refresh");
    }

    fn withdraw(&self, who: &Trader, vault: u16, amount: u64) -> Instruction {
        let account = self.world.margin(&who.margin);
        let margin = Margin { address: who.margin, account: &account };
        ix::withdraw(&self.world.listings, margin, vault, (self.tokens(who, vault), amount)).expect("builds")
    }

    fn add_liquidity(&self) -> Instruction {
        let (provider, shares) = &self.provider;
        let keys = (provider.key.pubkey_(), provider.tokens, *shares);
        ix::add_liquidity(&self.world.listings, TrancheKind::Junior, keys, (1_000 * DOLLAR, 0))
            .expect("builds")
    }

    /// Where the trader's tokens go; the SOL account is written when an instruction runs.
    fn tokens(&self, who: &Trader, vault: u16) -> bulwark_sdk::Pubkey {
        if vault == 0 {
            who.tokens
        } else {
            bulwark_tests::fixtures::address(&format!("sol {}", who.key.pubkey_()))
        }
    }

    /// Runs one action on a copy and compares with the cell: "" is yes.
    fn check(&self, instruction: &Instruction, who: &Trader, cell: &str, what: &str) {
        let mut world = self.world.fork();
        for trader in [&self.exposed, &self.free] {
            let (key, owner) = (self.tokens(trader, SOL_VAULT), trader.key.pubkey_());
            let mint = world.listings.vaults[usize::from(SOL_VAULT)].mint;
            world.write_tokens(key, |state| (state.mint, state.owner) = (mint, owner));
        }
        if cell.is_empty() {
            let sent = world.send(std::slice::from_ref(instruction), &[&who.key]);
            sent.unwrap_or_else(|e| panic!("{what}: {:?} {:#?}", e.name, e.logs));
        } else {
            refused(&mut world, instruction.clone(), &[&who.key], cell, what);
        }
    }

    /// Runs the `n`th column of a table, and deposits, which every state allows.
    fn check_column(&self, rows: &[Row<'_>], n: usize) {
        let state = STATES[n];
        for (action, instruction, who, row) in rows {
            self.check(instruction, who, row[n], &format!("{state}: {action}"));
        }
        for vault in [0, SOL_VAULT] {
            let (scene, instruction) = deposit(self, &self.exposed, vault);
            scene.check(&instruction, &scene.exposed, "", &format!("{state}: deposit to vault {vault}"));
        }
    }
}

/// An action, who takes it, and what the table says to it in each state.
type Row<'a> = (&'static str, Instruction, &'a Trader, [&'static str; 5]);

fn deposit(scene: &Scene, who: &Trader, vault: u16) -> (Scene, Instruction) {
    let mut world = scene.world.fork();
    let listing = world.listings.vaults[usize::from(vault)];
    let source = world.create_tokens(listing.mint, who.key.pubkey_(), 5);
    let instruction = ix::deposit(who.key.pubkey_(), who.margin, &listing, (source, 5));
    let copy = |t: &Trader| Trader { key: t.key.insecure_clone(), margin: t.margin, tokens: t.tokens };
    let (exposed, free) = (copy(&scene.exposed), copy(&scene.free));
    let provider = (copy(&scene.provider.0), scene.provider.1);
    let (market, vault) = (scene.market.clone(), scene.vault.clone());
    (Scene { world, market, vault, exposed, free, provider }, instruction)
}

#[test]
fn a_markets_price_allows_what_the_table_says() {
    let no = ["", "PriceWide", "PriceStale", "PriceStale", "PriceDivergent"];
    let close = ["", "", "PriceStale", "PriceStale", "PriceDivergent"];
    let margin = ["", "PriceWide", "", "PriceStale", "PriceDivergent"];
    let other_leg = ["", "", "", "PriceStale", "PriceDivergent"];
    let yes = [""; 5];
    for (n, state) in STATES.into_iter().enumerate() {
        let mut scene = Scene::new();
        let market = scene.market.clone();
        scene.set(&market, state);
        let (exposed, free) = (&scene.exposed, &scene.free);
        let open = |market, asset: &Asset| {
            scene.world.open_instruction(exposed, market, Side::Long, asset.one() / 100)
        };
        let shut = |market| scene.world.close_instruction(exposed, market, u64::MAX);
        let cells = [
            ("open", open(UNI_MARKET, &UNI), exposed, no),
            ("close", shut(UNI_MARKET), exposed, close),
            ("open in another market", open(BTC_MARKET, &BTC_ASSET), exposed, other_leg),
            ("close in another market", shut(BTC_MARKET), exposed, yes),
            ("withdraw quote at risk", scene.withdraw(exposed, 0, 1), exposed, margin),
            ("withdraw collateral at risk", scene.withdraw(exposed, SOL_VAULT, 1), exposed, margin),
            ("withdraw quote with nothing open", scene.withdraw(free, 0, 1), free, yes),
            ("withdraw collateral with nothing open", scene.withdraw(free, SOL_VAULT, 1), free, yes),
            ("add liquidity", scene.add_liquidity(), &scene.provider.0, no),
            ("allocate", ix::allocate_liquidity(&scene.world.listings, UNI_MARKET), free, margin),
            ("allocate to another", ix::allocate_liquidity(&scene.world.listings, BTC_MARKET), free, margin),
            ("settle", ix::settle_position(exposed.margin, UNI_MARKET), exposed, yes),
        ];
        scene.check_column(&cells, n);
    }
}

#[test]
fn a_collaterals_price_allows_what_the_table_says() {
    let margin = ["", "PriceWide", "", "PriceStale", "PriceDivergent"];
    let yes = [""; 5];
    for (n, state) in STATES.into_iter().enumerate() {
        let mut scene = Scene::new();
        let vault = scene.vault.clone();
        scene.set(&vault, state);
        let (exposed, free) = (&scene.exposed, &scene.free);
        let cells = [
            ("open", scene.world.open_instruction(exposed, UNI_MARKET, Side::Long, UNI.one()), exposed, yes),
            ("close", scene.world.close_instruction(exposed, UNI_MARKET, u64::MAX), exposed, yes),
            ("withdraw quote at risk", scene.withdraw(exposed, 0, 1), exposed, margin),
            ("withdraw part of it at risk", scene.withdraw(exposed, SOL_VAULT, 1), exposed, margin),
            (
                "withdraw all of it, quote suffices",
                scene.withdraw(exposed, SOL_VAULT, 10 * SOL_ASSET.one()),
                exposed,
                yes,
            ),
            ("add liquidity", scene.add_liquidity(), &scene.provider.0, yes),
            ("withdraw quote with nothing open", scene.withdraw(free, 0, 1), free, yes),
            ("withdraw it with nothing open", scene.withdraw(free, SOL_VAULT, 1), free, yes),
        ];
        scene.check_column(&cells, n);
    }
}

#[test]
fn attack_a_dead_collateral_counts_nothing_for_initial_margin_and_freezes_nothing() {
    for state in ["Wide", "Stale", "Divergent"] {
        let mut scene = Scene::new();
        // Only the collateral carries the position: 10 SOL at 150 dollars, 10 % haircut.
        let vault = scene.vault.clone();
        scene.set(&vault, "Fresh");
        let trader = scene.world.trader(0);
        scene.world.deposit_collateral(&trader, SOL_VAULT, 10 * SOL_ASSET.one()).expect("collateral");
        scene.world.open(&trader, UNI_MARKET, Side::Long, 8 * UNI.one()).expect("carried by the collateral");
        scene.set(&vault, state);
        let open = scene.world.open_instruction(&trader, UNI_MARKET, Side::Long, UNI.one());
        scene.check(&open, &trader, "InsufficientMargin", state);
        let close = scene.world.close_instruction(&trader, UNI_MARKET, 4 * UNI.one());
        scene.check(&close, &trader, "", state);
    }
}

#[test]
fn a_close_at_a_wide_price_pays_the_wide_spread() {
    // A 32nd of confidence: a half spread of 3.125 % instead of 2 bp.
    let mut scene = Scene::new();
    let market = scene.market.clone();
    scene.set(&market, "Wide");
    let before = scene.world.market(UNI_MARKET);
    let cost = Cost::of(&before.core, -8 * i64::try_from(UNI.one()).expect("small"));
    assert_eq!(cost.spread, 31_250_000, "3.125 % of 1,000 dollars");
    let outcome = scene.world.close(&scene.exposed, UNI_MARKET, u64::MAX).expect("close");
    assert_eq!(i128::from(outcome.trade().spread), cost.spread);
    assert_eq!(i128::from(outcome.trade().curve), cost.curve);
}

#[test]
fn attack_no_confidence_makes_a_seller_pay() {
    // The worst a listing may set: all of the confidence five times over, and the largest impact.
    let margin = MarketParams { mmf_ppm: 200_000, imf_ppm: 300_000, ..uni_params() };
    let worst = MarketParams { conf_spread_ppm: 5_000_000, max_impact_ppm: 100_000, ..margin };
    // Confidence in permille of the price; an eighth is exact in binary.
    for (params, permille, half_spread) in [
        (uni_params(), 875, 875_000),
        (uni_params(), 890, 890_000),
        (uni_params(), 900, 890_000),
        (uni_params(), 1_500, 890_000),
        (uni_params(), 10_000_000, 890_000),
        (worst, 125, 625_000),
        (worst, 1_500, 890_000),
    ] {
        for side in Side::BOTH {
            let mut world = uni_world(params);
            let other = world.funded_trader(10_000 * DOLLAR);
            world.open(&other, UNI_MARKET, side.opposite(), 16 * UNI.one()).expect("open");
            let trader = world.funded_trader(10_000 * DOLLAR);
            world.open(&trader, UNI_MARKET, side, 8 * UNI.one()).expect("open");
            // Skewed against who closes, and by far more than the largest impact takes.
            world
                .tamper::<Market>(&address::market(UNI_MARKET), |m| m.core.params.skew_scale = 4 * UNI.one());
            let conf = u64::try_from(UNI.price).expect("positive") / 1_000 * permille;
            refresh(&mut world, (UNI_MARKET, &UNI), UNI.price, conf);
            let (before, core) = (world.margin(&trader.margin), world.market(UNI_MARKET).core);
            let lots = signed(side, 8 * UNI.one());
            let cost = Cost::of(&core, -lots);
            assert_eq!(cost.spread, i128::from(half_spread) * 1_000, "of 1,000 dollars");
            let outcome = world.close(&trader, UNI_MARKET, u64::MAX).expect("a close always works");
            let (trade, what) = (outcome.trade(), format!("{permille} permille {side:?}"));
            assert_eq!((i128::from(trade.curve), i128::from(trade.spread)), (cost.curve, cost.spread));
            if side == Side::Long {
                // Whatever the spread leaves, less the largest impact: 1 % of the price in the worst case.
                let left = 1_000_000_000 - i128::from(half_spread) * 1_000;
                let impact = i128::from(params.max_impact_ppm) * 1_000;
                assert!(left > impact, "{what}");
                assert_eq!(-cost.total(), left - impact, "{what}: {cost:?}");
            }
            let q = before.positions[before.position(UNI_MARKET).expect("open")].quote.0;
            assert_eq!(i128::from(trade.realised), i128::from(q) - cost.total(), "{what}");
            assert_eq!(world.margin(&trader.margin).position(UNI_MARKET), None, "{what}: all is closed");
        }
    }
}

#[test]
fn attack_confidence_is_compared_in_the_unit_of_the_price() {
    // Whatever the magnitude of the asset, 1 % is the last confidence that is Fresh.
    for (asset, market) in [(SOL_ASSET, 0), (BTC_ASSET, 1)] {
        let mut world = World::new();
        let trader = world.funded_trader(10_000 * DOLLAR);
        let limit = u128::from(world.market(market).core.oracle.price.to_bits() / 100);
        let conf =
            u64::try_from((limit * 10_u128.pow(u32::from(asset.lot_decimals) + 2)) >> 32).expect("fits");
        refresh(&mut world, (market, &asset), asset.price, conf);
        world.open(&trader, market, Side::Long, asset.one() / 5).expect(asset.name);
        refresh(&mut world, (market, &asset), asset.price, conf + 1);
        let open = world.open_instruction(&trader, market, Side::Long, asset.one() / 5);
        refused(&mut world, open, &[&trader.key], "PriceWide", asset.name);
    }
}
