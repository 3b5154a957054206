//! The daemon's end of the socket.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Rarely, log};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    BlockItem, Inbox, Item, MuteItem, PAGE, Person, Problem, Request, Response, Shown, Stranger,
    WaitsFor, What,
};
use crate::clock;
use crate::crossing::{PeopleError, QueueError, Waiting, WaitingState};
use crate::gate::Strictness;
use crate::log::{BETWEEN_COMPLAINTS, SOCKET_FAILED, STRANGER_AT_SOCKET, WISH_FAILED};
use crate::operator::Seen;
use crate::operator::health::{judge, written};
use crate::people::{Known, Mute};
use crate::store::Block;

/// The most connections at a time; more wait.
const CONNECTIONS: usize = 8;

/// The longest request, in bytes: room for four ids of users.
const REQUEST: u64 = 32 * 1024;

/// How long one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(30);

/// The socket, which is taken away when this is dropped.
pub(in crate::operator) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Who may use it besides root.
    owner: u32,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It is the next start's business if it stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Makes the socket, in the place of one that an earlier daemon left behind.
    pub(in crate::operator) fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(found) if !found.file_type().is_socket() => {
                let what = "something is there, and it is no socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                let what = "another process answers there";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
            }
            Ok(_) => std::fs::remove_file(path)?,
        }
        let listener = UnixListener::bind(path)?;
        // Until this has happened others may connect, but `is_allowed` turns them away.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let owner = std::fs::symlink_metadata(path)?.uid();
        Ok(Self { listener, path: path.to_owned(), owner })
    }

    fn is_allowed(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.owner)
    }
}

/// Answers until the daemon stops.
pub(in crate::operator) async fn serve(
    socket: Socket,
    seen: Arc<Seen>,
    stopping: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let rarely = Rarely::each(BETWEEN_COMPLAINTS);
    while let Some(Ok(place)) =
        stopping.run_until_cancelled(Arc::clone(&places).acquire_owned()).await
    {
        let accepted = stopping.run_until_cancelled(socket.listener.accept()).await;
        let Some(accepted) = accepted else { return };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if rarely.may(&SOCKET_FAILED) {
                    log!(SOCKET_FAILED, %error);
                }
                // It may be out of files: at once again would only burn the processor.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if !socket.is_allowed(&stream) {
            if rarely.may(&STRANGER_AT_SOCKET) {
                log!(STRANGER_AT_SOCKET);
            }
            continue;
        }
        let (seen, stopping) = (Arc::clone(&seen), stopping.clone());
        tokio::spawn(async move {
            let _place = place;
            // Whoever asked may be gone.
            let _ = stopping.run_until_cancelled(talk(stream, &seen)).await;
        });
    }
}

async fn talk(stream: UnixStream, seen: &Seen) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        timeout(PATIENCE, (&mut stream).take(REQUEST).read_until(b'\n', &mut line)).await??;
        if line.is_empty() {
            return Ok(());
        }
        let (response, go_on) = match serde_json::from_slice(&line) {
            Ok(request) if line.ends_with(b"\n") => (answer(seen, request).await, true),
            // What follows cannot be told from the rest of what was not understood.
            _ => (error_of(Problem::Malformed, "the request is not understood"), false),
        };
        // Numbers and texts always have a written form.
        let mut written = serde_json::to_vec(&response).unwrap_or_default();
        written.push(b'\n');
        timeout(PATIENCE, stream.get_mut().write_all(&written)).await??;
        if !go_on {
            return Ok(());
        }
    }
}

async fn answer(seen: &Seen, request: Request) -> Response {
    let crossing = &seen.crossing;
    let answered = match request {
        Request::Status => {
            let health = judge(&crossing.report().await, seen.started);
            Ok(Response::Health(Box::new(health)))
        }
        Request::Queue { network, after, limit } => {
            let queued = crossing.queue(network.as_ref(), after, limit.min(PAGE)).await;
            queued.map(|waiting| Response::Queue(waiting.iter().map(item).collect()))
        }
        Request::Show { id } => {
            crossing.queued(id).await.map(|waiting| Response::Item(item(&waiting)))
        }
        Request::Retry { id } => {
            crossing.hurry(id).await.map(|waiting| Response::Item(item(&waiting)))
        }
        Request::RetryAll { network } => {
            crossing.hurry_all(&network).map(|connected| Response::Retried { connected })
        }
        Request::Drop { id } => {
            let dropped = crossing.take_out(id).await;
            dropped.map(|dropped| Response::Dropped { sender_told: dropped.told })
        }
        Request::Blocks { owner, after, limit } => {
            let after = after.as_ref().map(|(owner, blocked)| (owner, blocked));
            let found = crossing.people().blocks(owner.as_ref(), after, limit.min(PAGE));
            Ok(Response::Blocks(found.into_iter().map(block_item).collect()))
        }
        Request::People { user: Some(user), .. } => {
            let known = crossing.people().know(&user).into_iter();
            Ok(Response::People(known.map(person).collect()))
        }
        Request::People { user: None, after, limit } => {
            let known = crossing.people().known(after.as_ref(), limit.min(PAGE));
            Ok(Response::People(known.into_iter().map(person).collect()))
        }
        Request::Requests { owner, after, limit } => {
            let after = after.as_ref().map(|(owner, other)| (owner, other));
            let found = crossing.people().requests(owner.as_ref(), after, limit.min(PAGE));
            let stranger = |(owner, other, messages)| Stranger { owner, other, messages };
            Ok(Response::Requests(found.into_iter().map(stranger).collect()))
        }
        Request::Change(change) => {
            return changed(crossing.change_people(change).await);
        }
    };
    answered.unwrap_or_else(|error| {
        let problem = match &error {
            QueueError::NoSuch | QueueError::NoNetwork => Problem::NoSuch,
            QueueError::Running => Problem::Busy,
            QueueError::Store(cause) => {
                log!(WISH_FAILED, error = cause as &dyn std::error::Error);
                Problem::Failed
            }
        };
        error_of(problem, &error.to_string())
    })
}

fn changed(done: Result<bool, PeopleError>) -> Response {
    done.map_or_else(
        |error| {
            let problem = match &error {
                PeopleError::NoNetwork(_) => Problem::NoSuch,
                PeopleError::Spelling(_)
                | PeopleError::Oneself
                | PeopleError::AlwaysOn(_)
                | PeopleError::TooManySaid(_)
                | PeopleError::TooManyAccounts(_) => Problem::Malformed,
                PeopleError::Store(cause) => {
                    log!(WISH_FAILED, error = cause as &dyn std::error::Error);
                    Problem::Failed
                }
            };
            error_of(problem, &error.to_string())
        },
        |changed| Response::Changed { changed },
    )
}

fn person(known: Known) -> Person {
    let Known { user, enabled, contacts, blocks, mutes, unseen, present, apart, strict, accounts } =
        known;
    let item = |mute: Mute| MuteItem { other: mute.other, how: mute.how };
    let mutes = mutes.into_iter().map(item).collect();
    let inbox = apart.then_some(Inbox::Separate);
    let strict = Some(strict).filter(|level| *level != Strictness::Off);
    let receipts = unseen.then_some(Shown::Off);
    let presence = present.then_some(Shown::On);
    Person { user, enabled, contacts, blocks, mutes, receipts, presence, inbox, strict, accounts }
}

fn block_item(Block { owner, blocked, at, .. }: Block) -> BlockItem {
    BlockItem { owner, blocked, since: written(at) }
}

fn error_of(code: Problem, says: &str) -> Response {
    Response::Error { code, says: says.to_owned() }
}

fn item(waiting: &Waiting) -> Item {
    let (waits_for, next_try_seconds) = match waiting.state {
        WaitingState::Network => (WaitsFor::Network, None),
        WaitingState::Unconfigured => (WaitsFor::Configuration, None),
        WaitingState::Turn => (WaitsFor::Turn, None),
        WaitingState::Retry(after) => (WaitsFor::Retry, Some(after.as_secs())),
        WaitingState::Running => (WaitsFor::Delivery, None),
    };
    Item {
        id: waiting.id,
        network: waiting.network.to_string(),
        msg: waiting.msg.to_string(),
        user: waiting.user.to_string(),
        conversation: waiting.conversation.to_string(),
        what: if waiting.status.is_some() { What::Status } else { What::Message },
        status: waiting.status.map(str::to_owned),
        kind: waiting.kind.to_string(),
        bytes: waiting.bytes,
        accepted_at: written(waiting.accepted_at),
        age_seconds: clock::now().since(waiting.accepted_at).as_secs(),
        waits_for,
        next_try_seconds,
        tries: waiting.tries,
    }
}
