"""How much of what a client sends ahead is held."""

from __future__ import annotations

import asyncio
import struct

import pytest

from pools.compute.wire import link as module
from pools.compute.wire.link import Link

COUNT, SIZE, LIMIT = 60, 200_000, 1_000_000
READ_BYTES = 256 * 1024  # asyncio reads so much at once


def test_a_client_that_sends_ahead_is_held_back_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", LIMIT)
    text = b"x" * SIZE + b"\0"
    message = b"Q" + struct.pack("!I", len(text) + 4) + text

    async def talk() -> tuple[int, int]:
        accepted: asyncio.Queue[Link] = asyncio.Queue()

        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: Link(accepted.put, 5), "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(message * COUNT)
            link = await accepted.get()
            link.trust(2 * SIZE)
            link.start()
            held = 0
            while held != (held := link._ahead) or not held:
                await asyncio.sleep(0.2)
            found = [await link.next(5) for _ in range(COUNT)]
            writer.close()
            await link.close()
        return held, sum(one is not None for one in found)

    held, found = asyncio.run(talk())
    assert found == COUNT
    assert LIMIT < held <= LIMIT + READ_BYTES + SIZE
