//! Drawbridge: a bridge between chat networks that decides who and what may cross.
//!
//! Adapters translate, the gate decides, the crossing carries, the store remembers, the operator
//! sees. Each of these is a room of its own; `ARCHITECTURE.md` shows the house.

pub mod cli;
mod clock;
mod commands;
pub mod config;
mod count;
mod crossing;
mod daemon;
pub mod gate;
#[cfg(test)]
mod generated;
mod log;
pub mod operator;
mod people;
mod proxy;
mod reload;
mod store;
mod words;
