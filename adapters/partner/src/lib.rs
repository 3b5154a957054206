//! The partner adapter: third-party apps over a WebSocket, protocol `drawbridge.partner.v1`.
//!
//! The partner's app connects to the bridge, or the bridge to the app; they prove to each other who
//! they are, the app enlists its users, and both sides exchange JSON frames that each acknowledges
//! to the other. The protocol is ours, and written down in `docs/partner-protocol.md`; [`schema`]
//! gives it as JSON Schema.
//!
//! What is not here: TLS where the bridge listens (a proxy's business), and any decision on who may
//! reach whom or what may cross.

mod adapter;
mod address;
mod complaints;
mod config;
mod crowd;
mod dial;
mod doctor;
mod door;
mod files;
mod frame;
mod hello;
mod identity;
mod intake;
mod link;
mod log;
mod markdown;
mod outward;
mod proof;
mod read;
mod session;
mod target;
mod tls;
mod trickle;
mod users;

pub use adapter::Partner;
pub use address::PartnerAddressing;
pub use config::PartnerConfig;
pub use frame::schema;
