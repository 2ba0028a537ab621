"""Logins that are alive, in ``sessions.json`` of the store: what a refresh token belongs to, and what a revocation ends.

A refresh token is ``<session>.<generation>.<mac>``. Each use makes the next generation and ends the one before. Whoever sends an older one
holds a copy: the whole session ends, for the thief and for the robbed, who logs in again. The mac (of a key of the session alone) keeps
people who know a session's name, which access tokens carry, from ending it so.

Where the store can't be written (a full disk, Kubernetes' API server away) people still get in: a login is kept in memory, and a renewal
gives the same refresh token again. What can't be written then is an end: that is told.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from controller.auth.users import User
from controller.errors import StoreError, TokenError
from controller.log import Log
from controller.store import Store

FILE = "sessions.json"
PER_USER = 20
"""Logins of one user at a time; the oldest gives way."""
UNWRITTEN = 100
"""Logins kept in memory while the store can't be written."""
IN_ALL = 2000
"""The file is read with each request, and on Kubernetes it lies in a Secret (1 MB)."""

_REFRESH = re.compile(r"([\w-]{16})\.(\d{1,9})\.([0-9a-f]{64})", re.ASCII)
_AGAIN = "log in again: bdc login"


class Entry(TypedDict):
    """``stamp``: the user's at log-in; ``began`` and ``until``: Unix seconds."""

    user: str
    stamp: str
    key: str
    generation: int
    began: float
    until: int


Entries = dict[str, Entry]
log = Log("sessions")


@dataclass(frozen=True)
class Login:
    """A session with its newest refresh token."""

    id: str
    user: str
    refresh: str
    until: int


class Sessions:
    """Every call reads the store anew: another controller may have ended a session meanwhile. ``clock``: Unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._unwritten: Entries = {}

    def begin(self, user: User, seconds: int) -> Login:
        """A new session that ends in ``seconds`` at the latest."""
        name, now = secrets.token_urlsafe(12), self._clock()
        fresh = Entry(
            user=user["name"],
            stamp=user["stamp"],
            key=secrets.token_hex(16),
            generation=1,
            began=round(now, 6),
            until=int(now) + seconds,
        )

        def change(before: Entries) -> Entries:
            oldest = sorted(before, key=lambda sid: before[sid]["began"])
            own = [sid for sid in oldest if before[sid]["user"] == user["name"]]
            crowd = {*own[: max(0, len(own) - PER_USER + 1)], *oldest[: max(0, len(oldest) - IN_ALL + 1)]}
            return {sid: entry for sid, entry in before.items() if sid not in crowd} | {name: fresh}

        try:
            self._change(change, durable=False)  # who is not logged in any more after a loss of power logs in again
        except StoreError as error:
            log.warning("a login is kept in memory: the store can't be written", user=user["name"], why=error.message)
            self._unwritten = dict([*self._unwritten.items(), (name, fresh)][-UNWRITTEN:])
        return _login(name, fresh)

    def renew(self, refresh: str, stamp_of: Callable[[str], str | None]) -> Login:
        """The session's next refresh token. TokenError when it is none, over, or was used before, which ends the session; and when the
        user is gone or has another password than then (``stamp_of``)."""
        name, generation = self._parsed(refresh)
        found: list[Login | None] = []

        def change(before: Entries) -> Entries:
            entry = before.get(name) or self._unwritten.get(name)
            found.clear()
            if entry is None or not _made_for(name, generation, entry, refresh):
                raise TokenError("the refresh token is not valid: its session has ended", where="refresh_token", hint=_AGAIN)
            if entry["generation"] != generation or stamp_of(entry["user"]) != entry["stamp"]:
                found.append(None)
                return {sid: each for sid, each in before.items() if sid != name}
            following = Entry(**{**entry, "generation": generation + 1})
            found.append(_login(name, following))
            return before | {name: following}

        try:
            self._change(change)
            self._forget(name)
        except StoreError:
            change(self._read())  # checked all the same; nothing is used up that could not be noted
            if found[0] is not None:
                return Login(name, found[0].user, refresh, found[0].until)
        if found[0] is None:
            raise TokenError(
                "the session was ended: its refresh token was used twice, or the user has changed", where="refresh_token", hint=_AGAIN
            )
        return found[0]

    def alive(self, name: str, user: str) -> bool:
        """Whether it is a session of this user that nobody has ended."""
        entry = self._read().get(name)
        return entry is not None and entry["user"] == user

    def end(self, name: str) -> None:
        """Of a log-out; no error when it has ended before."""
        self._forget(name)
        self._change(lambda before: {sid: entry for sid, entry in before.items() if sid != name})

    def end_all(self, user: str) -> int:
        """Every session of a user; how many there were."""
        self._unwritten = {sid: entry for sid, entry in self._unwritten.items() if entry["user"] != user}
        ended: list[int] = []

        def change(before: Entries) -> Entries:
            left = {sid: entry for sid, entry in before.items() if entry["user"] != user}
            ended[:] = [len(before) - len(left)]
            return left

        self._change(change)
        return ended[0]

    def _forget(self, name: str) -> None:
        """In memory. The dictionary is replaced: other threads may be reading it."""
        self._unwritten = {sid: entry for sid, entry in self._unwritten.items() if sid != name}

    @staticmethod
    def _parsed(refresh: str) -> tuple[str, int]:
        parts = _REFRESH.fullmatch(refresh)
        if parts is None:
            raise TokenError("the refresh token is not valid", where="refresh_token", hint=_AGAIN)
        return parts[1], int(parts[2])

    def _read(self) -> Entries:
        return self._living(self._unwritten) | self._living(self._store.look(FILE))

    def _change(self, change: Callable[[Entries], Entries], *, durable: bool = True) -> None:
        self._store.update(FILE, lambda before: change(self._living(before)), durable=durable)

    def _living(self, content: Any) -> Entries:  # noqa: ANN401 (what the file holds)
        try:
            now = self._clock()
            return {str(name): entry for name, entry in (content or {}).items() if entry["until"] > now}
        except (AttributeError, TypeError, KeyError):
            place = self._store.where(FILE)
            raise StoreError(f"{place} does not hold sessions", where=place, hint="move it away: everybody logs in again") from None


def session_named(refresh: str) -> str | None:
    """The session's name in a refresh token, which is no secret; None for a text that is no such token."""
    parts = _REFRESH.fullmatch(refresh)
    return None if parts is None else parts[1]


def _login(name: str, entry: Entry) -> Login:
    mac = _mac(name, entry["generation"], entry)
    return Login(name, entry["user"], f"{name}.{entry['generation']}.{mac}", entry["until"])


def _mac(name: str, generation: int, entry: Entry) -> str:
    return hmac.digest(entry["key"].encode(), f"{name}.{generation}".encode(), hashlib.sha256).hex()


def _made_for(name: str, generation: int, entry: Entry, refresh: str) -> bool:
    """Whether this cluster made it, for this generation or an earlier one."""
    return secrets.compare_digest(refresh, f"{name}.{generation}.{_mac(name, generation, entry)}") and generation <= entry["generation"]
