"""What both clients share: commands come in as JSON lines, what happens goes out as JSON lines.

A command is {"n": 1, "as": "alice", "do": "send", ...}; it is answered by
{"event": "done", "n": 1, ...} or {"event": "failed", "n": 1, "why": "..."}. The commands of one
user are carried out one after the other, those of several users side by side.
"""

import asyncio
import json
import sys
import traceback


def tell(event, **fields):
    """Prints one event."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Failed(Exception):
    """A command that could not be carried out, in words."""


async def serve(handle):
    """Reads commands until the input ends, and hands each to `handle(command)`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    queues = {}
    workers = set()

    async def work(queue):
        while True:
            command = await queue.get()
            number = command.get("n")
            try:
                answer = await handle(command)
                tell("done", n=number, **(answer or {}))
            except Failed as error:
                tell("failed", n=number, why=str(error))
            except Exception:  # whatever it was, the test must see it
                tell("failed", n=number, why=traceback.format_exc())

    tell("ready")
    while line := await reader.readline():
        command = json.loads(line)
        name = command.get("as", "")
        if name not in queues:
            queues[name] = asyncio.Queue()
            workers.add(loop.create_task(work(queues[name])))
        queues[name].put_nowait(command)
