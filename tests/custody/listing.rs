//! `create_vault` and `create_market`: by the admin, as an executed change says, with a first price, within the hard bounds.

use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::price::MAX_LEAD_SECONDS;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::events::{MarketCreated, VaultCreated};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange, Market, MarketStatus, VERSION, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::oracle_accounts::{PYTH_RECEIVER, Print, Verification, pyth_pull};
use bulwark_tests::{Keypair, Signer, World};

use crate::instances::ETH_ASSET;
use crate::support::*;

/// Two dollars a whole unit of a token or market with eight decimals; prints two oracle accounts.
struct Listing {
    world: World,
    admin: Keypair,
    sponsor: Keypair,
    mint: Pubkey,
}

const PRIMARY: u8 = 0;
const SECONDARY: u8 = 1;

impl Listing {
    fn new() -> Self {
        let mut world = World::empty();
        let mint = fixtures::address("mint ETH");
        world.create_mint(mint, 8);
        let sponsor = world.keypair();
        let sponsor = with_lamports(&mut world, sponsor);
        let mut listing = Self { admin: world.admin.insecure_clone(), sponsor, world, mint };
        let now = listing.world.now();
        listing.print(PRIMARY, ETH_ASSET.price, now);
        listing.print(SECONDARY, ETH_ASSET.price, now);
        listing
    }

    fn print(&mut self, source: u8, price: i64, publish_time: i64) {
        let print = Print { price, conf: 1, exponent: EXPONENT, publish_time, posted_slot: 0 };
        let data = pyth_pull(ETH_ASSET.feed(source), &print, Verification::Full);
        self.world.set_account(World::oracle_key(&ETH_ASSET, source), PYTH_RECEIVER, data);
    }

    fn print_both(&mut self, prices: [i64; 2], times: [i64; 2]) {
        for (n, (price, time)) in [PRIMARY, SECONDARY].into_iter().zip(prices.into_iter().zip(times)) {
            self.print(n, price, time);
        }
    }

    /// An executed change that lists the collateral.
    fn vault_change(&mut self, terms: VaultTerms) -> Box<Change> {
        self.world.approve(vault_payload(self.mint, terms)).expect("an executed change")
    }

    /// An executed change that lists a market.
    fn market_change(&mut self, terms: MarketTerms) -> Box<Change> {
        self.world.approve(market_payload(terms)).expect("an executed change")
    }

    fn create_vault(&self, oracles: OracleAccounts, change: &Change) -> Instruction {
        let signers = (self.admin.pubkey(), self.sponsor.pubkey());
        ix::create_vault(signers, (self.mint, address::TOKEN_PROGRAM), oracles, change)
    }

    fn create_market(&self, index: u16, oracles: OracleAccounts, change: &Change) -> [Instruction; 2] {
        ix::create_market((self.admin.pubkey(), self.sponsor.pubkey()), index, oracles, change)
    }

    /// The instruction after all that must come before it.
    fn vault(&mut self, oracles: OracleAccounts, terms: VaultTerms) -> Instruction {
        let change = self.vault_change(terms);
        self.create_vault(oracles, &change)
    }

    /// The first market's instructions after all that must come before them.
    fn market(&mut self, oracles: OracleAccounts, terms: MarketTerms) -> [Instruction; 2] {
        let change = self.market_change(terms);
        self.create_market(0, oracles, &change)
    }

    /// That change can't even be proposed.
    #[track_caller]
    fn refuse_proposal(&mut self, payload: ChangePayload, name: &str) {
        let (nonce, keys) = (self.world.exchange().next_change, (self.admin.pubkey(), self.sponsor.pubkey()));
        let propose = ix::propose_change(&self.world.listings, keys, nonce, payload).expect("builds");
        self.refuse(&propose, name);
    }

    fn refuse(&mut self, instruction: &Instruction, name: &str) {
        let (admin, sponsor) = (self.admin.insecure_clone(), self.sponsor.insecure_clone());
        refuse(&mut self.world, instruction, &[&admin, &sponsor], name);
    }

    fn accept(&mut self, instruction: &Instruction) -> Vec<Event> {
        let (admin, sponsor) = (self.admin.insecure_clone(), self.sponsor.insecure_clone());
        accept(&mut self.world, instruction, &[&admin, &sponsor]).events
    }

    fn sponsor_lamports(&self) -> u64 {
        lamports(&self.world, &self.sponsor.pubkey())
    }
}

fn one() -> OracleAccounts {
    World::oracles(&ETH_ASSET)
}

fn both() -> OracleAccounts {
    OracleAccounts { secondary: Some(World::oracle_key(&ETH_ASSET, SECONDARY)), ..one() }
}

fn source(n: u8) -> OracleSource {
    fixtures::pyth_source(ETH_ASSET.feed(n))
}

/// What a change says of a listing.
#[derive(Clone, Copy)]
struct Terms<P> {
    sources: [OracleSource; 2],
    params: P,
}

type VaultTerms = Terms<CollateralParams>;
type MarketTerms = Terms<MarketParams>;

fn vault_terms() -> VaultTerms {
    Terms { sources: [source(PRIMARY), OracleSource::NONE], params: collateral_params(1_000_000) }
}

fn market_terms() -> MarketTerms {
    Terms { sources: [source(PRIMARY), OracleSource::NONE], params: ETH_ASSET.listed_params() }
}

fn vault_payload(mint: Pubkey, Terms { sources, params }: VaultTerms) -> ChangePayload {
    ChangePayload::CreateVault { mint, sources, params }
}

fn market_payload(Terms { sources, params }: MarketTerms) -> ChangePayload {
    ChangePayload::CreateMarket { sources, params }
}

#[test]
fn a_vault_starts_with_exactly_what_its_change_says() {
    let mut listing = Listing::new();
    let (had, mint) = (listing.sponsor_lamports(), listing.mint);
    let change = listing.vault_change(vault_terms());
    let payer = lamports(&listing.world, &change.payer);
    let create = listing.create_vault(one(), &change);
    let events = listing.accept(&create);
    returned(&listing.world, &change, payer);
    assert_eq!(events, [Event::VaultCreated(VaultCreated { vault: 1, mint })]);

    let world = &listing.world;
    assert_eq!(world.exchange().vault_count, 2);
    let vault = world.get::<Vault>(&address::vault(&mint));
    assert_eq!((vault.mint, vault.token_account), (mint, address::vault_tokens(&mint)));
    assert_eq!((vault.core.recorded, vault.sequence, vault.index, vault.decimals), (0, 0, 1, 8));
    assert_eq!((vault.version, vault.sources), (VERSION, vault_terms().sources));
    assert_eq!(vault.core.params, vault_terms().params);
    // 3000 dollars a unit of 10^8: 30 quote units each.
    assert_eq!((vault.core.oracle.price.to_bits(), vault.core.oracle.ema.to_bits()), (30 << 32, 30 << 32));
    assert_eq!(vault.core.oracle.publish_time, GENESIS);
    let tokens = world.svm.get_account(&vault.token_account).expect("token account");
    let tokens = spl_token::state::Account::unpack(&tokens.data).expect("token account");
    assert_eq!((tokens.mint, tokens.owner, tokens.amount), (mint, address::exchange(), 0));
    let rents = [Vault::SPACE, 165].map(|size| world.svm.minimum_balance_for_rent_exemption(size));
    assert_eq!(had - listing.sponsor_lamports(), rents.iter().sum::<u64>());
}

/// The change is gone, and its rent with whoever paid it, who had `before`, less the fees of one or two transactions.
#[track_caller]
fn returned(world: &World, change: &Change, before: u64) {
    assert_eq!(lamports(world, &address::change(change.nonce)), 0);
    let rent = world.svm.minimum_balance_for_rent_exemption(Change::SPACE);
    let fees = before + rent - lamports(world, &change.payer);
    assert!((1..=2).map(|n| n * 15_000).any(|paid| paid == fees), "{fees}");
}

#[test]
fn a_market_starts_with_exactly_what_its_change_says_in_one_transaction_or_two() {
    for transactions in [1, 2] {
        let mut listing = Listing::new();
        let had = listing.sponsor_lamports();
        let change = listing.market_change(market_terms());
        let payer = lamports(&listing.world, &change.payer);
        let steps = listing.create_market(0, one(), &change);
        let (admin, sponsor) = (listing.admin.insecure_clone(), listing.sponsor.insecure_clone());
        let mut events = Vec::new();
        for step in steps.chunks(2 / transactions) {
            events.extend(listing.world.send(step, &[&admin, &sponsor]).expect("create_market").events);
        }
        returned(&listing.world, &change, payer);
        // 3000 dollars, 10^-10 a lot: 0.3 quote units, rounded down in Q32.32.
        let price = (3_u64 << 32) / 10;
        assert_eq!(events, [Event::MarketCreated(MarketCreated { market: 0, price })]);

        let world = &listing.world;
        assert_eq!(world.exchange().market_count, 1);
        let market = world.market(0);
        assert_eq!((market.payer, market.sequence, market.index), (sponsor.pubkey(), 0, 0));
        assert_eq!((market.pause, market.version), (0, VERSION));
        assert!(market.is(MarketStatus::ReduceOnly), "a change of its own activates it");
        assert_eq!((market.generation, market.revision >> 24), (0, 0));
        assert_eq!((market.stepped_at, market.suspended_at), (0, 0));
        assert_eq!((market.sources, market.core.params), (market_terms().sources, market_terms().params));
        let oracle = market.core.oracle;
        assert_eq!((oracle.price.to_bits(), oracle.ema.to_bits()), (price, price));
        let book = &market.core.book;
        assert_eq!((book.cash, book.insurance, book.tokens()), (0, 0, Ok(0)));
        assert_eq!((book.long.lots, book.short.lots, book.committed), (0, 0, 0));
        let account = world.svm.get_account(&address::market(0)).expect("market");
        assert_eq!(account.data.len(), Market::SPACE);
        let rent = world.svm.minimum_balance_for_rent_exemption(Market::SPACE);
        assert_eq!((account.lamports, had - listing.sponsor_lamports()), (rent, rent));
    }
}

#[test]
fn only_the_admin_lists() {
    let mut listing = Listing::new();
    let [step, _] = listing.market(one(), market_terms());
    let vault = listing.vault(one(), vault_terms());
    for instruction in [vault, step] {
        for imposter in [listing.world.guardian.insecure_clone(), listing.world.deployer.insecure_clone()] {
            let signers = [&imposter, &listing.sponsor];
            let forged = with_account(&instruction, 0, imposter.pubkey());
            refuse(&mut listing.world, &forged, &signers, "Unauthorized");
        }
        listing.refuse(&unsigned(&instruction, 0), "AccountNotSigner");
        listing.refuse(&unsigned(&instruction, 1), "AccountNotSigner");
    }
}

#[test]
fn attack_the_second_step_of_a_market_by_someone_else() {
    let mut listing = Listing::new();
    let [first, second] = listing.market(one(), market_terms());
    listing.accept(&first);
    let thief = listing.world.keypair();
    let thief = with_lamports(&mut listing.world, thief);
    let forged = with_account(&with_account(&second, 0, thief.pubkey()), 1, thief.pubkey());
    refuse(&mut listing.world, &forged, &[&thief], "Unauthorized");
    refuse(&mut listing.world, &unsigned(&second, 0), &[&listing.sponsor], "AccountNotSigner");
    // Half a market is no market.
    let refresh = ix::refresh_market(0, one());
    refuse(&mut listing.world, &refresh, &[], "AccountDiscriminatorMismatch");
    refuse(&mut listing.world, &ix::sweep_market(0), &[], "AccountDiscriminatorMismatch");
    listing.accept(&second);
    // The change was used up, and another one lists another market.
    listing.refuse(&second, "AccountOwnedByWrongProgram");
    for step in listing.market(one(), market_terms()) {
        listing.refuse(&step, "ConstraintSeeds");
    }
}

#[test]
fn the_rent_of_a_market_belongs_to_who_paid_it() {
    let mut listing = Listing::new();
    let [first, second] = listing.market(one(), market_terms());
    listing.accept(&first);
    let other = listing.world.keypair();
    let other = with_lamports(&mut listing.world, other);
    let signers = [&listing.admin, &other];
    accept(&mut listing.world, &with_account(&second, 1, other.pubkey()), &signers);
    assert_eq!(listing.world.market(0).payer, listing.sponsor.pubkey(), "the first step paid");
}

#[test]
fn attack_lamports_sent_ahead_do_not_stop_a_listing() {
    for dust in [1, 1_000_000_000] {
        let mut listing = Listing::new();
        let mint = listing.mint;
        let new = [address::market(0), address::vault(&mint), address::vault_tokens(&mint)];
        for key in new.into_iter().chain([0, 1].map(address::change)) {
            send_dust(&mut listing.world, key, dust);
        }
        let had = listing.sponsor_lamports();
        for step in listing.market(one(), market_terms()) {
            listing.accept(&step);
        }
        let rent = listing.world.svm.minimum_balance_for_rent_exemption(Market::SPACE);
        assert_eq!(had - listing.sponsor_lamports(), rent.saturating_sub(dust), "what was sent ahead counts");
        let create = listing.vault(one(), vault_terms());
        listing.accept(&create);
    }
}

#[test]
fn a_market_takes_the_next_index_and_a_mint_is_listed_once() {
    let mut listing = Listing::new();
    let change = listing.market_change(market_terms());
    for index in [1, u16::MAX] {
        for step in listing.create_market(index, one(), &change) {
            listing.refuse(&step, "ConstraintSeeds");
        }
    }
    let vault = listing.vault(one(), vault_terms());
    listing.accept(&vault);
    listing.refuse(&vault, "AccountOwnedByWrongProgram");
    let again = listing.vault(one(), vault_terms());
    listing.refuse(&again, "already in use");
    listing.mint = fixtures::address("USDC");
    let quote = listing.vault(one(), vault_terms());
    listing.refuse(&quote, "already in use");
}

#[test]
fn a_listing_needs_an_executed_change_of_its_own_that_has_not_lapsed() {
    let mut listing = Listing::new();
    let mint = listing.mint;
    // Proposed and not executed, be its time come or not.
    for payload in [vault_payload(mint, vault_terms()), market_payload(market_terms())] {
        let nonce = listing.world.propose(payload).expect("proposed");
        let change = listing.world.change(nonce);
        let [step, _] = listing.create_market(0, one(), &change);
        for create in [listing.create_vault(one(), &change), step] {
            listing.refuse(&create, "ChangeNotExecuted");
        }
    }
    // Of the other kind, or of another mint.
    let [vault, market] = [listing.vault_change(vault_terms()), listing.market_change(market_terms())];
    let [step, _] = listing.create_market(0, one(), &vault);
    listing.refuse(&step, "WrongAccount");
    let create = listing.create_vault(one(), &market);
    listing.refuse(&create, "WrongAccount");
    listing.mint = fixtures::address("another mint");
    listing.world.create_mint(listing.mint, 8);
    let other = listing.create_vault(one(), &vault);
    listing.refuse(&other, "WrongAccount");
    listing.mint = mint;
    // Proposed by somebody who is not the admin any more.
    let create = listing.create_vault(one(), &vault);
    let steps = listing.create_market(0, one(), &market);
    let (mut deposed, successor) = (listing.world.fork(), listing.world.keypair());
    deposed.tamper::<Exchange>(&address::exchange(), |exchange| {
        (exchange.admin, exchange.admin_epoch) = (successor.pubkey(), exchange.admin_epoch + 1);
    });
    for instruction in [&create, &steps[0]] {
        let signed = with_account(instruction, 0, successor.pubkey());
        refuse(&mut deposed, &signed, &[&successor, &listing.sponsor], "ChangeVoid");
    }
    // In the last second of its window, and not a second later.
    let expiry = vault.timelock.expiry;
    listing.world.set_clock(expiry + 1);
    for instruction in [&create, &steps[0]] {
        listing.refuse(instruction, "ChangeExpired");
    }
    listing.world.set_clock(expiry);
    listing.print(PRIMARY, ETH_ASSET.price, expiry);
    for instruction in [&create, &steps[0], &steps[1]] {
        listing.accept(instruction);
    }
}

#[test]
fn a_listing_needs_a_first_price_from_the_sources_it_names() {
    let (none, first, second) = (OracleSource::NONE, source(PRIMARY), source(SECONDARY));
    let foreign = OracleSource { owner: address::TOKEN_PROGRAM, ..first };
    // What can't be right whatever the accounts say is not even proposed.
    let unknown = OracleSource { kind: 9, ..first };
    let wrong = [[none, none], [none, second], [first, first]];
    for sources in
        wrong.into_iter().chain([unknown, foreign].map(|source| [source, none])).chain([[first, unknown]])
    {
        let mut listing = Listing::new();
        let vault = vault_payload(listing.mint, Terms { sources, ..vault_terms() });
        listing.refuse_proposal(vault, "InvalidPayload");
        listing.refuse_proposal(market_payload(Terms { sources, ..market_terms() }), "InvalidPayload");
    }
    let table: [(&str, [OracleSource; 2], OracleAccounts); 4] = [
        ("OracleAccountMissing", [first, second], one()),
        ("OracleNotConfigured", [first, none], both()),
        ("OracleWrongFeed", [second, none], one()),
        ("OracleWrongFeed", [second, first], both()),
    ];
    for (name, sources, oracles) in table {
        refuse_listing(&mut Listing::new(), name, sources, oracles);
    }
    // Prices that do not count.
    type Spoil = fn(&mut Listing);
    let spoils: [(&str, Spoil); 5] = [
        ("NoValidSource", |l| l.world.advance(61)),
        ("PriceDivergent", |l| l.print(SECONDARY, ETH_ASSET.price / 100 * 103, GENESIS)),
        ("OracleNonPositivePrice", |l| [PRIMARY, SECONDARY].into_iter().for_each(|n| l.print(n, 0, GENESIS))),
        ("PriceOutOfRange", |l| [PRIMARY, SECONDARY].into_iter().for_each(|n| l.print(n, i64::MAX, GENESIS))),
        ("OracleMalformed", |l| l.world.set_account(one().primary, PYTH_RECEIVER, vec![0; 100])),
    ];
    for (name, spoil) in spoils {
        let mut listing = Listing::new();
        spoil(&mut listing);
        refuse_listing(&mut listing, name, [first, second], both());
    }
    let mut listing = Listing::new();
    let create = listing.vault(both(), Terms { sources: [first, second], ..vault_terms() });
    listing.accept(&create);
}

#[test]
fn a_listing_with_two_sources_needs_a_valid_price_of_both() {
    let price = ETH_ASSET.price;
    for silent in [PRIMARY, SECONDARY] {
        let ahead = GENESIS + MAX_LEAD_SECONDS + 1;
        for (price, publish_time) in
            [(0, GENESIS), (i64::MAX, GENESIS), (price, GENESIS - 61), (price, ahead)]
        {
            let mut listing = Listing::new();
            listing.print(silent, price, publish_time);
            let sources = [source(PRIMARY), source(SECONDARY)];
            refuse_listing(&mut listing, "NoValidSource", sources, both());
        }
    }
}

#[test]
fn a_listing_with_two_sources_needs_them_to_agree_and_remembers_both() {
    let sources = [source(PRIMARY), source(SECONDARY)];
    let terms = Terms { sources, ..vault_terms() };
    // Two per cent apart and no more, whichever is higher and whichever is older.
    let (low, high) = (ETH_ASSET.price, ETH_ASSET.price / 100 * 102);
    for times in [[GENESIS - 7, GENESIS - 60], [GENESIS - 60, GENESIS - 7]] {
        for (prices, beyond) in [([low, high], [low, high + 1]), ([high, low], [high + 1, low])] {
            let mut listing = Listing::new();
            listing.print_both(beyond, times);
            let create = listing.vault(both(), terms);
            listing.refuse(&create, "PriceDivergent");
            listing.print_both(prices, times);
            listing.accept(&create);
            let oracle = listing.world.get::<Vault>(&address::vault(&listing.mint)).core.oracle;
            assert_eq!([oracle.primary_time, oracle.secondary_time], times);
            let primary = (u128::from(prices[0].unsigned_abs()) << 32) / 10_000_000_000;
            assert_eq!((u128::from(oracle.price.to_bits()), oracle.publish_time), (primary, times[0]));
            assert_eq!((oracle.ema, oracle.divergent), (oracle.price, 0));
        }
        let mut listing = Listing::new();
        listing.print_both([low, low], times);
        for step in listing.market(both(), Terms { sources, ..market_terms() }) {
            listing.accept(&step);
        }
        let oracle = listing.world.market(0).core.oracle;
        assert_eq!([oracle.primary_time, oracle.secondary_time], times);
    }
}

#[test]
fn the_first_refresh_after_a_listing_cannot_leave_out_the_secondary() {
    let mut listing = Listing::new();
    let sources = [source(PRIMARY), source(SECONDARY)];
    let create = listing.vault(both(), Terms { sources, ..vault_terms() });
    listing.accept(&create);
    // Half a minute later the primary has jumped, and an old account stands in for the secondary.
    listing.world.advance(30);
    listing.print(PRIMARY, ETH_ASSET.price / 2, GENESIS + 30);
    listing.print(SECONDARY, ETH_ASSET.price, GENESIS - 31);
    let refresh = ix::refresh_vault((1, &listing.mint), both());
    refuse(&mut listing.world, &refresh, &[], "SecondaryStillValid");
}

/// Neither a vault nor a market can be listed so.
fn refuse_listing(listing: &mut Listing, name: &str, sources: [OracleSource; 2], oracles: OracleAccounts) {
    let create = listing.vault(oracles, Terms { sources, ..vault_terms() });
    listing.refuse(&create, name);
    let [first, second] = listing.market(oracles, Terms { sources, ..market_terms() });
    listing.accept(&first);
    listing.refuse(&second, name);
}

#[test]
fn haircuts_stay_within_the_hard_bounds() {
    let good = collateral_params(1);
    let bad = [
        CollateralParams { haircut_init_ppm: 19_999, haircut_maint_ppm: 10_000, ..good },
        CollateralParams { haircut_init_ppm: 1_000_001, ..good },
        CollateralParams { haircut_maint_ppm: 9_999, ..good },
        CollateralParams { haircut_init_ppm: 50_000, haircut_maint_ppm: 50_001, ..good },
    ];
    let mut listing = Listing::new();
    for params in bad {
        let payload = vault_payload(listing.mint, Terms { params, ..vault_terms() });
        listing.refuse_proposal(payload, "ParameterOutOfBounds");
    }
    let params = CollateralParams { haircut_init_ppm: 20_000, haircut_maint_ppm: 10_000, ..good };
    let create = listing.vault(one(), Terms { params, ..vault_terms() });
    listing.accept(&create);
}

#[test]
fn market_parameters_stay_within_the_hard_bounds() {
    let good = ETH_ASSET.listed_params();
    let bad = [
        MarketParams { skew_scale: 0, ..good },
        MarketParams { step: 0, ..good },
        MarketParams { min_notional: 0, ..good },
        MarketParams { taker_fee_ppm: 10_001, ..good },
        MarketParams { insurance_share_ppm: 1_000_001, ..good },
        MarketParams { insurance_share_ppm: 950_000, protocol_share_ppm: 50_001, ..good },
        MarketParams { max_impact_ppm: 100_001, ..good },
        MarketParams { max_skew_ppm: 2_000_001, ..good },
        MarketParams { profit_weight_ppm: 1_000_001, ..good },
        // A new market may have a tenth of the pool, and a quarter of the reserve a day.
        MarketParams { target_weight_ppm: 100_001, ..good },
        MarketParams { waterfall: WaterfallParams { reserve_share_ppm: 250_001, ..good.waterfall }, ..good },
        // Not gap-safe by one: 5000 + 5000 + 2000 + 19000 = 31000.
        MarketParams { mmf_ppm: 30_999, ..good },
        MarketParams { imf_ppm: good.mmf_ppm * 5 / 4 - 1, ..good },
        MarketParams { max_outage: 599, ..good },
        MarketParams { max_outage: 43_201, ..good },
    ];
    let mut listing = Listing::new();
    for params in bad {
        let payload = market_payload(Terms { params, ..market_terms() });
        listing.refuse_proposal(payload, "ParameterOutOfBounds");
    }
    let [first, _] = listing.market(one(), market_terms());
    listing.accept(&first);
    // A lot worth more than one unit, or less than a hundredth: the first price tells.
    for lot_decimals in [9, 12] {
        let params = MarketParams { lot_decimals, ..good };
        let [_, second] = listing.market(one(), Terms { params, ..market_terms() });
        listing.refuse(&second, "ParameterOutOfBounds");
    }
    let params = MarketParams { mmf_ppm: 31_000, imf_ppm: 38_750, ..good };
    let [_, second] = listing.market(one(), Terms { params, ..market_terms() });
    listing.accept(&second);
}
