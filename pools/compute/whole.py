"""Whole queries of the master: what its module (``pools/master/offload``) says beside the text.

    SELECT … /*bdc timezone=Europe/Berlin*/

postgres_fdw's session has no time zone of its user's. Where a query's meaning depends on it, the text ends with it. Nothing else may stand
there, so that the text can't be mistaken: a statement of stock postgres_fdw never ends with a comment.
"""

from __future__ import annotations

import re

from pools.compute.errors import StatementError
from pools.compute.variables import known_zone

_ZONE = re.compile(r" /\*bdc timezone=([\w+/-]{1,100})\*/$", re.ASCII)


def time_zone(sql: str) -> tuple[str, str | None]:
    """The text without the comment, and the zone in which it is meant; None: the session's. StatementError 0A000 for an unknown zone: the
    master, who knows more of them, then computes by itself."""
    match = _ZONE.search(sql) if sql.endswith("*/") else None
    if match is None:
        return sql, None
    zone = known_zone(match[1])
    if zone is None:
        raise StatementError("0A000", f'the compute pool does not know the time zone "{match[1]}"')
    return sql[: match.start()], zone
