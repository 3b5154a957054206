//! The ghosts' own events, which come back in the homeserver's order.

use drawbridge_adapter::{Code, DeliveryError, EventId, Refusal, log};
use serde_json::value::RawValue;

use crate::core::{Core, Later};
use crate::log::MESSAGE_UNSEEN;
use crate::outbound;
use crate::wire::WireEvent;

impl Core {
    /// What a ghost said in a portal after its user had left, and before the bridge knew, nobody
    /// has seen: it is said again, in the portal of today. `rest` is what comes after it in its
    /// transaction.
    pub(super) async fn echo(
        &self,
        event: &WireEvent,
        rest: &[Box<RawValue>],
    ) -> Result<(), Later> {
        let Some(key) = outbound::key_of(&event.content) else { return Ok(()) };
        // A reaction to what is not seen any more is nothing to anybody.
        if event.kind != "m.room.message" {
            return Ok(());
        }
        if self.portals.room(&event.room).await?.is_some() {
            return Ok(());
        }
        let Some(left) = self.portals.left(&event.room).await? else { return Ok(()) };
        if left.ghost != event.sender || event.redacted {
            return Ok(());
        }
        // When a transaction comes again, the leaving is known before its turn has come.
        let Some(leaving) = &left.seen else { return Ok(()) };
        if rest.iter().filter_map(|raw| WireEvent::read(raw)).any(|event| event.id == *leaving) {
            return Ok(());
        }
        let said = outbound::say_again(self, &left, key, &event.content).await;
        let refusal = match said {
            Ok(()) => return Ok(()),
            Err(DeliveryError::Refused { refusal, .. }) => refusal,
            Err(DeliveryError::Disconnected) => return Err(Later),
            Err(_) if self.waits_for(&event.room) => return Err(Later),
            Err(_) => Refusal::from(Code::NetworkUnreachable),
        };
        let known = match (EventId::new(event.id.as_str()), self.names.user(left.user.as_str())) {
            (Ok(id), Some(user)) => self.bridge.bounced(&id, &user, refusal).await?,
            _ => false,
        };
        if !known {
            log!(MESSAGE_UNSEEN);
        }
        Ok(())
    }
}
