"""The coordinator's actions as clients ask them (docs/architecture/load-protocol.md, "Messages: coordinator"): JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.lexer import tokens
from pools.compute.loads.claims import Winner
from pools.compute.loads.coordinator import Coordinator, Load

Body = Mapping[str, Any]

SECONDS = 3600
"""How long a load may stay open when the client does not say."""

LEAST_SECONDS, MOST_SECONDS = 10, 7 * 24 * 3600
MODES = ("append", "overwrite", "upsert", "truncate")
_BEGIN = frozenset({"table", "mode", "load_id", "client", "seconds", "create", "if_exists", "join"})


def table_name(text: object) -> tuple[str, str]:
    """(schema, name) of ``schema.name``, quoted as in SQL where needed; 42602 for anything else."""
    found = list(tokens(text)) if isinstance(text, str) else []
    names = [token.folded for token in found[::2] if token.kind in ("word", "name")]
    dots = [token.text for token in found[1::2]]
    if len(names) not in (1, 2) or len(names) + len(dots) != len(found) or dots != ["."] * (len(names) - 1):
        raise StatementError("42602", f"{text!r} is not a table's name", hint='Write schema.name, with "…" around names that need it.')
    return ("public", names[0]) if len(names) == 1 else (names[0], names[1])


def begin_request(body: Body) -> dict[str, Any]:
    """As the master takes it; 22023 names what is wrong."""
    unknown = sorted(set(body) - _BEGIN)
    if unknown:
        raise StatementError("22023", f"begin does not know {', '.join(unknown)}", hint=f"It knows {', '.join(sorted(_BEGIN))}.")
    mode = body.get("mode", "append")
    if mode not in MODES:
        raise StatementError("22023", f"mode {mode!r} does not exist", hint=f"Modes: {', '.join(MODES)}.")
    if body.get("join") is not None and (body["join"] is not True or not (body.get("load_id") and body.get("client"))):
        raise StatementError("22023", "join must be true, with a load_id and a client that tells its driver from all others")
    schema, name = table_name(body.get("table"))
    request = {key: body[key] for key in ("load_id", "client", "create", "if_exists", "join") if body.get(key) is not None}
    return request | {"schema": schema, "table": name, "mode": mode, "seconds": seconds(body)}


def seconds(body: Body) -> int:
    """How long the load is to stay open."""
    given = body.get("seconds", SECONDS)
    if isinstance(given, bool) or not isinstance(given, int | float) or not LEAST_SECONDS <= given <= MOST_SECONDS:
        raise StatementError("22023", f"seconds must be a number from {LEAST_SECONDS} to {MOST_SECONDS}")
    return int(given)


def read_winners(given: Any) -> list[Winner]:  # noqa: ANN401 (JSON)
    """``[[partition, attempt, {shard: rows}], …]``; 22023 for anything else."""
    try:
        winners: list[Winner] = [
            (int(partition), int(attempt), {int(shard): int(rows) for shard, rows in each.items()}) for partition, attempt, each in given
        ]
    except (TypeError, ValueError, AttributeError, OverflowError):  # JSON may say 1e999
        raise StatementError("22023", "winners must be a list of [partition, attempt, {shard: rows}]") from None
    if len({partition for partition, _, _ in winners}) != len(winners):
        raise StatementError("22023", "winners name a partition twice")
    return winners


Read = Callable[[Identity, Body], Awaitable[dict[str, Any]]]


class Actions:
    """Of one replica: ``await actions(who, name, body)``."""

    def __init__(self, coordinator: Coordinator, read: Read) -> None:
        self._coordinator = coordinator
        self._reader = read

    async def __call__(self, who: Identity, name: str, body: Body) -> dict[str, Any]:
        """Carry one action out."""
        action = _ACTIONS.get(name)
        if action is None:
            raise StatementError("0A000", f"action {name!r} does not exist", hint=f"Actions: {', '.join(sorted(_ACTIONS))}.")
        return await action(self, who, body)

    async def _begin(self, who: Identity, body: Body) -> dict[str, Any]:
        load = await self._coordinator.begin(who, begin_request(body))
        answer: dict[str, Any] = {"load": load.id, "state": load.state, "created": load.created}
        if load.state != "open":
            return answer | {"version": load.version}
        table = load.tables[0]
        return answer | {
            "expires_in": load.expires_in,
            "columns": [{name: column.get(name) for name in ("name", "type", "nullable")} for column in table["columns"]],
            "distribution": table["distribution"],
            "buckets": table.get("buckets") or [],
            "shards": self._shards(load),
            "relay": True,
        }

    def _shards(self, load: Load) -> list[dict[str, Any]]:
        location = self._coordinator.shards.location
        tickets = self._coordinator.put_tickets(load)
        return [{"number": number, "address": location(number), "ticket": ticket} for number, ticket in tickets.items()]

    async def _commit(self, who: Identity, body: Body) -> dict[str, Any]:
        done = await self._coordinator.commit(who, _load_of(body), read_winners(body.get("winners")))
        return {"version": done.version, "rows": done.rows}

    async def _abort(self, who: Identity, body: Body) -> dict[str, Any]:
        return {"state": await self._coordinator.abort(who, _load_of(body), str(body.get("reason") or "aborted by the client"))}

    async def _renew(self, who: Identity, body: Body) -> dict[str, Any]:
        load = await self._coordinator.renew(who, _load_of(body), seconds(body))
        return {"state": load.state, "expires_in": load.expires_in, "shards": self._shards(load)}

    async def _status(self, who: Identity, body: Body) -> dict[str, Any]:
        load = await self._coordinator.load(who, _load_of(body))
        return {"load": load.id, "state": load.state, "version": load.version, "reason": load.reason, "expires_in": load.expires_in}

    async def _read(self, who: Identity, body: Body) -> dict[str, Any]:
        return await self._reader(who, body)


def _load_of(body: Body) -> str:
    load = body.get("load")
    if not isinstance(load, str) or len(load) != 36 or load.count("-") != 4:
        raise StatementError("22023", "load must be the id that begin answered")
    return load


_ACTIONS: Mapping[str, Callable[[Actions, Identity, Body], Awaitable[dict[str, Any]]]] = {
    "begin": Actions._begin,
    "commit": Actions._commit,
    "abort": Actions._abort,
    "renew": Actions._renew,
    "status": Actions._status,
    "read": Actions._read,
}
NAMES = tuple(_ACTIONS)
"""All that there are; the matrix of who gets in where (tests/matrix) is made from them."""
