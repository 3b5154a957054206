//! The `drawbridge` command.

use drawbridge::cli::{self, Exit};
use drawbridge::config::ADAPTERS;

fn main() -> Exit {
    cli::main(ADAPTERS)
}
