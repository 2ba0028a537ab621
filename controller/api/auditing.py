"""Which requests are entries of the audit trail, and what is said of them: whatever changes something, whoever is refused, and the
reading of what only administrators may see. Never a body, a header or a token; of a name that nobody has, not even the name (people type
passwords into the wrong field)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import State
from starlette.types import Scope

from controller.auth.sessions import session_named
from controller.log import Log
from pools.audit import Trail
from pools.audit_entries import Entry, Outcome

ACTIONS: Mapping[tuple[str, str], str] = {
    ("POST", "/api/v1/token"): "login",
    ("POST", "/api/v1/token/refresh"): "login.renew",
    ("DELETE", "/api/v1/token"): "login.end",
    ("DELETE", "/api/v1/users/{name}/sessions"): "login.end_all",
    ("GET", "/api/v1/keys/tokens"): "keys.list",
    ("POST", "/api/v1/keys/tokens/rotate"): "keys.rotate",
    ("POST", "/api/v1/keys/pools/rotate"): "keys.rotate",
    ("GET", "/api/v1/audit"): "audit.query",
    ("GET", "/api/v1/bdc/logs/{workload}"): "logs.read",
    ("POST", "/api/v1/bdc/services/spark/start"): "spark.start",
    ("POST", "/api/v1/bdc/services/spark/stop"): "spark.stop",
    ("GET", "/api/v1/bdc/services/spark/token"): "spark.token",
    ("POST", "/api/v1/bdc/services/spark/jobs"): "spark.jobs.submit",
    ("DELETE", "/api/v1/bdc/services/spark/jobs/{number}"): "spark.jobs.end",
    ("GET", "/api/v1/bdc/services/spark/jobs/{number}/log"): "spark.jobs.log",
    ("POST", "/api/v1/bdc/plan"): "cluster.plan",
    ("POST", "/api/v1/bdc/apply"): "cluster.apply",
    ("POST", "/api/v1/bdc/upgrade"): "cluster.upgrade",
    ("POST", "/api/v1/bdc/scale"): "cluster.scale",
    ("DELETE", "/api/v1/bdc/operations/{number}"): "cluster.cancel",
    ("POST", "/api/v1/bdc/certificates/rotate"): "certificates.rotate",
    ("PUT", "/api/v1/bdc/settings"): "settings.set",
    ("DELETE", "/api/v1/bdc/settings"): "settings.unset",
    ("POST", "/api/v1/bdc/settings/apply"): "settings.apply",
    ("POST", "/api/v1/auth/test"): "directory.test",
    ("PUT", "/api/v1/auth/search-password"): "directory.search_password",
    ("POST", "/api/v1/auth/sql-password"): "directory.sql_password",
    ("POST", "/api/v1/apps/token"): "apps.token",
    ("POST", "/api/v1/apps"): "apps.create",
    ("PUT", "/api/v1/apps"): "apps.update",
    ("DELETE", "/api/v1/apps/{name}/{version}"): "apps.delete",
    ("GET", "/api/v1/apps/{name}/{version}/log"): "apps.logs",
    ("POST", "/api/v1/apps/{name}/{version}/promote"): "apps.promote",
    ("POST", "/api/v1/apps/{name}/{version}/canary"): "apps.canary",
    ("POST", "/api/v1/apps/{name}/live/rollback"): "apps.rollback",
    ("PUT", "/api/v1/app-secrets/{name}/{secret}"): "apps.secret.set",
    ("DELETE", "/api/v1/app-secrets/{name}/{secret}"): "apps.secret.delete",
    ("POST", "/api/v1/users"): "users.add",
    ("DELETE", "/api/v1/users/{name}"): "users.remove",
    ("PUT", "/api/v1/users/{name}/password"): "users.password",
    ("POST", "/api/v1/users/{name}/roles/{role}"): "users.grant",
    ("DELETE", "/api/v1/users/{name}/roles/{role}"): "users.revoke",
}
"""What changes something and is not here is ``api.<method>`` with the path; GETs that are here are entries also when they are allowed."""

Objects = tuple[str, ...]

REFUSED = frozenset({401, 403, 429})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
log = Log("audit")

USER, SESSION, CODE, RULE, OBJECTS = "audit_user", "audit_session", "audit_code", "audit_rule", "audit_objects"
"""What routes and handlers leave in a request's state."""


def unwritten(why: str) -> None:
    """Entries are being lost."""
    log.error("the audit trail can't be written: its entries are counted", why=why)


class Auditing:
    """Of one controller; on the event loop."""

    def __init__(self, trail: Trail) -> None:
        self.trail = trail

    def answered(self, scope: Scope, status: int) -> None:
        """A request was answered; ``status`` 0: its client left before."""
        path = getattr(scope.get("route"), "path", None)
        if path is None:
            return
        made = entry(scope, str(path), status)
        if made is None:
            return
        if made.outcome == "refused" and made.session is None:
            self.trail.note_few(made)
        else:
            self.trail.note(made)


def entry(scope: Scope, path: str, status: int) -> Entry | None:
    """What is said of a request; None: nothing."""
    method, state = str(scope["method"]), scope.get("state", {})
    action, rule = ACTIONS.get((method, path)), str(state.get(RULE, "none"))
    went_well = 0 < status < 400
    if status not in REFUSED and method in SAFE and not (went_well and action is not None):
        return None
    caller, client = state.get("caller"), scope.get("client")
    user = caller.name if caller is not None else state.get(USER)
    if user is None and not went_well and status not in REFUSED:
        return None  # no login, and the request made no sense
    return Entry(
        action or f"api.{method.lower()}",
        _outcome(status),
        rule,
        user=user,
        origin=None if client is None else str(client[0]),
        objects=_objects(scope, path, named=action is not None),
        session=(caller.session or None) if caller is not None else state.get(SESSION),
        why=state.get(CODE) if status >= 400 else None,
        request=state.get("request_id"),
    )


def note(state: State, user: str | None = None, session: str | None = None, rule: str | None = None, objects: Objects = ()) -> None:
    """A route tells what the request itself does not show; ``state`` is the request's."""
    for name, value in ((USER, user), (SESSION, session), (RULE, rule), (OBJECTS, objects)):
        if value:
            setattr(state, name, value)


def note_refresh(state: State, refresh: str) -> None:
    """Which login a refresh token belongs to; nothing of a text that is none."""
    note(state, session=session_named(refresh), rule="refresh token")


def _outcome(status: int) -> Outcome:
    if status in REFUSED:
        return "refused"
    return "allowed" if 0 < status < 400 else "failed"


def _objects(scope: Scope, path: str, *, named: bool) -> tuple[str, ...]:
    parts = tuple(f"{name}={value}" for name, value in scope.get("path_params", {}).items())
    return (*(() if named else (path,)), *parts, *scope.get("state", {}).get(OBJECTS, ()))
