//! Files that clients send.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_adapter::MediaKind;

/// A file on disk, and what a client says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    /// As what it is sent, and shown.
    pub kind: MediaKind,
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is written with it.
    pub caption: Option<String>,
    /// How long it plays.
    pub duration: Option<Duration>,
}

impl SampleFile {
    /// How many bytes it has.
    pub fn size(&self) -> Result<u64> {
        let path = &self.path;
        let metadata = path.metadata().with_context(|| format!("no file: {}", path.display()))?;
        Ok(metadata.len())
    }

    /// Whether the file there has the same bytes.
    pub fn is_same_as(&self, other: &Path) -> Result<bool> {
        let (mut one, mut other) = (File::open(&self.path)?, File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let read = one.read(&mut a)?;
            if read == 0 {
                return Ok(true);
            }
            match other.read_exact(&mut b[..read]) {
                Ok(()) if a[..read] == b[..read] => {}
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
