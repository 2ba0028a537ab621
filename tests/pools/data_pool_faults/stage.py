"""Where the storm blows: the tables, the rows' form, and the ways to ask that go on when a participant has just been killed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
from pyarrow import flight

from tests.services.data_pool import Client, DataPool, refusal
from virtualization.buckets import bucket_numbers

T = TypeVar("T")

SHARED = {"by_key": "HASH(id)", "by_turn": "ROUND_ROBIN", "everywhere": "REPLICATED"}
"""Tables in which every lane has rows, and how they are spread."""

KEYED = frozenset({"by_key", "everywhere"})
NAMES = ("lane", "id", "value")
COLUMNS = [{"name": name, "type": "bigint", "nullable": False} for name in NAMES]
SCHEMA = pa.schema([(name, pa.int64()) for name in NAMES])
USERS = ("alice", "bob")
"""The writers of lanes 0 and 1."""

BROKEN = (psycopg.Error, flight.FlightError, pa.ArrowException, OSError)
"""What a client gets when something is killed, and what it gets when it is refused."""

SECONDS = 60.0
"""After so long all that was killed is back."""


def own(lane: int) -> str:
    """The table that only this lane has: it is overwritten and truncated."""
    return f"own_{lane}"


def tables_of(lane: int) -> tuple[str, ...]:
    """All in which the lane has rows."""
    return (*SHARED, own(lane))


def make_tables(pool: DataPool) -> None:
    """Once per pool. ``notes`` is one of the master's own: it must agree with the data pool about each transaction."""
    with pool.admin() as admin:
        owned = {own(lane): "HASH(id)" for lane in range(len(USERS))}
        for name, distribution in (SHARED | owned).items():
            key = None if name == "by_turn" else ["id"]
            admin.execute("CALL bdc.create_data_table(%s, %s::jsonb, %s, %s)", [f"public.{name}", json.dumps(COLUMNS), distribution, key])
            admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON public.{name} TO {', '.join(USERS)}")
        admin.execute("CREATE TABLE public.notes (name text)")
        admin.execute(f"GRANT SELECT, INSERT ON public.notes TO {', '.join(USERS)}")


def spread(load: Mapping[str, Any], lane: int, rows: Mapping[int, int], random: Random) -> dict[int, pa.Table]:
    """Shard number → its rows, as the load's distribution has it."""
    ids = list(rows)
    every = pa.table([[lane] * len(ids), ids, [rows[one] for one in ids]], schema=SCHEMA)
    numbers = [shard["number"] for shard in load["shards"]]
    kind = load["distribution"]["kind"]
    if kind == "replicated":
        return dict.fromkeys(numbers, every)
    if kind == "hash":
        buckets = bucket_numbers([every.column("id").combine_chunks()], ["bigint"], load["distribution"]["hash_version"])
        places = [load["buckets"][bucket] for bucket in buckets]
    else:
        places = [random.choice(numbers) for _ in ids]
    parts = {number: every.filter(pa.array([place == number for place in places], pa.bool_())) for number in numbers}
    return {number: part for number, part in parts.items() if part.num_rows}


def client(pool: DataPool, user: str, random: Random) -> Client:
    """Of any replica that is there."""
    first = random.randrange(len(pool.replicas))
    try:
        return pool.client(user, replica=first)
    except BROKEN:
        return pool.client(user, replica=(first + 1) % len(pool.replicas))


def sqlstate(error: BaseException) -> str:
    """Of PostgreSQL's error or of the JSON in Flight's; ``broken`` where nobody said anything."""
    if isinstance(error, psycopg.Error):
        return error.sqlstate or "broken"
    try:
        return str(refusal(error)["sqlstate"])
    except (ValueError, KeyError):
        return "broken"


def outcome_unknown(error: BaseException) -> bool:
    """May what was asked for have happened?"""
    state = sqlstate(error)
    return state in ("broken", "40003") or state.startswith(("08", "57P"))


def patiently(ask: Callable[[], T]) -> T:
    """Again until it is answered."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return ask()
        except BROKEN:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
