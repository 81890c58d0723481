//! One measurement for each row of the table: the compute units of a transaction with nothing else in it.

use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_sdk::program::state::{ChangePayload, MarginAccount, Market, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, DOLLAR, EXPONENT};
use bulwark_tests::oracle_accounts::{self as oracles, Print, PushStatus};
use bulwark_tests::world::Failure;
use bulwark_tests::{Keypair, Signer, World};

use crate::shapes::{Bench, SHAPES, Shape, is_first, lots, market_asset, params, side, vault_asset};
use crate::table::{Row, Table};

mod distress;
mod governance;
mod pool;
mod triggers;

type Measure = fn(&mut Bench) -> Result<u64, Failure>;

/// Every instruction, and the variants of those whose cost depends on more than the shape.
const ROWS: [(&str, Measure); 69] = [
    ("initialize_exchange", |_| Ok(World::empty().compute_units)),
    ("propose_change", governance::propose_change),
    ("execute_change", governance::execute_market_params),
    ("execute_change (sources)", governance::execute_sources),
    ("execute_change (vault)", governance::execute_vault_params),
    ("execute_change (pool)", governance::execute_pool_params),
    ("cancel_change", governance::cancel_change),
    ("tighten", governance::tighten),
    ("set_pause", governance::set_pause),
    ("nominate_admin", governance::nominate_admin),
    ("accept_admin", governance::accept_admin),
    ("create_vault", create_vault),
    ("create_market", create_market),
    ("suspend_market", governance::suspend_market),
    ("resume_market", governance::resume_market),
    ("close_market", governance::close_market),
    ("collect_protocol_fees", governance::collect_protocol_fees),
    ("refresh_market", |b| refresh(b, &[SourceKind::PythPull])),
    ("refresh_market (push)", |b| refresh(b, &[SourceKind::PythPush])),
    ("refresh_market (switchboard)", |b| refresh(b, &[SourceKind::Switchboard])),
    ("refresh_market (two sources)", |b| refresh(b, &[SourceKind::PythPull, SourceKind::Switchboard])),
    ("refresh_market (carry)", refresh_with_carry),
    ("refresh_vault", refresh_vault),
    ("open_margin_account", open_margin_account),
    ("close_margin_account", close_margin_account),
    ("set_delegate", set_delegate),
    ("deposit", |b| deposit(b, Vault::QUOTE)),
    ("deposit (collateral)", |b| deposit(b, b.vault())),
    ("deposit (Token-2022)", deposit_token_2022),
    ("withdraw", |b| withdraw(b, Vault::QUOTE)),
    ("withdraw (collateral)", |b| withdraw(b, b.vault())),
    ("withdraw (nothing open)", withdraw_nothing_open),
    ("open_position", open_position),
    ("open_position (increase)", |b| open(b, 1_000)),
    ("close_position", |b| close(b, u64::MAX)),
    ("close_position (partial)", |b| close(b, lots(market_asset(b.market()), 5_000))),
    ("close_position (whole account)", close_position_whole_account),
    ("place_trigger", triggers::place_trigger),
    ("cancel_trigger", triggers::cancel_trigger),
    ("execute_trigger", triggers::execute_limit),
    ("execute_trigger (take-profit)", triggers::execute_take_profit),
    ("execute_trigger (cancelled)", triggers::execute_without_margin),
    ("settle_position", settle_position),
    ("settle_position (loss)", settle_position_loss),
    ("liquidate", distress::liquidate),
    ("liquidate (start)", distress::start_auction),
    ("liquidate_to_pool", distress::liquidate_to_pool),
    ("liquidate_to_pool (takeover)", distress::pool_takeover),
    ("liquidate_collateral", distress::liquidate_collateral),
    ("resolve_bankruptcy", distress::resolve_bankruptcy),
    ("resolve_bankruptcy (128 buckets)", distress::resolve_with_unwind),
    ("auto_deleverage", distress::auto_deleverage),
    ("rebalance_market (128 buckets)", distress::rebalance_market),
    ("fund_insurance", distress::fund_insurance),
    ("stake_backstop", distress::stake_backstop),
    ("request_unstake", distress::request_unstake),
    ("unstake", distress::unstake),
    ("cancel_unstake", distress::cancel_unstake),
    ("add_liquidity", pool::add_liquidity),
    ("add_liquidity (senior)", pool::add_senior_liquidity),
    ("request_redeem", pool::request_redeem),
    ("redeem", pool::redeem),
    ("cancel_redeem", pool::cancel_redeem),
    ("allocate_liquidity", pool::allocate_liquidity),
    ("allocate_liquidity (take back)", pool::take_back_liquidity),
    ("sweep_market", pool::sweep_market),
    ("check_invariants", pool::check_invariants),
    ("check_invariants (market alone)", pool::check_market),
    ("check_invariants (vault alone)", pool::check_vault),
];

/// Measures everything.
///
/// # Errors
/// The row and shape of the first transaction that was refused.
pub fn all() -> Result<Table, String> {
    let columns = SHAPES.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let rows = ROWS.iter().enumerate().map(|(i, (name, _))| Row {
        name: (*name).into(),
        units: columns.iter().map(|column| column[i]).collect(),
    });
    Ok(Table { shapes: SHAPES.map(|s| s.name.into()).to_vec(), rows: rows.collect() })
}

/// Measures one shape; each row starts from the same state.
fn column(shape: Shape) -> Result<Vec<u64>, String> {
    let bench = Bench::new(shape);
    let measure = |(name, measure): &(&str, Measure)| {
        let failed = |f: Failure| format!("{name} at {}: {} {:?}", shape.name, f.error, f.name);
        measure(&mut bench.fork()).map_err(failed)
    };
    ROWS.iter().map(measure).collect()
}

fn send(bench: &mut Bench, instruction: Instruction, signers: &[&Keypair]) -> Result<u64, Failure> {
    bench.world.send(&[instruction], signers).map(|outcome| outcome.compute_units)
}

/// As [`send`], signed by the trader.
fn send_as_trader(bench: &mut Bench, instruction: Instruction) -> Result<u64, Failure> {
    let key = bench.trader.key.insecure_clone();
    send(bench, instruction, &[&key])
}

// ---- listing ----

fn create_vault(bench: &mut Bench) -> Result<u64, Failure> {
    let mut attempt = 0_u32;
    let mint = bench.first_attempt(
        |_| {
            attempt += 1;
            fixtures::address(&format!("new mint {attempt}"))
        },
        |mint| [Vault::SEED, Vault::TOKENS_SEED].iter().all(|seed| is_first(&[seed, mint.as_ref()])),
    );
    let asset = vault_asset(1);
    bench.world.create_mint(mint, 8);
    bench.world.print(asset, asset.price, 1);
    send_create_vault(bench, (mint, address::TOKEN_PROGRAM))
}

fn send_create_vault(bench: &mut Bench, token: (Pubkey, Pubkey)) -> Result<u64, Failure> {
    let asset = vault_asset(1);
    let admin = bench.world.admin.insecure_clone();
    let change = bench.world.approve(ChangePayload::CreateVault {
        mint: token.0,
        sources: [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE],
        params: fixtures::collateral_params(1_000_000_000),
    })?;
    let payers = (admin.pubkey(), bench.world.payer.pubkey());
    send(bench, ix::create_vault(payers, token, World::oracles(asset), &change), &[&admin])
}

/// The more expensive of the two calls.
fn create_market(bench: &mut Bench) -> Result<u64, Failure> {
    let asset = market_asset(0);
    bench.world.print(asset, asset.price, 1);
    let sources = [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE];
    send_create_market(bench, sources, World::oracles(asset))
}

fn send_create_market(
    bench: &mut Bench,
    sources: [OracleSource; 2],
    oracles: OracleAccounts,
) -> Result<u64, Failure> {
    let admin = bench.world.admin.insecure_clone();
    // With as much of the pool as a new market may have.
    let (index, params) = (bench.shape.positions, params(market_asset(0), bench.shape.positions.max(8)));
    let change = bench.world.approve(ChangePayload::CreateMarket { sources, params })?;
    let keys = (admin.pubkey(), bench.world.payer.pubkey());
    let [allocate, fill] = ix::create_market(keys, index, oracles, &change);
    Ok(send(bench, allocate, &[&admin])?.max(send(bench, fill, &[&admin])?))
}

// ---- prices ----

/// A new market with one or two sources, and its second print.
fn refresh(bench: &mut Bench, kinds: &[SourceKind]) -> Result<u64, Failure> {
    let (mut sources, mut accounts) = ([OracleSource::NONE; 2], Vec::new());
    for (source, kind) in sources.iter_mut().zip(kinds) {
        let key = fixtures::address(&format!("oracle {kind:?}"));
        let (owner, feed) = match kind {
            SourceKind::PythPush => (oracles::PYTH_PUSH_PROGRAM, key.to_bytes()),
            SourceKind::Switchboard => (oracles::SWITCHBOARD_ON_DEMAND, key.to_bytes()),
            _ => (oracles::PYTH_RECEIVER, market_asset(0).feed(0)),
        };
        *source = OracleSource { owner, feed, kind: *kind as u8, _padding: [0; 7] };
        accounts.push((key, owner, *kind));
    }
    let secondary = accounts.get(1).map(|(key, ..)| *key);
    let oracles = OracleAccounts { primary: accounts[0].0, secondary };
    let price = market_asset(0).price;
    print_all(bench, &accounts, price);
    send_create_market(bench, sources, oracles)?;
    bench.world.advance(1);
    print_all(bench, &accounts, price / 1_000 * 1_003);
    let refresh = ix::refresh_market(bench.shape.positions, oracles);
    send(bench, refresh, &[])
}

/// The market of the trader's last position: its skew has funding and borrow accrue.
fn refresh_with_carry(bench: &mut Bench) -> Result<u64, Failure> {
    let market = bench.market();
    bench.reprice(market, 11_000);
    bench.world.advance(1);
    bench.reprice(market, 12_000);
    Ok(bench.world.compute_units)
}

fn print_all(bench: &mut Bench, accounts: &[(Pubkey, Pubkey, SourceKind)], price: i64) {
    let (conf, publish_time) = (u64::try_from(price / 10_000).expect("positive"), bench.world.now());
    let print = Print { price, conf, exponent: EXPONENT, publish_time, posted_slot: 1_000 };
    for (key, owner, kind) in accounts {
        let data = match kind {
            SourceKind::PythPush => oracles::pyth_push(&print, PushStatus::Trading),
            SourceKind::Switchboard => oracles::switchboard(&print),
            _ => oracles::pyth_pull(market_asset(0).feed(0), &print, oracles::Verification::Full),
        };
        bench.world.set_account(*key, *owner, data);
    }
}

fn refresh_vault(bench: &mut Bench) -> Result<u64, Failure> {
    let (vault, asset) = (bench.vault(), vault_asset(bench.vault()));
    let mint = bench.world.listings.vaults[usize::from(vault)].mint;
    let price = asset.price / 1_000 * 1_003;
    bench.world.print(asset, price, u64::try_from(price / 10_000).expect("positive"));
    send(bench, ix::refresh_vault((vault, &mint), World::oracles(asset)), &[])
}

// ---- accounts and tokens ----

fn open_margin_account(bench: &mut Bench) -> Result<u64, Failure> {
    let is_first =
        |key: &Keypair| is_first(&[MarginAccount::SEED, key.pubkey().as_ref(), &0_u16.to_le_bytes()]);
    let owner = bench.first_attempt(World::keypair, is_first);
    let open = ix::open_margin_account(owner.pubkey(), bench.world.payer.pubkey(), 0);
    send(bench, open, &[&owner])
}

fn close_margin_account(bench: &mut Bench) -> Result<u64, Failure> {
    let owner = bench.world.trader(0);
    send(bench, ix::close_margin_account(owner.key.pubkey(), owner.margin), &[&owner.key])
}

fn set_delegate(bench: &mut Bench) -> Result<u64, Failure> {
    let delegate = fixtures::address("delegate");
    let set = bench.world.delegate_instruction(&bench.trader, delegate);
    send_as_trader(bench, set)
}

fn deposit(bench: &mut Bench, vault: u16) -> Result<u64, Failure> {
    let listing = bench.world.listings.vaults[usize::from(vault)];
    let owner = bench.trader.key.pubkey();
    let source = bench.world.create_tokens(listing.mint, owner, DOLLAR);
    send_as_trader(bench, ix::deposit(owner, bench.trader.margin, &listing, (source, DOLLAR)))
}

/// To an account without collaterals: the trader's slots may all be in use.
fn deposit_token_2022(bench: &mut Bench) -> Result<u64, Failure> {
    let program = address::TOKEN_2022_PROGRAM;
    let mint = fixtures::address("mint Token-2022");
    bench.world.create_mint(mint, 8);
    change_owner(bench, mint, program);
    let asset = vault_asset(1);
    bench.world.print(asset, asset.price, 1);
    send_create_vault(bench, (mint, program))?;
    let listing = VaultListing::of_mint(mint, program);
    bench.world.listings.vaults.push(listing);
    bench.world.open_cap();
    let owner = bench.world.trader(0);
    let source = bench.world.create_tokens(mint, owner.key.pubkey(), DOLLAR);
    change_owner(bench, source, program);
    let deposit = ix::deposit(owner.key.pubkey(), owner.margin, &listing, (source, DOLLAR));
    send(bench, deposit, &[&owner.key])
}

/// A mint or token account of the classic program turned into one of Token-2022 without extensions.
fn change_owner(bench: &mut Bench, key: Pubkey, owner: Pubkey) {
    let data = bench.world.svm.get_account(&key).expect("account exists").data;
    bench.world.set_account(key, owner, data);
}

fn withdraw(bench: &mut Bench, vault: u16) -> Result<u64, Failure> {
    let mint = bench.world.listings.vaults[usize::from(vault)].mint;
    let destination = bench.world.create_tokens(mint, bench.trader.key.pubkey(), 0);
    bench.world.withdraw(&bench.trader, vault, (destination, DOLLAR)).map(|o| o.compute_units)
}

fn withdraw_nothing_open(bench: &mut Bench) -> Result<u64, Failure> {
    bench.trader = bench.world.funded_trader(2 * DOLLAR);
    withdraw(bench, Vault::QUOTE)
}

// ---- trades ----

/// The position that completes the shape.
fn open_position(bench: &mut Bench) -> Result<u64, Failure> {
    close(bench, u64::MAX)?;
    open(bench, 10_000)
}

fn open(bench: &mut Bench, dollars: u64) -> Result<u64, Failure> {
    let market = bench.market();
    let size = lots(market_asset(market), dollars);
    bench.world.open(&bench.trader, market, side(market), size).map(|o| o.compute_units)
}

fn close(bench: &mut Bench, lots: u64) -> Result<u64, Failure> {
    let market = bench.market();
    bench.world.close(&bench.trader, market, lots).map(|o| o.compute_units)
}

/// At a price so wide that the spread costs more than the close frees of maintenance margin.
fn close_position_whole_account(bench: &mut Bench) -> Result<u64, Failure> {
    let market = bench.market();
    bench.reprice_wide(market, market_asset(market).price, 50_000);
    close(bench, u64::MAX)
}

fn settle_position(bench: &mut Bench) -> Result<u64, Failure> {
    let settle = ix::settle_position(bench.trader.margin, bench.market());
    send(bench, settle, &[])
}

/// A losing position while somebody's claim waits.
fn settle_position_loss(bench: &mut Bench) -> Result<u64, Failure> {
    let market = bench.market();
    bench.move_against(market);
    bench.world.tamper::<Market>(&address::market(market), |m| m.core.book.unpaid_claims = DOLLAR);
    settle_position(bench)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_measure_the_same() {
        let [_, eight, _] = SHAPES;
        assert_eq!(column(eight), column(eight));
    }
}
