//! Every instruction that somebody signs, signed by the admin or the guardian in the place of whoever it belongs to.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::{ChangePayload, UnstakeTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::{Keypair, SOL, Signer, World};

use crate::stage::*;

/// Instructions that are nobody's but admin's and guardian's: `volley` and the tests of governance send them.
const OFFICE: [&str; 12] = [
    "accept_admin",
    "cancel_change",
    "collect_protocol_fees",
    "create_market",
    "create_vault",
    "initialize_exchange",
    "nominate_admin",
    "open_margin_account",
    "propose_change",
    "set_pause",
    "tighten",
    "execute_change",
];

/// The victim's instruction as he would send it, by name, and whose signature it needs.
fn genuine(stage: &Stage, owner: &Person) -> Vec<(&'static str, Instruction, Pubkey)> {
    let (world, key) = (&stage.world, owner.trader.key.pubkey());
    let (payer, account) = (world.payer.pubkey(), world.margin(&owner.trader.margin));
    let margin = Margin { address: owner.trader.margin, account: &account };
    let listings = &world.listings;
    let tokens = owner.trader.tokens;
    let order = |lots| Order { market: SOL, lots, limit_price: 0 };
    let trigger = stop_loss(world.now());
    let other = world.margin(&stage.traders[1].trader.margin);
    let victim = Margin { address: stage.traders[1].trader.margin, account: &other };
    let liquidator = Liquidator { authority: key, margin };
    let mut all = vec![
        ("withdraw", ix::withdraw(listings, margin, 0, (tokens, 1)).expect("builds"), key),
        ("withdraw", ix::withdraw(listings, margin, 1, (owner.sol, 1)).expect("builds"), key),
        ("set_delegate", ix::set_delegate(margin, world.admin.pubkey()), key),
        ("close_margin_account", ix::close_margin_account(key, owner.trader.margin), key),
        (
            "open_position",
            ix::open_position(listings, key, margin, (Side::Long, order(1_000_000))).expect("builds"),
            key,
        ),
        ("close_position", ix::close_position(listings, key, margin, order(u64::MAX)).expect("builds"), key),
        ("place_trigger", ix::place_trigger(listings, key, margin, &trigger).expect("builds"), key),
        ("cancel_trigger", ix::cancel_trigger(key, margin, account.triggers[0].id), key),
        ("deposit", ix::deposit(key, owner.trader.margin, &listings.vaults[0], (tokens, 1)), key),
        ("fund_insurance", ix::fund_insurance(listings, key, (tokens, 1)).expect("builds"), key),
        ("liquidate", ix::liquidate(listings, liquidator, victim, order(u64::MAX)).expect("builds"), key),
        (
            "liquidate_collateral",
            ix::liquidate_collateral(listings, liquidator, (victim, None), (1, 1, u64::MAX)).expect("builds"),
            key,
        ),
    ];
    for (provider, tranche) in TrancheKind::BOTH.into_iter().enumerate() {
        let Holder { person, shares } = &stage.providers[provider];
        let (who, wallet) = (person.trader.key.pubkey(), person.trader.tokens);
        let ticket = stage.ticket(provider).expect("a ticket");
        all.extend([
            (
                "add_liquidity",
                ix::add_liquidity(listings, tranche, (who, wallet, *shares), (1_000, 0)).expect("builds"),
                who,
            ),
            ("request_redeem", ix::request_redeem(listings, tranche, (who, payer, *shares), (1, 1)), who),
            ("redeem", ix::redeem(listings, &ticket, (wallet, 1)).expect("builds"), who),
            ("cancel_redeem", ix::cancel_redeem(who, &ticket, *shares), who),
        ]);
    }
    let Holder { person, shares } = &stage.staker;
    let (who, wallet) = (person.trader.key.pubkey(), person.trader.tokens);
    let ticket: Box<UnstakeTicket> = world.get(&address::unstake_ticket(&who, 0));
    all.extend([
        (
            "stake_backstop",
            ix::stake_backstop(listings, (who, wallet, *shares), (1_000, 0)).expect("builds"),
            who,
        ),
        ("request_unstake", ix::request_unstake((who, payer, *shares), (1, 1)), who),
        ("unstake", ix::unstake(listings, &ticket, (wallet, 1)).expect("builds"), who),
        ("cancel_unstake", ix::cancel_unstake(who, &ticket, *shares), who),
    ]);
    all
}

/// Sends all of them with the key in the owner's place, tokens going to the owner and to the key's own wallet. All are refused.
pub fn refuse_impostures(stage: &mut Stage, key: &Keypair, wallet: Pubkey) {
    let owner = stage.traders[0].again();
    let instructions = genuine(stage, &owner);
    for (name, instruction, signer) in &instructions {
        let mut stolen = instruction.clone();
        for meta in stolen.accounts.iter_mut().filter(|meta| meta.is_signer && meta.pubkey == *signer) {
            meta.pubkey = key.pubkey();
        }
        // Where the tokens come from the signer, his own wallet would be his own loss.
        let pulls = ["deposit", "fund_insurance", "add_liquidity", "stake_backstop"].contains(name);
        let to_himself = (!pulls).then(|| diverted(stage, &stolen, wallet));
        for attempt in [Some(stolen), to_himself].into_iter().flatten() {
            let failure = stage.send(&[attempt], &[key]).expect_err(name);
            let expected = match *name {
                _ if pulls => "BadTokenAccount",
                "request_redeem" | "request_unstake" => "ConstraintSeeds",
                _ => "Unauthorized",
            };
            assert!(failure.is(expected), "{name}: {failure:#?}");
        }
    }
    // Nothing that has a signer was left out.
    let idl: serde_json::Value =
        serde_json::from_str(include_str!("../../idl/bulwark.json")).expect("an IDL");
    for instruction in idl["instructions"].as_array().expect("instructions") {
        let signs = |account: &serde_json::Value| account["signer"].as_bool() == Some(true);
        let signed = instruction["accounts"].as_array().expect("accounts").iter().any(signs);
        let name = instruction["name"].as_str().expect("a name");
        let tried = instructions.iter().any(|(tried, ..)| *tried == name);
        assert!(!signed || tried || OFFICE.contains(&name), "{name} was not tried");
    }
}

/// The same instruction with every token account that is somebody's wallet replaced by this one.
fn diverted(stage: &Stage, instruction: &Instruction, wallet: Pubkey) -> Instruction {
    let wallets: Vec<_> = stage.people().map(|person| person.trader.tokens).collect();
    let mut diverted = instruction.clone();
    for meta in diverted.accounts.iter_mut().filter(|meta| wallets.contains(&meta.pubkey)) {
        meta.pubkey = wallet;
    }
    diverted
}

/// Closes a long of SOL when it costs four dollars.
fn stop_loss(now: i64) -> TriggerOrder {
    let order = Order { market: SOL, lots: u64::MAX, limit_price: 0 };
    let (kind, side) = (TriggerKind::StopLoss, Side::Long);
    TriggerOrder { kind, side, trigger_price: 1 << 24, order, expiry: now + 1_000 * HOUR }
}

/// Puts a trigger on a trader's account: what the table needs.
pub fn place_trigger(world: &mut World, trader: &Person) {
    let account = world.margin(&trader.trader.margin);
    let trigger = stop_loss(world.now());
    let margin = Margin { address: trader.trader.margin, account: &account };
    let key = &trader.trader.key;
    let place = ix::place_trigger(&world.listings, key.pubkey(), margin, &trigger).expect("builds");
    world.send(&[place], &[key]).expect("place_trigger");
}

/// Nobody can propose, tighten or pause in somebody's name who holds no office.
pub fn refuse_outsiders(world: &mut World, stranger: &Keypair) {
    let keys = (stranger.pubkey(), world.payer.pubkey());
    let nonce = world.exchange().next_change;
    let wish = ChangePayload::FeeRecipient { fee_recipient: stranger.pubkey() };
    let propose = ix::propose_change(&world.listings, keys, nonce, wish).expect("builds");
    let tight = ChangePayload::MarketParams {
        market: SOL,
        params: crate::payloads::tight_market(&world.market(SOL).core.params, false),
    };
    let tighten = ix::tighten(&world.listings, stranger.pubkey(), tight).expect("builds");
    for call in [
        propose,
        tighten,
        ix::set_pause(stranger.pubkey(), None, 15),
        ix::set_pause(stranger.pubkey(), Some(SOL), 5),
        ix::nominate_admin(stranger.pubkey(), stranger.pubkey()),
    ] {
        refused(world.send(&[call], &[stranger]), "Unauthorized");
    }
    refused(world.send(&[ix::accept_admin(stranger.pubkey())], &[stranger]), "NoNomination");
}
