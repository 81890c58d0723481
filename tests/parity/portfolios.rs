//! What the Rust SDK says of a margin account.

use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::{HealthError, Intent, Snapshot};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::refresh::Leg;
use bulwark_tests::walk::rng::Rng;
use serde_json::{Value, json};

use crate::instructions;
use crate::leaves::{self, base64};
use crate::scene::{Scene, bytes};

/// A result, or its message.
pub fn said<T>(result: Result<T, HealthError>, write: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(value) => write(value),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Legs by kind and index.
pub fn legs(legs: &[Leg]) -> Value {
    let name = |leg: &Leg| match leg {
        Leg::Market(index) => json!({ "market": index }),
        Leg::Vault(index) => json!({ "vault": index }),
    };
    legs.iter().map(name).collect()
}

fn health(health: Health) -> Value {
    json!([health.equity.0.to_string(), health.requirement.0.to_string()])
}

/// One account with everything that is said of it.
pub fn write(scene: &Scene, number: usize, rng: &mut Rng) -> Value {
    let (address, account) = &scene.accounts[number];
    let snapshot = scene.copies.snapshot();
    let healths = [HealthType::Init, HealthType::Maint, HealthType::Withdraw];
    let open = account.positions.iter().filter(|position| position.is_open());
    let positions = open.map(|position| {
        let price = snapshot.liquidation_price(account, position.market);
        json!({
            "market": position.market,
            "pnl": said(snapshot.pnl(position), |pnl| json!(pnl.0.to_string())),
            "liquidationPrice": said(price, |price| json!(price.map(|price| price.to_bits().to_string()))),
        })
    });
    let traded = rng.one_in(2).then(|| market(scene, rng));
    json!({
        "address": address.to_string(),
        "data": base64(&bytes(&**account)),
        "leaves": leaves::of(&**account),
        "health": healths.map(|kind| said(snapshot.health(account, kind), health)),
        "positions": positions.collect::<Value>(),
        "distress": distress(&snapshot, account, scene.slot),
        "traded": traded,
        "oldLegs": said(snapshot.old_legs(account, traded), |found| legs(&found)),
        "instructions": instructions::of_account(scene, number, rng),
        "quotes": (0..3).map(|_| quote(scene, account, rng)).collect::<Value>(),
    })
}

fn market(scene: &Scene, rng: &mut Rng) -> u16 {
    scene.copies.markets[rng.index(scene.copies.markets.len())].index
}

fn distress(snapshot: &Snapshot<'_>, account: &MarginAccount, slot: u64) -> Value {
    said(snapshot.distress(account, slot), |found| {
        found.map_or(Value::Null, |found| {
            let offer = found.first.map(|market| {
                said(snapshot.offer(account, market, &found), |offer| {
                    json!([market.to_string(), offer.concession.to_string(), offer.fee.to_string(), offer.lots.to_string()])
                })
            });
            json!({ "health": health(found.health), "elapsed": found.moment.elapsed.to_string(), "offer": offer })
        })
    })
}

/// A trade that somebody may want, and what it would do.
fn quote(scene: &Scene, account: &MarginAccount, rng: &mut Rng) -> Value {
    let held: Vec<u16> = account.positions.iter().filter(|p| p.is_open()).map(|p| p.market).collect();
    let closes = !held.is_empty() && rng.one_in(2);
    let (index, intent) = if closes {
        (rng.pick(&held), Intent::Close)
    } else {
        (market(scene, rng), Intent::Open(rng.pick(&[Side::Long, Side::Short])))
    };
    let Some(market) = scene.copies.markets.iter().find(|market| market.index == index) else {
        return Value::Null;
    };
    let step = market.core.params.step;
    let lots = if closes && rng.one_in(2) { u64::MAX } else { rng.magnitude(1, 1 << 20) * step };
    let snapshot = scene.copies.snapshot();
    let order = Order { lots, limit: None, now: scene.copies.now };
    let preview = snapshot.quote(account, (index, intent), &order);
    let answer = said(preview, |preview| {
        let (report, mut later) = (&preview.report, snapshot.clone());
        later.markets.insert(index, &preview.market);
        json!({
            "lots": report.fill.lots.0.to_string(),
            "notional": report.fill.notional.to_string(),
            "cost": report.fill.cost.0.to_string(),
            "spread": report.fill.spread.to_string(),
            "fee": report.fee.to_string(),
            "realised": report.realised.0.to_string(),
            "toxicFee": report.toxic_fee.to_string(),
            "paid": report.paid.0.to_string(),
            "claim": report.claim.to_string(),
            "quoteChange": report.quote_change.0.to_string(),
            "initialAfter": said(later.health(&preview.account, HealthType::Init), health),
        })
    });
    let side = match intent {
        Intent::Open(Side::Long) => Some("long"),
        Intent::Open(Side::Short) => Some("short"),
        Intent::Close => None,
    };
    json!({ "market": index, "side": side, "asked": lots.to_string(), "answer": answer })
}
