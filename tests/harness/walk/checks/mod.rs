//! What must hold after every step.
//!
//! Each check is a function of a [`Moment`], named after the invariant that it is about. They read the accounts and
//! compute with [`super::exact`]; where an account's health is asked for, the SDK answers.

mod ledger;
mod limits;
mod liquidation;
mod liveness;
mod oracle;
mod pool;
mod positions;
mod reasons;
mod redeem;

mod triggers;
mod value;
mod waterfall;

use bulwark_sdk::Pubkey;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{
    CancelReason, LiquidationKind, RedeemRequested, Redeemed, UnstakeRequested, Unstaked,
};

use super::exact::Mark;
use super::reference::{Ledger, Reference, Verdict, require};
use super::stage::{MARKETS, Sent, Stage, VAULTS};
use super::state::State;
use super::step::Step;

/// A step, and everything as it was before and is after it.
pub struct Moment<'a> {
    /// Who and what there is.
    pub stage: &'a Stage,
    /// What was tried.
    pub step: &'a Step,
    /// What became of it; `None` for what is no transaction.
    pub sent: Option<&'a Sent>,
    /// Who signed.
    pub signers: &'a [Pubkey],
    /// The accounts before.
    pub before: &'a State,
    /// The accounts after.
    pub after: &'a State,
    /// Who owned what before, by the accounts.
    pub was: &'a Ledger,
    /// Who owns what after, by the accounts.
    pub is: &'a Ledger,
    /// The model, which has followed the events already.
    pub reference: &'a Reference,
    /// What the model could not follow.
    pub followed: Verdict,
    /// Tokens sent to the vaults from outside.
    pub donated: [i128; VAULTS],
}

impl Moment<'_> {
    /// What happened, nothing if it was refused.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.sent.and_then(|sent| sent.as_ref().ok()).map_or(&[], Vec::as_slice)
    }

    /// What positions are worth by, after the step.
    #[must_use]
    pub fn marks(&self) -> [Mark; MARKETS] {
        std::array::from_fn(|market| Mark::of(&self.after.market(market).core))
    }
}

/// One check.
pub type Check = fn(&Moment<'_>) -> Verdict;

/// What must hold even if nothing changed.
const ALWAYS: [(&str, Check); 6] = [
    ("a refusal changes nothing", a_refusal_changes_nothing),
    ("a quote is what happens", limits::a_quote_is_what_happens),
    ("I12: a gate lets through what it can", redeem::i12_a_gate_lets_through_what_it_can),
    ("a refusal has a reason", liveness::a_refusal_has_a_reason),
    ("a liquidation is refused for its reason", reasons::a_liquidation_is_refused_for_its_reason),
    ("I13: prices are used as the table says", oracle::i13_prices_are_used_as_the_table_says),
];

/// What still holds unless something changed.
const ON_CHANGE: [(&str, Check); 36] = [
    ("the reference agrees", the_reference_agrees),
    ("who may, acts", who_may_acts),
    ("I1: ledgers are tokens", ledger::i1_ledgers_are_tokens),
    ("I2: the parts are the whole", ledger::i2_the_parts_are_the_whole),
    ("I3: buckets are their members", positions::i3_buckets_are_their_members),
    ("I3: a position is filed under its entry", positions::i3_a_position_is_filed_under_its_entry),
    ("I4: money leaves by withdrawal only", ledger::i4_money_leaves_by_withdrawal_only),
    ("I4: what is left suffices", ledger::i4_what_is_left_suffices),
    ("I5: deleveraging costs nobody", liquidation::i5_deleveraging_costs_nobody),
    ("I6: winners lose the same share", waterfall::i6_winners_lose_the_same_share),
    ("I7: a fill makes nobody worse", liquidation::i7_a_fill_makes_nobody_worse),
    ("I7: a sale is worth its price", liquidation::i7_a_sale_is_worth_its_price),
    ("I8: a tier pays when the one before cannot", waterfall::i8_a_tier_pays_when_the_one_before_cannot),
    ("I10: a round trip costs spread and fees", value::i10_a_round_trip_costs_spread_and_fees),
    ("I11: carry sums to zero", positions::i11_carry_sums_to_zero),
    ("I12: a deposit lowers no share price", pool::i12_a_deposit_lowers_no_share_price),
    ("I12: shares are what was minted", pool::i12_shares_are_what_was_minted),
    ("I12: a way out costs the others nothing", redeem::i12_a_way_out_costs_the_others_nothing),
    ("I12: a ticket is paid the less of then and now", redeem::i12_a_ticket_is_paid_the_less_of_then_and_now),
    ("I12: a tranche comes before the other", redeem::i12_junior_bears_losses_first),
    ("I13: time goes on", oracle::i13_time_goes_on),
    ("I12: a stake is nobody's way out", waterfall::i12_a_stake_is_nobodys_way_out),
    ("I15: stake is slashed alike", waterfall::i15_stake_is_slashed_alike),
    ("I16: nobody gains by acting", value::i16_nobody_gains_by_acting),
    ("I17: traders get what came in", ledger::i17_traders_get_what_came_in),
    ("I17: debts are held back", ledger::i17_debts_are_held_back),
    ("I17: a loss is not refilled", pool::i17_a_loss_is_not_refilled),
    ("an increase keeps the caps", limits::an_increase_keeps_the_caps),
    ("a fill keeps its limit", limits::a_fill_keeps_its_limit),
    ("a decrease helps or leaves enough", limits::a_decrease_helps_or_leaves_enough),
    ("a liquidator gets what he asked for", liquidation::a_liquidator_gets_what_he_asked_for),
    ("a trigger keeps its word", triggers::a_trigger_keeps_its_word),
    ("a trigger is cancelled for a reason", triggers::a_trigger_is_cancelled_for_a_reason),
    ("a keeper gets the fee", triggers::a_keeper_gets_the_fee),
    ("margin fractions drift slowly", oracle::margin_fractions_drift_slowly),
    ("every account is known", every_account_is_known),
];

/// What does not hold: the name of the check and what it found.
pub type Broken = (&'static str, String);

/// Everything that does not hold.
#[must_use]
pub fn broken(moment: &Moment<'_>) -> Vec<Broken> {
    let changed = moment.before.changes(moment.after).next().is_some();
    let more = if changed || moment.followed.is_err() { &ON_CHANGE[..] } else { &[] };
    let all = ALWAYS.iter().chain(more);
    all.filter_map(|(name, check)| Some((*name, check(moment).err()?))).collect()
}

fn a_refusal_changes_nothing(m: &Moment<'_>) -> Verdict {
    let donation = match m.step {
        Step::Donate { vault, .. } => Some(Stage::vault_tokens(*vault)),
        _ => None,
    };
    if matches!(m.sent, Some(Ok(_))) {
        return Ok(());
    }
    let changes: Vec<_> = m.before.changes(m.after).filter(|place| Some(*place) != donation).collect();
    require(changes.is_empty(), || format!("changed: {changes:?}"))
}

fn the_reference_agrees(m: &Moment<'_>) -> Verdict {
    m.followed.clone()?;
    require(m.reference.ledger == *m.is, || m.reference.ledger.differences(m.is))
}

/// Trades are signed by owner or delegate, or promised by a trigger; withdrawals and redemptions by the owner; what is
/// signed is for this very incarnation of the account.
fn who_may_acts(m: &Moment<'_>) -> Verdict {
    let expired = |e: &Event| matches!(e, Event::TriggerCancelled(e) if e.reason == CancelReason::Expired);
    let accepted = matches!(m.sent, Some(Ok(events)) if !events.iter().any(expired));
    require(!(accepted && m.step.names_another_incarnation()), || "signed for another incarnation".into())?;
    for (index, event) in m.events().iter().enumerate() {
        let promised = matches!(m.events().get(index + 1), Some(Event::TriggerExecuted(_)));
        let (key, delegate_may) = match event {
            Event::Traded(e) if !promised => (e.account, true),
            Event::TriggerCancelled(e) if e.reason == CancelReason::Request => (e.account, true),
            Event::Withdrawn(e) => (e.account, false),
            Event::DelegateSet(e) => (e.account, false),
            Event::MarginAccountClosed(e) => (e.account, false),
            Event::TriggerPlaced(e) => {
                let place = m.stage.account(&e.account).ok_or("unknown account")?;
                let account = m.after.margin(place).ok_or("the account is not open")?;
                let by = account.triggers.iter().find(|t| t.id == e.id).ok_or("no trigger")?.by_delegate;
                let owner = m.signers.contains(&account.owner);
                require(owner == (by == 0), || format!("{event:?} by {by}"))?;
                (e.account, true)
            }
            Event::RedeemCancelled(e) => {
                let ticket = m.stage.ticket(&e.provider, e.nonce).and_then(|t| m.was.tickets[t]);
                let params = &m.after.pool().core.params;
                let last = i64::from(params.redeem_delay) + i64::from(params.redeem_window);
                let over = ticket.is_some_and(|t| m.after.now > t.since + last);
                let own = m.signers.contains(&e.provider);
                require(own || over, || format!("the provider did not sign {event:?}"))?;
                continue;
            }
            Event::Liquidated(e) if e.kind == LiquidationKind::Takeover => (e.liquidator, true),
            Event::CollateralSold(e) => (e.liquidator, true),
            Event::UnstakeCancelled(e) => {
                let ticket = m.stage.ticket(&e.staker, e.nonce).and_then(|t| m.was.cooling[t]);
                let over = ticket.is_some_and(|t| m.after.now > t.since + 16 * 86_400);
                let own = m.signers.contains(&e.staker);
                require(own || over, || format!("the staker did not sign {event:?}"))?;
                continue;
            }
            Event::UnstakeRequested(UnstakeRequested { staker: provider, .. })
            | Event::Unstaked(Unstaked { staker: provider, .. })
            | Event::RedeemRequested(RedeemRequested { provider, .. })
            | Event::Redeemed(Redeemed { provider, .. }) => {
                require(m.signers.contains(provider), || format!("the provider did not sign {event:?}"))?;
                continue;
            }
            _ => continue,
        };
        let place = m.stage.account(&key).ok_or("unknown account")?;
        let account = m.after.margin(place).or(m.before.margin(place)).ok_or("the account was not open")?;
        let delegate = Some(account.delegate).filter(|d| delegate_may && *d != Pubkey::default());
        let may = |signer: &Pubkey| *signer == account.owner || Some(*signer) == delegate;
        require(m.signers.iter().any(may), || format!("nobody who may signed {event:?}"))?;
    }
    Ok(())
}

fn every_account_is_known(m: &Moment<'_>) -> Verdict {
    let (owned, known) = (m.after.owned, m.after.known());
    require(owned == known, || format!("{owned} accounts of the program, {known} known to the stage"))
}
