"""Keys of the cluster's secret store that are replaced while pods run. Pure: from the Secret's values to those that change.

The kubelet lays changed files some time later, into each pod by itself, so a new key is used only after everybody who has to know it does:

1. ``begun``: who verifies or opens with the keys gets it in addition, and nobody uses it; ``ticket.next`` says since when;
2. ``due``, ``LAID_SECONDS`` later, in a pass: it is the one in use, and the one before holds for as long as it was to.

A stolen key for tickets is worth nothing at once (``replaced``): what was allowed then fails until the new one is laid everywhere. A stolen
one for sealing goes (``alone``) once everything is sealed for the new one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from controller.errors import ConflictError
from controller.secret_values import SEALING_KEY, TICKET_KEY, TICKET_KEYS, new_key, ticket_public_keys
from pools.keyring import added, dropped

Values = Mapping[str, bytes]
Changes = dict[str, bytes | None]
"""None: goes."""
KEYS = {"tickets": TICKET_KEY, "sealing": SEALING_KEY}
NEXT = {TICKET_KEY: "ticket.next", SEALING_KEY: "sealing.next"}
LAID_SECONDS = 240
"""The kubelet looks at each pod about once in 60 to 90 s, and its own memory of Secrets may be as old."""


def begun(kind: str, values: Values, now: float, seconds: int) -> Changes:
    """A new key, to be used later; the one before will hold for ``seconds`` then. ConflictError where another one is under way."""
    name = KEYS[kind]
    if NEXT[name] in values:
        left = max(1, round(_entry(values[NEXT[name]])[1] - now))
        raise ConflictError("a new key is being laid already", where=kind, hint=f"it is in use in {left} s; then again")
    fresh = new_key(name)
    both = values[name].strip() + b"\n" + base64.b64encode(fresh) + f" {int(now) + LAID_SECONDS + seconds}".encode()
    waiting = json.dumps([base64.b64encode(fresh).decode(), now + LAID_SECONDS, seconds]).encode()
    return {NEXT[name]: waiting, **_with_public(name, both)}


def due(values: Values, now: float) -> Changes:
    """What is used from now on; empty: nothing is due."""
    changes: Changes = {}
    for name, waiting in NEXT.items():
        if waiting in values:
            fresh, when, seconds = _entry(values[waiting])
            if when <= now:
                changes |= {waiting: None, **_with_public(name, added(_without(values[name], fresh), fresh, now, seconds))}
    return changes


def stolen(kind: str, values: Values, now: float) -> Changes:
    """Without the ones before the key in use. ConflictError."""
    return replaced(values, now) if kind == "tickets" else alone(values)


def alone(values: Values) -> Changes:
    """The sealing key in use, and none before it. ConflictError while the next one is being laid: it would not be known any more."""
    if NEXT[SEALING_KEY] in values:
        raise ConflictError("a new key is being laid still", where="sealing")
    return {SEALING_KEY: dropped(values[SEALING_KEY])}


def replaced(values: Values, now: float) -> Changes:
    """Another key for tickets, alone, at once."""
    fresh = dropped(added(values[TICKET_KEY], new_key(TICKET_KEY), now, 0))
    return {NEXT[TICKET_KEY]: None, **_with_public(TICKET_KEY, fresh)}


def _with_public(name: str, value: bytes) -> Changes:
    return {name: value, **({TICKET_KEYS: ticket_public_keys(value)} if name == TICKET_KEY else {})}


def _entry(value: bytes) -> tuple[bytes, float, int]:
    key, when, seconds = json.loads(value)
    return base64.b64decode(key), float(when), int(seconds)


def _without(raw: bytes, key: bytes) -> bytes:
    return b"\n".join(line for line in raw.strip().split(b"\n") if not line.startswith(base64.b64encode(key)))
