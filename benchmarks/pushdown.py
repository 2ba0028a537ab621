"""``pushdown``: what reaches the source, by the very text that it received. The eighteen probes of ``PROBES``, for each kind of source of
ours (``COLUMNS``), beside DuckDB's PostgreSQL scanner, chDB, Spark with JDBC (join pushdown on) and postgres_fdw over the same server.
``BDC_BENCH_PEERS``: names of peers (default: all). No timing: a probe counts when its mark is in a statement that the source logged, and
the answer is the one that the source itself gives.

A further kind of source joins with one line in ``COLUMNS``: a context manager that yields a ``Column``.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from benchmarks.report import Figure, Report

COLUMNS: dict[str, tuple[str, int]] = {
    "postgresql": ("benchmarks.pushdown_postgresql:column", 18),
    "mongodb": ("benchmarks.pushdown_mongodb:column", 15),
    "oracle": ("benchmarks.pushdown_oracle:column", 17),
}
"""Kind of source → (module:function, how many probes should reach it)."""
Rows = list[list[str]]


@dataclass(frozen=True)
class Probe:
    """``marks``: regular expressions that must all be found in one statement at the source (small letters, no quotes or brackets);
    ``sessions``: so many of the source's processes must have received such statements; ``loose``: any rows are right."""

    name: str
    sql: str
    marks: tuple[str, ...]
    sessions: int = 1
    loose: bool = False


PROBES = (
    Probe("=, range of dates, IN",
          "select o_orderkey from {orders} o where o_custkey = 42 and o_orderdate >= date '1995-01-01'"
          " and o_orderpriority in ('1-URGENT', '2-HIGH')",
          (r"o_custkey\S* (=|in) 42|42 = o_custkey", r"o_orderdate\S* (>=|>) .{0,20}(1995-01-01|1994-12-31)", r"1-urgent")),
    Probe("LIKE 'x%'", "select o_orderkey from {orders} o where o_comment like 'note 77%'",
          (r"(like|~~) 'note 77%'|>= 'note 77'|starts_with",)),
    Probe("LIKE '%x%'", "select o_orderkey from {orders} o where o_comment like '%777%'", (r"(like|~~) '%777%'",)),
    Probe("OR over columns", "select o_orderkey from {orders} o where o_custkey = 7 or o_orderkey = 8",
          (r"o_custkey\S* = 7 or .*o_orderkey\S* = 8",)),
    Probe("arithmetic", "select o_orderkey from {orders} o where o_custkey * 2 > 2990", (r"o_custkey\S* \* 2\S* > 2990",)),
    Probe("upper(column) = …", "select o_orderkey from {orders} o where upper(o_orderpriority) = '1-URGENT' and o_custkey < 9",
          (r"upper ?\S*o_orderpriority",)),
    Probe("LIMIT", "select o_orderkey from {orders} o limit 10", (r"limit 10|fetch first 10",), loose=True),
    Probe("ORDER BY + LIMIT", "select o_orderkey from {orders} o order by o_totalprice desc, o_orderkey limit 10",
          (r"order by .*o_totalprice.*(limit|fetch first) 10",)),
    Probe("count(*)", "select count(*) from {orders} o", (r"count ?\*|count 1",)),
    Probe("GROUP BY", "select o_orderpriority, sum(o_totalprice) from {orders} o group by o_orderpriority",
          (r"sum ?\S*o_totalprice", r"group by")),
    Probe("DISTINCT", "select distinct o_orderpriority from {orders} o", (r"distinct|group by",)),
    Probe("GROUP BY extract(year)",
          "select extract(year from o_orderdate), count(*) from {orders} o group by extract(year from o_orderdate)",
          (r"extract ?year from|date_part", r"group by")),
    Probe("join of two tables",
          "select o_orderkey, c_name from {orders} o join {customer} c on o_custkey = c_custkey"
          " where c_acctbal > 900 and o_orderkey < 2000",
          (r"orders.*customer|customer.*orders",)),
    Probe("join of three, grouped",
          "select n_name, sum(o_totalprice) from {orders} o join {customer} c on o_custkey = c_custkey"
          " join {nation} n on c_nationkey = n_nationkey group by n_name",
          (r"group by", r"orders", r"customer", r"nation\b")),
    Probe("semi-join (EXISTS)",
          "select c_custkey from {customer} c where exists (select 1 from {orders} o where o_custkey = c_custkey and o_totalprice > 990)",
          (r"exists|in select|semi|any select", r"orders", r"customer")),
    Probe("keys of another source", "select o_orderkey, o_totalprice from {orders} o join {keys} k on o_orderkey = k.key",
          (r"o_orderkey.*(in 17|any '\{17|values)|k\d* = any|o_orderkey\S* = \$1",)),
    Probe("window function",
          "select o_orderkey, rank() over (partition by o_orderpriority order by o_totalprice desc) from {orders} o where o_custkey < 5",
          (r"over partition",)),
    Probe("parallel scan", "select o_orderkey, o_custkey, o_comment from {orders} o", (r"ctid",), sessions=2),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What came back, and what the source received meanwhile: (its process, statement)."""

    rows: Rows
    received: Sequence[tuple[str, str]]


Ask = Callable[[str], Asked]


@dataclass(frozen=True)
class Column:
    """One kind of source. ``sides``: ours first, then its peers; ``truth``: the source's own answer; ``exceptions``: probe → why our side
    can't."""

    sides: Mapping[str, Ask]
    truth: Callable[[str], Rows]
    exceptions: Mapping[str, str] = field(default_factory=dict)
    probes: tuple[Probe, ...] = PROBES


def run(rounds: int | None) -> Report:
    """All columns, with all peers that are asked for."""
    wanted = [name for name in os.environ.get("BDC_BENCH_PEERS", "duckdb,chdb,spark,postgres_fdw").split(",") if name]
    figures: list[Figure] = []
    lines: list[str] = []
    scores: dict[str, object] = {}
    for kind, (place, reach) in COLUMNS.items():
        with ExitStack() as stack:
            column = stack.enter_context(opened(place, wanted))
            found = {side: [outcome(probe, ask, column.truth) for probe in column.probes] for side, ask in column.sides.items()}
        ours = next(iter(found.values()))
        figures.append(Figure(kind, sum(one == "Y" for one in ours), "probes", f">= {reach}", f"of {len(ours)}"))
        lines += table(column, found)
        scores |= {f"{kind}_{side}": sum(one == "Y" for one in outcomes) for side, outcomes in list(found.items())[1:]}
        reasons = {probe.name: column.exceptions.get(probe.name, one) for probe, one in zip(column.probes, ours, strict=True) if one != "Y"}
        scores[f"{kind}_exceptions"] = reasons
    return Report("pushdown", tuple(figures), tuple(lines), scores)


def opened(place: str, peers: Sequence[str]) -> AbstractContextManager[Column]:
    """The column that a line of ``COLUMNS`` names."""
    module, _, function = place.partition(":")
    make: Callable[[Sequence[str]], AbstractContextManager[Column]] = getattr(importlib.import_module(module), function)
    return make(peers)


def outcome(probe: Probe, ask: Ask, truth: Callable[[str], Rows]) -> str:
    """Y: it reached the source and the answer is right; N: it did not; else what went wrong."""
    try:
        asked = ask(probe.sql)
    except RuntimeError as error:
        return f"error: {str(error)[:80]}"
    expected = truth(probe.sql)
    if (len(asked.rows) != len(expected)) if probe.loose else (asked.rows != expected):
        return "wrong answer"
    texts = [(process, plain(text)) for process, text in asked.received]
    processes = {process for process, text in texts if all(re.search(mark, text) for mark in probe.marks)}
    return "Y" if len(processes) >= probe.sessions else "N"


_TYPE = "character varying|double precision|timestamp with(?:out)? time zone|[a-z0-9]+"


def plain(text: str) -> str:
    """A statement in small letters, without quotes of names and numbers, brackets and casts, blanks once."""
    text = re.sub(rf"::({_TYPE})(\(\d+(,\d+)?\))?", "", text.lower().replace('"', "").replace("`", ""))
    text = re.sub(r"'(-?\d+(\.\d+)?)'", r"\1", text)
    return " ".join(re.sub(r"[()]", " ", text).split())


def table(column: Column, found: Mapping[str, Sequence[str]]) -> list[str]:
    """One line a probe."""
    lines = [f"{'':<26}" + "".join(f"{side:>14}" for side in found)]
    for number, probe in enumerate(column.probes):
        lines.append(f"{probe.name:<26}" + "".join(f"{outcomes[number][:12]:>14}" for outcomes in found.values()))
    return lines
