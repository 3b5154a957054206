//! The adapter between the testkit and a real Synapse: the conformance suite, and what is
//! Matrix's own about rooms.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it goes wrong")]

mod peer;
mod post;
mod rooms;
mod stage;

drawbridge_testkit::conformance!(stage::RealSynapse);
