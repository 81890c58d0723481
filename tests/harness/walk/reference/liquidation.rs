//! Auctions, and what they end in.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::{AuctionCalled, CollateralSold, Liquidated, LiquidationKind};

use super::{Auction, Holder, Reference, Verdict, place, require};
use crate::walk::auction::{self, Lot, ONE, TAKEOVER, target};
use crate::walk::exact::{
    Curve, Held, Validity, mul_div_ceil, mul_div_floor, ppm, sign, validity, worth, worth_ceil,
};
use crate::walk::health::{Standing, faded, standing};
use crate::walk::stage::{MARKETS, Stage};
use crate::walk::state::State;

/// What a fill moves: signed cost of closing, concession, to the keeper and to the insurance from the account.
struct Price {
    lots: i128,
    cost: i128,
    concession: i128,
    keeper: i128,
    insurance: i128,
}

impl Reference {
    /// Account and standing of somebody in trouble, whose position in `market` goes first.
    fn distressed(&mut self, account: usize, market: usize, after: &State) -> Result<Standing, String> {
        self.accrue(market, after);
        let holder = self.ledger.holders[account].as_ref().ok_or("not open")?;
        let standing = standing(&self.ledger, holder, after);
        require(standing.in_trouble(), || format!("liquidated with {standing:?}"))?;
        require(standing.is_worst(market), || format!("market {market} first of {standing:?}"))?;
        let settling = self.ledger.dynamics[market].settling_since != 0;
        let core = &after.market(market).core;
        let (oracle, params) = (&core.oracle, &core.params.oracle);
        let state = validity(oracle, params, params.max_trade_age, after.now);
        let usable = matches!(state, Validity::Fresh | Validity::Wide);
        require(usable && !settling, || format!("liquidated at a price that is {state:?}"))?;
        Ok(standing)
    }

    pub(super) fn auction_called(&mut self, e: &AuctionCalled, stage: &Stage, after: &State) -> Verdict {
        let (account, market) = (place(stage, &e.account)?, usize::from(e.market));
        let standing = self.distressed(account, market, after)?;
        let holder = self.holder(stage, &e.account)?;
        let (slot, auction) = (i128::from(after.slot), &mut holder.auction);
        let elapsed = auction.call(slot, &standing, true);
        require(i128::from(e.elapsed) == elapsed, || format!("slot {} for {elapsed}", e.elapsed))
    }

    /// The position as it is offered.
    fn lot<'a>(&self, (held, standing): (&Held, &Standing), market: usize, after: &'a State) -> Lot<'a> {
        let params = &after.market(market).core.params;
        let offsets = &after.exchange().params.risk_groups.offset_ppm;
        let group = usize::from(params.risk_group).checked_sub(1);
        let dynamics = &self.ledger.dynamics[market];
        let (price, whole) = (dynamics.price, held.b.abs());
        let full = u32::try_from(dynamics.fractions[1]).unwrap_or(u32::MAX);
        let lot = Lot { held: whole, price, most: whole, mmf: full, params };
        // The group takes nothing back while the position's side stays the larger one without it.
        let Some(group) = group else { return lot };
        let (this, other) = (held.side as usize, held.side.opposite() as usize);
        let requirement = standing.by_market[market];
        let free = (standing.groups[group][this] - standing.groups[group][other]).min(requirement).max(0);
        if free >= requirement {
            return lot;
        }
        let most = mul_div_floor(whole, free, requirement.max(1));
        let most = most - most % i128::from(params.step);
        if lot.may_leave(most) && lot.may_leave(whole - most) {
            return Lot { most, ..lot };
        }
        let kept = u32::try_from(ppm(full.into(), 1_000_000 - offsets[group])).unwrap_or(u32::MAX);
        Lot { mmf: kept, ..lot }
    }

    /// Signed cost of closing lots at the mark, rounded in favour of who held them.
    pub(super) fn at_mark(&self, market: usize, side: Side, lots: i128) -> i128 {
        let price = self.ledger.dynamics[market].price;
        if side == Side::Long { -worth_ceil(lots, price) } else { worth(lots, price) }
    }

    /// What the auction offers for the lots that were taken.
    fn priced(
        &mut self,
        e: &Liquidated,
        (account, held): (usize, &Held),
        standing: &Standing,
        after: &State,
    ) -> Result<Price, String> {
        let (market, lots, slot) = (usize::from(e.market), i128::from(e.lots), i128::from(after.slot));
        let lot = self.lot((held, standing), market, after);
        let skew = self.ledger.skew(market);
        let auction = &mut self.ledger.holders[account].as_mut().ok_or("not open")?.auction;
        let elapsed = auction.call(slot, standing, true);
        let auction = *auction;
        require(i128::from(e.elapsed) == elapsed, || format!("slot {} for {elapsed}", e.elapsed))?;
        let heavy = skew.signum() == sign(held.side);
        let mark = self.at_mark(market, held.side, lots);
        let price = match e.kind {
            LiquidationKind::Takeover => {
                let offer = lot.to_taker(&auction, standing, elapsed);
                let whole = lots == lot.held;
                let cut = lots % i128::from(lot.params.step) == 0 && lot.may_leave(lot.held - lots);
                let within = lots <= offer.lots && lots > 0 && (whole || cut);
                require(within, || format!("{lots} lots of {offer:?}"))?;
                let concession = lot.part(lots, offer.concession);
                let insurance = lot.part(lots, offer.fee);
                Price { lots, cost: mark + concession, concession, keeper: 0, insurance }
            }
            LiquidationKind::PoolReduction => {
                require(elapsed < TAKEOVER && heavy, || format!("{e:?} at skew {skew}"))?;
                let offer = lot.to_pool(&auction, standing);
                let lots = lot.reducing(offer.lots, skew.abs());
                let whole = lot.part(lots, offer.concession);
                Price { lots, cost: mark, concession: 0, keeper: whole / 2, insurance: whole }
            }
            LiquidationKind::PoolTakeover => {
                require(elapsed >= TAKEOVER, || format!("taken over after {elapsed} slots"))?;
                let curve = Curve::of(&after.market(market).core);
                let closing = |lots: i128| curve.cost(skew, -sign(held.side) * lots);
                let worse = (closing(lot.most) - self.at_mark(market, held.side, lot.most)).max(0);
                let impact = mul_div_ceil(worse, ONE, worth(lot.most, lot.price).max(1));
                let offer = lot.takeover(&auction, standing, impact);
                let curve = closing(offer.lots);
                let (mark, most) =
                    (self.at_mark(market, held.side, offer.lots), lot.part(offer.lots, offer.concession));
                let cost = curve.min(mark + most);
                let left = most - (cost - mark).max(0);
                let insurance = lot.part(offer.lots, offer.fee).min(left.max(0));
                Price { lots: offer.lots, cost, concession: 0, keeper: 0, insurance }
            }
            LiquidationKind::Deleveraging => return Err("no auction".into()),
        };
        Ok(price)
    }

    pub(super) fn liquidated(&mut self, e: &Liquidated, stage: &Stage, after: &State) -> Verdict {
        let (account, market) = (place(stage, &e.account)?, usize::from(e.market));
        if e.kind == LiquidationKind::Deleveraging {
            return self.deleveraged(e, stage, after);
        }
        let takeover = e.kind == LiquidationKind::Takeover;
        let standing = self.distressed(account, market, after)?;
        let held = self.ledger.holders[account].and_then(|h| h.positions[market]).ok_or("no position")?;
        let price = self.priced(e, (account, &held), &standing, after)?;
        let taker = takeover.then(|| place(stage, &e.liquidator)).transpose()?;
        self.lift(account, market);
        let (now, realised, paid) = self.closed(e, account, price.lots, price.cost)?;
        let mut taken = (0, 0);
        if let Some(taker) = taker {
            taken = self.handed_over(taker, (market, &now), (price.lots, price.cost), after)?;
        }
        let price = self.shared_out(market, price, after);
        let tip = self.tip(market, (price.lots, price.insurance), after);
        let due = if takeover { 0 } else { price.keeper.max(tip) };
        let mut expected = [price.lots, price.cost, price.concession, realised, paid];
        let told = [e.lots.cast_signed(), e.cost, e.concession.cast_signed(), e.realised, e.paid];
        require(told.map(i128::from) == expected, || format!("{told:?} for {expected:?}"))?;
        let quote = paid - price.insurance;
        expected = [quote, now.b, now.q, taken.0, taken.1];
        let told = [e.quote_change, e.position_lots, e.position_quote, e.liquidator_lots, e.liquidator_quote];
        require(told.map(i128::from) == expected, || format!("{told:?} for {expected:?}"))?;
        self.post(account, (market, held.side), quote)?;
        self.auction_over(account, after)?;
        self.keeper_paid(e, stage, (due, price.insurance))
    }

    /// Takes lots off a position: what is left, realised and paid.
    pub(super) fn closed(
        &mut self,
        e: &Liquidated,
        account: usize,
        lots: i128,
        cost: i128,
    ) -> Result<(Held, i128, i128), String> {
        let market = usize::from(e.market);
        let mark = self.ledger.dynamics[market].mark();
        let (mut now, unwound) = self.take_out(account, market)?.ok_or("no position")?;
        let told = (i128::from(e.unwound_lots), i128::from(e.unwound_quote));
        require(told == unwound, || format!("unwound {told:?} for {unwound:?}"))?;
        require(u8::try_from(now.side as usize) == Ok(e.side), || format!("{e:?} of {now:?}"))?;
        let told = i128::from(e.price);
        require(told == mark.price >> 16, || format!("at {told}, the mark is {mark:?}"))?;
        require((1..=now.b.abs()).contains(&lots), || format!("{lots} lots of {now:?}"))?;
        let realised = now.decrease(-sign(now.side) * lots, cost, &mark);
        let paid = self.pay(market, realised);
        now.q += realised - paid;
        require(i128::from(e.claim) == realised - paid, || format!("claim {}", e.claim))?;
        self.put_back(account, market, now)?;
        Ok((now, realised, paid))
    }

    /// The other side of a takeover: the lots at what their seller got.
    fn handed_over(
        &mut self,
        taker: usize,
        (market, from): (usize, &Held),
        (lots, cost): (i128, i128),
        after: &State,
    ) -> Result<(i128, i128), String> {
        let mark = self.ledger.dynamics[market].mark();
        let (mut to, _) = self.take_out(taker, market)?.unwrap_or((Held::new(from.side), (0, 0)));
        require(to.side == from.side, || format!("{to:?} takes over from {from:?}"))?;
        to.increase(sign(from.side) * lots, -cost, &mark);
        to.since = after.now;
        self.put_back(taker, market, to)?;
        Ok((to.b, to.q))
    }

    /// The insurance has its part; the keeper's is paid from it later.
    fn shared_out(&mut self, market: usize, price: Price, after: &State) -> Price {
        self.lend(market, after);
        self.ledger.tills[market].insurance += price.insurance;
        price
    }

    /// What a keeper's tip is for this many lots that brought the insurance so much: no more than that and half a taker
    /// fee.
    pub(super) fn tip(&self, market: usize, (lots, insurance): (i128, i128), after: &State) -> i128 {
        let params = &after.market(market).core.params;
        let fee = ppm(worth(lots, self.ledger.dynamics[market].price), params.taker_fee_ppm);
        i128::from(params.deleverage.keeper_tip).min(insurance + fee / 2)
    }

    /// What is due to a keeper, from the insurance, as far as that has it and the market can spare it.
    pub(super) fn keeper_paid(
        &mut self,
        e: &Liquidated,
        stage: &Stage,
        (due, insurance): (i128, i128),
    ) -> Verdict {
        let till = &mut self.ledger.tills[usize::from(e.market)];
        let mut keeper = 0;
        if e.liquidator != e.account && e.kind != LiquidationKind::Takeover {
            keeper = due.min(till.insurance).min(till.spare());
            till.insurance -= keeper;
            self.holder(stage, &e.liquidator)?.quote += keeper;
        }
        let (told, expected) =
            ((i128::from(e.keeper), i128::from(e.insurance)), (keeper, insurance - keeper));
        require(told == expected, || format!("keeper and insurance {told:?} for {expected:?}"))
    }

    /// Ends the auction of an account that is 5 % above its requirement.
    fn auction_over(&mut self, account: usize, after: &State) -> Verdict {
        let holder = self.ledger.holders[account].as_ref().ok_or("not open")?;
        let standing = standing(&self.ledger, holder, after);
        if standing.equity >= target(standing.requirement) {
            self.ledger.holders[account].as_mut().ok_or("not open")?.auction = Auction::default();
        }
        Ok(())
    }

    /// In trouble up to what its requirement lacks, at the auction's discount; healthy with a large debt up to that, at the
    /// smallest. A price that is dead is worth what is left of it.
    pub(super) fn sold(&mut self, e: &CollateralSold, stage: &Stage, after: &State) -> Verdict {
        let vault = usize::from(e.vault);
        let (buyer, slot) = (place(stage, &e.liquidator)?, i128::from(after.slot));
        let holder = *self.holder(stage, &e.account)?;
        let standing = standing(&self.ledger, &holder, after);
        let (mut auction, mut reason, owed) = (holder.auction, None, holder.owed());
        if standing.in_trouble() {
            let positions = holder.has_positions();
            reason = Some((auction.call(slot, &standing, positions), positions));
        }
        let core = &after.vault(vault).core;
        let (oracle, params) = (&core.oracle, &core.params);
        let faded = faded(oracle.publish_time, after.now);
        let discount = if faded > 0 && reason.is_some() {
            auction::of_ppm(faded)
        } else {
            let state = validity(oracle, &params.oracle, params.oracle.max_trade_age, after.now);
            let fine = state == Validity::Fresh || state == Validity::Wide && reason.is_some();
            require(fine, || format!("sold at a price that is {state:?}"))?;
            auction::discount(params.haircut_maint_ppm, reason)
        };
        let wanted = if let Some((_, positions)) = reason {
            // With positions what restores it, `(1.05·MM − E)·(1 − δ) / (h − δ)`, or its debt; never more than both.
            let most = (standing.requirement - holder.quote).max(0);
            let gained = auction::of_ppm(params.haircut_maint_ppm) - discount;
            let missing = (target(standing.requirement) - standing.equity).max(0);
            let restoring = if gained <= 0 { 0 } else { mul_div_ceil(missing, ONE - discount, gained) };
            let restoring = if restoring > i128::from(u64::MAX) { 0 } else { restoring };
            if positions { restoring.max(owed).min(most) } else { most }
        } else {
            self.due(&holder, owed, after)
        };
        require(wanted > 0 && !standing.is_unsure(), || format!("{owed} owed, {standing:?}"))?;
        let price = i128::from(oracle.price.to_bits());
        let (kept, held, amount) = (ONE - discount, holder.collaterals[vault], i128::from(e.amount));
        let enough = if kept == 0 { held } else { mul_div_ceil(mul_div_ceil(wanted, ONE, kept), ONE, price) };
        let most = enough.min(held);
        require((1..=most).contains(&amount), || format!("{amount} sold of {most}"))?;
        let proceeds = mul_div_ceil(worth_ceil(amount, price), kept, ONE);
        let told = [e.price, e.discount, e.proceeds].map(i128::from);
        let expected = [price, discount, proceeds];
        require(told == expected, || format!("{told:?} for {expected:?}"))?;
        let seller = self.holder(stage, &e.account)?;
        seller.auction = auction;
        seller.quote += proceeds;
        seller.collaterals[vault] -= amount;
        let buyer = self.ledger.holders[buyer].as_mut().ok_or("not open")?;
        require(buyer.quote >= proceeds, || format!("{proceeds} paid of {}", buyer.quote))?;
        buyer.quote -= proceeds;
        buyer.collaterals[vault] += amount;
        Ok(())
    }

    /// What a healthy account sells for: its debt if that is large, or what it owes a market that settles, or where claims
    /// wait for it, whichever market was named.
    fn due(&self, holder: &Holder, owed: i128, after: &State) -> i128 {
        if owed > i128::from(after.exchange().params.auto_exchange_threshold) {
            return owed;
        }
        let pressing = |market: usize| {
            let due = holder.debts.share(market, owed);
            let settles = self.ledger.dynamics[market].settling_since != 0;
            if settles { due } else { due.min(self.ledger.waiting(market)) }
        };
        (0..MARKETS).map(pressing).max().unwrap_or(0)
    }

    /// A call of the auction by who might buy collateral, and buys nothing: no event tells of it.
    ///
    /// # Errors
    /// If the account is not in trouble and owes too little.
    pub fn collateral_called(&mut self, account: usize, after: &State) -> Verdict {
        let holder = self.ledger.holders[account].ok_or("not open")?;
        let standing = standing(&self.ledger, &holder, after);
        if standing.in_trouble() {
            let (slot, positions) = (i128::from(after.slot), holder.has_positions());
            let mut auction = holder.auction;
            auction.call(slot, &standing, positions);
            self.ledger.holders[account] = Some(Holder { auction, ..holder });
            return Ok(());
        }
        let due = self.due(&holder, holder.owed(), after);
        require(due > 0, || format!("called with {standing:?}"))
    }
}
