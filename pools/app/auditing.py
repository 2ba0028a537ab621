"""The proxy's audit trail: calls of apps, changes of them, and whoever is refused; and the route that tells it.

    GET /api/v1/audit?user=…&since=…&action=…&outcome=…&session=…&limit=…   {"entries", "lost", "problem"}, for admins

Never inputs, outputs or tokens; of a caller who is not known not even what was named.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pools.app.errors import RequestError
from pools.app.exchange import Exchange
from pools.audit_entries import Entry, Outcome
from pools.audit_often import Often
from pools.audit_reading import Wanted, answer_of

if TYPE_CHECKING:
    from pools.app.proxy import Proxy

CALL = "apps.run"
VERSION = ("api", "v1", "apps", "VERSION")
SECRET = ("api", "v1", "app-secrets", "NAME", "SECRET")
ACTIONS: dict[tuple[str, tuple[str, ...]], str] = {
    ("POST", ("api", "app", "run")): CALL,
    ("POST", ("api", "app", "batch")): CALL,
    ("GET", ("api", "app", "model")): "apps.model",
    ("POST", ("api", "v1", "apps")): "apps.create",
    ("PUT", ("api", "v1", "apps")): "apps.update",
    ("DELETE", VERSION): "apps.delete",
    ("GET", (*VERSION, "log")): "apps.logs",
    ("POST", (*VERSION, "promote")): "apps.promote",
    ("POST", (*VERSION, "canary")): "apps.canary",
    ("POST", (*VERSION, "rollback")): "apps.rollback",
    ("PUT", SECRET): "apps.secret.set",
    ("DELETE", SECRET): "apps.secret.delete",
    ("GET", ("api", "v1", "audit")): "audit.query",
}
"""Of what is here a good answer is an entry too; of everything else a refusal is (``api.get``). Inference is a call."""
REFUSED = frozenset({401, 403})


def note(often: Often, exchange: Exchange, method: str, shape: tuple[str, ...], name: str, number: str) -> None:
    """A request was answered, or its client is gone (status 0)."""
    action, status = ACTIONS.get((method, shape)), exchange.status
    if action is None and method == "POST" and exchange.inference:
        action = CALL
    if status not in REFUSED and (action is None or exchange.user is None):
        return
    client = exchange.scope.get("client")
    known = exchange.user is not None
    often.note(
        Entry(
            action or f"api.{method.lower()[:20]}",
            _outcome(status),
            exchange.rule,
            user=exchange.user,
            origin=None if client is None else str(client[0]),
            objects=(exchange.named or _named(shape, name, number),) if known and (exchange.named or name) else (),
            session=exchange.session,
            why=exchange.why if status >= 400 else None,
            request=exchange.id,
        )
    )


async def show(proxy: Proxy, exchange: Exchange, _name: str, _number: str) -> None:
    """Entries of this trail, the newest first."""
    try:
        wanted = Wanted.of_query(exchange.scope["query_string"].decode("latin-1"))
    except ValueError as error:
        raise RequestError(str(error), where="query") from None
    proxy.often.tell()
    await exchange.answer(200, await asyncio.to_thread(answer_of, proxy.often.trail, wanted))


def _outcome(status: int) -> Outcome:
    if status in REFUSED:
        return "refused"
    return "allowed" if 0 < status < 400 else "failed"


def _named(shape: tuple[str, ...], name: str, number: str) -> str:
    return name if "NAME" in shape and name == number else f"{name}/{number}" if shape == SECRET else f"{name}@{number}"
