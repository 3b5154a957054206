//! Where files lie while they are on their way: on disk, without names, bounded.
//!
//! Invariant: what lies here is gone when the process is: a file has no name, so that no crash leaves
//! one behind; what a file system without nameless files may leave is swept at the start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use drawbridge_adapter::{Incoming, NetworkId, Refusal, Sha256, Spooled};
use futures_util::StreamExt;
use sha2::Digest;
use tokio::time::{Instant, timeout};

/// What is left free on the disk for the store, in bytes.
const RESERVE: u64 = 128 << 20;

/// How much is written at once.
const PIECE: usize = 256 * 1024;

/// How much of a file tells what it is.
const HEAD: usize = 8 * 1024;

/// How long no byte may come.
const IDLE: Duration = Duration::from_mins(1);

/// After this time, bytes must have come at this pace, in bytes a second.
const GRACE: Duration = Duration::from_mins(1);
const SLOWEST: u64 = 16 * 1024;

/// Whether a file that is on its way for so long, and of which so much is there, is too slow.
pub(super) fn is_too_slow(since: Duration, bytes: u64) -> bool {
    bytes < since.saturating_sub(GRACE).as_secs().saturating_mul(SLOWEST)
}

/// After how many bytes it is looked again how much of the disk is free.
const LOOK: u64 = 16 << 20;

/// The folder, and how much lies in it.
pub(super) struct Spool {
    folder: PathBuf,
    room: Arc<Room>,
}

struct Room {
    most: u64,
    used: Mutex<BTreeMap<Way, u64>>,
}

/// From which network a file comes, and to which it goes.
pub(super) type Way = (NetworkId, NetworkId);

impl Room {
    /// Takes so many bytes more for files on this way. No network may have sent more than half of what
    /// lies there, and half of that to one other: so none fills it, and none keeps another from sending
    /// to a third.
    fn take(&self, way: &Way, bytes: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |of: &dyn Fn(&Way) -> bool| -> u64 {
            used.iter().filter(|(way, _)| of(way)).map(|(_, bytes)| bytes).sum()
        };
        let fits = |taken: u64, most: u64| taken.saturating_add(bytes) <= most;
        let fits = fits(sum(&|_| true), self.most)
            && fits(sum(&|(from, _)| *from == way.0), self.most / 2)
            && fits(sum(&|other| other == way), self.most / 4);
        if fits {
            *used.entry(way.clone()).or_default() += bytes;
        }
        fits
    }

    fn give_back(&self, way: &Way, bytes: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = used.get_mut(way) {
            *its = its.saturating_sub(bytes);
        }
    }
}

/// Room that is taken, until it is dropped.
pub(super) struct Lease {
    room: Arc<Room>,
    way: Way,
    bytes: u64,
}

impl Lease {
    /// Takes up to so many bytes altogether.
    fn reach(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let fits = more == 0 || self.room.take(&self.way, more);
        if fits {
            self.bytes += more;
        }
        fits
    }

    /// Gives back what is beyond so many bytes.
    fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.room.give_back(&self.way, less);
        self.bytes -= less;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.room.give_back(&self.way, self.bytes);
    }
}

/// Why a file was not taken.
#[derive(Debug)]
pub(super) enum Untaken {
    /// Never: it is not what it should be.
    Refused(Refusal),
    /// It did not come whole; perhaps it does another time.
    Broken(&'static str),
    /// There is no room now.
    NoRoom,
    /// The disk is at its end.
    Disk(io::Error),
}

/// A file that was taken, and what was found out by its head.
pub(super) struct Taken<T> {
    pub(super) file: Spooled,
    pub(super) judged: T,
}

impl Spool {
    /// The spool in the data directory, empty.
    pub(super) fn open(data_dir: &Path, most: u64) -> io::Result<Self> {
        let folder = data_dir.join("spool");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for left in fs::read_dir(&folder)? {
            let left = left?;
            // A file system of its own has a folder in it that is not ours.
            if !left.file_type()?.is_dir() {
                fs::remove_file(left.path())?;
            }
        }
        let room = Arc::new(Room { most, used: Mutex::default() });
        Ok(Self { folder, room })
    }

    /// The most that may lie there of what goes from one network to another.
    pub(super) fn share(&self) -> u64 {
        self.room.most / 4
    }

    /// Takes room for a file of so many bytes, as far as is known, before it is opened.
    pub(super) async fn reserve(&self, way: Way, bytes: u64) -> Result<Lease, Untaken> {
        let mut lease = Lease { room: Arc::clone(&self.room), way, bytes: 0 };
        if !lease.reach(bytes) {
            return Err(Untaken::NoRoom);
        }
        let folder = self.folder.clone();
        let free = tokio::task::spawn_blocking(move || free_for(&folder, bytes)).await;
        free.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(Untaken::Disk)?;
        Ok(lease)
    }

    /// How many bytes are taken now.
    pub(super) fn used(&self) -> u64 {
        self.room.used.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes a file of at most `most` bytes. `judge` is asked once, as soon as
    /// its head is there; `moves` is told whenever some of it came.
    pub(super) async fn take<T>(
        &self,
        mut lease: Lease,
        incoming: Incoming,
        most: u64,
        judge: impl FnOnce(&[u8]) -> Result<T, Refusal>,
        mut moves: impl FnMut(),
    ) -> Result<Taken<T>, Untaken> {
        let Incoming { size, mut body } = incoming;
        let expected = size.unwrap_or(0);
        if expected > most {
            return Err(Untaken::Refused(Refusal::too_large(most)));
        }
        if !lease.reach(expected) {
            return Err(Untaken::NoRoom);
        }
        let mut writer = self.writer(expected).await?;
        let (mut judge, mut judged) = (Some(judge), None);
        let (mut head, mut gathered) = (Vec::new(), BytesMut::with_capacity(PIECE));
        let (begun, mut total) = (Instant::now(), 0_u64);
        loop {
            let piece = timeout(IDLE, body.next()).await;
            let piece = piece.map_err(|_| Untaken::Broken("nothing more of a file came"))?;
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|_| Untaken::Broken("a file broke off"))?;
            moves();
            total = total.saturating_add(piece.len() as u64);
            if total > most {
                return Err(Untaken::Refused(Refusal::too_large(most)));
            }
            if !lease.reach(total) {
                return Err(Untaken::NoRoom);
            }
            if is_too_slow(begun.elapsed(), total) {
                return Err(Untaken::Broken("a file came too slowly"));
            }
            if let Some(judge) = judge.take_if(|_| {
                let wanted = HEAD.saturating_sub(head.len()).min(piece.len());
                head.extend_from_slice(&piece[..wanted]);
                head.len() >= HEAD
            }) {
                judged = Some(judge(&head).map_err(Untaken::Refused)?);
            }
            gathered.extend_from_slice(&piece);
            if gathered.len() >= PIECE {
                writer = writer.write(gathered.split().freeze()).await?;
            }
        }
        if size.is_some_and(|size| size != total) {
            return Err(Untaken::Broken("a file came in another size than announced"));
        }
        if let Some(judge) = judge {
            judged = Some(judge(&head).map_err(Untaken::Refused)?);
        }
        let writer = writer.write(gathered.freeze()).await?;
        lease.shrink(total);
        let sha256 = Sha256(writer.hash.finalize().into());
        let file = Spooled::new(writer.file, total, sha256, lease);
        // It was asked in the loop, or behind it.
        let judged = judged.ok_or(Untaken::Broken("a file had no head"))?;
        Ok(Taken { file, judged })
    }

    async fn writer(&self, expected: u64) -> Result<Writer, Untaken> {
        let folder = self.folder.clone();
        let opened = tokio::task::spawn_blocking(move || {
            free_for(&folder, expected)?;
            let file = tempfile::tempfile_in(&folder)?;
            Ok(Writer { folder, file, hash: sha2::Sha256::new(), unlooked: 0 })
        });
        let opened = opened.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        opened.map_err(Untaken::Disk)
    }
}

/// Whether so many bytes more leave enough of the disk free.
fn free_for(folder: &Path, bytes: u64) -> io::Result<()> {
    let disk = rustix::fs::statvfs(folder)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < bytes.saturating_add(RESERVE) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

struct Writer {
    folder: PathBuf,
    file: File,
    hash: sha2::Sha256,
    /// How much was written since it was last looked how much is free.
    unlooked: u64,
}

impl Writer {
    async fn write(mut self, piece: Bytes) -> Result<Self, Untaken> {
        let written = tokio::task::spawn_blocking(move || {
            self.unlooked += piece.len() as u64;
            if self.unlooked >= LOOK {
                self.unlooked = 0;
                // Others write to it as well.
                free_for(&self.folder, 0)?;
            }
            self.hash.update(&piece);
            self.file.write_all(&piece)?;
            Ok(self)
        });
        let written = written.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        written.map_err(Untaken::Disk)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use drawbridge_adapter::Code;
    use futures_util::stream;

    use super::*;

    fn network(id: &str) -> NetworkId {
        NetworkId::new(id).unwrap()
    }

    fn incoming(size: Option<u64>, pieces: Vec<io::Result<Bytes>>) -> Incoming {
        Incoming { size, body: Box::pin(stream::iter(pieces)) }
    }

    fn of(bytes: usize) -> Incoming {
        incoming(None, vec![Ok(vec![7; bytes].into())])
    }

    async fn take(
        spool: &Spool,
        from: &str,
        incoming: Incoming,
        most: u64,
    ) -> Result<Taken<usize>, Untaken> {
        let lease = spool.reserve((network(from), network("z")), 0).await?;
        spool.take(lease, incoming, most, |head| Ok(head.len()), || {}).await
    }

    #[tokio::test]
    async fn a_file_lies_whole_and_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 8 << 20).unwrap();
        let bytes: Vec<u8> = (0..600_000_u32).map(|n| n.to_be_bytes()[3]).collect();
        let pieces = bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let taken = take(&spool, "a", incoming(Some(600_000), pieces), 1 << 20).await.unwrap();
        assert_eq!((taken.judged, taken.file.size()), (HEAD, 600_000));
        assert_eq!(taken.file.sha256(), Sha256(sha2::Sha256::digest(&bytes).into()));
        let read: Vec<_> = taken.file.body().collect().await;
        let read: Vec<u8> = read.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(read, bytes);
        assert_eq!(taken.file.read_so_far(), 600_000);
        assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
        assert_eq!(spool.used(), 600_000);
        drop(taken);
        assert_eq!(spool.used(), 0);
    }

    #[tokio::test]
    async fn what_an_earlier_life_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        drop(Spool::open(dir.path(), 100).unwrap());
        let left = dir.path().join("spool/.tmpAbc");
        fs::write(&left, "left behind").unwrap();
        fs::create_dir(dir.path().join("spool/lost+found")).unwrap();
        Spool::open(dir.path(), 100).unwrap();
        assert!(!left.exists());
    }

    #[tokio::test]
    async fn what_is_too_large_ends_where_it_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 8000).unwrap();
        let too_large = Refusal::too_large(100);
        let said = take(&spool, "a", incoming(Some(101), Vec::new()), 100).await;
        assert!(matches!(said, Err(Untaken::Refused(refusal)) if refusal == too_large));
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[1; 10])));
        let endless = Incoming { size: None, body: Box::pin(endless) };
        let seen = take(&spool, "a", endless, 100).await;
        assert!(matches!(seen, Err(Untaken::Refused(refusal)) if refusal == too_large));
        assert_eq!(spool.used(), 0);
    }

    #[tokio::test]
    async fn what_does_not_come_whole_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 8000).unwrap();
        let short = incoming(Some(11), vec![Ok(Bytes::from_static(&[1; 10]))]);
        assert!(matches!(take(&spool, "a", short, 100).await, Err(Untaken::Broken(_))));
        let cut = vec![Ok(Bytes::from_static(b"x")), Err(io::ErrorKind::ConnectionReset.into())];
        let cut = incoming(None, cut);
        assert!(matches!(take(&spool, "a", cut, 100).await, Err(Untaken::Broken(_))));
        assert_eq!(spool.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_drips_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 8000).unwrap();
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let drip = Incoming { size: None, body: Box::pin(drip) };
        assert!(matches!(take(&spool, "a", drip, 100).await, Err(Untaken::Broken(_))));
        let silent = Incoming { size: None, body: Box::pin(stream::pending()) };
        assert!(matches!(take(&spool, "a", silent, 100).await, Err(Untaken::Broken(_))));
    }

    #[tokio::test]
    async fn no_network_takes_all_the_room() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 1000).unwrap();
        let reserve = |from, to, bytes| spool.reserve((network(from), network(to)), bytes);
        let to_z = take(&spool, "a", of(200), 1000).await.unwrap();
        assert!(matches!(reserve("a", "z", 51).await, Err(Untaken::NoRoom)));
        let to_y = reserve("a", "y", 250).await.unwrap();
        assert!(matches!(reserve("a", "x", 51).await, Err(Untaken::NoRoom)));
        let others = [reserve("b", "z", 250).await, reserve("b", "a", 250).await];
        assert!(matches!(reserve("c", "z", 51).await, Err(Untaken::NoRoom)));
        assert_eq!(spool.used(), 950);
        drop((to_z, to_y, others));
        assert!(take(&spool, "a", of(250), 1000).await.is_ok());
        assert_eq!(spool.used(), 0);
    }

    #[tokio::test]
    async fn what_its_head_betrays_is_refused_before_the_rest_came() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 1 << 20).unwrap();
        let head = stream::iter([Ok(Bytes::from(vec![1; HEAD]))]).chain(stream::pending());
        let incoming = Incoming { size: None, body: Box::pin(head) };
        let no = |_: &[u8]| Err::<(), _>(Code::MediaTypeMismatch.into());
        let lease = spool.reserve((network("a"), network("b")), 0).await.unwrap();
        let taken = spool.take(lease, incoming, 1 << 20, no, || {}).await;
        let mismatch = |refusal: &Refusal| refusal.code == Code::MediaTypeMismatch;
        assert!(matches!(taken, Err(Untaken::Refused(refusal)) if mismatch(&refusal)));
    }
}
