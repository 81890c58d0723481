//! One valid call of every instruction of liquidation, deleveraging, settlement and the backstop, on a chain with all that its
//! accounts could be confused with.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order};
use bulwark_sdk::program::state::UnstakeTicket;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, DOLLAR, PRINT};
use bulwark_tests::{Keypair, Signer as _, Trader};

use crate::support::*;

/// A valid instruction and the chain it runs on.
pub struct Instance {
    /// Name of the instruction.
    pub name: &'static str,
    /// Names of its accounts; those beyond are remaining accounts.
    pub accounts: &'static [&'static str],
    /// The instruction.
    pub instruction: Instruction,
    /// The chain.
    pub stage: Stage,
    /// Everybody who has a key; the first is who signs.
    pub keys: Vec<Keypair>,
    /// Everything there is.
    pub known: Vec<(String, Pubkey)>,
}

/// The people and what they have.
pub struct Cast {
    /// The chain.
    pub stage: Stage,
    /// In trouble, with a UNI and a DUO position and UNI as collateral.
    pub victim: Trader,
    /// With a position in both markets and UNI as collateral; stakes.
    pub taker: Trader,
    /// With quote alone.
    pub keeper: Trader,
    /// Long DUO with 10 UNI as collateral, and healthy.
    pub other: Trader,
    /// Backstop shares of the taker and the other.
    pub shares: [Pubkey; 2],
    /// UNI tokens of the victim.
    pub tokens: Pubkey,
}

impl Cast {
    /// Everybody is there; nobody is in trouble yet.
    pub fn new() -> Self {
        let mut stage = Stage::new();
        let victim = stage.trader(20_000 * DOLLAR);
        let taker = stage.trader(300_000 * DOLLAR);
        let keeper = stage.funded_trader(1_000 * DOLLAR);
        let other = stage.trader(20_000 * DOLLAR);
        for (trader, dollars) in [(&victim, 10_000), (&taker, 100_000), (&other, 10_000)] {
            stage.deposit(trader, dollars * DOLLAR).expect("deposit");
        }
        let tokens = stage.deposit_collateral(&victim, TOKEN, 10 * ONE).expect("collateral");
        for trader in [&taker, &other] {
            stage.deposit_collateral(trader, TOKEN, 10 * ONE).expect("collateral");
        }
        stage.open(&victim, A, Side::Long, 100 * ONE).expect("open");
        stage.open(&victim, B, Side::Long, ONE).expect("open");
        stage.open(&taker, A, Side::Long, ONE).expect("open");
        stage.open(&taker, B, Side::Long, ONE).expect("open");
        stage.open(&other, B, Side::Long, ONE).expect("open");
        let shares = [&taker, &other].map(|t| stage.stake(t, 10_000 * DOLLAR).expect("stake_backstop"));
        Self { stage, victim, taker, keeper, other, shares, tokens }
    }

    /// The victim in trouble: nothing but 10 UNI, which count 1,113 dollars, and a loss of 782.
    pub fn trouble() -> Self {
        let mut cast = Self::new();
        cast.stage.take_quote(&cast.victim.margin, 10_000_000_000);
        cast.stage.settle_at(A, 117 * PRINT + PRINT * 3 / 16);
        cast
    }

    fn known(&mut self) -> Vec<(String, Pubkey)> {
        let blank = fixtures::address("blank account of the program");
        self.stage.set_account(blank, address::PROGRAM, vec![0; 10_240]);
        let mut known: Vec<(String, Pubkey)> = [
            ("exchange", address::exchange()),
            ("pool", address::pool()),
            ("insurance fund", address::insurance_fund()),
            ("UNI market", address::market(A)),
            ("DUO market", address::market(B)),
            ("margin of the victim", self.victim.margin),
            ("margin of the taker", self.taker.margin),
            ("margin of the keeper", self.keeper.margin),
            ("margin of another", self.other.margin),
            ("blank", blank),
            ("pool share mint", address::share_mint(TrancheKind::Junior)),
            ("backstop mint", address::backstop_mint()),
            ("shares of the taker", self.shares[0]),
            ("shares of another", self.shares[1]),
            ("USDC of the taker", self.taker.tokens),
            ("USDC of another", self.other.tokens),
            ("UNI of the victim", self.tokens),
            ("ticket of the taker", address::unstake_ticket(&self.taker.key.pubkey(), 1)),
            ("ticket of another", address::unstake_ticket(&self.other.key.pubkey(), 1)),
            ("token program", address::TOKEN_PROGRAM),
            ("Token-2022", address::TOKEN_2022_PROGRAM),
            ("system program", address::SYSTEM_PROGRAM),
            ("the program", address::PROGRAM),
            ("taker", self.taker.key.pubkey()),
            ("another", self.other.key.pubkey()),
            ("admin", self.stage.admin.pubkey()),
            ("nobody", fixtures::address("nobody")),
        ]
        .into_iter()
        .map(|(name, key)| (name.to_string(), key))
        .collect();
        for (name, vault) in ["USDC", "UNI"].into_iter().zip(&self.stage.listings.vaults) {
            known.push((format!("{name} vault"), vault.address));
            known.push((format!("{name} mint"), vault.mint));
            known.push((format!("tokens of the {name} vault"), vault.token_account));
        }
        known
    }

    fn into_instance(
        mut self,
        name: &'static str,
        accounts: &'static [&'static str],
        instruction: Instruction,
    ) -> Instance {
        let known = self.known();
        let keys = vec![
            self.taker.key.insecure_clone(),
            self.other.key.insecure_clone(),
            self.stage.admin.insecure_clone(),
            self.stage.payer.insecure_clone(),
        ];
        Instance { name, accounts, instruction, stage: self.stage, keys, known }
    }
}

/// `build` with this margin account as it is.
pub fn margin<T>(stage: &Stage, key: &Pubkey, build: impl FnOnce(Margin<'_>) -> T) -> T {
    let account = stage.margin(key);
    build(Margin { address: *key, account: &account })
}

fn liquidations() -> Vec<Instance> {
    let cast = Cast::trouble();
    let listings = &cast.stage.listings;
    let order = Order { market: A, lots: 2 * ONE, limit_price: u64::MAX };
    let (own, account) = (cast.stage.margin(&cast.taker.margin), cast.stage.margin(&cast.victim.margin));
    let taker = Liquidator {
        authority: cast.taker.key.pubkey(),
        margin: Margin { address: cast.taker.margin, account: &own },
    };
    let victim = Margin { address: cast.victim.margin, account: &account };
    let liquidate = ix::liquidate(listings, taker, victim, order).expect("builds");
    let to_pool = ix::liquidate_to_pool(listings, victim, A, Some(cast.keeper.margin)).expect("builds");
    let sale = (TOKEN, ONE / 10, u64::MAX);
    let collateral = ix::liquidate_collateral(listings, taker, (victim, Some(B)), sale).expect("builds");
    vec![
        cast.into_instance(
            "liquidate",
            &["liquidator", "exchange", "margin_account", "liquidator_account", "market"],
            liquidate,
        ),
        Cast::trouble().into_instance(
            "liquidate_to_pool",
            &["exchange", "margin_account", "market", "keeper_account"],
            to_pool,
        ),
        Cast::trouble().into_instance(
            "liquidate_collateral",
            &["liquidator", "exchange", "margin_account", "liquidator_account", "vault", "market"],
            collateral,
        ),
    ]
}

/// The victim owes for UNI and has a claim on DUO.
fn bankruptcy() -> Instance {
    let mut cast = Cast::new();
    let stage = &mut cast.stage;
    stage.take_quote(&cast.victim.margin, 9_000_000_000);
    stage.withdraw(&cast.victim, TOKEN, (cast.tokens, 10 * ONE)).expect("withdraw");
    stage.settle_at(B, 130 * PRINT);
    let cash = stage.market(B).core.book.cash;
    stage.drain(B, 0);
    stage.close(&cast.victim, B, u64::MAX).expect("a claim of 5 dollars");
    stage.settle_at(A, 112 * PRINT);
    stage.take_over(&cast.taker, &cast.victim, A, u64::MAX);
    let call = margin(stage, &cast.victim.margin, |m| {
        ix::resolve_bankruptcy(&stage.listings, m, A).expect("builds")
    });
    assert!(cash > 0 && call.accounts.len() == 4);
    cast.into_instance("resolve_bankruptcy", &["margin_account", "market", "insurance_fund"], call)
}

fn deleveraging() -> Vec<Instance> {
    let mut cast = Cast::new();
    let stage = &mut cast.stage;
    stage.take_quote(&cast.victim.margin, 9_300_000_000);
    stage.set_params(A, |p| p.deleverage.inventory_cap = 10_000 * DOLLAR);
    stage.auto_deleverage(&cast.victim.margin, A, None).expect_err("the cut-off is above");
    let call = margin(stage, &cast.victim.margin, |m| {
        ix::auto_deleverage(&stage.listings, m, A, Some(cast.keeper.margin)).expect("builds")
    });
    // The cut-off of a call that goes through counts from the slot in which the first one went through: anybody's.
    stage.tamper::<bulwark_sdk::program::state::Market>(&address::market(A), |m| {
        m.core.deleveraging_since = 1;
    });
    let mut empty = Cast::new();
    empty.stage.settle_at(A, 130 * PRINT);
    empty.stage.drain(A, 0);
    vec![
        cast.into_instance("auto_deleverage", &["margin_account", "market", "keeper_account"], call),
        empty.into_instance("rebalance_market", &["market"], ix::rebalance_market(A)),
        {
            let cast = Cast::new();
            let call = ix::settle_position(cast.victim.margin, A);
            cast.into_instance("settle_position", &["margin_account", "market"], call)
        },
    ]
}

fn backstop() -> Vec<Instance> {
    let names: &[&str] = &[
        "donor",
        "exchange",
        "insurance_fund",
        "quote_vault",
        "token_account",
        "source",
        "mint",
        "token_program",
    ];
    let cast = Cast::new();
    let (who, listings, shares) = (cast.taker.key.pubkey(), cast.stage.listings.clone(), cast.shares[0]);
    let tokens = cast.taker.tokens;
    let fund = ix::fund_insurance(&listings, who, (tokens, DOLLAR)).expect("builds");
    let stake = ix::stake_backstop(&listings, (who, tokens, shares), (DOLLAR, 1)).expect("builds");
    let payer = cast.stage.admin.pubkey();
    let request = ix::request_unstake((who, payer, shares), (1, DOLLAR));
    let waiting = || {
        let mut cast = Cast::new();
        for (trader, shares) in [(&cast.taker, cast.shares[0]), (&cast.other, cast.shares[1])] {
            let admin = cast.stage.admin.insecure_clone();
            let request = ix::request_unstake((trader.key.pubkey(), admin.pubkey(), shares), (1, DOLLAR));
            cast.stage.send(&[request], &[&trader.key, &admin]).expect("request_unstake");
            let ticket = address::unstake_ticket(&trader.key.pubkey(), 1);
            cast.stage.tamper::<UnstakeTicket>(&ticket, |t| t.core.requested_at -= 14 * 86_400);
        }
        cast
    };
    let ready = waiting();
    let ticket: Box<UnstakeTicket> = ready.stage.get(&address::unstake_ticket(&who, 1));
    let unstake = ix::unstake(&listings, &ticket, (tokens, 1)).expect("builds");
    let cancel = ix::cancel_unstake(who, &ticket, shares);
    vec![
        cast.into_instance("fund_insurance", names, fund),
        Cast::new().into_instance(
            "stake_backstop",
            &[
                "staker",
                "exchange",
                "insurance_fund",
                "quote_vault",
                "token_account",
                "source",
                "mint",
                "share_mint",
                "shares",
                "token_program",
                "share_token_program",
            ],
            stake,
        ),
        Cast::new().into_instance(
            "request_unstake",
            &[
                "staker",
                "payer",
                "insurance_fund",
                "ticket",
                "share_mint",
                "shares",
                "share_token_program",
                "system_program",
            ],
            request,
        ),
        ready.into_instance(
            "unstake",
            &[
                "staker",
                "payer",
                "exchange",
                "insurance_fund",
                "ticket",
                "quote_vault",
                "token_account",
                "destination",
                "mint",
                "token_program",
            ],
            unstake,
        ),
        waiting().into_instance(
            "cancel_unstake",
            &[
                "authority",
                "payer",
                "exchange",
                "insurance_fund",
                "ticket",
                "share_mint",
                "shares",
                "share_token_program",
            ],
            cancel,
        ),
    ]
}

/// An instance of each.
pub fn all() -> Vec<Instance> {
    let mut all = liquidations();
    all.push(bankruptcy());
    all.extend(deleveraging());
    all.extend(backstop());
    all
}
