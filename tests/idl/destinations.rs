//! On the compiled program: what the table of movements pays out goes to the owner of the balance and to nobody else.

use bulwark_sdk::engine::backstop::COOLDOWN;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::state::{Exchange, MarginAccount, RedeemTicket, UnstakeTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Keypair, Signer as _, Trader, World};

use crate::money::{Effect, MOVEMENTS};
use crate::support::*;

/// A chain, somebody on it with a balance of every kind, and the token accounts with the shares.
struct Stage {
    world: World,
    owner: Trader,
    junior: Pubkey,
    backstop: Pubkey,
    /// A token account of the recipient of protocol fees.
    fees: Pubkey,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::new();
        let owner = world.trader(10_000 * DOLLAR);
        world.deposit(&owner, 1_000 * DOLLAR).expect("deposit");
        let junior = world.add_liquidity(&owner, 1_000 * DOLLAR).expect("add_liquidity");
        let backstop = world.stake(&owner, 1_000 * DOLLAR).expect("stake_backstop");
        let keys = (owner.key.pubkey(), world.payer.pubkey(), junior);
        let request = ix::request_redeem(&world.listings, TrancheKind::Junior, keys, (0, 100 * DOLLAR));
        world.send(&[request], &[&owner.key]).expect("request_redeem");
        world.request_unstake(&owner, backstop, (0, 100 * DOLLAR)).expect("request_unstake");
        // Fees that somebody paid in.
        world.deposit(&owner, DOLLAR).expect("deposit");
        world.tamper::<MarginAccount>(&owner.margin, |account| account.quote.0 -= 1_000_000);
        world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.protocol_fees += DOLLAR);
        let (mint, recipient) = (world.listings.vaults[0].mint, world.exchange().fee_recipient);
        let fees = world.create_tokens(mint, recipient, 0);
        Self { world, owner, junior, backstop, fees }
    }

    fn redeem_ticket(&self) -> Box<RedeemTicket> {
        self.world.get(&address::redeem_ticket(&self.owner.key.pubkey(), 0))
    }

    fn unstake_ticket(&self) -> Box<UnstakeTicket> {
        self.world.get(&address::unstake_ticket(&self.owner.key.pubkey(), 0))
    }

    /// A valid call of an instruction that pays out, at a time when it pays.
    fn call(&mut self, name: &str) -> Instruction {
        let (key, tokens, dollars) = (self.owner.key.pubkey(), self.owner.tokens, (10 * DOLLAR, 1));
        self.world.advance(if name == "unstake" { COOLDOWN } else { 86_400 });
        let listings = &self.world.listings;
        let built = match name {
            "withdraw" => {
                let account = self.world.margin(&self.owner.margin);
                let margin = Margin { address: self.owner.margin, account: &account };
                ix::withdraw(listings, margin, 0, (tokens, 10 * DOLLAR))
            }
            "add_liquidity" => {
                ix::add_liquidity(listings, TrancheKind::Junior, (key, tokens, self.junior), dollars)
            }
            "redeem" => ix::redeem(listings, &self.redeem_ticket(), (tokens, 1)),
            "cancel_redeem" => Ok(ix::cancel_redeem(key, &self.redeem_ticket(), self.junior)),
            "stake_backstop" => ix::stake_backstop(listings, (key, tokens, self.backstop), dollars),
            "unstake" => ix::unstake(listings, &self.unstake_ticket(), (tokens, 1)),
            "cancel_unstake" => Ok(ix::cancel_unstake(key, &self.unstake_ticket(), self.backstop)),
            "collect_protocol_fees" => {
                ix::collect_protocol_fees(listings, self.world.admin.pubkey(), (self.fees, 1_000))
            }
            _ => panic!("{name} pays out: it needs a valid call here"),
        };
        built.expect("builds")
    }

    /// The key of who signs, as the table calls them.
    fn key(&self, signer: &str) -> Keypair {
        let key = if signer == "admin" { &self.world.admin } else { &self.owner.key };
        key.insecure_clone()
    }

    /// Sends what must be refused for its keys and change nothing.
    fn refuse(&mut self, call: &Instruction, signer: &Keypair, what: &str) {
        let before = Snapshot::take(&self.world);
        let failure = self.world.send(std::slice::from_ref(call), &[signer]).expect_err(what);
        let name = failure.name.unwrap_or(failure.error);
        assert!(["BadTokenAccount", "Unauthorized"].contains(&name.as_str()), "{what}: {name}");
        assert_eq!(before.changes(&self.world), [], "{what}");
    }
}

#[test]
fn what_is_paid_out_goes_to_the_owner_and_to_nobody_else() {
    for (name, signer, effect) in MOVEMENTS {
        let (from, to) = match effect {
            Effect::Out { from, to, .. } => (Some(from), to),
            Effect::Mints { to, .. } => (None, to),
            _ => continue,
        };
        let (mut stage, described) = (Stage::new(), instruction(name));
        let (signs, to) = (place(described, signer), place(described, to));
        let call = stage.call(name);
        let (key, own) = (stage.key(signer), call.accounts[to].pubkey);
        assert_eq!(call.accounts[signs].pubkey, key.pubkey(), "{name}: the description has another order");

        // The same tokens, of somebody else: for who signs to pay to, and for a thief, the admin or the guardian to take.
        let thief = stage.world.keypair();
        let offices = [&stage.world.admin, &stage.world.guardian].map(Keypair::insecure_clone);
        let account = stage.world.svm.get_account(&own).expect("a token account");
        for taker in [thief].into_iter().chain(offices) {
            let theirs = stage.world.keypair().pubkey();
            stage.world.svm.set_account(theirs, account.clone()).expect("set account");
            stage.world.write_tokens(theirs, |tokens| tokens.owner = taker.pubkey());
            let mut elsewhere = call.clone();
            elsewhere.accounts[to].pubkey = theirs;
            stage.refuse(&elsewhere, &key, &format!("{name} to another's tokens"));
            elsewhere.accounts[signs].pubkey = taker.pubkey();
            stage.refuse(&elsewhere, &taker, &format!("{name} by another"));
        }

        let vault = from.map(|from| call.accounts[place(described, from)].pubkey);
        let held = |world: &World| vault.map(|vault| world.token_balance(&vault));
        let (before, vault_before) = (stage.world.token_balance(&own), held(&stage.world));
        stage.world.send(std::slice::from_ref(&call), &[&key]).expect(name);
        let paid = stage.world.token_balance(&own) - before;
        assert!(paid > 0, "{name}");
        assert_eq!(held(&stage.world), vault_before.map(|held| held - paid), "{name}");
    }
}
