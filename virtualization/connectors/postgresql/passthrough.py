"""A text of the user's own, run at the source as it is, in a session that nothing else ever uses: whatever it does to the session
(``set_config`` …) goes with it. The session is read-only, as all are, and a single statement fits into the sub-query that carries it."""

from __future__ import annotations

import dataclasses

from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.options import Settings
from virtualization.passthrough import SCHEMA, WHAT, OwnSession
from virtualization.plan import QueryContext


def passthrough(settings: Settings, text: str, context: QueryContext) -> OwnSession:
    """Rows as JSON objects; see ``virtualization.passthrough``. The line break ends a comment at the text's end."""
    client = Client(dataclasses.replace(settings, max_connections=1))
    try:
        sql = f'SELECT pg_catalog.row_to_json("bdc row")::pg_catalog.text AS "row" FROM (\n{text}\n) AS "bdc row"'
        return OwnSession(client.stream(sql, SCHEMA, WHAT, context), client.close)
    except BaseException:
        client.close()
        raise
