"""UPDATE and DELETE as what shards carry out: DuckDB's SQL for the new values and for the condition.

The expressions are bound and rendered as those of a query over the one table. What can't be rendered exactly is refused: the rows would
have to come here, and go back.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from sqlglot import exp

from pools.compute.errors import StatementError
from pools.compute.lexer import Token, tokens
from pools.compute.writes.parsing import HINT
from virtualization.bind import bind
from virtualization.catalog import Catalog, VirtualTable
from virtualization.duckdb_sql.expressions import Scope, Source
from virtualization.duckdb_sql.functions import Functions
from virtualization.duckdb_sql.kinds import RefusedError, kind_of_text
from virtualization.duckdb_sql.quotients import KEY_FUNCTION
from virtualization.parse import parse
from virtualization.plan import Kept
from virtualization.rules import rewrite

WRITE_ANEW = "DELETE the rows and INSERT them with the new values, in one transaction."
HINTS = {
    "from": "Write the keys and new values into a table of the data pool and CALL bdc.merge(…), or name the keys in an IN list.",
    "using": "Name the keys in an IN list.",
    "returning": "Leave RETURNING away, and SELECT the rows before it, or after COMMIT.",
}
"""By the clause that is refused."""


@dataclass(frozen=True)
class Change:
    """``set``: column → DuckDB's SQL, None: DELETE; ``where``: DuckDB's SQL. Both over the table's column names."""

    table: VirtualTable
    set: Mapping[str, str] | None
    where: str


def change(sql: str, catalog: Catalog) -> Change:
    """Of an UPDATE's or DELETE's text; StatementError 0A000 says what is not supported. Blocks for some milliseconds."""
    every = list(tokens(sql))
    if any(token.folded == "ctid" for token in every):
        _refuse("a change row by row (the master could not ship the condition or the new values)")
    parts = _Parts.of(sql, every)
    table = _target(parts.target, catalog)
    types = {column.name: column.type for column in table.columns}
    if len({name.lower() for name in types}) < len(types):
        _refuse("a change of a table with columns that differ in case only")
    for name, _ in parts.assignments:
        if name not in types:
            raise StatementError("42703", f'column "{name}" of relation "{table.name}" does not exist')
        if table.data is not None and name in table.data.distribution_columns:
            _refuse(f'a new value of the distribution column "{name}" (the row would move to another shard)', WRITE_ANEW)
    items = [f"CAST(({value}) AS {types[name]}) AS s{place}" for place, (name, value) in enumerate(parts.assignments)]
    query = f"SELECT {', '.join([*items, f'({parts.where}) AS w'])} FROM {parts.target}"
    *values, where = _rendered(query, catalog)
    named = {name: value for (name, _), value in zip(parts.assignments, values, strict=True)}
    return Change(table, named if parts.updates else None, where)


@dataclass(frozen=True)
class _Parts:
    """Cut out of the text. ``target``: with its alias."""

    updates: bool
    target: str
    assignments: tuple[tuple[str, str], ...]
    where: str

    @classmethod
    def of(cls, sql: str, every: Sequence[Token]) -> _Parts:
        clauses = _clauses(every)
        for word, hint in HINTS.items():
            if word in clauses:
                _refuse(f"{every[0].folded.upper()} … {word.upper()}", hint)
        updates = every[0].folded == "update"
        end = len(every)
        where_at = clauses.get("where", end)
        set_at = clauses.get("set", where_at)
        first = 1 if updates else 2
        target = _slice(sql, every, first, set_at if updates else where_at)
        assignments = _assignments(sql, every[set_at + 1 : where_at]) if updates else ()
        where = _slice(sql, every, where_at + 1, end) if where_at < end else "true"
        return cls(updates, target, assignments, where)


def _clauses(every: Sequence[Token]) -> dict[str, int]:
    """Where each clause begins, outside of parentheses."""
    found: dict[str, int] = {}
    depth = 0
    for place, token in enumerate(every):
        depth += (token.text == "(") - (token.text == ")")
        is_clause = token.kind == "word" and token.folded in ("set", "where", "from", "using", "returning")
        if not depth and is_clause and not (place == 1 and token.folded == "from"):
            found.setdefault(token.folded, place)
    return found


def _assignments(sql: str, every: Sequence[Token]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    start = depth = 0
    for place in range(len(every) + 1):
        text = every[place].text if place < len(every) else ","
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if text != "," or depth:
            continue
        one = every[start:place]
        if len(one) < 3 or one[1].text != "=" or one[0].kind not in ("word", "name"):
            _refuse("this form of SET")
        if [token.folded for token in one[2:]] == ["default"]:
            _refuse("SET … = DEFAULT")
        found.append((one[0].folded, sql[one[2].start : one[-1].end]))
        start = place + 1
    return tuple(found)


def _slice(sql: str, every: Sequence[Token], first: int, end: int) -> str:
    if first >= end:
        raise StatementError(
            "42601", "syntax error at end of input" if end == len(every) else f'syntax error at or near "{every[end].text}"'
        )
    return sql[every[first].start : every[end - 1].end]


def _target(text: str, catalog: Catalog) -> VirtualTable:
    bound = bind(parse(f"SELECT 1 AS one FROM {text}"), catalog)
    found = list(bound.tables.values())
    if len(found) != 1 or found[0].data is None:
        raise StatementError("42809", f"{text} is no table of the data pool")
    return found[0]


def _rendered(query: str, catalog: Catalog) -> list[str]:
    """Each item of the select list as DuckDB's SQL, columns without a table before them."""
    bound = bind(parse(query), catalog)
    tree = rewrite(bound.query)
    if len(bound.tables) != 1 or not isinstance(tree, exp.Select) or tree.find(exp.Subquery, exp.Exists) is not None:
        _refuse("a sub-query in a change")
    ((alias, table),) = bound.tables.items()
    mark = f"t{uuid.uuid4().hex}"  # in no constant of the text
    columns = {column.name: (_quoted(column.name), kind_of_text(column.type)) for column in table.columns}
    scope = Scope({alias: Source(mark, columns)})
    expressions = Functions(_no_query)
    try:
        made = [expressions.typed(item.unalias(), scope).sql.replace(f"{mark}.", "") for item in tree.selects]
    except RefusedError as refused:
        if "infinity" in refused.kept.what.lower():
            _refuse("an infinite date or time in a change (rows may have it, and INSERT takes it)", WRITE_ANEW)
        _refuse(f"{refused.kept.what}: {refused.kept.why}")
    if any(KEY_FUNCTION in sql for sql in made):
        _refuse("a comparison of quotients")
    return made


def _no_query(node: exp.Expr, scope: Scope) -> NoReturn:
    raise RefusedError(Kept(node.sql("postgres")[:200], "sub_query", "a sub-query in a change"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refuse(what: str, hint: str = HINT) -> NoReturn:
    raise StatementError("0A000", f"not supported on tables of the data pool: {what}", hint=hint)
