//! One daemon a data directory.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;

/// The lock on a data directory: the kernel lets it go when the process ends, however it ends.
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let name = dir.display().to_string();
        let failed = |error| StoreError::Directory(name.clone(), error);
        let options = File::options()
            .mode(0o600)
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"));
        let file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(name)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
