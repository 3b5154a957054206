//! What the operator sees of the daemon: its log.
//!
//! What is not here: what is logged, which every room says for itself.

#[cfg(test)]
mod codes;
pub mod logging;
pub(crate) mod notify;
pub(crate) mod watchdog;
