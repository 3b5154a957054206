//! How people call themselves and look, shown to those to whom they have written.
//!
//! What changes is on disk at once, and with it that it is to be looked at each pair whether there is
//! something new to show. One task a network works on that, beside the lanes: only the last word counts,
//! nothing is queued, and a network that was away is shown how people are now. What a block keeps back is
//! looked at as if there were none: also whether a picture is fetched tells nothing.

mod lately;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Command, ConversationId, Delivery, DeliveryError, Event, Kind, Level, NetworkId, NewPicture,
    Picture, Profile, ProfileChange, Sha256, Shown, Tag, Timestamp, Unavailable, UserId, log,
};
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256 as Hasher};
use tokio::time::{Instant, sleep, timeout};

use super::{Crossing, Network, name};
use crate::clock;
use crate::gate::{Passage, Role};
use crate::log::{PROFILE_AGAINST_CONTRACT, PROFILE_WAITS, PROFILES_FAILED};
use crate::store::{Due, Payload, PeopleChange, Row, StoreError};
pub(super) use lately::Lately;
use lately::{BETWEEN, LATEST, Unfetched};

/// How many pairs are looked at together.
const PORTION: usize = 64;

/// To how many of a network's users something is shown at a time.
const AT_ONCE: usize = 8;

/// How long a network may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a picture may take, and how long others wait for it.
const FETCHED: Duration = Duration::from_secs(30);
const BRIEFLY: Duration = Duration::from_secs(2);

/// After how long what did not work is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Whether it is to be looked after this change whether there is something to show.
pub(super) fn may_show(change: &PeopleChange) -> bool {
    matches!(
        change,
        PeopleChange::Name { .. }
            | PeopleChange::Picture { .. }
            | PeopleChange::Fetched { .. }
            | PeopleChange::Met { .. }
            | PeopleChange::Unblock { .. }
            | PeopleChange::Contact { .. }
            | PeopleChange::Enable { .. }
            | PeopleChange::Strict { .. }
    )
}

/// Shows the users of one network how others call themselves and look, until the daemon stops.
pub(super) async fn run(crossing: Arc<Crossing>, id: NetworkId) {
    let Some(network) = crossing.networks.get(&id) else { return };
    if network.capabilities.level(Kind::Profile) == Level::Rejected {
        return;
    }
    let mut reached = None;
    loop {
        let pause = match crossing.show_some(network, &mut reached).await {
            Ok(pause) => pause,
            Err(error) => {
                if crossing.rarely.may(&PROFILES_FAILED) {
                    log!(PROFILES_FAILED, network = %id, error = &error as &dyn std::error::Error);
                }
                Some(AGAIN)
            }
        };
        let pause = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = crossing.stop_delivering.cancelled() => return,
            () = network.faces.notified() => {}
            () = pause => {}
        }
    }
}

/// What came of a look at a pair.
enum Looked {
    /// This is written down.
    Changes(Vec<PeopleChange>),
    /// It is found again at the next look.
    Anew,
    /// Something is to be shown.
    Shows(Box<Showing>),
}

/// What is to be shown.
struct Showing {
    due: Due,
    name: Option<String>,
    picture: Option<Sha256>,
    /// After how long it is to be looked again all the same.
    again: Option<Duration>,
}

impl Showing {
    /// That it is what the one is shown of the other from now on: what they ask for when they are told
    /// must be there.
    fn shown(&self) -> PeopleChange {
        let (owner, other) = (self.due.owner.clone(), self.due.other.clone());
        PeopleChange::Shown { owner, other, name: self.name.clone(), picture: self.picture }
    }
}

/// That it was looked at a pair, and whether the one has been told all that there is.
fn looked(due: &Due, told: bool, again: Option<Duration>) -> PeopleChange {
    let (owner, other, rev) = (due.owner.clone(), due.other.clone(), due.rev);
    let again = again.map(|after| clock::now().plus(after));
    PeopleChange::Looked { owner, other, told, again, rev }
}

impl Crossing {
    /// See [`drawbridge_adapter::Bridge::profile`].
    pub(super) async fn profile(
        &self,
        source: &NetworkId,
        change: ProfileChange,
    ) -> Result<(), Unavailable> {
        let Some(network) = self.networks.get(source) else { return Err(Unavailable::Failed) };
        let ProfileChange { user, name, picture } = change;
        if user.network() != source || !network.spells(&user) {
            log!(PROFILE_AGAINST_CONTRACT, from = %source);
            return Ok(());
        }
        // Of those who may not take part nothing is kept.
        if !network.admits(&user) {
            return Ok(());
        }
        let now = clock::now();
        let mut changes = Vec::new();
        let at = now;
        let name = name.map(|name| name::clean(&name));
        let known = self.people.called(&user).map(|called| called.name);
        if let Some(name) = name.filter(|name| known.as_ref() != Some(name)) {
            let (user, guessed) = (user.clone(), false);
            changes.push(PeopleChange::Name { user, name, guessed, at });
        }
        if let Some(picture) = picture {
            let known = self.store.portrait(&user).await;
            let known = known.map_err(|error| self.unavailable(&error))?;
            let before = (known.source, known.picture);
            let (source, picture) = match picture {
                NewPicture::At(at) if (1..=NewPicture::MAX_AT).contains(&at.len()) => {
                    (Some(at), None)
                }
                NewPicture::Here(bytes) => (None, looked_at(bytes)),
                NewPicture::At(_) | NewPicture::Gone => (None, None),
            };
            let hash = picture.as_ref().map(|picture| picture.sha256);
            let same = if source.is_some() { before.0 == source } else { before == (None, hash) };
            if !same {
                let user = user.clone();
                changes.push(PeopleChange::Picture { user, source, picture, at });
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        if self.is_too_much(network, &user) {
            return Err(Unavailable::Full);
        }
        let later = now.plus(self.lately.kept_back(&user));
        for change in &mut changes {
            if let PeopleChange::Name { at, .. } | PeopleChange::Picture { at, .. } = change {
                *at = later;
            }
        }
        let written = self.store.change_people(changes, Vec::new(), now).await;
        written.map_err(|error| self.unavailable(&error))
    }

    /// Whether a third-party network tells of more changes than it may; of its messages that takes nothing.
    fn is_too_much(&self, network: &Network, user: &UserId) -> bool {
        if network.setup.role == Role::Home {
            return false;
        }
        let rates = self.limits().rates;
        let mut buckets = network.changes.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(user, None, &rates, Instant::now()).is_err()
    }

    /// See [`drawbridge_adapter::Bridge::shown`].
    pub(super) async fn shown(
        &self,
        network: &NetworkId,
        of: &UserId,
        to: &UserId,
    ) -> Result<Option<Shown>, Unavailable> {
        if to.network() != network {
            return Ok(None);
        }
        let face = self.store.face(to, of).await.map_err(|error| self.unavailable(&error))?;
        Ok((face.name.is_some() || face.picture.is_some()).then_some(face))
    }

    /// How the sender of an event is called, and the change of that, if it is one. What an adapter tells
    /// of its users by itself counts more than what stands in their events.
    pub(super) fn called(
        &self,
        source: &Network,
        event: &Event,
        at: Timestamp,
    ) -> (Option<String>, Option<PeopleChange>) {
        let user = &event.sender.user;
        let said = event.sender.name.as_deref().and_then(name::clean);
        let known = self.people.called(user).map(|called| called.name);
        let tells = source.capabilities.level(Kind::Profile) > Level::Rejected;
        if let Some(known) = known
            && (tells || said.is_none() || said == known)
        {
            return (known, None);
        }
        let change = said.is_some().then(|| PeopleChange::Name {
            user: user.clone(),
            name: said.clone(),
            guessed: tells,
            at,
        });
        (said, change)
    }

    /// A user's name, as it is shown to another: with the user's id behind it, if it could be taken for
    /// somebody else's.
    pub(super) fn as_shown(
        &self,
        name: Option<String>,
        of: &UserId,
        to: &UserId,
    ) -> Option<String> {
        let is_alike = |name: &String| {
            name::looks_marked(name) || self.people.looks_like_another(to, of, name)
        };
        name.map(|name| if is_alike(&name) { name::marked(&name, of) } else { name })
    }

    /// That two have to do with each other, if this row, which was delivered, is the first by which they
    /// do. What was swallowed counts as well: whoever is blocked must not see it in this.
    pub(super) fn meeting(&self, row: &Row, at: Timestamp) -> Option<PeopleChange> {
        let (other, owner, name) = match &row.payload {
            Payload::Message { message, .. } => {
                (&message.from.user, &message.to, message.from.name.as_ref())
            }
            Payload::Swallowed { from, to, .. } => (from, to, None),
            Payload::Unsaid | Payload::Status(_) | Payload::Own(_) => return None,
        };
        let met = self.people.have_met(owner, other);
        (!met).then(|| {
            let (owner, other, name) = (owner.clone(), other.clone(), name.cloned());
            PeopleChange::Met { owner, other, name, at }
        })
    }

    /// Shows a portion of what is to be shown, and tells after how long the next look is due; nothing if
    /// somebody will say so.
    async fn show_some(
        self: &Arc<Self>,
        network: &Network,
        reached: &mut Option<Instant>,
    ) -> Result<Option<Duration>, StoreError> {
        let link = *network.link.borrow();
        if !link.is_up() {
            return Ok(None);
        }
        let now = clock::now();
        if *reached != Some(link.at) {
            // Who was not there before may be now.
            let network = network.setup.id.clone();
            self.write(vec![PeopleChange::Reachable { network, at: now }]).await?;
            *reached = Some(link.at);
        }
        let found = self.store.profiles_due(&network.setup.id, now, PORTION).await?;
        if found.dues.is_empty() {
            return Ok(found.next.map(|next| next.since(now)));
        }
        let looks = stream::iter(found.dues).map(|due| self.look(due));
        let looks: Vec<Looked> = looks.buffer_unordered(PORTION).collect().await;
        let (mut changes, mut shows) = (Vec::new(), Vec::new());
        for looked in looks {
            match looked {
                Looked::Changes(some) => changes.extend(some),
                Looked::Anew => {}
                Looked::Shows(showing) => {
                    changes.push(showing.shown());
                    shows.push(showing);
                }
            }
        }
        self.write(changes).await?;
        let told = stream::iter(shows).map(|showing| self.show(network, showing));
        let told: Vec<Option<Vec<PeopleChange>>> = told.buffer_unordered(AT_ONCE).collect().await;
        let waits = told.iter().any(Option::is_none);
        self.write(told.into_iter().flatten().flatten().collect()).await?;
        Ok(Some(if waits { AGAIN } else { Duration::ZERO }))
    }

    async fn write(&self, changes: Vec<PeopleChange>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.change_people(changes, Vec::new(), clock::now()).await
    }

    /// Looks whether one is to be shown something new of another.
    async fn look(self: &Arc<Self>, due: Due) -> Looked {
        let Due { owner, other, .. } = &due;
        let nothing = || Looked::Changes(vec![looked(&due, due.told, None)]);
        let Some(source) = self.networks.get(other.network()) else { return nothing() };
        if self.passage(source, other, owner, Kind::Profile) == Passage::No {
            return nothing();
        }
        let (picture, again) = match (&due.now.source, due.now.picture) {
            (_, Some(picture)) => (Some(picture), None),
            (None, None) => (None, None),
            (Some(at), None) => match self.fetch_picture(other, at).await {
                Ok(()) => return Looked::Anew,
                Err(Unfetched::Never) => (None, None),
                // Until it can be had, that of before.
                Err(Unfetched::Later(wait)) => (due.picture, Some(wait)),
            },
        };
        // It is asked last: a block may have come meanwhile. Whether a picture is fetched goes on.
        match self.passage(source, other, owner, Kind::Profile) {
            Passage::Open => {}
            Passage::Blocked => return Looked::Changes(vec![looked(&due, due.told, again)]),
            Passage::No => return nothing(),
        }
        let name = self.as_shown(due.now.name.clone(), other, owner);
        if due.told && (&name, picture) == (&due.name, due.picture) {
            return Looked::Changes(vec![looked(&due, true, again)]);
        }
        Looked::Shows(Box::new(Showing { due, name, picture, again }))
    }

    /// Shows it, and tells what is to be written down of that; nothing if there is no connection.
    async fn show(&self, network: &Network, showing: Box<Showing>) -> Option<Vec<PeopleChange>> {
        let Showing { due, name, picture, again } = *showing;
        // Others were shown theirs meanwhile, and a block may have come.
        let source = self.networks.get(due.other.network());
        let passage =
            source.map(|source| self.passage(source, &due.other, &due.owner, Kind::Profile));
        if passage != Some(Passage::Open) {
            let (owner, other) = (due.owner.clone(), due.other.clone());
            let (name, picture) = (due.name.clone(), due.picture);
            let before = PeopleChange::Shown { owner, other, name, picture };
            return Some(vec![before, looked(&due, due.told, again)]);
        }
        let shown = self.show_as(network, &due, name, picture).await;
        if let Ok(()) | Err(DeliveryError::Refused { .. }) = shown {
            self.lately.taken(&(due.owner.clone(), due.other.clone()));
        }
        let looked = match shown {
            Ok(()) => looked(&due, true, again),
            Err(DeliveryError::Disconnected) => return None,
            // They may be there another time.
            Err(DeliveryError::Refused { .. }) => looked(&due, false, None),
            Err(DeliveryError::Retry { after, why }) => {
                self.complain(network, why);
                looked(&due, false, Some(after.unwrap_or(AGAIN)))
            }
            Err(DeliveryError::Unknown { why }) => {
                self.complain(network, why);
                looked(&due, false, Some(AGAIN))
            }
        };
        Some(vec![looked])
    }

    fn complain(&self, network: &Network, why: &'static str) {
        if self.rarely.may(&PROFILE_WAITS) {
            log!(PROFILE_WAITS, network = %network.setup.id, why);
        }
    }

    async fn show_as(
        &self,
        network: &Network,
        due: &Due,
        name: Option<String>,
        picture: Option<Sha256>,
    ) -> Result<(), DeliveryError> {
        let retry = |why| DeliveryError::Retry { after: None, why };
        let picture = match picture {
            Some(hash) => {
                let found = self.store.picture(hash).await.ok().flatten();
                // It has changed meanwhile.
                Some(found.ok_or_else(|| retry("a picture is not there any more"))?)
            }
            None => None,
        };
        let (of, to) = (due.other.clone(), due.owner.clone());
        let told = (name.clone(), picture.as_ref().map(|picture| picture.sha256));
        let (at, pair) = (clock::now(), [of.to_string(), to.to_string()]);
        let moment = format!("{:011x}", at.0);
        let parts = ["profile", &pair[0], &pair[1], &moment];
        let tag = Tag::of(self.store.salt(), &parts);
        let shown = Shown { name, picture };
        // Another try is known by its key.
        let key = moment.clone() + &tag.to_hex();
        let key = self.lately.key((to.clone(), of.clone()), told, key);
        let delivery = Delivery {
            key,
            tag,
            conversation: ConversationId::from_stored(format!(
                "profile of {} to {}",
                pair[0], pair[1]
            )),
            accepted_at: at,
            attempt: 1,
            command: Command::Profile(Profile { of, to, shown }),
            attached: None,
        };
        let work = network.setup.adapter.deliver(std::slice::from_ref(&delivery));
        let work = async { work.await.pop() };
        let answer = tokio::select! {
            answer = timeout(PATIENCE, work) => answer,
            () = self.stop_delivering.cancelled() => return Err(DeliveryError::Disconnected),
        };
        match answer {
            Ok(Some(answer)) => answer.map(drop),
            Ok(None) => Err(retry("the adapter gave no answer")),
            Err(_) => Err(retry("the adapter took too long")),
        }
    }

    /// Fetches a user's picture and writes it down. What takes long goes on by itself.
    async fn fetch_picture(self: &Arc<Self>, user: &UserId, at: &str) -> Result<(), Unfetched> {
        self.lately.begin(user, at)?;
        let (crossing, user, at) = (Arc::clone(self), user.clone(), at.to_owned());
        let work = self.tasks.spawn(async move { crossing.fetch_it(user, at).await });
        match timeout(BRIEFLY, work).await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_)) => Err(Unfetched::Later(LATEST)),
            // When it is there, it is looked again.
            Err(_) => Err(Unfetched::Later(FETCHED + BETWEEN)),
        }
    }

    async fn fetch_it(&self, user: UserId, source: String) -> Result<(), Unfetched> {
        let Some(network) = self.networks.get(user.network()) else { return Err(Unfetched::Never) };
        let fetched = tokio::select! {
            fetched = timeout(FETCHED, network.setup.adapter.picture(&user, &source)) => fetched,
            () = self.stop_delivering.cancelled() => return Err(Unfetched::Later(AGAIN)),
        };
        let picture = match fetched {
            Ok(Ok(bytes)) => looked_at(bytes).ok_or(true),
            Ok(Err(DeliveryError::Refused { .. })) => Err(true),
            Ok(Err(_)) | Err(_) => Err(false),
        };
        let picture = picture.map_err(|is_none| self.lately.failed(&user, is_none))?;
        self.lately.done(&user);
        let change = PeopleChange::Fetched { user, source, picture, at: clock::now() };
        self.write(vec![change]).await.map_err(|_| Unfetched::Later(AGAIN))
    }
}

/// A picture that can be shown; nothing if it is none.
fn looked_at(bytes: Vec<u8>) -> Option<Arc<Picture>> {
    let mime = infer::get(&bytes).map(|found| found.mime_type())?;
    let fits = bytes.len() <= Picture::MAX && Picture::TYPES.contains(&mime);
    let sha256 = Sha256(Hasher::digest(&bytes).into());
    fits.then(|| Arc::new(Picture { mime: mime.to_owned(), sha256, bytes }))
}
