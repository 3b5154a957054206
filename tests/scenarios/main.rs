//! Scenarios: real servers, foreign clients, and the daemon between them.
//!
//! Each one plays in a town of its own (see `drawbridge-servers`), and reads like a conversation.

mod talk;

use anyhow::Result;
use drawbridge_servers::{Programs, Town};

/// A town with the daemon of this build.
fn town() -> Result<Town> {
    Town::start(&programs()?)
}

fn programs() -> Result<Programs> {
    Programs::beside(env!("CARGO_BIN_EXE_drawbridge"))
}
