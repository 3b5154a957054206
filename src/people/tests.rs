#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn user(number: u8) -> UserId {
    format!("xmpp:user{number}@p.test").parse().unwrap()
}

fn block(owner: u8, blocked: u8) -> Block {
    Block { owner: user(owner), blocked: user(blocked), at: Timestamp(7) }
}

#[test]
fn a_block_has_a_direction_and_an_end() {
    let people = People::default();
    assert!(people.block(&block(1, 2)));
    assert!(!people.block(&block(1, 2)));
    assert!(people.has_blocked(&user(1), &user(2)));
    assert!(!people.has_blocked(&user(2), &user(1)));
    assert!(!people.has_blocked(&user(1), &user(3)));
    assert!(people.unblock(&user(1), &user(2)));
    assert!(!people.unblock(&user(1), &user(2)));
    assert!(!people.has_blocked(&user(1), &user(2)));
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
                prop_assert_eq!(people.block(&block(owner, blocked)), model.insert((owner, blocked)));
            } else {
                let was = people.unblock(&user(owner), &user(blocked));
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
