//! `create_vault` and `create_market`: by the admin, with a first price, within the hard bounds.

use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::price::MAX_LEAD_SECONDS;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::events::{MarketCreated, VaultCreated};
use bulwark_sdk::program::instructions::{CreateMarketArgs, CreateVaultArgs};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Market, MarketStatus, VERSION, Vault};
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

    fn vault(&self, oracles: OracleAccounts, args: CreateVaultArgs) -> Instruction {
        let signers = (self.admin.pubkey(), self.sponsor.pubkey());
        ix::create_vault(signers, (self.mint, address::TOKEN_PROGRAM), oracles, args)
    }

    fn market(&self, oracles: OracleAccounts, args: CreateMarketArgs) -> [Instruction; 2] {
        ix::create_market((self.admin.pubkey(), self.sponsor.pubkey()), oracles, args)
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

fn vault_args() -> CreateVaultArgs {
    CreateVaultArgs { sources: [source(PRIMARY), OracleSource::NONE], params: collateral_params(1_000_000) }
}

fn market_args() -> CreateMarketArgs {
    CreateMarketArgs {
        index: 0,
        status: MarketStatus::ReduceOnly,
        sources: [source(PRIMARY), OracleSource::NONE],
        params: ETH_ASSET.market_params(),
    }
}

#[test]
fn a_vault_starts_with_exactly_what_its_arguments_say() {
    let mut listing = Listing::new();
    let (had, mint) = (listing.sponsor_lamports(), listing.mint);
    let events = listing.accept(&listing.vault(one(), vault_args()));
    assert_eq!(events, [Event::VaultCreated(VaultCreated { vault: 1, mint })]);

    let world = &listing.world;
    assert_eq!(world.exchange().vault_count, 2);
    let vault = world.get::<Vault>(&address::vault(&mint));
    assert_eq!((vault.mint, vault.token_account), (mint, address::vault_tokens(&mint)));
    assert_eq!((vault.core.recorded, vault.sequence, vault.index, vault.decimals), (0, 0, 1, 8));
    assert_eq!((vault.version, vault.sources), (VERSION, vault_args().sources));
    assert_eq!(vault.core.params, vault_args().params);
    // 3000 dollars a unit of 10^8: 30 quote units each.
    assert_eq!((vault.core.oracle.price.to_bits(), vault.core.oracle.ema.to_bits()), (30 << 32, 30 << 32));
    assert_eq!(vault.core.oracle.publish_time, GENESIS);
    let tokens = world.svm.get_account(&vault.token_account).expect("token account");
    let tokens = spl_token::state::Account::unpack(&tokens.data).expect("token account");
    assert_eq!((tokens.mint, tokens.owner, tokens.amount), (mint, address::exchange(), 0));
    let rents = [Vault::SPACE, 165].map(|size| world.svm.minimum_balance_for_rent_exemption(size));
    assert_eq!(had - listing.sponsor_lamports(), rents.iter().sum::<u64>());
}

#[test]
fn a_market_starts_with_exactly_what_its_arguments_say_in_one_transaction_or_two() {
    for transactions in [1, 2] {
        let mut listing = Listing::new();
        let had = listing.sponsor_lamports();
        let steps = listing.market(one(), market_args());
        let (admin, sponsor) = (listing.admin.insecure_clone(), listing.sponsor.insecure_clone());
        let mut events = Vec::new();
        for step in steps.chunks(2 / transactions) {
            events.extend(listing.world.send(step, &[&admin, &sponsor]).expect("create_market").events);
        }
        // 3000 dollars, 10^-10 a lot: 0.3 quote units, rounded down in Q32.32.
        let price = (3_u64 << 32) / 10;
        assert_eq!(events, [Event::MarketCreated(MarketCreated { market: 0, price })]);

        let world = &listing.world;
        assert_eq!(world.exchange().market_count, 1);
        let market = world.market(0);
        assert_eq!((market.payer, market.sequence, market.index), (sponsor.pubkey(), 0, 0));
        assert_eq!((market.status, market.pause, market.version), (0, 0, VERSION));
        assert_eq!((market.sources, market.core.params), (market_args().sources, market_args().params));
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
    let [step, _] = listing.market(one(), market_args());
    for instruction in [listing.vault(one(), vault_args()), step] {
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
    let [first, second] = listing.market(one(), market_args());
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
    listing.refuse(&second, "WrongAccount");
}

#[test]
fn the_rent_of_a_market_belongs_to_who_paid_it() {
    let mut listing = Listing::new();
    let [first, second] = listing.market(one(), market_args());
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
        for key in [address::market(0), address::vault(&mint), address::vault_tokens(&mint)] {
            send_dust(&mut listing.world, key, dust);
        }
        let had = listing.sponsor_lamports();
        for step in listing.market(one(), market_args()) {
            listing.accept(&step);
        }
        let rent = listing.world.svm.minimum_balance_for_rent_exemption(Market::SPACE);
        assert_eq!(had - listing.sponsor_lamports(), rent.saturating_sub(dust), "what was sent ahead counts");
        listing.accept(&listing.vault(one(), vault_args()));
    }
}

#[test]
fn a_market_takes_the_next_index_and_a_mint_is_listed_once() {
    let mut listing = Listing::new();
    for index in [1, u16::MAX] {
        let [step, _] = listing.market(one(), CreateMarketArgs { index, ..market_args() });
        listing.refuse(&step, "WrongAccount");
    }
    let vault = listing.vault(one(), vault_args());
    listing.accept(&vault);
    listing.refuse(&vault, "already in use");
    listing.mint = fixtures::address("USDC");
    listing.refuse(&listing.vault(one(), vault_args()), "already in use");
}

#[test]
fn a_listing_needs_a_first_price_from_the_sources_it_names() {
    let (none, first, second) = (OracleSource::NONE, source(PRIMARY), source(SECONDARY));
    let foreign = OracleSource { owner: address::TOKEN_PROGRAM, ..first };
    let table: [(&str, [OracleSource; 2], OracleAccounts); 8] = [
        ("OracleAccountMissing", [none, none], one()),
        ("OracleAccountMissing", [none, second], both()),
        ("OracleAccountMissing", [first, second], one()),
        ("OracleNotConfigured", [first, none], both()),
        ("OracleWrongFeed", [second, none], one()),
        ("OracleWrongFeed", [second, first], both()),
        ("OracleWrongOwner", [foreign, none], one()),
        ("OracleWrongAccount", [OracleSource { kind: 9, ..first }, none], one()),
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
    let args = CreateVaultArgs { sources: [first, second], ..vault_args() };
    listing.accept(&listing.vault(both(), args));
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
    let args = CreateVaultArgs { sources, ..vault_args() };
    // Two per cent apart and no more, whichever is higher and whichever is older.
    let (low, high) = (ETH_ASSET.price, ETH_ASSET.price / 100 * 102);
    for times in [[GENESIS - 7, GENESIS - 60], [GENESIS - 60, GENESIS - 7]] {
        for (prices, beyond) in [([low, high], [low, high + 1]), ([high, low], [high + 1, low])] {
            let mut listing = Listing::new();
            listing.print_both(beyond, times);
            listing.refuse(&listing.vault(both(), args), "PriceDivergent");
            listing.print_both(prices, times);
            listing.accept(&listing.vault(both(), args));
            let oracle = listing.world.get::<Vault>(&address::vault(&listing.mint)).core.oracle;
            assert_eq!([oracle.primary_time, oracle.secondary_time], times);
            let primary = (u128::from(prices[0].unsigned_abs()) << 32) / 10_000_000_000;
            assert_eq!((u128::from(oracle.price.to_bits()), oracle.publish_time), (primary, times[0]));
            assert_eq!((oracle.ema, oracle.divergent), (oracle.price, 0));
        }
        let mut listing = Listing::new();
        listing.print_both([low, low], times);
        for step in listing.market(both(), CreateMarketArgs { sources, ..market_args() }) {
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
    listing.accept(&listing.vault(both(), CreateVaultArgs { sources, ..vault_args() }));
    // Half a minute later the primary has jumped, and an old account stands in for the secondary.
    listing.world.advance(30);
    listing.print(PRIMARY, ETH_ASSET.price / 2, GENESIS + 30);
    listing.print(SECONDARY, ETH_ASSET.price, GENESIS - 31);
    let refresh = ix::refresh_vault((1, &listing.mint), both());
    refuse(&mut listing.world, &refresh, &[], "SecondaryStillValid");
}

/// Neither a vault nor a market can be listed so.
fn refuse_listing(listing: &mut Listing, name: &str, sources: [OracleSource; 2], oracles: OracleAccounts) {
    listing.refuse(&listing.vault(oracles, CreateVaultArgs { sources, ..vault_args() }), name);
    let [first, second] = listing.market(oracles, CreateMarketArgs { sources, ..market_args() });
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
        listing.refuse(
            &listing.vault(one(), CreateVaultArgs { params, ..vault_args() }),
            "ParameterOutOfBounds",
        );
    }
    let params = CollateralParams { haircut_init_ppm: 20_000, haircut_maint_ppm: 10_000, ..good };
    listing.accept(&listing.vault(one(), CreateVaultArgs { params, ..vault_args() }));
}

#[test]
fn market_parameters_stay_within_the_hard_bounds() {
    let good = ETH_ASSET.market_params();
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
        MarketParams { target_weight_ppm: 1_000_001, ..good },
        // Not gap-safe by one: 5000 + 5000 + 2000 + 19000 = 31000.
        MarketParams { mmf_ppm: 30_999, ..good },
        MarketParams { imf_ppm: good.mmf_ppm * 5 / 4 - 1, ..good },
        // A lot worth more than one unit, or less than a hundredth.
        MarketParams { lot_decimals: 9, ..good },
        MarketParams { lot_decimals: 12, ..good },
    ];
    let mut listing = Listing::new();
    let [first, _] = listing.market(one(), market_args());
    listing.accept(&first);
    for params in bad {
        let [_, second] = listing.market(one(), CreateMarketArgs { params, ..market_args() });
        listing.refuse(&second, "ParameterOutOfBounds");
    }
    let params = MarketParams { mmf_ppm: 31_000, imf_ppm: 38_750, ..good };
    let [_, second] = listing.market(one(), CreateMarketArgs { params, ..market_args() });
    listing.accept(&second);
}
