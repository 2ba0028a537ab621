"""Results on the wire: the description of the columns, and the rows with back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from pools.compute.rows import CHUNK_ROWS, types_of
from pools.compute.session import Outcome, Session
from pools.compute.wire import backend
from pools.compute.wire.link import Link
from virtualization.encoding.rows import column_formats
from virtualization.plan import OutputColumn


@lru_cache(maxsize=512)
def describe_rows(columns: tuple[OutputColumn, ...], formats: tuple[int, ...]) -> bytes:
    """RowDescription; ``formats`` as in Bind."""
    types = types_of(columns)
    fields = [backend.Field(c.name, of.oid, of.length, of.typmod) for c, of in zip(columns, types, strict=True)]
    return backend.row_description(fields, checked_formats(columns, formats))


def checked_formats(columns: Sequence[OutputColumn], formats: tuple[int, ...]) -> tuple[int, ...]:
    """The code of each column: binary where asked for and possible."""
    if len(formats) > 1 and len(formats) != len(columns):
        from pools.compute.errors import ProtocolError

        raise ProtocolError(f"bind message has {len(formats)} result formats but query has {len(columns)} columns")
    return column_formats(types_of(columns), formats) if any(formats) else ()


async def send_rows(session: Session, link: Link, outcome: Outcome, formats: tuple[int, ...], limit: int = 0) -> tuple[int, bool]:
    """Send up to ``limit`` rows (0: all). Returns how many, and whether that was the end."""
    rows = outcome.rows
    if rows is None or outcome.columns is None:
        return 0, True
    codes = checked_formats(outcome.columns, formats)
    sent = 0
    while True:
        if session.interrupted is not None:
            raise session.interrupted
        chunk = await rows.take(min(CHUNK_ROWS, limit - sent) if limit else CHUNK_ROWS, codes)
        sent += chunk.rows
        for part in chunk.parts:
            link.send(part)
        if chunk.last:
            return sent, True
        if limit and sent >= limit:
            return sent, False
        await link.drain()
        await asyncio.sleep(0)  # others' turn, also where the client is as fast as we are
