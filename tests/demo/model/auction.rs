//! What an account in trouble has to give up, and for what.

use super::{ModelMarket, ModelPosition, ONE, PPM, ceil, share};

/// Slots in which the concession rises.
const RAMP: i128 = 20;
/// Concession of the start, at most.
const START_PPM: i128 = 2_000;

/// What is offered of a position: shares are of 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelOffer {
    /// Concession to who takes the lots.
    pub concession: i128,
    /// Fee to the insurance.
    pub fee: i128,
    /// Lots that bring equity to 105 % of the requirement.
    pub lots: i128,
}

/// What a liquidation should move, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelFill {
    /// Lots taken off.
    pub lots: i128,
    /// Signed cost of closing them.
    pub cost: i128,
    /// Part of the cost that is concession.
    pub concession: i128,
    /// Profit or loss realised.
    pub realised: i128,
    /// What the insurance gained, a keeper's pay taken off.
    pub insurance: i128,
    /// What a keeper is due; after [`ModelMarket::pay_keeper`] what he was paid.
    pub keeper: i128,
    /// Change of the account's balance.
    pub quote_change: i128,
}

fn of_ppm(ppm: i128) -> i128 {
    (ppm << 32) / PPM
}

impl ModelMarket {
    /// Equity and maintenance margin of an account with this balance and this one position.
    pub fn health(&self, quote: i128, position: &ModelPosition) -> [i128; 2] {
        let (lots, _) = self.held(position);
        let worth = ceil(lots.abs() * self.price, ONE);
        [quote + self.pnl(position), ceil(worth * i128::from(self.params.mmf_ppm), PPM)]
    }

    /// The concession at which equity over requirement stays what it is.
    fn neutral(&self, [equity, requirement]: [i128; 2]) -> i128 {
        share(of_ppm(self.params.mmf_ppm.into()), (equity.max(0) << 32) / requirement)
    }

    /// The offer of an auction, so many slots after its start.
    pub fn offer(&self, quote: i128, position: &ModelPosition, elapsed: i128) -> ModelOffer {
        let health = self.health(quote, position);
        let highest = self.neutral(health);
        let start = of_ppm(START_PPM).min(highest / 4);
        let concession = start + (highest - start) * elapsed.min(RAMP) / RAMP;
        let fee = of_ppm(self.params.liquidation_fee_ppm.into()).min(highest - concession);
        let lots = self.restoring(health, position, concession + fee);
        ModelOffer { concession, fee, lots }
    }

    /// Lots that bring equity to 105 % of the requirement when each costs this share of its worth; all if too little would
    /// be left.
    fn restoring(&self, [equity, requirement]: [i128; 2], position: &ModelPosition, cost: i128) -> i128 {
        let held = self.held(position).0.abs();
        let missing = ceil(requirement * 21, 20) - equity;
        let freed = of_ppm(self.params.mmf_ppm.into()) * 21 / 20 - cost;
        if freed <= 0 {
            return held;
        }
        let (worth, step) = (ceil(missing << 32, freed), i128::from(self.params.step));
        let lots = ceil(ceil(worth << 32, self.price), step) * step;
        let left = ((held - lots) * self.price) >> 32;
        if lots >= held || left < i128::from(self.params.min_notional) { held } else { lots }
    }

    /// Closing so many lots of a position at the mark, in favour of who holds them.
    fn at_mark(&self, position: &ModelPosition, lots: i128) -> i128 {
        if position.lots > 0 { -ceil(lots * self.price, ONE) } else { (lots * self.price) >> 32 }
    }

    /// Moves up to `most` lots of an offer from one position to another.
    pub fn take_over(
        &mut self,
        [from, to]: [&mut ModelPosition; 2],
        offer: &ModelOffer,
        most: i128,
    ) -> ModelFill {
        let (lots, direction) = (offer.lots.min(most), from.lots.signum());
        let worth = (lots * self.price) >> 32;
        let (concession, insurance) = (share(worth, offer.concession), share(worth, offer.fee));
        let cost = self.at_mark(from, lots) + concession;
        let realised = self.fill(from, -direction * lots, cost);
        self.fill(to, direction * lots, -cost);
        self.insurance += insurance;
        let quote_change = realised - insurance;
        ModelFill { lots, cost, concession, realised, insurance, keeper: 0, quote_change }
    }

    /// What the curve takes of a position's worth if all of it is closed, rounded up.
    pub fn impact(&self, position: &ModelPosition) -> i128 {
        let (lots, _) = self.held(position);
        let worse = self.along_curve(-lots) - self.at_mark(position, lots.abs());
        ceil(worse.max(0) << 32, (lots.abs() * self.price) >> 32)
    }

    /// The pool takes what nobody wanted: along the curve, but never worse for the account than the neutral concession; of what
    /// that leaves the insurance gets its fee. The lots are as many as restore the account if all cost what the last one does.
    pub fn take_back(&mut self, quote: i128, position: &mut ModelPosition) -> ModelFill {
        let health = self.health(quote, position);
        let (highest, fee) = (self.neutral(health), of_ppm(self.params.liquidation_fee_ppm.into()));
        let expected = self.impact(position).min(highest);
        let lots = self.restoring(health, position, expected + fee.min(highest - expected));
        let direction = position.lots.signum();
        let (worth, mark) = ((lots * self.price) >> 32, self.at_mark(position, lots));
        let most = share(worth, highest);
        let cost = self.along_curve(-direction * lots).min(mark + most);
        let spare = most - (cost - mark).max(0);
        let insurance = share(worth, fee).min(spare.max(0));
        let realised = self.fill(position, -direction * lots, cost);
        let taker_fee = worth * i128::from(self.params.taker_fee_ppm) / PPM;
        let keeper = i128::from(self.params.deleverage.keeper_tip).min(insurance + taker_fee / 2);
        self.insurance += insurance;
        let quote_change = realised - insurance;
        ModelFill { lots, cost, concession: 0, realised, insurance, keeper, quote_change }
    }

    /// The insurance pays a keeper what is due, as far as nobody's unpaid loss needs it: when that loss is known.
    pub fn pay_keeper(&mut self, fill: ModelFill) -> ModelFill {
        let spare = self.cash + self.insurance + self.fees.iter().sum::<i128>() - self.unbacked;
        let keeper = fill.keeper.min(self.insurance).min(spare.max(0));
        self.insurance -= keeper;
        ModelFill { keeper, insurance: fill.insurance - keeper, ..fill }
    }

    /// Token units that bring in `wanted` at this market's price less the smallest discount, and what they bring: a
    /// collateral with a quarter of its haircut above that discount.
    pub fn sell(&self, wanted: i128) -> [i128; 2] {
        let kept = ONE - of_ppm(START_PPM);
        let amount = ceil(ceil(wanted << 32, kept) << 32, self.price);
        [amount, ceil(ceil(amount * self.price, ONE) * kept, ONE)]
    }
}
