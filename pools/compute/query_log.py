"""A line in the pool's log for each query that failed, was cancelled, or took long: who asked, under which numbers, and what it read where.

Never its text: that is in the history, for those who may see it. The rest of the queries leave no line: they are counted (``metrics.py``).
"""

from __future__ import annotations

import structlog

from pools.compute.metrics import outcome_of
from pools.compute.queries import Query

log = structlog.get_logger()

SLOW_SECONDS = 1.0


def note(query: Query) -> None:
    """It is over."""
    if not query.recorded:
        return
    outcome, seconds = outcome_of(query), query.ended - query.started
    if outcome in ("done", "left") and seconds < SLOW_SECONDS:
        return
    fragments = query.plan.fragments if query.plan is not None else ()
    code = None if query.error is None else getattr(query.error, "code", "XX000")
    log.info(
        "query",
        query=str(query.id),
        session=query.session,
        user=query.context.user or query.origin.user,
        database=query.origin.database,
        outcome=outcome,
        code=code,
        seconds=round(seconds, 3),
        rows=query.rows,
        sources=sorted({fragment.source for fragment in fragments}),
    )
