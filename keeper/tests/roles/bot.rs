//! A keeper whose chain is the embedded runtime: it knows, finds and plans what the real one does, and sends at once.

use std::collections::{BTreeMap, HashMap};

use bulwark_keeper::book::Book;
use bulwark_keeper::config::{Config, Role, Roles};
use bulwark_keeper::earnings::earnings;
use bulwark_keeper::oracles::Oracles;
use bulwark_keeper::roles::{self, Fresh, Motive, Own, Plan, Swept, View};
use bulwark_keeper::rules::Rules;
use bulwark_keeper::state::State;
use bulwark_keeper::work::Work;
use bulwark_sdk::instruction::Margin;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{MarketContext, Raw};
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, QUOTE_DECIMALS, SOL_ASSET};
use bulwark_tests::walk::stage::ASSETS;
use bulwark_tests::{Failure, Outcome, Signer as _, Trader, World};

/// A keeper in the embedded runtime.
pub struct Bot {
    /// Its own account.
    pub trader: Trader,
    /// What it may do.
    pub rules: Rules,
    /// What it does.
    pub roles: Roles,
    /// Oracle accounts, by feed.
    pub feeds: BTreeMap<[u8; 32], Vec<Pubkey>>,
    /// What it may not begin now.
    pub resting: Vec<Work>,
    book: Book,
    /// Accounts as the book was last told of them: it hears of changes, and of nothing else.
    told: HashMap<Pubkey, Vec<u8>>,
    swept: Swept,
}

/// How a piece of work ended.
#[derive(Debug)]
pub enum Did {
    /// It went through; what it brought, quote units.
    Done(Outcome, i64),
    /// There was nothing to do any more, or not yet.
    Nothing,
    /// It would have earned too little.
    Unprofitable,
    /// The program refused every attempt.
    Refused(Failure),
}

/// Accounts of all feeds of these fixtures and of the walk's.
fn feeds() -> BTreeMap<[u8; 32], Vec<Pubkey>> {
    let assets = [SOL_ASSET, BTC_ASSET].into_iter().chain(ASSETS);
    let both = assets.flat_map(|asset| [0, 1].map(|n| (asset.feed(n), vec![World::oracle_key(&asset, n)])));
    both.collect()
}

/// The exchange as a node would say it.
fn context(world: &World) -> MarketContext {
    let exchange = world.exchange();
    MarketContext {
        slot: world.slot(),
        clock_slot: world.slot(),
        now: world.now(),
        pool: world.pool(),
        insurance_fund: world.fund(),
        markets: exchange.markets().map(|index| (index, world.market(index))).collect(),
        vaults: (0..exchange.vault_count).map(|index| (index, world.vault(index))).collect(),
        exchange,
    }
}

impl Bot {
    /// With so many dollars, at the default configuration.
    pub fn new(world: &mut World, dollars: u64) -> Self {
        let trader = world.trader(dollars * DOLLAR);
        if dollars > 0 {
            world.deposit(&trader, dollars * DOLLAR).expect("deposit");
        }
        Self::of(trader)
    }

    /// Of somebody with an open account.
    pub fn of(trader: Trader) -> Self {
        let config = Config::default();
        let rules = Rules::new(&config, QUOTE_DECIMALS).expect("rules");
        Self {
            trader,
            rules,
            roles: config.roles,
            feeds: feeds(),
            resting: Vec::new(),
            book: Book::new(),
            told: HashMap::new(),
            swept: Swept::default(),
        }
    }

    /// With these roles and no others.
    pub fn only<const N: usize>(mut self, roles: [Role; N]) -> Self {
        self.roles = roles.into();
        self
    }

    fn own(&self) -> Own {
        Own { authority: self.trader.key.pubkey(), margin: self.trader.margin }
    }

    /// What the real one would know of the exchange.
    pub fn state(&self, world: &World) -> State {
        let oracles = Oracles::new(self.feeds.clone());
        let mut state = State::new(world.listings.clone(), context(world), oracles);
        let read = |key: Pubkey| {
            let account = world.svm.get_account(&key);
            (key, account.map(|account| Raw { owner: account.owner, data: account.data }))
        };
        let read = state.pulse_keys().into_iter().map(read).collect();
        assert!(state.pulse(read), "a clock");
        state.foresee();
        state
    }

    /// What there is to do.
    pub fn find(&mut self, world: &World) -> Vec<Work> {
        let state = self.state(world);
        let (snapshot, slot) = (state.snapshot(), state.moment.slot);
        let accounts = world.all::<MarginAccount>();
        let mut gone = std::mem::take(&mut self.told);
        for (key, account) in accounts {
            let bytes = bytemuck::bytes_of(&*account).to_vec();
            if gone.remove(&key).as_ref() != Some(&bytes) {
                self.book.insert(key, (account, slot), (&snapshot, slot));
            }
            self.told.insert(key, bytes);
        }
        for key in gone.into_keys() {
            self.book.remove(&key, slot);
        }
        for index in state.markets.keys() {
            self.book.market_moved(*index, &snapshot, slot);
        }
        for index in state.vaults.keys() {
            self.book.vault_moved(*index, &snapshot, slot);
        }
        self.book.clock_moved(&snapshot, slot);
        self.swept.look(&state);
        let view = View {
            state: &state,
            snapshot: &snapshot,
            book: &self.book,
            own: self.own(),
            rules: &self.rules,
            swept: &self.swept,
            ready: &|work| !self.resting.contains(work),
        };
        roles::find(&self.roles, view)
    }

    /// The book, as of the last look.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Plans one piece of work with accounts as they are now.
    pub fn plan(&self, world: &World, work: &Work) -> Plan {
        let (state, stored) = (self.state(world), context(world));
        let mut foreseen = stored.clone();
        state.foresee_context(&mut foreseen);
        let account = work.account().map(|key| (key, world.margin(&key)));
        let purse = world.svm.get_account(&self.trader.margin).map(|_| world.margin(&self.trader.margin));
        let fresh = Fresh {
            state: &state,
            context: &foreseen,
            stored: &stored,
            account: account.as_ref().map(|(address, account)| Margin { address: *address, account }),
            own: self.own(),
            purse: purse.as_deref(),
            rules: &self.rules,
        };
        roles::plan(work, &fresh).unwrap_or_else(|error| panic!("{work}: {error}"))
    }

    /// Does one piece of work, like the real one: the first attempt that goes through and pays.
    pub fn act(&self, world: &mut World, work: &Work) -> Did {
        let attempts = match self.plan(world, work) {
            Plan::Nothing | Plan::Wait => return Did::Nothing,
            Plan::Try(attempts) => attempts,
        };
        let mut last = Did::Nothing;
        for attempt in attempts {
            let refreshes = attempt.refreshes.into_iter().rev();
            let instructions: Vec<Instruction> = refreshes.chain(attempt.main).collect();
            // What has to pay is tried on a copy first, as the real one simulates.
            if attempt.motive == Motive::Profit {
                last = self.send(&mut world.fork(), &instructions);
                if !matches!(last, Did::Done(_, earned) if earned >= self.rules.min_profit) {
                    last = if matches!(last, Did::Done(..)) { Did::Unprofitable } else { last };
                    continue;
                }
            }
            last = self.send(world, &instructions);
            if matches!(last, Did::Done(..)) {
                return last;
            }
        }
        last
    }

    fn send(&self, world: &mut World, instructions: &[Instruction]) -> Did {
        match world.send(instructions, &[&self.trader.key]) {
            Ok(outcome) => {
                let earned = earnings(&outcome.events, &self.trader.margin);
                Did::Done(outcome, earned)
            }
            Err(failure) => Did::Refused(failure),
        }
    }

    /// Looks once and does all that is found. Nothing that it sends may be refused.
    pub fn round(&mut self, world: &mut World) -> Vec<(Work, Did)> {
        let work = self.find(world);
        let did: Vec<_> = work.into_iter().map(|work| (work.clone(), self.act(world, &work))).collect();
        for (work, did) in &did {
            assert!(!matches!(did, Did::Refused(_)), "{work}: {did:?}");
        }
        did
    }

    /// Looks and does what is found until nothing is found, at most so many times. What was done.
    pub fn rounds(&mut self, world: &mut World, most: usize) -> Vec<(Work, Did)> {
        let mut all = Vec::new();
        for _ in 0..most {
            let did = self.round(world);
            if did.is_empty() {
                return all;
            }
            all.extend(did);
        }
        panic!("after {most} rounds there is still something to do: {all:?}");
    }

    /// Its account.
    pub fn purse(&self, world: &World) -> Box<MarginAccount> {
        world.margin(&self.trader.margin)
    }
}
