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
fn a_name_that_is_shown_is_held_and_nobodys_links_show_in_that() {
    let people = People::default();
    let meets = |owner, other, name: &str| {
        let (owner, other, at) = (user(owner), user(other), Timestamp(1));
        people.apply(&PeopleChange::Met { owner, other, name: Some(name.to_owned()), at });
    };
    let alike = |owner, other, name| people.looks_like_another(&user(owner), &user(other), name);
    meets(1, 2, "Ann");
    assert!(alike(1, 3, "Аnn") && !alike(1, 2, "Ann") && !alike(4, 3, "Ann"));
    // Two accounts of one person look to others as two people do.
    link(&people, 2, 3, 9).unwrap();
    assert!(alike(1, 3, "Ann"));
    // A name that comes free is held by the next who bears it.
    meets(1, 3, "ann");
    let (owner, other, name, picture) = (user(1), user(2), Some("Eve".to_owned()), None);
    people.apply(&PeopleChange::Shown { owner, other, name, picture });
    assert!(alike(1, 2, "Ann") && !alike(1, 3, "Ann") && alike(1, 5, "eve"));
    assert!(people.was_seen(&user(3)) && people.was_seen(&user(1)));
    people.apply(&PeopleChange::Erase { user: user(2) });
    assert!(!people.was_seen(&user(2)) && !alike(1, 5, "eve"));
    assert!(alike(1, 5, "drawbridge"));
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

/// A machine that was started long ago, so many hours after the first look at it.
fn machine(hours: u32) -> Machine {
    Machine::started("once", std::time::Duration::from_hours(1) * (100 + hours))
}

fn mute(people: &People, owner: u8, other: u8, how: MuteFor, hours: u32) -> usize {
    apply(people, &people.muting(&user(owner), &user(other), how, machine(hours)))
}

/// Who is heard again because time has passed.
fn over(people: &People, hours: u32) -> Vec<UserId> {
    let over = people.mutes_over(|| machine(hours), std::time::Duration::MAX);
    apply(people, &over);
    let other = |change| match change {
        PeopleChange::Unmute { other, .. } => Some(other),
        _ => None,
    };
    over.into_iter().filter_map(other).collect()
}

#[test]
fn a_mute_has_an_end_or_none() {
    let people = People::default();
    assert_eq!(mute(&people, 1, 2, MuteFor::EightHours, 0), 2);
    mute(&people, 1, 3, MuteFor::Always, 0);
    assert_eq!(mute(&people, 1, 3, MuteFor::Always, 1), 0);
    assert_eq!(over(&people, 7), []);
    assert!(people.has_muted(&user(1), &user(2)) && !people.has_muted(&user(2), &user(1)));
    assert_eq!(over(&people, 8), [user(2)]);
    assert!(!people.has_muted(&user(1), &user(2)) && people.has_muted(&user(1), &user(3)));
    assert_eq!(over(&people, 100_000), []);
    assert_eq!(apply(&people, &people.unmuting(&user(1), &user(3))), 1);
    assert_eq!(apply(&people, &people.unmuting(&user(1), &user(3))), 0);
}

#[test]
fn the_same_mute_again_lasts_longer_and_another_takes_its_place() {
    let people = People::default();
    mute(&people, 1, 2, MuteFor::EightHours, 0);
    mute(&people, 1, 2, MuteFor::EightHours, 6);
    assert_eq!(over(&people, 13), []);
    assert_eq!(over(&people, 14), [user(2)]);
    mute(&people, 1, 2, MuteFor::Week, 20);
    mute(&people, 1, 2, MuteFor::Always, 21);
    assert_eq!(over(&people, 100_000), []);
    assert_eq!(people.muted(&user(1), &user(2)), Some(MuteFor::Always));
}

/// All accounts of the one who mutes, and only the account that was muted: a mute tells nobody
/// whose else it is.
#[test]
fn a_mute_is_of_a_person_against_an_account() {
    for early in [true, false] {
        let people = People::default();
        let link_all = || {
            link(&people, 1, 2, 100).unwrap();
            link(&people, 3, 4, 200).unwrap();
        };
        if early {
            link_all();
        }
        mute(&people, 1, 3, MuteFor::Week, 0);
        if !early {
            link_all();
        }
        assert!([1, 2].iter().all(|owner| people.has_muted(&user(*owner), &user(3))), "{early}");
        assert!([1, 2].iter().all(|owner| !people.has_muted(&user(*owner), &user(4))), "{early}");
        assert_eq!(over(&people, 7 * 24).len(), 2);
    }
}

#[test]
fn who_becomes_one_person_with_whom_they_muted_hears_themselves() {
    let people = People::default();
    mute(&people, 1, 2, MuteFor::Week, 0);
    mute(&people, 2, 1, MuteFor::Always, 0);
    mute(&people, 1, 4, MuteFor::Always, 0);
    link(&people, 1, 3, 100).unwrap();
    link(&people, 1, 2, 100).unwrap();
    for (owner, other) in [(1, 2), (2, 1), (3, 2), (3, 1), (1, 1), (2, 2), (1, 3), (2, 3)] {
        assert!(!people.has_muted(&user(owner), &user(other)), "{owner} {other}");
    }
    assert!([1, 2, 3].iter().all(|owner| people.has_muted(&user(*owner), &user(4))));
}

#[test]
fn mutes_end_some_at_a_time() {
    let people = People::default();
    for owner in 0..30 {
        for other in 0..10 {
            mute(&people, owner, 100 + other, MuteFor::EightHours, 0);
        }
    }
    assert_eq!(
        (over(&people, 8).len(), over(&people, 8).len(), over(&people, 8).len()),
        (256, 44, 0)
    );
}

#[test]
fn the_own_clock_is_kept_while_something_waits_for_it() {
    let people = People::default();
    let kept = |people: &People, hours| {
        let each = std::time::Duration::from_hours(1);
        let changes = people.mutes_over(|| machine(hours), each);
        changes.iter().any(|change| matches!(change, PeopleChange::OwnClock(_)))
    };
    assert!(!kept(&people, 5));
    mute(&people, 1, 2, MuteFor::EightHours, 5);
    assert!(!kept(&people, 5) && kept(&people, 6));
    apply(&people, &people.unmuting(&user(1), &user(2)));
    assert!(!kept(&people, 7));
}

#[test]
fn what_one_user_says_of_others_has_an_end() {
    let people = People::default();
    let other = |number: usize| format!("xmpp:other{number}@p.test").parse::<UserId>().unwrap();
    for number in 0..MOST_SAID {
        assert!(!people.has_said_enough(&user(1), Said::Blocks));
        apply(&people, &people.blocking(&user(1), &other(number), Timestamp(7)));
    }
    assert!(people.has_said_enough(&user(1), Said::Blocks));
    assert!(!people.has_said_enough(&user(1), Said::Mutes));
    assert!(!people.has_said_enough(&user(2), Said::Blocks));
}

#[test]
fn who_is_erased_has_chosen_nothing() {
    let people = People::default();
    mute(&people, 1, 2, MuteFor::Week, 0);
    let (user_1, level) = (user(1), Strictness::Sealed);
    apply(&people, &[PeopleChange::Strict { user: user_1.clone(), level }]);
    apply(&people, &[PeopleChange::Inbox { user: user_1.clone(), apart: true }]);
    let known = people.know(&user_1).unwrap();
    assert_eq!((known.mutes.len(), known.apart, known.strict), (1, true, level));
    apply(&people, &[PeopleChange::Erase { user: user_1.clone() }]);
    assert_eq!(people.know(&user_1), None);
    assert_eq!(over(&people, 1000), []);
}
