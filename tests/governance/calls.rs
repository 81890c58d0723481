//! A call of every instruction of the program but the first, on a chain where it goes through now, and at any time within the
//! day: what a pause is tried on.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{
    ChangePayload, Exchange, Market, MarketStatus, Pool, RedeemTicket, UnstakeTicket,
};
use bulwark_sdk::{Instruction, address, instruction as ix};
use bulwark_tests::fixtures::{self, DOLLAR, PRINT};
use bulwark_tests::{Keypair, Signer as _, World};

use crate::cast::*;
use crate::scene::*;

/// Another recipient of fees: a change that nothing here depends on.
const RECIPIENT: ChangePayload = ChangePayload::FeeRecipient { fee_recipient: address::PROGRAM };

/// What a call does, and who signs.
type Built = (Vec<Instruction>, Vec<Keypair>);

/// A call of an instruction.
pub struct Call {
    /// Its name, and how it is shaped where there are several.
    pub name: &'static str,
    /// What must be there before, as it comes about without a pause.
    pub prepare: fn(&mut Cast),
    /// The call as it is at the time.
    pub build: fn(&mut Cast) -> Built,
}

const fn call(name: &'static str, prepare: fn(&mut Cast), build: fn(&mut Cast) -> Built) -> Call {
    Call { name, prepare, build }
}

fn nothing(_: &mut Cast) {}

fn signed(instruction: Instruction, key: &Keypair) -> Built {
    (vec![instruction], vec![key.insecure_clone()])
}

fn unsigned(instruction: Instruction) -> Built {
    (vec![instruction], vec![])
}

fn governance() -> Vec<Call> {
    vec![
        call(
            "create_vault",
            |c| {
                c.world.create_mint(fixtures::address("mint PEN"), 9);
                c.world.approve(Cast::listing_of_vault()).expect("approve");
            },
            |c| {
                c.world.print(&OTHER, OTHER.price, 0);
                let change = c.world.change(c.last_change());
                let token = (fixtures::address("mint PEN"), address::TOKEN_PROGRAM);
                let keys = (c.world.admin.pubkey(), c.world.payer.pubkey());
                signed(ix::create_vault(keys, token, World::oracles(&OTHER), &change), &c.world.admin)
            },
        ),
        call(
            "create_market",
            |c| drop(c.world.approve(listing(&OTHER, OTHER.listed_params())).expect("approve")),
            |c| {
                c.world.print(&OTHER, OTHER.price, 0);
                let change = c.world.change(c.last_change());
                let keys = (c.world.admin.pubkey(), c.world.payer.pubkey());
                let steps = ix::create_market(keys, 5, World::oracles(&OTHER), &change);
                (steps.to_vec(), vec![c.world.admin.insecure_clone()])
            },
        ),
        call("propose_change", nothing, |c| {
            let (keys, nonce) = ((c.world.admin.pubkey(), c.world.payer.pubkey()), c.last_change() + 1);
            let propose = ix::propose_change(&c.world.listings, keys, nonce, RECIPIENT).expect("builds");
            signed(propose, &c.world.admin)
        }),
        call(
            "execute_change",
            |c| {
                c.world.propose_in_time(RECIPIENT).expect("propose_change");
            },
            |c| {
                let change = c.world.change(c.last_change());
                unsigned(ix::execute_change(&c.world.listings, &change, None).expect("builds"))
            },
        ),
        call(
            "cancel_change",
            |c| {
                c.world.propose(RECIPIENT).expect("propose_change");
            },
            |c| {
                let change = c.world.change(c.last_change());
                signed(ix::cancel_change(c.world.guardian.pubkey(), &change), &c.world.guardian)
            },
        ),
        call("tighten", nothing, |c| {
            signed(tighten(&c.world, &c.world.guardian, to(B, MarketStatus::ReduceOnly)), &c.world.guardian)
        }),
        call("set_pause", nothing, |c| {
            signed(ix::set_pause(c.world.guardian.pubkey(), None, 1), &c.world.guardian)
        }),
        call("nominate_admin", nothing, |c| {
            signed(ix::nominate_admin(c.world.admin.pubkey(), c.keeper.key.pubkey()), &c.world.admin)
        }),
        call(
            "accept_admin",
            |c| {
                let nominate = ix::nominate_admin(c.world.admin.pubkey(), c.keeper.key.pubkey());
                c.earlier(172_800, |world| {
                    let admin = world.admin.insecure_clone();
                    accept(world, &nominate, &[&admin]);
                });
            },
            |c| signed(ix::accept_admin(c.keeper.key.pubkey()), &c.keeper.key),
        ),
        call("suspend_market", nothing, |_| unsigned(ix::suspend_market(SILENT))),
        call("resume_market", nothing, |c| {
            c.world.print(&OTHER, OTHER.price, 0);
            let refresh = ix::refresh_market(SUSPENDED, World::oracles(&OTHER));
            (vec![refresh, ix::resume_market(SUSPENDED)], vec![])
        }),
        call("close_market", nothing, |c| unsigned(ix::close_market(SETTLED, c.world.market(SETTLED).payer))),
        call(
            "collect_protocol_fees",
            |c| {
                c.world.tamper::<Exchange>(&address::exchange(), |e| e.protocol_fees += DOLLAR);
                c.world.tamper::<Pool>(&address::pool(), |pool| pool.core.idle -= DOLLAR);
            },
            |c| {
                let to = (c.collected, DOLLAR);
                let collect = ix::collect_protocol_fees(&c.world.listings, c.world.admin.pubkey(), to);
                signed(collect.expect("builds"), &c.world.admin)
            },
        ),
        call("check_invariants", nothing, |c| {
            unsigned(ix::check_invariants(Some(&c.world.listings.vaults[0]), None, []))
        }),
    ]
}

fn accounts() -> Vec<Call> {
    vec![
        call("refresh_market", nothing, |_| unsigned(ix::refresh_market(A, World::oracles(&UNI)))),
        call("refresh_vault", nothing, |c| {
            let mint = c.world.listings.vaults[usize::from(TOKEN)].mint;
            unsigned(ix::refresh_vault((TOKEN, &mint), World::oracles(&UNI)))
        }),
        call("open_margin_account", nothing, |c| {
            let owner = c.alice.key.pubkey();
            signed(ix::open_margin_account(owner, c.world.payer.pubkey(), 7), &c.alice.key)
        }),
        call("close_margin_account", nothing, |c| {
            signed(ix::close_margin_account(c.idle.key.pubkey(), c.idle.margin), &c.idle.key)
        }),
        call("set_delegate", nothing, |c| {
            signed(c.world.delegate_instruction(&c.alice, c.keeper.key.pubkey()), &c.alice.key)
        }),
        call("deposit", nothing, |c| {
            let (owner, vault) = (c.alice.key.pubkey(), c.world.listings.vaults[0]);
            signed(ix::deposit(owner, c.alice.margin, &vault, (c.alice.tokens, DOLLAR)), &c.alice.key)
        }),
        call("withdraw", nothing, |c| {
            let withdraw = c.margin(&c.alice, |margin| {
                ix::withdraw(&c.world.listings, margin, 0, (c.alice.tokens, DOLLAR)).expect("builds")
            });
            signed(withdraw, &c.alice.key)
        }),
        call("withdraw, collateral", nothing, |c| {
            let withdraw = c.margin(&c.victim, |margin| {
                ix::withdraw(&c.world.listings, margin, TOKEN, (c.tokens, ONE)).expect("builds")
            });
            signed(withdraw, &c.victim.key)
        }),
        call("open_position", nothing, |c| {
            signed(c.world.open_instruction(&c.alice, A, Side::Long, ONE), &c.alice.key)
        }),
        call("close_position", nothing, |c| {
            signed(c.world.close_instruction(&c.alice, A, u64::MAX), &c.alice.key)
        }),
        call("place_trigger", nothing, |c| signed(c.place(TriggerKind::Limit), &c.alice.key)),
        call(
            "cancel_trigger",
            |c| c.placed(TriggerKind::Limit),
            |c| {
                let cancel = c.margin(&c.alice, |m| ix::cancel_trigger(c.alice.key.pubkey(), m, c.trigger()));
                signed(cancel, &c.alice.key)
            },
        ),
        call("execute_trigger, entry", |c| c.placed(TriggerKind::Limit), execute_trigger),
        call("execute_trigger, exit", |c| c.placed(TriggerKind::StopLoss), execute_trigger),
        call("settle_position", nothing, |c| unsigned(ix::settle_position(c.alice.margin, A))),
    ]
}

fn execute_trigger(c: &mut Cast) -> Built {
    let (id, keeper) = (c.trigger(), Some(c.keeper.margin));
    let listings = &c.world.listings;
    unsigned(c.margin(&c.alice, |m| ix::execute_trigger(listings, m, id, keeper).expect("builds")))
}

fn distress() -> Vec<Call> {
    vec![
        call("liquidate", Cast::trouble, |c| {
            signed(c.world.liquidate_instruction(&c.alice, &c.victim.margin, A, 2 * ONE), &c.alice.key)
        }),
        call("liquidate_to_pool", Cast::trouble, |c| {
            let listings = &c.world.listings;
            unsigned(c.margin(&c.victim, |m| ix::liquidate_to_pool(listings, m, A, None).expect("builds")))
        }),
        call("liquidate_collateral", Cast::trouble, |c| {
            let sale = (TOKEN, ONE / 10, u64::MAX);
            let sell = c.margin(&c.alice, |margin| {
                let taker = ix::Liquidator { authority: c.alice.key.pubkey(), margin };
                c.margin(&c.victim, |victim| {
                    ix::liquidate_collateral(&c.world.listings, taker, (victim, None), sale).expect("builds")
                })
            });
            signed(sell, &c.alice.key)
        }),
        call("resolve_bankruptcy", bankrupt, |c| {
            let listings = &c.world.listings;
            unsigned(c.margin(&c.victim, |m| ix::resolve_bankruptcy(listings, m, A).expect("builds")))
        }),
        call("auto_deleverage", exposed, |c| {
            let slot = c.world.slot();
            c.world.tamper::<Market>(&address::market(A), |market| {
                (market.core.deleveraging_since, market.core.exposure_seen) = (1, slot);
            });
            let (listings, keeper) = (&c.world.listings, Some(c.keeper.margin));
            unsigned(c.margin(&c.victim, |m| ix::auto_deleverage(listings, m, A, keeper).expect("builds")))
        }),
        call(
            "rebalance_market",
            |c| {
                c.settle_at(A, 130 * PRINT);
                c.drain(A);
            },
            |_| unsigned(ix::rebalance_market(A)),
        ),
    ]
}

/// The victim owes for UNI and has nothing.
fn bankrupt(c: &mut Cast) {
    c.take(9_000);
    c.world.withdraw(&c.victim, TOKEN, (c.tokens, 10 * ONE)).expect("withdraw");
    c.world.close(&c.victim, B, u64::MAX).expect("close");
    c.settle_at(A, 112 * PRINT);
    c.world.liquidate(&c.alice, &c.victim.margin, A, u64::MAX).expect("liquidate");
}

/// The pool is exposed.
fn exposed(c: &mut Cast) {
    c.take(9_300);
    c.world.tamper::<Market>(&address::market(A), |market| {
        market.core.params.deleverage.inventory_cap = 10_000 * DOLLAR;
    });
}

fn shares() -> Vec<Call> {
    vec![
        call("add_liquidity", nothing, |c| {
            let keys = (c.alice.key.pubkey(), c.alice.tokens, c.shares[0]);
            let listings = &c.world.listings;
            let add = ix::add_liquidity(listings, TrancheKind::Junior, keys, (DOLLAR, 1)).expect("builds");
            signed(add, &c.alice.key)
        }),
        call("request_redeem", nothing, |c| {
            let keys = (c.alice.key.pubkey(), c.world.payer.pubkey(), c.shares[0]);
            let listings = &c.world.listings;
            signed(ix::request_redeem(listings, TrancheKind::Junior, keys, (1, DOLLAR)), &c.alice.key)
        }),
        call("redeem", nothing, |c| {
            let ticket = c.world.get::<RedeemTicket>(&address::redeem_ticket(&c.alice.key.pubkey(), 0));
            let redeem = ix::redeem(&c.world.listings, &ticket, (c.alice.tokens, 1)).expect("builds");
            signed(redeem, &c.alice.key)
        }),
        call("cancel_redeem", nothing, |c| {
            let ticket = c.world.get::<RedeemTicket>(&address::redeem_ticket(&c.alice.key.pubkey(), 0));
            signed(ix::cancel_redeem(c.alice.key.pubkey(), &ticket, c.shares[0]), &c.alice.key)
        }),
        call(
            "allocate_liquidity, in",
            |c| weight(c, 500_000),
            |c| unsigned(ix::allocate_liquidity(&c.world.listings, A)),
        ),
        call(
            "allocate_liquidity, out",
            |c| weight(c, 300_000),
            |c| unsigned(ix::allocate_liquidity(&c.world.listings, A)),
        ),
        call("fund_insurance", nothing, |c| {
            let donor = (c.alice.key.pubkey(), (c.alice.tokens, DOLLAR));
            signed(ix::fund_insurance(&c.world.listings, donor.0, donor.1).expect("builds"), &c.alice.key)
        }),
        call("stake_backstop", nothing, |c| {
            let keys = (c.alice.key.pubkey(), c.alice.tokens, c.shares[1]);
            signed(ix::stake_backstop(&c.world.listings, keys, (DOLLAR, 1)).expect("builds"), &c.alice.key)
        }),
        call("request_unstake", nothing, |c| {
            let keys = (c.alice.key.pubkey(), c.world.payer.pubkey(), c.shares[1]);
            signed(ix::request_unstake(keys, (1, DOLLAR)), &c.alice.key)
        }),
        call("unstake", nothing, |c| {
            let ticket = c.world.get::<UnstakeTicket>(&address::unstake_ticket(&c.alice.key.pubkey(), 0));
            let unstake = ix::unstake(&c.world.listings, &ticket, (c.alice.tokens, 1)).expect("builds");
            signed(unstake, &c.alice.key)
        }),
        call("cancel_unstake", nothing, |c| {
            let ticket = c.world.get::<UnstakeTicket>(&address::unstake_ticket(&c.alice.key.pubkey(), 0));
            signed(ix::cancel_unstake(c.alice.key.pubkey(), &ticket, c.shares[1]), &c.alice.key)
        }),
        call("sweep_market", nothing, |_| unsigned(ix::sweep_market(A))),
    ]
}

/// The UNI market should have another part of the pool.
fn weight(c: &mut Cast, ppm: u32) {
    c.world.tamper::<Market>(&address::market(A), |market| market.core.params.target_weight_ppm = ppm);
}

/// All of them.
pub fn all() -> Vec<Call> {
    [governance(), accounts(), distress(), shares()].into_iter().flatten().collect()
}
