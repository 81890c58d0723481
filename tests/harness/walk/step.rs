//! What can happen in a walk.
//!
//! A new instruction of the program becomes one variant of [`Step`] and one arm of [`Step::instructions`];
//! [`super::choose`] decides when it is tried, and [`super::reference`] what its event means.

mod distress;
mod others;

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, BuildError, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::{Instruction, Pubkey};

use super::stage::{self, ACCOUNTS, Stage, narrow};
use super::state::State;
use crate::world::World;

/// Something that happens. Actors, accounts, markets and vaults are indices into the [`Stage`]; `flaw` is what is
/// wrong with the instruction.
#[allow(missing_docs, reason = "the fields are the instructions' own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time passes.
    Wait { seconds: i64 },
    /// Time passes, slot by slot.
    Slots { slots: u64 },
    /// An oracle prints: dollars with eight decimals, `age` seconds old.
    Print { market: usize, source: u8, price: i64, conf: u64, age: i64 },
    /// Tokens are sent to a vault from outside.
    Donate { vault: usize, amount: u64 },
    /// See the instruction of this name.
    RefreshMarket { market: usize },
    /// See the instruction of this name.
    RefreshVault { vault: usize },
    /// See the instruction of this name.
    OpenAccount { actor: usize, sub: usize },
    /// See the instruction of this name.
    CloseAccount { account: usize, flaw: Flaw },
    /// See the instruction of this name.
    SetDelegate { account: usize, delegate: Option<usize>, flaw: Flaw },
    /// See the instruction of this name.
    Deposit { actor: usize, account: usize, vault: usize, amount: u64, flaw: Flaw },
    /// See the instruction of this name.
    Withdraw { by: usize, account: usize, vault: usize, amount: u64, flaw: Flaw },
    /// See the instruction of this name.
    Open { by: usize, account: usize, order: Trade, flaw: Flaw },
    /// See the instruction of this name.
    Close { by: usize, account: usize, order: Trade, flaw: Flaw },
    /// An increase and a decrease of as much, in one transaction.
    RoundTrip { account: usize, order: Trade },
    /// See the instruction of this name.
    Settle { account: usize, market: usize },
    /// See the instruction of this name.
    PlaceTrigger { by: usize, account: usize, wish: Wish, flaw: Flaw },
    /// See the instruction of this name.
    CancelTrigger { by: usize, account: usize, id: u64, flaw: Flaw },
    /// See the instruction of this name; `market` is another one than the trigger's.
    ExecuteTrigger { account: usize, id: u64, keeper: Option<usize>, market: Option<usize>, flaw: Flaw },
    /// See the instruction of this name.
    AddLiquidity { actor: usize, tranche: TrancheKind, amount: u64, flaw: Flaw },
    /// See the instruction of this name.
    RequestRedeem { actor: usize, tranche: TrancheKind, nonce: u64, shares: u64, flaw: Flaw },
    /// See the instruction of this name.
    Redeem { actor: usize, nonce: u64, least: u64, flaw: Flaw },
    /// See the instruction of this name.
    CancelRedeem { actor: usize, nonce: u64, flaw: Flaw },
    /// See the instruction of this name.
    Allocate { market: usize },
    /// See the instruction of this name.
    Sweep { market: usize },
    /// See the instruction of this name; `by` signs for the account `liquidator`.
    Liquidate { by: usize, liquidator: usize, account: usize, order: Taking, flaw: Flaw },
    /// See the instruction of this name.
    LiquidateToPool { account: usize, market: usize, keeper: Option<usize>, flaw: Flaw },
    /// See the instruction of this name; `by` signs for the account `liquidator`.
    LiquidateCollateral {
        by: usize,
        liquidator: usize,
        account: usize,
        creditor: Option<usize>,
        vault: usize,
        amount: u64,
        flaw: Flaw,
    },
    /// See the instruction of this name.
    Resolve { account: usize, market: usize, flaw: Flaw },
    /// See the instruction of this name.
    Deleverage { account: usize, market: usize, keeper: Option<usize>, flaw: Flaw },
    /// See the instruction of this name.
    Rebalance { market: usize },
    /// See the instruction of this name.
    FundInsurance { actor: usize, amount: u64, flaw: Flaw },
    /// See the instruction of this name.
    Stake { actor: usize, amount: u64, flaw: Flaw },
    /// See the instruction of this name.
    RequestUnstake { actor: usize, nonce: u64, shares: u64, flaw: Flaw },
    /// See the instruction of this name.
    Unstake { actor: usize, nonce: u64, least: u64, flaw: Flaw },
    /// See the instruction of this name.
    CancelUnstake { actor: usize, nonce: u64, flaw: Flaw },
    /// See the instruction of this name; with all members of the market.
    CheckInvariants { market: usize, vault: usize },
}

/// An order of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Market.
    pub market: usize,
    /// Side of the position.
    pub side: Side,
    /// Lots.
    pub lots: u64,
    /// Q32.32; `None` takes any price.
    pub limit: Option<u64>,
}

/// What a liquidator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taking {
    /// Market.
    pub market: usize,
    /// Most lots.
    pub lots: u64,
    /// Q32.32; `None` takes any price.
    pub limit: Option<u64>,
}

/// A trigger of a [`Step`]. Prices are Q32.32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What it waits for.
    pub kind: TriggerKind,
    /// Mark price that it waits for.
    pub price: u64,
    /// What to do then; the side is that of the position.
    pub order: Trade,
    /// Last moment, unix seconds.
    pub expiry: i64,
}

/// What is wrong with an otherwise sensible instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Its first argument, the incarnation where there is one, is off by one.
    FirstArgument,
    /// Somebody else signs.
    Stranger(usize),
    /// Somebody else signs, and names token accounts of his own.
    Thief(usize),
    /// Nobody signs.
    Unsigned,
    /// The last account is missing.
    Missing,
    /// One account is another one of the exchange's.
    Replaced(usize, usize),
}

/// What a step sends: instructions, or nothing if it acts on the chain from outside.
pub type Plan = Option<Vec<Instruction>>;

impl Step {
    /// Its name, for counting.
    #[must_use]
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(' ').next().unwrap_or_default().to_string()
    }

    /// What the step sends, built on the accounts as they are.
    ///
    /// # Errors
    /// [`BuildError`] never for the listings of a stage.
    pub fn instructions(&self, world: &World, stage: &Stage, now: &State) -> Result<Plan, BuildError> {
        let (listings, closed) = (&world.listings, bytemuck::zeroed_box::<MarginAccount>());
        let owner = |account| stage.actors[Stage::owner(account)];
        let wallet = |actor, vault| stage.keys[Stage::wallet(actor, vault)];
        let margin = |account| Margin {
            address: stage.keys[Stage::margin(account)],
            account: now.margin(account).unwrap_or(&closed),
        };
        let one = |instruction: Instruction, flaw: Flaw| Ok(Some(vec![flaw.put(instruction, stage)]));
        match *self {
            Self::Wait { .. } | Self::Slots { .. } | Self::Print { .. } | Self::Donate { .. } => Ok(None),
            Self::RefreshMarket { market } => {
                one(ix::refresh_market(narrow(market), stage::oracles(market)), Flaw::None)
            }
            Self::RefreshVault { vault } => {
                let mint = &listings.vaults[vault].mint;
                one(ix::refresh_vault((narrow(vault), mint), stage::oracles(vault - 1)), Flaw::None)
            }
            Self::OpenAccount { actor, sub } => {
                let owner = stage.actors[actor];
                one(ix::open_margin_account(owner, stage.payer, narrow(sub)), Flaw::None)
            }
            Self::CloseAccount { account, flaw } => {
                one(ix::close_margin_account(owner(account), margin(account).address), flaw)
            }
            Self::SetDelegate { account, delegate, flaw } => {
                let delegate = delegate.map_or(Pubkey::default(), |actor| stage.actors[actor]);
                one(ix::set_delegate(margin(account), delegate), flaw)
            }
            Self::Deposit { actor, account, vault, amount, flaw } => {
                let from = (wallet(actor, vault), amount);
                let listing = &listings.vaults[vault];
                one(ix::deposit(stage.actors[actor], margin(account).address, listing, from), flaw)
            }
            Self::Withdraw { by, account, vault, amount, flaw } => {
                let to = (wallet(by, vault), amount);
                let mut withdraw = ix::withdraw(listings, margin(account), narrow(vault), to)?;
                withdraw
                    .accounts
                    .iter_mut()
                    .filter(|a| a.is_signer)
                    .for_each(|a| a.pubkey = stage.actors[by]);
                one(withdraw, flaw)
            }
            Self::Open { by, account, order, flaw } => {
                let with = (order.side, order.opening());
                one(ix::open_position(listings, stage.actors[by], margin(account), with)?, flaw)
            }
            Self::Close { by, account, order, flaw } => {
                let closing = order.closing();
                one(ix::close_position(listings, stage.actors[by], margin(account), closing)?, flaw)
            }
            Self::RoundTrip { account, order } => {
                let (owner, margin) = (owner(account), margin(account));
                let open = ix::open_position(listings, owner, margin, (order.side, order.opening()))?;
                let close = ix::close_position(listings, owner, margin, order.closing())?;
                Ok(Some(vec![open, close]))
            }
            Self::Settle { account, market } => {
                one(ix::settle_position(margin(account).address, narrow(market)), Flaw::None)
            }
            Self::PlaceTrigger { .. } | Self::CancelTrigger { .. } | Self::ExecuteTrigger { .. } => {
                self.trigger(world, stage, now)
            }
            Self::AddLiquidity { .. }
            | Self::RequestRedeem { .. }
            | Self::Redeem { .. }
            | Self::CancelRedeem { .. } => self.liquidity(world, stage, now),
            Self::Liquidate { .. }
            | Self::LiquidateToPool { .. }
            | Self::LiquidateCollateral { .. }
            | Self::Resolve { .. }
            | Self::Deleverage { .. }
            | Self::Rebalance { .. } => self.distress(world, stage, now),
            Self::FundInsurance { .. }
            | Self::Stake { .. }
            | Self::RequestUnstake { .. }
            | Self::Unstake { .. }
            | Self::CancelUnstake { .. } => self.backstop(world, stage, now),
            Self::Allocate { market } => one(ix::allocate_liquidity(listings, narrow(market)), Flaw::None),
            Self::Sweep { market } => one(ix::sweep_market(narrow(market)), Flaw::None),
            Self::CheckInvariants { market, vault } => {
                let open = (0..ACCOUNTS).filter(|&account| now.margin(account).is_some());
                let members = open.map(|account| stage.keys[Stage::margin(account)]);
                let vault = Some(&listings.vaults[vault]);
                one(ix::check_invariants(vault, Some(narrow(market)), members), Flaw::None)
            }
        }
    }

    /// Whether it was signed for another incarnation of its account.
    #[must_use]
    pub const fn names_another_incarnation(&self) -> bool {
        match self {
            Self::SetDelegate { flaw, .. }
            | Self::Withdraw { flaw, .. }
            | Self::PlaceTrigger { flaw, .. }
            | Self::CancelTrigger { flaw, .. }
            | Self::Open { flaw, .. }
            | Self::Liquidate { flaw, .. }
            | Self::LiquidateCollateral { flaw, .. }
            | Self::Close { flaw, .. } => matches!(flaw, Flaw::FirstArgument),
            _ => false,
        }
    }

    /// Does what needs no transaction.
    pub fn happen(&self, world: &mut World, stage: &Stage) {
        match *self {
            Self::Wait { seconds } => world.advance(seconds),
            Self::Slots { slots } => world.advance_slots(slots),
            Self::Print { market, source, price, conf, age } => {
                stage::print(world, (market, source), (price, conf), age);
            }
            Self::Donate { vault, amount } => {
                let key = stage.keys[Stage::vault_tokens(vault)];
                world.write_tokens(key, |tokens| tokens.amount += amount);
                *world.donated.entry(narrow(vault)).or_default() += amount;
            }
            _ => {}
        }
    }
}

impl Trade {
    fn opening(&self) -> Order {
        let any = if self.side == Side::Long { u64::MAX } else { 0 };
        Order { market: narrow(self.market), lots: self.lots, limit_price: self.limit.unwrap_or(any) }
    }

    fn closing(&self) -> Order {
        Self { side: self.side.opposite(), ..*self }.opening()
    }
}

impl Wish {
    fn order(&self) -> TriggerOrder {
        let Self { kind, price, order, expiry } = *self;
        let order_of = if kind.is_reduce_only() { order.closing() } else { order.opening() };
        TriggerOrder { kind, side: order.side, trigger_price: price, order: order_of, expiry }
    }
}

impl Flaw {
    /// The same, of somebody who wants what moves for himself.
    #[must_use]
    pub const fn greedy(self) -> Self {
        match self {
            Self::Stranger(actor) => Self::Thief(actor),
            flaw => flaw,
        }
    }

    /// The instruction with the flaw.
    fn put(self, mut instruction: Instruction, stage: &Stage) -> Instruction {
        let accounts = &mut instruction.accounts;
        match self {
            Self::None => {}
            Self::FirstArgument => {
                if let Some(byte) = instruction.data.get_mut(8) {
                    *byte ^= 1;
                }
            }
            Self::Stranger(actor) => {
                accounts.iter_mut().filter(|a| a.is_signer).for_each(|a| a.pubkey = stage.actors[actor]);
            }
            Self::Thief(actor) => {
                for account in accounts {
                    let own = if account.is_signer {
                        stage.actors[actor]
                    } else {
                        stage.own(account.pubkey, actor)
                    };
                    account.pubkey = own;
                }
            }
            Self::Unsigned => accounts.iter_mut().for_each(|a| a.is_signer = false),
            Self::Missing => drop(accounts.pop()),
            Self::Replaced(which, with) => {
                let which = which % accounts.len();
                accounts[which].pubkey = stage.keys[with % stage.keys.len()];
            }
        }
        instruction
    }
}
