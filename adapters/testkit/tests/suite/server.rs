//! The line network: a server in memory that hands messages over until they are acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Mutex;

use drawbridge_adapter::{Code, Content, Kind, MuteFor, There};
use drawbridge_testkit::{Heard, Sample};
use tokio::sync::watch;

/// The bridge's own account.
pub(crate) const BRIDGE: &str = "bridge";

/// What opens Dora's settings.
pub(crate) const PASSWORD: &str = "open-sesame";

/// The only account of the network besides.
pub(crate) const DORA: &str = "dora";

#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) kind: Kind,
    pub(crate) act: Act,
}

/// What a frame does, with the ids of the messages that it is about.
#[derive(Clone)]
pub(crate) enum Act {
    Says,
    SaysBold,
    Replies(String),
    Threads(String),
    Edits(String),
    Retracts(String),
    Reacts(String),
    Sends(Content),
    SendsFile(Sample),
}

/// What Dora does in passing.
#[derive(Clone)]
pub(crate) enum Sign {
    Reads(String),
    Types(bool),
    Is(There),
}

/// What Dora's client shows of a message besides its text, by the message's id.
#[derive(Clone, PartialEq)]
pub(crate) enum Look {
    Bold(String),
    Answers(String, String),
    InThread(String, String),
    Edited(String, String),
    Gone(String),
    Read(String),
    Shows(Content),
    ShowsFile(Sample),
}

/// What is new about Dora herself.
#[derive(Clone)]
pub(crate) enum News {
    Name(String),
    Portrait(Option<usize>),
}

/// What Dora wants of somebody.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    Accept,
    Decline,
    Block,
    Unblock,
    Mute(MuteFor),
    Unmute,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) online: bool,
    /// Not yet acknowledged by the bridge, oldest first.
    pub(crate) waiting: VecDeque<Frame>,
    pub(crate) taken: Vec<Frame>,
    /// The ids of the frames whose files were read, each as often as that was.
    pub(crate) fetched: Vec<String>,
    /// What Dora has not heard yet, each with its id.
    pub(crate) shown: VecDeque<(String, Heard)>,
    pub(crate) looks: Vec<Look>,
    /// Reactions of others, by their ids: to which message, and what.
    pub(crate) reactions: BTreeMap<String, (String, String)>,
    /// Whether Carol is shown to write.
    pub(crate) typing: Option<bool>,
    /// How Carol is shown to be there.
    pub(crate) there: Option<There>,
    /// What Dora did in passing, and the bridge has not heard of.
    pub(crate) signs: VecDeque<Sign>,
    pub(crate) outcomes: VecDeque<(String, Code)>,
    /// What the bridge said in its own name.
    pub(crate) told: VecDeque<String>,
    /// Addresses of those who want to write.
    pub(crate) requests: VecDeque<String>,
    /// Dora's own answers to requests, and blocks, which the bridge has not heard of yet.
    pub(crate) gestures: VecDeque<(Wish, String)>,
    /// Dora's list of blocked addresses.
    pub(crate) blocked: HashSet<String>,
    /// The addresses whose chats make no noise for Dora.
    pub(crate) muted: HashSet<String>,
    /// Dora's folder, and the networks whose chats stand in it.
    pub(crate) folder: Option<(String, Vec<String>)>,
    /// What those who run the line were told of Dora: the ids of messages.
    pub(crate) reports: VecDeque<Vec<String>>,
    /// How Dora calls herself and looks now and then, and the bridge has not heard of: a name, or the
    /// number of a picture.
    pub(crate) news: VecDeque<News>,
    /// All pictures that Dora ever had.
    pub(crate) portraits: Vec<Vec<u8>>,
    /// The addresses with which Dora has a chat.
    pub(crate) chats: HashSet<String>,
    /// How others are shown to Dora, by their addresses: names, and pictures.
    pub(crate) names: HashMap<String, String>,
    pub(crate) faces: HashMap<String, Vec<u8>>,
    /// How many messages are on their way to Dora, and how many profiles came meanwhile.
    pub(crate) under_way: (usize, usize),
    pub(crate) seen: HashSet<String>,
    count: u64,
}

pub(crate) struct Server {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let state = State { online: true, ..State::default() };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        done
    }

    /// Waits until `found` finds something. Changes nothing else: `found` may take it.
    pub(crate) async fn wait<T>(&self, mut found: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = found(&mut self.state.lock().unwrap()) {
                return found;
            }
            changed.changed().await.unwrap();
        }
    }

    /// Dora sends something.
    pub(crate) fn send(&self, to: &str, text: &str, kind: Kind, act: Act) -> Frame {
        self.with(|state| {
            state.count += 1;
            let id = format!("line-{}", state.count);
            let (to, text) = (to.to_owned(), text.to_owned());
            let frame = Frame { id, to, text, kind, act };
            state.waiting.push_back(frame.clone());
            frame
        })
    }

    pub(crate) fn acknowledge(&self, frames: &[Frame]) {
        self.with(|state| {
            for done in frames {
                // One at a time: what is handed over again stands behind the first, by its id.
                let at = state.waiting.iter().position(|frame| frame.id == done.id);
                state.taken.extend(at.and_then(|at| state.waiting.remove(at)));
            }
        });
    }

    /// Tells Dora something in the bridge's own name, once for each id.
    pub(crate) fn tell(&self, id: &str, text: String) {
        self.with(|state| {
            if state.seen.insert(id.to_owned()) {
                state.told.push_back(text);
            }
        });
    }

    /// Tells those who run the line of something that Dora said, once for each id.
    pub(crate) fn report(&self, id: &str, messages: Vec<String>) {
        self.with(|state| {
            if state.seen.insert(id.to_owned()) {
                state.reports.push_back(messages);
            }
        });
    }

    /// Shows a message to Dora, once for each id.
    pub(crate) fn show(&self, id: &str, from: String, text: String) {
        self.with(|state| {
            if state.seen.insert(id.to_owned()) {
                state.shown.push_back((id.to_owned(), Heard { from, text }));
            }
        });
    }
}
