"""XMPP users, on slixmpp: `xmpp_client.py 127.0.0.1 5222 FOLDER`; what they download goes into the folder.

Commands: login, send, send_many, edit, retract, react, reply, displayed, state, place, file, there, call_itself, wear,
raw, iq, commands, form, command, roster, block, unblock, block_list, away, back.
Events: message, place, file, edited, retracted, reactions, receipt, marker, state, notice, report, error, presence,
name, face, online, offline, sent, sent_all. A notice is a message from a domain, such as the bridge's own user.
"""

import asyncio
import logging
import sys
import urllib.parse
import uuid
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.plugins.xep_0080 import Geoloc
from slixmpp.xmlstream import register_stanza_plugin
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from lines import Failed, serve, tell

CLIENT = "{jabber:client}"
REPORTING = "{urn:xmpp:reporting:1}"
SID = "{urn:xmpp:sid:0}"
RECEIPTS = "{urn:xmpp:receipts}"
ROSTER = "{jabber:iq:roster}"
SHARING = "{urn:xmpp:sfs:0}"
METADATA = "{urn:xmpp:file:metadata:0}"
THUMBNAIL = "{urn:xmpp:thumbs:1}thumbnail"
BLURHASH = "data:image/blurhash,"
URL_DATA = "{http://jabber.org/protocol/url-data}url-data"
OOB = "{jabber:x:oob}"
FALLBACK = "{urn:xmpp:fallback:0}"
UNSTYLED = "{urn:xmpp:styling:0}unstyled"
NICK = "{http://jabber.org/protocol/nick}"
AVATAR = "{urn:xmpp:avatar:metadata}"
CARD = "{vcard-temp}"
STANZA_ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


class User(slixmpp.ClientXMPP):
    """One user with one device, who comes back when the connection is lost."""

    def __init__(self, name, jid, password, address, folder):
        # ejabberd ends the older of two connections with one resource.
        resource = "phone" if name == jid.split("@")[0] else "desk"
        super().__init__(f"{jid}/{resource}", password)
        self.name = name
        self.where = address
        self.folder = Path(folder)
        self.downloads = set()
        self.faces = {}
        self.enable_starttls = False
        self.enable_direct_tls = False
        self.enable_plaintext = True
        self.away = False
        self.online = asyncio.Event()
        self.shown = asyncio.Event()
        # The user decides, not the library.
        self.auto_authorize = None
        for plugin in ("xep_0199", "xep_0030", "xep_0004", "xep_0050", "xep_0191"):
            self.register_plugin(plugin)
        # What the library itself makes of a stanza is what the user is shown.
        for plugin in ("xep_0085", "xep_0308", "xep_0333", "xep_0424", "xep_0428", "xep_0444", "xep_0461"):
            self.register_plugin(plugin)
        for plugin in ("xep_0066", "xep_0363", "xep_0446", "xep_0447"):
            self.register_plugin(plugin)
        for plugin in ("xep_0060", "xep_0115", "xep_0163", "xep_0172", "xep_0084"):
            self.register_plugin(plugin)
        self.register_plugin("xep_0184", {"auto_ack": True, "auto_request": True})
        # It knows places, but not in messages.
        register_stanza_plugin(slixmpp.Message, Geoloc)
        # What the library says by itself: nobody is shown that it came back.
        self.receipts = set()
        self.add_filter("out", self.goes_out)
        self.add_event_handler("message_correction", self.corrected)
        self.add_event_handler("message_retract", self.retracted)
        self.add_event_handler("reactions", self.reacted)
        self.add_event_handler("receipt_received", self.receipt)
        self.add_event_handler("marker", self.marker)
        self.add_event_handler("chatstate", self.state)
        self.add_event_handler("user_nick_publish", self.named)
        self.add_event_handler("avatar_metadata_publish", self.looks)
        self["feature_mechanisms"].unencrypted_scram = True
        self["feature_mechanisms"].unencrypted_plain = True
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("disconnected", self.lost)
        # Left alone, it waits twice as long each time: for minutes, when a server starts slowly.
        self.add_event_handler("connection_failed", self.dial_soon)
        self.add_event_handler("failed_all_auth", lambda _: tell("auth_failed", **{"as": self.name}))
        self.register_handler(
            Callback("messages", MatchXPath(CLIENT + "message"), self.message)
        )
        self.register_handler(
            Callback("presences", MatchXPath(CLIENT + "presence"), self.presence)
        )

    def goes_out(self, stanza):
        if stanza.xml.find(RECEIPTS + "received") is not None:
            self.receipts.add(stanza["id"])
        return stanza

    def dial(self):
        self.connect(*self.where)

    def started(self, _event):
        # Servers show changes of subscriptions only to clients that asked for the roster.
        self.get_roster()
        if self.away:
            self.there()
        else:
            self.send_presence()

    def lost(self, _event):
        if self.online.is_set():
            tell("offline", **{"as": self.name})
        self.online.clear()
        self.dial_soon()

    def dial_soon(self, _event=None):
        self.loop.call_later(0.2, self.dial)

    def there(self):
        if not self.online.is_set():
            self.online.set()
            tell("online", **{"as": self.name})

    def message(self, stanza):
        xml = stanza.xml
        base = {
            "as": self.name,
            "from": xml.get("from"),
            "to": xml.get("to"),
            "id": xml.get("id"),
            "type": xml.get("type", "normal"),
            "xml": ElementTree.tostring(xml, encoding="unicode"),
            "says": "\n".join(ElementTree.tostring(part, encoding="unicode") for part in xml if says(part)),
        }
        if xml.get("type") == "error" and xml.get("id") in self.receipts:
            return
        if xml.get("type") == "error":
            tell("error", **base, **explain(xml))
            return
        if any(stanza.get_plugin(what, check=True) is not None for what in ("replace", "retract", "reactions")):
            # Handled by their own events.
            return
        body = xml.find(CLIENT + "body")
        report = xml.find(REPORTING + "report")
        if report is not None:
            ids = [{"by": one.get("by"), "id": one.get("id")} for one in report.iter(SID + "stanza-id")]
            said = body.text if body is not None else ""
            tell("report", **base, body=said, reason=report.get("reason"), ids=ids)
        elif stanza.get_plugin("geoloc", check=True) is not None:
            place = stanza["geoloc"]
            parts = {part: place[part] for part in ("lat", "lon", "accuracy", "text")}
            tell("place", **base, **parts, body=stanza["body"])
        elif (link := link_of(xml)) is not None:
            download = self.loop.create_task(self.download(link, base, described(xml)))
            self.downloads.add(download)
            download.add_done_callback(self.downloads.discard)
        elif body is not None:
            kind = "message" if "@" in base["from"] else "notice"
            said, answers = body.text or "", None
            reply = stanza.get_plugin("reply", check=True)
            if reply is not None:
                said, answers = reply.strip_fallback_content(), reply["id"]
            thread = stanza["thread"] or None
            tell(kind, **base, body=said, answers=answers, thread=thread, bold=bold(xml, said))
        else:
            tell("other", **base)

    async def download(self, link, base, what):
        """Fetches a file once, and tells of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / uuid.uuid4().hex
        small = what.pop("thumbnail")
        status = await self.fetch(link, path)
        if small is not None and status == 200:
            status = await self.fetch(small, small := path.with_suffix(".small"))
        if status != 200:
            tell("no_file", **base, **what, status=status)
            return
        tell("file", **base, **what, path=str(path), small=str(small) if small is not None else None)

    async def fetch(self, link, path):
        """Puts there what lies under a link; the status of the answer."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(link) as answer:
            if answer.status == 200:
                with open(path, "wb") as file:
                    async for piece in answer.content.iter_chunked(1 << 16):
                        file.write(piece)
            return answer.status

    def shows(self, event, stanza, **what):
        if stanza["type"] != "error":
            tell(event, **{"as": self.name, "from": str(stanza["from"]), "id": stanza["id"]}, **what)

    def corrected(self, stanza):
        body, link = stanza["body"], link_of(stanza.xml)
        if link is not None:
            body = described(stanza.xml)["caption"]
        self.shows("edited", stanza, of=stanza["replace"]["id"], body=body, link=link)

    def retracted(self, stanza):
        self.shows("retracted", stanza, of=stanza["retract"]["id"])

    def reacted(self, stanza):
        reactions = stanza["reactions"]
        self.shows("reactions", stanza, of=reactions["id"], emojis=sorted(reactions.get_values(all_chars=True)))

    def receipt(self, stanza):
        self.shows("receipt", stanza, of=stanza["receipt"])

    def marker(self, stanza):
        for kind in ("displayed", "acknowledged"):
            found = stanza.get_plugin(kind, check=True)
            if found is not None:
                self.shows("marker", stanza, of=found["id"])

    def state(self, stanza):
        self.shows("state", stanza, state=stanza["chat_state"])

    def named(self, stanza):
        """Somebody is called so from now on, as the library hears it."""
        nick = stanza.xml.find(f".//{NICK}nick")
        self.shows("name", stanza, name=(nick.text or "") if nick is not None else "")

    def looks(self, stanza):
        """Somebody has another picture from now on, which a client fetches, or none."""
        info = stanza.xml.find(f".//{AVATAR}info")
        self.faces[stanza["from"].bare] = stanza
        if info is None:
            self.shows("face", stanza, path=None)
            return
        download = self.loop.create_task(self.fetch_picture(stanza, info.get("id")))
        self.downloads.add(download)
        download.add_done_callback(self.downloads.discard)

    async def fetch_picture(self, stanza, picture):
        try:
            answer = await self["xep_0084"].retrieve_avatar(stanza["from"].bare, picture)
        except (IqError, IqTimeout):
            self.shows("no_face", stanza)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # What is fetched may come when it is over.
        if self.faces[stanza["from"].bare] is not stanza:
            return
        path = self.folder / uuid.uuid4().hex
        path.write_bytes(answer["pubsub"]["items"]["item"]["avatar_data"]["value"])
        self.shows("face", stanza, path=str(path))

    def presence(self, stanza):
        xml = stanza.xml
        tell(
            "presence",
            **{
                "as": self.name,
                "from": xml.get("from"),
                "type": xml.get("type", "available"),
                "show": shown(stanza),
            },
        )
        # Our own, shown back: before, ejabberd mixes what it had stored with what comes.
        if xml.get("from") == self.boundjid.full and xml.get("type") is None:
            self.shown.set()
            self.there()

    async def go_away(self):
        """Connected, but not available, until `come_back`: the server stores what comes."""
        await asyncio.wait_for(self.online.wait(), 60)
        self.away = True
        self.send_presence(ptype="unavailable")
        # A server works through a stream in order: when it answers this, it has taken that.
        await self.get_roster()

    async def come_back(self):
        await asyncio.wait_for(self.online.wait(), 60)
        self.away = False
        self.shown.clear()
        self.send_presence()
        await asyncio.wait_for(self.shown.wait(), 60)

    async def be(self, show):
        """Shows all contacts that may see it whether the user is there."""
        if show == "offline":
            await self.go_away()
            return
        if self.away:
            await self.come_back()
        self.send_presence(pshow="away" if show == "away" else None)

    async def say(self, to, body, kind="chat"):
        await asyncio.wait_for(self.online.wait(), 60)
        return self.put(self.make_message(mto=to, mbody=body, mtype=kind))

    def put(self, stanza):
        """Sends a message, as a client does that wants to know what becomes of it; its id."""
        stanza["id"] = uuid.uuid4().hex
        stanza["chat_state"] = "active"
        stanza.enable("markable")
        stanza.send()
        return stanza["id"]

    async def act(self, do, command):
        """What a client does besides saying a plain text; the id of the stanza, if it matters."""
        await asyncio.wait_for(self.online.wait(), 60)
        to, of = command["to"], command.get("of")
        if do == "edit":
            correction = self["xep_0308"].build_correction(of, to, mbody=command["body"])
            correction["id"] = uuid.uuid4().hex
            correction.send()
            return correction["id"]
        if do == "retract":
            return self["xep_0424"].send_retraction(to, of)["id"]
        if do == "react":
            self["xep_0444"].send_reactions(to, of, command["emojis"])
        elif do == "reply":
            reply = self["xep_0461"].make_reply(
                command["author"], of, command["quote"], mto=to, mbody=command["body"], mtype="chat"
            )
            return self.put(reply)
        elif do == "thread":
            stanza = self.make_message(mto=to, mbody=command["body"], mtype="chat")
            stanza["thread"] = command["root"]
            return self.put(stanza)
        elif do == "place":
            stanza = self.make_message(mto=to, mbody=command["body"], mtype="chat")
            for part in ("lat", "lon", "accuracy", "text"):
                if command[part] is not None:
                    stanza["geoloc"][part] = command[part]
            return self.put(stanza)
        elif do == "file":
            return await self.send_file(to, command)
        elif do == "call_itself":
            await self["xep_0172"].publish_nick(command["name"])
            await self.change_card("NICKNAME", command["name"])
        elif do == "wear":
            await self.wear(command["picture"])
        elif do == "there":
            await self.be(command["show"])
        elif do == "displayed":
            self["xep_0333"].send_marker(to, of, "displayed", mtype="chat")
        elif do == "state":
            stanza = self.make_message(mto=to, mtype="chat")
            stanza["chat_state"] = command["state"]
            stanza.send()
        return None

    async def wear(self, picture):
        """Publishes a picture, given in hex, or that there is none."""
        if picture is None:
            await self["xep_0084"].stop()
            return
        picture = bytes.fromhex(picture)
        about = {"id": self["xep_0084"].generate_id(picture), "type": "image/png", "bytes": len(picture)}
        await self["xep_0084"].publish_avatar(picture)
        await self["xep_0084"].publish_avatar_metadata(about)

    async def change_card(self, part, text):
        """Says the same on the card where the server does not do so by itself: on ejabberd."""
        version = await self.ask(
            f'<iq xmlns="jabber:client" type="get" to="{self.boundjid.domain}"><query xmlns="jabber:iq:version"/></iq>'
        )
        if "ejabberd" not in version["xml"]:
            return
        answer = await self.ask('<iq xmlns="jabber:client" type="get"><vCard xmlns="vcard-temp"/></iq>')
        card = ElementTree.fromstring(answer["xml"]).find(CARD + "vCard")
        if card is None:
            card = ElementTree.Element(CARD + "vCard")
        for old in card.findall(CARD + part):
            card.remove(old)
        ElementTree.SubElement(card, CARD + part).text = text
        iq = ElementTree.Element(CLIENT + "iq", {"type": "set"})
        iq.append(card)
        await self.ask(ElementTree.tostring(iq, encoding="unicode"))

    async def send_file(self, to, command):
        """Uploads a file, and sends it as clients do that know XEP-0447; the id of the message."""
        path, mime = Path(command["path"]), command["mime"]
        with open(path, "rb") as file:
            link = await self["xep_0363"].upload_file(
                command["name"], size=path.stat().st_size, content_type=mime, input_file=file
            )
        small, small_mime = command["small"], command["small_mime"]
        if small:
            with open(small, "rb") as file:
                small = await self["xep_0363"].upload_file(
                    "small.png", size=Path(small).stat().st_size, content_type=small_mime, input_file=file
                )
        caption = command["caption"]
        stanza = self.make_message(mto=to, mbody=f"{caption}\n{link}" if caption else link, mtype="chat")
        stanza["oob"]["url"] = link
        sharing = self["xep_0447"].get_sfs(path=path, uris=[link], disposition="inline")
        sharing["file"]["name"] = command["name"]
        sharing["file"]["media-type"] = f"{mime}; codecs=opus" if command["kind"] == "voice" else mime
        for part in ("length", "width", "height"):
            if command[part]:
                sharing["file"][part] = command[part]
        looks = [(small, small_mime, "1", "1")] if small else []
        if command["blurhash"]:
            held = BLURHASH + urllib.parse.quote(command["blurhash"], safe="")
            looks.append((held, "image/blurhash", str(command["width"]), str(command["height"])))
        for look in looks:
            about = dict(zip(("uri", "media-type", "width", "height"), look))
            ElementTree.SubElement(sharing["file"].xml, THUMBNAIL, about)
        stanza.append(sharing)
        fallback = stanza["fallback"]
        fallback["for"] = SHARING[1:-1]
        fallback["body"]["start"] = len(caption) + 1 if caption else 0
        fallback["body"]["end"] = len(stanza["body"])
        return self.put(stanza)

    async def say_many(self, to, prefix, first, count, pause):
        for number in range(first, first + count):
            body = f"{prefix} {number}"
            identity = await self.say(to, body)
            tell("sent", **{"as": self.name, "id": identity, "body": body})
            # Real people's servers take a moment a message; and the loop must breathe.
            await asyncio.sleep(pause)
        tell("sent_all", **{"as": self.name, "prefix": prefix})

    async def commands(self, of):
        """The nodes of the commands that `of` offers."""
        await asyncio.wait_for(self.online.wait(), 60)
        answer = await self["xep_0050"].get_commands(of)
        return sorted(node for _jid, node, _name in answer["disco_items"]["items"])

    async def form(self, of, node):
        """The fields of a command's form: name, type and what may be picked."""
        await asyncio.wait_for(self.online.wait(), 60)
        answer = (await self["xep_0050"].send_command(of, node))["command"]
        fields = answer["form"].get_fields()
        shown = [
            {"name": name, "type": field["type"], "options": [one["value"] for one in field["options"]]}
            for name, field in fields.items()
        ]
        await self["xep_0050"].send_command(
            of, node, action="cancel", sessionid=answer["sessionid"]
        )
        return shown

    async def contacts(self):
        """The roster, as the server holds it: for each address its groups, name and subscription."""
        await asyncio.wait_for(self.online.wait(), 60)
        answer = await self.ask('<iq xmlns="jabber:client" type="get"><query xmlns="jabber:iq:roster"/></iq>')
        items = ElementTree.fromstring(answer["xml"]).iter(ROSTER + "item")
        return {
            item.get("jid"): {
                "groups": sorted(group.text or "" for group in item.iter(ROSTER + "group")),
                "name": item.get("name", ""),
                "subscription": item.get("subscription", "none"),
            }
            for item in items
        }

    async def run(self, of, node, fields):
        """Runs a command, filling its form in, if it has one, and gives what it says."""
        await asyncio.wait_for(self.online.wait(), 60)
        answer = (await self["xep_0050"].send_command(of, node))["command"]
        if answer["status"] == "executing":
            form = answer["form"]
            unknown = set(fields) - set(form.get_fields())
            if unknown:
                raise Failed(f"the form of {node} has no {unknown}, but {list(form.get_fields())}")
            form.reply()
            form["type"] = "submit"
            for name, value in fields.items():
                form.get_fields()[name]["value"] = value
            answer = await self["xep_0050"].send_command(
                of, node, action="complete", payload=form, sessionid=answer["sessionid"]
            )
            answer = answer["command"]
        if answer["status"] != "completed":
            raise Failed(f"{node} is {answer['status']}")
        return "\n".join(text for _kind, text in answer["notes"])

    async def ask(self, xml):
        """Sends a raw IQ, and gives its answer."""
        await asyncio.wait_for(self.online.wait(), 60)
        element = ElementTree.fromstring(xml)
        element.set("id", uuid.uuid4().hex)
        answered = self.loop.create_future()

        def take(stanza):
            if not answered.done():
                answered.set_result(stanza.xml)

        matcher = slixmpp.xmlstream.matcher.MatcherId(element.get("id"))
        self.register_handler(Callback(element.get("id"), matcher, take, once=True))
        self.send_raw(ElementTree.tostring(element, encoding="unicode"))
        try:
            answer = await asyncio.wait_for(answered, 20)
        except asyncio.TimeoutError:
            raise Failed("no answer within 20 s") from None
        shown = {"type": answer.get("type"), "xml": ElementTree.tostring(answer, encoding="unicode")}
        if answer.get("type") == "error":
            shown.update(explain(answer))
        return shown


def says(part):
    """Whether a part of a stanza is about what is said in it, and the same in each run."""
    namespace, _, name = part.tag[1:].partition("}")
    if namespace == CLIENT[1:-1]:
        return name in ("body", "subject")
    return namespace in (
        "http://jabber.org/protocol/xhtml-im",
        "urn:xmpp:markup:0",
        "urn:xmpp:reference:0",
        "urn:xmpp:styling:0",
    )


def link_of(xml):
    """Where the file of a message is, if it is one."""
    source = xml.find(f"{SHARING}file-sharing/{SHARING}sources/{URL_DATA}")
    if source is not None:
        return source.get("target")
    return xml.findtext(f"{OOB}x/{OOB}url")


def described(xml):
    """What a message says of its file."""
    file = xml.find(f"{SHARING}file-sharing/{METADATA}file")
    part = (lambda name: file.findtext(METADATA + name)) if file is not None else (lambda name: None)
    looks = [one.get("uri", "") for one in file.findall(THUMBNAIL)] if file is not None else []
    body, link = xml.findtext(CLIENT + "body") or "", link_of(xml)
    for fallback in xml.findall(FALLBACK + "fallback"):
        cut = fallback.find(FALLBACK + "body")
        if fallback.get("for") == SHARING[1:-1] and cut is not None:
            body = body[: int(cut.get("start"))] + body[int(cut.get("end")) :]
    return {
        "name": part("name") or link.rsplit("/", 1)[-1],
        "mime": part("media-type"),
        "length": part("length"),
        "width": part("width"),
        "height": part("height"),
        "blurhash": next((urllib.parse.unquote(uri[len(BLURHASH) :]) for uri in looks if uri.startswith(BLURHASH)), None),
        "thumbnail": next((uri for uri in looks if uri.startswith("http")), None),
        "caption": (body if body != link else "").strip("\n"),
        "oob": xml.findtext(f"{OOB}x/{OOB}url") == link,
    }


def shown(presence):
    """How the library shows somebody's presence."""
    if presence["type"] == "unavailable":
        return "offline"
    return "away" if presence["type"] in ("away", "xa") else "online"


def bold(xml, said):
    """Whether XEP-0393 shows all of it in bold; the library knows nothing of styling."""
    inner = said[1:-1]
    marked = len(said) > 2 and said[0] == said[-1] == "*" and "*" not in inner and "\n" not in inner
    return marked and inner.strip() == inner and xml.find(UNSTYLED) is None


def explain(xml):
    """What an error stanza says: type, condition, text, and the first application element."""
    error = xml.find(CLIENT + "error")
    found = {"error_type": None, "condition": None, "text": None, "code": None}
    if error is None:
        return found
    found["error_type"] = error.get("type")
    for child in error:
        if child.tag == STANZA_ERRORS + "text":
            found["text"] = child.text
        elif child.tag.startswith(STANZA_ERRORS):
            found["condition"] = child.tag[len(STANZA_ERRORS) :]
        elif found["code"] is None:
            found["code"] = child.text
    return found


async def main(host, port, folder):
    users = {}
    floods = set()

    async def handle(command):
        name, what = command["as"], command["do"]
        if what == "login":
            user = User(name, command["jid"], command["password"], (host, int(port)), folder)
            users[name] = user
            user.dial()
            await asyncio.wait_for(user.online.wait(), 60)
            return {"user": command["jid"]}
        user = users[name]
        if what == "send":
            return {"id": await user.say(command["to"], command["body"], command.get("type", "chat"))}
        if what == "send_many":
            flood = user.say_many(
                command["to"], command["prefix"], command["first"], command["count"], command["pause"]
            )
            floods.add(asyncio.get_running_loop().create_task(flood))
            return None
        if what in ("edit", "retract", "react", "reply", "thread", "displayed", "state", "place", "file", "there", "call_itself", "wear"):
            return {"id": await user.act(what, command)}
        if what == "raw":
            await asyncio.wait_for(user.online.wait(), 60)
            user.send_raw(command["xml"])
            return None
        if what == "iq":
            return await user.ask(command["xml"])
        if what == "commands":
            return {"nodes": await user.commands(command["of"])}
        if what == "command":
            try:
                note = await user.run(command["of"], command["node"], command["fields"])
            except IqError as error:
                raise Failed(f"error: {error.condition} {error.text}") from None
            return {"note": note}
        if what == "form":
            return {"fields": await user.form(command["of"], command["node"])}
        if what == "roster":
            return {"items": await user.contacts()}
        if what in ("block", "unblock", "block_list"):
            await asyncio.wait_for(user.online.wait(), 60)
            if what == "block_list":
                jids = await user["xep_0191"].get_blocked_jids()
                return {"jids": sorted(str(jid) for jid in jids)}
            act = user["xep_0191"].block if what == "block" else user["xep_0191"].unblock
            await act(command["jid"])
            return None
        if what == "away":
            return await user.go_away()
        if what == "back":
            return await user.come_back()
        raise Failed(f"no such command: {what}")

    await serve(handle)


logging.basicConfig(level=logging.ERROR)
asyncio.run(main(*sys.argv[1:4]))
