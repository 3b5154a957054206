#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_testkit::ReferenceBridge;
use minidom::Element;

use super::*;
use crate::privilege::Grant;
use crate::stream::Stanza;

const CAROL: &str = "elsewhere_carol@bridge.p.test";
const DAVE: &str = "elsewhere_dave@bridge.p.test";
const ERIN: &str = "elsewhere_erin@bridge.p.test";

/// Bob's server, and the bridge.
struct Here {
    folders: Folders,
    wants: Mutex<Option<mpsc::Receiver<Want>>>,
    grants: Arc<Grants>,
    outward: Arc<Outward>,
    reference: ReferenceBridge,
    bridge: Bridge,
    bob: UserId,
    /// His contacts, with their groups.
    roster: Mutex<Vec<(&'static str, Vec<String>)>>,
    /// The contact that his server does not change.
    stubborn: Option<&'static str>,
}

impl Here {
    fn new(contacts: &[(&'static str, &[&str])]) -> Self {
        let network = NetworkId::new("xmpp").unwrap();
        let reference = ReferenceBridge::new(network.clone());
        let addresses = Arc::new(Addresses::new(network, "bridge.p.test".to_owned()));
        let outward = Arc::new(Outward::new("bridge.p.test".to_owned()));
        let grants = Arc::new(Grants::default());
        let (folders, wants) = Folders::new(addresses, Arc::clone(&outward), Arc::clone(&grants));
        let groups = |groups: &[&str]| groups.iter().map(|&group| group.to_owned()).collect();
        let roster = contacts.iter().map(|(jid, of)| (*jid, groups(of))).collect();
        let here = Self {
            folders,
            wants: Mutex::new(Some(wants)),
            grants,
            outward,
            bridge: reference.handle(),
            reference,
            bob: "xmpp:bob@p.test".parse().unwrap(),
            roster: Mutex::new(roster),
            stubborn: None,
        };
        here.grants(true);
        here
    }

    fn grants(&self, roster: bool) {
        self.grants.put("p.test".to_owned(), Grant { roster, ..Grant::default() });
    }

    /// Answers whatever is asked.
    async fn serves(&self) {
        let mut written = self.outward.open(1);
        while let Some(wire) = written.recv().await {
            let asked = wire.replacen("<iq", "<iq xmlns='jabber:component:accept'", 1);
            let asked: Element = asked.parse().unwrap();
            if asked.attr("to") == Some("bridge.p.test") {
                assert!(self.outward.answered(&asked));
            } else {
                let answer = self.answer(&asked);
                assert!(self.outward.informed(answer).is_none());
            }
        }
    }

    fn answer(&self, asked: &Element) -> Stanza {
        let mut roster = self.roster.lock().unwrap();
        let item = asked.children().flat_map(Element::children).next();
        let mut kind = "result";
        if let Some(item) = item {
            let jid = item.attr("jid").unwrap();
            let stands = roster.iter_mut().find(|(contact, _)| *contact == jid).unwrap();
            if self.stubborn == Some(stands.0) {
                kind = "error";
            } else {
                stands.1 = item.children().map(Element::text).collect();
            }
        }
        let shown = |(jid, groups): &(&str, Vec<String>)| {
            let group = |group: &String| format!("<group>{group}</group>");
            let groups = groups.iter().map(group).collect::<Vec<_>>().concat();
            format!("<item jid='{jid}'>{groups}</item>")
        };
        let items = roster.iter().map(shown).collect::<Vec<_>>().concat();
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='{kind}' from='bob@p.test' id='{}'>\
             <query xmlns='jabber:iq:roster'>{items}</query></iq>",
            asked.attr("id").unwrap()
        );
        Stanza { element: text.parse().unwrap(), whole: true }
    }

    /// Something is done while the server is there.
    async fn with<T>(&self, act: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.serves() => unreachable!("the server ends last"),
            done = act => done,
        }
    }

    async fn wants(&self, name: &str, networks: &[&str]) -> Result<Delivered, DeliveryError> {
        let networks = networks.iter().map(|&id| NetworkId::new(id).unwrap()).collect();
        let folder = Folder { owner: self.bob.clone(), name: name.to_owned(), networks };
        self.with(self.folders.write(&folder, &self.bridge)).await
    }

    fn groups(&self, contact: &str) -> String {
        let roster = self.roster.lock().unwrap();
        roster.iter().find(|(jid, _)| *jid == contact).unwrap().1.join(", ")
    }

    async fn memos(&self) -> usize {
        self.bridge.recall_all(PREFIX, "", 9).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_emptied_is_not_forgotten() {
    let here = Here::new(&[(CAROL, &[])]);
    here.wants("Apart", &["elsewhere"]).await.unwrap();
    assert_eq!(here.groups(CAROL), "Apart");
    here.grants(false);
    for _ in 0..2 {
        let refused = here.wants("Apart", &[]).await;
        assert!(matches!(refused, Err(DeliveryError::Refused { .. })), "{refused:?}");
        assert_eq!((here.groups(CAROL).as_str(), here.memos().await), ("Apart", 1));
    }
    here.grants(true);
    here.wants("Apart", &[]).await.unwrap();
    assert_eq!((here.groups(CAROL).as_str(), here.memos().await), ("", 0));
    // Who never had one has nothing to lose.
    here.grants(false);
    assert!(here.wants("Apart", &["elsewhere"]).await.is_err());
    assert_eq!(here.memos().await, 0);
    here.wants("Apart", &[]).await.unwrap();
}

#[tokio::test]
async fn one_contact_that_stays_where_it_is_holds_no_other_back() {
    let mut here = Here::new(&[(CAROL, &[]), (DAVE, &[]), (ERIN, &[])]);
    here.stubborn = Some(CAROL);
    here.wants("Apart", &["elsewhere"]).await.unwrap();
    let all = |here: &Here| [CAROL, DAVE, ERIN].map(|contact| here.groups(contact));
    assert_eq!(all(&here), ["", "Apart", "Apart"]);
    here.stubborn = Some(DAVE);
    // Some do not come out: that is told, and tried again.
    for _ in 0..2 {
        assert!(here.wants("Apart", &[]).await.is_err());
        assert_eq!(all(&here), ["", "Apart", ""]);
    }
    here.stubborn = None;
    here.wants("Apart", &[]).await.unwrap();
    assert_eq!((all(&here), here.memos().await), (["", "", ""].map(str::to_owned), 0));
}

#[tokio::test]
async fn what_its_user_grouped_by_hand_stays_there() {
    let here = Here::new(&[(CAROL, &["Friends"]), (DAVE, &[]), (ERIN, &["Friends", "Apart"])]);
    let all = |here: &Here| [CAROL, DAVE, ERIN].map(|contact| here.groups(contact));
    here.wants("Apart", &["elsewhere"]).await.unwrap();
    assert_eq!(all(&here), ["Friends", "Apart", "Friends, Apart"]);
    here.wants("Elsewhere", &["elsewhere"]).await.unwrap();
    assert_eq!(all(&here), ["Friends", "Elsewhere", "Friends, Elsewhere"]);
    here.wants("Elsewhere", &[]).await.unwrap();
    assert_eq!(all(&here), ["Friends", "", "Friends"]);
}

#[tokio::test(start_paused = true)]
async fn folders_are_read_as_soon_as_they_can_be() {
    let here = Here::new(&[(CAROL, &[])]);
    let noted = r#"{"name":"Apart","networks":["elsewhere"]}"#;
    let memo = |of: &str, noted: &str| Memo::set(format!("{PREFIX}{of}"), noted);
    let memos = vec![memo("ann@p.test", "?"), memo("bob@p.test", noted), memo("", "")];
    here.bridge.remember(memos).await.unwrap();
    here.reference.forget_next(5);
    let wants = here.wants.lock().unwrap().take().unwrap();
    let carol = "elsewhere:carol".parse().unwrap();
    let sorted = async {
        while here.groups(CAROL) != "Apart" {
            sleep(Duration::from_secs(1)).await;
            here.folders.met(&here.bob, &carol);
        }
    };
    let within = tokio::time::timeout(Duration::from_mins(1), sorted);
    let done = here.with(async {
        tokio::select! {
            done = within => done,
            () = here.folders.run(wants, &here.bridge) => unreachable!("the daemon goes on"),
        }
    });
    done.await.unwrap();
}
