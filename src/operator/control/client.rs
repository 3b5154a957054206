//! The commands' end of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Request, Response};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest answer, in bytes: a full page is shorter.
const ANSWER: u64 = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is no socket, or nobody behind it.
    #[error("no drawbridge runs here: nobody answers at {0}")]
    NotRunning(String),
    /// The socket is another user's.
    #[error("{0} may be used only by the daemon's own user and by root")]
    NotAllowed(String),
    /// It did not answer in time.
    #[error("the daemon does not answer: it may be stopping, or it hangs")]
    Silent,
    /// The connection failed.
    #[error("the connection to the daemon failed: {0}")]
    Failed(io::Error),
    /// The answer is not understood.
    #[error("the daemon's answer is not understood: is it of another version?")]
    Strange,
}

/// A connection to a running daemon.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon behind the socket at `path`.
    pub(crate) fn connect(path: &Path) -> Result<Self, ClientError> {
        let name = path.display().to_string();
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(name)
            }
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed(name),
            _ => ClientError::Failed(error),
        })?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(ClientError::Failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(ClientError::Failed)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        // Numbers and texts always have a written form.
        let mut line = serde_json::to_vec(request).unwrap_or_default();
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(failed)?;
        let mut answer = Vec::new();
        let read = self.stream.by_ref().take(ANSWER).read_until(b'\n', &mut answer);
        read.map_err(failed)?;
        if answer.is_empty() {
            return Err(ClientError::Silent);
        }
        serde_json::from_slice(&answer).map_err(|_| ClientError::Strange)
    }
}

fn failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock
        | io::ErrorKind::TimedOut
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => ClientError::Silent,
        _ => ClientError::Failed(error),
    }
}
