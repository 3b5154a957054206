//! The partner adapter: third-party apps over a WebSocket, protocol `drawbridge.partner.v1`.
//!
//! The bridge listens; the partner's app connects, proves who it is, enlists its users, and both
//! sides exchange JSON frames that each acknowledges to the other. The protocol is ours, and
//! written down in `docs/partner-protocol.md`; [`schema`] gives it as JSON Schema.
//!
//! What is not here: TLS (a proxy's business), dialling out, media, and any decision on who may
//! reach whom or what may cross.

mod adapter;
mod address;
mod config;
mod door;
mod frame;
mod hello;
mod intake;
mod link;
mod log;
mod proof;
mod read;
mod session;
mod users;

pub use adapter::Partner;
pub use address::PartnerAddressing;
pub use config::PartnerConfig;
pub use frame::schema;
