//! What must be true of the store whatever happens to the process around it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod settle;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawbridge_adapter::{
    Answer, Code, Content, Kind, Message, Party, Repeats, ReplyPath, Tag, Text, UserId,
};
use tempfile::TempDir;

use super::*;
use crate::gate::Strictness;

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), b"salt", Box::new(|_| ())).unwrap()
}

fn network(id: &str) -> NetworkId {
    NetworkId::new(id).unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn text_row(body: &str, at: i64) -> NewRow {
    let source = Source {
        network: network("matrix"),
        event: EventId::new("$1").unwrap(),
        reply_path: ReplyPath::default(),
        about: None,
        thread: None,
        kind: Kind::Text,
        waited: false,
    };
    let message = Message {
        from: Party { user: user("matrix:alice"), name: None },
        to: user("xmpp:bob"),
        content: Content::text(body),
        reply: None,
        sent_at: Timestamp(at),
        words: None,
        silent: false,
    };
    NewRow {
        network: network("xmpp"),
        lane: "alice bob".to_owned(),
        key: "00".to_owned(),
        at: Timestamp(at),
        payload: Payload::Message { message, source },
    }
}

fn text(event: &str, body: &str, at: i64) -> Admission {
    Admission {
        network: network("matrix"),
        event: EventId::new(event).unwrap(),
        tag: Tag::of(b"salt", &[event]),
        repeats: Repeats::Always,
        sent_at: Timestamp(at),
        at: Timestamp(at),
        answer: Answer::Accepted,
        rows: vec![text_row(body, at)],
        hold: None,
        people: Vec::new(),
        pair: 0,
        reacting: None,
        retracts: None,
    }
}

async fn waiting(store: &Store) -> Vec<Row> {
    store.window(&network("xmpp"), "alice bob", 0, 64).await.unwrap().rows
}

fn bodies(rows: &[Row]) -> Vec<String> {
    let body = |row: &Row| match &row.payload {
        Payload::Message {
            message: Message { content: Content::Text(Text { body, .. }), .. },
            ..
        } => body.clone(),
        _ => String::new(),
    };
    rows.iter().map(body).collect()
}

fn delivered(row: &Row) -> Settlement {
    Settlement {
        seq: row.seq,
        chunk: row.chunk,
        inbox: row.inbox,
        network: row.network.clone(),
        fate: Fate::Delivered { id: None, reacted: None },
        tell: None,
        only_after_pending: false,
        undo: None,
        met: None,
    }
}

#[tokio::test]
async fn what_was_admitted_is_there_after_a_crash_in_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let admitted = store.admit(vec![text("$1", "one", 1), text("$2", "two", 2)]).await.unwrap();
    assert!(admitted.iter().all(|admitted| !admitted.repeat));
    // No close: what a killed process leaves behind.
    drop(store);
    let store = open(&dir);
    let rows = waiting(&store).await;
    assert_eq!(bodies(&rows), ["one", "two"]);
    assert!(store.is_inherited(&rows[0]));
    store.admit(vec![text("$3", "three", 3)]).await.unwrap();
    assert!(!store.is_inherited(&waiting(&store).await[2]));
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let refused =
        Admission { answer: Answer::Refused(Code::Forbidden.into()), ..text("$2", "", 1) };
    store.admit(vec![text("$1", "one", 1), text("$1", "one", 1), refused]).await.unwrap();
    let again = store.admit(vec![text("$2", "now it would cross", 9)]).await.unwrap();
    let first = Admitted { answer: Answer::Refused(Code::Forbidden.into()), repeat: true };
    assert_eq!(again, [first]);
    assert_eq!(waiting(&store).await.len(), 2);
}

#[tokio::test]
async fn an_id_comes_free_after_its_window() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let windowed = |at| Admission {
        repeats: Repeats::Within(Duration::from_millis(100)),
        ..text("chosen", "ok", at)
    };
    // The last one: the clock was set back, over the edge of a window.
    let moments = [(0, false), (100, true), (101, false), (150, true), (202, false), (199, true)];
    for (at, repeat) in moments {
        assert_eq!(store.admit(vec![windowed(at)]).await.unwrap()[0].repeat, repeat, "at {at}");
    }
    assert_eq!(waiting(&store).await.len(), 3);
}

#[tokio::test]
async fn an_id_is_free_for_another_try_after_a_failure() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let chosen = |at| Admission {
        repeats: Repeats::Within(Duration::from_mins(10)),
        ..text("chosen", "ok", at)
    };
    let refused =
        |at| Admission { answer: Answer::Refused(Code::NetworkUnreachable.into()), ..chosen(at) };
    store.admit(vec![refused(1)]).await.unwrap();
    assert!(!store.admit(vec![chosen(2)]).await.unwrap()[0].repeat);
    assert!(store.admit(vec![chosen(3)]).await.unwrap()[0].repeat);
    let row = waiting(&store).await.remove(1);
    let failed = Settlement { fate: Fate::Failed(Code::Expired.into()), ..delivered(&row) };
    store.settle(vec![failed]).await.unwrap();
    assert!(!store.admit(vec![chosen(4)]).await.unwrap()[0].repeat);
}

#[tokio::test]
async fn a_job_that_cannot_be_written_harms_no_neighbour() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir));
    // Somebody else holds the database for longer than the writer waits for.
    let other = rusqlite::Connection::open(dir.path().join("drawbridge.sqlite3")).unwrap();
    store.admit(vec![text("$0", "zero", 0)]).await.unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = store.admit(vec![text("$1", "one", 1)]).await;
    assert!(matches!(failed, Err(StoreError::NotCommitted)));
    assert!(store.writes().failing_since.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(!store.admit(vec![text("$1", "one", 1)]).await.unwrap()[0].repeat);
    let writes = store.writes();
    assert_eq!((writes.failing_since, writes.failures, writes.jobs.count), (None, 1, 3));
    assert_eq!(bodies(&waiting(&store).await), ["zero", "one"]);
}

#[tokio::test]
async fn a_row_that_was_damaged_holds_nothing_up() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for (event, body) in [("$1", "one"), ("$2", "two")] {
        store.admit(vec![text(event, body, 1)]).await.unwrap();
    }
    let other = rusqlite::Connection::open(dir.path().join("drawbridge.sqlite3")).unwrap();
    other.execute("UPDATE outbox SET payload = '{' WHERE seq = 1", []).unwrap();
    assert_eq!(bodies(&waiting(&store).await), ["two"]);
    assert_eq!(store.oldest(0, Timestamp(9), 64).await.unwrap().len(), 1);
    // Nor what is forgotten: at last it goes too.
    assert_eq!(store.depth(&network("xmpp")).await.unwrap(), 2);
    let row = waiting(&store).await.remove(0);
    store.settle(vec![delivered(&row)]).await.unwrap();
    assert_eq!(store.forget(Timestamp(99)).await.unwrap(), 2);
    assert_eq!(store.depth(&network("xmpp")).await.unwrap(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_what_waits() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("data");
    let store = Store::open(&inner, b"salt", Box::new(|_| ())).unwrap();
    store.admit(vec![text("$1", "one", 1)]).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for file in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

/// `count` messages in one commit.
fn many(count: i64) -> Vec<Admission> {
    (0..count).map(|n| text(&format!("${n}"), &n.to_string(), n)).collect()
}

#[tokio::test]
async fn a_window_begins_and_ends_where_it_is_asked_to() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.admit(many(40)).await.unwrap();
    let xmpp = network("xmpp");
    let window = async |after, limit| {
        let window = store.window(&xmpp, "alice bob", after, limit).await.unwrap();
        let seqs: Vec<i64> = window.rows.iter().map(|row| row.seq).collect();
        (seqs.first().copied(), seqs.len(), window.last, window.more)
    };
    // What stands together comes together, if it can.
    assert_eq!(window(0, 64).await, (Some(1), 40, 40, false));
    assert_eq!(window(0, 40).await, (Some(1), 40, 40, true));
    assert_eq!(window(0, 33).await, (Some(1), 32, 32, true));
    assert_eq!(window(0, 3).await, (Some(1), 3, 3, true));
    assert_eq!(window(3, 3).await, (Some(4), 3, 6, true));
    assert_eq!(window(15, 20).await, (Some(16), 17, 32, true));
    assert_eq!(window(32, 20).await, (Some(33), 8, 40, false));
    assert_eq!(window(40, 20).await, (None, 0, 40, false));
}

#[tokio::test]
async fn one_daemon_a_directory() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let second = Store::open(dir.path(), b"salt", Box::new(|_| ()));
    assert!(matches!(second, Err(StoreError::Locked(_))));
    drop(store);
    open(&dir);
}

#[tokio::test]
async fn the_salt_is_made_once() {
    let dir = TempDir::new().unwrap();
    assert_eq!(open(&dir).salt(), b"salt");
    let store = Store::open(dir.path(), b"other", Box::new(|_| ())).unwrap();
    assert_eq!(store.salt(), b"salt");
}

#[tokio::test]
async fn a_database_of_a_later_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let connection = rusqlite::Connection::open(dir.path().join("drawbridge.sqlite3")).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    let later = Store::open(dir.path(), b"salt", Box::new(|_| ()));
    assert!(matches!(later, Err(StoreError::TooNew { found: 999, .. })));
}

#[tokio::test]
async fn memos_are_kept_listed_and_forgotten() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (matrix, xmpp) = (network("matrix"), network("xmpp"));
    let memos = ["room/1", "room/2", "room/3", "rooms", "user%"].map(|key| Memo::set(key, "v"));
    store.remember(matrix.clone(), memos.to_vec()).await.unwrap();
    store.remember(matrix.clone(), vec![Memo::forget("room/2")]).await.unwrap();
    let rooms = store.recall_all(&matrix, "room/", "", 10).await.unwrap();
    assert_eq!(rooms.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["room/1", "room/3"]);
    let behind = store.recall_all(&matrix, "room/", "room/1", 10).await.unwrap();
    assert_eq!(behind.len(), 1);
    assert_eq!(store.recall(&xmpp, "room/1").await.unwrap(), None);
    assert_eq!(store.recall(&matrix, "user%").await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn old_ids_are_forgotten_and_waiting_ones_kept() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let hour = 3_600_000;
    store.admit(vec![text("$1", "one", 1)]).await.unwrap();
    let row = waiting(&store).await.remove(0);
    store.admit(vec![text("$2", "two", hour)]).await.unwrap();
    store.settle(vec![delivered(&row)]).await.unwrap();
    assert_eq!(store.forget(Timestamp(9 * hour)).await.unwrap(), 1);
    let again = store.admit(vec![text("$1", "one", hour), text("$2", "two", hour)]).await.unwrap();
    assert_eq!(again.iter().map(|a| a.repeat).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn lanes_and_the_oldest_are_found() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for n in 0..5 {
        let mut admission = text(&format!("${n}"), "hi", n);
        admission.rows[0].lane = format!("lane {}", n / 2);
        store.admit(vec![admission]).await.unwrap();
    }
    let xmpp = network("xmpp");
    assert_eq!(store.lanes(&xmpp, "", 2).await.unwrap(), ["lane 0", "lane 1"]);
    assert_eq!(store.lanes(&xmpp, "lane 1", 2).await.unwrap(), ["lane 2"]);
    let old = store.oldest(0, Timestamp(3), 64).await.unwrap();
    assert_eq!(old.len(), 3);
    assert_eq!(store.oldest(old[1].seq, Timestamp(3), 64).await.unwrap().len(), 1);
    for many in [false, true] {
        let oldest = async |network, from| {
            store.oldest_of(network, from, many).await.unwrap().map(|(seq, at)| (seq, at.0))
        };
        assert_eq!(oldest(&xmpp, 0).await, Some((old[0].seq, 0)));
        assert_eq!(oldest(&xmpp, old[1].seq).await, Some((old[1].seq, 1)));
        assert_eq!(oldest(&xmpp, 99).await, None);
        assert_eq!(oldest(&network("irc"), 0).await, None);
    }
}

#[tokio::test]
async fn one_answer_is_bounded_in_bytes() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let large = "x".repeat(300_000);
    let admissions = (0..20).map(|n| text(&format!("${n}"), &large, n)).collect();
    store.admit(admissions).await.unwrap();
    assert_eq!(waiting(&store).await.len(), 4);
}

#[tokio::test]
async fn a_commit_tells_what_it_changed() {
    let dir = TempDir::new().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&seen);
    let on_commit: OnCommit = Box::new(move |changes| {
        let Changes { lanes, growth, people } = changes;
        tell.lock().unwrap().push((lanes.len(), growth.clone(), people.len()));
    });
    let store = Store::open(dir.path(), b"salt", on_commit).unwrap();
    store.admit(vec![text("$1", "one", 1), text("$2", "two", 2)]).await.unwrap();
    let row = waiting(&store).await.remove(0);
    store.settle(vec![delivered(&row)]).await.unwrap();
    let strict = PeopleChange::Strict { user: user("xmpp:bob"), level: Strictness::On };
    store.change_people(vec![strict], Vec::new(), Timestamp(3)).await.unwrap();
    let xmpp = network("xmpp");
    let expected =
        vec![(1, vec![(xmpp.clone(), 2)], 0), (0, vec![(xmpp, -1)], 0), (0, Vec::new(), 1)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.close().await.unwrap();
    let refused = store.admit(vec![text("$1", "one", 1)]).await;
    assert!(matches!(refused, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_dated_event_is_known_again_by_its_time() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let dated = |event: &str, sent_at| Admission {
        repeats: Repeats::AlwaysDated,
        sent_at: Timestamp(sent_at),
        ..text(event, "hi", 5)
    };
    // Hostile times too find their place.
    for sent_at in [0, 1_790_000_000_000, -1, i64::MAX, i64::MIN] {
        let event = format!("$at{sent_at}");
        for repeat in [false, true] {
            let admitted = store.admit(vec![dated(&event, sent_at)]).await.unwrap();
            assert_eq!(admitted[0].repeat, repeat, "{event}");
        }
    }
    assert!(!store.admit(vec![dated("$0", 0)]).await.unwrap()[0].repeat);
}

#[tokio::test]
async fn an_event_is_found_by_its_name_and_as_far_as_its_time_is_known() {
    const DAY: i64 = 24 * 3_600_000;
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let now = Timestamp(100 * DAY);
    let named = |event: &str, at: Timestamp, repeats: Repeats| {
        let id = EventId::new(event).unwrap();
        let tag = Tag::of(b"salt", &[repeats.name_of(&id)]);
        Admission { tag, repeats, sent_at: at, at, ..text(event, "hi", at.0) }
    };
    let within = Repeats::Within(Repeats::LONGEST);
    let ago = |days: i64| Timestamp(now.0 - days * DAY);
    let events = [
        named("$dated", ago(60), Repeats::AlwaysDated),
        named("m1", ago(60), Repeats::Always),
        named("n1/a", ago(1), within),
        named("n1/b", ago(0), within),
        named("n2/a", ago(6), within),
        named("n3/a", ago(8), within),
    ];
    store.admit(events.into()).await.unwrap();
    for (name, sent_at, found) in [
        ("$dated", Some(ago(60)), Some("$dated")),
        ("$dated", Some(ago(59)), None),
        ("$dated", None, None),
        ("m1", None, Some("m1")),
        ("n1", None, Some("n1/b")),
        ("n2", None, Some("n2/a")),
        // Too long ago to be looked for.
        ("n3", None, None),
        ("n", None, None),
    ] {
        let (name, tag) = (name.to_owned(), Tag::of(b"salt", &[name]));
        let sought = Sought { network: network("matrix"), name, tag, sent_at, now };
        let event = store.named(sought).await.unwrap().map(|found| found.event);
        assert_eq!(event.as_ref().map(EventId::as_str), found);
    }
}
