"""A text of the user's own, run at the source as it is, in a session that nothing else ever uses: whatever it does to the session
(``set_config`` …) goes with it. The session is read-only, as all are, and a single statement fits into the sub-query that carries it."""

from __future__ import annotations

import dataclasses

from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.options import Settings
from virtualization.errors import UnsupportedError
from virtualization.passthrough import SCHEMA, WHAT, OwnSession
from virtualization.plan import QueryContext


def passthrough(settings: Settings, text: str, context: QueryContext) -> OwnSession:
    """Rows as JSON objects; see ``virtualization.passthrough``. The line break ends a comment at the text's end."""
    if settings.impersonation is not None:
        # the text may set the session's role back, or to another that the credential's user is a member of, and read by a function
        raise UnsupportedError(
            f'data source "{settings.source}" lets each user read as the role of that name; a text of one\'s own could take another',
            hint="Make a second data source without the option impersonation, for those who may use its credential.",
        )
    client = Client(dataclasses.replace(settings, max_connections=1))
    try:
        sql = f'SELECT pg_catalog.row_to_json("bdc row")::pg_catalog.text AS "row" FROM (\n{text}\n) AS "bdc row"'
        return OwnSession(client.stream(sql, SCHEMA, WHAT, context), client.close)
    except BaseException:
        client.close()
        raise
