//! A message, said by its writer's ghost in the portal, and what the bot says.

use std::time::Duration;

use drawbridge_adapter::{
    Code, Content, Delivered, Delivery, DeliveryError, Message, Notice, Reference, Reply,
};
use ruma::api::Direction;
use ruma::api::client::message::get_message_events;
use ruma::{OwnedEventId, OwnedUserId, RoomId, UserId, uint};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rooms::retry;
use super::words;
use crate::core::{Core, WayBack};
use crate::homeserver::{As, CallError};
use crate::portals::{Company, Left, Room};

/// A field of ours in each event: finds it again when the homeserver has forgotten the
/// transaction.
pub(super) const KEY: &str = "dev.drawbridge.delivery";
/// From this age on the homeserver may have forgotten a transaction: Synapse keeps it for a day.
const FORGOTTEN: Duration = Duration::from_hours(20);
/// The most pages of 100 events that are searched for an earlier try.
const PAGES: usize = 10;

#[derive(Deserialize)]
struct Earlier {
    event_id: OwnedEventId,
    content: EarlierContent,
}

#[derive(Deserialize)]
struct EarlierContent {
    #[serde(rename = "dev.drawbridge.delivery")]
    key: String,
}

/// The key of the delivery by which a ghost said this, if one did.
pub(crate) fn key_of(content: &Value) -> Option<&str> {
    content.get(KEY)?.as_str()
}

/// Says what was said in a portal after its user had left, in the portal of today. Under the same
/// key: if it was tried there already, it shows once.
pub(crate) async fn say_again(
    core: &Core,
    left: &Left,
    key: &str,
    content: &Value,
) -> Result<(), DeliveryError> {
    let pair = (&left.user, &left.ghost);
    let mut content = content.clone();
    // What it is about stays where it was said.
    if let Some(content) = content.as_object_mut() {
        content.remove("m.relates_to");
        if let Some(Value::Object(new)) = content.remove("m.new_content") {
            content.extend(new);
        }
    }
    for _ in 0..2 {
        let room = core.portal(pair.0, pair.1, None).await?;
        if core.say_in(&room, pair, key, &content).await?.is_some() {
            return Ok(());
        }
    }
    let why = "thrown out of a new room";
    Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why })
}

/// What the bot says.
pub(super) fn in_own_name(delivery: &Delivery, text: &str) -> Value {
    json!({ "msgtype": "m.notice", "body": text, KEY: delivery.key })
}

impl Core {
    /// Shows a message to a Matrix user.
    pub(super) async fn say(
        &self,
        delivery: &Delivery,
        message: &Message,
    ) -> Result<Delivered, DeliveryError> {
        let refused = |code: Code, why| Err(DeliveryError::Refused { refusal: code.into(), why });
        let Some(ghost) = self.names.ghost_of(&message.from.user) else {
            return refused(Code::NotReachable, "the sender's id has no room in an MXID");
        };
        let Ok(user) = OwnedUserId::try_from(message.to.id()) else {
            return refused(Code::NotReachable, "the recipient's id is no MXID");
        };
        let (name, pair) = (message.from.name.as_deref(), (&user, &ghost));
        match &message.content {
            Content::Text(text) => {
                let mut content = words::content(text, &self.names);
                content[KEY] = delivery.key.as_str().into();
                self.show(delivery, name, pair, (&content, message.reply.as_ref())).await
            }
            Content::Location(place) => {
                let mut content = words::place(place, message.words.as_deref(), message.sent_at);
                content[KEY] = delivery.key.as_str().into();
                self.show(delivery, name, pair, (&content, message.reply.as_ref())).await
            }
            Content::Media(media) => self.show_file(delivery, (message, media), pair).await,
            Content::Edit { .. } | Content::Retraction { .. } | Content::Reaction { .. } => {
                self.ensure(&ghost).await?;
                self.act(delivery, &message.content, pair).await
            }
            other => {
                let code = Code::UnsupportedKind(other.kind());
                refused(code, "a kind that this adapter did not declare")
            }
        }
    }

    /// Says something in the bridge's own name: where the command came from that it answers, if
    /// that is still a direct chat of the two, else in theirs of today.
    pub(super) async fn announce(
        &self,
        delivery: &Delivery,
        notice: &Notice,
    ) -> Result<Delivered, DeliveryError> {
        let refused = |why| Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why });
        let Some(bot) = self.names.bot_user() else {
            return refused("the bot's name is no MXID");
        };
        let Ok(user) = OwnedUserId::try_from(notice.to.id()) else {
            return refused("the recipient's id is no MXID");
        };
        let content = in_own_name(delivery, &notice.text);
        let asked_in = notice.reply_path.as_ref().and_then(WayBack::from_reply_path);
        if let Some(WayBack { room: id, .. }) = asked_in {
            let room = self.portals.room(&id).await.map_err(retry)?;
            let theirs = Room { ghost: bot.clone(), user: user.clone(), company: Company::None };
            if room == Some(theirs) {
                self.ensure(&bot).await?;
                let said = self.say_in(&id, (&user, &bot), &delivery.key, &content).await?;
                if let Some(delivered) = said {
                    return Ok(delivered);
                }
            }
        }
        self.show(delivery, None, (&user, &bot), (&content, None)).await
    }

    /// Says it in the portal of the two.
    pub(super) async fn show(
        &self,
        delivery: &Delivery,
        name: Option<&str>,
        (user, ghost): (&OwnedUserId, &OwnedUserId),
        (content, reply): (&Value, Option<&Reply>),
    ) -> Result<Delivered, DeliveryError> {
        for _ in 0..2 {
            self.ensure(ghost).await?;
            let room = self.portal(user, ghost, name).await?;
            if let Some(id) = self.sent_long_ago(&room, ghost, delivery).await? {
                return Ok(under(&id));
            }
            let mut content = content.clone();
            let threaded = match reply {
                Some(reply) => self.answering(&room, ghost, &mut content, reply).await?,
                None => None,
            };
            if let Some(threaded) = &threaded {
                match self.send((&room, ghost), &delivery.key, "m.room.message", threaded).await {
                    Ok(delivered) => return Ok(delivered),
                    // Threads begin with no event that stands in one, or is about another: then it
                    // is an answer. The homeserver keeps no transaction that it refused.
                    Err(CallError::Refused { status: 400, .. }) => {}
                    // Thrown out, as is seen below.
                    Err(error) if error.is_forbidden() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let said = self.say_in(&room, (user, ghost), &delivery.key, &content).await?;
            if let Some(delivered) = said {
                return Ok(delivered);
            }
        }
        let why = "thrown out of a new room";
        Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why })
    }

    /// Lets a message answer another one of this room; and how it reads in its thread, if it stands in
    /// one that begins there.
    async fn answering(
        &self,
        place: &RoomId,
        ghost: &UserId,
        content: &mut Value,
        Reply { to, quote, thread }: &Reply,
    ) -> Result<Option<Value>, CallError> {
        let of = async |named: Option<&Reference>| match named {
            Some(named) => self.event_of(place, ghost, named).await,
            None => Ok(None),
        };
        let event = of(to.as_ref()).await?;
        let root = thread.as_ref().map(|thread| &thread.root);
        let begins = if root == to.as_ref() { event.clone() } else { of(root).await? };
        let (to, quote) = (event.as_deref(), quote.as_deref());
        let follows = thread.as_ref().is_some_and(|thread| thread.follows);
        let threaded = begins.map(|begins| {
            let mut threaded = content.clone();
            words::in_thread(&mut threaded, &begins, (to, follows), quote);
            threaded
        });
        words::answer(content, to, quote);
        Ok(threaded)
    }

    /// Says it in this portal. `None` if it is none any more: the ghost was thrown out, or the
    /// homeserver was set up anew.
    pub(super) async fn say_in(
        &self,
        room: &RoomId,
        (user, ghost): (&OwnedUserId, &OwnedUserId),
        key: &str,
        content: &Value,
    ) -> Result<Option<Delivered>, DeliveryError> {
        match self.send((room, ghost), key, "m.room.message", content).await {
            Ok(delivered) => Ok(Some(delivered)),
            Err(error) if error.is_forbidden() => {
                self.ghosts.forget(ghost);
                self.abandon(room, user, ghost).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks for a message that an earlier try may have sent, if the homeserver would not know
    /// its transaction any more.
    pub(super) async fn sent_long_ago(
        &self,
        room: &RoomId,
        ghost: &UserId,
        delivery: &Delivery,
    ) -> Result<Option<OwnedEventId>, CallError> {
        let age = self.bridge.now().since(delivery.accepted_at);
        if delivery.attempt < 2 || age < FORGOTTEN {
            return Ok(None);
        }
        self.said_under(room, ghost, &delivery.key).await
    }

    /// Looks for the event that was sent under this key, among the last ones.
    pub(super) async fn said_under(
        &self,
        room: &RoomId,
        ghost: &UserId,
        key: &str,
    ) -> Result<Option<OwnedEventId>, CallError> {
        let mut from = None;
        for _ in 0..PAGES {
            let mut request =
                get_message_events::v3::Request::new(room.to_owned(), Direction::Backward);
            request.limit = uint!(100);
            request.from = from;
            let page = self.homeserver.call(As::Ghost(ghost), request).await?;
            let earlier = page.chunk.iter().filter_map(|raw| raw.deserialize_as_unchecked().ok());
            let mut same = earlier.filter(|event: &Earlier| event.content.key == key);
            if let Some(found) = same.next() {
                return Ok(Some(found.event_id));
            }
            from = page.end;
            if from.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

/// It was delivered as this event.
pub(super) fn under(event: &ruma::EventId) -> Delivered {
    Delivered::under(drawbridge_adapter::EventId::new(event.as_str()).ok())
}
