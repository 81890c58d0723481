//! How it looks: amounts in currency, aligned, the compute units to the right.

use bulwark_sdk::engine::units::Price;
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::units::{format_amount, format_price};
use bulwark_tests::fixtures::{Asset, QUOTE_DECIMALS};
use bulwark_tests::ledger::Ledger;

/// Columns of a line.
const WIDTH: usize = 104;

/// A new section.
pub fn section(number: u8, title: &str) {
    let heading = format!("{number}  {title} ");
    println!("\n{heading}{}", "─".repeat(WIDTH - heading.chars().count()));
}

/// What happens, in words.
pub fn say(text: &str) {
    println!("   {text}");
}

/// What happens, and what the transaction cost.
pub fn step(text: &str, compute_units: u64) {
    let units = format!("{} CU", separated(&compute_units.to_string()));
    let gap = WIDTH.saturating_sub(3 + text.chars().count());
    println!("   {text}{units:>gap$}");
}

/// A detail of the line above.
pub fn detail(text: &str) {
    println!("      {text}");
}

/// An exact amount of quote units: 15,000.00 or 0.123456.
pub fn usd(units: i128) -> String {
    trimmed(&format_amount(narrow(units), QUOTE_DECIMALS))
}

/// As [`usd`] with its sign.
pub fn change(units: i128) -> String {
    format!("{}{}", if units > 0 { "+" } else { "" }, usd(units))
}

/// Quote units to the nearest cent, for columns.
pub fn cents(units: i128) -> String {
    separated(&format_amount(narrow((units + 5_000).div_euclid(10_000)), 2))
}

/// Token units or lots: 200.00 or 0.25.
pub fn quantity(amount: i128, decimals: u8) -> String {
    trimmed(&format_amount(narrow(amount), decimals))
}

/// A price with four decimals, from a worth in quote units.
pub fn average_price(worth: i128, lots: i128, asset: &Asset) -> String {
    let bits = u64::try_from((worth.abs() << 32) / lots.abs()).expect("a price");
    let price = Price::from_bits(bits).expect("a price");
    separated(&format_price(price, (QUOTE_DECIMALS, asset.lot_decimals), 4))
}

/// A price as oracles print it, eight decimals.
pub fn print_price(price: i64) -> String {
    separated(&format_amount(price / 1_000_000, 2))
}

/// The ledger identity: everybody's claims on the left, tokens on the right.
pub fn ledger(ledger: &Ledger) {
    let terms = [
        ("accounts", ledger.accounts),
        ("markets", ledger.cash),
        ("fees", ledger.fees),
        ("idle", ledger.idle),
        ("insurance", ledger.market_insurance + ledger.insurance_fund),
        ("protocol", ledger.protocol_fees),
    ];
    let used = terms.iter().filter(|(_, units)| *units != 0);
    let sum: Vec<String> = used.map(|(name, units)| format!("{name} {}", usd(*units))).collect();
    let equal = if ledger.total() == ledger.tokens { "✓" } else { "✗" };
    let held = usd(ledger.tokens);
    let line = format!("   ledger: {} = {held} held {equal}", sum.join(" + "));
    if line.chars().count() <= WIDTH {
        println!("{line}");
    } else {
        let (first, rest) = sum.split_at(3);
        println!("   ledger: {}\n           + {} = {held} held {equal}", first.join(" + "), rest.join(" + "));
    }
}

/// Details of a trade.
pub fn trade(asset: &Asset, traded: &Traded, closes: bool) {
    let lots = i128::from(traded.lots);
    let worth = (lots * i128::from(traded.price)) >> 32;
    let (curve, spread) = (i128::from(traded.curve), i128::from(traded.spread));
    let fee =
        i128::from(traded.fee_pool) + i128::from(traded.fee_insurance) + i128::from(traded.fee_protocol);
    let average = average_price(curve + spread, lots, asset);
    if closes {
        let realised = i128::from(traded.realised);
        detail(&format!("realised {} before the fee", change(realised)));
    }
    detail(&format!(
        "fills at {average}: {} at mark; costs impact {}, spread {}, fee {}",
        cents(worth.abs()),
        cents(curve - worth),
        usd(spread),
        usd(fee),
    ));
}

/// Right-aligned cells of these widths.
pub fn row<const N: usize>(widths: [usize; N], cells: [String; N]) {
    let line: String = widths.iter().zip(&cells).map(|(width, cell)| format!("{cell:>width$}")).collect();
    println!("   {line}");
}

fn narrow(units: i128) -> i64 {
    i64::try_from(units).expect("an amount")
}

/// Without trailing zeros beyond two decimals.
fn trimmed(text: &str) -> String {
    let keep = text.find('.').map_or(text.len(), |dot| dot + 3).min(text.len());
    let (short, tail) = text.split_at(keep);
    separated(&format!("{short}{}", tail.trim_end_matches('0')))
}

/// Commas between thousands.
fn separated(text: &str) -> String {
    let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// Parts per million as a percentage.
pub fn percent(ppm: u32) -> String {
    let text = format_amount(ppm.into(), 4);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// A share of 2^32 as a percentage with two decimals.
pub fn share(of_one: i128) -> String {
    format!("{} %", format_amount(narrow((of_one * 10_000 + (1 << 31)) >> 32), 2))
}

/// One number over another as a percentage with two decimals.
pub fn ratio(a: i128, b: i128) -> String {
    format!("{} %", format_amount(narrow(a * 10_000 / b), 2))
}
