//! What users' servers are asked, in the name of a ghost that may see it.

use std::time::Duration;

use drawbridge_adapter::{Addressing, Bridge, Code, DeliveryError, Refusal, UserId};
use minidom::Element;

use super::read::{self, Card};
use super::{PREFIX, Profiles};
use crate::ns;
use crate::stream::Stanza;
use crate::xml::Xml;

/// How long a user's server may take for a picture, each time it is asked.
const PICTURE: Duration = Duration::from_secs(10);

impl Profiles {
    /// Fetches a user's picture.
    pub(crate) async fn fetch(
        &self,
        user: &UserId,
        id: &str,
        bridge: &Bridge,
    ) -> Result<Vec<u8>, DeliveryError> {
        let known = {
            let mut state = self.lock();
            state.users.get(user).and_then(|known| Some((known.ghost.clone()?, known.sees)))
        };
        let sees = known.as_ref().is_some_and(|(_, sees)| *sees);
        let known = known.and_then(|(ghost, _)| self.addresses.address_of(&ghost).ok());
        let address = if sees {
            known
        } else {
            let noted = bridge.recall(&format!("{PREFIX}{}", user.id())).await;
            let noted = noted.map_err(|_| later("the store did not say who may see it"))?;
            // Only ever from ourselves, whatever the store gave back.
            noted.filter(|address| self.addresses.user_at(address).is_ok()).or(known)
        };
        let address = address.unwrap_or_else(|| self.addresses.component().to_owned());
        let fits = |bytes: &Vec<u8>| !read::is_hash(id) || read::id_of(bytes) == id;
        let data = self.published(PICTURE, &address, user, ns::AVATAR_DATA, Some(id)).await;
        let found = match data {
            Ok(item) => {
                let data = item.as_ref().and_then(|item| item.get_child("data", ns::AVATAR_DATA));
                data.and_then(read::decoded).filter(fits)
            }
            Err(DeliveryError::Refused { .. }) => None,
            Err(error) => return Err(before(error)),
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let card = match self.card(PICTURE, &address, user).await {
            Ok(card) => card,
            Err(error) => return Err(before(error)),
        };
        card.photo.filter(fits).ok_or(DeliveryError::Refused {
            refusal: Code::Expired.into(),
            why: "the picture is not there",
        })
    }

    /// The latest item of a user's node, or the one of this id, if there is one.
    pub(super) async fn published(
        &self,
        patience: Duration,
        from: &str,
        user: &UserId,
        node: &'static str,
        id: Option<&str>,
    ) -> Result<Option<Element>, DeliveryError> {
        let items = Xml::new("items").attr("node", node);
        let items = match id {
            Some(id) => items.child(Xml::new("item").attr("id", id)),
            None => items.attr("max_items", "1"),
        };
        let query = Xml::within("pubsub", ns::PUBSUB).child(items);
        let Some(answer) = self.asks(patience, from, user, query).await? else { return Ok(None) };
        let pubsub = answer.get_child("pubsub", ns::PUBSUB).ok_or(UNREADABLE)?;
        let items = pubsub.get_child("items", ns::PUBSUB);
        Ok(items.and_then(read::last_item).cloned())
    }

    /// What a user's card says.
    pub(super) async fn card(
        &self,
        patience: Duration,
        from: &str,
        user: &UserId,
    ) -> Result<Card, DeliveryError> {
        let answer = self.asks(patience, from, user, Xml::within("vCard", ns::VCARD)).await?;
        let card = answer.as_ref().and_then(|answer| answer.get_child("vCard", ns::VCARD));
        Ok(card.map(read::card).unwrap_or_default())
    }

    /// Asks for something in the name of a ghost; `Ok(None)` if there is no such thing.
    async fn asks(
        &self,
        patience: Duration,
        from: &str,
        user: &UserId,
        what: Xml,
    ) -> Result<Option<Element>, DeliveryError> {
        let query = |id: &str| {
            let iq = Xml::new("iq").attr("type", "get").attr("id", id);
            iq.attr("from", from).attr("to", user.id()).child(what.clone())
        };
        let Stanza { element, whole } = self.outward.ask_within(patience, user.id(), query).await?;
        match element.attr("type") {
            Some("result") if whole => Ok(Some(element)),
            Some("error") if is_absent(&element) => Ok(None),
            _ => Err(UNREADABLE),
        }
    }
}

/// Whether an error says that there is no such thing, and not that it is closed.
fn is_absent(error: &Element) -> bool {
    let error = error.children().find(|child| child.name() == "error");
    error.is_some_and(|error| error.has_child("item-not-found", ns::STANZAS))
}

/// What a server says that lets nobody in, or says nothing of use.
const UNREADABLE: DeliveryError = DeliveryError::Refused {
    refusal: Refusal { code: Code::Forbidden, retry_after: None, limit: None },
    why: "the user's server does not say it",
};

fn later(why: &'static str) -> DeliveryError {
    DeliveryError::Retry { after: None, why }
}

/// To read something once more harms nothing.
fn before(error: DeliveryError) -> DeliveryError {
    match error {
        DeliveryError::Unknown { why } => later(why),
        error => error,
    }
}
