//! What the app has handed over, on its way to the bridge: in order, in batches, one call at a
//! time, and acknowledged after the commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drawbridge_adapter::{
    Acceptance, Bridge, Content, Destination, Event, EventId, Party, Passing, ProfileChange,
    Repeats, ReplyPath, Timestamp, Unavailable, UserId, async_trait, log,
};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::adapter::Shared;
use crate::frame::{Ack, CREDIT_BYTES, Delist, Enlist, ErrorCode, ErrorFrame, FromBridge};
use crate::link::Out;
use crate::log::{INTAKE_WAITS, PROFILE_HANDED_OVER};
use crate::proof::Subject;
use crate::read::{Looks, Submission, Wish};
use crate::users::Change;

/// The most that is handed over in one call.
const BATCH: usize = 100;

/// The first and the last pause before the bridge is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the app is told of a user for whom it does not speak.
const NOT_ENLISTED: &str = "is not enlisted";

/// One thing that the app asks for, and the bytes of its frame.
pub(crate) struct Job {
    pub(crate) what: What,
    pub(crate) bytes: usize,
}

/// What the app asks for.
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
pub(crate) enum What {
    Event(Submission),
    Gesture(Wish),
    Profile(Looks),
    Enlist(Enlist),
    Delist(Delist),
}

/// By which call the bridge takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Accept,
    Gesture,
    Profile,
    Remember,
}

impl What {
    fn call(&self) -> Call {
        match self {
            Self::Event(_) => Call::Accept,
            Self::Gesture(_) => Call::Gesture,
            Self::Profile(_) => Call::Profile,
            Self::Enlist(_) | Self::Delist(_) => Call::Remember,
        }
    }
}

/// What was read and not answered yet, against the credit that the app was given.
#[derive(Default)]
pub(crate) struct Open {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Open {
    /// Counts one more; false if that is more than the credit.
    pub(crate) fn take(&self, bytes: usize, credit: usize) -> bool {
        let frames = self.frames.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        frames < credit && before + bytes <= CREDIT_BYTES
    }

    fn give_back(&self, bytes: usize) {
        self.frames.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The taking side of one connection.
pub(crate) struct Intake {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bridge: Bridge,
    pub(crate) out: mpsc::Sender<Out>,
    pub(crate) open: Arc<Open>,
    /// No more is read: what the bridge can't take now, the app sends again.
    pub(crate) closing: CancellationToken,
}

impl Intake {
    /// Hands over what comes, until there is no more or the bridge takes no more. `_ended` tells
    /// of the end, however it comes.
    pub(crate) async fn run(self, mut jobs: mpsc::UnboundedReceiver<Job>, _ended: DropGuard) {
        let mut batch = Vec::with_capacity(BATCH);
        while jobs.recv_many(&mut batch, BATCH).await > 0 {
            let mut rest = batch.drain(..).peekable();
            // Each call's in runs: a run is one commit, but for gestures and profiles, which are rare.
            while let Some(first) = rest.next() {
                let call = first.what.call();
                let mut run = vec![first];
                while let Some(next) = rest.next_if(|job| job.what.call() == call) {
                    run.push(next);
                }
                let taken = match call {
                    Call::Accept => self.events(run).await,
                    Call::Gesture => self.gestures(run).await,
                    Call::Profile => self.profiles(run).await,
                    Call::Remember => self.users(run).await,
                };
                if !taken {
                    return;
                }
            }
        }
    }

    async fn events(&self, run: Vec<Job>) -> bool {
        let mut events = Vec::with_capacity(run.len());
        let mut ids = Vec::with_capacity(run.len());
        let mut bytes = Vec::with_capacity(run.len());
        for job in run {
            let What::Event(submission) = job.what else { continue };
            let Some(enlisted) = self.shared.users.find(submission.from.id()) else {
                let about = submission.id.as_str().to_owned();
                self.refuse(about, ErrorCode::Forbidden, "from", NOT_ENLISTED, job.bytes).await;
                continue;
            };
            ids.push(submission.id.as_str().to_owned());
            bytes.push(job.bytes);
            let submission = self.as_declared(submission);
            events.push(event(submission, enlisted.name, self.bridge.now()));
        }
        if events.is_empty() {
            return true;
        }
        if !self.until_taken(&Accept { bridge: &self.bridge, events }).await {
            return false;
        }
        for bytes in bytes {
            self.open.give_back(bytes);
        }
        self.send(FromBridge::Ack(Ack { ids })).await;
        true
    }

    /// Where no files pass, a file is something of a kind that is not carried.
    fn as_declared(&self, mut submission: Submission) -> Submission {
        if let Content::Media(media) = &submission.content
            && self.shared.files.is_none()
        {
            submission.content = Content::Unsupported { kind: media.kind.kind() };
        }
        submission
    }

    async fn gestures(&self, run: Vec<Job>) -> bool {
        for job in run {
            let What::Gesture(wish) = job.what else { continue };
            if !self.shared.users.contains(wish.from.id()) {
                self.refuse(wish.id, ErrorCode::Forbidden, "from", NOT_ENLISTED, job.bytes).await;
                continue;
            }
            if !self.until_taken(&Gesturing { bridge: &self.bridge, wish: &wish }).await {
                return false;
            }
            self.open.give_back(job.bytes);
            self.send(FromBridge::Ack(Ack { ids: vec![wish.id] })).await;
        }
        true
    }

    async fn profiles(&self, run: Vec<Job>) -> bool {
        for job in run {
            let What::Profile(looks) = job.what else { continue };
            if !self.shared.users.contains(looks.change.user.id()) {
                self.refuse(looks.id, ErrorCode::Forbidden, "user", NOT_ENLISTED, job.bytes).await;
                continue;
            }
            if !self.until_taken(&Telling { bridge: &self.bridge, looks: &looks }).await {
                return false;
            }
            self.open.give_back(job.bytes);
            self.send(FromBridge::Ack(Ack { ids: vec![looks.id] })).await;
        }
        true
    }

    async fn users(&self, run: Vec<Job>) -> bool {
        let now = self.bridge.now();
        self.shared.keys.refresh(now).await;
        let mut changes = Vec::with_capacity(run.len());
        let mut bytes = Vec::with_capacity(run.len());
        let mut coming = 0;
        for job in run {
            let what = match job.what {
                What::Enlist(enlist) => self.coming(enlist, coming),
                What::Delist(delist) => Ok(Change::Delist { id: delist.user }),
                What::Event(_) | What::Gesture(_) | What::Profile(_) => continue,
            };
            match what {
                Ok(change) => {
                    coming += usize::from(self.adds_one(&change));
                    changes.push(change);
                    bytes.push(job.bytes);
                }
                Err((about, code, place, message)) => {
                    self.refuse(about, code, place, message, job.bytes).await;
                }
            }
        }
        if changes.is_empty() {
            return true;
        }
        let remember = Remember { bridge: &self.bridge, changes: &changes };
        if !self.until_taken(&remember).await {
            return false;
        }
        self.shared.users.apply(changes.clone());
        for (change, bytes) in changes.into_iter().zip(bytes) {
            self.open.give_back(bytes);
            self.send(match change {
                Change::Enlist { id, .. } => FromBridge::Enlisted { user: id },
                Change::Delist { id } => {
                    self.left(&id);
                    FromBridge::Delisted { user: id }
                }
            })
            .await;
        }
        true
    }

    fn coming(
        &self,
        enlist: Enlist,
        coming: usize,
    ) -> Result<Change, (String, ErrorCode, &'static str, &'static str)> {
        let Enlist { user, proof, name } = enlist;
        let now = self.bridge.now();
        if let Err(doubt) = self.shared.keys.check(proof.expose(), Subject::User(&user), now) {
            return Err((user, ErrorCode::ProofInvalid, "proof", doubt));
        }
        let users = &self.shared.users;
        if !users.contains(&user) && users.count() + coming >= self.shared.max_users {
            return Err((user, ErrorCode::TooManyUsers, "user", "no more users can be enlisted"));
        }
        Ok(Change::Enlist { id: user, name })
    }

    /// Nobody sees any more how this user is there.
    fn left(&self, user: &str) {
        if let Ok(user) = UserId::new(self.bridge.network().clone(), user) {
            self.bridge.pass(Passing::Left(user));
        }
    }

    fn adds_one(&self, change: &Change) -> bool {
        matches!(change, Change::Enlist { id, .. } if !self.shared.users.contains(id))
    }

    /// Asks the bridge until it takes the work, or this connection ends, which it also does when
    /// the bridge stops.
    async fn until_taken(&self, work: &dyn Work) -> bool {
        let (mut pause, longest) = PAUSES;
        loop {
            let Err(error) = work.hand_over().await else { return true };
            log!(INTAKE_WAITS, %error, pause_ms = pause.as_millis());
            tokio::select! {
                () = self.closing.cancelled() => return false,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(longest);
        }
    }

    async fn refuse(
        &self,
        about: String,
        code: ErrorCode,
        place: &str,
        message: &'static str,
        bytes: usize,
    ) {
        self.open.give_back(bytes);
        let (about, place) = (Some(about), Some(place.to_owned()));
        let error = ErrorFrame { code, about, place, message };
        error.log(&self.bridge);
        self.send(FromBridge::Error(error)).await;
    }

    async fn send(&self, frame: FromBridge) {
        // If the connection is gone, the app will send again what it got no answer to.
        let _ = self.out.send(Out::Frame(frame)).await;
    }
}

fn event(submission: Submission, name: Option<String>, now: Timestamp) -> Event {
    let Submission { id, from, to, sent_at, content, reply, marks } = submission;
    let reply_path = match to {
        // Its answer names it.
        Destination::Bridge => ReplyPath(id.as_str().to_owned()),
        _ => ReplyPath::default(),
    };
    Event {
        id,
        repeats: Repeats::Always,
        sender: Party { user: from, name },
        to,
        sent_at: sent_at.unwrap_or(now),
        content,
        reply,
        marks,
        reply_path,
    }
}

/// Something that the bridge takes wholly or not at all.
#[async_trait]
trait Work: Sync {
    async fn hand_over(&self) -> Result<(), Unavailable>;
}

struct Accept<'a> {
    bridge: &'a Bridge,
    events: Vec<Event>,
}

#[async_trait]
impl Work for Accept<'_> {
    async fn hand_over(&self) -> Result<(), Unavailable> {
        // Accepted or refused: both are answered by an `ack`, and the sender learns the rest by a
        // status.
        let acceptances = self.bridge.accept(self.events.clone()).await?;
        for (event, Acceptance { answer, repeat }) in self.events.iter().zip(acceptances) {
            let msg = self.bridge.tag_event(&event.id);
            let (kind, bytes) = (event.content.kind(), event.content.size());
            let code = answer.code().map(log::display);
            log!(log::EVENT_HANDED_OVER, %msg, %kind, bytes, repeat, code);
        }
        Ok(())
    }
}

struct Gesturing<'a> {
    bridge: &'a Bridge,
    wish: &'a Wish,
}

#[async_trait]
impl Work for Gesturing<'_> {
    async fn hand_over(&self) -> Result<(), Unavailable> {
        let Wish { id, from, gesture } = self.wish;
        self.bridge.gesture(from, gesture.clone()).await?;
        let msg = EventId::new(id.as_str()).ok();
        let msg = msg.map(|id| log::display(self.bridge.tag_event(&id)));
        let user = self.bridge.tag_user(from);
        log!(log::GESTURE_HANDED_OVER, %user, what = gesture.as_str(), msg);
        Ok(())
    }
}

struct Telling<'a> {
    bridge: &'a Bridge,
    looks: &'a Looks,
}

#[async_trait]
impl Work for Telling<'_> {
    async fn hand_over(&self) -> Result<(), Unavailable> {
        let Looks { id, change } = self.looks;
        self.bridge.profile(change.clone()).await?;
        let msg = EventId::new(id.as_str()).ok();
        let msg = msg.map(|id| log::display(self.bridge.tag_event(&id)));
        let user = self.bridge.tag_user(&change.user);
        log!(PROFILE_HANDED_OVER, %user, msg);
        Ok(())
    }
}

struct Remember<'a> {
    bridge: &'a Bridge,
    changes: &'a [Change],
}

impl Remember<'_> {
    /// How those who come are called: of each the last word, since all are told at a time.
    fn names(&self) -> impl Iterator<Item = ProfileChange> {
        let mut names = HashMap::new();
        for change in self.changes {
            if let Change::Enlist { id, name: Some(name) } = change {
                names.insert(id, name);
            }
        }
        names.into_iter().filter_map(|(id, name)| {
            let user = UserId::new(self.bridge.network().clone(), id.as_str()).ok()?;
            Some(ProfileChange::of(user).name(Some(name)))
        })
    }
}

#[async_trait]
impl Work for Remember<'_> {
    async fn hand_over(&self) -> Result<(), Unavailable> {
        self.bridge.remember(self.changes.iter().map(Change::memo).collect()).await?;
        try_join_all(self.names().map(|change| self.bridge.profile(change))).await?;
        Ok(())
    }
}
