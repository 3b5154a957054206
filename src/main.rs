//! The `drawbridge` command.

use drawbridge::cli::{self, Exit};
use drawbridge::config::ADAPTERS;

/// A third less processor time a message than with the C library's, which suffers from memory that one
/// thread takes and another gives back: as every message's is.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    cli::main(ADAPTERS)
}
