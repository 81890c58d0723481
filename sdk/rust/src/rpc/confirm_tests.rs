//! Nothing is sent twice, and everything that is certain is told.

use std::time::Duration;

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use serde_json::{Value, json};
use solana_keypair::Keypair;

use super::fake::{Chain, FakeNode, Look, landed, unreachable_node};
use super::{Cause, FeePolicy, Options, Receipt, RpcError, SendError};

fn options() -> Options {
    Options { poll: Duration::ZERO, patience: Duration::ZERO, ..Options::default() }
}

async fn send(chain: Chain, look: Look, options: Options) -> (FakeNode, Result<Receipt, SendError>) {
    let (node, client) = FakeNode::client(Chain { on_look: Some(look), ..chain });
    let instruction = Instruction { program_id: Pubkey::new_unique(), accounts: Vec::new(), data: vec![1] };
    let sent = client.send(&[instruction], &[&Keypair::new()], &options).await;
    (node, sent)
}

#[tokio::test]
async fn it_is_sent_again_until_it_is_confirmed() {
    let look: Look = |chain, _, _| Ok(if chain.sent.len() < 3 { Value::Null } else { landed(5, None) });
    let (node, sent) = send(Chain::default(), look, options()).await;
    let chain = node.0.lock().unwrap();
    let (receipt, first) = (sent.unwrap(), chain.sent[0]);
    assert_eq!((receipt.signature, receipt.slot, receipt.units), (first, 5, Some(19_000)));
    assert!(receipt.complete);
    assert_eq!(chain.sent, [first; 3], "the very same transaction");
}

#[tokio::test]
async fn without_its_log_a_receipt_names_no_events_and_says_so() {
    let look: Look = |_, _, _| Ok(landed(5, None));
    let (_, sent) = send(Chain::default(), look, Options { log: false, ..options() }).await;
    let receipt = sent.unwrap();
    assert_eq!((receipt.slot, receipt.units, receipt.complete), (5, None, false));
    assert!(receipt.events.is_empty());
}

#[tokio::test]
async fn it_is_signed_anew_once_the_old_one_can_not_land_any_more() {
    // The first blockhash is good up to height 10; the second one is included.
    let look: Look = |chain, signature, _| {
        chain.height += 4;
        (chain.rooted, chain.seen) = (chain.height, chain.height);
        Ok(if signature == chain.sent[0] { Value::Null } else { landed(9, None) })
    };
    let (node, sent) = send(Chain::default(), look, options()).await;
    let chain = node.0.lock().unwrap();
    assert_eq!(sent.unwrap().signature, chain.sent[1]);
    assert_eq!((chain.sent.len(), chain.blockhashes), (2, 2));
}

#[tokio::test]
async fn a_node_that_is_behind_does_not_decide_that_it_never_landed() {
    // Height says expired at once, but the node that is asked about the signature has not seen that block until later; by
    // then it knows that it landed.
    let look: Look = |chain, _, history| {
        (chain.height, chain.rooted) = (11, 100);
        chain.seen += 10;
        Ok(if history && chain.seen >= 80 { landed(60, None) } else { Value::Null })
    };
    let (node, sent) = send(Chain::default(), look, options()).await;
    assert_eq!(sent.unwrap().slot, 60);
    assert_eq!(node.0.lock().unwrap().blockhashes, 1, "signed once");
}

#[tokio::test]
async fn it_gives_up_after_so_many_blockhashes() {
    let look: Look = |chain, _, _| {
        chain.height += 100;
        (chain.rooted, chain.seen) = (chain.height, chain.height);
        Ok(Value::Null)
    };
    let (node, sent) = send(Chain::default(), look, Options { resigns: 3, ..options() }).await;
    assert!(matches!(sent, Err(SendError::Expired(4))), "{sent:?}");
    let mut chain = node.0.lock().unwrap();
    assert_eq!(chain.sent.len(), 4);
    chain.sent.dedup();
    assert_eq!(chain.sent.len(), 4, "each of its own blockhash");
}

#[tokio::test]
async fn when_nobody_knows_it_says_so_and_sends_no_other() {
    let look: Look = |_, _, _| Err(unreachable_node());
    let (node, sent) = send(Chain::default(), look, options()).await;
    let chain = node.0.lock().unwrap();
    let Err(SendError::Unknown { signature, .. }) = sent else { panic!("{sent:?}") };
    assert_eq!((chain.sent.as_slice(), chain.blockhashes), ([signature].as_slice(), 1));
}

#[tokio::test]
async fn a_chain_that_stands_still_does_not_keep_it_for_ever() {
    let look: Look = |_, _, _| Ok(Value::Null);
    let (node, sent) = send(Chain::default(), look, Options { deadline: Duration::ZERO, ..options() }).await;
    let Err(SendError::Unknown { error, .. }) = sent else { panic!("{sent:?}") };
    assert!(matches!(*error, RpcError::NoVerdict), "{error}");
    assert_eq!(node.0.lock().unwrap().blockhashes, 1);
}

#[tokio::test]
async fn a_simulation_that_fails_is_not_sent() {
    let error = json!({ "InstructionError": [1, { "Custom": 7 }] });
    let chain = Chain { simulation: Some(error), ..Chain::default() };
    let (node, sent) = send(chain, |_, _, _| Ok(Value::Null), options()).await;
    let Err(SendError::Failed(failure)) = sent else { panic!("{sent:?}") };
    assert_eq!((failure.signature, failure.instruction), (None, Some(0)));
    assert!(matches!(failure.cause, Cause::Other { code: 7, .. }));
    assert!(node.0.lock().unwrap().sent.is_empty());
}

#[tokio::test]
async fn what_failed_on_the_chain_is_a_failure_with_its_signature() {
    let look: Look = |_, _, _| Ok(landed(5, Some(json!({ "InstructionError": [1, { "Custom": 7 }] }))));
    let (node, sent) = send(Chain::default(), look, options()).await;
    let Err(SendError::Failed(failure)) = sent else { panic!("{sent:?}") };
    let chain = node.0.lock().unwrap();
    assert_eq!((failure.signature, failure.instruction), (Some(chain.sent[0]), Some(0)));
    assert_eq!((failure.units, chain.blockhashes), (Some(19_000), 1));
}

#[tokio::test]
async fn the_simulation_sizes_the_limit_and_the_fees_of_others_the_price() {
    let chain = Chain { fees: vec![100, 300, 200, 1_000_000_000], ..Chain::default() };
    let (_, client) = FakeNode::client(chain);
    let (payer, program_id) = (Pubkey::new_unique(), Pubkey::new_unique());
    let instructions = [Instruction { program_id, accounts: Vec::new(), data: vec![1] }];
    let at = |percentile, cap| options().with_fee(FeePolicy::Recent { percentile, cap });
    let median = client.prepare(&instructions, &payer, &at(50, 1_000_000)).await.unwrap();
    assert_eq!((median.limit, median.price, median.extra), (30_000, Some(200), 2));
    // 15,000 lamports are 500,000 micro-lamports a unit.
    let capped = client.prepare(&instructions, &payer, &at(100, 15_000)).await.unwrap();
    assert_eq!(capped.price, Some(500_000));
    let free = client.prepare(&instructions, &payer, &options()).await.unwrap();
    assert_eq!((free.price, free.extra, free.instructions.len()), (None, 1, 2));
}

#[tokio::test]
async fn where_nobody_pays_no_price_is_set_and_a_failure_still_names_the_callers_instruction() {
    let look: Look = |_, _, _| Ok(landed(5, Some(json!({ "InstructionError": [1, { "Custom": 7 }] }))));
    let recent = options().with_fee(FeePolicy::Recent { percentile: 50, cap: 1_000_000 });
    for fees in [vec![], vec![0, 0, 9]] {
        let (_, sent) = send(Chain { fees, ..Chain::default() }, look, recent.clone()).await;
        let Err(SendError::Failed(failure)) = sent else { panic!("{sent:?}") };
        assert_eq!(failure.instruction, Some(0), "the compute limit is the only one in front");
    }
}

#[tokio::test]
async fn sending_can_be_spawned() {
    let look: Look = |_, _, _| Ok(landed(5, None));
    let sent = tokio::spawn(async move { send(Chain::default(), look, options()).await.1 });
    assert!(sent.await.unwrap().is_ok());
}
