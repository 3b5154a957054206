//! One user's list of ignored users, and what it says that is new. Pure.
//!
//! The list is one object without versions (client-server API, "Ignoring Users"): a client that
//! writes it may undo what another has just written. So what the bridge wrote is not believed to
//! stand before the list was seen with it.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_adapter::Timestamp;
use serde_json::{Map, Value};

/// The field of the list.
const FIELD: &str = "ignored_users";
/// The most ghosts of one list that are known: far more than anybody ignores by hand.
pub(super) const MOST: usize = 1_000;
/// How often what others undo is written again; after that theirs counts.
pub(super) const TRIES: u32 = 5;

/// The users on a list; none if it cannot be read, or if it is no list at all.
pub(super) fn read(content: &Value) -> Option<BTreeSet<String>> {
    match content.as_object()?.get(FIELD) {
        None => Some(BTreeSet::new()),
        Some(users) => Some(users.as_object()?.keys().cloned().collect()),
    }
}

/// The list with this entry, or without; all else is left as it is. None if nothing changes.
pub(super) fn changed(content: &Value, user: &str, listed: bool) -> Option<Value> {
    let mut content = content.as_object().cloned().unwrap_or_default();
    let users = content.get(FIELD).and_then(Value::as_object).cloned();
    let mut users = users.unwrap_or_default();
    if users.contains_key(user) == listed {
        return None;
    }
    if listed {
        users.insert(user.to_owned(), Value::Object(Map::new()));
    } else {
        users.remove(user);
    }
    content.insert(FIELD.to_owned(), Value::Object(users));
    Some(Value::Object(content))
}

/// What is known of one user's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The ghosts that were on it when it was last seen.
    pub(super) seen: BTreeSet<String>,
    /// What was written, and has not been seen yet.
    pub(super) written: BTreeMap<String, Written>,
    pub(super) told: Told,
}

/// What the user was last seen to change, and when it was told; since the start only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told(BTreeMap<String, (bool, Timestamp)>);

impl Told {
    /// The user has changed these entries, and the daemon knows it.
    pub(super) fn add(&mut self, entries: &[String], listed: bool, now: Timestamp) {
        if self.0.len() + entries.len() > 2 * MOST {
            self.0.clear();
        }
        self.0.extend(entries.iter().map(|user| (user.clone(), (listed, now))));
    }

    /// Whether the user has changed this entry the other way since `asked`.
    pub(super) fn outdates(&self, user: &str, listed: bool, asked: Timestamp) -> bool {
        self.0.get(user).is_some_and(|(told, at)| *told != listed && *at >= asked)
    }
}

/// An entry that the bridge wrote, or took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// Whether it is to be on the list.
    pub(super) listed: bool,
    /// How often it was missing where the list was seen.
    pub(super) missed: u32,
}

/// What a look at the list shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The user has put these ghosts on the list.
    pub(super) blocked: Vec<String>,
    /// The user has taken these off.
    pub(super) unblocked: Vec<String>,
    /// What was written stands, or is given up.
    pub(super) settled: Vec<String>,
    /// What was written does not stand, or not yet.
    pub(super) missing: Vec<(String, bool)>,
    /// What is known by now.
    pub(super) known: Known,
}

/// Compares the list with what is known of it.
pub(super) fn news(
    known: &Known,
    list: &BTreeSet<String>,
    is_ghost: impl Fn(&str) -> bool,
) -> News {
    let mut news = News { known: known.clone(), ..News::default() };
    for (user, written) in &known.written {
        if list.contains(user) != written.listed && written.missed < TRIES {
            let again = Written { missed: written.missed + 1, ..written.clone() };
            news.known.written.insert(user.clone(), again);
            news.missing.push((user.clone(), written.listed));
            continue;
        }
        // As if it had been seen: what the list says else is the user's own word.
        if written.listed && is_ghost(user) {
            news.known.seen.insert(user.clone());
        } else {
            news.known.seen.remove(user);
        }
        news.known.written.remove(user);
        news.settled.push(user.clone());
    }
    let open = |user: &&String| !news.known.written.contains_key(*user);
    let gone = news.known.seen.iter().filter(|user| !list.contains(*user)).filter(open);
    news.unblocked = gone.cloned().collect();
    let room = MOST.saturating_sub(news.known.seen.len() - news.unblocked.len());
    let came = list.iter().filter(|user| is_ghost(user) && !news.known.seen.contains(*user));
    news.blocked = came.filter(open).take(room).cloned().collect();
    news.known.seen.retain(|user| !news.unblocked.contains(user));
    news.known.seen.extend(news.blocked.iter().cloned());
    news
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    fn set(users: &[&str]) -> BTreeSet<String> {
        users.iter().map(|user| (*user).to_owned()).collect()
    }

    fn is_ghost(user: &str) -> bool {
        user.starts_with('g')
    }

    fn writing(user: &str, listed: bool) -> Known {
        let written = BTreeMap::from([(user.to_owned(), Written { listed, missed: 0 })]);
        Known { written, ..Known::default() }
    }

    #[test]
    fn only_the_one_entry_changes() {
        let list = json!({ "ignored_users": { "@dave:hs.test": { "x": 1 } }, "other": [2] });
        let more = changed(&list, "g1", true).unwrap();
        let both = json!({ "@dave:hs.test": { "x": 1 }, "g1": {} });
        assert_eq!(more, json!({ "ignored_users": both, "other": [2] }));
        assert_eq!(changed(&more, "g1", true), None);
        assert_eq!(changed(&more, "g1", false), Some(list.clone()));
        assert_eq!(changed(&list, "g1", false), None);
        assert_eq!(changed(&json!("?"), "g", true), Some(json!({ "ignored_users": { "g": {} } })));
    }

    #[test]
    fn what_the_user_changes_is_news_once_and_what_was_written_never() {
        let news_of = |known: &Known, list: &[&str]| news(known, &set(list), is_ghost);
        let first = news_of(&Known::default(), &["g1", "@dave:hs.test"]);
        assert_eq!((&first.blocked[..], &first.unblocked[..]), (&["g1".to_owned()][..], &[][..]));
        assert_eq!(news_of(&first.known, &["g1"]), News { known: first.known, ..News::default() });

        let written = news_of(&writing("g2", true), &["g2"]);
        assert_eq!((written.blocked, written.settled), (vec![], vec!["g2".to_owned()]));
        assert_eq!(news_of(&written.known, &[]).unblocked, ["g2"]);
        let taken = Known { seen: set(&["g2"]), ..writing("g2", false) };
        let taken = news_of(&taken, &[]);
        assert_eq!((taken.unblocked, taken.known), (vec![], Known::default()));
    }

    #[test]
    fn what_another_client_undid_is_written_again_for_a_while() {
        let mut known = writing("g2", true);
        for _ in 0..TRIES {
            let again = news(&known, &set(&["g1"]), is_ghost);
            assert_eq!(again.missing, [("g2".to_owned(), true)]);
            known = again.known;
        }
        let given_up = news(&known, &set(&["g1"]), is_ghost);
        assert_eq!((given_up.missing, given_up.unblocked), (vec![], vec!["g2".to_owned()]));
        assert_eq!(given_up.known, Known { seen: set(&["g1"]), ..Known::default() });
    }

    #[test]
    fn a_command_is_outdated_by_what_the_user_did_later() {
        let mut told = Told::default();
        told.add(&["g1".to_owned()], false, Timestamp(10));
        assert!(told.outdates("g1", true, Timestamp(9)));
        assert!(!told.outdates("g1", true, Timestamp(11)));
        assert!(!told.outdates("g1", false, Timestamp(9)));
        assert!(!told.outdates("g2", true, Timestamp(9)));
        let many: Vec<_> = (0..2 * MOST).map(|n| format!("g{n}")).collect();
        told.add(&many, true, Timestamp(12));
        assert_eq!(told.0.len(), 2 * MOST);
    }

    #[test]
    fn a_huge_list_is_known_in_part_and_nobody_falls_off_it() {
        let list: BTreeSet<_> = (0..3 * MOST).map(|n| format!("g{n:05}")).collect();
        let first = news(&Known::default(), &list, is_ghost);
        assert_eq!((first.blocked.len(), first.unblocked.len()), (MOST, 0));
        let mut longer = list.clone();
        longer.insert("g00000-before-most".to_owned());
        assert_eq!(news(&first.known, &longer, is_ghost).unblocked, [] as [String; 0]);
        assert_eq!(news(&first.known, &BTreeSet::new(), is_ghost).unblocked.len(), MOST);
    }

    proptest! {
        #[test]
        fn any_content_is_a_list_or_none(content in any_json(), listed in any::<bool>()) {
            let users = read(&content);
            if let Some(changed) = changed(&content, "g1", listed) {
                prop_assert_eq!(read(&changed).unwrap().contains("g1"), listed);
                let same = |user: &String| user != "g1";
                let left: Vec<_> = users.into_iter().flatten().filter(same).collect();
                let now: Vec<_> = read(&changed).unwrap().into_iter().filter(same).collect();
                prop_assert_eq!(left, now);
            }
        }

        #[test]
        fn both_sides_agree_in_the_end(
            steps in prop::collection::vec((0..4_u8, any::<bool>(), any::<bool>()), 0..40),
        ) {
            // What the daemon believes, and what the user's clients show.
            let (mut blocks, mut list) = (BTreeSet::new(), BTreeSet::new());
            let mut known = Known::default();
            for (ghost, listed, by_user) in steps {
                let ghost = format!("g{ghost}");
                if listed { list.insert(ghost.clone()) } else { list.remove(&ghost) };
                if !by_user {
                    if listed { blocks.insert(ghost.clone()) } else { blocks.remove(&ghost) };
                    known.written.insert(ghost, Written { listed, missed: 0 });
                }
            }
            for _ in 0..=TRIES + 1 {
                let found = news(&known, &list, is_ghost);
                blocks.extend(found.blocked);
                blocks.retain(|user| !found.unblocked.contains(user));
                for (user, listed) in found.missing {
                    if listed { list.insert(user) } else { list.remove(&user) };
                }
                known = found.known;
            }
            prop_assert_eq!(&blocks, &list);
            prop_assert_eq!(known.written, BTreeMap::new());
        }
    }
}
