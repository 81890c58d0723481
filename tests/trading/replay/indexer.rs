//! What an indexer knows from events alone.

use std::collections::BTreeMap;

use bulwark_sdk::engine::ladder::WHOLE;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{BankruptcyResolved, LiquidationKind, MarketClosed};
use bulwark_sdk::program::state::{InsuranceFund, MarginAccount};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::World;

use super::fund::Fund;
use crate::support::Held;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    quote: i128,
    collaterals: BTreeMap<u16, u64>,
    positions: BTreeMap<u16, (i64, i64)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Till {
    sequence: u64,
    cash: i128,
    insurance: i128,
    committed: u64,
    fees: [u64; 3],
    price: u64,
}

/// What is known from events alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Indexer {
    pub accounts: BTreeMap<Pubkey, Account>,
    pub markets: BTreeMap<u16, Till>,
    /// Sequence and recorded tokens.
    vaults: BTreeMap<u16, (u64, u64)>,
    pool_sequence: u64,
    idle: i128,
    /// Junior and senior.
    shares: [u64; 2],
    fund: Fund,
    protocol_fees: u64,
}

/// Takes the next number, without a gap.
pub fn next(sequence: &mut u64, number: u64, what: &str) {
    assert_eq!(*sequence, number, "gap in the events of {what}");
    *sequence += 1;
}

impl Indexer {
    fn market(&mut self, market: u16, sequence: u64) -> &mut Till {
        let till = self.markets.get_mut(&market).expect("market was created");
        next(&mut till.sequence, sequence, "a market");
        till
    }

    fn vault(&mut self, vault: u16, sequence: u64) -> &mut u64 {
        let (count, recorded) = self.vaults.get_mut(&vault).expect("vault was created");
        next(count, sequence, "a vault");
        recorded
    }

    fn account(&mut self, account: Pubkey) -> &mut Account {
        self.accounts.get_mut(&account).expect("account was opened")
    }

    fn moved(&mut self, account: Pubkey, vault: u16, amount: i128) {
        let account = self.account(account);
        if vault == 0 {
            account.quote += amount;
        } else {
            let held = account.collaterals.entry(vault).or_default();
            *held = u64::try_from(i128::from(*held) + amount).expect("not below zero");
        }
    }

    fn holds(&mut self, account: Pubkey, market: u16, lots: i64, quote: i64) {
        let positions = &mut self.account(account).positions;
        if (lots, quote) == (0, 0) {
            positions.remove(&market);
        } else {
            positions.insert(market, (lots, quote));
        }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::ExchangeInitialized(_) => {
                self.vaults.insert(0, (0, 0));
            }
            Event::VaultCreated(e) => {
                // The quote vault, listed with the exchange, may announce itself too.
                self.vaults.entry(e.vault).or_insert((0, 0));
            }
            Event::MarketCreated(e) => {
                self.markets.insert(e.market, Till { price: e.price, ..Till::default() });
            }
            Event::MarketRefreshed(e) => self.market(e.market, e.sequence).price = e.price,
            Event::VaultRefreshed(e) => {
                self.vault(e.vault, e.sequence);
            }
            Event::MarginAccountOpened(e) => {
                assert!(self.accounts.insert(e.account, Account::default()).is_none(), "opened twice");
            }
            Event::MarginAccountClosed(e) => {
                let account = self.accounts.remove(&e.account).expect("was open");
                assert!(account.quote == 0 && account.positions.is_empty(), "closed empty");
                assert!(account.collaterals.values().all(|c| *c == 0), "closed empty");
            }
            Event::Deposited(e) => {
                *self.vault(e.vault, e.sequence) += e.amount;
                self.moved(e.account, e.vault, i128::from(e.amount));
            }
            Event::Withdrawn(e) => {
                *self.vault(e.vault, e.sequence) -= e.amount;
                self.moved(e.account, e.vault, -i128::from(e.amount));
            }
            Event::Traded(e) => {
                let till = self.market(e.market, e.sequence);
                till.cash -= i128::from(e.paid);
                for (sum, fee) in till.fees.iter_mut().zip([e.fee_pool, e.fee_insurance, e.fee_protocol]) {
                    *sum += fee;
                }
                assert_eq!(till.price, e.price, "the mark is the last one that was refreshed");
                let fees = i128::from(e.fee_pool) + i128::from(e.fee_insurance) + i128::from(e.fee_protocol);
                self.account(e.account).quote += i128::from(e.paid) - fees;
                self.holds(e.account, e.market, e.position_lots, e.position_quote);
            }
            Event::PositionSettled(e) => {
                let change = i128::from(e.claim_paid) + i128::from(e.profit) - i128::from(e.loss);
                self.market(e.market, e.sequence).cash -= change;
                self.account(e.account).quote += change;
                self.holds(e.account, e.market, e.position_lots, e.position_quote);
            }
            Event::LiquidityAdded(e) => {
                next(&mut self.pool_sequence, e.sequence, "the pool");
                self.idle += i128::from(e.amount);
                self.shares[usize::from(e.tranche)] += e.shares;
                *self.vault(0, e.vault_sequence) += e.amount;
            }
            Event::LiquidityAllocated(e) => {
                next(&mut self.pool_sequence, e.pool_sequence, "the pool");
                self.idle -= i128::from(e.amount);
                let till = self.market(e.market, e.sequence);
                // What comes back is realised profit first, cash beyond the principal, and then principal.
                let profit = (till.cash - i128::from(till.committed)).max(0);
                let lent =
                    if e.amount > 0 { e.amount.into() } else { (i128::from(e.amount) + profit).min(0) };
                assert_eq!(i128::from(e.committed), i128::from(till.committed) + lent, "principal");
                till.cash += i128::from(e.amount);
                till.committed = e.committed;
            }
            Event::MarketSwept(e) => {
                next(&mut self.pool_sequence, e.pool_sequence, "the pool");
                let till = self.market(e.market, e.sequence);
                assert_eq!(till.fees, [e.pool, e.insurance, e.protocol], "all that had accrued");
                till.fees = [0; 3];
                self.idle += i128::from(e.pool);
                self.fund.income(e.fund_sequence, e.insurance, e.staked);
                self.protocol_fees += e.protocol;
            }
            Event::TriggerExecuted(e) => {
                self.market(e.market, e.sequence);
                self.account(e.account).quote -= i128::from(e.fee);
                self.account(e.keeper).quote += i128::from(e.fee);
            }
            Event::RedeemRequested(e) => next(&mut self.pool_sequence, e.sequence, "the pool"),
            Event::RedeemCancelled(e) => next(&mut self.pool_sequence, e.sequence, "the pool"),
            Event::Redeemed(e) => {
                next(&mut self.pool_sequence, e.sequence, "the pool");
                self.idle -= i128::from(e.paid);
                self.shares[usize::from(e.tranche)] -= e.shares;
                *self.vault(0, e.vault_sequence) -= e.paid;
            }
            Event::AuctionCalled(e) => drop(self.market(e.market, e.sequence)),
            Event::Liquidated(e) => {
                let till = self.market(e.market, e.sequence);
                till.cash -= i128::from(e.paid);
                till.insurance += i128::from(e.insurance);
                assert_eq!(till.price, e.price, "the mark is the last one that was refreshed");
                self.account(e.account).quote += i128::from(e.quote_change);
                self.account(e.liquidator).quote += i128::from(e.keeper);
                self.holds(e.account, e.market, e.position_lots, e.position_quote);
                if e.kind == LiquidationKind::Takeover {
                    self.holds(e.liquidator, e.market, e.liquidator_lots, e.liquidator_quote);
                }
            }
            Event::CollateralSold(e) => {
                self.vault(e.vault, e.sequence);
                for (who, sign) in [(e.account, 1), (e.liquidator, -1)] {
                    self.moved(who, e.vault, -sign * i128::from(e.amount));
                    self.account(who).quote += sign * i128::from(e.proceeds);
                }
            }
            Event::ClaimForfeited(e) => {
                self.market(e.market, e.sequence);
                // What a pending unwind took of it before was not settled.
                let claim = self.account(e.account).positions.remove(&e.market);
                assert!(claim.is_some_and(|(lots, quote)| lots == 0 && quote.cast_unsigned() >= e.claim));
            }
            Event::BankruptcyResolved(e) => self.resolved(e),
            // Who was unwound says so when his position is next touched.
            Event::MarketRebalanced(e) => {
                let till = self.market(e.market, e.sequence);
                assert_eq!(till.price, e.price, "the mark is the last one that was refreshed");
            }
            Event::MarketSettling(e) => self.market(e.market, e.sequence).price = e.price,
            Event::InsuranceFunded(e) => {
                self.fund.donated(e.sequence, e.amount);
                *self.vault(0, e.vault_sequence) += e.amount;
            }
            Event::BackstopStaked(e) => {
                self.fund.staked(e.sequence, e.amount, e.shares);
                *self.vault(0, e.vault_sequence) += e.amount;
            }
            Event::UnstakeRequested(e) => self.fund.requested(e.sequence, e.shares, (e.cooling, e.value)),
            Event::Unstaked(e) => {
                self.fund.unstaked(e.sequence, e.cooling, e.paid);
                *self.vault(0, e.vault_sequence) -= e.paid;
            }
            Event::UnstakeCancelled(e) => self.fund.cancelled(e.sequence, e.cooling, e.shares),
            Event::DelegateSet(_) | Event::TriggerPlaced(_) | Event::TriggerCancelled(_) => {}
            Event::InvariantsChecked(e) => assert!(e.ok),
            Event::MarketStatusChanged(e) => drop(self.market(e.market, e.sequence)),
            Event::MarketClosed(e) => self.closed(e),
            Event::ProtocolFeesCollected(e) => {
                *self.vault(0, e.vault_sequence) -= e.amount;
                self.protocol_fees -= e.amount;
            }
            // What is decided moves no money.
            Event::ChangeProposed(_) | Event::ChangeExecuted(_) | Event::ChangeCancelled(_) => {}
            Event::Tightened(_) | Event::PauseSet(_) => {}
            Event::AdminNominated(_) | Event::AdminChanged(_) => {}
        }
    }

    /// All that was left goes where it belongs, and the market is gone.
    fn closed(&mut self, e: &MarketClosed) {
        next(&mut self.pool_sequence, e.pool_sequence, "the pool");
        self.market(e.market, e.sequence);
        let till = self.markets.remove(&e.market).expect("market was created");
        let [pool, insurance, protocol] = till.fees.map(i128::from);
        assert_eq!([pool + till.cash, insurance + till.insurance, protocol], {
            [e.pool, e.insurance, e.protocol].map(i128::from)
        });
        self.idle += i128::from(e.pool);
        self.fund.donated(e.fund_sequence, e.insurance);
        self.protocol_fees += e.protocol;
    }

    /// What the tiers paid is no longer owed. Cash pays tiers 4 to 6 and what rounding gave the insurance; tier 7 takes cash
    /// first and then the fees, the pool's, the insurance fund's, the protocol's.
    fn resolved(&mut self, e: &BankruptcyResolved) {
        let tiers = [e.insurance, e.reserve, e.backstop, e.first_loss, e.deleveraged, e.pool, e.traders];
        let paid: u64 = tiers.iter().sum();
        assert_eq!(paid + e.unpaid, e.debt, "the parts sum to the debt");
        self.account(e.account).quote += i128::from(paid);
        self.fund.lost(e.fund_sequence, e.reserve, e.backstop);
        let till = self.market(e.market, e.sequence);
        assert_eq!(till.price, e.price, "the mark is the last one that was refreshed");
        till.insurance += i128::from(e.surplus) - i128::from(e.insurance);
        till.cash -= [e.first_loss, e.deleveraged, e.pool, e.surplus].map(i128::from).iter().sum::<i128>();
        let mut left = i128::from(e.traders);
        let cash = left.min(till.cash);
        (till.cash, left) = (till.cash - cash, left - cash);
        for fee in &mut till.fees {
            let part = left.min(i128::from(*fee));
            *fee -= u64::try_from(part).expect("a part of a fee");
            left -= part;
        }
        assert_eq!(left, 0, "tier 7 is what there was");
    }

    /// The same from the accounts.
    pub fn of_chain(world: &World) -> Self {
        let exchange = world.exchange();
        let mut chain = Self { protocol_fees: exchange.protocol_fees, ..Self::default() };
        for index in exchange.markets() {
            let (market, book) = (world.market(index), world.market(index).core.book);
            let till = Till {
                sequence: market.sequence,
                cash: i128::from(book.cash),
                insurance: i128::from(book.insurance),
                committed: book.committed,
                fees: [book.fees.pool, book.fees.insurance, book.fees.protocol],
                price: market.core.mark().to_bits(),
            };
            chain.markets.insert(index, till);
        }
        for index in 0..exchange.vault_count {
            let vault = world.vault(index);
            chain.vaults.insert(index, (vault.sequence, vault.core.recorded));
        }
        let (pool, fund) = (world.pool(), world.get::<InsuranceFund>(&address::insurance_fund()));
        (chain.pool_sequence, chain.idle, chain.shares) =
            (pool.sequence, i128::from(pool.core.idle), [pool.core.junior.shares, pool.core.senior.shares]);
        chain.fund = Fund::of_chain(&fund);
        for (key, data) in world.svm.get_program_accounts(&address::PROGRAM) {
            let Ok(account) = bulwark_sdk::account::decode_copy::<MarginAccount>(&data.data) else {
                continue;
            };
            let held = account.collaterals.iter().filter(|c| c.amount != 0);
            let open = account.positions.iter().filter(|p| p.is_open());
            let account = Account {
                quote: i128::from(account.quote.0),
                collaterals: held.map(|c| (c.vault, c.amount)).collect(),
                positions: open.map(|p| (p.market, (p.lots.0, p.quote.0))).collect(),
            };
            chain.accounts.insert(key, account);
        }
        chain
    }

    /// Without collaterals that were withdrawn to nothing.
    pub fn tidy(&mut self) {
        for account in self.accounts.values_mut() {
            account.collaterals.retain(|_, amount| *amount != 0);
        }
    }

    /// Side totals and claims follow from the positions, and what the market owes at mark is what they are
    /// worth (I2).
    pub fn check_books(&self, world: &World, what: &str) {
        for index in self.markets.keys() {
            let book = world.market(*index).core.book;
            if [&book.long, &book.short].iter().any(|side| side.buckets.iter().any(|b| b.unwind != WHOLE)) {
                continue; // members know what was unwound when they are next touched
            }
            let held = || self.accounts.values().filter_map(|a| a.positions.get(index));
            let lots = |sign: i64| held().map(|p| (p.0 * sign).max(0).unsigned_abs()).sum::<u64>();
            assert_eq!((book.long.lots, book.short.lots), (lots(1), lots(-1)), "{what}: open interest");
            let cost: i64 = held().map(|p| p.1).sum();
            assert_eq!(book.long.cost.0 + book.short.cost.0, cost, "{what}: cost");
            let claims: i64 = held().filter(|p| p.0 == 0).map(|p| p.1).sum();
            assert_eq!(book.unpaid_claims.cast_signed(), claims, "{what}: claims");
            let mark = world.market(*index).core.mark();
            let worth = |p: &(i64, i64)| Held { b: i128::from(p.0), q: i128::from(p.1) }.pnl(mark.to_bits());
            let (sum, owed) = (held().map(worth).sum::<i128>(), book.traders_pnl(mark).expect("pnl"));
            let dust = i128::from(owed.0) - sum;
            assert!((0..=2 + held().count() as i128).contains(&dust), "{what}: {dust} units of dust");
        }
    }
}
