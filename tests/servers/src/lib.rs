//! Real servers and foreign clients: what the scenario tests and the demo play with.
//!
//! [`install`](install()) puts Synapse, Prosody, ejabberd and the clients on this machine, once. [`Town`] starts them
//! on loopback, in a folder of its own and on ports of its own, with the daemon and the example
//! partner app between them, and gives out [`User`]s who write and hear through clients of other
//! people's making. Everything that was started ends with the value that stands for it, and also
//! when this very process is killed.
//!
//! What is not here: anything of the daemon's inside. It is a binary that is started, asked, killed
//! and started again.

mod addresses;
mod child;
mod daemon;
mod ejabberd;
mod files;
mod heard;
pub mod http;
mod install;
mod matrix;
mod partner;
mod ports;
mod prosody;
mod python;
mod script;
mod synapse;
mod things;
mod town;
mod user;
mod xmpp;
mod xmpp_server;

pub use addresses::Addresses;
pub use child::{Child, until};
pub use daemon::Daemon;
pub use files::SampleFile;
pub use heard::{Deed, Heard, PATIENCE, Sight, Told};
pub use install::{Installed, debian, install, workspace};
pub use matrix::{MatrixClients, MatrixFolder, MatrixUser};
pub use partner::{PartnerApp, PartnerUser, Probe};
pub use ports::Port;
pub use python::PythonUser;
pub use synapse::{MatrixReport, Synapse};
pub use town::{Programs, Town, configuration, dialling};
pub use user::User;
pub use xmpp::{Answer, Asked, Contact, Reported, XmppClients, XmppUser, escape};
pub use xmpp_server::{WARDEN, XmppServer, XmppSoftware};
