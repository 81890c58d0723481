//! The random walk in short, the walks that once failed, and the proof that its checks can fail.
//! Long walks: `make walk`.

mod short;
mod tampered;
mod tampered_distress;
mod tampered_pool;
