//! The laws of [`Addressing`], held against hostile ids.

use anyhow::{Result, anyhow, ensure};
use drawbridge_adapter::{Addressing, NetworkId, UserId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

const CASES: u32 = 512;

/// Holds an adapter's addressing against its laws, with ids and addresses made to break it:
///
/// - `own`, a user of the network's own, is canonical; a canonical id is its own canonical form,
///   is of the network, and holds no control character (conversations' ids rely on it);
/// - an address made for a foreign user leads back to that very user, or none is made;
/// - an address that leads to a user, whatever its spelling, is of a user whose own address leads
///   there too;
/// - nothing panics.
pub fn check_addressing(
    network: &NetworkId,
    own: &UserId,
    addressing: &dyn Addressing,
) -> Result<()> {
    ensure!(own.network() == network, "the peer's user is not of the network {network}");
    let canonical = addressing.canonical(own.id());
    ensure!(canonical.as_ref() == Ok(own), "the peer's own id is not canonical");
    for foreign in USUAL {
        let user: UserId = foreign.parse()?;
        let address = addressing.address_of(&user);
        let address = address.map_err(|error| anyhow!("{foreign} has no address: {error}"))?;
        let back = addressing.user_at(&address);
        ensure!(back.as_ref() == Ok(&user), "{foreign} is not found back under its address");
    }
    law("an address leads back", &foreign(), |user| leads_back(addressing, user))?;
    let seeds = vec![own.id().to_owned()];
    law("canonical is canonical", &ids(seeds), |id| is_canonical(network, addressing, id))?;
    let carol: UserId = "elsewhere:carol".parse()?;
    let seeds = [Ok(own.id().to_owned()), addressing.address_of(&carol)];
    let addresses = ids(seeds.into_iter().flatten().collect());
    law("any address is safe", &addresses, |address| leads_somewhere(addressing, address))
}

/// Users whom every network must be able to show.
const USUAL: &[&str] = &[
    "elsewhere:carol",
    "elsewhere:bob@example.net",
    "elsewhere:@alice:example.org",
    "x-2:a_b=c.d",
];

fn leads_back(addressing: &dyn Addressing, user: &UserId) -> Result<(), String> {
    let Ok(address) = addressing.address_of(user) else { return Ok(()) };
    match addressing.user_at(&address) {
        Ok(back) if back == *user => Ok(()),
        other => {
            Err(format!("{user} has the address {address:?}, which leads to {}", show(&other)))
        }
    }
}

fn leads_somewhere(addressing: &dyn Addressing, address: &str) -> Result<(), String> {
    match addressing.user_at(address) {
        Ok(user) => match addressing.address_of(&user) {
            Ok(_) => leads_back(addressing, &user),
            Err(error) => Err(format!("{address:?} leads to {user}, who has no address: {error}")),
        },
        Err(_) => Ok(()),
    }
}

fn is_canonical(network: &NetworkId, addressing: &dyn Addressing, id: &str) -> Result<(), String> {
    let Ok(user) = addressing.canonical(id) else { return Ok(()) };
    if user.network() != network {
        return Err(format!("{id:?} is of the network {}", user.network()));
    }
    if user.id().chars().any(char::is_control) {
        return Err(format!("{id:?} holds a control character, and is accepted"));
    }
    if addressing.domain(&user).is_some_and(str::is_empty) {
        return Err(format!("{id:?} has an empty domain"));
    }
    match addressing.canonical(user.id()) {
        Ok(again) if again == user => Ok(()),
        other => Err(format!("{id:?} becomes {user}, and that becomes {}", show(&other))),
    }
}

/// A user in words: its `Debug` hides the id, which a log must not show and a failed test must.
fn show<E: std::fmt::Debug>(user: &Result<UserId, E>) -> String {
    match user {
        Ok(user) => user.to_string(),
        Err(error) => format!("{error:?}"),
    }
}

fn law<T: std::fmt::Debug>(
    name: &str,
    inputs: &impl Strategy<Value = T>,
    holds: impl Fn(&T) -> Result<(), String>,
) -> Result<()> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(inputs, |input| holds(&input).map_err(TestCaseError::fail));
    outcome.map_err(|error| anyhow!("{name}: {error}"))
}

/// Users of other networks, with ids of every sort.
fn foreign() -> impl Strategy<Value = UserId> {
    let seeds = USUAL.iter().filter_map(|user| user.split_once(':')).map(|(_, id)| id.to_owned());
    let ids = ids(seeds.collect());
    ("[a-z][a-z0-9-]{0,15}", ids).prop_filter_map("a user", |(network, id)| {
        UserId::new(NetworkId::new(&network).ok()?, id).ok()
    })
}

/// Ids and addresses: of the characters that escaping trips over, of any characters, too long
/// ones, and good ones with a piece put in.
fn ids(seeds: Vec<String>) -> impl Strategy<Value = String> {
    let tricky = r#"[a-zA-Z0-9@:=_./\\ %+&'"<>\-\n\x00~!#|]{0,40}"#;
    let escapes = "(=[0-9a-fA-F]{0,2}|\\\\[0-9a-fA-F]{0,2}|%[0-9a-fA-F]{0,2}|_|@|:|[a-z]){0,24}";
    let wild = proptest::collection::vec(any::<char>(), 0..24);
    let piece = prop_oneof![
        "[=\\\\%_@:/.A-Z\u{e9}\u{212A}\u{200B}\u{0}]{1,3}",
        Just("/resource".to_owned()),
        Just("\u{1F600}".to_owned()),
    ];
    let changed = (proptest::sample::select(seeds), any::<proptest::sample::Index>(), piece);
    let changed = changed.prop_map(|(seed, at, piece)| {
        let mut chars: Vec<char> = seed.chars().collect();
        let at = at.index(chars.len() + 1);
        chars.splice(at..at, piece.chars());
        chars.into_iter().collect::<String>()
    });
    prop_oneof![
        4 => tricky,
        4 => escapes,
        3 => wild.prop_map(String::from_iter),
        1 => "[a-z]{180,300}",
        1 => "[A-Z=@]{500,1100}",
        4 => changed,
    ]
}
