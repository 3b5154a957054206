"""Matrix users, on matrix-nio: `matrix_client.py http://127.0.0.1:8008 folder`; files that are shown
to them are downloaded into the folder.

Commands: login, send, send_file, send_many, raw, state, create, leave, members, hold, answer, ignore,
ignored, mute, muted, folders, leave_folder, unread, edit, redact, react, read, type, call_itself, wear. Events: message,
file, no_file, notice, edited, redacted, reaction, status, invited, folder, withdrawn, left, receipt,
typing, ignored, looks, other.
"""

import asyncio
import json
import os
import sys
import traceback
import urllib.parse
import uuid

import aiohttp
from nio import (
    AsyncClient,
    AsyncClientConfig,
    ErrorResponse,
    InviteMemberEvent,
    RoomPreset,
    SyncResponse,
    TypingNoticeEvent,
)

from lines import Failed, serve, tell

STATUS = "com.beeper.message_send_status"
IGNORED = "m.ignored_user_list"
FILES = ("m.image", "m.video", "m.audio", "m.file")
# No gap may hide a message: the tests count them.
FILTER = {"room": {"timeline": {"limit": 10000}}, "presence": {"not_types": ["*"]}}


class User:
    """One user, always syncing, who joins every room that they are invited to, unless told to hold
    invites."""

    def __init__(self, homeserver, name, folder):
        config = AsyncClientConfig(
            max_limit_exceeded=0, max_timeouts=0, encryption_enabled=False, store_sync_tokens=False
        )
        self.name = name
        self.folder = folder
        self.downloads = set()
        self.client = AsyncClient(homeserver, name, config=config)
        self.rooms = {}
        self.holds = False
        self.invites = {}
        self.folders = set()
        self.members = {}
        self.reacted = {}
        self.joined = asyncio.Condition()

    async def login(self, password):
        answer = await self.client.register(self.name, password)
        check(answer)
        check(await self.client.sync(timeout=0, sync_filter=FILTER))
        self.syncing = asyncio.get_running_loop().create_task(watched(self.sync()))
        return {"user": self.client.user_id, "token": self.client.access_token}

    async def sync(self):
        while True:
            try:
                answer = await self.client.sync(
                    timeout=10000, since=self.client.next_batch, sync_filter=FILTER
                )
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
                await asyncio.sleep(0.1)
                continue
            if not isinstance(answer, SyncResponse):
                await asyncio.sleep(0.1)
                continue
            spaces = await self.spaces(answer)
            for room, invite in answer.rooms.invite.items():
                if room in spaces:
                    await self.given_folder(room)
                else:
                    await self.invited(room, invite)
            for room in answer.rooms.leave:
                self.left(room)
            for event in answer.account_data_events:
                if getattr(event, "type", None) == IGNORED:
                    self.show_ignored(event.content)
            for room, joined in answer.rooms.join.items():
                await self.happened(room, joined)
            # In a flood several events come at once then: it spares the homeserver half its work.
            await asyncio.sleep(0.05)

    async def spaces(self, answer):
        """Which of the invites lead to spaces; nio leaves out what tells."""
        if not answer.rooms.invite:
            return set()
        invites = (await answer.transport_response.json())["rooms"]["invite"]
        return {
            room
            for room, invite in invites.items()
            for event in invite["invite_state"]["events"]
            if event["type"] == "m.room.create" and event["content"].get("type") == "m.space"
        }

    async def given_folder(self, room):
        if not self.holds:
            await again(lambda: self.client.join(room))
            self.folders.add(room)
        tell("folder", **{"as": self.name, "room": room})

    async def invited(self, room, invite):
        me = self.client.user_id
        for event in invite.invite_state:
            if not isinstance(event, InviteMemberEvent) or event.state_key != me:
                continue
            if event.membership == "invite":
                if self.holds:
                    self.invites[event.sender] = room
                else:
                    await again(lambda: self.client.join(room))
                    self.rooms[event.sender] = room
                tell("invited", **{"as": self.name, "room": room, "from": event.sender})

    def left(self, room):
        for sender, invite in list(self.invites.items()):
            if invite == room:
                del self.invites[sender]
                tell("withdrawn", **{"as": self.name, "room": room, "from": sender})

    async def answer(self, sender, accept):
        room = self.invites.pop(sender)
        if accept:
            await again(lambda: self.client.join(room))
            self.rooms[sender] = room
        else:
            await again(lambda: self.client.room_leave(room))
        return {"room": room}

    def show_ignored(self, content):
        users = content.get("ignored_users")
        tell("ignored", **{"as": self.name, "users": list(users) if isinstance(users, dict) else []})

    async def account_data(self, method, content=None):
        """What other clients of the user's see too; nio has no word for it."""
        user = urllib.parse.quote(self.client.user_id, safe="")
        return await self.call(method, f"user/{user}/account_data/{IGNORED}", content)

    async def call(self, method, path, content=None):
        path = f"/_matrix/client/v3/{path}"
        headers = {
            "Authorization": f"Bearer {self.client.access_token}",
            "Content-Type": "application/json",
        }
        data = None if content is None else json.dumps(content)
        answer = await self.client.send(method, path, data=data, headers=headers)
        body = await answer.json()
        if answer.status == 404:
            return {}
        if answer.status != 200:
            raise Failed(f"{answer.status}: {body}")
        return body

    async def shown_folders(self):
        """The spaces that the user has joined, as clients show them: names, and rooms in them."""
        shown = []
        for folder in sorted(self.folders):
            state = await self.call("GET", f"rooms/{urllib.parse.quote(folder)}/state")
            name = [e["content"].get("name") for e in state if e["type"] == "m.room.name"]
            rooms = [
                event["state_key"]
                for event in state
                if event["type"] == "m.space.child" and event["content"].get("via")
            ]
            shown.append({"room": folder, "name": name[0] if name else "", "rooms": rooms})
        return {"folders": shown}

    async def unread(self, room):
        """How many messages a client would show as unread in a room."""
        # Synapse gives the same answer again for the same question within two minutes.
        once = {"types": [uuid.uuid4().hex]}
        wanted = {"room": {"rooms": [room], "timeline": {"limit": 1}}, "account_data": once}
        wanted = urllib.parse.quote(json.dumps(wanted))
        news = await self.call("GET", f"sync?timeout=0&set_presence=offline&filter={wanted}")
        return news["rooms"]["join"][room]["unread_notifications"]["notification_count"]

    async def ignore(self, user, ignored):
        content = await self.account_data("GET")
        users = dict(content.get("ignored_users", {}))
        if ignored:
            users[user] = {}
        else:
            users.pop(user, None)
        await self.account_data("PUT", {**content, "ignored_users": users})

    async def mute(self, room, muted, override):
        """As clients do: `override` is what Element's "mute" writes, else its "mentions only"."""
        rule = urllib.parse.quote(room, safe="")
        kind = "override" if override else "room"
        condition = {"kind": "event_match", "key": "room_id", "pattern": room}
        if muted:
            content = {"actions": [], "conditions": [condition]} if override else {"actions": []}
            await self.call("PUT", f"pushrules/global/{kind}/{rule}", content)
        else:
            for kind in ("room", "override"):
                await self.call("DELETE", f"pushrules/global/{kind}/{rule}")

    async def muted(self, room):
        rules = (await self.call("GET", "pushrules/"))["global"]
        own = [rule for kind in ("room", "override") for rule in rules.get(kind, [])]
        return any(rule["rule_id"] == room and rule["actions"] == [] for rule in own)

    async def happened(self, room, joined):
        # A room that was just joined may show only a part of what was before; later, never.
        if joined.timeline.limited and room in self.members:
            tell("gap", **{"as": self.name, "room": room})
        known = self.members.setdefault(room, {})
        for event in [*joined.state, *joined.timeline.events]:
            source = event.source
            if source.get("type") == "m.room.member":
                content = source.get("content", {})
                async with self.joined:
                    known[source["state_key"]] = content.get("membership")
                    self.joined.notify_all()
                if content.get("membership") == "leave" and source["sender"] != self.client.user_id:
                    tell("left", **{"as": self.name, "room": room, "from": source["state_key"]})
        for event in [*joined.state, *joined.timeline.events]:
            if event.source.get("type") == "m.room.member":
                await self.looks(room, event.source)
        for event in joined.timeline.events:
            if event.source.get("sender") != self.client.user_id:
                self.show(room, event.source)
        for event in joined.ephemeral:
            if isinstance(event, TypingNoticeEvent):
                others = [user for user in event.users if user != self.client.user_id]
                tell("typing", **{"as": self.name, "room": room, "users": others})
            for receipt in getattr(event, "receipts", []):
                if receipt.user_id != self.client.user_id:
                    tell(
                        "receipt",
                        **{"as": self.name, "room": room, "from": receipt.user_id, "of": receipt.event_id},
                    )

    def show(self, room, source):
        content = source.get("content", {})
        base = {
            "as": self.name,
            "room": room,
            "from": source.get("sender"),
            "id": source.get("event_id"),
            "type": source.get("type"),
        }
        relation = content.get("m.relates_to", {})
        if source.get("type") == "m.room.message" and relation.get("rel_type") == "m.replace":
            new = content.get("m.new_content", {})
            tell("edited", **base, of=relation.get("event_id"), body=new.get("body"), content=content)
        elif source.get("type") == "m.room.message" and content.get("msgtype") in FILES:
            download = asyncio.get_running_loop().create_task(watched(self.download(base, content)))
            self.downloads.add(download)
            download.add_done_callback(self.downloads.discard)
        elif source.get("type") == "m.room.message":
            kind = "notice" if content.get("msgtype") == "m.notice" else "message"
            tell(kind, **base, body=content.get("body"), content=content)
        elif source.get("type") == "m.reaction":
            tell("reaction", **base, of=relation.get("event_id"), key=relation.get("key"))
        elif source.get("type") == "m.room.redaction":
            of = content.get("redacts", source.get("redacts"))
            tell("redacted", **base, of=of)
        elif source.get("type") == STATUS:
            tell(
                "status",
                **base,
                of=content.get("m.relates_to", {}).get("event_id"),
                state=content.get("status"),
                code=content.get("reason"),
                content=content,
            )
        elif source.get("type") != "m.room.member":
            tell("other", **base, content=content)

    async def looks(self, room, source):
        """How somebody else looks in a room from now on."""
        content, whose = source.get("content", {}), source["state_key"]
        if content.get("membership") != "join" or whose == self.client.user_id:
            return
        at, path = content.get("avatar_url") or None, None
        if at:
            path = os.path.join(self.folder, uuid.uuid4().hex)
            try:
                await again(lambda: self.client.download(mxc=at, save_to=path))
            except Failed:
                path = None
        line = {"as": self.name, "room": room, "from": whose, "path": path}
        tell("looks", **line, name=content.get("displayname"), pictured=at is not None)

    async def wear(self, path):
        """Takes a PNG as the account's picture, or has none any more."""

        address = await self.upload(path, "image/png", "me.png") if path else ""
        await again(lambda: self.client.set_avatar(address))

    async def download(self, base, content):
        path = os.path.join(self.folder, uuid.uuid4().hex)
        at, small = content.get("info", {}).get("thumbnail_url"), None
        try:
            await again(lambda: self.client.download(mxc=content.get("url"), save_to=path))
            if at:
                small = f"{path}.small"
                await again(lambda: self.client.download(mxc=at, save_to=small))
        except Failed as error:
            tell("no_file", **base, why=str(error))
        else:
            tell("file", **base, path=path, small=small, content=content)

    async def upload(self, path, mime, name):
        """Uploads a file; where it is now."""

        def whole(_got_429, _got_timeouts):
            return path

        async def upload():
            size = os.path.getsize(path)
            answer, _ = await self.client.upload(
                whole, content_type=mime, filename=name, filesize=size
            )
            return answer

        return (await again(upload)).content_uri

    async def send_file(self, room, path, mime, content, small):
        if small:
            info = content["info"]
            mimetype = info["thumbnail_info"]["mimetype"]
            info["thumbnail_url"] = await self.upload(small, mimetype, "small.png")
        address = await self.upload(path, mime, content["filename"])
        return await self.send(room, "m.room.message", {**content, "url": address})

    async def room_with(self, peer):
        """The direct chat with a user: the one there is, or a new one that the user has joined."""
        if peer.startswith("!"):
            return peer
        if peer not in self.rooms:
            self.rooms[peer] = (await self.create([peer], encrypted=False))["room"]
            await self.wait_for(self.rooms[peer], peer)
        return self.rooms[peer]

    async def create(self, invite, encrypted):
        initial = []
        if encrypted:
            initial.append(
                {
                    "type": "m.room.encryption",
                    "state_key": "",
                    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
                }
            )
        answer = await again(
            lambda: self.client.room_create(
                is_direct=True,
                invite=invite,
                preset=RoomPreset.trusted_private_chat,
                initial_state=initial,
            )
        )
        for user in invite:
            self.rooms[user] = answer.room_id
        return {"room": answer.room_id}

    async def wait_for(self, room, peer):
        async def there():
            async with self.joined:
                await self.joined.wait_for(
                    lambda: self.members.get(room, {}).get(peer) in ("join", "leave")
                )

        try:
            await asyncio.wait_for(there(), 60)
        except asyncio.TimeoutError:
            raise Failed("the other one did not join within 60 s") from None
        if self.members[room][peer] != "join":
            raise Failed("the other one declined the invitation")

    async def send(self, room, kind, content):
        transaction = uuid.uuid4().hex
        answer = await again(lambda: self.client.room_send(room, kind, content, tx_id=transaction))
        return answer.event_id

    async def edit(self, room, of, new):
        """What Element sends: the whole new content, and words for clients that know no edits."""
        content = {
            "msgtype": "m.text",
            "body": f"* {new.get('body')}",
            "m.new_content": new,
            "m.relates_to": {"rel_type": "m.replace", "event_id": of},
        }
        return await self.send(room, "m.room.message", content)

    async def react(self, room, of, emojis):
        """Has these reactions to an event, and no others."""
        mine = self.reacted.setdefault(of, {})
        for emoji in [emoji for emoji in mine if emoji not in emojis]:
            await again(lambda: self.client.room_redact(room, mine[emoji]))
            del mine[emoji]
        for emoji in emojis:
            if emoji not in mine:
                relation = {"rel_type": "m.annotation", "event_id": of, "key": emoji}
                mine[emoji] = await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def send_many(self, room, prefix, first, count):
        for number in range(first, first + count):
            body = f"{prefix} {number}"
            identity = await self.send(
                room, "m.room.message", {"msgtype": "m.text", "body": body}
            )
            tell("sent", **{"as": self.name, "id": identity, "body": body})
        tell("sent_all", **{"as": self.name, "prefix": prefix})

    async def leave(self, peer):
        room = self.rooms.pop(peer)
        await again(lambda: self.client.room_leave(room))
        await again(lambda: self.client.room_forget(room))


async def watched(work):
    """Ends the program when something that should go on for ever fails."""
    try:
        await work
    except Exception:
        traceback.print_exc()
        os._exit(1)


def check(answer):
    if isinstance(answer, ErrorResponse):
        raise Failed(f"{answer.status_code}: {answer.message}")
    return answer


async def again(call):
    """Tries until the homeserver answers: it may be restarting."""
    while True:
        try:
            answer = await call()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            await asyncio.sleep(0.1)
            continue
        status = getattr(getattr(answer, "transport_response", None), "status", 200)
        if isinstance(answer, ErrorResponse) and status >= 500:
            await asyncio.sleep(0.1)
            continue
        return check(answer)


async def main(homeserver, folder):
    users = {}
    floods = set()

    async def handle(command):
        name, what = command["as"], command["do"]
        if what == "login":
            users[name] = User(homeserver, name, folder)
            return await users[name].login(command["password"])
        user = users[name]
        if what == "create":
            return await user.create(command["invite"], command.get("encrypted", False))
        if what == "hold":
            user.holds = command["holds"]
            return {}
        if what == "answer":
            return await user.answer(command["to"], command["accept"])
        if what == "ignore":
            return await user.ignore(command["user"], command["ignored"])
        if what == "ignored":
            content = await user.account_data("GET")
            return {"users": list(content.get("ignored_users", {}))}
        if what == "leave":
            return await user.leave(command["to"])
        if what == "muted":
            # Of a chat that there is not, nothing is muted.
            room = user.rooms.get(command["to"], command["to"])
            return {"muted": await user.muted(room)}
        if what == "folders":
            return await user.shown_folders()
        if what == "leave_folder":
            user.folders.discard(command["room"])
            await again(lambda: user.client.room_leave(command["room"]))
            return {}
        if what == "call_itself":
            await again(lambda: user.client.set_displayname(command["name"]))
            return {}
        if what == "wear":
            await user.wear(command["path"])
            return {}
        room = await user.room_with(command["to"])
        if what == "send":
            content = {"msgtype": "m.text", "body": command["body"]}
            return {"id": await user.send(room, "m.room.message", content), "room": room}
        if what == "send_file":
            path, small = command["path"], command["small"]
            file = user.send_file(room, path, command["mime"], command["content"], small)
            return {"id": await file, "room": room}
        if what == "send_many":
            flood = user.send_many(room, command["prefix"], command["first"], command["count"])
            floods.add(asyncio.get_running_loop().create_task(flood))
            return {"room": room}
        if what == "raw":
            return {"id": await user.send(room, command["type"], command["content"]), "room": room}
        if what == "edit":
            return {"id": await user.edit(room, command["of"], command["content"]), "room": room}
        if what == "redact":
            answer = await again(lambda: user.client.room_redact(room, command["of"]))
            return {"id": answer.event_id, "room": room}
        if what == "react":
            await user.react(room, command["of"], command["emojis"])
            return {"room": room}
        if what == "read":
            await again(lambda: user.client.update_receipt_marker(room, command["of"]))
            return {"room": room}
        if what == "type":
            await again(lambda: user.client.room_typing(room, command["typing"], timeout=30000))
            return {"room": room}
        if what == "mute":
            await user.mute(room, command["muted"], command["override"])
            return {}
        if what == "state":
            answer = await again(
                lambda: user.client.room_put_state(
                    room, command["type"], command["content"], command.get("state_key", "")
                )
            )
            return {"id": answer.event_id, "room": room}
        if what == "invite":
            await again(lambda: user.client.room_invite(room, command["user"]))
            return {"room": room}
        if what == "room":
            return {"room": room}
        if what == "unread":
            return {"count": await user.unread(room)}
        if what == "wait_for":
            await user.wait_for(room, command["user"])
            return {"room": room}
        raise Failed(f"no such command: {what}")

    await serve(handle)


asyncio.run(main(sys.argv[1], sys.argv[2]))
