//! One valid instance of every instruction, in a chain where all that it could be confused with exists too.

use bulwark_sdk::engine::governance::Timelock;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange, RedeemTicket, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{Keypair, SOL, SOL_VAULT, Signer, Trader, World};

use crate::governance_instances::governance;
use crate::liquidity_instances::liquidity;
use crate::support::with_lamports;

/// A third asset: not listed yet.
pub const ETH_ASSET: Asset = Asset { name: "ETH", lot_decimals: 10, price: 3_000 * PRINT };

/// A valid instruction and the chain it runs on.
pub struct Instance {
    /// Name of the instruction, with a shape where there are several.
    pub name: &'static str,
    /// Names of its accounts; those beyond are remaining accounts.
    pub accounts: &'static [&'static str],
    /// The instruction.
    pub instruction: Instruction,
    /// The chain.
    pub world: World,
    /// Everybody who has a key.
    pub keys: Vec<Keypair>,
    /// Everything there is: what accounts can be confused with.
    pub known: Vec<(String, Pubkey)>,
}

/// The chain that all instances but the first run on, and its people.
pub struct Stage {
    /// The chain.
    pub world: World,
    /// Long SOL and short BTC, with both as collateral.
    pub alice: Trader,
    /// Long SOL.
    pub bob: Trader,
    /// Pays rents.
    pub sponsor: Keypair,
    /// Alice's SOL tokens.
    pub sol_tokens: Pubkey,
    /// Alice's pool shares, junior and senior.
    pub shares: [Pubkey; 2],
    /// Bob's junior shares.
    pub shares_of_bob: Pubkey,
    /// Executed: lists ETH as collateral.
    pub vault_change: Box<Change>,
    /// Executed: lists a market of ETH.
    pub market_change: Box<Change>,
    /// Can be executed: another fee of the SOL market.
    pub waiting: Box<Change>,
}

/// Index of the BTC vault.
pub const BTC_VAULT: u16 = 2;

impl Stage {
    /// Two markets and two collaterals; Alice and Bob trade; the pool has money that waits for allocation. Changes were paid
    /// for by the deployer.
    pub fn new() -> Self {
        let mut world = World::new();
        assert_eq!(world.list_vault(&BTC_ASSET, 8, 1_000_000_000_000), BTC_VAULT);
        let alice = world.trader(2_000_000 * DOLLAR);
        let bob = world.trader(100_000 * DOLLAR);
        for trader in [&alice, &bob] {
            world.deposit(trader, 50_000 * DOLLAR).expect("deposit");
        }
        let sol_tokens = world.deposit_collateral(&alice, SOL_VAULT, 10_000_000_000).expect("deposit");
        world.deposit_collateral(&alice, BTC_VAULT, 10_000_000).expect("deposit");
        world.open(&alice, SOL, Side::Long, 10 * SOL_ASSET.one()).expect("open");
        world.open(&alice, fixtures::BTC, Side::Short, BTC_ASSET.one() / 10).expect("open");
        world.open(&bob, SOL, Side::Long, SOL_ASSET.one()).expect("open");
        let shares = TrancheKind::BOTH.map(|tranche| {
            let amount = if tranche == TrancheKind::Junior { 1_000_000 } else { 100_000 };
            world.add_to_tranche(&alice, tranche, amount * DOLLAR).expect("add_liquidity")
        });
        let shares_of_bob = world.add_liquidity(&bob, 10_000 * DOLLAR).expect("add_liquidity");
        let sponsor = world.keypair();
        let sponsor = with_lamports(&mut world, sponsor);
        let tickets = [
            (&alice, TrancheKind::Junior, shares[0], 0),
            (&alice, TrancheKind::Senior, shares[1], 1),
            (&bob, TrancheKind::Junior, shares_of_bob, 0),
        ];
        for (trader, tranche, shares, nonce) in tickets {
            let owner = trader.key.pubkey();
            let keys = (owner, sponsor.pubkey(), shares);
            let request = ix::request_redeem(&world.listings, tranche, keys, (nonce, 1_000 * DOLLAR));
            world.send(&[request], &[&trader.key, &sponsor]).expect("request_redeem");
            // As old as it must be.
            let ticket = address::redeem_ticket(&owner, nonce);
            world.tamper::<RedeemTicket>(&ticket, |ticket| ticket.core.requested_at -= 86_400);
        }
        world.print(&ETH_ASSET, ETH_ASSET.price, 1);
        world.create_mint(fixtures::address("mint ETH"), 8);
        let (sources, mint) =
            ([fixtures::pyth_source(ETH_ASSET.feed(0)), OracleSource::NONE], fixtures::address("mint ETH"));
        let params = fixtures::collateral_params(1_000_000);
        let vault_change = executed(&mut world, ChangePayload::CreateVault { mint, sources, params });
        let params = ETH_ASSET.listed_params();
        let market_change = executed(&mut world, ChangePayload::CreateMarket { sources, params });
        let params = MarketParams { taker_fee_ppm: 600, ..SOL_ASSET.market_params() };
        let waiting = ripe(&mut world, ChangePayload::MarketParams { market: SOL, params });
        Self {
            world,
            alice,
            bob,
            sponsor,
            sol_tokens,
            shares,
            shares_of_bob,
            vault_change,
            market_change,
            waiting,
        }
    }

    /// A change at the expense of the deployer that can be executed.
    pub fn ripe(&mut self, payload: ChangePayload) -> Box<Change> {
        ripe(&mut self.world, payload)
    }

    /// The admin nominates somebody, who can accept now.
    pub fn nominate(&mut self, nominee: Pubkey) {
        let admin = self.world.admin.insecure_clone();
        let nominate = ix::nominate_admin(admin.pubkey(), nominee);
        self.world.send(&[nominate], &[&admin]).expect("nominate_admin");
        self.world.tamper::<Exchange>(&address::exchange(), |exchange| {
            let Timelock { eta, expiry } = exchange.nomination;
            let delay = eta - GENESIS;
            exchange.nomination = Timelock { eta: eta - delay, expiry: expiry - delay };
        });
    }

    fn margin<T>(&self, build: impl FnOnce(Margin<'_>) -> T) -> T {
        let account = self.world.margin(&self.alice.margin);
        build(Margin { address: self.alice.margin, account: &account })
    }

    /// The instance of an instruction on this stage, with the names of its accounts.
    pub fn into_instance(
        mut self,
        (name, accounts): (&'static str, &'static [&'static str]),
        instruction: Instruction,
    ) -> Instance {
        let blank = fixtures::address("blank account of the program");
        self.world.set_account(blank, address::PROGRAM, vec![0; 10_240]);
        let (world, listings) = (&self.world, &self.world.listings);
        let mut known = vec![
            ("exchange", address::exchange()),
            ("pool", address::pool()),
            ("insurance fund", address::insurance_fund()),
            ("SOL market", address::market(SOL)),
            ("BTC market", address::market(BTC)),
            ("margin of Alice", self.alice.margin),
            ("margin of Bob", self.bob.margin),
            ("blank", blank),
            ("change of a vault", address::change(self.vault_change.nonce)),
            ("change of a market", address::change(self.market_change.nonce)),
            ("change that waits", address::change(self.waiting.nonce)),
            ("instructions sysvar", address::INSTRUCTIONS),
            ("share mint", address::share_mint(TrancheKind::Junior)),
            ("senior mint", address::share_mint(TrancheKind::Senior)),
            ("ticket of Alice", address::redeem_ticket(&self.alice.key.pubkey(), 0)),
            ("senior ticket of Alice", address::redeem_ticket(&self.alice.key.pubkey(), 1)),
            ("ticket of Bob", address::redeem_ticket(&self.bob.key.pubkey(), 0)),
            ("ETH mint", fixtures::address("mint ETH")),
            ("USDC of Alice", self.alice.tokens),
            ("SOL of Alice", self.sol_tokens),
            ("shares of Alice", self.shares[0]),
            ("senior shares of Alice", self.shares[1]),
            ("shares of Bob", self.shares_of_bob),
            ("USDC of Bob", self.bob.tokens),
            ("Token", address::TOKEN_PROGRAM),
            ("Token-2022", address::TOKEN_2022_PROGRAM),
            ("system program", address::SYSTEM_PROGRAM),
            ("the program", address::PROGRAM),
            ("program data", address::program_data()),
            ("SOL oracle", World::oracle_key(&SOL_ASSET, 0)),
            ("BTC oracle", World::oracle_key(&BTC_ASSET, 0)),
            ("ETH oracle", World::oracle_key(&ETH_ASSET, 0)),
            ("Alice", self.alice.key.pubkey()),
            ("Bob", self.bob.key.pubkey()),
            ("sponsor", self.sponsor.pubkey()),
            ("admin", world.admin.pubkey()),
            ("guardian", world.guardian.pubkey()),
            ("deployer", world.deployer.pubkey()),
            ("nobody", fixtures::address("nobody")),
        ]
        .into_iter()
        .map(|(name, key)| (name.to_string(), key))
        .collect::<Vec<_>>();
        for (name, vault) in ["USDC", "SOL", "BTC"].into_iter().zip(&listings.vaults) {
            known.push((format!("{name} vault"), vault.address));
            known.push((format!("{name} mint"), vault.mint));
            known.push((format!("tokens of the {name} vault"), vault.token_account));
        }
        let keys = vec![
            self.alice.key.insecure_clone(),
            self.bob.key.insecure_clone(),
            self.sponsor.insecure_clone(),
            world.admin.insecure_clone(),
            world.guardian.insecure_clone(),
            world.deployer.insecure_clone(),
        ];
        Instance { name, accounts, instruction, world: self.world, keys, known }
    }
}

const TRADE: &[&str] = &["authority", "exchange", "margin_account", "market"];
const CREATE_MARKET: &[&str] = &[
    "admin",
    "payer",
    "exchange",
    "change",
    "change_payer",
    "market",
    "primary",
    "secondary",
    "instructions",
    "system_program",
];

/// A change that was proposed in good time, at the expense of the deployer.
fn ripe(world: &mut World, payload: ChangePayload) -> Box<Change> {
    let nonce = world.propose_in_time(payload).expect("propose_change");
    let payer = world.deployer.pubkey();
    world.tamper::<Change>(&address::change(nonce), |change| change.payer = payer);
    world.change(nonce)
}

/// The same, executed: a listing.
fn executed(world: &mut World, payload: ChangePayload) -> Box<Change> {
    let nonce = ripe(world, payload).nonce;
    world.execute(nonce, None).expect("execute_change");
    world.change(nonce)
}

/// On a chain without an exchange.
pub fn initialize_exchange() -> Instance {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let stranger = world.keypair();
    let stranger = with_lamports(&mut world, stranger);
    let token = (mint, address::TOKEN_PROGRAM);
    let instruction = ix::initialize_exchange(world.deployer.pubkey(), token, world.initialize_args());
    let mut other = world.svm.get_account(&address::program_data()).expect("program data");
    other.data[13..45].copy_from_slice(stranger.pubkey().as_ref());
    world.svm.set_account(fixtures::address("other program data"), other).expect("set account");
    let known = [
        ("stranger", stranger.pubkey()),
        ("admin", world.admin.pubkey()),
        ("other program data", fixtures::address("other program data")),
        ("Token-2022", address::TOKEN_2022_PROGRAM),
        ("nobody", fixtures::address("nobody")),
    ];
    Instance {
        name: "initialize_exchange",
        accounts: &[
            "deployer",
            "program",
            "program_data",
            "exchange",
            "quote_vault",
            "token_account",
            "pool",
            "share_mint",
            "insurance_fund",
            "mint",
            "token_program",
            "share_token_program",
            "system_program",
        ],
        instruction,
        keys: vec![world.deployer.insecure_clone(), stranger, world.admin.insecure_clone()],
        known: known.into_iter().map(|(name, key)| (name.to_string(), key)).collect(),
        world,
    }
}

/// Listing instructions.
fn listing() -> Vec<Instance> {
    let eth = World::oracles(&ETH_ASSET);
    let stage = Stage::new();
    let signers = (stage.world.admin.pubkey(), stage.sponsor.pubkey());
    let mint = (fixtures::address("mint ETH"), address::TOKEN_PROGRAM);
    let vault = ix::create_vault(signers, mint, eth, &stage.vault_change);
    let names = &[
        "admin",
        "payer",
        "exchange",
        "change",
        "change_payer",
        "vault",
        "token_account",
        "mint",
        "primary",
        "secondary",
        "token_program",
        "instructions",
        "system_program",
    ];
    let [first, second] = ix::create_market(signers, 2, eth, &stage.market_change);
    let mut half = Stage::new();
    let (admin, sponsor) = (half.world.admin.insecure_clone(), half.sponsor.insecure_clone());
    half.world.send(std::slice::from_ref(&first), &[&admin, &sponsor]).expect("first step");
    vec![
        stage.into_instance(("create_vault", names), vault),
        Stage::new().into_instance(("create_market, first step", CREATE_MARKET), first),
        half.into_instance(("create_market, second step", CREATE_MARKET), second),
    ]
}

/// Instructions of margin accounts and their tokens.
fn accounts() -> Vec<Instance> {
    let stage = Stage::new();
    let (owner, payer) = (stage.alice.key.pubkey(), stage.sponsor.pubkey());
    let open = ix::open_margin_account(owner, payer, 1);
    let mut closing = Stage::new();
    let key = closing.alice.key.insecure_clone();
    let sponsor = closing.sponsor.insecure_clone();
    closing.world.send(std::slice::from_ref(&open), &[&key, &sponsor]).expect("open");
    let close = ix::close_margin_account(owner, address::margin_account(&owner, 1));
    let set = stage.world.delegate_instruction(&stage.alice, stage.bob.key.pubkey());

    let quote_vault = stage.world.listings.vaults[0];
    let deposit = ix::deposit(owner, stage.alice.margin, &quote_vault, (stage.alice.tokens, 1_000));
    let deposit_names =
        &["depositor", "margin_account", "vault", "token_account", "source", "mint", "token_program"];
    let withdraw = stage.margin(|margin| {
        ix::withdraw(&stage.world.listings, margin, SOL_VAULT, (stage.sol_tokens, 1)).expect("builds")
    });
    let withdraw_names = &[
        "owner",
        "exchange",
        "margin_account",
        "vault",
        "token_account",
        "destination",
        "mint",
        "token_program",
    ];
    let open_names = &["owner", "payer", "exchange", "margin_account", "system_program"];
    vec![
        stage.into_instance(("open_margin_account", open_names), open),
        closing.into_instance(("close_margin_account", &["owner", "margin_account"]), close),
        Stage::new().into_instance(("set_delegate", &["owner", "margin_account"]), set),
        Stage::new().into_instance(("deposit", deposit_names), deposit),
        Stage::new().into_instance(("withdraw", withdraw_names), withdraw),
    ]
}

/// Instructions of positions. The close pays a spread so wide that the rest of the account is asked.
fn trading() -> Vec<Instance> {
    let stage = Stage::new();
    let order = |lots, limit_price| Order { market: SOL, lots, limit_price };
    let (listings, owner) = (stage.world.listings.clone(), stage.alice.key.pubkey());
    let open = stage.margin(|margin| {
        let order = (Side::Long, order(SOL_ASSET.one(), u64::MAX));
        ix::open_position(&listings, owner, margin, order).expect("builds")
    });
    let close = stage
        .margin(|margin| ix::close_position(&listings, owner, margin, order(u64::MAX, 0)).expect("builds"));
    let settle = ix::settle_position(stage.alice.margin, SOL);
    let mut wide = Stage::new();
    wide.world.print(&SOL_ASSET, SOL_ASSET.price, 9 * PRINT as u64);
    let refresh = ix::refresh_market(SOL, World::oracles(&SOL_ASSET));
    wide.world.send(&[refresh], &[]).expect("refresh_market");
    vec![
        stage.into_instance(("open_position", TRADE), open),
        wide.into_instance(("close_position", TRADE), close),
        Stage::new().into_instance(("settle_position", &["margin_account", "market"]), settle),
    ]
}

/// Instructions of triggers: a limit entry whose price has come.
fn triggers() -> Vec<Instance> {
    let mut stage = Stage::new();
    let (listings, owner) = (stage.world.listings.clone(), stage.alice.key.pubkey());
    let order = Order { market: SOL, lots: SOL_ASSET.one(), limit_price: u64::MAX };
    let (trigger_price, expiry) = (stage.world.market(SOL).core.mark().to_bits(), GENESIS + 3_600);
    let trigger = TriggerOrder { kind: TriggerKind::Limit, side: Side::Long, trigger_price, order, expiry };
    let place = stage.margin(|margin| ix::place_trigger(&listings, owner, margin, &trigger).expect("builds"));
    let key = stage.alice.key.insecure_clone();
    stage.world.send(std::slice::from_ref(&place), &[&key]).expect("place_trigger");
    let id = stage.world.margin(&stage.alice.margin).triggers[0].id;
    let keeper = Some(stage.bob.margin);
    let execute = stage.margin(|margin| ix::execute_trigger(&listings, margin, id, keeper).expect("builds"));
    let cancel = stage.margin(|margin| ix::cancel_trigger(owner, margin, id));
    let mut placed = Stage::new();
    placed.world.svm = stage.world.svm.clone();
    let execute_names = &["exchange", "margin_account", "market", "keeper_account"];
    vec![
        stage.into_instance(("execute_trigger", execute_names), execute),
        placed.into_instance(("cancel_trigger", &["authority", "margin_account"]), cancel),
        Stage::new().into_instance(("place_trigger", &["authority", "margin_account", "market"]), place),
    ]
}

/// Instructions that anyone may send, and the pool's.
fn common() -> Vec<Instance> {
    let stage = Stage::new();
    let listings = stage.world.listings.clone();
    let sol = World::oracles(&SOL_ASSET);
    let refresh_market = ix::refresh_market(SOL, sol);
    let refresh_vault = ix::refresh_vault((SOL_VAULT, &listings.vaults[usize::from(SOL_VAULT)].mint), sol);
    let (usd, mut quoted) = (Asset { name: "USD", lot_decimals: QUOTE_DECIMALS, price: PRINT }, Stage::new());
    let quote_sources = [fixtures::pyth_source(usd.feed(0)), OracleSource::NONE];
    quoted.world.tamper::<Vault>(&listings.vaults[0].address, |v| v.sources = quote_sources);
    quoted.world.print(&usd, usd.price, 1);
    let refresh_quote = ix::refresh_vault((0, &listings.vaults[0].mint), World::oracles(&usd));
    let members = [stage.alice.margin, stage.bob.margin];
    let check = ix::check_invariants(Some(&listings.vaults[0]), Some(SOL), members);
    let refresh_names = &["exchange", "vault", "primary", "secondary"];
    let check_names = &["exchange", "market", "vault", "token_account"];
    let sweep_names = &["exchange", "market", "pool", "insurance_fund"];
    vec![
        stage.into_instance(
            ("refresh_market", &["exchange", "market", "primary", "secondary"]),
            refresh_market,
        ),
        Stage::new().into_instance(("refresh_vault", refresh_names), refresh_vault),
        quoted.into_instance(("refresh_vault, quote", refresh_names), refresh_quote),
        Stage::new().into_instance(
            ("allocate_liquidity", &["exchange", "pool", "market"]),
            ix::allocate_liquidity(&listings, SOL),
        ),
        Stage::new().into_instance(("sweep_market", sweep_names), ix::sweep_market(SOL)),
        Stage::new().into_instance(("check_invariants", check_names), check),
    ]
}

/// An instance of every instruction but `initialize_exchange`, on a chain with an exchange.
pub fn on_stage() -> Vec<Instance> {
    [others(), liquidity(), governance()].into_iter().flatten().collect()
}

/// All of them but those of providers and of governance.
pub fn others() -> Vec<Instance> {
    [listing(), accounts(), trading(), triggers(), common()].into_iter().flatten().collect()
}
