//! What is left to do.

pub(crate) mod prices;

use std::path::Path;

use bulwark_sdk::explain::{Explanation, Status, explain_change, explain_payload};
use bulwark_sdk::program::state::{Change, ChangePayload};
use bulwark_sdk::{Pubkey, address};
use serde::Serialize;

use crate::begin::{initialize_step, program_step};
use crate::chain::{Chain, ChainError};
use crate::cluster;
use crate::file::RiskFile;
use crate::party::Parties;
use crate::program::{Comparison, compare};
use crate::state::{Deployed, State};
use crate::wants::{Want, wants};

/// Who has to sign a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The program's upgrade authority.
    Deployer,
    /// The exchange's admin.
    Admin,
    /// Whoever pays the fee.
    Anyone,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Program(Comparison),
    Initialize,
    Propose(Box<ChangePayload>),
    Execute(u64),
    CreateVault(u64, Pubkey),
    CreateMarket(u64, u16),
    Resume(u16),
}

/// How far a run may go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Folder for what the admin has to sign, where its key pair is not here.
    pub proposals: Option<&'a Path>,
    /// Whether to propose what is looser in the file than on the chain, where it has changed since it was listed: the guardian
    /// may have tightened it.
    pub loosen: bool,
}

/// Something that can be done now.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What it is.
    pub title: String,
    /// Who has to sign it.
    pub signer: Signer,
    /// What it changes, from what to what.
    pub explanation: String,
    /// What comes after it in a later run.
    pub later: Vec<String>,
    /// Why it can't be done now.
    pub blocked: Option<String>,
    #[serde(skip)]
    pub(crate) action: Action,
}

/// A proposal that is not ripe.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// Number of the change.
    pub nonce: u64,
    /// What it is about.
    pub title: String,
    /// When it can be executed, unix seconds.
    pub eta: i64,
    /// Seconds until then.
    pub seconds_left: i64,
    /// What comes after it.
    pub later: Vec<String>,
}

/// What is left to do on a cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// What can be done now, in this order.
    pub steps: Vec<Step>,
    /// What has been proposed from this file and waits.
    pub waiting: Vec<Waiting>,
    /// What comes once the exchange is there.
    pub later: Vec<String>,
    /// What the chain has that the file does not name.
    pub notes: Vec<String>,
    /// What the file asks for in vain: it has to be changed, or the chain by other means.
    pub conflicts: Vec<String>,
}

impl Plan {
    /// Whether the chain is what the file says.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_empty() && self.later.is_empty() && self.conflicts.is_empty()
    }

    /// The first moment at which more can be done without anybody doing anything, unix seconds.
    #[must_use]
    pub fn ripe_at(&self) -> Option<i64> {
        self.waiting.iter().map(|waiting| waiting.eta).min()
    }
}

/// Compares a cluster with a file. `so` is the compiled program.
///
/// # Errors
/// [`ChainError`] if the cluster can't be read, or is not the file's.
pub async fn plan(
    chain: &impl Chain,
    (file, parties): (&RiskFile, &Parties),
    so: &[u8],
    options: Options<'_>,
) -> Result<Plan, ChainError> {
    cluster::require(chain, file).await?;
    let compared = compare(chain, (&address::PROGRAM, &parties.deployer.address), so).await?;
    Ok(governance(&State::read(chain, file).await?, (file, parties), &compared, options.loosen))
}

/// What is left to do by what was read.
pub(crate) fn governance(
    state: &State,
    (file, parties): (&RiskFile, &Parties),
    compared: &Comparison,
    loosen: bool,
) -> Plan {
    let mut plan = Plan::default();
    program_step(compared, (file, parties), &mut plan);
    match &state.deployed {
        None => initialize_step(file, (state, parties), compared, &mut plan),
        Some(deployed) => Planner { file, state, deployed, loosen }.governance(parties, &mut plan),
    }
    plan
}

struct Planner<'a> {
    file: &'a RiskFile,
    state: &'a State,
    deployed: &'a Deployed,
    loosen: bool,
}

impl Planner<'_> {
    fn governance(&self, parties: &Parties, plan: &mut Plan) {
        let all = wants(self.file, (self.state, self.deployed), parties);
        plan.notes.extend(all.notes);
        plan.conflicts.extend(all.conflicts);
        let mut ours = Vec::new();
        for want in all.wants {
            self.decide(want, &mut ours, plan);
        }
        plan.steps.extend(all.resume.iter().filter_map(|index| self.resume(*index)));
        self.others(&ours, plan);
        // What is carried out frees the way for what is proposed.
        plan.steps.sort_by_key(|step| matches!(step.action, Action::Propose(_)));
    }

    /// What is proposed goes on. A proposal is void once somebody has tightened its target, so one that loosens and is still
    /// good is nothing to ask about again.
    fn decide(&self, want: Want, ours: &mut Vec<u64>, plan: &mut Plan) {
        if let Some((change, status)) = self.pending(&want.payload) {
            ours.push(change.nonce);
            self.carry_out(&want, (change, status), plan);
        } else if self.loosen || want.loosens.is_empty() {
            plan.steps.push(self.propose(want));
        } else {
            plan.conflicts.extend(want.loosens);
            if let Some(held) = want.held {
                self.decide(*held, ours, plan);
            }
        }
    }

    /// Activates a market that was suspended for want of a price.
    fn resume(&self, index: u16) -> Option<Step> {
        let market = self.deployed.markets.get(&index)?;
        let params = &market.core.params;
        let ripe = market.suspended_at.saturating_add(params.max_outage.into());
        let left = ripe.saturating_sub(self.state.now);
        let early = (left > 0).then(|| format!("it can be resumed in {left} s"));
        let no_price = || self.too_old(&market.sources, params.lot_decimals, params.oracle.max_margin_age);
        Some(Step {
            title: format!("resume market {index}"),
            signer: Signer::Anyone,
            explanation: "  it was suspended for want of a price\n".to_string(),
            later: Vec::new(),
            blocked: early.or_else(no_price),
            action: Action::Resume(index),
        })
    }

    /// The change that says just this and is furthest on its way.
    fn pending(&self, payload: &ChangePayload) -> Option<(&Change, Status)> {
        let furthest = |status: &Status| match status {
            Status::Executed(_) => 0,
            Status::Ripe(_) => 1,
            Status::Waits(seconds) => 1_i64.saturating_add(*seconds),
            Status::Expired | Status::Void => i64::MAX,
        };
        let same =
            self.deployed.changes.values().filter(|change| change.payload().is_ok_and(|p| p == *payload));
        let alive = same.filter_map(|change| Some((&**change, self.status(change)?)));
        let alive = alive.filter(|(_, status)| furthest(status) != i64::MAX);
        alive.min_by_key(|(_, status)| furthest(status))
    }

    fn status(&self, change: &Change) -> Option<Status> {
        let snapshot = self.deployed.snapshot(self.state.now);
        let explained = explain_change(change, &self.deployed.in_force(&snapshot)).ok();
        explained.map(|explained| explained.status)
    }

    fn explain(&self, payload: &ChangePayload) -> Option<Explanation> {
        let snapshot = self.deployed.snapshot(self.state.now);
        explain_payload(payload, &self.deployed.in_force(&snapshot)).ok()
    }

    fn title(&self, payload: &ChangePayload) -> String {
        match payload {
            ChangePayload::CreateMarket { sources, .. } => {
                let market = self.file.markets.iter().find(|market| market.sources == *sources);
                market
                    .map_or("list a market".to_string(), |market| format!("list the market {}", market.name))
            }
            ChangePayload::CreateVault { mint, .. } => {
                let vault = self.file.vaults.iter().find(|vault| vault.mint == *mint);
                let name = vault.map_or(mint.to_string(), |vault| vault.name.clone());
                format!("list the collateral {name}")
            }
            _ => self.explain(payload).map_or("a change".to_string(), |explanation| explanation.title),
        }
    }

    fn propose(&self, want: Want) -> Step {
        let explanation = self.explain(&want.payload);
        let refused = explanation.as_ref().and_then(|explanation| explanation.refusals.first().cloned());
        Step {
            title: format!("propose: {}", self.title(&want.payload)),
            signer: Signer::Admin,
            explanation: body(explanation),
            later: want.rest,
            blocked: want.blocked.or(refused),
            action: Action::Propose(Box::new(want.payload)),
        }
    }

    fn carry_out(&self, want: &Want, (change, status): (&Change, Status), plan: &mut Plan) {
        let (nonce, title) = (change.nonce, self.title(&want.payload));
        let (signer, verb, blocked, action) = match status {
            Status::Waits(seconds_left) => {
                let (eta, later) = (self.state.now.saturating_add(seconds_left), want.rest.clone());
                plan.waiting.push(Waiting { nonce, title, eta, seconds_left, later });
                return;
            }
            Status::Executed(_) => {
                let (blocked, action) = self.creation(nonce, &want.payload);
                (Signer::Admin, "carry out", blocked, action)
            }
            Status::Ripe(_) | Status::Expired | Status::Void => {
                let refused = self.explain(&want.payload).and_then(|e| e.refusals.first().cloned());
                let blocked = refused.or_else(|| self.price_for(&want.payload));
                (Signer::Anyone, "execute", blocked, Action::Execute(nonce))
            }
        };
        plan.steps.push(Step {
            title: format!("{verb} change {nonce}: {title}"),
            signer,
            explanation: body(self.explain(&want.payload)),
            later: want.rest.clone(),
            blocked,
            action,
        });
    }

    /// The instruction that carries out an executed listing, and what stands in its way.
    fn creation(&self, nonce: u64, payload: &ChangePayload) -> (Option<String>, Action) {
        match payload {
            ChangePayload::CreateVault { mint, .. } => {
                (self.price_for_listing(payload), Action::CreateVault(nonce, *mint))
            }
            _ => {
                let wanted = self.file.markets.iter().find(|market| {
                    matches!(payload, ChangePayload::CreateMarket { sources, .. } if *sources == market.sources)
                });
                let next = self.deployed.exchange.next_market().ok();
                let blocked = match (wanted, next) {
                    (Some(market), Some(next)) if market.index != next => Some(format!(
                        "the next market that can be listed is {next}, this one is {}",
                        market.index
                    )),
                    _ => self.price_for_listing(payload),
                };
                (blocked, Action::CreateMarket(nonce, wanted.map_or(0, |market| market.index)))
            }
        }
    }

    /// Changes that wait and are not from this file.
    fn others(&self, ours: &[u64], plan: &mut Plan) {
        for change in self.deployed.changes.values().filter(|change| !ours.contains(&change.nonce)) {
            let Ok(payload) = change.payload() else { continue };
            let (nonce, title) = (change.nonce, self.title(&payload));
            plan.notes.push(match self.status(change) {
                Some(Status::Expired | Status::Void) | None => {
                    format!(
                        "change {nonce} ({title}) can't be executed any more: cancel_change returns its rent"
                    )
                }
                Some(_) => format!(
                    "change {nonce} ({title}) is not what this file says: cancel it, or the file is old"
                ),
            });
        }
    }
}

/// What moves, without the title and what is refused: both are said elsewhere.
fn body(explanation: Option<Explanation>) -> String {
    let Some(explanation) = explanation else { return String::new() };
    let text = explanation.to_string();
    text.lines()
        .skip(1)
        .filter(|line| !line.starts_with("  REFUSED"))
        .map(|line| format!("{line}\n"))
        .collect()
}
