//! How commands leave the outbox, one by one or together, and what is left of them.

use super::*;

#[tokio::test]
async fn a_row_is_settled_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.admit(vec![text("$1", "one", 1)]).await.unwrap();
    let row = waiting(&store).await.remove(0);
    assert_eq!(store.settle(vec![delivered(&row), delivered(&row)]).await.unwrap(), 1);
    assert_eq!(store.settle(vec![delivered(&row)]).await.unwrap(), 0);
    assert!(waiting(&store).await.is_empty());
    assert_eq!(store.depth(&network("xmpp")).await.unwrap(), 0);
}

#[tokio::test]
async fn what_stands_together_is_settled_one_by_one_and_in_any_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.admit(many(40)).await.unwrap();
    let rows = waiting(&store).await;
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
    let settle = async |picked: &[usize]| {
        let settlements = picked.iter().map(|place| delivered(&rows[*place])).collect();
        store.settle(settlements).await.unwrap()
    };
    let left = async || bodies(&waiting(&store).await).join(" ");
    assert_eq!(settle(&[39, 17, 17, 0]).await, 3);
    assert_eq!(settle(&(0..36).collect::<Vec<_>>()).await, 34);
    assert_eq!(left().await, "36 37 38");
    assert_eq!(store.depth(&network("xmpp")).await.unwrap(), 3);
    assert_eq!(store.row(rows[37].seq).await.unwrap().unwrap().key, "00");
    assert!(store.row(rows[3].seq).await.unwrap().is_none());
    assert_eq!(settle(&[36, 37, 38]).await, 3);
    assert!(left().await.is_empty());
}

#[tokio::test]
async fn who_settles_a_part_twice_settles_nothing_else() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.admit(many(2)).await.unwrap();
    let rows = waiting(&store).await;
    assert_eq!(store.settle(vec![delivered(&rows[0])]).await.unwrap(), 1);
    assert_eq!(store.settle(vec![delivered(&rows[0])]).await.unwrap(), 0);
    assert_eq!(bodies(&waiting(&store).await), ["1"]);
}

#[tokio::test]
async fn what_lies_before_does_not_hide_what_lies_behind() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let large = "x".repeat(300_000);
    for n in 0..20 {
        store.admit(vec![text(&format!("${n}"), &large, n)]).await.unwrap();
    }
    let xmpp = network("xmpp");
    for after in 0..19 {
        let next = Some(after + 1);
        let first = |rows: Vec<Row>| rows.first().map(|row| row.seq);
        assert_eq!(first(store.oldest(after, Timestamp(99), 8).await.unwrap()), next);
        assert_eq!(first(store.queue(None, after, 8).await.unwrap()), next);
        assert_eq!(first(store.queue(Some(&xmpp), after, 1).await.unwrap()), next);
        assert_eq!(first(store.window(&xmpp, "alice bob", after, 8).await.unwrap().rows), next);
        assert!(store.row(after + 1).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_job_that_fails_takes_only_itself_back() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir));
    store.admit(vec![text("$0", "zero", 0)]).await.unwrap();
    let row = waiting(&store).await.remove(0);
    let id = EventId::new("there").unwrap();
    let kept = Some((id.clone(), row.payload.back()));
    let fate = Fate::Delivered { id: kept, reacted: None };
    store.settle(vec![Settlement { fate, ..delivered(&row) }]).await.unwrap();
    let other = rusqlite::Connection::open(dir.path().join("drawbridge.sqlite3")).unwrap();
    other.execute("UPDATE ids SET back = '{'", []).unwrap();
    // While somebody else holds the database, all that comes waits for one commit.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let admit = |event: &'static str| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.admit(vec![text(event, event, 1)]).await })
    };
    let first = admit("$1");
    let bounced = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.bounce(network("xmpp"), id, |_| None).await })
    };
    let last = admit("$2");
    // On this one thread they have asked as soon as they have run once.
    tokio::task::yield_now().await;
    other.execute_batch("ROLLBACK").unwrap();
    assert!(first.await.unwrap().is_ok());
    assert!(matches!(bounced.await.unwrap(), Err(StoreError::Corrupt(_))));
    assert!(last.await.unwrap().is_ok());
    assert_eq!(bodies(&waiting(&store).await), ["$1", "$2"]);
    assert!(store.writes().jobs.count <= 4, "two of the three shared a commit");
}

#[tokio::test]
async fn who_heard_that_a_message_waits_hears_its_end() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let events = (0..3).map(|n| text(&format!("${n}"), "hi", n)).collect();
    store.admit(events).await.unwrap();
    let rows = waiting(&store).await;
    let back = |at| NewRow { network: network("matrix"), ..text_row("", at) };
    let tiding =
        |row: &Row| Tiding { seq: row.seq, chunk: row.chunk, inbox: row.inbox, row: back(10) };
    store.settle(vec![delivered(&rows[0])]).await.unwrap();
    // The first is delivered by now: that it waits would be a lie.
    store.tell(rows[1].seq, vec![tiding(&rows[0]), tiding(&rows[1])]).await.unwrap();
    let end =
        |row: &Row| Settlement { tell: Some(back(20)), only_after_pending: true, ..delivered(row) };
    store.settle(vec![end(&rows[1]), end(&rows[2])]).await.unwrap();
    let told = store.window(&network("matrix"), "alice bob", 0, 64).await.unwrap().rows;
    assert_eq!(told.iter().map(|row| row.at.0).collect::<Vec<_>>(), [10, 20]);
}

#[tokio::test]
async fn bodies_are_erased_at_their_final_status() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let body = "an unmistakable body ".repeat(1000);
    store.admit(vec![text("$1", &body, 1)]).await.unwrap();
    let row = waiting(&store).await.remove(0);
    let on_disk = || {
        let files = std::fs::read_dir(dir.path()).unwrap();
        let holds = |path: &Path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(20).any(|window| window == b"an unmistakable body")
        };
        files.filter(|file| holds(&file.as_ref().unwrap().path())).count()
    };
    assert!(on_disk() > 0);
    store.settle(vec![delivered(&row)]).await.unwrap();
    store.fold().await.unwrap();
    assert_eq!(on_disk(), 0);
    // Also if others stay that stood beside it.
    store.admit(vec![text("$2", &body, 2), text("$3", "stays", 3)]).await.unwrap();
    let rows = waiting(&store).await;
    store.fold().await.unwrap();
    assert!(on_disk() > 0);
    store.settle(vec![delivered(&rows[0])]).await.unwrap();
    store.fold().await.unwrap();
    assert_eq!(on_disk(), 0);
    assert_eq!(bodies(&waiting(&store).await), ["stays"]);
}

#[tokio::test]
async fn who_is_sent_back_is_found_by_any_id_and_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.admit(many(3)).await.unwrap();
    let ids = ["019fa0e1b3c0123456789abcdef", "a network's own", "019fa0e1b3c0123456789abcdeé"];
    let rows = waiting(&store).await;
    let end = |(row, id): (&Row, &str)| {
        let kept = Some((EventId::new(id).unwrap(), row.payload.back()));
        Settlement { fate: Fate::Delivered { id: kept, reacted: None }, ..delivered(row) }
    };
    store.settle(rows.iter().zip(ids).map(end).collect()).await.unwrap();
    for (id, expected) in ids.into_iter().map(|id| (id, true)).chain([("another", false)]) {
        for first in [true, false] {
            let tell = |back: Back| {
                assert_eq!(back.network, network("matrix"));
                assert_eq!(back.status.sender, user("matrix:alice"));
                assert_eq!(back.status.recipient, Some(user("xmpp:bob")));
                Some(NewRow { network: back.network, ..text_row("", 9) })
            };
            let found = store.bounce(network("xmpp"), EventId::new(id).unwrap(), tell).await;
            assert_eq!(found.unwrap(), expected && first, "{id}");
        }
    }
    assert_eq!(store.depth(&network("matrix")).await.unwrap(), 3);
}
