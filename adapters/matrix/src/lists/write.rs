//! Writes to a user's list whom they have blocked elsewhere.

use drawbridge_adapter::{BlockEntry, Code, Delivered, DeliveryError, Memo, Timestamp, log};
use ruma::api::client::config::{get_global_account_data, set_global_account_data};
use ruma::events::GlobalAccountDataEventType as Kind;
use ruma::serde::Raw;
use ruma::{OwnedUserId, UserId};
use serde_json::{Value, json};

use super::list::{self, Written};
use super::watch::{LISTED, recalled};
use super::{Access, Lists, State, Watched, seen_key, written_key};
use crate::core::Core;
use crate::homeserver::CallError;
use crate::log::LIST_NOT_WRITTEN;
use crate::outbound::retry;

impl Core {
    /// Puts somebody on a user's list, or takes them off. It is done when the homeserver has it;
    /// until the list was seen so, what other clients undo is done again. Where there is no access,
    /// it is remembered until there is.
    pub(crate) async fn write_block(
        &self,
        entry: &BlockEntry,
        asked: Timestamp,
    ) -> Result<Delivered, DeliveryError> {
        let other = if entry.other.network() == self.bridge.network() {
            Some(entry.other.id().to_owned())
        } else {
            self.names.ghost_of(&entry.other).map(Into::into)
        };
        let user = OwnedUserId::try_from(entry.owner.id()).ok();
        let (Some(user), Some(other)) = (user.filter(|user| self.is_local(user)), other) else {
            let why = "one of the two has no list here";
            return Err(DeliveryError::Refused { refusal: Code::Forbidden.into(), why });
        };
        self.remembered().await.map_err(retry)?;
        self.meets(&user).await.map_err(retry)?;
        let key = written_key(user.as_str(), &other);
        let Some((watched, access)) = self.lists.open(&user) else {
            let seen = self.bridge.recall(&seen_key(user.as_str(), &other)).await.map_err(retry)?;
            let memo = match (entry.blocked, seen) {
                (true, _) => Memo::set(key, LISTED),
                (false, Some(_)) => Memo::set(key, ""),
                (false, None) => Memo::forget(key),
            };
            self.bridge.remember(vec![memo]).await.map_err(retry)?;
            self.wished(&user).await;
            return Ok(Delivered::default());
        };
        let mut state = watched.state.lock().await;
        let known = recalled(self, &user, &mut state.ignored).await.map_err(retry)?;
        if known.told.outdates(&other, entry.blocked, asked) {
            return Ok(Delivered::default());
        }
        let of = (&*user, &*watched, &access);
        let list = self.read_list(of).await;
        let list = list.map_err(|error| failed(&self.lists, &access, error))?;
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
        let put = self.put_list(of, &changed).await;
        put.map_err(|error| failed(&self.lists, &access, error))?;
        Ok(Delivered::default())
    }

    /// Something was remembered for a user without access: if there is some by now, it counts.
    pub(super) async fn wished(&self, user: &UserId) {
        if let Some((watched, _)) = self.lists.open(user) {
            *watched.state.lock().await = State::default();
            watched.changed.notify_one();
        }
    }

    /// Writes one entry, if it is not so already.
    pub(super) async fn write_entry(
        &self,
        of: (&UserId, &Watched, &Access),
        other: &str,
        listed: bool,
    ) -> Result<(), CallError> {
        match list::changed(&self.read_list(of).await?, other, listed) {
            Some(changed) => self.put_list(of, &changed).await,
            None => Ok(()),
        }
    }

    async fn read_list(
        &self,
        (user, watched, access): (&UserId, &Watched, &Access),
    ) -> Result<Value, CallError> {
        let request =
            get_global_account_data::v3::Request::new(user.to_owned(), Kind::IgnoredUserList);
        match self.call_as(user, watched, access, request).await {
            Ok(answer) => {
                let list = serde_json::from_str(answer.account_data.json().get());
                // Nested too deeply: nothing of it would be kept.
                list.map_err(|_| unsayable())
            }
            Err(error) if error.is_missing() => Ok(json!({})),
            Err(error) => Err(error),
        }
    }

    async fn put_list(
        &self,
        (user, watched, access): (&UserId, &Watched, &Access),
        list: &Value,
    ) -> Result<(), CallError> {
        let list = Raw::new(list).map_err(|_| unsayable())?.cast_unchecked();
        let kind = Kind::IgnoredUserList;
        let request = set_global_account_data::v3::Request::new_raw(user.to_owned(), kind, list);
        self.call_as(user, watched, access, request).await.map(drop)
    }
}

fn unsayable() -> CallError {
    CallError::Refused { status: 400, errcode: "M_BAD_JSON".to_owned() }
}

/// The homeserver did not show or take what a user keeps there.
pub(super) fn failed(lists: &Lists, access: &Access, error: CallError) -> DeliveryError {
    match error {
        error if matches!(access, Access::Own(_)) && error.says("M_UNKNOWN_TOKEN") => {
            DeliveryError::Retry { after: None, why: "the user's own login has ended" }
        }
        CallError::Refused { .. } => {
            if lists.rarely.may(&LIST_NOT_WRITTEN) {
                log!(LIST_NOT_WRITTEN);
            }
            let why = "the homeserver does not let the bridge write what this user keeps";
            DeliveryError::Refused { refusal: Code::Forbidden.into(), why }
        }
        error => error.into(),
    }
}
