//! The Matrix adapter: an application service with ghosts.
//!
//! Users of other networks appear on the homeserver as ghosts, in direct rooms ("portals") with
//! one Matrix user each. Inward, the homeserver pushes transactions (`inbound`), whose events are
//! translated by `wire` and handed to the daemon before the transaction is answered. Outward
//! (`outbound`), messages are sent as ghosts, and outcomes are shown to Matrix users. Files go through
//! `homeserver::files`, in pieces, and are named by their address (`mxc`). The bridge's
//! own bot is one more ghost, behind whom is nobody; it keeps the spaces that gather portals for those
//! who want it (`spaces`). Whom users ignore and which chats they mute is
//! watched and written by `lists`, for those who gave the bridge a login of their own, or for all local
//! users where the operator gave it a second registration.
//!
//! What is not here: rules on who may reach whom, queues, retries over time (the daemon's), and
//! encryption: in an encrypted room the ghost says that it cannot read.

mod adapter;
mod address;
mod cache;
mod config;
mod connection;
mod core;
mod doctor;
mod ghosts;
mod homeserver;
mod inbound;
mod lists;
mod log;
mod mxc;
mod outbound;
mod passing;
mod portals;
mod refs;
mod registration;
mod spaces;
mod turns;
mod wire;

#[cfg(test)]
mod stub;

pub use config::MatrixConfig;
