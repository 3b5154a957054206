//! The conformance suite that every adapter passes.
//!
//! An adapter's author brings a [`Peer`], who plays one user of the network from outside, and a
//! [`Stage`], which sets up both afresh for every check. The suite brings the daemon's side, the
//! [`ReferenceBridge`], and the [`checks`]: each has a stable name and says which rule it shows.
//!
//! # How an adapter is put to the test
//! In `tests/conformance.rs` of the adapter's crate:
//! ```text
//! struct MyStage;
//!
//! #[async_trait]
//! impl Stage for MyStage {
//!     async fn set(&self) -> anyhow::Result<Scene> { … }
//!     fn skips(&self) -> Vec<(&'static str, &'static str)> {
//!         vec![("duplicate_in", "the network never hands a message over twice")]
//!     }
//! }
//!
//! drawbridge_testkit::conformance!(MyStage);
//! ```
//! The macro makes one `#[test]` for each check, named like it, so that a single rule can be run:
//! `cargo test -p my-adapter --test conformance order_in`. [`run_all`] plays them one after the
//! other and gives a [`Report`]; the test `conformance_report`, ignored unless asked for, writes it to a
//! file for the operator who is to admit the network.
//!
//! The foreign user of every scene is `elsewhere:carol`; the bridge knows all users of the network
//! [`ELSEWHERE`] whose ids have no upper case and no control characters.
//!
//! # What is skipped is said
//! Some checks need an act that not every network can do ([`Peer::says_again`], [`Peer::taken`],
//! [`Peer::network_goes_away`], [`Peer::does`], [`Peer::asks_bridge`], [`Peer::answers_request`],
//! [`Peer::blocks`], [`Peer::sees_block`], [`Peer::mutes`], [`Peer::sees_mute`],
//! [`Peer::sees_in_folder`], [`Peer::is_reported`], [`Peer::gives_access`], [`Scene::nobody`]). They are skipped only if
//! [`Stage::skips`] names them with a reason; a declared skip of a check that could be played is a
//! failure, too. So the list of skips is always the true list of what was not shown. Only the checks of
//! kinds and features of content that the adapter does not declare are skipped by themselves; of those
//! that it declares, each must be played ([`Peer::performs`], [`Peer::is_shown`]) or named.
//!
//! # Good to know
//! - The same suite runs against a fake server in milliseconds and against the real one: two stages.
//! - [`checks::silence`] needs the process's global `tracing` subscriber: do not set one in the same
//!   test binary.
//! - A check that waits for something to be lost ends after [`Stage::patience`], 20 seconds unless
//!   told otherwise; all else ends as soon as it is there.
//! - The adapter's own tests may use the [`ReferenceBridge`] without a stage: it records what it is
//!   told in a [`Journal`], waits for conditions ([`ReferenceBridge::wait_for`]), refuses, fails,
//!   slows down, and has a clock that can be set.
//!
//! # What is not here
//! Anything of one network's wire format, and load: those tests live with the adapter, and with
//! the daemon. That accounts do not exist is a rule of the network's own and is checked there.

pub mod checks;

mod addressing;
mod breaches;
mod capture;
mod files;
mod journal;
mod peer;
mod play;
mod reference;
mod suite;

pub use addressing::check_addressing;
pub use files::{handed_over, portrait, sample, spooled};
pub use journal::{Handed, Journal, text_of};
pub use peer::{Deed, Heard, Peer, Sample, Scene, Sight, Stage, Tried};
pub use reference::{ELSEWHERE, ReferenceBridge};
pub use suite::{CHECKS, Check, Done, Playing, Report, play, run_all, test, write_report};
