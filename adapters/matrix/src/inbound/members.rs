//! Who comes and goes in the rooms with ghosts in them, and which of these are portals.

use std::sync::Arc;

use drawbridge_adapter::{Gesture, UserId as Account};
use ruma::api::client::membership::{joined_members, leave_room};
use ruma::{OwnedUserId, RoomId, UserId};

use crate::core::{Core, Later};
use crate::homeserver::{As, CallError};
use crate::outbound;
use crate::portals::{Company, Room};
use crate::wire::WireEvent;

/// How many transactions wait for one room's members before it is taken for a group.
pub(super) const WAITS: u32 = 5;

impl Core {
    /// Deals with one membership event.
    pub(super) async fn member(self: &Arc<Self>, event: &WireEvent) -> Result<(), Later> {
        let target = event.state_key.as_deref().and_then(|key| OwnedUserId::try_from(key).ok());
        let Some(target) = target else { return Ok(()) };
        let membership = event.text("membership").unwrap_or_default();
        if self.names.is_ours(target.as_str()) {
            return match membership {
                "invite" if self.names.is_ours(event.sender.as_str()) => Ok(()),
                "invite" => self.invited(event, target).await,
                "leave" | "ban" => self.ghost_gone(&event.room, &target).await,
                // The homeserver may have put the ghost's own profile over what is shown there.
                "join" => self.looks_right(event, &target).await,
                _ => Ok(()),
            };
        }
        let Some(room) = self.portals.room(&event.room).await? else {
            return match membership {
                "leave" | "ban" => self.left(event, &target).await,
                "invite" if self.names.is_ours(event.sender.as_str()) => {
                    self.opened(event, target).await
                }
                _ => Ok(()),
            };
        };
        // What is called otherwise in one room may be called so everywhere.
        if membership == "join" && target == room.user && event.is_changed {
            self.may_look_otherwise(&target);
        }
        match membership {
            // A change of the name is another join.
            "join" if target == room.user && event.was.as_deref() != Some("join") => {
                self.accepts(&room.user, &room.ghost).await
            }
            "leave" | "ban" if target == room.user => {
                self.declines(event, &room.ghost).await?;
                self.portals.close_behind(&event.room, &room, Some(&event.id)).await?;
                self.step_out(&event.room, &room.ghost).await
            }
            "leave" | "ban" if room.company == Company::Others => {
                self.look_around(&event.room, &room).await.map(drop)
            }
            "join" if target != room.user && room.ghost == self.names.bot() => {
                self.leave(&event.room, &room).await
            }
            "join" if target != room.user && room.company == Company::None => {
                Ok(self.portals.crowd(&event.room, &room).await?)
            }
            _ => Ok(()),
        }
    }

    /// A ghost is in its portal under a name and with a picture: perhaps not as it should be.
    async fn looks_right(&self, event: &WireEvent, ghost: &UserId) -> Result<(), Later> {
        if let Some(room) = self.portals.room(&event.room).await?
            && room.ghost == ghost
        {
            let worn = (event.text("displayname"), event.text("avatar_url"));
            self.dress_if_otherwise(&event.room, &room, worn).await;
        }
        Ok(())
    }

    /// The user of a portal has left that was closed before: by a delivery that found nobody, or
    /// when this transaction came for the first time.
    async fn left(&self, event: &WireEvent, user: &UserId) -> Result<(), Later> {
        match self.portals.left(&event.room).await? {
            Some(left) if left.user == user => {
                self.declines(event, &left.ghost).await?;
                self.portals.saw_leaving(&event.room, left.clone(), &event.id).await?;
                self.step_out(&event.room, &left.ghost).await
            }
            _ => Ok(()),
        }
    }

    /// A ghost has invited its user to a room that is not written down yet. It is, before the next
    /// event is looked at: that may be the user's answer.
    async fn opened(&self, event: &WireEvent, user: OwnedUserId) -> Result<(), Later> {
        let ghost = event.sender.clone();
        let _alone = self.portals.seek(&user, &ghost).await;
        let unknown = self.portals.room(&event.room).await?.is_none();
        if unknown && self.portals.was_opening(&user, &ghost).await? {
            // Of the bot's it may be the user's space.
            match self.is_space(&event.room, &ghost).await {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(error) => return Later::if_gone(&error),
            }
            let room = Room { ghost, user, company: Company::None };
            self.open(&event.room, &room).await?;
        }
        Ok(())
    }

    /// A user wants to hear from who is behind a ghost.
    pub(super) async fn accepts(&self, user: &UserId, ghost: &UserId) -> Result<(), Later> {
        self.gesture(user, ghost, Gesture::Accept).await
    }

    /// A user has left a ghost, if nobody else made them.
    async fn declines(&self, leaving: &WireEvent, ghost: &UserId) -> Result<(), Later> {
        if leaving.state_key.as_deref() != Some(leaving.sender.as_str()) {
            return Ok(());
        }
        self.gesture(&leaving.sender, ghost, Gesture::Decline).await
    }

    async fn gesture(
        &self,
        user: &UserId,
        ghost: &UserId,
        of: fn(Account) -> Gesture,
    ) -> Result<(), Later> {
        self.meets(user).await?;
        let (user, other) = (self.names.user(user.as_str()), self.names.behind(ghost.as_str()));
        if let (Some(user), Some(other)) = (user, other) {
            self.bridge.gesture(&user, of(other)).await?;
        }
        Ok(())
    }

    async fn ghost_gone(&self, id: &RoomId, ghost: &UserId) -> Result<(), Later> {
        match self.portals.room(id).await? {
            Some(room) if room.ghost == ghost => Ok(self.portals.close(id, &room).await?),
            _ => Ok(()),
        }
    }

    /// The ghost leaves, and the room is no portal any more.
    pub(crate) async fn leave(&self, id: &RoomId, room: &Room) -> Result<(), Later> {
        self.portals.close(id, room).await?;
        self.step_out(id, &room.ghost).await
    }

    pub(crate) async fn step_out(&self, id: &RoomId, ghost: &UserId) -> Result<(), Later> {
        let request = leave_room::v3::Request::new(id.to_owned());
        match self.homeserver.call(As::Ghost(ghost), request).await {
            Ok(_) => Ok(()),
            Err(error) => Later::if_gone(&error),
        }
    }

    /// Whether a transaction may wait until the homeserver says who is in this room, or takes what
    /// is to be said instead of there: what never succeeds must not hold up everybody's events.
    pub(crate) fn waits_for(&self, id: &RoomId) -> bool {
        let waited = self.unseen.get(&id.to_owned()).unwrap_or(0);
        self.unseen.put(id.to_owned(), waited.saturating_add(1));
        waited < WAITS
    }

    /// Finds out who is in a room with a ghost: a direct chat becomes its two's portal; from a
    /// group where the ghost is new it leaves; a portal that others have joined is none for now.
    pub(super) async fn look_around(
        &self,
        id: &RoomId,
        room: &Room,
    ) -> Result<Option<Room>, Later> {
        let request = joined_members::v3::Request::new(id.to_owned());
        let present = match self.homeserver.insist(As::Ghost(&room.ghost), request).await {
            Ok(answer) => answer.joined,
            Err(error) if error.is_forbidden() => {
                self.portals.close(id, room).await?;
                return Ok(None);
            }
            Err(CallError::Unreachable) => return Err(Later),
            Err(error) if error.is_temporary() && self.waits_for(id) => return Err(Later),
            // Not known: so nothing crosses as if the two were alone.
            Err(_) => return Ok(Some(Room { company: Company::Others, ..room.clone() })),
        };
        self.unseen.forget(&id.to_owned());
        let mut others = present.keys().filter(|user| **user != room.ghost && **user != room.user);
        let others = others.any(|user| user != self.names.bot());
        if !present.contains_key(&room.user) {
            self.leave(id, room).await?;
            return Ok(None);
        }
        if !others {
            let direct = Room { company: Company::None, ..room.clone() };
            self.open(id, &direct).await?;
            self.dress_portal(id, &direct).await;
            return Ok(Some(direct));
        }
        if room.company == Company::Unknown {
            outbound::tell_group(self, id, &room.ghost).await;
            self.leave(id, room).await?;
            return Ok(None);
        }
        Ok(Some(Room { company: Company::Others, ..room.clone() }))
    }
}
