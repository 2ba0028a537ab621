"""What a replica tells its audit trail: logins, queries, writes, loads. Hooks cost the event loop a place in a list; entries are made on
the trail's thread."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pools.audit import Trail
from pools.audit_entries import Entry, Outcome
from pools.audit_reading import Wanted, answer_of
from pools.compute.catalogs import Identity
from pools.compute.clients import Clients
from pools.compute.errors import StatementError
from pools.compute.lexer import tokens
from pools.compute.queries import Origin, Query
from virtualization.errors import VirtualizationError

AUDIT = "audit"
"""The request that asks for entries; only the controller sends it."""

REFUSALS = frozenset({"28000", "28P01", "42501", "53300"})
"""SQLSTATEs that mean: you may not, or not now."""

SHAPE_CHARACTERS = 20_000
DIGEST_CHARACTERS = 32
MASTERS_GRANTS, ASKED_GRANTS, PASSWORD = "grants, checked by the master", "grants, asked of the master", "password (SCRAM)"
MASTER = "master"


@dataclass
class Call:
    """Of the Flight endpoint; ``answer``: what it was told."""

    answer: Mapping[str, Any] = field(default_factory=dict)


class Auditing:
    """Of one replica. ``note`` and ``login`` on the event loop, the rest on any thread."""

    def __init__(self, trail: Trail, clients: Clients | None = None) -> None:
        self.trail = trail
        self._clients = clients

    def arrived(self, origin: Origin) -> None:
        """A connection; the master's are asked for whose they are."""
        session = _masters(origin)
        if session is not None and self._clients is not None:
            self._clients.look(origin, session)

    def note(self, query: Query) -> None:
        """A query is over."""
        if not query.recorded:
            return
        if self._clients is None:
            self.trail.later(lambda: _query(query, None))
        else:
            self._clients.then(query.origin, _masters(query.origin), lambda client: self.trail.later(lambda: _query(query, client)))

    def login(self, identity: Identity, origin: str | None, session: str | None, error: Exception | None = None) -> None:
        """Somebody logged in, or could not (whose name is left out where nobody has it: it may be a password). The master's own logins are
        told only when they are refused."""
        if identity.mapping and error is None:
            return
        why = None if error is None else code_of(error)
        outcome: Outcome = "allowed" if error is None else "refused"
        made = Entry("sql.login", outcome, PASSWORD, identity.login or None, origin, (), session, why, database=identity.database or None)
        (self.trail.note_later if error is None else self.trail.note_few)(made)

    def flight_login(self, identity: Identity | None, error: Exception | None = None) -> None:
        """The same at the Flight endpoint; its library does not tell from where."""
        user, database = (None, None) if identity is None else (identity.login, identity.database)
        if error is None:
            self.trail.note_later(Entry("flight.login", "allowed", PASSWORD, user, database=database))
        else:
            self.trail.note_few(Entry("flight.login", "refused", PASSWORD, user, why=code_of(error), database=database))

    @contextmanager
    def flight_call(self, who: Identity, action: str, origin: str, body: Mapping[str, Any]) -> Iterator[Call]:
        """An action of a load or a read: told when it is over."""
        call, why = Call(), None
        try:
            yield call
        except BaseException as error:
            why = code_of(error)
            raise
        finally:
            self.trail.note_later(_flight(who, action, origin, {**body, **call.answer}, why))

    def answer(self, content: Mapping[str, Any]) -> list[object]:
        """Entries that the controller asked for; one object."""
        try:
            wanted = Wanted.read(content.get("wanted") or {})
        except ValueError as error:
            raise StatementError("22023", f"an audit request can't be read: {error}") from None
        return [answer_of(self.trail, wanted)]


def _flight(who: Identity, action: str, origin: str, said: Mapping[str, Any], why: str | None) -> Entry:
    named = [f"{name}={said[name]}" for name in ("table", "load", "mode", "version") if isinstance(said.get(name), str | int)]
    sql, rows = said.get("sql", said.get("query")), said.get("rows")
    return Entry(
        f"flight.{action}",
        _outcome(why),
        ASKED_GRANTS,
        who.login,
        origin,
        tuple(named),
        why=why,
        database=who.database,
        statement=shape_digest(sql) if isinstance(sql, str) else None,
        rows=rows if isinstance(rows, int) else None,
    )


def _outcome(why: str | None) -> Outcome:
    return "allowed" if why is None else "refused" if why in REFUSALS else "failed"


def _masters(origin: Origin) -> str | None:
    """The master's session (as its logs have it) behind a connection; None: there is none."""
    words = origin.group.split(" ")
    return words[2] if words[0] == "bdc" and len(words) > 2 else None


def _query(query: Query, client: str | None) -> Entry:
    """``client``: address of the client behind the master's session."""
    error, origin = query.error, query.origin
    why = None if error is None else code_of(error)
    from_master, session = origin.group.startswith("bdc "), _masters(origin)
    plan = query.plan
    touched = sorted({f"{fragment.source}:{'.'.join(key)}" for fragment in plan.fragments for key in fragment.tables}) if plan else []
    return Entry(
        "sql.query",
        _outcome(why),
        MASTERS_GRANTS if from_master else ASKED_GRANTS,
        user=query.context.user or origin.user,
        origin=(client or MASTER) if from_master else None,
        objects=tuple(touched),
        session=session or query.session or None,
        why=why,
        request=str(query.id),
        database=origin.database,
        statement=shape_digest(query.sql),
        rows=query.rows,
        at=query.began + (query.ended - query.started),
    )


def code_of(error: BaseException) -> str:
    """Its SQLSTATE."""
    return str(getattr(error, "code", "XX000"))


@functools.lru_cache(512)
def shape_digest(sql: str) -> str:
    """SHA-256 of a statement without white space, comments and constants (``?`` in their place), words in lower case: the same for the same
    question about another customer, and nothing to guess constants by. Of long ones the first SHAPE_CHARACTERS count."""
    digest = hashlib.sha256()
    try:
        for token in tokens(sql[:SHAPE_CHARACTERS]):
            text = "?" if token.kind in ("string", "number") else token.text.lower() if token.kind == "word" else token.text
            digest.update(text.encode(errors="replace") + b"\0")
    except (StatementError, VirtualizationError):
        pass  # a quote that does not end: the rest is one constant
    return digest.hexdigest()[:DIGEST_CHARACTERS]
