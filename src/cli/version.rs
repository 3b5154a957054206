//! `drawbridge version`.

use super::Exit;
use crate::config::ADAPTERS;

pub(super) fn print() -> Exit {
    let adapters: Vec<_> = ADAPTERS.iter().map(|adapter| adapter.name).collect();
    println!("drawbridge {}", env!("CARGO_PKG_VERSION"));
    println!("adapters: {}", adapters.join(", "));
    Exit::Done
}
