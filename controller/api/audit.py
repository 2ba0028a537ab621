"""The route over the audit trails of the cluster's services, for admins."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from controller.api.access import caller_of, guarded_router
from controller.api.bodies import Body
from controller.api.services import services_of
from controller.errors import RequestError
from pools.audit_reading import MOST, Wanted, instant

router = guarded_router("audit", "/api/v1/audit")


class AuditService(Body):
    """Whose entries are in an answer."""

    service: str
    """Its workload."""
    lost: int
    """Entries that it could not write since it began; each such gap is an entry ``audit.lost`` too."""
    problem: str | None
    """Why its entries are not in the answer, or it can't write any now; null: nothing."""


class AuditAnswer(Body):
    """Entries of all services, the newest first."""

    entries: list[dict[str, Any]]
    """See docs/guide/audit.md for their fields."""
    services: list[AuditService]
    """Who was asked."""


class AuditQuery(BaseModel):
    """Which entries; all of it together."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    user: str | None = Field(None, max_length=256)
    """Whose."""
    since: str | None = Field(None, max_length=40)
    """ISO 8601 with its offset."""
    action: str | None = Field(None, max_length=100)
    """Itself, and what begins with it and a dot."""
    outcome: Literal["allowed", "refused", "failed"] | None = None
    """failed: it was allowed, and did not work."""
    session: str | None = Field(None, max_length=100)
    """Of a login or an SQL session."""
    limit: int = Field(100, ge=1, le=MOST)
    """So many."""


@router.get("", summary="Who did what")
def query(request: Request, asked: Annotated[AuditQuery, Query()]) -> AuditAnswer:
    """The trails of the controller, the compute pool's replicas, the app proxy and the gateway together. A service that does not answer is
    named; the others' entries come all the same."""
    services = services_of(request)
    since = None if asked.since is None else _instant(asked.since)
    wanted = Wanted(asked.user, since, asked.action, asked.outcome, asked.session, asked.limit)
    entries, told = services.audit.find(wanted, caller_of(request))
    return AuditAnswer(
        entries=[dict(entry) for entry in entries],
        services=[AuditService(service=one.service, lost=one.lost, problem=one.problem) for one in told],
    )


def _instant(text: str) -> str:
    try:
        when = datetime.datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise ValueError("no offset")
        return instant(when)
    except (ValueError, OverflowError):
        raise RequestError(
            f"{text[:40]!r} is no instant", where="query.since", hint="2026-11-22T08:00:00+00:00, with the offset (a + in a URL is %2B)"
        ) from None
