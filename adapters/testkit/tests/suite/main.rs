//! The suite on a network in memory: a right adapter passes, and each broken one fails the check
//! that is there for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod adapter;
mod bridge;
mod content;
mod files;
mod flaws;
mod peer;
mod profile;
mod server;
mod skips;
mod spec;

/// The right adapter, on a stage where everything can be played.
mod right {
    drawbridge_testkit::conformance!(crate::peer::LineStage::right());
}
