//! The namespaces that the adapter knows.

/// XEP-0114.
pub(crate) const COMPONENT: &str = "jabber:component:accept";
/// RFC 6120, the stream itself.
pub(crate) const STREAM: &str = "http://etherx.jabber.org/streams";
/// RFC 6120, conditions of stanza errors.
pub(crate) const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// The code of a refusal, in the words of `docs/codes.md`.
pub(crate) const DRAWBRIDGE: &str = "urn:drawbridge:1";

/// XEP-0030.
pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub(crate) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0050.
pub(crate) const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0004.
pub(crate) const DATA: &str = "jabber:x:data";
/// XEP-0191.
pub(crate) const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0356.
pub(crate) const PRIVILEGE: &str = "urn:xmpp:privilege:2";
/// RFC 6121, 2.
pub(crate) const ROSTER: &str = "jabber:iq:roster";
/// RFC 6120: stanzas within others.
pub(crate) const CLIENT: &str = "jabber:client";
/// XEP-0100.
pub(crate) const GATEWAY: &str = "jabber:iq:gateway";
/// XEP-0092.
pub(crate) const VERSION: &str = "jabber:iq:version";
/// XEP-0199.
pub(crate) const PING: &str = "urn:xmpp:ping";
/// XEP-0054.
pub(crate) const VCARD: &str = "vcard-temp";
/// XEP-0292.
pub(crate) const VCARD4: &str = "urn:ietf:params:xml:ns:vcard-4.0";
/// XEP-0292, the PEP node.
pub(crate) const VCARD4_NODE: &str = "urn:xmpp:vcard4";
/// XEP-0060.
pub(crate) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060, what a node tells of itself.
pub(crate) const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060: items can be asked for.
pub(crate) const PUBSUB_ITEMS: &str = "http://jabber.org/protocol/pubsub#retrieve-items";
/// XEP-0084, which pictures there are.
pub(crate) const AVATAR_METADATA: &str = "urn:xmpp:avatar:metadata";
/// XEP-0084, their bytes.
pub(crate) const AVATAR_DATA: &str = "urn:xmpp:avatar:data";
/// XEP-0153.
pub(crate) const CARD_UPDATE: &str = "vcard-temp:x:update";
/// XEP-0115.
pub(crate) const CAPS: &str = "http://jabber.org/protocol/caps";

/// XEP-0157.
pub(crate) const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";
/// XEP-0377.
pub(crate) const REPORTING: &str = "urn:xmpp:reporting:1";

/// XEP-0172.
pub(crate) const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0203.
pub(crate) const DELAY: &str = "urn:xmpp:delay";
/// XEP-0359.
pub(crate) const SID: &str = "urn:xmpp:sid:0";

/// XEP-0308.
pub(crate) const CORRECT: &str = "urn:xmpp:message-correct:0";
/// XEP-0424, as it is written.
pub(crate) const RETRACT: &str = "urn:xmpp:message-retract:1";
/// XEP-0424, any version.
pub(crate) const ANY_RETRACT: &str = "urn:xmpp:message-retract:";
/// XEP-0422, which carried retractions in older versions of XEP-0424.
pub(crate) const FASTEN: &str = "urn:xmpp:fasten:0";
/// XEP-0444.
pub(crate) const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0461.
pub(crate) const REPLY: &str = "urn:xmpp:reply:0";
/// XEP-0428.
pub(crate) const FALLBACK: &str = "urn:xmpp:fallback:0";
/// XEP-0334.
pub(crate) const HINTS: &str = "urn:xmpp:hints";
/// XEP-0184.
pub(crate) const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0333.
pub(crate) const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0085.
pub(crate) const STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0393.
pub(crate) const STYLING: &str = "urn:xmpp:styling:0";
/// XEP-0071.
pub(crate) const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
/// XHTML itself.
pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// XML's own attributes.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// XEP-0449, any version.
pub(crate) const STICKERS: &str = "urn:xmpp:stickers:";
/// XEP-0466, any version.
pub(crate) const EPHEMERAL: &str = "urn:xmpp:ephemeral:";
/// XEP-0023: obsolete, and still an expiry.
pub(crate) const EXPIRE: &str = "jabber:x:expire";
/// XEP-0380.
pub(crate) const EME: &str = "urn:xmpp:eme:0";
/// XEP-0384, as deployed.
pub(crate) const OMEMO_OLD: &str = "eu.siacs.conversations.axolotl";
/// XEP-0384, any newer version.
pub(crate) const OMEMO: &str = "urn:xmpp:omemo:";
/// XEP-0027.
pub(crate) const PGP_OLD: &str = "jabber:x:encrypted";
/// XEP-0373, any version.
pub(crate) const OPENPGP: &str = "urn:xmpp:openpgp:";
/// XEP-0066.
pub(crate) const OOB: &str = "jabber:x:oob";
/// XEP-0447, any version.
pub(crate) const FILES: &str = "urn:xmpp:sfs:";
/// XEP-0447, as it is written.
pub(crate) const SFS: &str = "urn:xmpp:sfs:0";
/// XEP-0446, as it is written.
pub(crate) const FILE_METADATA: &str = "urn:xmpp:file:metadata:0";
/// XEP-0448, any version.
pub(crate) const ENCRYPTED_FILES: &str = "urn:xmpp:esfs:";
/// XEP-0103.
pub(crate) const URL_DATA: &str = "http://jabber.org/protocol/url-data";
/// XEP-0300.
pub(crate) const HASHES: &str = "urn:xmpp:hashes:2";
/// XEP-0264.
pub(crate) const THUMBS: &str = "urn:xmpp:thumbs:1";
/// XEP-0363.
pub(crate) const UPLOAD: &str = "urn:xmpp:http:upload:0";
/// XEP-0385.
pub(crate) const SIMS: &str = "urn:xmpp:sims:1";
/// XEP-0080.
pub(crate) const GEOLOC: &str = "http://jabber.org/protocol/geoloc";
/// XEP-0353, any version.
pub(crate) const JINGLE_MESSAGE: &str = "urn:xmpp:jingle-message:";
/// XEP-0482, any version.
pub(crate) const CALL_INVITES: &str = "urn:xmpp:call-invites:";
/// XEP-0144.
pub(crate) const ROSTER_EXCHANGE: &str = "http://jabber.org/protocol/rosterx";
/// XEP-0249.
pub(crate) const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0045, entering a room.
pub(crate) const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045, invitations.
pub(crate) const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0297.
pub(crate) const FORWARD: &str = "urn:xmpp:forward:0";
