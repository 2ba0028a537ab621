"""A text of the user's own, run at the source as it is, in a session that nothing else ever uses: whatever it does to the session
(``set_config`` …) goes with it. The session is read-only, as all are, and a single statement fits into the sub-query that carries it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pyarrow as pa

from virtualization.connectors.postgresql.client import Client, RowStream
from virtualization.connectors.postgresql.options import Settings
from virtualization.plan import QueryContext
from virtualization.types import arrow_field

_WHAT = "the text given to bdc.remote_query"
_SCHEMA = pa.schema([arrow_field("row", "text")])


def passthrough(settings: Settings, text: str, context: QueryContext) -> OwnSession:
    """Rows as JSON objects; see ``virtualization.passthrough``. The line break ends a comment at the text's end."""
    client = Client(dataclasses.replace(settings, max_connections=1))
    try:
        sql = f'SELECT pg_catalog.row_to_json("bdc row")::pg_catalog.text AS "row" FROM (\n{text}\n) AS "bdc row"'
        return OwnSession(client, client.stream(sql, _SCHEMA, _WHAT, context))
    except BaseException:
        client.close()
        raise


class OwnSession:
    """Batches whose end is also their session's."""

    def __init__(self, client: Client, rows: RowStream) -> None:
        self._client = client
        self._rows = rows

    @property
    def schema(self) -> pa.Schema:
        """One column, a text."""
        return self._rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._rows

    def close(self) -> None:
        """Harmless when repeated."""
        self._rows.close()
        self._client.close()
