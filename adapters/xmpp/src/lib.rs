//! The XMPP adapter: a XEP-0114 component with puppets.
//!
//! Users of other networks appear as puppets below the component's domain ([`XmppConfig::domain`]):
//! `matrix:@alice:hs.test` is `matrix_\40alice\3ahs.test@bridge.p.test`. One connection to the
//! user's own server carries everything.
//!
//! - `config`, `address`: the operator's keys, and the names of puppets.
//! - `stream`, `names`, `link`, `session`, `doctor`: the wire. Stanzas are read into trees of bounded size and depth,
//!   and get a meaning only after they are off the wire: whatever one user sends, the connection
//!   that all share goes on.
//! - `message`, `command`, `presence`, `query`, `failure`: stanzas and the chat model, in both directions.
//! - `markup`: formatting, as XEP-0393 and XHTML-IM write it.
//! - `fleeting`, `availability`: receipts, who is writing, and who is there.
//! - `profile`: how people call themselves and look, in both directions.
//! - `outward`: what is on its way to the server, and the barriers that confirm it.
//! - `intake`, `bounces`, `gestures`: what came from the server, on its way to the daemon.
//! - `reports`: users who were reported, to those who run their server.
//! - `privilege`: what servers let the bridge do in the name of their users.
//! - `lists`, `seen`: whom users block, by the lists of their own servers.
//! - `folders`, `roster`: in which group of their contacts users see which chats.
//! - `turns`: what both have in common.
//! - `uploads`: files, on their way to the server's upload service.
//!
//! A component stream has no acknowledgements. Outward a ping through the server, after each
//! window, is the barrier: its answer comes when all before it was taken. Inward nothing can tell
//! the server what was lost with a connection, so little is read ahead.
//!
//! What is not here: rules about who may write to whom, queues that outlive the process, TLS (the component port is the server's own loopback or private network).

mod address;
mod availability;
mod bounces;
mod command;
mod config;
mod doctor;
mod failure;
mod fleeting;
mod folders;
mod gestures;
mod hex;
mod intake;
mod link;
mod lists;
mod log;
mod markup;
mod message;
mod names;
mod ns;
mod outward;
mod presence;
mod privilege;
mod profile;
mod query;
mod reports;
mod roster;
mod seen;
mod session;
mod stream;
mod turns;
mod uploads;
mod xml;

mod adapter;

pub use config::XmppConfig;
