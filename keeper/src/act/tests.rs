//! Work that goes together, over a node that fails what the test says.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulwark_sdk::Instruction;
use bulwark_sdk::rpc::solana_rpc_client::nonblocking::rpc_client::RpcClient;
use bulwark_sdk::rpc::solana_rpc_client::rpc_client::RpcClientConfig;
use bulwark_sdk::rpc::solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use bulwark_sdk::rpc::{Client, CommitmentConfig, FeePolicy};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use solana_rpc_client_api::client_error::Error;
use solana_rpc_client_api::request::RpcRequest;
use solana_signer::Signer;

use super::*;
use crate::config::Config;
use crate::dispatch::tests::state;

/// What the data of each account's instruction begins with; the account's number follows.
const MARK: [u8; 6] = *b"mark->";

/// A node that knows which accounts' instructions fail.
#[derive(Default)]
struct Node {
    /// In a simulation.
    would_fail: Vec<u8>,
    /// On the chain.
    fails: Vec<u8>,
    /// Whose simulation is never answered.
    silent: Vec<u8>,
    /// Whether whatever goes with others fails its simulation, and no instruction is to blame.
    no_company: bool,
    /// Signature of each transaction that was sent, and the accounts in it.
    sent: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Node>>);

/// Accounts in a transaction, in its order.
fn accounts_in(params: &Value) -> Vec<u8> {
    let bytes = STANDARD.decode(params[0].as_str().unwrap()).unwrap();
    let marks = bytes.windows(MARK.len() + 1).filter(|window| window.starts_with(&MARK));
    marks.map(|window| window[MARK.len()]).collect()
}

/// The compute limit stands in front.
fn error_of(accounts: &[u8], failing: &[u8]) -> Option<Value> {
    let at = accounts.iter().position(|account| failing.contains(account))?;
    Some(json!({ "InstructionError": [at + 1, { "Custom": 7 }] }))
}

impl Shared {
    fn answer(&self, request: RpcRequest, params: &Value) -> Value {
        let mut node = self.0.lock().unwrap();
        let context = json!({ "slot": 5 });
        match request {
            RpcRequest::SimulateTransaction => {
                let accounts = accounts_in(params);
                let too_much = (node.no_company && accounts.len() > 1)
                    .then(|| json!("MaxLoadedAccountsDataSizeExceeded"));
                let err = too_much.or_else(|| error_of(&accounts, &node.would_fail));
                json!({ "context": context, "value": { "err": err, "logs": [], "unitsConsumed": 20_000 } })
            }
            RpcRequest::GetLatestBlockhash => {
                let value =
                    json!({ "blockhash": Pubkey::new_unique().to_string(), "lastValidBlockHeight": 9 });
                json!({ "context": context, "value": value })
            }
            RpcRequest::SendTransaction => {
                let bytes = STANDARD.decode(params[0].as_str().unwrap()).unwrap();
                let signature: [u8; 64] = bytes[1..65].try_into().unwrap();
                let signature = bulwark_sdk::rpc::Signature::from(signature).to_string();
                node.sent.push((signature.clone(), accounts_in(params)));
                json!(signature)
            }
            RpcRequest::GetSignatureStatuses => {
                let asked = params[0][0].as_str().unwrap();
                let (_, accounts) = node.sent.iter().find(|(signature, _)| signature == asked).unwrap();
                let err = error_of(accounts, &node.fails);
                let status = err.clone().map_or_else(|| json!({ "Ok": null }), |err| json!({ "Err": err }));
                let found = json!({
                    "slot": 5, "confirmations": 1, "err": err, "status": status, "confirmationStatus": "confirmed",
                });
                json!({ "context": context, "value": [found] })
            }
            RpcRequest::GetTransaction => Value::Null,
            other => panic!("{other} was not to be asked"),
        }
    }
}

impl RpcSender for Shared {
    fn send<'a, 't>(
        &'a self,
        request: RpcRequest,
        params: Value,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Error>> + Send + 't>>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(async move {
            // An answer takes a moment, in which others come.
            tokio::task::yield_now().await;
            let silent =
                || accounts_in(&params).iter().any(|account| self.0.lock().unwrap().silent.contains(account));
            if request == RpcRequest::SimulateTransaction && silent() {
                std::future::pending::<()>().await;
            }
            Ok(self.answer(request, &params))
        })
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "fake".to_string()
    }
}

fn work(account: u8) -> Work {
    Work::Liquidate(Pubkey::new_from_array([account; 32]))
}

fn ride(account: u8) -> Ride {
    let data = [&MARK[..], &[account]].concat();
    let main = Instruction { program_id: Pubkey::new_from_array([7; 32]), accounts: Vec::new(), data };
    Ride { work: work(account), urgency: 0, refreshes: Vec::new(), main: vec![main] }
}

struct Scene {
    actor: Actor,
    node: Shared,
}

impl Scene {
    fn new(node: Node) -> Self {
        let node = Shared(Arc::new(Mutex::new(node)));
        let config = RpcClientConfig::with_commitment(CommitmentConfig::confirmed());
        let signer = Arc::new(Keypair::new());
        let rules = Rules::new(&Config::for_tests(("", ""), Keypair::new()), 6).unwrap();
        let actor = Actor {
            client: Client::from_rpc(RpcClient::new_sender(node.clone(), config), ""),
            own: Own { authority: signer.pubkey(), margin: Pubkey::new_unique() },
            signer,
            rules,
            options: rpc::Options { poll: std::time::Duration::ZERO, log: false, ..rpc::Options::default() },
            dry_run: false,
            ledger: Ledger::new(u64::MAX),
            metrics: Arc::new(Metrics::new().unwrap()),
            together: Together::default(),
        };
        Self { actor, node }
    }

    /// All of them at once; how each ended, and what was sent.
    async fn carry<const N: usize>(&self, accounts: [u8; N]) -> (Vec<End>, Vec<Vec<u8>>) {
        let state = state();
        let all = accounts.map(|account| self.actor.carry_together(ride(account), &state));
        let ends = futures_util::future::join_all(all).await;
        let sent = std::mem::take(&mut self.node.0.lock().unwrap().sent);
        (ends, sent.into_iter().map(|(_, accounts)| accounts).collect())
    }
}

impl Scene {
    fn counted(&self, name: &str, labels: &str) -> u64 {
        let series = format!("{}{name}{{{labels}}} ", crate::metrics::PREFIX);
        let text = self.actor.metrics.render().unwrap();
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    }
}

const DONE: End = End::Done { earned: 0 };

fn refused() -> End {
    End::Refused("OtherProgram".to_string())
}

fn lost() -> End {
    End::Lost("OtherProgram".to_string())
}

#[tokio::test]
async fn what_comes_while_one_is_prepared_goes_together_in_the_next_one() {
    let scene = Scene::new(Node::default());
    let (ends, sent) = scene.carry([1, 2, 3, 4]).await;
    assert_eq!((ends, sent), (vec![DONE; 4], vec![vec![1], vec![2, 3, 4]]));
    let (ends, sent) = scene.carry([5]).await;
    assert_eq!((ends, sent), (vec![DONE], vec![vec![5]]), "nobody waits for company");
}

#[tokio::test]
async fn one_that_would_fail_is_left_behind_and_the_others_go() {
    let scene = Scene::new(Node { would_fail: vec![1, 3, 4], ..Node::default() });
    let (ends, sent) = scene.carry([1, 2, 3, 4, 5]).await;
    assert_eq!(ends, [refused(), DONE, refused(), refused(), DONE]);
    assert_eq!(sent, [[2, 5]]);
}

#[tokio::test]
async fn one_that_fails_on_the_chain_is_lost_and_all_who_went_with_it_go_alone_next_time() {
    let scene = Scene::new(Node { fails: vec![3], ..Node::default() });
    let (ends, sent) = scene.carry([1, 2, 3, 4]).await;
    assert_eq!(ends, [DONE, End::Entangled, lost(), End::Entangled]);
    assert_eq!(sent, [vec![1], vec![2, 3, 4]]);
    let (ends, mut sent) = scene.carry([5, 6, 2, 3, 4, 7]).await;
    sent.sort();
    assert_eq!(ends, [DONE, DONE, DONE, lost(), DONE, DONE]);
    assert_eq!(sent, [vec![2], vec![3], vec![4], vec![5], vec![6, 7]]);
    let (_, sent) = scene.carry([8, 2, 4]).await;
    assert_eq!(sent, [vec![8], vec![2, 4]], "once they are done they go together again");
}

#[tokio::test]
async fn what_only_fails_in_company_goes_alone_next_time() {
    let scene = Scene::new(Node { no_company: true, ..Node::default() });
    let (ends, sent) = scene.carry([1, 2, 3]).await;
    let refused = || End::Refused("Runtime".to_string());
    assert_eq!((ends, sent), (vec![DONE, refused(), refused()], vec![vec![1]]));
    assert_eq!(
        scene.counted("transactions_total", "outcome=\"refused\",role=\"liquidate\""),
        1,
        "one for both"
    );
    let (ends, sent) = scene.carry([2, 3]).await;
    assert_eq!((ends, sent), (vec![DONE; 2], vec![vec![2], vec![3]]));
}

#[tokio::test(start_paused = true)]
async fn a_simulation_that_is_not_answered_keeps_others_for_seconds_and_not_again() {
    let scene = Scene::new(Node { silent: vec![2], ..Node::default() });
    let (ends, sent) = scene.carry([1, 2, 3]).await;
    let unreachable = |end: &End| matches!(end, End::Unreachable(_));
    assert!(ends[0] == DONE && unreachable(&ends[1]) && unreachable(&ends[2]), "{ends:?}");
    assert_eq!(sent, [[1]]);
    let state = state();
    tokio::select! {
        biased;
        end = scene.actor.carry_together(ride(2), &state) => panic!("{end:?}"),
        (ends, sent) = scene.carry([3, 4, 5]) => {
            assert_eq!((ends, sent.len()), (vec![DONE; 3], 3), "{sent:?}");
        }
    }
}

#[tokio::test]
async fn those_that_are_given_up_do_not_keep_the_others_waiting() {
    let scene = Scene::new(Node { silent: vec![1], ..Node::default() });
    let state = state();
    let mut in_turn = Box::pin(scene.actor.carry_together(ride(1), &state));
    let mut waiting = Box::pin(scene.actor.carry_together(ride(2), &state));
    assert!(in_turn.as_mut().now_or_never().is_none() && waiting.as_mut().now_or_never().is_none());
    drop((in_turn, waiting));
    let (ends, sent) = scene.carry([3]).await;
    assert_eq!((ends, sent), (vec![DONE], vec![vec![3, 2]]), "the one that waited is taken along yet");
}

#[test]
fn what_goes_together_pays_for_the_most_urgent_and_for_each_of_them() {
    let mut scene = Scene::new(Node::default());
    let paid = |scene: &Scene, rides: &[Ride]| match scene.actor.options(rides).fee {
        FeePolicy::Recent { percentile, cap } => (percentile, cap),
        other => panic!("{other:?}"),
    };
    scene.actor.options.fee = FeePolicy::Recent { percentile: 50, cap: 1_000 };
    let urgent = |urgency| Ride { urgency, ..ride(1) };
    assert_eq!(paid(&scene, &[urgent(0)]), (50, 1_000));
    assert_eq!(paid(&scene, &[urgent(0), urgent(2), urgent(1)]), (80, 3_000));
    assert_eq!(paid(&scene, &[urgent(u32::MAX)]), (95, 1_000));
    scene.actor.options.fee = FeePolicy::Recent { percentile: 99, cap: 1_000 };
    assert_eq!(paid(&scene, &[urgent(1)]), (99, 1_000), "never less than was asked for");
}
