//! From the homeserver to the daemon: transactions, queries, and the rooms behind them.

mod echo;
mod fleeting;
mod invite;
mod members;
mod profiles;
mod sequence;
mod server;
mod transaction;

#[cfg(test)]
mod tests;

pub(crate) use fleeting::{Passes, pass};
pub(crate) use profiles::Profiles;
pub(crate) use server::{bearer, bind, serve};
