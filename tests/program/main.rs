//! The program as compiled, one file per capability.

mod smoke;
