//! Somebody can always help: I14.
//!
//! From the present state, on a copy of the chain, calls that anybody may send bring every account that is below its
//! requirement out of trouble: its positions go to the pool, its collateral is bought, its claims are paid, and what is
//! left is resolved. Nothing is asked for but prices, time, and a buyer with money.

use bulwark_sdk::program::state::MarginAccount;

use super::reference::require;
use super::stage::{self, ACCOUNTS, ASSETS, MARKETS, Stage};
use super::state::State;
use super::step::{Flaw, Step};
use crate::fixtures::DOLLAR;
use crate::world::World;

/// Rounds that it may take: positions, collaterals and debts of the last account that others' losses brought into
/// trouble.
const ROUNDS: usize = 200;

/// A copy of the chain on which helpers act.
struct Rescue<'a> {
    world: World,
    stage: &'a Stage,
    log: Vec<String>,
}

/// Everybody who is in trouble at these prices.
fn in_trouble(state: &State) -> Result<Vec<usize>, String> {
    let snapshot = state.snapshot();
    let mut found = Vec::new();
    for account in 0..ACCOUNTS {
        let Some(margin) = state.margin(account) else { continue };
        if snapshot.distress(margin, state.slot).map_err(|e| format!("account {account}: {e}"))?.is_some() {
            found.push(account);
        }
    }
    Ok(found)
}

impl Rescue<'_> {
    /// Takes a step; what it is refused for is told if nothing helps.
    fn act(&mut self, step: &Step) -> bool {
        let state = self.stage.state(&self.world);
        let plan = step.instructions(&self.world, self.stage, &state).expect("builds");
        step.happen(&mut self.world, self.stage);
        let Some(plan) = plan else { return true };
        let sent = stage::send(&mut self.world, self.stage, &plan);
        if !matches!(step, Step::RefreshMarket { .. } | Step::RefreshVault { .. }) {
            self.log.push(format!("{step:?}: {sent:?}"));
        }
        sent.is_ok()
    }

    /// Time passes, and the oracles print what they printed last.
    fn wait(&mut self, slots: u64) {
        self.act(&Step::Slots { slots });
        let state = self.stage.state(&self.world);
        for (market, asset) in ASSETS.iter().enumerate() {
            let bits = u128::from(state.market(market).core.mark().to_bits());
            let price = i64::try_from((bits * u128::from(asset.one()) * 100) >> 32).expect("a price");
            for source in 0..2 {
                self.act(&Step::Print { market, source, price, conf: 1, age: 0 });
            }
            self.act(&Step::RefreshMarket { market });
            self.act(&Step::RefreshVault { vault: market + 1 });
        }
    }

    /// The next thing to be done for an account.
    fn help(&mut self, account: usize) {
        let state = self.stage.state(&self.world);
        let Some(margin) = state.margin(account) else { return };
        let margin = *margin;
        let first = state.snapshot().distress(&margin, state.slot).ok().flatten().and_then(|d| d.first);
        let settling = |market: usize| state.market(market).core.is_settling();
        let held = |p: &&bulwark_sdk::engine::position::Position| p.is_open();
        let markets: Vec<usize> = margin.positions.iter().filter(held).map(|p| p.market.into()).collect();
        for &market in &markets {
            let claim = margin.positions.iter().any(|p| p.is_claim() && usize::from(p.market) == market);
            if claim || settling(market) {
                self.act(&Step::Settle { account, market });
            }
        }
        let vault = margin.collaterals.iter().find(|c| c.amount != 0).map(|c| usize::from(c.vault));
        match (first.map(usize::from), vault) {
            (Some(market), _) if !settling(market) => {
                let call = Step::LiquidateToPool { account, market, keeper: None, flaw: Flaw::None };
                self.act(&call);
            }
            (_, Some(vault)) => self.buy(&state, (account, vault)),
            _ => {
                for market in (0..MARKETS).filter(|&market| margin.debts.held[market] > 0) {
                    self.act(&Step::Resolve { account, market, flaw: Flaw::None });
                }
            }
        }
    }

    /// Somebody with money and nothing at risk buys a collateral.
    fn buy(&mut self, state: &State, (account, vault): (usize, usize)) {
        let free = |a: &usize| *a != account && state.margin(*a).is_some_and(MarginAccount::is_unencumbered);
        let open = |a: &usize| *a != account && state.margin(*a).is_some();
        let buyer = (0..ACCOUNTS).find(free).or_else(|| (0..ACCOUNTS).find(open));
        let Some(liquidator) = buyer else { return };
        let (actor, flaw) = (Stage::owner(liquidator), Flaw::None);
        let money = Step::Deposit { actor, account: liquidator, vault: 0, amount: 20_000_000 * DOLLAR, flaw };
        self.act(&money);
        let amount = u64::MAX;
        self.act(&Step::LiquidateCollateral {
            by: actor,
            liquidator,
            account,
            creditor: None,
            vault,
            amount,
            flaw,
        });
    }
}

/// Nobody is left in trouble after a bounded number of calls. Returns the rounds that it took.
///
/// # Errors
/// Who is, and what was tried.
pub fn i14_everybody_can_be_helped(world: &World, stage: &Stage) -> Result<u64, String> {
    let (mut rescue, mut helped) = (Rescue { world: world.fork(), stage, log: Vec::new() }, 0);
    // A print may be ahead of the clock, and the next one has to be later.
    rescue.wait(100);
    for _ in 0..ROUNDS {
        let found = in_trouble(&stage.state(&rescue.world))?;
        if found.is_empty() {
            return Ok(helped);
        }
        rescue.log.clear();
        helped += 1;
        for account in found {
            rescue.help(account);
        }
        rescue.wait(10); // often enough that no auction lapses
    }
    let state = stage.state(&rescue.world);
    let found = in_trouble(&state)?;
    require(found.is_empty(), || {
        let (snapshot, log) = (state.snapshot(), rescue.log.join("\n  "));
        let of = |&account: &usize| snapshot.distress(state.margin(account)?, state.slot).ok().flatten();
        let standings: Vec<_> = found.iter().map(|account| (account, of(account))).collect();
        format!("nothing helps {standings:?}:\n  {log}")
    })?;
    Ok(helped)
}
