//! Who may reach whom: nobody before a network is switched on, a stranger after a word, and nobody
//! who is blocked, by whichever account.

use anyhow::{Result, ensure};
use drawbridge_servers::{MatrixUser, PartnerUser, User, XmppUser};

use super::say;

/// One step, as the people saw it.
pub(super) struct Step {
    what: String,
    seen: String,
    good: bool,
}

/// Plays it; at the end everybody hears everybody.
pub(super) fn play(alice: &MatrixUser, bob: &XmppUser, carol: &PartnerUser) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |what: &str, expected: &str, seen: Result<String>| {
        say(what);
        let seen = seen.unwrap_or_else(|error| format!("{error:#}"));
        let seen = seen.lines().next().unwrap_or_default().to_owned();
        steps.push(Step { what: what.to_owned(), good: seen.contains(expected), seen });
    };
    step("carol writes to alice, who has not switched birdychat on", "not_reachable", {
        carol.says(alice, "Hi?").and_then(|id| Ok(carol.is_told(&id, "not_reachable")?.code))
    });
    step("alice says enable birdychat", "birdychat is on", alice.asks_bridge("enable birdychat"));
    step("bob says enable birdychat", "birdychat is on", bob.asks_bridge("enable birdychat"));
    step("carol writes to bob: it waits for his word", "held", {
        let said = carol.says(bob, "Hi, it is Carol.");
        said.and_then(|id| carol.sees_held(&id)).map(|()| "held".to_owned())
    });
    step("bob is asked, with the first words", "wants to write to you", bob.hears_bridge());
    step("bob says accept", "You hear from", bob.asks_bridge(&format!("accept {}", carol.id())));
    step("the words that waited arrive", "Hi, it is Carol.", heard(bob, carol, "Hi, it is Carol."));
    step("carol writes to alice, whose client joins where it is invited", "Hi, Alice.", {
        carol.says(alice, "Hi, Alice.").and_then(|_| heard(alice, carol, "Hi, Alice."))
    });
    step("alice was asked too", "wants to write to you", alice.hears_bridge());
    step("bob links his account with alice's", "one person's now", {
        let told = alice.asks_bridge("link");
        told.and_then(|told| {
            let code = told.rsplit(' ').next().unwrap_or_default().to_owned();
            bob.asks_bridge(&format!("link {code}"))
        })
    });
    step("alice is told, by the other account's word", "has said your code", alice.hears_bridge());
    step("bob blocks carol", "You hear nothing more", {
        bob.asks_bridge(&format!("block {}", carol.id()))
    });
    step("carol writes to alice: she sees it taken, alice sees nothing", "accepted", {
        let said = carol.says(alice, "Are you there?");
        said.and_then(|id| carol.sees_accepted(&id)).map(|()| "accepted".to_owned())
    });
    step("alice says unblock: nothing of what was sent meanwhile comes", "hear birdychat:carol", {
        alice.asks_bridge(&format!("unblock {}", carol.id()))
    });
    step("carol writes to alice again", "Better now?", {
        carol.says(alice, "Better now?").and_then(|_| heard(alice, carol, "Better now?"))
    });
    step("the two accounts part", "on its own", alice.asks_bridge("unlink"));
    step("bob writes to carol, who is no stranger then", "Welcome, Carol.", {
        bob.says(carol, "Welcome, Carol.").and_then(|_| heard(carol, bob, "Welcome, Carol."))
    });
    steps
}

/// What one heard next from another; anything else in between is an error.
fn heard(who: &dyn User, from: &dyn User, body: &str) -> Result<String> {
    let heard = who.hears(from, body)?;
    ensure!(heard.body == body, "heard something else");
    Ok(heard.body)
}

/// Prints the steps. Whether all went as they should.
pub(super) fn print(steps: &[Step]) -> bool {
    for Step { what, seen, good } in steps {
        let mark = if *good { "" } else { "  WRONG" };
        println!("{what}\n    {seen}{mark}");
    }
    println!();
    steps.iter().all(|step| step.good)
}
