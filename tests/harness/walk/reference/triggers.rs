//! Orders that wait for a price.

use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::program::events::{TriggerCancelled, TriggerExecuted, TriggerPlaced};

use super::{Holder, Reference, Verdict, require};
use crate::walk::stage::Stage;
use crate::walk::state::State;

impl Reference {
    /// The first free slot holds it; its id is the next.
    pub(super) fn placed(&mut self, e: &TriggerPlaced, stage: &Stage, after: &State) -> Verdict {
        let written = stage.account(&e.account).and_then(|account| after.margin(account));
        let written = written.and_then(|account| account.triggers.iter().find(|t| t.id == e.id));
        let holder = self.holder(stage, &e.account)?;
        holder.placed += 1;
        let expected = holder.placed;
        require(e.id == expected, || format!("trigger {} for {expected}", e.id))?;
        let slot = holder.triggers.iter_mut().find(|t| t.id == 0).ok_or("no slot was free")?;
        *slot = Trigger {
            id: e.id,
            lots: e.lots,
            trigger_price: e.trigger_price,
            limit_price: e.limit_price,
            expiry: e.expiry,
            market: e.market,
            kind: e.kind,
            side: e.side,
            by_delegate: written.map_or(0, |t| t.by_delegate), // judged where it is known who signed
            ..Trigger::default()
        };
        Ok(())
    }

    /// The trade was an event of its own; the trader pays the keeper.
    pub(super) fn executed(&mut self, e: &TriggerExecuted, stage: &Stage) -> Verdict {
        let trader = self.holder(stage, &e.account)?;
        remove(trader, e.id)?;
        trader.quote -= i128::from(e.fee);
        require(e.keeper != e.account || e.fee == 0, || "a keeper who pays himself".into())?;
        self.holder(stage, &e.keeper)?.quote += i128::from(e.fee);
        Ok(())
    }

    pub(super) fn cancelled(&mut self, e: &TriggerCancelled, stage: &Stage) -> Verdict {
        remove(self.holder(stage, &e.account)?, e.id)
    }
}

fn remove(holder: &mut Holder, id: u64) -> Verdict {
    let slot = holder.triggers.iter_mut().find(|t| id != 0 && t.id == id);
    *slot.ok_or_else(|| format!("no trigger {id}"))? = Trigger::default();
    Ok(())
}
