//! Every change that was proposed: what it would do, and when it can be executed. Read-only.
//!
//! Run it with `cargo run -p bulwark-sdk --features rpc --example governance`.

use bulwark_sdk::explain::explain_change;
use bulwark_sdk::program::state::Change;
use bulwark_sdk::rpc::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env();
    let listings = client.listings().await?;
    let context = client.market_context(&listings).await?;
    let snapshot = context.snapshot();
    let in_force = context.in_force(&snapshot);
    let mut changes = client.fetch_all::<Change>().await?;
    changes.sort_by_key(|(_, change)| change.nonce);
    println!("admin {}, guardian {}", context.exchange.admin, context.exchange.guardian);
    for (address, change) in &changes {
        match explain_change(change, &in_force) {
            Ok(explanation) => println!("{address}, proposed by {}:\n{explanation}", change.proposer),
            Err(error) => println!("{address}: {error}"),
        }
    }
    if changes.is_empty() {
        println!("nothing is proposed");
    }
    Ok(())
}
