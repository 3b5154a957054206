//! A user's own login: taken, used, given back.

use std::borrow::Cow;

use drawbridge_adapter::{
    Access as Granted, Code, Delivered, DeliveryError, Destination, Event, Memo, Secret,
    Unavailable, UserId as Account, log,
};
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::client::account::whoami;
use ruma::api::client::redact::redact_event;
use ruma::api::path_builder::PathBuilder;
use ruma::api::{OutgoingRequest, SupportedVersions};
use ruma::{OwnedEventId, OwnedRoomId, OwnedTransactionId, OwnedUserId, UserId};

use super::{ACCESS, Access, State, WATCHED, Watched};
use crate::core::{Core, Later, WayBack};
use crate::homeserver::{As, CallError};
use crate::log::{LOGIN_ENDED, LOGIN_NOT_TAKEN_BACK};
use crate::outbound::retry;

/// The longest token that is tried, in bytes.
const MAX_TOKEN: usize = 4096;
/// What people write to the bot before their token.
const LOGIN: &str = "login";

impl Core {
    /// Takes a user's own login if it is one, or forgets it.
    pub(crate) async fn take_access(&self, access: &Granted) -> Result<Delivered, DeliveryError> {
        let refused = |why| Err(DeliveryError::Refused { refusal: Code::Forbidden.into(), why });
        let user = OwnedUserId::try_from(access.owner.id()).ok();
        let Some(user) = user.filter(|user| self.is_local(user)) else {
            return refused("no user of this homeserver's");
        };
        self.remembered().await.map_err(retry)?;
        let Some(token) = &access.secret else {
            if let Some(watched) = self.lists.of(&user) {
                self.forget_login(&user, &watched, None).await.map_err(retry)?;
            }
            return Ok(Delivered::default());
        };
        if !self.opens(token, &user).await? {
            return refused("the token is not of this user's own login");
        }
        if self.lists.open(&user).is_none() && self.lists.is_full() {
            return refused("too many users are watched");
        }
        let watched = self.lists.add(&user, None);
        // In this order, as where a call finds that a login has ended.
        let mut state = watched.state.lock().await;
        let _alone = watched.changing.lock().await;
        let memo = Memo::set(format!("{ACCESS}{user}"), token.expose());
        self.bridge.remember(vec![memo]).await.map_err(retry)?;
        // What was to be written without access stands in memos alone.
        *state = State::default();
        watched.set_access(Some(Access::Own(token.clone())));
        Ok(Delivered::default())
    }

    /// Whether the settings of a user can be written now.
    pub(crate) fn has_access(&self, user: &drawbridge_adapter::UserId) -> bool {
        let user = OwnedUserId::try_from(user.id()).ok().filter(|user| self.is_local(user));
        user.is_some_and(|user| self.lists.puppets.is_some() || self.lists.open(&user).is_some())
    }

    /// Whether this token is of this user's own login, by the homeserver's word.
    async fn opens(&self, token: &Secret, user: &UserId) -> Result<bool, CallError> {
        let text = token.expose();
        let said = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !said || text.len() > MAX_TOKEN {
            return Ok(false);
        }
        match self.homeserver.call(As::Own(token), whoami::v3::Request::new()).await {
            Ok(answer) => Ok(answer.user_id == user && !answer.is_guest),
            Err(CallError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets a login: this one, or whichever there is; false if it is not there any more. The
    /// operator's registration stands.
    async fn forget_login(
        &self,
        user: &UserId,
        watched: &Watched,
        only: Option<&Secret>,
    ) -> Result<bool, Unavailable> {
        let _alone = watched.changing.lock().await;
        match watched.access() {
            Some(Access::Own(token)) if only.is_none_or(|only| *only == token) => {}
            _ => return Ok(false),
        }
        let puppets = self.lists.puppets.is_some();
        let mut memos = vec![Memo::forget(format!("{ACCESS}{user}"))];
        if puppets {
            memos.push(Memo::set(format!("{WATCHED}{user}"), ""));
        }
        self.bridge.remember(memos).await?;
        watched.set_access(puppets.then_some(Access::Puppets));
        Ok(true)
    }

    /// Makes a call as a user. A login that opens nothing any more is forgotten.
    pub(super) async fn call_as<R>(
        &self,
        user: &UserId,
        watched: &Watched,
        access: &Access,
        request: R,
    ) -> Result<R::IncomingResponse, CallError>
    where
        R: OutgoingRequest,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    {
        let token = match (access, &self.lists.puppets) {
            (Access::Own(token), _) => token,
            (Access::Puppets, Some(puppets)) => {
                return puppets.call(As::Ghost(user), request).await;
            }
            (Access::Puppets, None) => return Err(CallError::Unreachable),
        };
        let answer = self.homeserver.call(As::Own(token), request).await;
        let ended = answer.as_ref().is_err_and(|error| error.says("M_UNKNOWN_TOKEN"));
        if ended
            && self.forget_login(user, watched, Some(token)).await == Ok(true)
            && let Some(account) = self.names.user(user.as_str())
        {
            log!(LOGIN_ENDED, user = %self.bridge.tag_user(&account));
        }
        answer
    }
}

/// A token that somebody said to the bot.
pub(crate) struct Told {
    room: OwnedRoomId,
    event: OwnedEventId,
    by: Account,
}

/// Where somebody said their token to the bot, if this is that.
pub(crate) fn token_in(said: &Event) -> Option<Told> {
    let body = &said.content.written().filter(|_| said.to == Destination::Bridge)?.body;
    let mut words = body.split_whitespace();
    // As the daemon reads it.
    let first = words.next().unwrap_or_default().trim_start_matches(['!', '/']);
    let is_login = first.eq_ignore_ascii_case(LOGIN);
    if !is_login || words.next().is_none() {
        return None;
    }
    let way = WayBack::from_reply_path(&said.reply_path)?;
    let event = OwnedEventId::try_from(said.id.as_str()).ok()?;
    Some(Told { room: way.room, event, by: said.sender.user.clone() })
}

/// Takes away what was said to the bot, if the room lets it.
pub(crate) async fn take_back(core: &Core, told: Told) -> Result<(), Later> {
    let Some(bot) = core.names.bot_user() else { return Ok(()) };
    let once = OwnedTransactionId::from(told.event.as_str());
    let request = redact_event::v3::Request::new(told.room, told.event, once);
    if let Err(error) = core.homeserver.call(As::Device(&bot), request).await {
        Later::if_gone(&error)?;
        log!(LOGIN_NOT_TAKEN_BACK, user = %core.bridge.tag_user(&told.by));
    }
    Ok(())
}
