"""Short answers that need no planner: what the session knows of itself, and what postgres_fdw asks of system catalogs. Pure.

The texts are those of contrib/postgres_fdw (deparse.c, postgres_fdw.c: IMPORT FOREIGN SCHEMA, ANALYZE) of PostgreSQL 15 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pools.compute.lexer import Token, tokens
from pools.compute.snapshot import Snapshot
from virtualization.catalog import VirtualTable
from virtualization.plan import OutputColumn
from virtualization.types import pg_type

VERSION = "PostgreSQL 18.0 (OpenBDC compute pool)"
BLOCK_BYTES = 8192
DEFAULT_ROWS = 1000.0
DEFAULT_WIDTH = 32


@dataclass(frozen=True)
class Answer:
    """A small result."""

    columns: tuple[OutputColumn, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Facts:
    """What a session can say of itself."""

    user: str
    database: str
    process: int
    schema: str | None
    setting: Callable[[str], str]


def width(table: VirtualTable) -> int:
    """Estimated bytes of a row."""
    lengths = (pg_type(column.type).length for column in table.columns)
    return sum(length if length > 0 else DEFAULT_WIDTH for length in lengths) or 1


def answer(sql: str, facts: Facts, catalog: Snapshot) -> Answer | None:
    """None: the planner's business."""
    lower = sql.lower()
    if " from " not in lower and "\nfrom" not in lower:
        return _sizes(sql, catalog) if "pg_relation_size" in lower else _about_session(sql, facts)
    if "pg_namespace" in lower or "pg_class" in lower:
        return _import_schema(sql, catalog) or _schema_exists(sql, catalog) or _relation_statistics(sql, catalog)
    return None


# What the session knows


def _about_session(sql: str, facts: Facts) -> Answer | None:
    """A select list of constants and session functions, each with an alias at most."""
    items = _items(list(tokens(sql))[1:])
    found = [_item(item, facts) for item in items]
    if not found or any(entry is None for entry in found):
        return None
    entries = [entry for entry in found if entry is not None]
    return Answer(tuple(OutputColumn(name, type_name) for name, type_name, _ in entries), (tuple(value for _, _, value in entries),))


def _items(rest: Sequence[Token]) -> list[list[Token]]:
    items: list[list[Token]] = [[]]
    depth = 0
    for token in rest:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items


def _item(item: list[Token], facts: Facts) -> tuple[str, str, object] | None:
    name = None
    if len(item) >= 3 and item[-2].folded == "as" and item[-1].kind in ("word", "name"):
        name, item = item[-1].folded, item[:-2]
    if len(item) >= 2 and item[0].folded == "pg_catalog" and item[1].text == ".":
        item = item[2:]
    shape = "".join(token.folded if token.kind == "word" else "'" if token.kind == "string" else token.text for token in item)
    if len(item) == 1 and item[0].kind == "number" and item[0].text.isdecimal() and int(item[0].text) < 2**31:
        return name or "?column?", "integer", int(item[0].text)
    if len(item) == 1 and item[0].kind == "string" and item[0].text[0] == "'":  # the planner reads E'', B'' and $$
        return name or "?column?", "text", item[0].folded
    if shape == "'::name":
        return name or "name", "name", item[0].folded
    if shape == "current_setting(')":
        return name or "current_setting", "text", facts.setting(item[2].folded.lower())
    known = _SESSION_FUNCTIONS.get(shape)
    if known is None:
        return None
    type_name, value = known
    return name or shape.removesuffix("()"), type_name, value(facts)


_SESSION_FUNCTIONS: Mapping[str, tuple[str, Callable[[Facts], object]]] = {
    "version()": ("text", lambda facts: VERSION),
    "current_database()": ("name", lambda facts: facts.database),
    "current_catalog": ("name", lambda facts: facts.database),
    "current_user": ("name", lambda facts: facts.user),
    "session_user": ("name", lambda facts: facts.user),
    "user": ("name", lambda facts: facts.user),
    "current_schema()": ("name", lambda facts: facts.schema),
    "current_schema": ("name", lambda facts: facts.schema),
    "pg_backend_pid()": ("integer", lambda facts: facts.process),
    "pg_is_in_recovery()": ("boolean", lambda facts: False),
    "true": ("boolean", lambda facts: True),
    "false": ("boolean", lambda facts: False),
    "null": ("text", lambda facts: None),
}

# ANALYZE

_REGCLASS = re.compile(r"^(E?'(?:[^']|'')*')::pg_catalog\.regclass", re.I)
_SAMPLE = re.compile(
    r"""^(?:(?P<rest>.*)\sWHERE\ pg_catalog\.random\(\)\ <\ (?P<share>\d+(?:\.\d+)?)
        |(?P<before>.*)\ TABLESAMPLE\ (?:SYSTEM|BERNOULLI)\((?P<percent>\d+(?:\.\d+)?)\))$""",
    re.DOTALL | re.VERBOSE,
)


def sampled(sql: str) -> tuple[str, float | None]:
    """ANALYZE's own scan without its sampling clause, and the share of rows to keep: the shards or the pool draw the sample."""
    match = _SAMPLE.match(sql)
    if match is None:
        return sql, None
    if match["share"]:
        return match["rest"], float(match["share"])
    return match["before"], float(match["percent"]) / 100


def _named_table(sql: str, before: str, catalog: Snapshot) -> VirtualTable | None:
    """The table of ``'schema.name'::regclass`` right behind ``before``."""
    place = sql.find(before)
    match = _REGCLASS.match(sql[place + len(before) :]) if place >= 0 else None
    if match is None:
        return None
    quoted = next(tokens(match[1])).folded
    parts = [token.folded for token in tokens(quoted) if token.kind in ("word", "name")]
    return catalog.table(*parts) if len(parts) == 2 else catalog.table(None, parts[0])


def _sizes(sql: str, catalog: Snapshot) -> Answer | None:
    table = _named_table(sql, "SELECT pg_catalog.pg_relation_size(", catalog)
    if table is None:
        return None
    blocks = int((DEFAULT_ROWS if table.rows is None else table.rows) * width(table) / BLOCK_BYTES) + 1
    return Answer((OutputColumn("?column?", "bigint"),), ((blocks,),))


_ROWS_OF = "SELECT reltuples, relkind FROM pg_catalog.pg_class WHERE oid = "


def counting(sql: str, catalog: Snapshot) -> str | None:
    """ANALYZE's question for a table's number of rows, as the query that counts those of a table of the data pool: shards count in no
    time, nobody keeps the number, and without it ANALYZE would have no share to ask for and fetch every row."""
    table = _named_table(sql, _ROWS_OF, catalog) if "pg_class" in sql else None
    if table is None or table.data is None:
        return None
    schema, name = (part.replace('"', '""') for part in (table.schema, table.name))
    return f"""SELECT count(*) AS reltuples, 'f' AS relkind FROM "{schema}"."{name}\""""


def _relation_statistics(sql: str, catalog: Snapshot) -> Answer | None:
    table = _named_table(sql, _ROWS_OF, catalog)
    if table is None:
        return None
    columns = (OutputColumn("reltuples", "real"), OutputColumn("relkind", "text"))
    return Answer(columns, ((-1.0 if table.rows is None else table.rows, "f"),))


# IMPORT FOREIGN SCHEMA


def _schema_exists(sql: str, catalog: Snapshot) -> Answer | None:
    prefix = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = "
    if not sql.startswith(prefix):
        return None
    name = next(tokens(sql[len(prefix) :])).folded
    exists = any(table.schema == name for table in catalog.tables())
    return Answer((OutputColumn("?column?", "integer"),), ((1,),) if exists else ())


def _import_schema(sql: str, catalog: Snapshot) -> Answer | None:
    all_tokens = [token for token in tokens(sql) if token.text not in ("(", ")")]
    words = [token.folded for token in all_tokens]
    if words[:4] != ["select", "relname", ",", "attname"] or "nspname" not in words:
        return None
    schema = words[words.index("nspname", words.index("where")) + 2]
    wanted = _limit_to(all_tokens, words)
    rows: list[tuple[object, ...]] = []
    for table in sorted(catalog.tables(), key=lambda table: table.name):
        if table.schema == schema and wanted(table.name):
            rows += [(table.name, c.name, pg_type(c.type).text, "f" if c.nullable else "t", None, "", None, None) for c in table.columns]
    names = ("relname", "attname", "format_type", "attnotnull", "pg_get_expr", "attgenerated", "collname", "nspname")
    return Answer(tuple(OutputColumn(name, "text") for name in names), tuple(rows))


def _limit_to(all_tokens: Sequence[Token], words: Sequence[str]) -> Callable[[str], bool]:
    """LIMIT TO and EXCEPT arrive as ``c.relname [NOT] IN ('a', …)``."""
    places = [place for place in range(1, len(words)) if words[place] == "relname" and words[place - 1] == "."]
    for place in places:
        negated = words[place + 1] == "not"
        if words[place + 1 + negated] == "in":
            names = set()
            for token in all_tokens[place + 2 + negated :]:
                if token.kind == "string":
                    names.add(token.folded)
                elif token.text != ",":
                    break
            return lambda name: (name in names) != negated
    return lambda name: True
