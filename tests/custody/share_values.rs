//! I12: what one provider does never lowers what another's shares are worth, whatever the price, and nobody takes out
//! more than was his.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, Vault};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Failure, Outcome, SOL, Trader, World};

use crate::provider::*;
use crate::support::*;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// From one to `most`, each magnitude as likely as any other.
    fn amount(&mut self, most: u64) -> u64 {
        let top = self.below(u64::from(most.max(1).ilog2()) + 1);
        (1 << top) + self.below(1 << top).min(most.saturating_sub(1 << top))
    }
}

/// What a provider may be told without anything being wrong.
const REASONS: [&str; 13] = [
    "SeniorRatio",
    "SeniorImpaired",
    "SharePriceTooLow",
    "TooSmallForOneShare",
    "WorthNothing",
    "RedeemTooEarly",
    "RedeemTooLate",
    "PoolIdle",
    "PoolUtilisation",
    "OutflowLimit",
    "NothingToAllocate",
    "ZeroAmount",
    "insufficient funds",
];

/// How often something happened.
#[derive(Debug, Default)]
struct Seen {
    added: [u32; 2],
    paid: [u32; 2],
    parts: u32,
    cancelled: u32,
    late: u32,
    impaired: u32,
    traded: u32,
}

struct Walk {
    world: World,
    providers: Vec<Provider>,
    /// Shares in tickets, and their nonces, by provider.
    tickets: Vec<Vec<u64>>,
    traders: [Trader; 2],
    price: i64,
    nonce: u64,
    random: Random,
    seen: Seen,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = markets();
        let kinds = [TrancheKind::Junior, TrancheKind::Junior, TrancheKind::Senior, TrancheKind::Senior];
        let providers: Vec<_> =
            kinds.iter().map(|kind| Provider::of(&mut world, *kind, 1_000_000 * DOLLAR)).collect();
        for (provider, thousands) in providers.iter().zip([100, 50, 40, 30]) {
            provider.mint(&mut world, thousands * 1_000 * DOLLAR);
        }
        // A few hundredths of the vault an hour: large tickets are paid in parts.
        let vault = world.listings.vaults[0].address;
        world.tamper::<Vault>(&vault, |v| {
            (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (0, 20_000);
        });
        let traders = [0; 2].map(|_| world.funded_trader(200_000 * DOLLAR));
        let (tickets, random) = (vec![Vec::new(); 4], Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
        Self {
            world,
            providers,
            tickets,
            traders,
            price: 150 * PRINT,
            nonce: 0,
            random,
            seen: Seen::default(),
        }
    }

    /// Shares of a provider in the wallet and in tickets.
    fn shares(&self, n: usize) -> u64 {
        let provider = &self.providers[n];
        let waiting = self.tickets[n].iter().map(|nonce| provider.ticket(&self.world, *nonce).core.shares);
        provider.held(&self.world) + waiting.sum::<u64>()
    }

    /// What each provider's shares are worth at the pool's lowest and highest value, and at the SDK's answer.
    fn values(&self) -> Vec<[u64; 3]> {
        let (mut core, nav) = (self.world.pool().core, nav(&self.world));
        core.accrue(self.world.now());
        let value = |n: usize| {
            let (kind, shares) = (self.providers[n].tranche, self.shares(n));
            let at = |nav| core.share_value(kind, shares, nav).expect("value");
            [at(nav.low), at(nav.high), worth(&self.world, kind, shares)]
        };
        (0..self.providers.len()).map(value).collect()
    }

    /// An operation of provider `n`, who brings `brought` and takes what the wallet shows: nobody else loses by it, and
    /// the provider does not win.
    fn act(&mut self, n: usize, act: impl FnOnce(&mut Self) -> Result<Outcome, Failure>) -> bool {
        let (before, wallet) = (self.values(), self.providers[n].quote(&self.world));
        match act(self) {
            Err(failure) => {
                assert!(REASONS.contains(&&*label(&failure)), "{failure:?}");
                return false;
            }
            Ok(outcome) => assert_eq!(outcome.events.len(), 1),
        }
        self.tickets[n].retain(|nonce| lamports(&self.world, &self.providers[n].ticket_key(*nonce)) > 0);
        let (after, now) = (self.values(), self.providers[n].quote(&self.world));
        for (other, (had, has)) in before.iter().zip(&after).enumerate() {
            for (had, has) in had.iter().zip(has) {
                let wealth = |shares: u64, quote: u64| u128::from(shares) + u128::from(quote);
                if other == n {
                    assert!(wealth(*has, now) <= wealth(*had, wallet) + 1, "{n} won: {before:?} {after:?}");
                } else {
                    assert!(has + 1 >= *had, "{other} lost by {n}: {before:?} {after:?}");
                }
            }
        }
        shares_add_up(&self.world);
        true
    }

    fn send(&mut self, n: usize, instruction: Instruction) -> Result<Outcome, Failure> {
        self.world.send(&[instruction], &[&self.providers[n].trader.key])
    }

    /// Both prices are printed, now.
    fn refresh(&mut self) {
        self.world.set_price(SOL, self.price);
        self.world.set_price(BTC, BTC_ASSET.price);
    }

    fn trade(&mut self) {
        let (n, side) = (self.random.below(2) as usize, Side::BOTH[self.random.below(2) as usize]);
        let lots = (1 + self.random.below(500)) * SOL_ASSET.one();
        let close = self.random.below(3) == 0;
        let lots = if close { u64::MAX } else { lots };
        let held = self.world.margin(&self.traders[n].margin).position(SOL).is_some();
        if !close || held {
            // Margin, caps or the other side may forbid it: then there is no trade.
            let done = if close {
                self.world.close(&self.traders[n], SOL, lots)
            } else {
                self.world.open(&self.traders[n], SOL, side, lots)
            };
            self.seen.traded += u32::from(done.is_ok());
        }
    }

    fn step(&mut self) {
        let (n, what) = (self.random.below(4) as usize, self.random.below(18));
        let tranche = usize::from(self.providers[n].tranche.to_byte());
        match what {
            0..=2 => {
                let amount = self.random.amount(50_000 * DOLLAR);
                let add = self.providers[n].add(&self.world, amount, 0);
                let done = self.act(n, |walk| walk.send(n, add));
                self.seen.added[tranche] += u32::from(done);
            }
            3..=5 => {
                self.nonce += 1;
                let (nonce, held) = (self.nonce, self.providers[n].held(&self.world));
                let shares = match self.random.below(2) {
                    0 => self.random.amount(held).min(held),
                    _ => self.random.below(held + 1),
                };
                let request = self.providers[n].request_instruction(&self.world, nonce, shares);
                self.act(n, |walk| {
                    let outcome = walk.send(n, request)?;
                    walk.tickets[n].push(nonce);
                    Ok(outcome)
                });
            }
            6..=9 if !self.tickets[n].is_empty() => {
                let at = self.random.below(self.tickets[n].len() as u64) as usize;
                let nonce = self.tickets[n][at];
                let cancel = self.random.below(5) == 0;
                let (provider, world) = (&self.providers[n], &self.world);
                let instruction = if cancel {
                    provider.cancel_instruction(world, nonce)
                } else {
                    provider.redeem_instruction(world, nonce, 0)
                };
                let core = (self.world.pool().core, self.providers[n].ticket(&self.world, nonce).core);
                self.seen.late += u32::from(core.0.is_over(&core.1, self.world.now()));
                let done = self.act(n, |walk| walk.send(n, instruction));
                let part = done && self.tickets[n].contains(&nonce);
                self.seen.cancelled += u32::from(done && cancel);
                self.seen.paid[tranche] += u32::from(done && !cancel);
                self.seen.parts += u32::from(part);
            }
            10 | 11 => {
                self.world.advance(1 + self.random.below(60) as i64);
                let percent = 85 + self.random.below(32) as i64;
                self.price = (self.price * percent / 100).clamp(40 * PRINT, 600 * PRINT);
                self.refresh();
            }
            12 | 13 => self.trade(),
            14 => {
                // About the window of a ticket, or just later.
                let within = self.random.below(8 * 3_600) as i64;
                let opens = self.tickets[n].first().map_or(0, |nonce| {
                    self.providers[n].ticket(&self.world, *nonce).core.requested_at + DELAY - 3_600
                });
                self.world.set_clock(opens.max(self.world.now()) + within);
                self.refresh();
            }
            15 => {
                let market = [SOL, BTC][self.random.below(2) as usize];
                let instruction = match self.random.below(3) {
                    0 => ix::sweep_market(market),
                    _ => ix::allocate_liquidity(&self.world.listings, market),
                };
                let done = self.world.send(&[instruction], &[]);
                assert!(done.is_ok() || done.is_err_and(|f| f.is("NothingToAllocate")));
            }
            _ => {
                let idle = self.world.pool().core.idle;
                if self.random.below(2) == 0 {
                    let amount = self.random.below(idle / 2);
                    lose(&mut self.world, amount);
                } else {
                    let amount = self.random.below(60_000 * DOLLAR);
                    earn(&mut self.world, amount);
                }
            }
        }
        let core = self.world.pool().core;
        self.seen.impaired += u32::from(core.senior_claim().expect("claim") > nav(&self.world).low);
    }
}

#[test]
fn no_deposit_or_redemption_takes_from_another_provider_at_any_price() {
    let mut total = Seen::default();
    for seed in 1..=10 {
        println!("seed {seed}");
        let mut walk = Walk::new(seed);
        for _ in 0..300 {
            walk.step();
        }
        let seen = walk.seen;
        for (sum, n) in
            total.added.iter_mut().chain(&mut total.paid).zip(seen.added.into_iter().chain(seen.paid))
        {
            *sum += n;
        }
        total.parts += seen.parts;
        total.cancelled += seen.cancelled;
        total.late += seen.late;
        total.impaired += seen.impaired;
        total.traded += seen.traded;
    }
    // A walk that is refused everything would prove nothing.
    assert!(total.added.iter().chain(&total.paid).all(|n| *n >= 8), "{total:?}");
    assert!(
        total.parts >= 5
            && total.cancelled >= 8
            && total.late >= 8
            && total.impaired >= 20
            && total.traded >= 20,
        "{total:?}"
    );
}

#[test]
fn attack_losing_to_the_pool_right_before_a_deposit_does_not_rob_it() {
    // The thief owns the pool and loses to it as a trader in the same block, by fees alone or by a position that was
    // opened before: the victim pays the higher price and has the worth of it.
    for (moved, closes) in [(150, true), (140, true), (140, false), (160, true)] {
        let mut world = markets();
        let thief = Provider::of(&mut world, TrancheKind::Junior, 10_000 * DOLLAR);
        thief.mint(&mut world, 10_000 * DOLLAR);
        allocate(&mut world, SOL);
        let trader = world.funded_trader(1_000 * DOLLAR);
        let victim = Provider::of(&mut world, TrancheKind::Junior, 7_777 * DOLLAR);
        world.open(&trader, SOL, Side::Long, 25 * SOL_ASSET.one()).expect("open");
        world.settle_price(SOL, moved * PRINT);
        world.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.ema = m.core.oracle.price);
        world.set_price(BTC, BTC_ASSET.price);
        let fortune = |world: &World| {
            let margin = world.margin(&trader.margin).quote.0 + world.pnl(&trader.margin, SOL);
            thief.worth(world) + margin.unsigned_abs()
        };
        world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
        let before = fortune(&world);
        if closes {
            world.close(&trader, SOL, u64::MAX).expect("close");
        }
        victim.mint(&mut world, 7_777 * DOLLAR);
        for _ in 0..2 {
            // Fees of insurance and protocol aside, the thief has what was the thief's, and the victim what was paid
            // but for the virtual shares' part.
            let (worth, after) = (victim.worth(&world), fortune(&world));
            assert!(7_777 * DOLLAR - worth <= 2 * DOLLAR, "{moved} {closes}: {worth}");
            assert!(after <= before + 10, "{moved} {closes}: {before} {after}");
            world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
        }
    }
}

#[test]
fn attack_depositing_for_a_moment_earns_nothing() {
    // In before income that everybody sees coming is swept, and asked out at once: the delay apart, the value in the
    // ticket is no more than was paid.
    let mut world = markets();
    Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000 * DOLLAR);
    allocate(&mut world, SOL);
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    for price in [150, 160, 140] {
        world.move_price(SOL, price * PRINT);
        world.set_price(BTC, BTC_ASSET.price);
        for tranche in TrancheKind::BOTH {
            let mut world = world.fork();
            let thief = Provider::of(&mut world, tranche, 500_000 * DOLLAR);
            let shares = thief.mint(&mut world, 500_000 * DOLLAR).shares;
            world.send(&[ix::sweep_market(SOL)], &[]).expect("sweep_market");
            assert!(thief.request(&mut world, 0, shares) <= 500_000 * DOLLAR, "{price} {tranche:?}");
        }
    }
}

#[test]
fn attack_tokens_sent_to_the_vault_move_neither_tranche() {
    let mut world = World::empty();
    let junior = Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000);
    let senior = Provider::with_shares(&mut world, TrancheKind::Senior, 500_000);
    junior.request(&mut world, 0, 100_000);
    let values = |world: &World| [junior.worth(world), senior.worth(world), nav(world).low, nav(world).high];
    let before = values(&world);
    world.write_tokens(world.listings.vaults[0].token_account, |tokens| tokens.amount += 1_000_000_000);
    world.donated.insert(0, 1_000_000_000);
    assert_eq!(values(&world), before);
    let victim = Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000);
    assert_eq!((victim.held(&world), victim.worth(&world)), (1_000_000, 1_000_000));
    world.advance(DELAY);
    assert_eq!(junior.redeem(&mut world, 0).paid, 99_894, "less a coupon of the senior");
}
