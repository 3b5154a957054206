//! One connection, from the handshake to its end: a reader that gives stanzas their meaning, and
//! the one writer.

use std::time::Duration;

use drawbridge_adapter::{Addressing, Bridge, Code, Destination, Event, Gesture, Tag, log};
use minidom::Element;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::Addresses;
use crate::bounces::Bounce;
use crate::command::{self, Asked};
use crate::failure::{self, Envelope};
use crate::fleeting::Fleeting;
use crate::folders::Folders;
use crate::gestures::Shown;
use crate::intake::Inlet;
use crate::link;
use crate::lists::Lists;
use crate::log::{ANSWER_DROPPED, REFUSAL_UNTOLD, STANZA_IGNORED, STANZA_REFUSED, STREAM_CLOSED};
use crate::message::{self, Heard, Lately};
use crate::ns;
use crate::outward::Outward;
use crate::presence;
use crate::privilege::{self, Grants};
use crate::profile::{Profiles, read, write};
use crate::query::{self, Reply};
use crate::reports::Reports;
use crate::stream::{ReadError, Stanza, StanzaReader};
use crate::uploads::Uploads;
use crate::xml::Xml;

/// How long the server may be silent before it is asked, and then before it is given up.
const SILENCE: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(20);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(30);
/// How long is read on, after we closed the stream or could no longer write.
const GOODBYE: Duration = Duration::from_secs(4);
/// How many answers to requests may wait for the writer; a flood of requests gets no more.
const ANSWERS: usize = 256;
/// How much is put together for one write, in bytes.
const TOGETHER: usize = 64 * 1024;

/// How a session ended.
pub(crate) enum Ending {
    /// The daemon stops; the stream was closed in order, or the server did not care to.
    Stopped,
    /// The connection is gone.
    Lost(&'static str),
}

/// One connection.
pub(crate) struct Session<'a, R, W> {
    pub(crate) reader: StanzaReader<R>,
    pub(crate) write: W,
    pub(crate) addresses: &'a Addresses,
    pub(crate) outward: &'a Outward,
    pub(crate) lists: &'a Lists,
    pub(crate) folders: &'a Folders,
    pub(crate) fleeting: &'a Fleeting,
    pub(crate) grants: &'a Grants,
    pub(crate) reports: &'a Reports,
    pub(crate) uploads: &'a Uploads,
    pub(crate) profiles: &'a Profiles,
    pub(crate) lately: &'a Lately,
    pub(crate) bridge: &'a Bridge,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<'_, R, W> {
    /// Until the connection is gone, or the daemon stops.
    pub(crate) async fn run(self, inlet: &Inlet) -> Ending {
        self.grants.clear();
        self.lists.connected();
        self.folders.connected();
        let outgoing = self.outward.open(self.bridge.random());
        let (answers, answering) = mpsc::channel(ANSWERS);
        self.outward.lend(answers.clone());
        self.uploads.connected();
        let (stop, stopped) = oneshot::channel();
        let mut reading = Reading {
            reader: self.reader,
            addresses: self.addresses,
            outward: self.outward,
            lists: self.lists,
            folders: self.folders,
            fleeting: self.fleeting,
            grants: self.grants,
            reports: self.reports,
            profiles: self.profiles,
            lately: self.lately,
            bridge: self.bridge,
            inlet,
            answers,
        };
        let (enough, reading_ends) = oneshot::channel();
        let mut enough = Some(enough);
        let mut stop = Some(stop);
        let mut broken = None;
        let mut last = Instant::now();
        let ending = {
            let reading = reading.run(reading_ends);
            let writing = write_all(self.write, outgoing, answering, stopped);
            tokio::pin!(reading, writing);
            // Kept open: with the end of our half Prosody 0.12 would drop what it has not written.
            let mut half = None;
            loop {
                let ends = stop.is_none() || broken.is_some();
                tokio::select! {
                    why = &mut reading => break broken.unwrap_or(why),
                    outcome = &mut writing, if half.is_none() && broken.is_none() => match outcome {
                        Ok(write) => half = Some(write),
                        Err(why) => {
                            // What the server wrote before is there to be read all the same.
                            self.outward.lose();
                            (broken, last) = (Some(why), Instant::now() + GOODBYE);
                        }
                    },
                    () = self.bridge.stopping(), if stop.is_some() => {
                        let farewell = self.fleeting.availability.farewell(self.addresses);
                        // What the server still has for us comes before its own goodbye.
                        self.outward.close();
                        last = Instant::now() + GOODBYE;
                        if let Some(stop) = stop.take() {
                            let _ = stop.send(farewell.iter().map(Xml::to_wire).collect());
                        }
                    }
                    // Not by dropping the reader: it may hold a message that is being handed over.
                    () = sleep_until(last), if ends && enough.is_some() => enough = None,
                }
            }
        };
        self.outward.lose();
        self.fleeting.availability.lost(self.bridge);
        if stop.is_none() {
            log!(STREAM_CLOSED, why = ending);
            return Ending::Stopped;
        }
        Ending::Lost(ending)
    }
}

struct Reading<'a, R> {
    reader: StanzaReader<R>,
    addresses: &'a Addresses,
    outward: &'a Outward,
    lists: &'a Lists,
    folders: &'a Folders,
    fleeting: &'a Fleeting,
    grants: &'a Grants,
    reports: &'a Reports,
    profiles: &'a Profiles,
    lately: &'a Lately,
    bridge: &'a Bridge,
    inlet: &'a Inlet,
    answers: mpsc::Sender<String>,
}

impl<R: AsyncRead + Unpin> Reading<'_, R> {
    /// Until there is nothing more to read, or the other end of `enough` is gone: why.
    async fn run(&mut self, mut enough: oneshot::Receiver<()>) -> &'static str {
        let mut asked = false;
        loop {
            let patience = if asked { ANSWER } else { SILENCE };
            let next = tokio::select! {
                biased;
                _ = &mut enough => return "the server did not close",
                next = timeout(patience, self.reader.next()) => next,
            };
            match next {
                Ok(Ok(Some(stanza))) => {
                    asked = false;
                    if let Some(why) = self.take(stanza).await {
                        return why;
                    }
                }
                Ok(Ok(None)) => return "the server closed the stream",
                Ok(Err(ReadError::NotXml)) => {
                    return "the server sent what is no XML";
                }
                Ok(Err(ReadError::Io)) => return "the connection broke",
                Err(_) if asked => return "the server stopped answering",
                Err(_) => {
                    asked = true;
                    self.say(self.outward.sign_of_life());
                }
            }
        }
    }

    /// Gives one stanza its meaning; why the stream ends, if it does.
    async fn take(&mut self, stanza: Stanza) -> Option<&'static str> {
        if stanza.element.is("error", ns::STREAM) {
            return Some(link::refusal(&stanza.element));
        }
        // An answer from anywhere else would be a forgery, for which servers end the stream.
        if domain(stanza.element.attr("to").unwrap_or_default()) != self.addresses.component() {
            log!(STANZA_IGNORED, what = "not to this domain");
            return None;
        }
        match stanza.element.name() {
            "message" => self.take_message(stanza).await,
            "presence" => self.take_presence(&stanza.element),
            "iq" => self.take_query(stanza).await,
            _ => log!(STANZA_IGNORED, what = "not a stanza"),
        }
        None
    }

    fn take_presence(&mut self, stanza: &Element) {
        if let Some(user) = presence::shown(stanza, self.addresses) {
            self.lists.look(&user);
            self.folders.look(&user);
        }
        let availability = &self.fleeting.availability;
        let is_answer = availability.is_answer(stanza, self.addresses, self.bridge);
        let answers = presence::answers(stanza, self.addresses, availability, self.bridge);
        availability.heard(stanza, self.addresses, self.bridge);
        let answers: Vec<_> = answers.iter().map(Xml::to_wire).collect();
        let gesture = presence::gesture(stanza, self.addresses, self.bridge);
        self.profiles.present(stanza, self.bridge);
        match gesture.filter(|_| !is_answer) {
            // It is confirmed once it is durable.
            Some((by, gesture)) => {
                if let Gesture::Accept(other) = &gesture {
                    self.folders.met(&by, other);
                }
                let answer_to = self.answers.clone();
                self.inlet.shown(Shown { by, gesture, answers, answer_to }, self.bridge);
            }
            None => answers.into_iter().for_each(|answer| self.say(answer)),
        }
        self.announce(stanza);
    }

    /// Whoever shows presence to a ghost, or was answered with its own, is told what it wants to be told.
    fn announce(&self, stanza: &Element) {
        if !matches!(stanza.attr("type"), None | Some("probe" | "subscribe" | "unsubscribe")) {
            return;
        }
        let user = stanza.attr("from").and_then(|from| self.addresses.canonical(from).ok());
        let ghost = stanza.attr("to").and_then(|to| self.addresses.user_at(to).ok());
        if let Some((user, ghost)) = user.zip(ghost)
            && self.fleeting.availability.sees(&ghost, &user)
            && let Some(stanza) = write::announce(&ghost, &user, self.addresses)
        {
            self.outward.mention(&stanza);
        }
    }

    async fn take_query(&mut self, stanza: Stanza) {
        let Some(stanza) = self.outward.informed(stanza) else { return };
        if self.outward.answered(&stanza.element) {
            return;
        }
        match command::take(&stanza, self.addresses, self.bridge) {
            Some(Asked::Event(event, envelope)) => self.hand_over("iq", *event, &envelope).await,
            Some(Asked::Answer(answer)) => self.answer(&answer),
            None => match query::answer(&stanza.element, self.addresses, self.bridge) {
                Some(Reply::Now(answer)) => self.answer(&answer),
                Some(Reply::OfProfile(question)) => {
                    self.profiles.asked(question, &self.answers);
                }
                None => {}
            },
        }
    }

    /// An event that came as a stanza of the kind `name`.
    async fn hand_over(&mut self, name: &'static str, event: Event, envelope: &Envelope) {
        let msg = self.bridge.tag_event(&event.id);
        self.lists.wrote(&event.sender.user);
        if let Err(code) = self.inlet.put(event).await {
            self.refuse(name, envelope, Some(msg), code, true).await;
        }
    }

    async fn take_message(&mut self, stanza: Stanza) {
        if let Some((domain, grant)) = privilege::granted(&stanza.element) {
            // Anybody's server can say so, and none but the operator's own is asked anything.
            if privilege::is_own(&domain, self.addresses, self.bridge) {
                self.grants.put(domain, grant);
                self.lists.granted();
            } else {
                log!(STANZA_IGNORED, what = "another server says what the bridge may do");
            }
            return;
        }
        if self.profiles.heard(&stanza, self.bridge) {
            return;
        }
        let nick = read::nick(&stanza.element);
        match message::read(stanza, self.addresses, self.lately, self.bridge) {
            Heard::Event(event, envelope, asks) => {
                self.fleeting.wrote(&event, &envelope.from, asks, self.bridge);
                if let Destination::Direct(to) = &event.to {
                    let (by, availability) = (&event.sender.user, &self.fleeting.availability);
                    let says = |probe: &Xml| self.outward.mention(probe);
                    availability.wonders(to, by, self.addresses, says);
                    self.profiles.wrote(nick, by, to);
                }
                self.hand_over("message", *event, &envelope).await;
            }
            Heard::Passing(all) => {
                for passing in all {
                    self.fleeting.passed(passing, self.bridge);
                }
            }
            Heard::Refused(envelope, code) => {
                let msg = envelope.tag(self.bridge);
                self.refuse("message", &envelope, msg, code, false).await;
            }
            Heard::Bounced(element) => {
                if self.outward.bounced(&element) || self.reports.came_back(&element) {
                    return;
                }
                let Some(bounce) = Bounce::of(&element, self.addresses) else {
                    log!(STANZA_IGNORED, what = "an error about no message of ours");
                    return;
                };
                self.inlet.bounced(bounce, self.bridge);
            }
            Heard::Nothing(what) => log!(STANZA_IGNORED, what),
        }
    }

    fn answer(&mut self, answer: &Xml) {
        self.say(answer.to_wire());
    }

    /// Tells the sender that a message ends here, waiting for room among the answers.
    async fn refuse(
        &mut self,
        name: &'static str,
        envelope: &Envelope,
        msg: Option<Tag>,
        code: Code,
        retriable: bool,
    ) {
        let msg = msg.map(log::display);
        log!(STANZA_REFUSED, msg, outcome = %code);
        let wire = failure::refuse(name, envelope, code.into(), retriable).to_wire();
        if self.answers.send(wire).await.is_err() {
            log!(REFUSAL_UNTOLD, msg);
        }
    }

    /// Answers are dropped when too many wait: whoever asks so much can ask again.
    fn say(&mut self, wire: String) {
        if self.answers.try_send(wire).is_err() {
            log!(ANSWER_DROPPED);
        }
    }
}

/// The domain of a JID that need not be one.
fn domain(jid: &str) -> &str {
    let bare = jid.split('/').next().unwrap_or_default();
    bare.rsplit('@').next().unwrap_or_default()
}

/// Writes what there is, until it is told to close the stream, and what to say before that; gives the
/// half-connection back.
async fn write_all<W: AsyncWrite + Unpin>(
    mut write: W,
    mut outgoing: mpsc::Receiver<String>,
    mut answers: mpsc::Receiver<String>,
    mut stopped: oneshot::Receiver<String>,
) -> Result<W, &'static str> {
    let mut stopping = None;
    while stopping.is_none() {
        let mut together = tokio::select! {
            farewell = &mut stopped => {
                stopping = Some(farewell.unwrap_or_default());
                String::new()
            }
            Some(wire) = answers.recv() => wire,
            Some(wire) = outgoing.recv() => wire,
        };
        while together.len() < TOGETHER || stopping.is_some() {
            match outgoing.try_recv().or_else(|_| answers.try_recv()) {
                Ok(wire) => together.push_str(&wire),
                Err(_) => break,
            }
        }
        if let Some(farewell) = &stopping {
            together.push_str(farewell);
            together.push_str("</stream:stream>");
        }
        let writing = async {
            write.write_all(together.as_bytes()).await?;
            write.flush().await
        };
        match timeout(WRITE, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err("the connection broke"),
            Err(_) => return Err("the server takes nothing more"),
        }
    }
    Ok(write)
}
