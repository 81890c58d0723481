//! Margin accounts by the hundred, each of somebody else, with leverage spread so that a fall brings one after another
//! into trouble.
//!
//! An account whose margin is `m` of its notional falls below its requirement when the price has fallen by about
//! `(m − mmf) / (1 − mmf)`. With margins from 5.8 % to 17 % and a maintenance margin of 3.1 % that is between 2.8 % and
//! 14.3 %: a fall of 13 % reaches about nine in ten.
//!
//! Three in four are long SOL, where longs are the heavy side and the pool takes them back at once; one in four is long
//! BTC, where a bystander's short is heavier, so that somebody has to take them over. One in ten has half its margin in
//! SOL, and one in twenty a stop-loss that comes before its trouble. Of a wide crowd one in eight is large: it is restored part by part as
//! the price falls, while the others are closed whole.

use std::collections::BTreeMap;

use bulwark_localnet::wallets::{SOL as LAMPORTS, WRAPPED_SOL, associated, set_lamports, set_tokens};
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::{MarginAccount, Vault};
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::rpc::MarketContext;
use bulwark_sdk::{Instruction, Pubkey, address};
use futures_util::{StreamExt, stream};
use solana_keypair::Keypair;
use solana_signer::Signer;

use super::observer::now;
use super::stage::{BTC, DOLLAR, MILLI_BTC, MILLI_SOL, SOL, SOL_VAULT, Stage, any_price, fresh, options};

/// How many of them are made at the same time.
const AT_ONCE: usize = 8;
const PPM: u64 = 1_000_000;
/// What it costs to open, ppm of the notional at most: fee, spread, and what its size moves the price.
const COSTS_PPM: u64 = 3_000;
/// Lots of a position in SOL: a crowd of 200 moves the price by less than half a percent.
const SOL_LOTS: u64 = 28_000 * MILLI_SOL;
/// Lots of a position in BTC.
const BTC_LOTS: u64 = 90 * MILLI_BTC;
/// What most hold: about twelve dollars, of which little is ever left to be restored.
const SMALL_SOL_LOTS: u64 = 80 * MILLI_SOL;
const SMALL_BTC_LOTS: u64 = MILLI_BTC / 5;
/// How far below the first price a stop-loss waits, ppm.
const STOP_PPM: u64 = 20_000;
/// How far a price may be from a market's to fill a stop-loss, ppm.
const SLIPPAGE_PPM: u64 = 100_000;
/// A drop that brings all of [`Crowd::tight`] into trouble, ppm.
pub const DROP_PPM: i64 = 56_000;
const HOUR: i64 = 3_600;

/// What somebody holds.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub market: u16,
    pub side: Side,
    pub lots: u64,
    /// Quote units in the account.
    pub quote: u64,
    /// Lamports in the account.
    pub lamports: u64,
    /// Price that a stop-loss waits for.
    pub stop: Option<u64>,
}

/// Somebody with an account.
pub struct Member {
    pub key: Keypair,
    pub margin: Pubkey,
    pub plan: Plan,
}

/// So many ppm of a price.
fn part(price: Price, ppm: u64) -> u64 {
    u64::try_from(u128::from(price.to_bits()) * u128::from(ppm) / u128::from(PPM)).unwrap()
}

/// How many there are, and how much margin they have.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub count: u64,
    /// Margin of the first and of the last, ppm of the notional.
    pub margins_ppm: (u64, u64),
    /// Whether all are large, or one in eight.
    pub large: bool,
}

impl Crowd {
    /// Spread so that a fall of 13 % reaches nine in ten, one after another.
    pub fn wide(count: u64) -> Self {
        Self { count, margins_ppm: (58_000, 170_000), large: false }
    }

    /// Spread so that a fall of 6.5 % reaches all, one after another, and makes nobody insolvent.
    pub fn narrow(count: u64) -> Self {
        Self { count, margins_ppm: (66_000, 88_000), large: true }
    }

    /// All of them fall together, by a drop of [`DROP_PPM`] at once that makes nobody insolvent.
    pub fn tight(count: u64) -> Self {
        Self { count, margins_ppm: (71_000, 78_000), large: false }
    }

    /// What they hold, the most leveraged ones first.
    fn plans(self, all: &MarketContext) -> Vec<Plan> {
        let (least, most) = self.margins_ppm;
        let margin = |i| least + (most - least) * i / self.count;
        let large = |i| self.large || [0, 3].contains(&(i % 16));
        (0..self.count).map(|i| plan(all, i, (margin(i), large(i)))).collect()
    }

    /// Bystanders who make BTC's short side the heavier one, then all of them.
    pub async fn gather(self, stage: &Stage) -> Vec<Member> {
        stage.short("trader", BTC, 7_000 * MILLI_BTC).await;
        self.join(stage).await
    }

    /// All of them.
    pub async fn join(self, stage: &Stage) -> Vec<Member> {
        let all = now(&stage.client, &stage.listings).await.unwrap();
        let began = std::time::Instant::now();
        let members = stage.populate(&self.plans(&all)).await;
        let dollars: u64 = members.iter().map(|member| member.plan.quote).sum::<u64>() / DOLLAR;
        let took = began.elapsed().as_secs_f64();
        println!("a crowd of {} with {dollars} dollars took {took:.1} s", self.count);
        members
    }
}

/// What the `i`-th of a crowd holds, large or small, with a margin of so many ppm of its notional.
fn plan(all: &MarketContext, i: u64, (margin_ppm, large): (u64, bool)) -> Plan {
    let (market, lots) = match (i % 4 == 3, large) {
        (true, true) => (BTC, BTC_LOTS),
        (true, false) => (BTC, SMALL_BTC_LOTS),
        (false, true) => (SOL, SOL_LOTS),
        (false, false) => (SOL, SMALL_SOL_LOTS),
    };
    let core = &all.markets[&market].core;
    let notional = core.mark().mul_floor(lots).unwrap();
    let margin = notional / PPM * (margin_ppm + COSTS_PPM);
    let in_sol = if i % 10 == 4 { margin / 2 } else { 0 };
    let price = all.vaults[&SOL_VAULT].core.oracle.price;
    let lamports = u64::try_from((u128::from(in_sol) << 32) / u128::from(price.to_bits())).unwrap();
    let stop = (i % 20 == 10).then(|| part(core.mark(), PPM - STOP_PPM));
    Plan { market, side: Side::Long, lots, quote: margin - in_sol, lamports, stop }
}

impl Stage {
    async fn accounts(&self) -> BTreeMap<Pubkey, Box<MarginAccount>> {
        self.client.fetch_all().await.unwrap().into_iter().collect()
    }

    /// How many hold less than they began with.
    pub async fn reduced(&self, members: &[Member]) -> usize {
        let accounts = self.accounts().await;
        let held = |member: &Member| {
            let position = accounts[&member.margin].position_in(member.plan.market);
            position.map_or(0, |position| position.lots.count())
        };
        members.iter().filter(|member| held(member) < member.plan.lots).count()
    }

    /// Makes accounts that hold what the plans say.
    pub async fn populate(&self, plans: &[Plan]) -> Vec<Member> {
        let members: Vec<Member> =
            stream::iter(plans).map(|plan| self.admit(*plan)).buffered(AT_ONCE).collect().await;
        let all = self.client.market_context(&self.listings).await.unwrap();
        let accounts = self.accounts().await;
        let enter = |member| self.enter(&all, member, &accounts);
        stream::iter(&members).map(enter).buffered(AT_ONCE).collect::<Vec<()>>().await;
        members
    }

    /// Somebody new, with lamports, tokens, and an account that they are in.
    async fn admit(&self, plan: Plan) -> Member {
        let (key, cheats) = (fresh(), self.network.cheats());
        let owner = key.pubkey();
        let margin = address::margin_account(&owner, 0);
        set_lamports(cheats, &owner, LAMPORTS).await.unwrap();
        let mut instructions = vec![ix::open_margin_account(owner, owner, 0)];
        for (vault, mint, amount) in [
            (Vault::QUOTE, self.listings.vaults[0].mint, plan.quote),
            (SOL_VAULT, WRAPPED_SOL, plan.lamports),
        ] {
            if amount > 0 {
                set_tokens(cheats, (&owner, &mint), amount).await.unwrap();
                let listing = self.listings.vault(vault).unwrap();
                instructions.push(ix::deposit(owner, margin, listing, (associated(&owner, &mint), amount)));
            }
        }
        self.client.send(&instructions, &[&key], &options()).await.unwrap();
        Member { key, margin, plan }
    }

    /// Opens a member's position, and places its stop-loss.
    async fn enter(
        &self,
        all: &MarketContext,
        member: &Member,
        accounts: &BTreeMap<Pubkey, Box<MarginAccount>>,
    ) {
        let (plan, owner) = (member.plan, member.key.pubkey());
        let margin = Margin { address: member.margin, account: &accounts[&member.margin] };
        let order = Order { market: plan.market, lots: plan.lots, limit_price: any_price(plan.side) };
        let mut main = vec![ix::open_position(&self.listings, owner, margin, (plan.side, order)).unwrap()];
        main.extend(plan.stop.map(|price| self.stop_loss(margin, &plan, (price, all.now + 24 * HOUR))));
        let legs = [Some(Leg::Market(plan.market)), (plan.lamports > 0).then_some(Leg::Vault(SOL_VAULT))];
        let snapshot = all.snapshot();
        let refreshes: Vec<Instruction> =
            legs.into_iter().flatten().map(|leg| snapshot.refresh(leg).unwrap().unwrap()).collect();
        self.client.send_after(&refreshes, &main, &[&member.key], &options()).await.unwrap();
    }

    fn stop_loss(&self, margin: Margin<'_>, plan: &Plan, (price, expiry): (u64, i64)) -> Instruction {
        let limit_price = price / PPM * (PPM - SLIPPAGE_PPM);
        let order = Order { market: plan.market, lots: u64::MAX, limit_price };
        let (kind, side) = (TriggerKind::StopLoss, plan.side);
        let trigger = TriggerOrder { kind, side, trigger_price: price, order, expiry };
        ix::place_trigger(&self.listings, margin.account.owner, margin, &trigger).unwrap()
    }
}
