"""A text of the user's own, run at the source as it is, in a session that nothing else ever uses: whatever it does to the session goes
with it. The text must be one statement that reads; where the driver's file knows how, the session is read-only, too. The line break
ends a comment at the text's end: drivers write on behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.client import Client
from virtualization.connectors.odbc.options import Settings
from virtualization.passthrough import SCHEMA, WHAT, OwnSession, check_reads, json_rows
from virtualization.plan import QueryContext

_MOST_COLUMNS = 64
"""For which buffers have room at first; more columns need a larger fetch_bytes where the driver knows no lengths."""


def passthrough(settings: Settings, known: Capabilities, text: str, context: QueryContext) -> OwnSession:
    """Rows as JSON objects; see ``virtualization.passthrough``."""
    check_reads(text, known.dialect, settings.source, session_reads_only=known.reads_only)
    client = Client(dataclasses.replace(settings, max_connections=1), lambda: known)
    try:
        return OwnSession(client.stream(text.rstrip().rstrip(";") + "\n", JsonRows(), WHAT, context), client.close)
    except BaseException:
        client.close()
        raise


class JsonRows:
    """See ``client.Shape``: columns that nobody knows before the answer."""

    schema = SCHEMA

    def reading(self) -> Mapping[str, Any]:
        """Numbers and truth values as they are; all else as texts, which every driver can make."""
        return {"map_schema": _plain}

    def row_bytes(self, value_bytes: int) -> int:
        """Of a few long texts."""
        return _MOST_COLUMNS * (2 * min(value_bytes, 4096) + 64)

    def made(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """One batch."""
        return json_rows(batch)


def _plain(found: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(one.name, one.type if _is_plain(one.type) else pa.string()) for one in found])


def _is_plain(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
