//! What comes back. Prices are Q32.32 quote units per lot, amounts the smallest units of their token.

use bulwark_sdk::engine::margin::Health;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::engine::tighten::Effect;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::explain::{Explanation, InForce, Status, explain_change, explain_payload, read_payload};
use bulwark_sdk::health::{Distress, HealthError, Intent, Preview, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::units;
use bulwark_sdk::view::AccountView;
use serde::Serialize;
use serde_json::{Value, json};

use crate::int::Int;
use crate::question::{Accounts, Question, Request};

/// An answer, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// The answer.
    Ok(Value),
    /// A message for people.
    Error(String),
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Answers a question.
///
/// # Errors
/// A message for people.
pub fn answer(Request { question, accounts }: &Request) -> Result<Value, String> {
    match question {
        Question::Views => {
            let snapshot = accounts.snapshot()?;
            Ok(accounts
                .margin
                .iter()
                .map(|account| outcome(snapshot.view(account).map(|v| view(&v))))
                .collect())
        }
        Question::Quote { .. } => quote(question, accounts),
        Question::Distress { slot } => {
            let snapshot = accounts.snapshot()?;
            let each = |account: &MarginAccount| outcome(distress(&snapshot, account, slot.0));
            Ok(accounts.margin.iter().map(|account| each(account)).collect())
        }
        Question::OldLegs { traded } => {
            legs(&accounts.snapshot()?.old_legs(accounts.account()?, *traded).map_err(text)?)
        }
        Question::OldMarkets { strict } => {
            let age = if *strict { Age::Trade } else { Age::Margin };
            legs(&accounts.snapshot()?.old_markets(age).map_err(text)?)
        }
        Question::Pool => pool(accounts),
        Question::ShareValue { tranche, shares } => {
            let value = accounts.snapshot()?.share_value(accounts.pool()?, (*tranche).into(), shares.0);
            Ok(json!(Int(value.map_err(text)?)))
        }
        Question::ExplainPayload { payload } => explain(accounts, payload),
        Question::ExplainChanges => explain_changes(accounts),
        Question::LotsWorth { market, notional } => {
            Ok(json!(Int(accounts.snapshot()?.lots_worth(*market, notional.0).map_err(text)?)))
        }
        _ => convert(question),
    }
}

fn convert(question: &Question) -> Result<Value, String> {
    Ok(match question {
        Question::ParseAmount { text: amount, decimals } => {
            json!(Int(units::parse_amount(amount, *decimals).map_err(text)?))
        }
        Question::FormatAmount { amount, decimals } => json!(units::format_amount(amount.0, *decimals)),
        Question::ParsePrice { text: price, quote_decimals, lot_decimals } => {
            json!(Int(units::parse_price(price, *quote_decimals, *lot_decimals).map_err(text)?.to_bits()))
        }
        Question::FormatPrice { price, quote_decimals, lot_decimals, digits } => {
            let price = Price::from_bits(price.0).map_err(text)?;
            json!(units::format_price(price, (*quote_decimals, *lot_decimals), *digits))
        }
        _ => return Err("this question needs accounts".into()),
    })
}

fn outcome(result: Result<Value, HealthError>) -> Value {
    match result {
        Ok(value) => value,
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Long => "long",
        Side::Short => "short",
    }
}

fn health(health: Health) -> Value {
    json!({ "equity": Int(health.equity.0), "requirement": Int(health.requirement.0) })
}

fn view(view: &AccountView) -> Value {
    let healths = [&view.initial, &view.maintenance, &view.withdrawal];
    let [initial, maintenance, withdrawal] = healths.map(|h| outcome((*h).map(health)));
    let positions = view.positions.iter().map(|p| {
        json!({
            "market": p.market,
            "side": side_name(p.side),
            "lots": Int(p.lots),
            "mark": Int(p.mark.to_bits()),
            "entry": p.entry.map(Int),
            "pnl": Int(p.pnl.0),
            "notional": Int(p.notional),
            "liquidationPrice": p.liquidation_price.map(|price| Int(price.to_bits())),
        })
    });
    let collaterals = view.collaterals.iter();
    let collaterals =
        collaterals.map(|c| json!({ "vault": c.vault, "amount": Int(c.amount), "value": Int(c.value) }));
    json!({
        "quote": Int(view.quote.0),
        "collaterals": collaterals.collect::<Value>(),
        "positions": positions.collect::<Value>(),
        "initial": initial,
        "maintenance": maintenance,
        "withdrawal": withdrawal,
    })
}

fn quote(question: &Question, accounts: &Accounts) -> Result<Value, String> {
    let Question::Quote { market, side, lots, limit } = question else { return Err("no quote".into()) };
    let snapshot = accounts.snapshot()?;
    let account = accounts.account()?;
    let intent = side.map_or(Intent::Close, |side| Intent::Open(side.into()));
    let direction = match intent {
        Intent::Open(side) => side,
        Intent::Close => {
            let held = account.position_in(*market).ok_or("there is no position to close")?;
            held.side().map_err(text)?.opposite()
        }
    };
    let limit = limit.map_or(Ok(None), |limit| Order::limit(direction, limit.0)).map_err(text)?;
    let order = Order { lots: lots.0, limit, now: snapshot.now };
    let preview = snapshot.quote(account, (*market, intent), &order).map_err(text)?;
    let Preview { report, account: after, market: market_after, .. } = &preview;
    let mut later = snapshot.clone();
    later.markets.insert(*market, market_after);
    Ok(json!({
        "lots": Int(report.fill.lots.0),
        "notional": Int(report.fill.notional),
        "curve": Int(report.fill.curve.0),
        "spread": Int(report.fill.spread),
        "cost": Int(report.fill.cost.0),
        "fee": Int(report.fee),
        "realised": Int(report.realised.0),
        "toxicFee": Int(report.toxic_fee),
        "paid": Int(report.paid.0),
        "claim": Int(report.claim),
        "quoteChange": Int(report.quote_change.0),
        "unwoundLots": Int(report.unwound.lots),
        "unwoundQuote": Int(report.unwound.quote.0),
        "after": outcome(later.view(after).map(|v| view(&v))),
    }))
}

fn distress(snapshot: &Snapshot<'_>, account: &MarginAccount, slot: u64) -> Result<Value, HealthError> {
    let Some(found) = snapshot.distress(account, slot)? else { return Ok(Value::Null) };
    let Distress { health: at, moment, first } = found;
    let offer = first.map(|market| {
        outcome(snapshot.offer(account, market, &found).map(|offer| {
            json!({
                "market": market,
                "concession": Int(offer.concession),
                "fee": Int(offer.fee),
                "lots": Int(offer.lots),
            })
        }))
    });
    Ok(json!({ "health": health(at), "elapsed": Int(moment.elapsed), "offer": offer }))
}

fn legs(legs: &[Leg]) -> Result<Value, String> {
    let name = |leg: &Leg| match leg {
        Leg::Market(index) => json!({ "market": index }),
        Leg::Vault(index) => json!({ "vault": index }),
    };
    Ok(legs.iter().map(name).collect())
}

fn pool(accounts: &Accounts) -> Result<Value, String> {
    let snapshot = accounts.snapshot()?;
    let nav = snapshot.nav(accounts.pool()?).map_err(text)?;
    let deltas = snapshot.exchange.markets().map(|market| {
        let delta = snapshot.pool_delta(market).map_err(text)?;
        Ok(json!({
            "market": market,
            "lots": Int(delta.lots.0),
            "notional": Int(delta.notional.0),
            "equity": Int(delta.equity.0),
        }))
    });
    Ok(json!({
        "low": Int(nav.low),
        "high": Int(nav.high),
        "used": Int(nav.used),
        "releasable": Int(nav.releasable),
        "markets": deltas.collect::<Result<Value, String>>()?,
    }))
}

fn in_force<'a>(accounts: &'a Accounts, snapshot: &'a Snapshot<'a>) -> Result<InForce<'a>, String> {
    let insurance_fund = accounts.insurance_fund.as_deref().ok_or("the insurance fund is missing")?;
    Ok(InForce { snapshot, pool: accounts.pool()?, insurance_fund })
}

fn explanation(explanation: &Explanation) -> Value {
    let moves = explanation.moves.iter().map(|moved| {
        let effect = match moved.effect {
            Effect::Same => "same",
            Effect::Tightens => "tightens",
            Effect::Loosens => "loosens",
            Effect::Shifts => "shifts",
        };
        json!({ "name": moved.name, "from": moved.from, "to": moved.to, "effect": effect })
    });
    json!({
        "title": explanation.title,
        "moves": moves.collect::<Value>(),
        "refusals": explanation.refusals,
        "loosens": explanation.loosens(),
        "text": explanation.to_string(),
    })
}

fn explain(accounts: &Accounts, payload: &[u8]) -> Result<Value, String> {
    let payload = read_payload(payload).ok_or("these bytes are no payload")?;
    let snapshot = accounts.snapshot()?;
    let explained = explain_payload(&payload, &in_force(accounts, &snapshot)?).map_err(text)?;
    Ok(explanation(&explained))
}

fn explain_changes(accounts: &Accounts) -> Result<Value, String> {
    let snapshot = accounts.snapshot()?;
    let now = in_force(accounts, &snapshot)?;
    let each = |change: &Box<_>| match explain_change(change, &now) {
        Err(error) => json!({ "error": error.to_string() }),
        Ok(explained) => {
            let (status, seconds) = match explained.status {
                Status::Waits(seconds) => ("waits", Some(seconds)),
                Status::Ripe(seconds) => ("ripe", Some(seconds)),
                Status::Executed(seconds) => ("executed", Some(seconds)),
                Status::Expired => ("expired", None),
                Status::Void => ("void", None),
            };
            let mut value = explanation(&explained.explanation);
            value["nonce"] = json!(Int(explained.nonce));
            value["eta"] = json!(Int(explained.eta));
            value["expiry"] = json!(Int(explained.expiry));
            value["status"] = json!(status);
            value["seconds"] = json!(seconds.map(Int));
            value["text"] = json!(explained.to_string());
            value
        }
    };
    Ok(accounts.changes.iter().map(each).collect())
}
