//! A node for tests: answers what it is told to, and remembers what was sent.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use anchor_lang::Discriminator;
use anchor_lang::prelude::Pubkey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytemuck::Pod;
use serde_json::{Value, json};
use solana_commitment_config::CommitmentConfig;
use solana_hash::Hash;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client::rpc_client::RpcClientConfig;
use solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use solana_rpc_client_api::client_error::{Error, ErrorKind};
use solana_rpc_client_api::request::RpcRequest;
use solana_signature::Signature;

use super::Client;

type Answer = Result<Value, Error>;

/// What a node says about a signature, with or without its history; what happens meanwhile happens in here.
pub(super) type Look = fn(&mut Chain, Signature, bool) -> Answer;

/// What the node knows. One blockhash is valid for ten heights; each one asked for is new.
#[derive(Default)]
pub(super) struct Chain {
    /// Signatures that were sent, in order.
    pub(super) sent: Vec<Signature>,
    /// Blockhashes given so far.
    pub(super) blockhashes: u64,
    /// Height of the last final block.
    pub(super) height: u64,
    /// Slot that signatures are known up to.
    pub(super) seen: u64,
    /// Slot that the last final block has.
    pub(super) rooted: u64,
    /// What the simulation fails with.
    pub(super) simulation: Option<Value>,
    /// What it says about a signature.
    pub(super) on_look: Option<Look>,
    /// Fees of the last slots.
    pub(super) fees: Vec<u64>,
    /// Accounts: owner and data.
    pub(super) accounts: BTreeMap<String, (Pubkey, Vec<u8>)>,
    /// Least slot that each question about several accounts asked for.
    pub(super) reads: Vec<Value>,
}

#[derive(Clone)]
pub(super) struct FakeNode(pub(super) Arc<Mutex<Chain>>);

/// A status, confirmed.
pub(super) fn landed(slot: u64, err: Option<Value>) -> Value {
    let status = err.clone().map_or_else(|| json!({ "Ok": null }), |err| json!({ "Err": err }));
    json!({ "slot": slot, "confirmations": 1, "err": err, "status": status, "confirmationStatus": "confirmed" })
}

pub(super) fn unreachable_node() -> Error {
    ErrorKind::Custom("nobody answers".to_string()).into()
}

impl Chain {
    fn account(&self, key: &str) -> Value {
        self.accounts.get(key).map_or(Value::Null, |(owner, data)| {
            json!({
                "lamports": 1, "owner": owner.to_string(), "executable": false, "rentEpoch": 0,
                "space": data.len(), "data": [STANDARD.encode(data), "base64"],
            })
        })
    }

    /// Puts an account of the program.
    pub(super) fn put<T: Pod + Discriminator>(&mut self, key: Pubkey, value: &T) {
        let data = [T::DISCRIMINATOR, bytemuck::bytes_of(value)].concat();
        self.accounts.insert(key.to_string(), (crate::address::PROGRAM, data));
    }
}

impl FakeNode {
    pub(super) fn client(chain: Chain) -> (Self, Client) {
        let node = Self(Arc::new(Mutex::new(chain)));
        let config = RpcClientConfig::with_commitment(CommitmentConfig::confirmed());
        (node.clone(), Client::from_rpc(RpcClient::new_sender(node, config), "ws://127.0.0.1:1"))
    }

    fn answer(&self, request: RpcRequest, params: &Value) -> Answer {
        let chain = &mut *self.0.lock().unwrap();
        let slot = json!({ "slot": chain.seen });
        Ok(match request {
            RpcRequest::GetLatestBlockhash => {
                chain.blockhashes += 1;
                let blockhash =
                    Hash::new_from_array([u8::try_from(chain.blockhashes).unwrap(); 32]).to_string();
                json!({ "context": slot, "value": { "blockhash": blockhash, "lastValidBlockHeight": chain.blockhashes * 10 } })
            }
            RpcRequest::SimulateTransaction => {
                json!({ "context": slot, "value": { "err": chain.simulation, "logs": [], "unitsConsumed": 20_000 } })
            }
            RpcRequest::SendTransaction => {
                let bytes = STANDARD.decode(params[0].as_str().unwrap()).unwrap();
                let signature = Signature::try_from(&bytes[1..65]).unwrap();
                chain.sent.push(signature);
                json!(signature.to_string())
            }
            RpcRequest::GetSignatureStatuses => {
                let signature: Signature = params[0][0].as_str().unwrap().parse().unwrap();
                let history = params[1]["searchTransactionHistory"] == true;
                let look = chain.on_look.expect("a test that sends says what becomes of it");
                let status = look(chain, signature, history);
                json!({ "context": { "slot": chain.seen }, "value": [status?] })
            }
            RpcRequest::GetEpochInfo => json!({
                "absoluteSlot": chain.rooted, "blockHeight": chain.height, "epoch": 0, "slotIndex": 0,
                "slotsInEpoch": 432_000, "transactionCount": null,
            }),
            RpcRequest::GetTransaction => json!({
                "slot": 5, "transaction": ["", "base64"], "blockTime": null,
                "meta": {
                    "err": null, "status": { "Ok": null }, "fee": 5_000, "preBalances": [], "postBalances": [],
                    "logMessages": ["Program log: done"], "computeUnitsConsumed": 19_000,
                },
            }),
            RpcRequest::GetRecentPrioritizationFees => {
                chain.fees.iter().map(|fee| json!({ "slot": 1, "prioritizationFee": fee })).collect()
            }
            RpcRequest::GetMultipleAccounts => {
                chain.reads.push(params[1]["minContextSlot"].clone());
                let keys = params[0].as_array().unwrap();
                assert!(keys.len() <= 100, "a node refuses more");
                let all = keys.iter().map(|key| chain.account(key.as_str().unwrap()));
                json!({ "context": slot, "value": all.collect::<Vec<_>>() })
            }
            other => panic!("{other} was not to be asked"),
        })
    }
}

impl RpcSender for FakeNode {
    fn send<'a, 't>(
        &'a self,
        request: RpcRequest,
        params: Value,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 't>>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(std::future::ready(self.answer(request, &params)))
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "fake".to_string()
    }
}
