//! A report for people: aligned tables, decimal amounts, and what the numbers leave out.

use std::fmt;

use super::Report;
use super::amount::percent;
use super::history::{Earnings, Paid};
use super::markets::factor;
use super::own::{Holdings, Own};
use super::risk::{AccountRisk, Standing};
use super::solvency::Scenario;
use super::stress::Target;
use super::table::Table;

/// Decimals of SOL in lamports.
const SOL_DECIMALS: u8 = 9;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Slot {}, clock {}; amounts in the quote token\n", self.slot, self.now)?;
        self.write_risks(f)?;
        self.write_markets(f)?;
        self.write_solvency(f)?;
        match &self.own {
            Some(own) => write_own(f, own, self.decimals),
            None => writeln!(f, "Own account: no key is configured"),
        }
    }
}

impl Report {
    fn write_risks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.risks.counts;
        writeln!(f, "Accounts at risk, at the last prices")?;
        writeln!(
            f,
            "  {} accounts, {} positions; {} in trouble, {} doubtful until prices are refreshed, {} indebted, {} unknown",
            counts.accounts,
            counts.positions,
            counts.in_trouble,
            counts.doubtful,
            counts.indebted,
            counts.unknown
        )?;
        let mut table = Table::new(&[
            "account",
            "equity",
            "requirement",
            "ratio",
            "first",
            "distance",
            "standing",
            "auction",
        ]);
        for risk in &self.risks.nearest {
            table.row(risk_row(risk, self.decimals));
        }
        if !table.is_empty() {
            write!(f, "{table}")?;
        }
        writeln!(f)
    }

    fn write_markets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |amount: super::amount::Amount| amount.text(self.decimals);
        writeln!(f, "Markets")?;
        let mut table = Table::new(&[
            "market",
            "status",
            "price",
            "age",
            "oracle",
            "long",
            "short",
            "skew",
            "pool equity",
            "insurance",
            "required",
            "own cover",
            "OI scale",
            "remark",
        ]);
        for market in &self.markets {
            table.row(vec![
                market.index.to_string(),
                market.status.clone(),
                market.price.clone(),
                format!("{} s", market.age_seconds),
                market.oracle.to_string(),
                text(market.long),
                text(market.short),
                text(market.skew),
                text(market.equity),
                text(market.insurance),
                text(market.required),
                text(market.own),
                percent(market.oi_scale_ppm.into()),
                market.remark(),
            ]);
        }
        write!(f, "{table}")?;
        let fund = &self.fund;
        writeln!(
            f,
            "  insurance fund: reserve {}, stake {}; markets ask for {}, have {} of their own: caps at {}\n",
            text(fund.reserve),
            text(fund.stake),
            text(fund.required),
            text(fund.own),
            percent(fund.scale_ppm.into())
        )
    }

    fn write_solvency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Solvency by price shock, if nobody liquidates on the way: an upper bound")?;
        writeln!(
            f,
            "  If all markets move, volatile collateral moves likewise; if one moves alone, collateral of the same"
        )?;
        writeln!(
            f,
            "  price source moves with it. Insurance, reserve and stake are counted within a day's limits; what is"
        )?;
        writeln!(f, "  left of the bad debt falls on the pool's first loss, the winners and the pool.")?;
        let mut table = Table::new(&[
            "market",
            "shock",
            "below maint.",
            "negative",
            "unknown",
            "bad debt",
            "stands against",
            "insurance",
            "reserve",
            "stake",
            "left",
            "suffices",
        ]);
        for scenario in &self.solvency {
            table.row(scenario_row(scenario, self.decimals));
        }
        writeln!(f, "{table}")?;
        writeln!(f, "Pool equity by market at the shocked price")?;
        let together = || self.solvency.iter().filter(|scenario| scenario.target == Target::AllMarkets);
        let mut header = vec!["shock".to_string()];
        header.extend(self.markets.iter().map(|market| market.index.to_string()));
        let mut table = Table::new(&header);
        for scenario in together() {
            let mut row = vec![scenario.shock_percent.to_string()];
            for market in &self.markets {
                let found = scenario.pool_equity.iter().find(|held| held.market == market.index);
                row.push(found.map_or_else(|| "no price".into(), |held| held.equity.text(self.decimals)));
            }
            table.row(row);
        }
        writeln!(f, "{table}")
    }
}

fn risk_row(risk: &AccountRisk, decimals: u8) -> Vec<String> {
    let standing = match risk.standing {
        Standing::Healthy => "healthy",
        Standing::InTrouble => "in trouble",
        Standing::Doubtful => "doubtful",
    };
    vec![
        risk.account.clone(),
        risk.equity.text(decimals),
        risk.requirement.text(decimals),
        risk.ratio_ppm.map_or_else(none, factor),
        risk.first.map_or_else(none, |market| market.to_string()),
        risk.distance_ppm.map_or_else(none, percent),
        standing.into(),
        risk.auction_elapsed.map_or_else(none, |slots| format!("{slots} slots")),
    ]
}

fn scenario_row(scenario: &Scenario, decimals: u8) -> Vec<String> {
    let target = match scenario.target {
        Target::AllMarkets => "all".into(),
        Target::Market(index) => index.to_string(),
    };
    let payers = &scenario.payers;
    vec![
        target,
        scenario.shock_percent.to_string(),
        scenario.below_maintenance.to_string(),
        scenario.negative.to_string(),
        scenario.unknown.to_string(),
        scenario.bad_debt.text(decimals),
        scenario.stands_against.text(decimals),
        payers.insurance.text(decimals),
        payers.reserve.text(decimals),
        payers.stake.text(decimals),
        payers.rest.text(decimals),
        match (scenario.suffices, scenario.unknown) {
            (false, _) => "NO",
            (true, 0) => "yes",
            (true, _) => "of the known",
        }
        .into(),
    ]
}

fn write_own(f: &mut fmt::Formatter<'_>, own: &Own, decimals: u8) -> fmt::Result {
    writeln!(f, "Own account {} of {}", own.account, own.authority)?;
    match &own.holdings {
        Some(holdings) => write_holdings(f, holdings, decimals)?,
        None => writeln!(f, "  not open")?,
    }
    if let Some(error) = &own.history_error {
        writeln!(f, "\nEarnings: not known: {error}")?;
    }
    own.earnings.as_ref().map_or(Ok(()), |earnings| write_earnings(f, earnings, decimals))
}

fn write_holdings(f: &mut fmt::Formatter<'_>, holdings: &Holdings, decimals: u8) -> fmt::Result {
    writeln!(
        f,
        "  quote {}, equity {}, requirement {}, free initial margin {}{}",
        holdings.quote.text(decimals),
        holdings.equity.text(decimals),
        holdings.requirement.text(decimals),
        holdings.free_initial.text(decimals),
        if holdings.needs_refresh { " (prices need a refresh)" } else { "" }
    )?;
    let mut table = Table::new(&["holds", "side", "amount", "mark", "worth", "unrealised PnL"]);
    for held in &holdings.positions {
        table.row(vec![
            format!("market {}", held.market),
            held.side.into(),
            held.base.clone(),
            held.mark.clone(),
            held.notional.text(decimals),
            held.pnl.text(decimals),
        ]);
    }
    for held in &holdings.collaterals {
        let (worth, tokens) = (held.value.text(decimals), held.tokens.clone());
        table.row(vec![format!("vault {}", held.vault), "collateral".into(), tokens, none(), worth, none()]);
    }
    if table.is_empty() { Ok(()) } else { write!(f, "{table}") }
}

fn write_earnings(f: &mut fmt::Formatter<'_>, earnings: &Earnings, decimals: u8) -> fmt::Result {
    writeln!(f, "\nEarnings, from the transactions that name the account")?;
    writeln!(f, "  {}", span(earnings))?;
    let mut table = Table::new(&["what", "times", "amount"]);
    let mut row = |what: &str, paid: &Paid| {
        table.row(vec![what.into(), paid.count.to_string(), paid.amount.text(decimals)]);
    };
    row("liquidations to the pool: pay", &earnings.to_pool);
    row("deleveraging: pay", &earnings.deleveraging);
    row("triggers: fees", &earnings.triggers);
    row("takeovers: notional", &earnings.takeovers);
    row("takeovers: concession", &Paid { amount: earnings.concession, ..earnings.takeovers });
    row("collateral bought: worth beyond the price paid", &earnings.collateral);
    row("own trades: realised PnL", &earnings.trades);
    row("own trades: fees", &Paid { amount: earnings.trade_fees, ..earnings.trades });
    row("own trades: toxic-exit fees", &Paid { amount: earnings.toxic_fees, ..earnings.trades });
    row("own positions settled", &earnings.settled);
    row("own positions liquidated by others", &earnings.liquidated);
    write!(f, "{table}")?;
    for (vault, moved) in &earnings.moved {
        let (decimals, what) =
            if *vault == 0 { (decimals, "quote".into()) } else { (0, format!("units of vault {vault}")) };
        let (deposited, withdrawn) = (moved.deposited.text(decimals), moved.withdrawn.text(decimals));
        writeln!(f, "  {what}: {deposited} deposited, {withdrawn} withdrawn")?;
    }
    writeln!(
        f,
        "  pay in all {}; network fees of the wallet in these transactions {} SOL, {} of which failed",
        earnings.pay().text(decimals),
        super::amount::Amount::from(earnings.lamports).text(SOL_DECIMALS),
        earnings.failed
    )
}

/// From when to when, and what is not in it.
fn span(earnings: &Earnings) -> String {
    let span = &earnings.span;
    let Some([first, last]) = span.slots else { return "none: no transaction was found".into() };
    let mut text = format!("transactions: {}, slots {first} to {last}", span.transactions);
    if let Some([first, last]) = span.times {
        text += &format!(", times {first} to {last}");
    }
    text += if span.cut { "; there are older ones" } else { "; there are no older ones" };
    if span.missing > 0 {
        text += &format!("; {} the node has no more", span.missing);
    }
    if span.truncated > 0 {
        text += &format!("; {} with a cut log, whose events may be missing", span.truncated);
    }
    text
}

fn none() -> String {
    "-".into()
}
