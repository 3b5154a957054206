//! `drawbridge version`.

use super::Exit;
use crate::config::AdapterType;

pub(super) fn print(adapters: &[AdapterType]) -> Exit {
    let adapters: Vec<_> = adapters.iter().map(|adapter| adapter.name).collect();
    println!("drawbridge {}", env!("CARGO_PKG_VERSION"));
    println!("adapters: {}", adapters.join(", "));
    Exit::Done
}
