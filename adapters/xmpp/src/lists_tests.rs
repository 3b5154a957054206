#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::NetworkId;
use drawbridge_testkit::ReferenceBridge;

use super::*;

const BOB: &str = "bob@p.test";
const CAROL: &str = "elsewhere_carol@bridge.p.test";

struct Here {
    lists: Lists,
    reference: ReferenceBridge,
    bridge: Bridge,
    bob: UserId,
}

impl Here {
    fn new() -> Self {
        let network = NetworkId::new("xmpp").unwrap();
        let reference = ReferenceBridge::new(network.clone());
        let addresses = Addresses::new(network, "bridge.p.test".to_owned());
        let outward = Outward::new("bridge.p.test".to_owned());
        let (lists, _) = Lists::new(Arc::new(addresses), Arc::new(outward), Arc::default());
        let bridge = reference.handle();
        Self { lists, reference, bridge, bob: format!("xmpp:{BOB}").parse().unwrap() }
    }

    /// Bob's list is found to be this; gives what the daemon is told.
    async fn finds(&self, listed: &[&str]) -> Vec<String> {
        let listed: Vec<_> = listed.iter().map(|&item| item.to_owned()).collect();
        self.compares(Some(self.lists.ghosts(&listed))).await
    }

    async fn compares(&self, now: Option<BTreeSet<String>>) -> Vec<String> {
        let before = self.reference.journal().gestures.len();
        self.lists.compare(&self.bob, now, &self.bridge).await.unwrap();
        let gestures = self.reference.journal().gestures.split_off(before);
        let show = |(_, gesture): (UserId, Gesture)| match gesture {
            Gesture::Block(user) => format!("block {user}"),
            Gesture::Unblock(user) => format!("unblock {user}"),
            other => format!("{other:?}"),
        };
        gestures.into_iter().map(show).collect()
    }
}

#[tokio::test]
async fn a_change_is_told_once() {
    let here = Here::new();
    let others = ["eve@p.test", "irc_x@bridge.p.test", "elsewhere_=63arol@bridge.p.test", "@@", ""];
    let resource = format!("{CAROL}/phone");
    assert!(here.finds(&others).await.is_empty() && here.finds(&[&resource]).await.is_empty());
    let with = |item: &'static str| [others[0], item, others[1]];
    assert_eq!(here.finds(&with(CAROL)).await, ["block elsewhere:carol"]);
    assert!(here.finds(&with(CAROL)).await.is_empty());
    assert_eq!(here.finds(&others).await, ["unblock elsewhere:carol"]);
    assert!(here.finds(&others).await.is_empty());
}

#[tokio::test]
async fn what_is_being_written_is_no_news_and_the_whole_bridge_is_one_entry() {
    let here = Here::new();
    let memo = key(&here.bob, "elsewhere_carol");
    here.bridge.remember(vec![Memo::set(&memo, WRITING)]).await.unwrap();
    assert!(here.finds(&[CAROL]).await.is_empty() && here.finds(&[]).await.is_empty());
    here.bridge.remember(vec![Memo::set(&memo, LISTED)]).await.unwrap();
    // The whole bridge is blocked, and with it the question for the rest.
    assert_eq!(here.compares(None).await, ["Disable"]);
    assert!(here.compares(None).await.is_empty());
    assert!(here.finds(&[CAROL, "bridge.p.test"]).await.is_empty());
    assert_eq!(here.finds(&[]).await, ["unblock elsewhere:carol"]);
    assert_eq!(here.finds(&["bridge.p.test"]).await, ["Disable"]);
}

#[tokio::test]
async fn a_long_list_is_compared_whole() {
    let here = Here::new();
    let ghosts: Vec<_> = (0..600).map(|n| format!("elsewhere_u{n}@bridge.p.test")).collect();
    let ghosts: Vec<_> = ghosts.iter().map(String::as_str).collect();
    assert_eq!(here.finds(&ghosts).await.len(), 600);
    assert!(here.finds(&ghosts).await.is_empty());
    assert_eq!(here.finds(&ghosts[1..]).await, ["unblock elsewhere:u0"]);
}

#[tokio::test(start_paused = true)]
async fn who_got_a_message_is_seen_once_it_can_not_come_back() {
    let here = Here::new();
    let (seen, mut notes) = Seen::new();
    let nobody: UserId = "xmpp:nobody@p.test".parse().unwrap();
    let eve: UserId = "xmpp:eve@p.test".parse().unwrap();
    seen.got(&here.bob);
    seen.got(&nobody);
    seen.came_back(&nobody);
    seen.wrote(&eve);
    assert!(!seen.has(&here.bob, &here.bridge).await && seen.has(&eve, &here.bridge).await);
    let keeping = seen.keep(&mut notes, &here.bridge);
    assert!(timeout(Duration::from_secs(10), keeping).await.is_err());
    // As a later life of the daemon would find it.
    let (later, _) = Seen::new();
    for (user, was) in [(&here.bob, true), (&nobody, false), (&eve, true)] {
        assert_eq!(seen.has(user, &here.bridge).await, was, "{user}");
        assert_eq!(later.has(user, &here.bridge).await, was, "{user}");
    }
}
