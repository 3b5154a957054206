//! The log as systemd's journal takes it: each event a datagram of fields, so that `journalctl
//! DRAWBRIDGE_MSG=…` finds a message's way. The form is systemd's "Native Journal Protocol".

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// How systemd tells that standard error is the journal: its device and inode.
const STREAM: &str = "JOURNAL_STREAM";

/// The longest that a full journal is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The journal's socket.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Fails if nobody listens there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Not connected, so that a journal that starts anew is found. It ignores what is empty.
        socket.send_to(&[], path)?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

/// Whether standard error is the journal (`systemd.exec(5)`).
pub(super) fn is_stderr() -> bool {
    let found = io::stderr().as_fd().try_clone_to_owned();
    let found = found.and_then(|stderr| File::from(stderr).metadata());
    let named = std::env::var(STREAM);
    matches!((found, named), (Ok(found), Ok(named))
        if named == format!("{}:{}", found.dev(), found.ino()))
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut entry = Entry::default();
        entry.put("PRIORITY", priority(*metadata.level()));
        entry.put("SYSLOG_IDENTIFIER", "drawbridge");
        entry.put("DRAWBRIDGE_TARGET", metadata.target());
        event.record(&mut entry);
        let message = format!("{}{}", entry.message, entry.words);
        entry.put("MESSAGE", &message);
        if self.socket.send_to(&entry.bytes, &self.path).is_err() {
            // The journal reads this too, if it reads at all.
            let _ = writeln!(io::stderr(), "{message}");
        }
    }
}

/// As in `syslog(3)`.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

#[derive(Default)]
struct Entry {
    bytes: Vec<u8>,
    message: String,
    /// The fields, for those who read the message alone.
    words: String,
}

impl Entry {
    fn put(&mut self, name: &str, value: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.bytes.push(b'\n');
            self.bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(b'\n');
    }

    fn field(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
            return;
        }
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = field.name().chars().map(letter).collect();
        self.put(&format!("DRAWBRIDGE_{name}"), &value);
        let _ = write!(self.words, " {}={value}", field.name());
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut words = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(words, ": {error}");
            cause = error.source();
        }
        self.field(field, words);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use drawbridge_adapter::log;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::log::{DAEMON_ENDED, MESSAGE_CAME_BACK};

    /// A journal of one's own: what it is sent while `work` runs, after the first empty datagram.
    fn hears(work: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::open(&path).unwrap());
        tracing::subscriber::with_default(subscriber, work);
        let mut read = vec![0; 64 * 1024];
        assert_eq!(journal.recv(&mut read).unwrap(), 0);
        let size = journal.recv(&mut read).unwrap();
        String::from_utf8(read[..size].to_vec()).unwrap()
    }

    #[test]
    fn an_event_is_one_datagram_of_fields() {
        let heard = hears(|| {
            let (from, to) = ("xmpp", "matrix");
            log!(MESSAGE_CAME_BACK, msg = "m1", from, to, outcome = "expired");
        });
        let lines: Vec<_> = heard.lines().collect();
        assert_eq!(
            lines,
            [
                "PRIORITY=6",
                "SYSLOG_IDENTIFIER=drawbridge",
                "DRAWBRIDGE_TARGET=drawbridge::operator::journal::tests",
                "DRAWBRIDGE_EVENT=message_came_back",
                "DRAWBRIDGE_MSG=m1",
                "DRAWBRIDGE_FROM=xmpp",
                "DRAWBRIDGE_TO=matrix",
                "DRAWBRIDGE_OUTCOME=expired",
                "MESSAGE=came back event=message_came_back msg=m1 from=xmpp to=matrix outcome=expired",
            ]
        );
    }

    #[test]
    fn a_line_feed_in_a_value_begins_no_field() {
        let error = io::Error::other("two\nDRAWBRIDGE_EVENT=lines");
        let heard = hears(|| log!(DAEMON_ENDED, error = &error as &dyn std::error::Error));
        let size = "two\nDRAWBRIDGE_EVENT=lines".len() as u64;
        let size = String::from_utf8(size.to_le_bytes().to_vec()).unwrap();
        let field = format!("DRAWBRIDGE_ERROR\n{size}two\nDRAWBRIDGE_EVENT=lines\n");
        assert!(heard.contains(&field), "{heard:?}");
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::open(&folder.path().join("socket")).is_err());
    }
}
