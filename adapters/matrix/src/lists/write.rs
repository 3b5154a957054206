//! Writes to a user's list whom they have blocked elsewhere.

use drawbridge_adapter::{BlockEntry, Code, Delivered, DeliveryError, Memo, Timestamp, log};
use ruma::api::client::config::{get_global_account_data, set_global_account_data};
use ruma::events::GlobalAccountDataEventType as Kind;
use ruma::serde::Raw;
use ruma::{OwnedUserId, UserId};
use serde_json::{Value, json};

use super::list::{self, Written};
use super::watch::{LISTED, recalled};
use super::{Lists, written_key};
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::log::LIST_NOT_WRITTEN;
use crate::outbound::retry;

impl Core {
    /// Puts somebody on a user's list, or takes them off. It is done when the homeserver has it;
    /// until the list was seen so, what other clients undo is done again.
    pub(crate) async fn write_block(
        &self,
        entry: &BlockEntry,
        asked: Timestamp,
    ) -> Result<Delivered, DeliveryError> {
        let refused = |why| Err(DeliveryError::Refused { refusal: Code::Forbidden.into(), why });
        let Some(lists) = &self.lists else { return refused("the bridge sees no lists") };
        let other = if entry.other.network() == self.bridge.network() {
            Some(entry.other.id().to_owned())
        } else {
            self.names.ghost_of(&entry.other).map(Into::into)
        };
        let (Ok(user), Some(other)) = (OwnedUserId::try_from(entry.owner.id()), other) else {
            return refused("one of the two ids has no room in an MXID");
        };
        self.meets(&user).await.map_err(retry)?;
        let Some(state) = lists.state_of(&user) else {
            return refused("the bridge does not see this user's list");
        };
        let mut state = state.lock().await;
        let known = recalled(self, &user, &mut state).await.map_err(retry)?;
        if known.outdates(&other, entry.blocked, asked) {
            return Ok(Delivered::default());
        }
        let list = lists.read(&user).await;
        let list = list.map_err(|error| failed(lists, error))?;
        let key = written_key(user.as_str(), &other);
        let Some(changed) = list::changed(&list, &other, entry.blocked) else {
            // The user was faster, or this is the second time.
            if known.written.get(&other).is_some_and(|written| written.listed != entry.blocked) {
                self.bridge.remember(vec![Memo::forget(key)]).await.map_err(retry)?;
                known.written.remove(&other);
            }
            return Ok(Delivered::default());
        };
        // Before it is written, so that it is not taken for the user's own.
        let memo = if entry.blocked { LISTED } else { "" };
        self.bridge.remember(vec![Memo::set(key, memo)]).await.map_err(retry)?;
        known.written.insert(other, Written { listed: entry.blocked, missed: 0 });
        lists.put(&user, &changed).await.map_err(|error| failed(lists, error))?;
        Ok(Delivered::default())
    }
}

fn unsayable() -> CallError {
    CallError::Refused { status: 400, errcode: "M_BAD_JSON".to_owned() }
}

/// The homeserver did not show or take a list.
fn failed(lists: &Lists, error: CallError) -> DeliveryError {
    match error {
        CallError::Refused { .. } => {
            if lists.rarely.may(&LIST_NOT_WRITTEN) {
                log!(LIST_NOT_WRITTEN);
            }
            let why = "the homeserver does not let the bridge write this user's list";
            DeliveryError::Refused { refusal: Code::Forbidden.into(), why }
        }
        error => error.into(),
    }
}

impl Lists {
    /// Writes one entry, if it is not so already.
    pub(super) async fn write(
        &self,
        user: &UserId,
        other: &str,
        listed: bool,
    ) -> Result<(), CallError> {
        match list::changed(&self.read(user).await?, other, listed) {
            Some(changed) => self.put(user, &changed).await,
            None => Ok(()),
        }
    }

    async fn read(&self, user: &UserId) -> Result<Value, CallError> {
        let request =
            get_global_account_data::v3::Request::new(user.to_owned(), Kind::IgnoredUserList);
        match self.homeserver.call(As::Ghost(user), request).await {
            Ok(answer) => {
                let list = serde_json::from_str(answer.account_data.json().get());
                // Nested too deeply: nothing of it would be kept.
                list.map_err(|_| unsayable())
            }
            Err(error) if error.is_missing() => Ok(json!({})),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, user: &UserId, list: &Value) -> Result<(), CallError> {
        let list = Raw::new(list).map_err(|_| unsayable())?.cast_unchecked();
        let kind = Kind::IgnoredUserList;
        let request = set_global_account_data::v3::Request::new_raw(user.to_owned(), kind, list);
        self.homeserver.call(As::Ghost(user), request).await.map(drop)
    }
}
