//! The exit codes, after `sysexits.h`.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Done,
    /// It failed while it ran.
    Failed,
    /// The command line is not understood.
    Usage,
    /// There is no such user, address or network.
    NoSuch,
    /// No daemon runs that could be asked.
    NotRunning,
    /// A file could not be written, or is there already.
    CannotCreate,
    /// Another daemon works on the data directory.
    Locked,
    /// The configuration is wrong, or a file that it names.
    Configuration,
}

/// The table of [`Exit`], as `--help` shows it.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
   0  done; for `run`: stopped in order
   1  failed while running
   2  the command line is not understood
  65  no such user, address or network
  69  no drawbridge runs that could be asked
  73  a file cannot be written, or is there already
  75  another drawbridge runs on the data directory
  78  the configuration, or a file that it names, is wrong";

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoSuch => 65,
            Self::NotRunning => 69,
            Self::CannotCreate => 73,
            Self::Locked => 75,
            Self::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.code().into()
    }
}
