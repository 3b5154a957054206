#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn user(number: u8) -> UserId {
    format!("xmpp:user{number}@p.test").parse().unwrap()
}

fn apply(people: &People, changes: &[PeopleChange]) -> usize {
    for change in changes {
        people.apply(change);
    }
    changes.len()
}

/// Blocks, as a command does. How much that changes.
fn block(people: &People, owner: u8, blocked: u8) -> usize {
    apply(people, &people.blocking(&user(owner), &user(blocked), Timestamp(7)))
}

fn unblock(people: &People, owner: u8, blocked: u8) -> usize {
    apply(people, &people.unblocking(&user(owner), &user(blocked)))
}

fn link(people: &People, one: u8, other: u8, person: i64) -> Result<usize, LinkError> {
    let changes = people.linking(&user(one), &user(other), person, Timestamp(8))?;
    Ok(apply(people, &changes))
}

#[test]
fn a_block_has_a_direction_and_an_end() {
    let people = People::default();
    assert_eq!(block(&people, 1, 2), 1);
    assert_eq!(block(&people, 1, 2), 0);
    assert!(people.has_blocked(&user(1), &user(2)));
    assert!(!people.has_blocked(&user(2), &user(1)));
    assert!(!people.has_blocked(&user(1), &user(3)));
    assert_eq!(unblock(&people, 1, 2), 1);
    assert_eq!(unblock(&people, 1, 2), 0);
    assert!(!people.has_blocked(&user(1), &user(2)));
}

/// Whether each of `owners` has blocked each of `others`.
fn all_blocked(people: &People, owners: &[u8], others: &[u8]) -> bool {
    let mut pairs = owners.iter().flat_map(|owner| others.iter().map(move |other| (owner, other)));
    pairs.all(|(owner, other)| people.has_blocked(&user(*owner), &user(*other)))
}

#[test]
fn a_block_is_of_a_person_by_a_person_whatever_came_first() {
    // Linked before and after: 1 and 2 are one person, 3 and 4 another.
    for order in 0..3 {
        let people = People::default();
        let link_both = || {
            link(&people, 1, 2, 100).unwrap();
            link(&people, 4, 3, 200).unwrap();
        };
        if order == 0 {
            link_both();
        }
        block(&people, 1, 3);
        if order == 1 {
            link_both();
        }
        if order == 2 {
            link(&people, 4, 3, 200).unwrap();
            link(&people, 1, 2, 100).unwrap();
        }
        assert!(all_blocked(&people, &[1, 2], &[3, 4]), "{order}");
        assert!(!people.has_blocked(&user(3), &user(1)));
        // Only the account that was named is listed: links are never shown.
        let named: BTreeSet<_> =
            people.blocks(None, None, 9).into_iter().map(|block| block.blocked).collect();
        assert_eq!(named, BTreeSet::from([user(3)]));
        // It survives that they part, and ends for all of a person at once.
        apply(&people, &[PeopleChange::Alone { user: user(4) }]);
        assert!(all_blocked(&people, &[1, 2], &[3, 4]), "{order}");
        link(&people, 3, 4, 300).unwrap();
        unblock(&people, 2, 4);
        assert!(people.blocks(None, None, 9).is_empty());
        assert!(!people.has_blocked(&user(1), &user(3)));
    }
}

#[test]
fn a_person_is_not_kept_from_themselves_and_has_a_bounded_number_of_accounts() {
    let people = People::default();
    block(&people, 1, 2);
    link(&people, 1, 2, 100).unwrap();
    assert_eq!(link(&people, 2, 1, 200), Err(LinkError::Already));
    for other in 3..=8 {
        link(&people, 1, other, 300).unwrap();
    }
    assert_eq!(link(&people, 9, 5, 400), Err(LinkError::TooMany(8)));
    assert_eq!(people.accounts(&user(5)).len(), 8);
    // What stood between them before they were one stays theirs to lift.
    assert!(people.blocks(None, None, 9).len() <= 1);
}

#[test]
fn strangers_wait_until_a_word_and_are_shown_only_if_they_may_be() {
    let people = People::default();
    let (owner, other) = (user(1), user(2));
    let between = || people.between(&other, &owner, Timestamp(10));
    let held = |shown| PeopleChange::Held { owner: owner.clone(), other: other.clone(), shown };
    apply(&people, &[held(true), held(true), held(false)]);
    assert_eq!((between().held, people.is_asked(&owner, &other)), (3, true));
    let (by, of, at) = (owner.clone(), other.clone(), Timestamp(10));
    apply(&people, &[PeopleChange::Decline { owner: by, other: of, at }]);
    assert!(between().declined && !people.is_asked(&owner, &other));
    assert_eq!(between().held, 3);
    // It is over after its time.
    let later = at.plus(DECLINED_FOR);
    assert!(!people.between(&other, &owner, later).declined);
    assert_eq!(people.declines_over(later).len(), 1);
    assert!(people.declines_over(at).is_empty());
    let (by, of) = (owner.clone(), other.clone());
    apply(&people, &[PeopleChange::Contact { owner: by, other: of, at }]);
    assert_eq!((between().held, between().contact, between().declined), (0, true, false));
}

#[test]
fn what_is_erased_is_the_users_own() {
    let people = People::default();
    let network = NetworkId::new("birdychat").unwrap();
    block(&people, 1, 2);
    block(&people, 2, 1);
    apply(&people, &[PeopleChange::Enable { user: user(1), network, at: Timestamp(1) }]);
    apply(&people, &[PeopleChange::Erase { user: user(1) }]);
    assert_eq!(people.know(&user(1)), None);
    assert!(people.has_blocked(&user(2), &user(1)) && !people.has_blocked(&user(1), &user(2)));
}

proptest! {
    /// As a plain set of pairs would, and page after page shows each once.
    #[test]
    fn it_answers_as_a_set_of_pairs_would(
        changes in proptest::collection::vec((any::<bool>(), 0u8..6, 0u8..6), 0..60),
        page in 1usize..5,
    ) {
        let (people, mut model) = (People::default(), BTreeSet::new());
        for (add, owner, blocked) in changes {
            if add {
                let is_new = owner != blocked && model.insert((owner, blocked));
                prop_assert_eq!(block(&people, owner, blocked) > 0, is_new);
            } else {
                let was = unblock(&people, owner, blocked) > 0;
                prop_assert_eq!(was, model.remove(&(owner, blocked)));
            }
        }
        for owner in [None, Some(0), Some(5), Some(99)] {
            let name = owner.map(user);
            let mut listed: Vec<Block> = Vec::new();
            loop {
                let after = listed.last().map(|last| (&last.owner, &last.blocked));
                let next = people.blocks(name.as_ref(), after, page);
                if next.is_empty() {
                    break;
                }
                listed.extend(next);
            }
            let listed: Vec<_> = listed.into_iter().map(|b| (b.owner, b.blocked)).collect();
            let of_owner = model.iter().filter(|(by, _)| owner.is_none_or(|owner| owner == *by));
            let expected: BTreeSet<_> = of_owner.map(|(a, b)| (user(*a), user(*b))).collect();
            prop_assert_eq!(listed.len(), expected.len());
            prop_assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
