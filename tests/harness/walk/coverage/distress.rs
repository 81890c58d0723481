//! What of liquidation, bankruptcy and deleveraging has been seen.

use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{BankruptcyResolved, CollateralSold, Liquidated, LiquidationKind};

use super::Coverage;
use crate::walk::auction::of_ppm;
use crate::walk::checks::Moment;
use crate::walk::exact::WHOLE;
use crate::walk::health::standing;
use crate::walk::reference::Holder;
use crate::walk::stage::Stage;

fn holders<'a>(m: &'a Moment<'_>, account: usize) -> [Option<&'a Holder>; 2] {
    [m.was.holders[account].as_ref(), m.is.holders[account].as_ref()]
}

impl Coverage {
    pub(super) fn note_distress(&mut self, m: &Moment<'_>, event: &Event) {
        match event {
            Event::AuctionCalled(e) => {
                self.see("auction started", e.elapsed == 0);
                self.see("auction kept running", e.elapsed > 0);
                self.note_lapse(m, m.stage.account(&e.account), e.elapsed);
            }
            Event::Liquidated(e) => self.note_liquidation(m, e),
            Event::CollateralSold(e) => self.note_sale(m, e),
            Event::ClaimForfeited(_) => self.see("claim forfeited", true),
            Event::BankruptcyResolved(e) => self.note_resolution(m, e),
            Event::MarketRebalanced(_) => self.see("market rebalanced", true),
            Event::MarketSettling(_) => self.see("market begins to settle", true),
            Event::PositionSettled(e) => {
                self.see("unwind settled later", e.unwound_lots > 0);
                self.see("position closed at the frozen price", {
                    m.is.dynamics[usize::from(e.market)].settling_since != 0 && e.claim_paid == 0
                });
                self.see("claim paid pro rata", e.forgone > 0 && e.claim_paid > 0);
                self.see("profit realised for a debt", e.profit > 0);
            }
            Event::Traded(e) => {
                self.see("trade of an unwound position", e.unwound_lots > 0);
                let crowd = |u: &crate::walk::reference::Holder| u.auction.started != 0;
                let running =
                    m.stage.account(&e.account).and_then(|a| m.was.holders[a]).is_some_and(|h| crowd(&h));
                self.see("trade in the middle of an auction", running);
            }
            Event::Deposited(e) => {
                let account = m.stage.account(&e.account).and_then(|a| m.was.holders[a]);
                self.see(
                    "deposit in the middle of an auction",
                    account.is_some_and(|h| h.auction.started != 0),
                );
            }
            Event::BackstopStaked(_) => self.see("stake added", true),
            Event::UnstakeRequested(_) => {
                self.see("stake begins to cool", true);
                let short = m.is.holders.iter().flatten().any(|h| h.quote < 0 && !h.has_positions());
                self.see("stake begins to cool before a loss is booked", short);
            }
            Event::Unstaked(e) => {
                let ticket = m.stage.ticket(&e.staker, e.nonce).and_then(|t| m.was.cooling[t]);
                let then = ticket.map_or(0, |t| t.value * i128::from(e.cooling) / t.shares);
                self.see("stake paid after a slash", i128::from(e.paid) + 2 < then);
                self.see("stake paid in full", e.cooling_left == 0 && i128::from(e.paid) + 2 >= then);
                self.see("stake paid in part", e.cooling_left > 0);
            }
            Event::UnstakeCancelled(e) => {
                self.see("stake taken back", m.signers.contains(&e.staker));
                self.see("stake given back by somebody after its window", !m.signers.contains(&e.staker));
            }
            _ => {}
        }
    }

    /// Unwinds of the step.
    pub(super) fn note_unwindings(&mut self, m: &Moment<'_>) {
        for unwinding in &m.reference.unwindings {
            let before = &m.was.ladders[unwinding.market][unwinding.side].buckets;
            self.see("winners unwound", true);
            self.see("bucket unwound twice", unwinding.buckets.iter().any(|&b| before[b].left != WHOLE));
            self.see("winners of many accounts unwound", {
                let hit =
                    |h: &&Holder| h.positions[unwinding.market].is_some_and(|p| unwinding.takes_from(&p));
                m.was.holders.iter().flatten().filter(hit).count() > 2
            });
        }
    }

    fn note_lapse(&mut self, m: &Moment<'_>, account: Option<usize>, elapsed: u64) {
        let was = account.and_then(|a| m.was.holders[a]).map(|h| h.auction).unwrap_or_default();
        self.see("auction lapsed", was.started != 0 && elapsed == 0 && !was.is_running(m.after.slot.into()));
    }

    fn note_liquidation(&mut self, m: &Moment<'_>, e: &Liquidated) {
        use LiquidationKind::{Deleveraging, PoolReduction, PoolTakeover, Takeover};
        let Some(account) = m.stage.account(&e.account) else { return };
        let whole = e.position_lots == 0;
        self.see("takeover of a part", e.kind == Takeover && !whole);
        self.see("takeover of the whole", e.kind == Takeover && whole);
        self.see("takeover at the highest concession", e.kind == Takeover && e.elapsed >= 20);
        self.see("takeover in the middle of the ramp", e.kind == Takeover && (1..20).contains(&e.elapsed));
        let own = m.stage.account(&e.liquidator).map(Stage::owner) == Some(Stage::owner(account));
        self.see("takeover by another account of the same owner", e.kind == Takeover && own);
        self.see("pool takes what reduces its skew", e.kind == PoolReduction);
        self.see("pool takes what nobody wanted", e.kind == PoolTakeover);
        self.see("exposure deleveraged", e.kind == Deleveraging);
        self.see("liquidation fee", e.kind != Deleveraging && e.insurance > 0);
        self.see("tip paid", matches!(e.kind, PoolTakeover | Deleveraging) && e.keeper > 0);
        self.see("claim made by a liquidation", e.claim > 0);
        self.see("unwound position liquidated", e.unwound_lots > 0);
        if e.kind == Deleveraging {
            return;
        }
        self.note_lapse(m, Some(account), e.elapsed);
        let [_, Some(now)] = holders(m, account) else { return };
        let standing = standing(m.is, now, m.after);
        let over = now.auction.started == 0 && now.has_positions();
        self.see("account recovers by a fill", over && standing.equity >= standing.requirement);
        self.see("account owes after its liquidation", now.quote < 0 && !now.has_positions());
    }

    fn note_sale(&mut self, m: &Moment<'_>, e: &CollateralSold) {
        let Some(was) = m.stage.account(&e.account).and_then(|a| m.was.holders[a]) else { return };
        let haircut = of_ppm(m.after.vault(usize::from(e.vault)).core.params.haircut_maint_ppm);
        let trouble = standing(m.was, &was, m.after).in_trouble();
        let dead =
            trouble && m.after.now - m.after.vault(usize::from(e.vault)).core.oracle.publish_time > 86_400;
        self.see("collateral sold in trouble", trouble && was.has_positions());
        self.see(
            "collateral sold at a clearing discount",
            trouble && !dead && i128::from(e.discount) > haircut,
        );
        self.see("collateral sold for a debt", !trouble);
        let small = was.owed() <= i128::from(m.after.exchange().params.auto_exchange_threshold);
        self.see("collateral sold for a market in need", !trouble && small);
        self.see("collateral sold at a dead price", dead);
    }

    fn note_resolution(&mut self, m: &Moment<'_>, e: &BankruptcyResolved) {
        let tail = m.after.market(usize::from(e.market)).core.params.waterfall.tail == 1;
        self.see("tier 1: insurance", e.insurance > 0);
        self.see("tier 2: reserve", e.reserve > 0);
        self.see("tier 3: backstop", e.backstop > 0);
        self.see("tier 4: first loss", e.first_loss > 0);
        self.see("tier 5: winners", e.deleveraged > 0 && !tail);
        self.see("tier 5 before the fund", e.deleveraged > 0 && tail);
        self.see("tier 6: pool", e.pool > 0);
        self.see("tier 7: traders", e.traders > 0);
        self.see("loss that no tier had", e.unpaid > 0);
        self.see("surplus of an unwind", e.surplus > 0);
        let account = m.stage.account(&e.account).and_then(|a| m.was.holders[a]);
        let markets =
            account.map_or(0, |h| h.debts.lost.iter().filter(|sides| sides.iter().any(|a| *a > 0)).count());
        self.see("debts in more than one market", markets > 1);
    }
}
