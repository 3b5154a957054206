//! `drawbridge address <user> --on <network>`: who is where, in both directions.

use drawbridge_adapter::{AddressError, NetworkId, UserId};

use super::Exit;
use crate::config::{Loaded, Network};

pub(super) fn print(loaded: &Loaded, text: &str, on: &NetworkId) -> Exit {
    match translate(loaded, text, on) {
        Ok(found) => {
            println!("{found}");
            Exit::Done
        }
        Err(why) => {
            eprintln!("{why}");
            Exit::NoSuch
        }
    }
}

/// The address of a user on the network `on`, or the user behind an address there.
fn translate(loaded: &Loaded, text: &str, on: &NetworkId) -> Result<String, String> {
    let target = loaded.network(on).ok_or_else(|| no_network(loaded, on.as_str()))?;
    let user = text.split_once(':').and_then(|(network, id)| {
        let network = NetworkId::new(network).ok()?;
        loaded.network(&network).map(|network| (network, id))
    });
    match user {
        Some((home, _)) if home.id == *on => {
            Err(format!("this user lives on {on}: there is no other address there"))
        }
        Some((home, id)) => address_of(home, id, target),
        None => user_at(loaded, text, target),
    }
}

fn address_of(home: &Network, id: &str, target: &Network) -> Result<String, String> {
    let user = home.addressing.canonical(id).map_err(|error| on_network(home, &error))?;
    target.addressing.address_of(&user).map_err(|error| on_network(target, &error))
}

fn user_at(loaded: &Loaded, address: &str, target: &Network) -> Result<String, String> {
    let user = target.addressing.user_at(address).map_err(|error| {
        let on = &target.id;
        format!("{}; a user of another network is written network:id", on_network_id(on, &error))
    })?;
    let home = loaded
        .network(user.network())
        .ok_or_else(|| no_network(loaded, user.network().as_str()))?;
    match home.addressing.canonical(user.id()) {
        Ok(canonical) if canonical == user => Ok(spelled(&user)),
        Ok(canonical) => {
            let right = target.addressing.address_of(&canonical);
            let right = right.map(|right| format!("; its address is {right}")).unwrap_or_default();
            Err(format!("nobody: the user would be spelled {}{right}", spelled(&canonical)))
        }
        Err(error) => Err(format!("nobody: {}", on_network(home, &error))),
    }
}

fn spelled(user: &UserId) -> String {
    user.to_string()
}

fn on_network(network: &Network, error: &AddressError) -> String {
    on_network_id(&network.id, error)
}

fn on_network_id(id: &NetworkId, error: &AddressError) -> String {
    format!("{id}: {error}")
}

fn no_network(loaded: &Loaded, id: &str) -> String {
    let known: Vec<_> = loaded.networks.iter().map(|network| network.id.as_str()).collect();
    format!("there is no network {id} in the configuration, only {}", known.join(", "))
}
