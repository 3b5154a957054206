//! How much a partner's users may send.

use anyhow::{Context, Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware};

use crate::programs;

/// How many Carol writes, of which so many pass at once, and hardly any later.
const FLOOD: usize = 500;
const BURST: usize = 20;

const LIMITS: &str = "
[limits]
sender_burst_messages = 20
sender_messages_per_minute = 1
";

#[test]
fn who_floods_is_refused_while_another_passes() -> Result<()> {
    let town = Town::start_on(XmppSoftware::Prosody, &programs()?, |config| config + LIMITS)?;
    let bob = town.xmpp_user("bob")?;
    let (carol, dave) = (town.partner_user("carol")?, town.partner_user("dave")?);
    town.introduces(&[&bob, &carol])?;
    town.introduces(&[&bob, &dave])?;

    carol.floods(&carol.address_of(&bob)?, "me again", FLOOD)?;
    dave.says(&bob, "Only this.")?;
    let mut passed = 0;
    loop {
        let heard = bob.next_message(PATIENCE)?;
        if heard.from == bob.address_of(&dave)? {
            ensure!(heard.body == "Only this.", "{heard:?}");
            break;
        }
        let number: usize = heard.body.rsplit(' ').next().context("no number")?.parse()?;
        passed += 1;
        ensure!(number == passed, "{number} came as the {passed}th");
    }
    ensure!(passed <= BURST + 1, "carol got {passed} messages through");
    for _ in 0..FLOOD - BURST - 1 {
        let told = carol.next_failure(PATIENCE)?;
        ensure!(told.code == "rate_limited", "{told:?}");
    }
    Ok(())
}
