//! Doing what is left to do.
//!
//! One step at a time, and after each a look at the chain: what to do next follows from what is there, never from what
//! was meant to be there. So it does not matter where an earlier run broke off, or who else did a part of it.

use std::path::{Path, PathBuf};

use bulwark_sdk::instruction::{self as ix, BuildError};
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::state::{Change, ChangePayload, MarketStatus};
use bulwark_sdk::{Instruction, Pubkey, address};
use serde::Serialize;
use solana_keypair::Keypair;
use thiserror::Error;

use crate::chain::{Batch, Chain, ChainError};
use crate::cluster;
use crate::file::RiskFile;
use crate::party::Parties;
use crate::plan::{Action, Options, Plan, Signer, Step, governance};
use crate::program::{Comparison, Deployer, ProgramAction, compare};
use crate::proposals;
use crate::state::{Deployed, State};

/// Why a step did not succeed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The cluster.
    #[error("{step}: {source}")]
    Chain {
        /// The step.
        step: String,
        /// What the cluster said.
        source: ChainError,
    },
    /// The cluster can't be read.
    #[error(transparent)]
    Unreadable(#[from] ChainError),
    /// An instruction can't be built from what was read.
    #[error("{step}: {source}")]
    Build {
        /// The step.
        step: String,
        /// Why.
        source: BuildError,
    },
    /// A step went through and changed nothing.
    #[error("{0}: went through and is still to be done: does somebody else change the same at this moment?")]
    NoEffect(String),
    /// The folder has proposals of an earlier run.
    #[error("{}: is of an earlier run: move it away, or name a folder without proposals", .0.display())]
    OldProposals(PathBuf),
    /// A file of a proposal can't be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct Applied {
    /// Steps that were done, in order.
    pub done: Vec<String>,
    /// Proposals that were written for somebody else to sign.
    pub written: Vec<PathBuf>,
    /// What is left.
    pub left: Plan,
}

impl Applied {
    /// Whether nothing is left but waiting, and what others were given to sign.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let given = |step: &Step| step.signer == Signer::Admin && !self.written.is_empty();
        let mut steps = self.left.steps.iter();
        steps.all(|step| step.blocked.is_none() && given(step)) && self.left.conflicts.is_empty()
    }
}

/// Does everything that can be done now. What the admin has to sign is written to the folder of `options` where the admin's
/// key pair is not here.
///
/// # Errors
/// [`ApplyError`]; what was done before stays done.
pub async fn apply(
    chain: &impl Chain,
    (file, parties): (&RiskFile, &Parties),
    so: &[u8],
    options: Options<'_>,
) -> Result<Applied, ApplyError> {
    let Options { proposals, loosen } = options;
    if let Some(folder) = proposals.filter(|_| parties.admin.keypair.is_none()) {
        proposals::require_none(folder)?;
    }
    cluster::require(chain, file).await?;
    let mut run =
        Run { chain, file, parties, proposals, tried: Vec::new(), done: Vec::new(), written: Vec::new() };
    let compared = run.program(so).await?;
    loop {
        let state = State::read(chain, file).await?;
        let plan = governance(&state, (file, parties), &compared, loosen);
        let Some(step) = run.next(&plan) else {
            return Ok(Applied { done: run.done, written: run.written, left: plan });
        };
        run.step(step, &state).await?;
    }
}

struct Run<'a, C> {
    chain: &'a C,
    file: &'a RiskFile,
    parties: &'a Parties,
    proposals: Option<&'a Path>,
    tried: Vec<Action>,
    done: Vec<String>,
    written: Vec<PathBuf>,
}

impl<C: Chain> Run<'_, C> {
    fn payer(&self) -> Option<&Keypair> {
        self.parties.payer.keypair.as_ref()
    }

    async fn program(&mut self, so: &[u8]) -> Result<Comparison, ApplyError> {
        let ids = (&address::PROGRAM, &self.parties.deployer.address);
        let compared = compare(self.chain, ids, so).await?;
        let (Some(authority), action) = (self.parties.deployer.keypair.as_ref(), compared.action) else {
            return Ok(compared);
        };
        let deployer = Deployer { authority, payer: self.payer().unwrap_or(authority) };
        let ours = compared.authority == Some(self.parties.deployer.address);
        let (title, result) = match (action, &self.parties.program) {
            (ProgramAction::Deploy, Some(program)) if program_matches(program) => {
                ("deploy the program", deployer.deploy(self.chain, program, so).await)
            }
            (ProgramAction::Upgrade, _) if ours => {
                let target = (&address::PROGRAM, compared.capacity);
                ("upgrade the program", deployer.upgrade(self.chain, target, so).await)
            }
            _ => return Ok(compared),
        };
        result.map_err(|source| ApplyError::Chain { step: title.to_string(), source })?;
        self.done.push(title.to_string());
        Ok(compare(self.chain, ids, so).await?)
    }

    /// The first step that can be done and was not tried yet.
    fn next<'p>(&self, plan: &'p Plan) -> Option<&'p Step> {
        plan.steps.iter().find(|step| {
            let signed = match step.signer {
                Signer::Deployer => self.parties.deployer.keypair.is_some(),
                Signer::Admin => self.parties.admin.keypair.is_some() || self.proposals.is_some(),
                Signer::Anyone => true,
            };
            let here = self.payer().is_some() || step.signer != Signer::Anyone;
            let program = matches!(step.action, Action::Program(_));
            let written = self.parties.admin.keypair.is_none() && self.tried.contains(&step.action);
            signed && here && step.blocked.is_none() && !program && !written
        })
    }

    async fn step(&mut self, step: &Step, state: &State) -> Result<(), ApplyError> {
        if self.tried.contains(&step.action) {
            return Err(ApplyError::NoEffect(step.title.clone()));
        }
        let built = match (&step.action, &state.deployed) {
            (Action::Initialize, _) => Ok(self.initialize(state)),
            (_, None) => return Err(ApplyError::NoEffect(step.title.clone())),
            (action, Some(deployed)) => self.instructions(action, (state, deployed)),
        };
        let instructions = built.map_err(|source| ApplyError::Build { step: step.title.clone(), source })?;
        self.tried.push(step.action.clone());
        if step.signer == Signer::Admin && self.parties.admin.keypair.is_none() {
            let number = self.written.len() + 1;
            let folder = self.proposals.unwrap_or(Path::new("."));
            let written =
                proposals::write((folder, number), step, &self.parties.admin.address, &instructions)?;
            self.written.extend(written);
            return Ok(());
        }
        let key = match step.signer {
            Signer::Deployer => self.parties.deployer.keypair.as_ref(),
            Signer::Admin => self.parties.admin.keypair.as_ref(),
            Signer::Anyone => None,
        };
        // Initialising fills a packet: the deployer pays for it, a second signature has no room.
        let payer = self.payer().filter(|_| step.action != Action::Initialize);
        let signers = payer.into_iter().chain(key).collect();
        let sent = self.chain.send(Batch { instructions, signers }).await;
        sent.map_err(|source| ApplyError::Chain { step: step.title.clone(), source })?;
        self.done.push(step.title.clone());
        Ok(())
    }

    fn initialize(&self, state: &State) -> Vec<Instruction> {
        let (file, quote) = (self.file, &self.file.quote);
        let token_program =
            state.mints.get(&quote.mint).map_or(address::TOKEN_PROGRAM, |mint| mint.token_program);
        let args = InitializeExchangeArgs {
            admin: self.parties.admin.address,
            guardian: self.parties.guardian,
            fee_recipient: self.parties.fee_recipient,
            quote_sources: quote.sources,
            quote_params: quote.params,
            pool_params: file.pool,
            exchange_params: file.exchange,
            insurance_params: file.insurance,
        };
        vec![ix::initialize_exchange(self.parties.deployer.address, (quote.mint, token_program), args)]
    }

    /// Who pays the rent of what the admin creates: the admin where the key is not here, who then signs alone.
    fn rent_payer(&self) -> Pubkey {
        let admin = &self.parties.admin;
        match self.payer() {
            Some(_) if admin.keypair.is_some() => self.parties.payer.address,
            _ => admin.address,
        }
    }

    fn instructions(
        &self,
        action: &Action,
        (state, deployed): (&State, &Deployed),
    ) -> Result<Vec<Instruction>, BuildError> {
        let keys = (self.parties.admin.address, self.rent_payer());
        let change = |nonce: &u64| deployed.changes.get(nonce).ok_or(BuildError::UnreadableChange(*nonce));
        Ok(match action {
            Action::Program(_) | Action::Initialize => Vec::new(),
            Action::Propose(payload) => {
                let ahead = u64::try_from(self.written.len()).unwrap_or(0) / proposals::FILES;
                let nonce = deployed.exchange.next_change.saturating_add(ahead);
                vec![ix::propose_change(&deployed.listings, keys, nonce, **payload)?]
            }
            Action::Execute(nonce) => self.execute(change(nonce)?, deployed)?,
            Action::Resume(market) => {
                let sources = deployed.markets.get(market).map(|market| market.sources);
                let oracles = sources.and_then(|sources| address::oracles(&sources));
                let refresh = oracles.map(|oracles| ix::refresh_market(*market, oracles));
                refresh.into_iter().chain([ix::resume_market(*market)]).collect()
            }
            Action::CreateVault(nonce, mint) => {
                let change = change(nonce)?;
                let oracles = oracles(change)?;
                let program = state.mints.get(mint).map_or(address::TOKEN_PROGRAM, |mint| mint.token_program);
                vec![ix::create_vault(keys, (*mint, program), oracles, change)]
            }
            Action::CreateMarket(nonce, index) => {
                let change = change(nonce)?;
                ix::create_market(keys, *index, oracles(change)?, change).to_vec()
            }
        })
    }

    /// An execution, after a refresh of the price that it is judged by.
    fn execute(&self, change: &Change, deployed: &Deployed) -> Result<Vec<Instruction>, BuildError> {
        let payload = change.payload().map_err(|_| BuildError::UnreadableChange(change.nonce))?;
        let mut refresh = None;
        let sources = match &payload {
            ChangePayload::MarketStatus { market, status: MarketStatus::Active, .. } => {
                let sources = deployed.markets.get(market).map(|market| market.sources);
                let oracles = sources.and_then(|sources| address::oracles(&sources));
                refresh = oracles.map(|oracles| ix::refresh_market(*market, oracles));
                None
            }
            ChangePayload::VaultParams { vault, params } => {
                let opens = deployed.vaults.get(vault).filter(|v| v.core.params.max_deposits == 0);
                let opens = opens.filter(|_| params.max_deposits != 0);
                let oracles = opens.and_then(|vault| Some((vault.mint, address::oracles(&vault.sources)?)));
                refresh = oracles.map(|(mint, oracles)| ix::refresh_vault((*vault, &mint), oracles));
                None
            }
            ChangePayload::MarketSources { sources, .. } | ChangePayload::VaultSources { sources, .. } => {
                address::oracles(sources)
            }
            _ => None,
        };
        let execute = ix::execute_change(&deployed.listings, change, sources)?;
        Ok(refresh.into_iter().chain([execute]).collect())
    }
}

fn program_matches(program: &Keypair) -> bool {
    use solana_signer::Signer as _;
    program.pubkey() == address::PROGRAM
}

/// Oracle accounts of a listing.
fn oracles(change: &Change) -> Result<ix::OracleAccounts, BuildError> {
    let unreadable = BuildError::UnreadableChange(change.nonce);
    match change.payload() {
        Ok(ChangePayload::CreateVault { sources, .. } | ChangePayload::CreateMarket { sources, .. }) => {
            address::oracles(&sources).ok_or(unreadable)
        }
        _ => Err(unreadable),
    }
}
