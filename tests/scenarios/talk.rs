//! People of three networks talk.

use anyhow::Result;
use drawbridge_servers::User;

use crate::town;

#[test]
fn everybody_talks_with_everybody() -> Result<()> {
    let town = town()?;
    let alice = town.matrix_user("alice")?;
    let bob = town.xmpp_user("bob")?;
    let carol = town.partner_user("carol")?;

    alice.says(&bob, "Hello Bob, Alice here.")?;
    bob.hears(&alice, "Hello Bob, Alice here.")?;
    bob.says(&alice, "Hello Alice!")?;
    alice.hears(&bob, "Hello Alice!")?;

    bob.says(&carol, "Carol, are you there?")?;
    carol.hears(&bob, "Carol, are you there?")?;
    carol.says(&bob, "I am.")?;
    bob.hears(&carol, "I am.")?;

    carol.says(&alice, "And you, Alice?")?;
    alice.hears(&carol, "And you, Alice?")?;
    alice.says(&carol, "So am I.")?;
    carol.hears(&alice, "So am I.")?;
    Ok(())
}
