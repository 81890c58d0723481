//! Snippets for traders.

// ANCHOR: connect
use bulwark_sdk::engine::trade;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::health::{Intent, Preview};
use bulwark_sdk::instruction::{self as ix, Order, TriggerOrder};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::errors::BulwarkError;
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::rpc::{
    AddressLookupTableAccount, Client, Context, EventBatch, Options, Receipt, SendError, Subscription,
    Update, tables,
};
use bulwark_sdk::units::parse_amount;
use bulwark_sdk::view::AccountView;
use bulwark_sdk::{Instruction, Pubkey, address};
use solana_keypair::Keypair;
use solana_signer::Signer;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Decimals of the quote token.
pub const USDC: u8 = 6;

pub struct Trader {
    pub client: Client,
    pub listings: Listings,
    pub key: Keypair,
    pub margin: Pubkey,
}

impl Trader {
    pub async fn connect(rpc_url: &str, ws_url: &str, key: Keypair) -> Result<Self> {
        let client = Client::new(rpc_url, ws_url);
        // Vaults and markets. They change only when something is listed or closed.
        let listings = client.listings().await?;
        let margin = address::margin_account(&key.pubkey(), 0);
        Ok(Self { client, listings, key, margin })
    }

    /// The margin account, the exchange, every market and vault, as of one slot.
    pub async fn context(&self) -> Result<Context> {
        Ok(self.client.context(&self.listings, &self.margin).await?)
    }

    /// Simulates, sizes the compute limit, signs, sends and confirms.
    pub async fn send(&self, instructions: &[Instruction]) -> Result<Receipt> {
        Ok(self.client.send(instructions, &[&self.key], &Options::default()).await?)
    }
}
// ANCHOR_END: connect

// ANCHOR: open_account
pub async fn open_account(trader: &Trader) -> Result<Receipt> {
    let owner = trader.key.pubkey();
    trader.send(&[ix::open_margin_account(owner, owner, 0)]).await
}
// ANCHOR_END: open_account

// ANCHOR: deposit
pub async fn deposit(trader: &Trader, dollars: &str) -> Result<Receipt> {
    let owner = trader.key.pubkey();
    let vault = trader.listings.vault(Vault::QUOTE).ok_or("no quote vault")?;
    let source = address::associated_token(&owner, &vault.mint, &vault.token_program);
    let amount = parse_amount(dollars, USDC)?;
    trader.send(&[ix::deposit(owner, trader.margin, vault, (source, amount))]).await
}
// ANCHOR_END: deposit

// ANCHOR: quote
pub async fn quote(trader: &Trader, market: u16, dollars: &str) -> Result<Preview> {
    // A quote is of the state that was read: bring prices up to date first.
    let context = trader.context().await?;
    trader.send(&context.snapshot().refresh_account(&context.account, Some(market))?).await?;

    let context = trader.context().await?;
    let core = &context.all.markets[&market].core;
    let steps = parse_amount(dollars, USDC)? / core.mark().mul_ceil(core.params.step)?.max(1);
    let order = trade::Order { lots: steps * core.params.step, limit: None, now: context.all.now };
    let intent = (market, Intent::Open(Side::Long));
    // The report says cost, spread and fee; the account and the market are as they would be afterwards.
    Ok(context.snapshot().quote(&context.account, intent, &order)?)
}
// ANCHOR_END: quote

// ANCHOR: buy
pub async fn buy(trader: &Trader, market: u16, lots: u64) -> Result<Receipt> {
    let context = trader.context().await?;
    let mark = context.all.markets[&market].core.mark().to_bits();
    let order = Order { market, lots, limit_price: mark + mark / 100 }; // 1 % worse than the live price at most
    let side = (Side::Long, order);
    let open = ix::open_position(&trader.listings, trader.key.pubkey(), context.margin(), side)?;
    // In the same transaction, in front: the market's price, and other legs' that are old.
    let about = (&context, Some(market));
    Ok(trader.client.send_refreshed(about, &[open], &[&trader.key], &Options::default()).await?)
}
// ANCHOR_END: buy

// ANCHOR: close
pub async fn close(trader: &Trader, market: u16) -> Result<Receipt> {
    let context = trader.context().await?;
    let mark = context.all.markets[&market].core.mark().to_bits();
    let all = Order { market, lots: u64::MAX, limit_price: mark - mark / 100 };
    let close = ix::close_position(&trader.listings, trader.key.pubkey(), context.margin(), all)?;
    let about = (&context, Some(market));
    Ok(trader.client.send_refreshed(about, &[close], &[&trader.key], &Options::default()).await?)
}
// ANCHOR_END: close

// ANCHOR: stop_loss
pub async fn stop_loss(trader: &Trader, market: u16) -> Result<Receipt> {
    let context = trader.context().await?;
    let mark = context.all.markets[&market].core.mark().to_bits();
    let trigger = TriggerOrder {
        kind: TriggerKind::StopLoss,
        side: Side::Long,
        trigger_price: mark - mark / 10,
        order: Order { market, lots: u64::MAX, limit_price: 0 }, // all of it, at any price
        expiry: context.all.now + 86_400,
    };
    let authority = trader.key.pubkey();
    trader.send(&[ix::place_trigger(&trader.listings, authority, context.margin(), &trigger)?]).await
}

pub async fn cancel_trigger(trader: &Trader, id: u64) -> Result<Receipt> {
    let context = trader.context().await?;
    trader.send(&[ix::cancel_trigger(trader.key.pubkey(), context.margin(), id)]).await
}
// ANCHOR_END: stop_loss

// ANCHOR: look
pub async fn look(trader: &Trader) -> Result<AccountView> {
    let context = trader.context().await?;
    let view = context.snapshot().view(&context.account)?;
    // An error here says which price has to be refreshed first; all else is at the stored prices.
    match &view.maintenance {
        Ok(health) => println!("worth {}, needs {}", health.equity.0, health.requirement.0),
        Err(why) => println!("{why}"),
    }
    for held in &view.positions {
        println!("market {}: {:?} {} lots", held.market, held.side, held.lots);
        println!("  pnl {}, liquidated at {:?}", held.pnl.0, held.liquidation_price);
    }
    Ok(view)
}
// ANCHOR_END: look

// ANCHOR: leave
pub async fn leave(trader: &Trader) -> Result<Receipt> {
    let context = trader.context().await?;
    let (owner, margin) = (trader.key.pubkey(), context.margin());
    let vault = trader.listings.vault(Vault::QUOTE).ok_or("no quote vault")?;
    let wallet = address::associated_token(&owner, &vault.mint, &vault.token_program);
    let all = context.account.quote.units_or_zero();
    let withdraw = ix::withdraw(&trader.listings, margin, Vault::QUOTE, (wallet, all))?;
    // Closing returns the rent; the account must be empty, without positions, claims and collateral.
    trader.send(&[withdraw, ix::close_margin_account(owner, trader.margin)]).await
}
// ANCHOR_END: leave

// ANCHOR: events
pub async fn next_trade(events: &mut Subscription<EventBatch>) -> Option<Traded> {
    while let Some(update) = events.next().await {
        let Update::Item { value: batch, .. } = update else {
            eprintln!("the connection was lost: read the accounts again");
            continue;
        };
        if batch.truncated || !batch.gaps.is_empty() {
            eprintln!("events were missed: read the accounts again");
        }
        for event in batch.events {
            if let Event::Traded(trade) = event {
                return Some(trade);
            }
        }
    }
    None
}
// ANCHOR_END: events

// ANCHOR: lookup_table
pub async fn lookup_table(trader: &Trader) -> Result<AddressLookupTableAccount> {
    let context = trader.client.market_context(&trader.listings).await?;
    let keys = tables::lookup_table_keys(&trader.listings, &context);
    let owner = trader.key.pubkey();
    let (create, table) = tables::create(owner, owner, context.clock_slot - 1);
    trader.send(&[create]).await?;
    for extend in tables::extend(table, (owner, owner), &keys) {
        trader.send(&[extend]).await?;
    }
    // From the next slot on: Options::default().with_tables([table])
    Ok(trader.client.lookup_table(&table).await?)
}
// ANCHOR_END: lookup_table

// ANCHOR: errors
pub fn what_to_do(error: &SendError) -> String {
    let refused = match error {
        SendError::Failed(failure) => failure.program_error(),
        // The transaction may have happened: look the signature up before sending again.
        SendError::Unknown { signature, .. } => return format!("look up {signature}"),
        _ => None,
    };
    match refused {
        Some(BulwarkError::PriceStale) => "refresh, and send it again".to_string(),
        Some(BulwarkError::LimitPrice) => "quote again, and decide".to_string(),
        Some(BulwarkError::InsufficientMargin) => "deposit more, or trade less".to_string(),
        Some(other) => other.to_string(), // the program's own message says what to do
        None => error.to_string(),
    }
}
// ANCHOR_END: errors
