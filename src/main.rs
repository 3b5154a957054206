//! The `drawbridge` command.

use drawbridge::cli::{self, Exit};

fn main() -> Exit {
    cli::main()
}
