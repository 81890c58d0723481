//! Every event as it happens, and what was missed.
//!
//! Run it with `cargo run -p bulwark-sdk --features rpc --example watch_events`.

use bulwark_sdk::rpc::{Client, EventBatch, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut events = Client::from_env().events().await?;
    println!("following");
    while let Some(update) = events.next().await {
        match update {
            Update::Item { slot, value } => tell(slot, &value),
            Update::Reconnected => println!("the connection was lost: what happened meanwhile shows as gaps"),
        }
    }
    Ok(())
}

fn tell(slot: u64, batch: &EventBatch) {
    for gap in &batch.gaps {
        println!("missed {} events of {:?} from {}: read it again", gap.count, gap.source, gap.first);
    }
    for event in &batch.events {
        println!("{slot} {} {event:?}", batch.signature);
    }
    if batch.truncated {
        println!("{slot} {} has a cut log: read what it touched", batch.signature);
    }
}
