//! What only a local endpoint allows.

use anyhow::{Context, Result};
use bulwark_sdk::Pubkey;
use serde_json::{Value, json};
use solana_account::Account;
use solana_clock::Clock;
use solana_commitment_config::CommitmentConfig;
use solana_rent::Rent;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::request::RpcRequest;

/// A client of the endpoint, with its cheats.
pub struct Cheats {
    client: RpcClient,
}

impl Cheats {
    /// A client of the endpoint at a URL. It sees what was processed last.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { client: RpcClient::new_with_commitment(url.to_string(), CommitmentConfig::processed()) }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &RpcClient {
        &self.client
    }

    async fn call(&self, method: &'static str, params: Value) -> Result<Value> {
        self.client.send(RpcRequest::Custom { method }, params).await.with_context(|| method.to_string())
    }

    /// Writes an account, whatever was there.
    ///
    /// # Errors
    /// The endpoint refuses.
    pub async fn set_account(&self, address: &Pubkey, account: &Account) -> Result<()> {
        let hex: String = account.data.iter().map(|byte| format!("{byte:02x}")).collect();
        let update = json!({
            "lamports": account.lamports,
            "owner": account.owner.to_string(),
            "executable": account.executable,
            "data": hex,
        });
        self.call("surfnet_setAccount", json!([address.to_string(), update])).await?;
        Ok(())
    }

    /// Writes the data of a rent-exempt account.
    ///
    /// # Errors
    /// The endpoint refuses.
    pub async fn set_data(&self, address: &Pubkey, owner: Pubkey, data: Vec<u8>) -> Result<()> {
        let lamports = Rent::default().minimum_balance(data.len());
        self.set_account(address, &Account { lamports, data, owner, executable: false, rent_epoch: u64::MAX })
            .await
    }

    /// The chain's clock.
    ///
    /// # Errors
    /// The endpoint does not answer.
    pub async fn clock(&self) -> Result<Clock> {
        let account = self.client.get_account(&solana_clock::sysvar::ID).await.context("the clock sysvar")?;
        let field = |at: usize| -> Result<[u8; 8]> {
            Ok(account.data.get(at..at + 8).context("the clock sysvar is too short")?.try_into()?)
        };
        Ok(Clock {
            slot: u64::from_le_bytes(field(0)?),
            epoch_start_timestamp: i64::from_le_bytes(field(8)?),
            epoch: u64::from_le_bytes(field(16)?),
            leader_schedule_epoch: u64::from_le_bytes(field(24)?),
            unix_timestamp: i64::from_le_bytes(field(32)?),
        })
    }

    /// Moves the clock to a later moment, unix seconds.
    ///
    /// # Errors
    /// The endpoint refuses, for one to a moment that is past.
    pub async fn travel(&self, unix_timestamp: i64) -> Result<()> {
        self.call(
            "surfnet_timeTravel",
            json!([{ "absoluteTimestamp": unix_timestamp.saturating_mul(1_000) }]),
        )
        .await?;
        Ok(())
    }
}
