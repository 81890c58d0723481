//! What governance has to decide so that the chain becomes what the file says.

use bulwark_sdk::engine::collateral::{CollateralParams, MAX_LISTED_WORTH};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::program::state::{ChangePayload, Market, MarketStatus, Vault};

use crate::fields::{Decimals, Described};
use crate::file::{MarketFile, RiskFile, VaultFile};
use crate::gradual::{held, towards};
use crate::party::Parties;
use crate::plan::prices::lot_refused;
use crate::state::{Deployed, State};

/// Largest part of the pool that a new market may be given, and share of the reserve that it may draw in a day, ppm.
const LISTED: (u32, u32) = (100_000, 250_000);

/// A change that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    /// What it says.
    pub payload: ChangePayload,
    /// What has to follow it.
    pub rest: Vec<String>,
    /// Why it can't be proposed yet.
    pub blocked: Option<String>,
    /// What of it is looser than a chain that the guardian may have tightened.
    pub loosens: Vec<String>,
    /// What is wanted if that is not to be loosened.
    pub held: Option<Box<Want>>,
}

impl Want {
    fn new(payload: ChangePayload, rest: Vec<String>) -> Self {
        Self { payload, rest, blocked: None, loosens: Vec::new(), held: None }
    }
}

/// Everything that is wanted, and what no change can bring about.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    /// Changes, at most one for each target: carrying one out makes the others of its target void.
    pub wants: Vec<Want>,
    /// Markets that are suspended for want of a price and should be active.
    pub resume: Vec<u16>,
    /// What the chain has that the file does not name.
    pub notes: Vec<String>,
    /// What the file asks for in vain.
    pub conflicts: Vec<String>,
}

/// Compares file and chain.
pub(crate) fn wants(file: &RiskFile, (state, deployed): (&State, &Deployed), parties: &Parties) -> Wants {
    let mut all = Wants::default();
    let compare = Compare { file, state, deployed };
    compare.roles(parties, &mut all);
    compare.exchange(&mut all);
    for vault in std::iter::once(&file.quote).chain(&file.vaults) {
        match deployed.vault_of(&vault.mint) {
            Some(listed) => compare.listed_vault(vault, listed, &mut all),
            None => compare.new_vault(vault, &mut all),
        }
    }
    for market in &file.markets {
        match deployed.markets.get(&market.index) {
            Some(listed) => compare.listed_market(market, listed, &mut all),
            None => compare.new_market(market, &mut all),
        }
    }
    compare.unnamed(&mut all);
    all
}

impl Wants {
    fn push(&mut self, payload: ChangePayload, rest: Vec<String>) {
        self.wants.push(Want::new(payload, rest));
    }

    /// Wants a set of parameters, as far as one change reaches.
    fn params<T: Described>(
        &mut self,
        &Target { name, decimals, as_listed }: &Target<'_>,
        (from, to): (&T, &T),
        (is_valid, payload): (impl Fn(&T) -> bool, impl Fn(T) -> ChangePayload),
    ) {
        let stride = towards((from, to), decimals, &is_valid);
        self.conflicts.extend(stride.never.iter().map(|never| format!("{name}: {never}")));
        if !differ(from, &stride.next) {
            self.conflicts
                .extend(stride.rest.iter().map(|rest| format!("{name}: no change is allowed: {rest}")));
            return;
        }
        let mut want = Want::new(payload(stride.next), stride.rest);
        let (_, loosens) = held((from, &stride.next), decimals);
        if !loosens.is_empty() && !as_listed {
            let (held, loosens) = held((from, to), decimals);
            let stride = towards((from, &held), decimals, &is_valid);
            let moves = differ(from, &stride.next);
            want.held = moves.then(|| Box::new(Want::new(payload(stride.next), stride.rest)));
            want.loosens = loosens.iter().map(|loosens| format!("{name}: {loosens}")).collect();
        }
        self.wants.push(want);
    }
}

/// What parameters belong to.
struct Target<'a> {
    name: &'a str,
    decimals: Decimals,
    /// Whether nothing of it has changed since it was listed: then nobody has tightened it either.
    as_listed: bool,
}

fn differ<T: Described>(from: &T, to: &T) -> bool {
    from.values().into_iter().zip(to.values()).any(|(from, to)| from != to)
}

struct Compare<'a> {
    file: &'a RiskFile,
    state: &'a State,
    deployed: &'a Deployed,
}

impl Compare<'_> {
    fn decimals(&self) -> Decimals {
        Decimals { quote: self.file.quote.decimals, ..Decimals::default() }
    }

    fn roles(&self, parties: &Parties, all: &mut Wants) {
        let exchange = &self.deployed.exchange;
        if exchange.admin != parties.admin.address {
            let (is, wanted) = (exchange.admin, parties.admin.address);
            all.conflicts
                .push(format!("the admin is {is}, the file says {wanted}: an admin nominates the next one"));
        }
        if exchange.guardian != parties.guardian {
            all.push(ChangePayload::Guardian { guardian: parties.guardian }, vec![]);
        }
        if exchange.fee_recipient != parties.fee_recipient {
            all.push(ChangePayload::FeeRecipient { fee_recipient: parties.fee_recipient }, vec![]);
        }
        if exchange.quote_mint != self.file.quote.mint {
            let (is, wanted) = (exchange.quote_mint, self.file.quote.mint);
            all.conflicts.push(format!("the quote token is {is} for good, the file says {wanted}"));
        }
    }

    fn exchange(&self, all: &mut Wants) {
        let Deployed { exchange, pool, fund, .. } = self.deployed;
        let decimals = self.decimals();
        let target = |name, revision| Target { name, decimals, as_listed: revision == 0 };
        all.params(
            &target("exchange", exchange.revision),
            (&exchange.params, &self.file.exchange),
            (|params| params.validate().is_ok(), |params| ChangePayload::ExchangeParams { params }),
        );
        all.params(
            &target("pool", pool.revision),
            (&pool.core.params, &self.file.pool),
            (|params| params.validate().is_ok(), |params| ChangePayload::PoolParams { params }),
        );
        all.params(
            &target("insurance", fund.revision),
            (&fund.core.params(), &self.file.insurance),
            (|params| params.validate().is_ok(), |params| ChangePayload::InsuranceParams { params }),
        );
    }

    fn listed_vault(&self, vault: &VaultFile, listed: &Vault, all: &mut Wants) {
        let index = listed.index;
        if listed.decimals != vault.decimals {
            let (is, says) = (listed.decimals, vault.decimals);
            all.conflicts.push(format!("{}: the mint has {is} decimals, the file says {says}", vault.name));
            return;
        }
        if listed.sources != vault.sources {
            let differs = differ(&listed.core.params, &vault.params);
            let rest = if differs { vec!["its parameters come after that".to_string()] } else { vec![] };
            all.push(ChangePayload::VaultSources { vault: index, sources: vault.sources }, rest);
            return;
        }
        let from = listed.core.params;
        let is_valid = |params: &CollateralParams| {
            params.validate_change(&from, listed.is_quote()).is_ok()
                && listed.core.require_cap_worth(params).is_ok()
        };
        let decimals = Decimals { tokens: vault.decimals, ..self.decimals() };
        let payload = |params| ChangePayload::VaultParams { vault: index, params };
        let target = Target { name: &vault.name, decimals, as_listed: listed.revision == 0 };
        all.params(&target, (&from, &vault.params), (is_valid, payload));
    }

    fn new_vault(&self, vault: &VaultFile, all: &mut Wants) {
        if let Some(proposed) = self.proposed_vault(vault) {
            let rest = self.caps_left(vault, &proposed);
            let payload =
                ChangePayload::CreateVault { mint: vault.mint, sources: vault.sources, params: proposed };
            all.push(payload, rest);
            return;
        }
        let decimals = (self.file.quote.decimals, vault.decimals);
        let reading = self.state.reading(&vault.sources[0], decimals);
        let mut blocked = match self.state.mints.get(&vault.mint) {
            None => Some(format!("there is no mint {}", vault.mint)),
            Some(mint) if mint.decimals != vault.decimals => {
                Some(format!("the mint has {} decimals, the file says {}", mint.decimals, vault.decimals))
            }
            Some(_) => None,
        };
        let mut params = vault.params;
        match reading {
            // Half of what a listing may be worth: the price moves until it is listed.
            Some(reading) => params = listed_caps(&params, reading.price.to_bits(), MAX_LISTED_WORTH / 2),
            None => blocked = blocked.or_else(|| Some("its primary oracle has no price".to_string())),
        }
        let payload = ChangePayload::CreateVault { mint: vault.mint, sources: vault.sources, params };
        let rest = self.caps_left(vault, &params);
        all.wants.push(Want { blocked, ..Want::new(payload, rest) });
    }

    /// Parameters of a listing of this vault that waits already: its caps were chosen at the price of then.
    fn proposed_vault(&self, vault: &VaultFile) -> Option<CollateralParams> {
        let epoch = self.deployed.exchange.admin_epoch;
        self.deployed.changes.values().filter(|change| change.admin_epoch == epoch).find_map(|change| {
            let Ok(ChangePayload::CreateVault { mint, sources, params }) = change.payload() else {
                return None;
            };
            let as_wanted = CollateralParams {
                max_deposits: vault.params.max_deposits,
                soft_cap: vault.params.soft_cap,
                outflow: OutflowParams { floor: vault.params.outflow.floor, ..params.outflow },
                ..params
            };
            let over = change.timelock.is_over(self.state.now);
            let smaller = params.max_deposits <= vault.params.max_deposits
                && params.soft_cap <= vault.params.soft_cap
                && params.outflow.floor <= vault.params.outflow.floor;
            let same = mint == vault.mint && sources == vault.sources && as_wanted == vault.params;
            (same && smaller && !over).then_some(params)
        })
    }

    fn caps_left(&self, vault: &VaultFile, params: &CollateralParams) -> Vec<String> {
        let decimals = Decimals { tokens: vault.decimals, ..self.decimals() };
        CollateralParams::FIELDS
            .iter()
            .filter(|field| (field.get)(params) != (field.get)(&vault.params))
            .map(|field| {
                let [from, to] = [params, &vault.params].map(|p| field.unit.show((field.get)(p), decimals));
                format!("{} then goes on from {from} to {to}", field.name)
            })
            .collect()
    }

    fn listed_market(&self, market: &MarketFile, listed: &Market, all: &mut Wants) {
        let (index, name) = (market.index, &market.name);
        if listed.is(MarketStatus::Settling) {
            all.conflicts.push(format!("{name}: market {index} settles: take it out of the file"));
            return;
        }
        let differs = differ(&listed.core.params, &market.params);
        let waits_for_price = market.status == MarketStatus::Active && listed.suspended_at != 0;
        let moves_on = !listed.is(market.status) && !waits_for_price;
        if listed.sources != market.sources {
            let rest = if differs || moves_on {
                vec!["parameters and status come after that".into()]
            } else {
                vec![]
            };
            all.push(ChangePayload::MarketSources { market: index, sources: market.sources }, rest);
            return;
        }
        if waits_for_price {
            all.resume.push(index);
        }
        // The listing itself is its first revision.
        let as_listed = listed.revision == u32::from(listed.generation).wrapping_shl(24).wrapping_add(1);
        // A market that was just listed opens small, and grows while it trades.
        let just_listed = listed.core.params == listing(&market.params);
        if moves_on && (!differs || just_listed || market.status == MarketStatus::ReduceOnly) {
            let rest = if differs { vec!["its parameters come after that".to_string()] } else { vec![] };
            let payload = ChangePayload::MarketStatus { market: index, status: market.status, price: 0 };
            let mut want = Want::new(payload, rest);
            if market.status == MarketStatus::Active && !as_listed {
                let mut held = Wants::default();
                self.market_params((market, listed), as_listed, &mut held);
                want.held = held.wants.pop().map(Box::new);
                want.loosens.push(format!(
                    "{name}: market {index} is reduce-only and was changed since its listing: it may have been stopped. Put \
                     status = \"reduce_only\" into the file, or pass --loosen to propose that it is activated"
                ));
            }
            all.wants.push(want);
            return;
        }
        self.market_params((market, listed), as_listed, all);
    }

    fn market_params(&self, (market, listed): (&MarketFile, &Market), as_listed: bool, all: &mut Wants) {
        let (index, name) = (market.index, &market.name);
        let decimals = Decimals { lots: market.params.lot_decimals, ..self.decimals() };
        let payload = |params| ChangePayload::MarketParams { market: index, params };
        let is_valid = |params: &MarketParams| params.validate().is_ok();
        let target = Target { name, decimals, as_listed };
        all.params(&target, (&listed.core.params, &market.params), (is_valid, payload));
    }

    fn new_market(&self, market: &MarketFile, all: &mut Wants) {
        let params = listing(&market.params);
        let mut rest = Vec::new();
        if market.status == MarketStatus::Active {
            rest.push("activated after that".to_string());
        }
        if params != market.params {
            rest.push("its weight and its share of the reserve grow after that".to_string());
        }
        let blocked = lot_refused(self.state, (&market.sources, &params), self.file.quote.decimals);
        let payload = ChangePayload::CreateMarket { sources: market.sources, params };
        all.wants.push(Want { blocked, ..Want::new(payload, rest) });
    }

    fn unnamed(&self, all: &mut Wants) {
        let named = |mint| std::iter::once(&self.file.quote).chain(&self.file.vaults).any(|v| v.mint == mint);
        for vault in self.deployed.vaults.values().filter(|vault| !named(vault.mint)) {
            all.notes.push(format!("vault {} of mint {} is not in the file", vault.index, vault.mint));
        }
        let known: Vec<u16> = self.file.markets.iter().map(|market| market.index).collect();
        for index in self.deployed.markets.keys().filter(|index| !known.contains(index)) {
            all.notes.push(format!("market {index} is not in the file"));
        }
    }
}

/// A market's parameters as a listing may have them.
pub(crate) fn listing(params: &MarketParams) -> MarketParams {
    let (weight, share) = LISTED;
    MarketParams {
        target_weight_ppm: params.target_weight_ppm.min(weight),
        waterfall: WaterfallParams {
            reserve_share_ppm: params.waterfall.reserve_share_ppm.min(share),
            ..params.waterfall
        },
        ..*params
    }
}

/// A collateral's parameters with caps that are worth at most `worth` quote units at a price in Q32.32.
fn listed_caps(params: &CollateralParams, price: u64, worth: u64) -> CollateralParams {
    let most = (u128::from(worth) << 32) / u128::from(price.max(1));
    let cap = params.max_deposits.min(u64::try_from(most).unwrap_or(u64::MAX));
    let floor = params.outflow.floor.min(cap / 20);
    CollateralParams {
        max_deposits: cap,
        soft_cap: params.soft_cap.min(cap),
        outflow: OutflowParams { floor, ..params.outflow },
        ..*params
    }
}
