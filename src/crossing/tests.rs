//! The crossing between two networks whose adapters do as the test says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod blocks;
mod choices;
mod fake;
mod files;
mod operator;
mod outliving;
mod profiles;
mod refer;
mod requests;
mod things;

use std::future::Future;

use drawbridge_adapter::{
    Answer, Code, Command, Content, Delivery, DeliveryError, Destination, Emojis, Event, EventId,
    Kind, Marks, Party, Refusal, Repeats, ReplyPath, Signal, State, StatusNeeds, Text, Timestamp,
    Unavailable,
};
use tempfile::TempDir;

use super::*;
use fake::{Fake, Next};

/// Two networks and what lies between them.
struct Town {
    crossing: Arc<Crossing>,
    left: Arc<Fake>,
    right: Arc<Fake>,
    said: u64,
}

/// How much of files may lie on disk.
const SPOOL: u64 = 64 << 20;

fn limits() -> Limits {
    Limits {
        queue: 1000,
        expire_after: Duration::from_hours(1),
        pending_after: Duration::from_hours(1),
        keep_ids: Duration::from_hours(90 * 24),
        max_file: 16 << 20,
        rates: Rates::FREE,
    }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn setup(fake: &Arc<Fake>, role: Role) -> NetworkSetup {
    NetworkSetup {
        id: fake.network.clone(),
        role,
        rules: watch::Sender::default(),
        adapter: Arc::clone(fake) as _,
        addressing: Arc::clone(fake) as _,
    }
}

impl Town {
    async fn open(dir: &TempDir, limits: Limits, needs: StatusNeeds) -> Self {
        Self::open_between(dir, limits, needs, [Role::Home, Role::Home]).await
    }

    async fn open_between(
        dir: &TempDir,
        limits: Limits,
        needs: StatusNeeds,
        [left_role, right_role]: [Role; 2],
    ) -> Self {
        let (left, right) = (Fake::new("left", needs), Fake::new("right", needs));
        let setups = vec![setup(&left, left_role), setup(&right, right_role)];
        let crossing = Crossing::open(dir.path(), setups, limits, SPOOL).await.unwrap();
        crossing.start();
        let town = Self { crossing, left, right, said: 0 };
        town.connects("left");
        town.connects("right");
        town
    }

    fn bridge(&self, network: &str) -> Bridge {
        let mut adapters = self.crossing.adapters().into_iter();
        adapters.find(|(id, _, _)| id.as_str() == network).unwrap().2
    }

    fn connects(&self, network: &str) {
        self.bridge(network).report(Connection::Up);
    }

    fn loses(&self, network: &str) {
        self.bridge(network).report(Connection::Down { why: "the test cut it" });
    }

    fn event(&mut self, from: &str, to: &str, body: &str) -> Event {
        self.said += 1;
        Event {
            id: EventId::new(format!("${}", self.said)).unwrap(),
            repeats: Repeats::Always,
            sender: Party { user: from.parse().unwrap(), name: Some("A\u{202e}nn".to_owned()) },
            to: Destination::Direct(to.parse().unwrap()),
            sent_at: Timestamp(self.said.try_into().unwrap()),
            content: Content::text(body),
            reply: None,
            marks: Marks::default(),
            reply_path: ReplyPath::default(),
        }
    }

    async fn says(&mut self, from: &str, to: &str, body: &str) -> Answer {
        let event = self.event(from, to, body);
        let network = event.sender.user.network().as_str().to_owned();
        self.bridge(&network).accept(vec![event]).await.unwrap()[0].answer
    }

    /// Until nothing is under way, with the memory that this leaves.
    async fn rests(&self) {
        let resting = |id: &str| {
            let network = &self.crossing.networks[&NetworkId::new(id).unwrap()];
            network.lanes.len() == 0 && network.depth.load(Ordering::Relaxed) == 0
        };
        until(|| resting("left") && resting("right")).await;
    }

    async fn ends(self) {
        self.crossing.stop_delivering(Duration::from_secs(5)).await;
        self.crossing.stop_intake();
        self.crossing.close().await.unwrap();
    }
}

async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

fn not_taken(code: Code) -> DeliveryError {
    DeliveryError::Refused { refusal: code.into(), why: "as the test says" }
}

fn refused(code: Code) -> State {
    State::FailedPermanent(code.into())
}

#[tokio::test]
async fn texts_cross_in_order_and_leave_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let said: Vec<String> = (0..50).map(|n| format!("text {n}")).collect();
    for text in &said {
        assert_eq!(town.says("left:ann", "right:bob", text).await, Answer::Accepted);
    }
    town.right.hears(&said.iter().map(String::as_str).collect::<Vec<_>>()).await;
    town.rests().await;
    let heard = town.right.heard.lock().unwrap()[0].clone();
    let Command::Message(message) = heard.command else { panic!("a message") };
    assert_eq!(message.from.name.as_deref(), Some("Ann"));
    town.left.until(|left| *left.signals.lock().unwrap() == 50).await;
    assert_eq!(town.left.states(), []);
}

#[tokio::test]
async fn two_equal_texts_are_two_and_a_repeat_is_none() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let event = town.event("left:ann", "right:bob", "ok");
    let bridge = town.bridge("left");
    let first = bridge.accept(vec![event.clone()]).await.unwrap();
    let repeat = bridge.accept(vec![event]).await.unwrap();
    assert_eq!((first[0].repeat, repeat[0].repeat), (false, true));
    town.says("left:ann", "right:bob", "ok").await;
    town.says("left:ann", "right:bob", "end").await;
    town.right.hears(&["ok", "ok", "end"]).await;
}

#[tokio::test]
async fn a_refusal_at_the_door_reaches_the_sender_once() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let unknown = Answer::Refused(Code::NotReachable.into());
    for nobody in ["right:Bob", "nowhere:bob", "left:bob"] {
        assert_eq!(town.says("left:ann", nobody, "hi").await, unknown);
    }
    let mut event = town.event("left:ann", "right:bob", "hi");
    event.content = Content::Unsupported { kind: Kind::Poll };
    let bridge = town.bridge("left");
    bridge.accept(vec![event.clone()]).await.unwrap();
    bridge.accept(vec![event]).await.unwrap();
    town.left.until(|left| left.states().len() == 4).await;
    let states = town.left.states();
    assert_eq!(states.iter().filter(|state| **state == refused(Code::NotReachable)).count(), 3);
    assert!(states.contains(&refused(Code::UnsupportedKind(Kind::Poll))));
    town.rests().await;
    assert_eq!(town.right.texts().len(), 0);
}

#[tokio::test]
async fn a_bad_event_harms_no_neighbour() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let good = [town.event("left:ann", "right:bob", "1"), town.event("left:ann", "right:bob", "2")];
    let mut long = town.event("left:ann", "right:bob", "bad");
    long.reply_path = ReplyPath("x".repeat(ReplyPath::MAX + 1));
    let foreign = town.event("right:bob", "right:bob", "bad");
    let [first, last] = good;
    let answers = town.bridge("left").accept(vec![first, long, foreign, last]).await.unwrap();
    let malformed = Answer::Refused(Code::Malformed.into());
    let expected = [Answer::Accepted, malformed, malformed, Answer::Accepted];
    assert_eq!(answers.iter().map(|a| a.answer).collect::<Vec<_>>(), expected);
    town.right.hears(&["1", "2"]).await;
}

#[tokio::test]
async fn a_retry_never_overtakes_and_keeps_its_key() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let after = Some(Duration::from_millis(1500));
    town.right.fails(DeliveryError::Retry { after, why: "busy" });
    town.right.fails(DeliveryError::Unknown { why: "who knows" });
    let started = tokio::time::Instant::now();
    for text in ["1", "2", "3"] {
        town.says("left:ann", "right:bob", text).await;
    }
    town.says("left:eve", "right:bob", "meanwhile").await;
    town.right.until(|right| right.texts().len() == 4).await;
    let mut texts = town.right.texts();
    texts.retain(|text| text != "meanwhile");
    assert_eq!(texts, ["1", "2", "3"]);
    assert!(started.elapsed() >= Duration::from_millis(1500));
    let heard = town.right.heard.lock().unwrap().clone();
    assert!(heard.iter().any(|delivery| delivery.attempt == 3));
}

#[tokio::test]
async fn what_a_network_had_no_time_for_comes_next() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    let said: Vec<String> = (1..=9).map(|n| n.to_string()).collect();
    for text in &said {
        town.says("left:ann", "right:bob", text).await;
    }
    town.right.next(Next::Ends);
    town.connects("right");
    town.right.hears(&said.iter().map(String::as_str).collect::<Vec<_>>()).await;
    town.rests().await;
}

#[tokio::test]
async fn a_refusal_by_the_target_stops_nobody_and_is_told() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.fails(DeliveryError::Refused { refusal: Code::Forbidden.into(), why: "no" });
    town.says("left:ann", "right:bob", "1").await;
    town.says("left:ann", "right:bob", "2").await;
    town.right.hears(&["2"]).await;
    town.left.learns(&[refused(Code::Forbidden)]).await;
}

#[tokio::test]
async fn a_panic_is_the_conversations_own() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.next(Next::Panics);
    town.says("left:ann", "right:bob", "1").await;
    town.says("left:ann", "right:bob", "2").await;
    town.right.hears(&["1", "2"]).await;
    town.rests().await;
}

#[tokio::test]
async fn who_wants_durable_outcomes_gets_them() {
    let dir = TempDir::new().unwrap();
    let needs = StatusNeeds { accepted: true, pending: false };
    let mut town = Town::open(&dir, limits(), needs).await;
    town.says("left:ann", "right:bob", "hi").await;
    town.left.learns(&[State::Accepted]).await;
    town.rests().await;
    assert_eq!(*town.left.signals.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_network_that_is_down_fills_the_disk_up_to_its_limit() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, Limits { queue: 3, ..limits() }, StatusNeeds::default()).await;
    town.loses("right");
    for text in ["1", "2", "3"] {
        assert_eq!(town.says("left:ann", "right:bob", text).await, Answer::Accepted);
    }
    let full = Answer::Refused(Code::NetworkUnreachable.into());
    assert_eq!(town.says("left:ann", "right:bob", "4").await, full);
    town.left.learns(&[State::FailedRetriable(Code::NetworkUnreachable.into())]).await;
    assert_eq!(town.right.texts().len(), 0);
    town.connects("right");
    town.right.hears(&["1", "2", "3"]).await;
    town.rests().await;
    assert_eq!(town.says("left:ann", "right:bob", "5").await, Answer::Accepted);
}

#[tokio::test]
async fn what_the_operator_changes_holds_from_the_next_message_on() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    assert_eq!(town.says("left:ann", "right:bob", "before").await, Answer::Accepted);
    let policy = Policy { denied: [Kind::Text].into(), ..Policy::default() };
    let rules = NetworkRules { policy, ..NetworkRules::default() };
    let right = NetworkId::new("right").unwrap();
    town.crossing.change(limits(), vec![(right.clone(), rules)]);
    let denied = Answer::Refused(Code::UnsupportedKind(Kind::Text).into());
    assert_eq!(town.says("left:ann", "right:bob", "denied").await, denied);
    let none = Limits { queue: 0, ..limits() };
    town.crossing.change(none, vec![(right, NetworkRules::default())]);
    let event = town.event("left:ann", "right:bob", "no room");
    let answer = town.bridge("left").accept(vec![event]).await;
    assert_eq!(answer.unwrap_err(), Unavailable::Full);
    town.right.hears(&["before"]).await;
}

#[tokio::test]
async fn a_source_that_takes_no_statuses_is_held_back() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, Limits { queue: 2, ..limits() }, StatusNeeds::default()).await;
    town.loses("left");
    town.says("left:ann", "nowhere:bob", "1").await;
    town.says("left:ann", "nowhere:bob", "2").await;
    let event = town.event("left:ann", "right:bob", "3");
    let answer = town.bridge("left").accept(vec![event]).await;
    assert_eq!(answer.unwrap_err(), Unavailable::Full);
}

#[tokio::test]
async fn a_sender_learns_that_a_message_waits_and_that_it_expired() {
    let dir = TempDir::new().unwrap();
    let needs = StatusNeeds { accepted: false, pending: true };
    let short = Limits {
        expire_after: Duration::from_secs(2),
        pending_after: Duration::from_millis(100),
        ..limits()
    };
    let mut town = Town::open(&dir, short, needs).await;
    town.loses("right");
    town.says("left:ann", "right:bob", "1").await;
    town.left.learns(&[State::Pending]).await;
    town.left.learns(&[State::Pending, refused(Code::Expired)]).await;
    town.connects("right");
    town.rests().await;
    assert_eq!(town.right.texts().len(), 0);
}
