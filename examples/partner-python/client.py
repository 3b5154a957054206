"""A partner's app for one user: it speaks drawbridge.partner.v1 (see docs/partner-protocol.md).

Input: what the user does, one JSON object a line: an event, or a frame of another "type". Output:
what happens, one frame a line. The state file keeps what neither side may forget."""
import argparse, asyncio, json, pathlib, random, sqlite3, sys, time, uuid
import jwt, websockets

class App:
    def __init__(self, options):
        self.options, self.news = options, asyncio.Event()
        self.key = jwt.PyJWK(json.loads(pathlib.Path(options.key).read_text()))
        self.db = sqlite3.connect(options.state, isolation_level=None)  # each statement is durable
        self.db.executescript("""
            CREATE TABLE IF NOT EXISTS outbox (place INTEGER PRIMARY KEY AUTOINCREMENT, id, frame);
            CREATE TABLE IF NOT EXISTS inbox (place INTEGER PRIMARY KEY, id UNIQUE, frame)""")

    def proof(self, **claims):
        claims |= {"iss": self.options.issuer, "aud": self.options.audience}
        claims |= {"iat": int(time.time()), "exp": int(time.time()) + 300}
        return jwt.encode(claims, self.key, "EdDSA", headers={"kid": self.key.key_id})

    async def read_input(self):
        reader = asyncio.StreamReader(limit=2**20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for line in reader:
            event = {"type": "event", **json.loads(line), "id": uuid.uuid4().hex,
                     "from": self.options.user, "sent_at": time.time_ns() // 1_000_000}
            keep = "INSERT INTO outbox (id, frame) VALUES (?, ?)"
            self.db.execute(keep, (event["id"], json.dumps(event)))
            print(json.dumps({"type": "kept", "id": event["id"]}), flush=True)
            self.news.set()

    async def write(self, socket, credit):
        sent, query = 0, "SELECT place, frame FROM outbox ORDER BY place LIMIT ?"
        while await self.news.wait():  # each connection starts from the outbox's start
            self.news.clear()
            size = 2**20  # for an `enlist` that is not answered yet; and one frame less
            for place, frame in self.db.execute(query, (credit["frames"] - 1,)).fetchall():
                size += len(frame)  # in bytes: json.dumps makes ASCII
                if place > sent and size <= credit["bytes"]:
                    await socket.send(frame)
                    sent = place

    async def hear(self, socket, text):
        frame = json.loads(text)
        if "id" in frame:
            keep = "INSERT OR IGNORE INTO inbox (id, frame) VALUES (?, ?)"
            is_new = self.db.execute(keep, (frame["id"], text)).rowcount
            await socket.send(json.dumps({"type": "ack", "ids": [frame["id"]]}))
            if not is_new:
                return
        elif frame["type"] == "ack" or frame["type"] == "error" and frame["code"] != "rate_limited":
            for id in frame.get("ids", [frame.get("about")]):
                self.db.execute("DELETE FROM outbox WHERE id = ?", (id,))
            self.news.set()
        print(text, flush=True)

    async def talk(self, socket):
        received = self.db.execute("SELECT id FROM inbox ORDER BY place DESC LIMIT 1024")
        shows = dict.fromkeys(("requests", "block_lists", "mutes", "folders", "reports"), True)
        shows |= {"kinds": dict.fromkeys(("text", "edit", "retraction"), "full"),
                  "features": {"reply": "full"}, "text": {"max_bytes": 100_000}}  # no formatting
        await socket.send(json.dumps({"type": "hello", "versions": [1], "capabilities": shows,
                                      "received": [id for (id,) in received]}))
        await self.hear(socket, welcome := await socket.recv())
        enlist = {"type": "enlist", "user": self.options.user, "name": self.options.name}
        await socket.send(json.dumps({**enlist, "proof": self.proof(sub=self.options.user)}))
        self.news.set()
        writing = asyncio.create_task(self.write(socket, json.loads(welcome)["credit"]))
        try:
            async for text in socket:
                await self.hear(socket, text)
        finally:
            writing.cancel()

    async def stay_connected(self):
        pause = 0.1
        while True:
            started = time.monotonic()
            try:
                async with websockets.connect(
                        self.options.url, subprotocols=["drawbridge.partner.v1"],
                        additional_headers={"Authorization": f"Bearer {self.proof()}"}) as socket:
                    await self.talk(socket)
            except (OSError, websockets.WebSocketException) as error:
                if getattr(getattr(error, "rcvd", None), "code", None) == 4001:
                    sys.exit("another instance of this app has taken over")
                print(f"not connected: {error!r}", file=sys.stderr, flush=True)
            pause = 0.1 if time.monotonic() > started + 10 else min(2 * pause, 5)
            await asyncio.sleep(pause * random.uniform(0.5, 1))

    async def run(self):
        await asyncio.gather(self.read_input(), self.stay_connected())

parser = argparse.ArgumentParser(description=__doc__)
for name in ("url", "issuer", "key", "state", "user", "name"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--audience", default="drawbridge")
asyncio.run(App(parser.parse_args()).run())
