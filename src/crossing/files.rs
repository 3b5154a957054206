//! Files on their way: fetched from their own network when their message's turn has come, kept on disk,
//! and handed to the other.
//!
//! Nothing is fetched of what waits for a word, of what a rule refuses, or of what was taken back. What a
//! block swallows is fetched all the same, and thrown away: whoever offers a file would see it.

mod spool;
mod tries;
mod turns;

use std::io;
use std::path::Path;
use std::time::Duration;

use drawbridge_adapter::{
    Attached, Code, Command, Content, Delivered, Delivery, DeliveryError, Event, FileInfo,
    Incoming, Locator, Media, MediaKind, NetworkId, Refusal, Spooled, Text, Thumbnail, log,
};
use tokio::time::{Instant, timeout};

use super::lane::{self, Carried, Done, PATIENCE, Stopped};
use super::lanes::Left;
use super::{Crossing, Network, pace};
use crate::clock;
use crate::gate;
use crate::log::{SPOOL_FAILED, SPOOL_FULL};
use crate::proxy::{Hosts, Proxy, Unfetched};
use crate::store::{Payload, Row, Source, StoreError};
use spool::{Spool, Taken, Untaken, Way};
use tries::Tries;
pub(super) use turns::Turns;

/// After how long one looks again whether there is room for another file. Who waits for a turn is woken.
const NO_ROOM: Duration = Duration::from_secs(5);

/// How often a file may be read altogether while it is delivered. After that reading is no progress.
const READ: u64 = 4;

/// How long a delivery that is under way may still take when the daemon stops.
const STOPPING: Duration = Duration::from_secs(2);

/// How long an adapter may take until it has opened a file.
const OPENED: Duration = Duration::from_secs(90);

/// How long a small picture may take altogether.
const THUMBNAIL: Duration = Duration::from_secs(20);

/// How many bytes a microsecond are usual, where no file was seen yet.
const USUAL: u64 = 20;

/// How often it is looked whether a file still moves.
const LOOK: Duration = Duration::from_secs(15);

/// What all files need.
pub(super) struct Files {
    spool: Spool,
    proxy: Proxy,
    pub(super) tries: Tries,
}

/// Why a file is not there.
enum Missing {
    /// It is not its turn yet.
    Waits(Left),
    /// It cannot be had, or not now.
    Failed(DeliveryError),
}

impl From<DeliveryError> for Missing {
    fn from(error: DeliveryError) -> Self {
        Self::Failed(error)
    }
}

impl Files {
    pub(super) fn open(data_dir: &Path, most: u64) -> io::Result<Self> {
        let spool = Spool::open(data_dir, most)?;
        let proxy = Proxy::new().map_err(io::Error::other)?;
        Ok(Self { spool, proxy, tries: Tries::default() })
    }

    /// How many bytes lie on disk now.
    pub(super) fn spooled(&self) -> u64 {
        self.spool.used()
    }
}

/// The file that a row brings, if it does, and from where.
pub(super) fn borne(row: &Row) -> Option<(&Media, &Source)> {
    match &row.payload {
        Payload::Message { message, source } => match &message.content {
            Content::Media(media) => Some((media, source)),
            _ => None,
        },
        Payload::Swallowed { file, source, .. } => Some((file.as_deref()?, source)),
        Payload::Unsaid | Payload::Status(_) | Payload::Own(_) => None,
    }
}

/// How many rows of a window, from the first on, go together: a file goes alone.
pub(super) fn together(rows: &[Row]) -> usize {
    let first = rows.iter().position(|row| borne(row).is_some());
    first.map_or(rows.len(), |at| at.max(1))
}

/// Brings what is said of a file within its bounds.
pub(super) fn tidy(event: &mut Event) {
    let Content::Media(media) = &mut event.content else { return };
    media.info = std::mem::take(&mut media.info).clean();
    media.caption.take_if(|caption| caption.body.trim().is_empty());
    let fits = |thumbnail: &mut Thumbnail| match &thumbnail.at {
        Locator::Own(at) | Locator::Link(at) => (1..=Locator::MAX).contains(&at.len()),
        Locator::Attached => false,
    };
    media.thumbnail.take_if(|thumbnail| !fits(thumbnail));
    if let Some(thumbnail) = &mut media.thumbnail {
        thumbnail.info = std::mem::take(&mut thumbnail.info).clean();
    }
}

/// Whether a link to a file may be followed, as far as it tells itself; true of all else.
pub(super) fn is_host_allowed(event: &Event, hosts: &Hosts) -> bool {
    match &event.content {
        Content::Media(media) => match &media.at {
            Locator::Link(link) => hosts.admits(link),
            Locator::Own(_) | Locator::Attached => true,
        },
        _ => true,
    }
}

impl Crossing {
    /// How large a file may be that goes from one network to another, in bytes.
    pub(super) fn most_between(&self, source: &Network, target: &Network) -> u64 {
        let (from, to) = (source.setup.adapter.max_media(), target.setup.adapter.max_media());
        // Who takes no files may still have users that send links to some.
        let from = if from == 0 { u64::MAX } else { from };
        from.min(to).min(self.limits().max_file).min(self.files.spool.share())
    }

    /// Carries a message with its file: fetches the one, and delivers both.
    pub(super) async fn carry_file(
        &self,
        network: &Network,
        row: &mut Row,
        tries: u32,
    ) -> Result<Carried, StoreError> {
        let later = |left| Ok(Carried { left: Some(left), whole: false });
        let done = if let Err(Stopped::Refused(refusal)) = self.its_turn(row).await? {
            turned_away(refusal)
        } else {
            let from = borne(row).map(|(_, source)| source.network.clone());
            let turn = from.and_then(|from| network.turns.take(&network.lanes, &from, &row.lane));
            let Some(_turn) = turn else { return later(waits()) };
            match self.fetch(network, row).await {
                Ok(file) => match self.hand_over(network, row, file, tries).await? {
                    Some(done) => done,
                    None => return later(Left::MoreToDo),
                },
                Err(Missing::Failed(error)) => Done::Carried(Err(error)),
                Err(Missing::Waits(left)) => return later(left),
            }
        };
        let left = self.conclude(network, std::slice::from_ref(row), vec![done], tries).await?;
        Ok(Carried { left, whole: true })
    }

    /// Delivers a message with its file, or lets as much time pass; nothing if the daemon stops, or if the
    /// message is not there any more.
    async fn hand_over(
        &self,
        network: &Network,
        row: &mut Row,
        (media, attached): (Media, Attached),
        tries: u32,
    ) -> Result<Option<Done>, StoreError> {
        // It may have been taken back, or a block have come, while the file did.
        let (id, before) = (&network.setup.id, row.seq - 1);
        let window = self.store.window(id, &row.lane, before, 1).await?;
        let Some(now) = window.rows.into_iter().find(|it| it.seq == row.seq) else {
            return Ok(None);
        };
        *row = now;
        let command = match self.its_turn(row).await? {
            Ok(command) => command,
            Err(Stopped::Refused(refusal)) => return Ok(Some(turned_away(refusal))),
            Err(Stopped::Swallowed) => {
                return Ok(self.let_pass(network, row, &attached).await.then_some(Done::Swallowed));
            }
        };
        let Command::Message(mut message) = command else {
            return Ok(Some(turned_away(Code::Expired.into())));
        };
        let file = attached.file.clone();
        message.content = Content::Media(Box::new(media.clone()));
        let delivery = lane::delivery(self, row, Command::Message(message), tries);
        let delivery = Delivery { attached: Some(attached.clone()), ..delivery };
        network.lanes.steps(&row.lane);
        let begun = Instant::now();
        let result = self.deliver_file(network, &row.lane, &delivery, &file).await;
        let result = match result {
            Ok(delivered) => {
                network.file_pace.note(file.size(), begun.elapsed());
                network.tally.carried(file.size());
                Ok(delivered)
            }
            Err(error @ (DeliveryError::Retry { .. } | DeliveryError::Unknown { .. }))
                if self.files.tries.is_given_up(&row.key) =>
            {
                let (DeliveryError::Retry { why, .. } | DeliveryError::Unknown { why }) = error
                else {
                    return Ok(None);
                };
                Err(DeliveryError::Refused { refusal: Code::Expired.into(), why })
            }
            Err(error) => Err(error),
        };
        match &result {
            Ok(_) | Err(DeliveryError::Refused { .. }) => self.files.tries.forget(&row.key),
            Err(_) => self.files.tries.keep(&row.key, (media, attached)),
        }
        Ok(Some(Done::Carried(result)))
    }

    /// Lets as much time pass as a delivery takes, of a file that nobody gets. False if the daemon stops
    /// meanwhile.
    async fn let_pass(&self, network: &Network, row: &Row, attached: &Attached) -> bool {
        let (size, random) = (attached.file.size(), clock::random());
        let usual = || network.pace.like(random) + Duration::from_micros(size / USUAL);
        let mut left = network.file_pace.like(size, random).unwrap_or_else(usual);
        while left > LOOK {
            network.lanes.steps(&row.lane);
            tokio::select! {
                () = tokio::time::sleep(LOOK) => left -= LOOK,
                () = self.stop_delivering.cancelled() => return false,
            }
        }
        network.lanes.steps(&row.lane);
        tokio::select! {
            () = pace::pass(left) => true,
            () = self.stop_delivering.cancelled() => false,
        }
    }

    /// Fetches the file of a row. What comes back says what the bytes are.
    async fn fetch(&self, target: &Network, row: &Row) -> Result<(Media, Attached), Missing> {
        let Some((media, source)) = borne(row) else {
            let why = "a message has lost its file";
            return Err(DeliveryError::Refused { refusal: Code::Expired.into(), why }.into());
        };
        if let Some(kept) = self.files.tries.kept(&row.key) {
            return Ok(kept);
        }
        let fetched = tokio::select! {
            fetched = self.fetched(target, row, media, &source.network) => fetched,
            () = self.stop_delivering.cancelled() => {
                return Err(Missing::Waits(Left::MoreToDo));
            }
        };
        match fetched {
            // A network that is away is waited for, as for what else it has to say.
            Err(Missing::Failed(DeliveryError::Disconnected)) => {
                let why = "the file's network is away";
                Err(DeliveryError::Retry { after: None, why }.into())
            }
            Err(Missing::Failed(DeliveryError::Refused { refusal, why })) => {
                self.files.tries.forget(&row.key);
                Err(DeliveryError::Refused { refusal, why }.into())
            }
            Err(Missing::Failed(_)) if self.files.tries.is_given_up(&row.key) => {
                self.files.tries.forget(&row.key);
                let why = "a file could not be fetched for too long";
                Err(DeliveryError::Refused { refusal: Code::Expired.into(), why }.into())
            }
            fetched => fetched,
        }
    }

    async fn fetched(
        &self,
        target: &Network,
        row: &Row,
        media: &Media,
        from: &NetworkId,
    ) -> Result<(Media, Attached), Missing> {
        let Some(source) = self.networks.get(from) else {
            let why = "the file's network is not configured any more";
            return Err(DeliveryError::Refused { refusal: Code::Expired.into(), why }.into());
        };
        let most = self.most_between(source, target);
        let way = (from.clone(), target.setup.id.clone());
        let size = media.info.size.unwrap_or_default().min(most);
        let lease = self.files.spool.reserve(way.clone(), size).await;
        let lease = lease.map_err(|why| self.untaken(why))?;
        let incoming = self.opened(source, &media.at, most).await?;
        let judge = |head: &[u8]| Self::judged(source, target, media, head);
        let moves = || target.lanes.steps(&row.lane);
        let taken = self.files.spool.take(lease, incoming, most, judge, moves).await;
        let Taken { file, judged: (kind, mime) } = taken.map_err(|why| self.untaken(why))?;
        if media.info.sha256.is_some_and(|said| said != file.sha256()) {
            let why = "a file has another hash than its sender says";
            return Err(DeliveryError::Refused { refusal: Code::Malformed.into(), why }.into());
        }
        let small = self.small_picture(source, way, media).await;
        let (thumbnail, small) = small.unzip();
        let mut caption = media.caption.clone();
        if media.kind == MediaKind::Voice && kind != MediaKind::Voice && caption.is_none() {
            caption = Some(Text::plain(self.words.say("voice-note", &[])));
        }
        let info = FileInfo {
            mime: Some(mime),
            size: Some(file.size()),
            sha256: Some(file.sha256()),
            ..media.info.clone()
        };
        let media = Media { kind, at: Locator::Attached, info, thumbnail, caption };
        Ok((media, Attached { file, thumbnail: small }))
    }

    /// As what a file is shown, by its first bytes and by what its target shows.
    fn judged(
        source: &Network,
        target: &Network,
        media: &Media,
        head: &[u8],
    ) -> Result<(MediaKind, String), Refusal> {
        let found = infer::get(head).map(|found| found.mime_type());
        let (kind, mime) = gate::shown_as(media.kind, media.info.mime.as_deref(), found, head)?;
        let unfit = Code::UnsupportedKind(kind.kind());
        let shown = gate::carried_as(kind, &target.capabilities).ok_or(unfit)?;
        for turned_out in [kind, shown] {
            if turned_out != media.kind {
                // Two networks, never one: no lock is taken twice.
                let (source, target) = (source.setup.rules.borrow(), target.setup.rules.borrow());
                gate::may_turn_out(turned_out, [&source.policy, &target.policy])?;
            }
        }
        Ok((shown, mime))
    }

    /// The small picture of a file, if it can be had.
    async fn small_picture(
        &self,
        source: &Network,
        way: Way,
        media: &Media,
    ) -> Option<(Thumbnail, Spooled)> {
        let Thumbnail { at, info } = media.thumbnail.as_ref()?;
        let judge = |head: &[u8]| {
            let found = infer::get(head).map(|found| found.mime_type());
            let shown = gate::shown_as(MediaKind::Image, info.mime.as_deref(), found, head)?;
            match shown {
                (MediaKind::Image, mime) => Ok(mime),
                _ => Err(Refusal::from(Code::MediaTypeMismatch)),
            }
        };
        let fetch = async {
            let lease = self.files.spool.reserve(way, 0).await.ok()?;
            let incoming = self.opened(source, at, Thumbnail::MAX).await.ok()?;
            self.files.spool.take(lease, incoming, Thumbnail::MAX, judge, || {}).await.ok()
        };
        let Taken { file, judged } = timeout(THUMBNAIL, fetch).await.ok().flatten()?;
        let (mime, size, sha256) = (Some(judged), Some(file.size()), Some(file.sha256()));
        let info = FileInfo { mime, size, sha256, ..info.clone() };
        Some((Thumbnail { at: Locator::Attached, info }, file))
    }

    async fn opened(
        &self,
        source: &Network,
        at: &Locator,
        most: u64,
    ) -> Result<Incoming, DeliveryError> {
        let retry = |after, why| DeliveryError::Retry { after, why };
        let refused = |refusal, why| DeliveryError::Refused { refusal, why };
        match at {
            Locator::Own(at) => {
                let opened = timeout(OPENED, source.setup.adapter.open(at)).await;
                let opened =
                    opened.unwrap_or_else(|_| Err(retry(None, "a file was not opened in time")));
                opened.map_err(|error| match error {
                    DeliveryError::Unknown { why } => retry(None, why),
                    error => error,
                })
            }
            Locator::Link(link) => {
                let hosts = source.setup.rules.borrow().hosts.clone();
                let opened = self.files.proxy.open(link, &hosts, most).await;
                opened.map_err(|unfetched| match unfetched {
                    Unfetched::Denied => refused(
                        Code::HostDenied.into(),
                        "a file lies on a host that is not allowed",
                    ),
                    Unfetched::TooLarge { limit } => {
                        refused(Refusal::too_large(limit), "a file is too large")
                    }
                    Unfetched::Gone => {
                        refused(Code::Expired.into(), "a file is not there any more")
                    }
                    Unfetched::Malformed => {
                        refused(Code::Malformed.into(), "a file cannot be read as it is offered")
                    }
                    Unfetched::Later { why, after } => retry(after, why),
                })
            }
            Locator::Attached => {
                Err(refused(Code::Malformed.into(), "a file that is said to be attached is not"))
            }
        }
    }

    fn untaken(&self, why: Untaken) -> Missing {
        match why {
            Untaken::Refused(refusal) => {
                let why = "a file is not what it should be";
                DeliveryError::Refused { refusal, why }.into()
            }
            Untaken::Broken(why) => DeliveryError::Retry { after: None, why }.into(),
            Untaken::NoRoom => {
                self.files.tries.let_go(true);
                if self.rarely.may(&SPOOL_FULL) {
                    log!(SPOOL_FULL, bytes = self.files.spooled());
                }
                Missing::Waits(waits())
            }
            Untaken::Disk(error) => {
                if self.rarely.may(&SPOOL_FAILED) {
                    log!(SPOOL_FAILED, error = &error as &dyn std::error::Error);
                }
                Missing::Waits(waits())
            }
        }
    }

    /// Delivers a file: for as long as it moves, and not too slowly.
    async fn deliver_file(
        &self,
        network: &Network,
        lane: &str,
        delivery: &Delivery,
        file: &Spooled,
    ) -> Result<Delivered, DeliveryError> {
        let unknown = |why| Err(DeliveryError::Unknown { why });
        // An adapter that gives no answer breaks its contract: try again, later.
        let first = |mut answer: Vec<_>| {
            answer.pop().unwrap_or_else(|| unknown("the adapter gave no answer"))
        };
        let work = network.setup.adapter.deliver(std::slice::from_ref(delivery));
        let (mut work, mut still) = (std::pin::pin!(work), Duration::ZERO);
        let (begun, start) = (Instant::now(), file.read_so_far());
        let enough = file.size().saturating_mul(READ).saturating_add(1 << 20);
        let mut read = 0;
        loop {
            tokio::select! {
                answer = &mut work => return first(answer),
                () = self.stop_delivering.cancelled() => {
                    let answer = timeout(STOPPING, work).await;
                    return answer.map_or_else(|_| unknown("the daemon stops"), first);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let before = std::mem::replace(&mut read, file.read_so_far() - start);
            // Who reads the same again and again does not get on.
            let moves = read != before && read <= enough;
            still = if moves { Duration::ZERO } else { still + LOOK };
            if still >= PATIENCE {
                return unknown("a file did not move for too long");
            }
            if read < file.size() && spool::is_too_slow(begun.elapsed(), read) {
                return unknown("a file was taken too slowly");
            }
            if moves {
                network.lanes.steps(lane);
            }
        }
    }
}

fn turned_away(refusal: Refusal) -> Done {
    Done::Carried(Err(DeliveryError::Refused { refusal, why: lane::NOT_ANY_MORE }))
}

fn waits() -> Left {
    Left::Backoff { after: Some(NO_ROOM), for_connection: false, progressed: true }
}
