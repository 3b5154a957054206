//! How people call themselves and look, in both directions: users, as they show it to ghosts, and ghosts, as
//! the daemon shows them to users.
//!
//! A user's server tells of changes by events (XEP-0163), if the ghost may see the user's presence. What no
//! event tells is read when there is a reason: the user's presence comes (Prosody's and ejabberd's speak
//! of the picture there, and ejabberd says it again when the card changes), or the user writes and was
//! not looked at for a while. Whatever is told or read goes into one record of the user, from which
//! follows what the daemon hears.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, DeliveryError, Memo, NewPicture, ProfileChange, UserId, log,
};
use futures_util::future::join_all;
use lru::LruCache;
use minidom::Element;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::address::Addresses;
use crate::failure;
use crate::log::ANSWER_DROPPED;
use crate::ns;
use crate::outward::Outward;
use crate::stream::Stanza;
use crate::turns::Turns;

mod ask;
pub(crate) mod read;
pub(crate) mod write;

use read::{Card, Fact, Told};
use write::Question;

/// Of how many users is known what they look like.
const USERS: NonZeroUsize = NonZeroUsize::new(8 * 1024).expect("is not zero");
/// Of how many pairs is known when a ghost was shown to a user who came.
const PAIRS: NonZeroUsize = NonZeroUsize::new(8 * 1024).expect("is not zero");
/// How much may wait to be done. Beyond, it is left to the next reason.
const WAITING: usize = 2048;
/// How many users are looked at at a time, and how much else is done.
const LOOKS: usize = 16;
const AT_ONCE: usize = 8;
/// How long a user is left alone whose server did not answer.
const SILENT: Duration = Duration::from_mins(1);
/// How often the same user is looked at, whatever the reason.
const BETWEEN: Duration = Duration::from_secs(1);
/// When a user who writes is looked at again.
const AGAIN: Duration = Duration::from_mins(10);
/// How often a ghost is shown anew to a user who comes.
const GREETING: Duration = Duration::from_mins(1);
/// When what the daemon did not take is tried again.
const LATER: Duration = Duration::from_secs(30);
/// How long a user's server may take to say something.
const ANSWER: Duration = Duration::from_secs(3);
/// What a memo begins with that says which ghost may see a user's picture. The rest is the JID.
const PREFIX: &str = "face/";

/// Names and pictures, in both directions.
pub(crate) struct Profiles {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    state: Mutex<State>,
    /// What is told of one user is told in order.
    turns: Turns,
    /// Something more is due among the looks, or all else.
    looks: Notify,
    more: Notify,
}

struct State {
    users: LruCache<UserId, Known>,
    /// When ghosts were shown anew to users who came.
    greeted: LruCache<(UserId, UserId), Instant>,
    /// Users to be looked at: apart, because strangers' servers may take their time.
    looks: Queue,
    /// All else.
    more: Queue,
}

/// What is to be done.
#[derive(Default)]
struct Queue {
    /// It, and when.
    due: BTreeMap<(Instant, u64), Work>,
    /// What of it need not be put there again.
    waiting: HashSet<Job>,
    /// How much was ever put there.
    count: u64,
}

/// Something to be done.
#[derive(Debug)]
enum Work {
    /// Something that is done once, however often there was a reason.
    Job(Job),
    /// Somebody waits for an answer.
    Answer(Box<Question>, mpsc::Sender<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Job {
    /// The user's server is asked.
    Look(UserId),
    /// The daemon is told what has changed.
    Tell(UserId),
    /// The first is shown to the second anew.
    Greet(UserId, UserId),
}

/// What is known of a user.
#[derive(Default)]
struct Known {
    /// A ghost that may ask, and whether it sees the user's presence.
    ghost: Option<UserId>,
    sees: bool,
    /// When the user was looked at.
    looked: Option<Instant>,
    /// Whether something was told since.
    news: bool,
    /// The name that the user publishes, the one that came with a word of the user's, and the card's.
    nick: Fact,
    said: Fact,
    named: Fact,
    /// The ids of the pictures that the user publishes, and of the card's.
    face: Fact,
    photo: Fact,
    /// What the daemon knows: of the picture, the empty id says that there is none.
    told_name: Option<String>,
    told_face: Option<String>,
    /// When the daemon was told.
    told: Option<Instant>,
    /// For which ghost a memo is written.
    noted: Option<UserId>,
}

impl Known {
    /// The name; empty if there is none, and `None` if that is not known.
    fn name(&self) -> Option<String> {
        let name = [&self.nick, &self.said, &self.named].into_iter().find_map(Fact::get);
        let none = self.nick == Fact::Absent && self.named == Fact::Absent;
        name.map(str::to_owned).or(none.then(String::new))
    }

    /// The same of the picture.
    fn picture(&self) -> Option<String> {
        let id = [&self.face, &self.photo].into_iter().find_map(Fact::get);
        let none = self.face == Fact::Absent && self.photo == Fact::Absent;
        id.map(str::to_owned).or(none.then(String::new))
    }
}

impl Profiles {
    /// Nothing known yet.
    pub(crate) fn new(addresses: Arc<Addresses>, outward: Arc<Outward>) -> Self {
        let state = State {
            users: LruCache::new(USERS),
            greeted: LruCache::new(PAIRS),
            looks: Queue::default(),
            more: Queue::default(),
        };
        let (turns, looks, more) = (Turns::new(), Notify::new(), Notify::new());
        Self { addresses, outward, state: Mutex::new(state), turns, looks, more }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stanza is what a node of a user's tells, to a ghost; if so, note is taken of it.
    pub(crate) fn heard(&self, stanza: &Stanza, bridge: &Bridge) -> bool {
        let element = &stanza.element;
        // What says something besides is a message.
        let is_said = element.has_child("body", element.ns().as_str());
        if is_said || element.attr("type") == Some("error") {
            return false;
        }
        let Some(told) = read::event(element) else { return false };
        let Some((user, ghost)) = self.between(element, bridge) else { return true };
        // The account's own server speaks, and no client of it.
        if element.attr("from") != Some(user.id()) || !stanza.whole {
            return true;
        }
        let mut state = self.lock();
        let known = state.known(&user, &ghost);
        let (mut tell, mut look) = (false, false);
        for told in told {
            known.news = true;
            match told {
                Told::Name(name) => known.nick = Fact::of(name),
                Told::Face(face) => {
                    // The server turns one into the other, or the card is read.
                    known.photo = Fact::Unknown;
                    known.face = Fact::of(face);
                }
                Told::Something => look = true,
            }
            look |= known.nick == Fact::Absent || known.face == Fact::Absent;
            tell = true;
        }
        if tell && state.tell(&user) {
            self.more.notify_one();
        }
        drop(state);
        if look {
            self.look(&user, &ghost);
        }
        true
    }

    /// The user and the ghost between whom a stanza goes.
    fn between(&self, stanza: &Element, bridge: &Bridge) -> Option<(UserId, UserId)> {
        let user = self.addresses.canonical(stanza.attr("from")?).ok()?;
        let ghost = self.addresses.user_at(stanza.attr("to")?).ok();
        Some((user, ghost.filter(|ghost| bridge.knows(ghost))?))
    }

    /// A presence stanza from a user.
    pub(crate) fn present(&self, stanza: &Element, bridge: &Bridge) {
        let comes = match stanza.attr("type") {
            None => true,
            Some("subscribe" | "subscribed") => false,
            Some("unsubscribed") => {
                if let Some((user, ghost)) = self.between(stanza, bridge)
                    && let Some(known) = self.lock().users.get_mut(&user)
                    && known.ghost == Some(ghost)
                {
                    known.sees = false;
                }
                return;
            }
            Some(_) => return,
        };
        // Whoever takes a ghost for a room shows nothing.
        if stanza.has_child("x", ns::MUC) {
            return;
        }
        let Some((user, ghost)) = self.between(stanza, bridge) else { return };
        if comes {
            let mut state = self.lock();
            let known = state.known(&user, &ghost);
            if !known.sees {
                (known.ghost, known.sees) = (Some(ghost.clone()), true);
            }
        }
        self.says(read::nick(stanza), &user, &ghost);
        self.look(&user, &ghost);
        if comes {
            self.greets(ghost, user);
        }
    }

    /// A user wrote to a ghost.
    pub(crate) fn wrote(&self, nick: Option<String>, user: &UserId, ghost: &UserId) {
        self.says(nick, user, ghost);
        self.greets(ghost.clone(), user.clone());
        let looked = self.lock().known(user, ghost).looked;
        if looked.is_none_or(|looked| looked.elapsed() >= AGAIN) {
            self.look(user, ghost);
        }
    }

    /// Takes note of a name that stands beside what somebody says.
    fn says(&self, nick: Option<String>, user: &UserId, ghost: &UserId) {
        let Some(nick) = nick else { return };
        let mut state = self.lock();
        let known = state.known(user, ghost);
        let said = Fact::Is(nick);
        if known.said != said {
            known.said = said;
            if state.tell(user) {
                self.more.notify_one();
            }
        }
    }

    /// There is a reason to ask a user's server.
    fn look(&self, user: &UserId, ghost: &UserId) {
        let mut state = self.lock();
        let looked = state.known(user, ghost).looked;
        let due = looked.map_or_else(Instant::now, |looked| looked + BETWEEN);
        if state.looks.plan(Work::Job(Job::Look(user.clone())), due) {
            self.looks.notify_one();
        }
    }

    /// A user comes, to whom a ghost may have been shown: its server would say it again.
    fn greets(&self, ghost: UserId, user: UserId) {
        let mut state = self.lock();
        let pair = (ghost, user);
        if state.greeted.get(&pair).is_some_and(|greeted| greeted.elapsed() < GREETING) {
            return;
        }
        let (ghost, user) = pair.clone();
        if state.more.plan(Work::Job(Job::Greet(ghost, user)), Instant::now()) {
            state.greeted.put(pair, Instant::now());
            self.more.notify_one();
        }
    }

    /// Answers a question, once it is known how the ghost is shown.
    pub(crate) fn asked(&self, question: Question, answers: &mpsc::Sender<String>) {
        let work = Work::Answer(Box::new(question), answers.clone());
        if self.lock().more.plan(work, Instant::now()) {
            self.more.notify_one();
        } else {
            log!(ANSWER_DROPPED);
        }
    }

    /// Does what there is to do, until the daemon stops.
    pub(crate) async fn run(&self, bridge: &Bridge) {
        tokio::select! {
            _ = join_all((0..LOOKS).map(|_| self.work(&self.looks, |state| &mut state.looks, bridge))) => {}
            _ = join_all((0..AT_ONCE).map(|_| self.work(&self.more, |state| &mut state.more, bridge))) => {}
            () = bridge.stopping() => {}
        }
    }

    async fn work(&self, more: &Notify, queue: fn(&mut State) -> &mut Queue, bridge: &Bridge) {
        loop {
            let next = queue(&mut self.lock()).next();
            match next {
                Ok(work) => {
                    // Another one may have slept through it.
                    more.notify_one();
                    self.does(work, bridge).await;
                }
                Err(None) => more.notified().await,
                Err(Some(due)) => tokio::select! {
                    () = more.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    async fn does(&self, work: Work, bridge: &Bridge) {
        match work {
            Work::Job(Job::Look(user)) => {
                self.reads(&user, bridge.is_local(&user)).await;
                self.tells(&user, bridge).await;
            }
            Work::Job(Job::Tell(user)) => self.tells(&user, bridge).await,
            Work::Job(Job::Greet(ghost, user)) => {
                if let Ok(Some(shown)) = bridge.shown(&ghost, &user).await {
                    let events = write::events(&ghost, &user, &shown, &self.addresses);
                    for event in events.iter().flatten() {
                        self.outward.mention(event);
                    }
                }
            }
            Work::Answer(question, answers) => {
                let shown = match &question.asker {
                    Some(asker) => bridge.shown(&question.ghost, asker).await,
                    None => Ok(None),
                };
                let answer = match shown {
                    Ok(shown) => question.answer(shown.as_ref()),
                    Err(_) => {
                        failure::plain("iq", &question.envelope, "wait", "internal-server-error")
                    }
                };
                if answers.try_send(answer.to_wire()).is_err() {
                    log!(ANSWER_DROPPED);
                }
            }
        }
    }

    /// Reads what a user's server says. A card has the picture in it, which is not to be fetched of a
    /// stranger.
    async fn reads(&self, user: &UserId, is_local: bool) {
        let (began, ghost) = {
            let mut state = self.lock();
            let Some(known) = state.users.get_mut(user) else { return };
            let now = Instant::now();
            (known.looked, known.news) = (Some(now), false);
            (now, known.ghost.clone())
        };
        let Some(from) = ghost.and_then(|ghost| self.addresses.address_of(&ghost).ok()) else {
            return;
        };
        let nick = self.published(ANSWER, &from, user, ns::NICK, None).await;
        if matches!(nick, Err(DeliveryError::Unknown { .. })) {
            if let Some(known) = self.lock().users.get_mut(user) {
                known.looked = Some(Instant::now() + SILENT);
            }
            return;
        }
        let nick = nick.map(|item| Fact::of(item.as_ref().and_then(read::nick)));
        let face = self.published(ANSWER, &from, user, ns::AVATAR_METADATA, None).await;
        let face = face.map(|item| {
            let item = item.as_ref();
            let metadata = item.and_then(|item| item.get_child("metadata", ns::AVATAR_METADATA));
            Fact::of(metadata.and_then(read::face))
        });
        let is = |fact: &Result<Fact, _>| matches!(fact, Ok(Fact::Is(_)));
        let card = match (is(&nick), is(&face)) {
            (true, true) => None,
            _ if !is_local => None,
            _ => self.card(ANSWER, &from, user).await.ok(),
        };
        let mut state = self.lock();
        let Some(known) = state.users.get_mut(user) else { return };
        // What was told or read meanwhile is newer.
        if known.looked != Some(began) {
            return;
        }
        if let (true, Some(ghost)) = (known.news, known.ghost.clone()) {
            drop(state);
            self.look(user, &ghost);
            return;
        }
        if let Some(Card { name, photo }) = card {
            let named = Fact::of(name);
            if known.named != Fact::Unknown && known.named != named {
                // What was said before is old.
                known.said = Fact::Unknown;
            }
            known.named = named;
            known.photo = Fact::of(photo.map(|photo| read::id_of(&photo)));
        }
        // What is closed to the ghost is as it was, as far as is known.
        if let Ok(nick) = nick {
            known.nick = nick;
        }
        if let Ok(face) = face {
            known.face = face;
        }
    }

    /// Tells the daemon what it does not know of a user.
    async fn tells(&self, user: &UserId, bridge: &Bridge) {
        let _turn = self.turns.take(user).await;
        let (name, picture, ghost) = {
            let mut state = self.lock();
            let Some(known) = state.users.get_mut(user) else { return };
            known.told = Some(Instant::now());
            let name = known.name().filter(|name| known.told_name.as_ref() != Some(name));
            let picture = known.picture().filter(|id| known.told_face.as_ref() != Some(id));
            let has_one = known.picture().is_some_and(|id| !id.is_empty());
            let ghost = known.ghost.clone().filter(|_| has_one && known.noted != known.ghost);
            (name, picture, ghost)
        };
        let ghost = ghost.filter(|_| bridge.is_local(user));
        if let Some(memo) = ghost.as_ref().and_then(|ghost| self.memo(user, ghost))
            && bridge.remember(vec![memo]).await.is_ok()
            && let Some(known) = self.lock().users.get_mut(user)
        {
            known.noted = ghost;
        }
        if name.is_none() && picture.is_none() {
            return;
        }
        let mut change = ProfileChange::of(user.clone());
        change.name.clone_from(&name);
        let at = |id: String| if id.is_empty() { NewPicture::Gone } else { NewPicture::At(id) };
        change.picture = picture.clone().map(at);
        let taken = bridge.profile(change).await.is_ok();
        let mut state = self.lock();
        if !taken {
            state.more.plan(Work::Job(Job::Tell(user.clone())), Instant::now() + LATER);
        } else if let Some(known) = state.users.get_mut(user) {
            known.told_name = name.or(known.told_name.take());
            known.told_face = picture.or(known.told_face.take());
        }
    }

    /// What is written down of a ghost that may see a user's picture.
    fn memo(&self, user: &UserId, ghost: &UserId) -> Option<Memo> {
        let address = self.addresses.address_of(ghost).ok()?;
        Some(Memo::set(format!("{PREFIX}{}", user.id()), &address))
    }
}

impl State {
    /// Has the daemon told of a user, soon; whether somebody is to be woken for it.
    fn tell(&mut self, user: &UserId) -> bool {
        let told = self.users.get(user).and_then(|known| known.told);
        let now = Instant::now();
        let due = told.map_or(now, |told| now.max(told + BETWEEN));
        self.more.plan(Work::Job(Job::Tell(user.clone())), due)
    }

    /// What is known of a user, whom this ghost may ask about.
    fn known(&mut self, user: &UserId, ghost: &UserId) -> &mut Known {
        let known = self.users.get_or_insert_mut(user.clone(), Known::default);
        known.ghost.get_or_insert_with(|| ghost.clone());
        known
    }
}

impl Queue {
    /// Has something done; whether somebody is to be woken for it.
    fn plan(&mut self, work: Work, due: Instant) -> bool {
        if self.due.len() >= WAITING {
            return false;
        }
        if let Work::Job(job) = &work
            && !self.waiting.insert(job.clone())
        {
            return true;
        }
        self.count += 1;
        self.due.insert((due, self.count), work);
        true
    }

    /// What is due; or when something is.
    fn next(&mut self) -> Result<Work, Option<Instant>> {
        let Some(first) = self.due.first_entry() else { return Err(None) };
        let (due, _) = *first.key();
        if due > Instant::now() {
            return Err(Some(due));
        }
        let work = first.remove();
        if let Work::Job(job) = &work {
            self.waiting.remove(job);
        }
        Ok(work)
    }
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
