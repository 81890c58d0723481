//! One file per instruction: its accounts, `validate`, and a handler that reads as the list of steps.

pub mod add_liquidity;
pub mod allocate_liquidity;
pub mod check_invariants;
pub mod close_margin_account;
pub mod close_position;
pub mod create_market;
pub mod create_vault;
pub mod deposit;
pub mod initialize_exchange;
pub mod open_margin_account;
pub mod open_position;
pub mod refresh_market;
pub mod refresh_vault;
pub mod set_delegate;
pub mod settle_position;
pub mod sweep_market;
mod trade;
pub mod withdraw;

pub use add_liquidity::*;
pub use allocate_liquidity::*;
pub use check_invariants::*;
pub use close_margin_account::*;
pub use close_position::*;
pub use create_market::*;
pub use create_vault::*;
pub use deposit::*;
pub use initialize_exchange::*;
pub use open_margin_account::*;
pub use open_position::*;
pub use refresh_market::*;
pub use refresh_vault::*;
pub use set_delegate::*;
pub use settle_position::*;
pub use sweep_market::*;
pub use trade::*;
pub use withdraw::*;
