//! The first steps on a cluster: the program, and the exchange.

use bulwark_sdk::address;

use crate::file::RiskFile;
use crate::party::Parties;
use crate::plan::{Action, Plan, Signer, Step};
use crate::program::{Comparison, ProgramAction};
use crate::state::State;

/// Adds what has to be done to the program.
pub(crate) fn program_step(compared: &Comparison, (file, parties): (&RiskFile, &Parties), plan: &mut Plan) {
    let id = address::PROGRAM;
    let (title, blocked) = match compared.action {
        ProgramAction::Nothing => return,
        ProgramAction::Deploy => (format!("deploy the program to {id}"), no_program_key(parties)),
        ProgramAction::Upgrade => {
            let deployer = parties.deployer.address;
            let other = match compared.authority {
                None => Some("the program is final: nobody can upgrade it".to_string()),
                Some(authority) => (authority != deployer)
                    .then(|| format!("its upgrade authority is {authority}, the file's deployer {deployer}")),
            };
            (format!("upgrade the program {id}"), other)
        }
    };
    let no_key =
        parties.deployer.keypair.is_none().then(|| "the deployer's key pair is not here".to_string());
    let (left, chunks) = (compared.chunks_left, compared.chunks);
    plan.steps.push(Step {
        title,
        signer: Signer::Deployer,
        explanation: format!(
            "  {}: {left} of {chunks} chunks are to be uploaded\n",
            file.program.so.display()
        ),
        later: Vec::new(),
        blocked: blocked.or(no_key),
        action: Action::Program(*compared),
    });
}

fn no_program_key(parties: &Parties) -> Option<String> {
    use solana_signer::Signer as _;
    let id = address::PROGRAM;
    match parties.program.as_ref().map(solana_keypair::Keypair::pubkey) {
        Some(key) if key == id => None,
        Some(key) => Some(format!(
            "the key pair's address is {key}, the program declares {id}: run `anchor keys sync` and build again"
        )),
        None => Some(format!(
            "there is no program yet, so its key pair is needed (program.keypair), whose address is the declared {id}: \
             run `anchor keys sync` and build again"
        )),
    }
}

/// Adds the initialisation, and what follows it.
pub(crate) fn initialize_step(
    file: &RiskFile,
    (state, parties): (&State, &Parties),
    compared: &Comparison,
    plan: &mut Plan,
) {
    let vaults = file.vaults.iter().map(|vault| format!("list the collateral {}", vault.name));
    let markets = file.markets.iter().map(|market| format!("list the market {}", market.name));
    let listings = vaults.chain(markets);
    if compared.action == ProgramAction::Deploy {
        plan.later.extend(std::iter::once("initialise the exchange".to_string()).chain(listings));
        return;
    }
    let deployer = parties.deployer.address;
    let mint = state.mints.get(&file.quote.mint);
    let blocked = if parties.deployer.keypair.is_none() {
        Some("the deployer's key pair is not here".to_string())
    } else if compared.authority.is_none() {
        Some("the program is final: only its upgrade authority could initialise the exchange".to_string())
    } else if compared.authority != Some(deployer) {
        Some(format!("the deployer {deployer} is not the program's upgrade authority"))
    } else if mint.is_none() {
        Some(format!("there is no mint {}", file.quote.mint))
    } else if mint.is_some_and(|mint| mint.decimals != file.quote.decimals) {
        Some(format!("{}: the mint has other decimals than the file says", file.quote.name))
    } else {
        None
    };
    let [admin, guardian] = [parties.admin.address, parties.guardian];
    plan.steps.push(Step {
        title: "initialise the exchange".to_string(),
        signer: Signer::Deployer,
        explanation: format!("  quote token {}\n  admin {admin}\n  guardian {guardian}\n", file.quote.mint),
        later: Vec::new(),
        blocked,
        action: Action::Initialize,
    });
    plan.later.extend(listings);
}
