"""Expressions of the residual, typed by PostgreSQL's rules and written for DuckDB, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlglot import exp

from virtualization.duckdb_sql import allowed
from virtualization.duckdb_sql.kinds import (
    BOOL,
    EXACT_DOUBLE_PRECISION,
    FLOAT8,
    INT4,
    INT8,
    INTEGERS,
    SIMPLE,
    TEXT,
    UNKNOWN,
    Kind,
    RefusedError,
    as_decimal,
    common_decimal,
)
from virtualization.duckdb_sql.literals import Value, number, quoted, take_kind
from virtualization.duckdb_sql.quotients import KEY_FUNCTION, NO_PLACES
from virtualization.plan import Kept

MAX_SQL = 200_000
"""Checks repeat their operands: deeper nesting than this many characters is refused."""
_HINTS = frozenset({"big_int", "safe", "typed", "requires_string", "is_left", "kind"})
"""Arguments of nodes that the parser leaves as notes to itself."""


def refuse(node: exp.Expr, code: str, why: str) -> NoReturn:
    """Not on the list."""
    raise RefusedError(Kept(node.sql("postgres")[:200], code, why))


def only(node: exp.Expr, *known: str) -> None:
    """Refuse arguments that the caller does not look at."""
    for name, value in node.args.items():
        if value and name not in known and name not in _HINTS:
            refuse(node, "syntax", f"its part {name} is not on DuckDB's allow list")


@dataclass(frozen=True)
class Source:
    """A table in scope: its name in the rendered text, and its columns by PostgreSQL name: (rendered name, kind)."""

    name: str
    columns: dict[str, tuple[str, Kind]]


@dataclass
class Scope:
    """What names mean inside one SELECT; ``outer`` for correlated sub-queries."""

    sources: dict[str, Source] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, table: str, column: str) -> tuple[str, Kind] | None:
        """The rendered reference and kind."""
        source = self.sources.get(table)
        if source is not None:
            found = source.columns.get(column)
            return None if found is None else (f"{source.name}.{found[0]}", found[1])
        return self.outer.find(table, column) if self.outer else None


SubQuery = Callable[[exp.Expr, Scope], tuple[str, Sequence[tuple[str, Kind]]]]


_LOWEST = {str(2**31): INT4, str(2**63): INT8}
"""Constants that fit a type with their sign only, as PostgreSQL reads them."""


class Expressions:
    """``sub_query`` renders a nested query. ``used`` collects the lines of the allow list that were needed."""

    def __init__(self, sub_query: SubQuery) -> None:
        self._sub_query = sub_query
        self.used: set[object] = set()

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Any expression."""
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        made: Value = handler(node, scope) if handler is not None else self._by_line(node, scope)
        if len(made.sql) > MAX_SQL:
            refuse(node, "too_deep", "it is nested too deeply for DuckDB's checks")
        return made

    def typed(self, node: exp.Expr, scope: Scope) -> Value:
        """An expression of known kind: an untyped constant is text."""
        return self.coerce(node, self.value(node, scope), None)

    def condition(self, node: exp.Expr, scope: Scope) -> str:
        """A boolean expression."""
        made = self.coerce(node, self.value(node, scope), BOOL)
        if made.kind.name != "bool":
            refuse(node, "type", "it is not boolean")
        return made.sql

    def coerce(self, node: exp.Expr, value: Value, to: Kind | None) -> Value:
        """An untyped constant as ``to`` (None: text), a number where PostgreSQL converts it by itself; others as they are."""
        if value.kind.name == "unknown":
            to = TEXT if to is None or to.name == "unknown" else to
            if value.literal is None:
                return Value(f"CAST(NULL AS {to.duckdb})", to)
            sql = take_kind(value.literal, to)
            if sql is None:
                refuse(node, "literal", f"this constant as {to.pg} is not on DuckDB's allow list")
            return Value(sql, to.plain)
        return value if to is None or to.name == value.kind.name else self._widened(node, value, to)

    def _widened(self, node: exp.Expr, value: Value, to: Kind) -> Value:
        source = value.kind
        if source.name in INTEGERS and to.name in (*INTEGERS, "decimal", "float8"):
            if to.name in INTEGERS and INTEGERS.index(source.name) > INTEGERS.index(to.name):
                return value
            constant = value.literal is not None and value.literal.isdigit() and to.name in INTEGERS  # one cast less in each point query
            return Value(f"CAST({value.literal if constant else value.sql} AS {to.duckdb})", to)
        if to.name == "float8" and source.name == "float4":
            return Value(f"CAST({value.sql} AS DOUBLE)", FLOAT8)
        if to.name == "float8" and source.name == "decimal":
            if value.literal is not None:
                return Value(f"CAST({quoted(value.literal)} AS DOUBLE)", FLOAT8)
            if source.precision > EXACT_DOUBLE_PRECISION:
                refuse(node, "numeric_to_double", f"numeric of more than {EXACT_DOUBLE_PRECISION} digits may become another double")
            return Value(f"CAST({value.sql} AS DOUBLE)", FLOAT8)
        return value

    def same_kind(self, node: exp.Expr, values: Sequence[Value], *, keep_scale: bool) -> tuple[list[Value], Kind]:
        """All values in their common kind. ``keep_scale``: numerics of different scales would print differently, so they are refused."""
        known = [value.kind for value in values if value.kind.name != "unknown"]
        kind = known[0] if known else TEXT
        for other in known[1:]:
            kind = self.common(node, kind, other, keep_scale=keep_scale)
        made = [self.coerce(node, value, kind) for value in values]
        if any(value.kind.name != kind.name for value in made):
            refuse(node, "type", "its operands have types that are not brought together on DuckDB's allow list")
        if len({of.pg for of in known}) > 1 or len(known) < len(values):
            kind = kind.unmodified
        return made, kind

    def common(self, node: exp.Expr, left: Kind, right: Kind, *, keep_scale: bool) -> Kind:
        """The kind that PostgreSQL brings both to; see ``same_kind``."""
        names = {left.name, right.name}
        if "quotient" in names:
            return left if left == right else refuse(node, "type", "nothing is calculated with a quotient or an average in DuckDB")
        if len(names) == 1 and left.name != "decimal":
            return left if left.pg == right.pg else left.unmodified  # text and character varying: the first one wins
        if names <= set(INTEGERS):
            return max(left, right, key=lambda kind: INTEGERS.index(kind.name))
        if names <= {*INTEGERS, "decimal"}:
            if keep_scale and as_decimal(left).scale != as_decimal(right).scale:
                refuse(node, "scale", "numerics of different scales would all be printed with the same one")
            both = left if left == right else common_decimal(left, right)
            if both is not None:
                return both
        if keep_scale and "float4" in names:
            refuse(node, "type", "PostgreSQL brings real and another number to real here, but to double precision in comparisons")
        if names <= {*INTEGERS, "decimal", "float4", "float8"}:
            return FLOAT8
        return refuse(node, "type", f"{left.pg} beside {right.pg} is not on DuckDB's allow list")

    # names and constants

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        found = scope.find(node.table, node.name)
        if found is None or node.args.get("db"):
            refuse(node, "name", "this column is not known here")
        return Value(*found)

    def _literal(self, node: exp.Literal, scope: Scope) -> Value:
        if node.is_string:
            return Value(quoted(node.name), UNKNOWN, node.name)
        return number(node.name) or refuse(node, "literal", "this form of a number is not on DuckDB's allow list")

    def _null(self, node: exp.Null, scope: Scope) -> Value:
        return Value("NULL", UNKNOWN)

    def _boolean(self, node: exp.Boolean, scope: Scope) -> Value:
        return Value("TRUE" if node.this else "FALSE", BOOL)

    def _paren(self, node: exp.Paren, scope: Scope) -> Value:
        inner = self.value(node.this, scope)
        return Value(f"({inner.sql})", inner.kind, inner.literal, inner.bare)

    # logic

    def _and(self, node: exp.And, scope: Scope) -> Value:
        only(node, "this", "expression")
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = [self.condition(part, scope) for part in node.flatten()]
        return Value("(" + f" {word} ".join(parts) + ")", BOOL)

    _or = _and

    def _not(self, node: exp.Not, scope: Scope) -> Value:
        return Value(f"(NOT {self.condition(node.this, scope)})", BOOL)

    def _is(self, node: exp.Is, scope: Scope) -> Value:
        only(node, "this", "expression", "negate")
        negated = "NOT " if node.args.get("negate") else ""
        if isinstance(node.expression, exp.Null):
            return Value(f"({self.typed(node.this, scope).sql} IS {negated}NULL)", BOOL)
        if isinstance(node.expression, exp.Boolean):
            word = "TRUE" if node.expression.this else "FALSE"
            return Value(f"({self.condition(node.this, scope)} IS {negated}{word})", BOOL)
        return refuse(node, "syntax", "this IS is not on DuckDB's allow list")

    def _compare(self, node: Any, scope: Scope) -> Value:  # noqa: ANN401 any binary node
        only(node, "this", "expression")
        word = allowed.COMPARISONS[type(node).__name__.lower()]
        self.used.add(word)
        given = [self.value(side, scope) for side in (node.this, node.expression)]
        if any(value.kind.name == "quotient" for value in given):
            left_key, right_key = (self._as_key(node, side, value) for side, value in zip((node.this, node.expression), given, strict=True))
            return Value(f"({left_key} {word} {right_key})", BOOL)
        left, right = self._pair(node, node.this, node.expression, scope)
        return Value(f"({left.sql} {word} {right.sql})", BOOL)

    def _as_key(self, node: exp.Expr, side: exp.Expr, value: Value) -> str:
        """One side of a comparison with a quotient. A key costs a Python step, so it is made of groups and constants only."""
        if value.kind.name == "quotient":
            return quotient_key(value)
        if value.kind.name not in (*INTEGERS, "decimal") or (value.literal is None and side.find(exp.AggFunc) is None):
            refuse(node, "type", f"comparing a quotient with this {value.kind.pg} is not on DuckDB's allow list")
        return f"{KEY_FUNCTION}(CAST({value.sql} AS VARCHAR), '1', {NO_PLACES})"

    _eq = _neq = _lt = _lte = _gt = _gte = _nullsafeeq = _nullsafeneq = _compare

    def _pair(self, node: exp.Expr, left: exp.Expr, right: exp.Expr, scope: Scope) -> list[Value]:
        values, kind = self.same_kind(node, [self.value(left, scope), self.value(right, scope)], keep_scale=False)
        if kind.name not in allowed.COMPARABLE:
            refuse(node, "type", f"comparing {kind.pg} is not on DuckDB's allow list")
        return values

    def _between(self, node: exp.Between, scope: Scope) -> Value:
        only(node, "this", "low", "high", "negate")
        low = self._pair(node, node.this, node.args["low"], scope)
        high = self._pair(node, node.this, node.args["high"], scope)
        negated = "NOT " if node.args.get("negate") else ""
        return Value(f"({negated}({low[0].sql} >= {low[1].sql} AND {high[0].sql} <= {high[1].sql}))", BOOL)

    def _in(self, node: exp.In, scope: Scope) -> Value:
        only(node, "this", "expressions", "query", "negate")
        word = "NOT IN" if node.args.get("negate") else "IN"
        query = node.args.get("query")
        if query is not None:
            text, columns = self._sub_query(query, scope)
            return self._in_query(node, word, text, columns, self.typed(node.this, scope))
        items = [self.value(item, scope) for item in (node.this, *node.expressions)]
        if "float4" in {item.kind.name for item in items} and len({item.kind.name for item in items}) > 1:
            refuse(node, "type", "PostgreSQL compares real with a list of other numbers as real, with a single one as double precision")
        values, kind = self.same_kind(node, items, keep_scale=False)
        if kind.name not in allowed.COMPARABLE:
            refuse(node, "type", f"comparing {kind.pg} is not on DuckDB's allow list")
        return Value(f"({values[0].sql} {word} ({', '.join(value.sql for value in values[1:])}))", BOOL)

    def _in_query(self, node: exp.In, word: str, text: str, columns: Sequence[tuple[str, Kind]], left: Value) -> Value:
        numbers = (*INTEGERS, "decimal")
        if len(columns) != 1 or left.kind.name not in allowed.COMPARABLE:
            refuse(node, "type", "IN over this type is not on DuckDB's allow list")
        kind = columns[0][1]
        if left.kind.duckdb == kind.duckdb:
            return Value(f"({left.sql} {word} ({text}))", BOOL)
        if left.kind.name not in numbers or kind.name not in numbers:
            refuse(node, "type", "IN over a sub-query of another type is not on DuckDB's allow list")
        common = self.common(node, left.kind, kind, keep_scale=False)
        return Value(f"(CAST({left.sql} AS {common.duckdb}) {word} (SELECT CAST(x.c0 AS {common.duckdb}) FROM ({text}) AS x))", BOOL)

    def _like(self, node: exp.Like, scope: Scope) -> Value:
        only(node, "this", "expression", "negate")
        pattern = node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string or set("\\\0") & set(pattern.name):
            refuse(node, "like_pattern", "only constant patterns without backslash mean the same in DuckDB")
        text = self.typed(node.this, scope)
        if text.kind.name != "text":
            refuse(node, "type", "LIKE over this type is not on DuckDB's allow list")
        return Value(f"({text.sql} {'NOT ' if node.args.get('negate') else ''}LIKE {quoted(pattern.name)})", BOOL)

    def _exists(self, node: exp.Exists, scope: Scope) -> Value:
        only(node, "this")
        text, _ = self._sub_query(node.this, scope)
        return Value(f"EXISTS ({text})", BOOL)

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        only(node, "this")
        text, columns = self._sub_query(node.this, scope)
        if len(columns) != 1:
            refuse(node, "syntax", "a sub-query used as a value has one column")
        return Value(f"({text})", columns[0][1])

    # choices

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        only(node, "this", "ifs", "default")
        subject = node.this
        conditions = []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self.condition(branch.this, scope))
            else:
                left, right = self._pair(node, subject, branch.this, scope)
                conditions.append(f"({left.sql} = {right.sql})")
        default = node.args.get("default") or exp.Null()
        results = [default, *(branch.args["true"] for branch in node.args["ifs"])]  # PostgreSQL looks at ELSE first for the type
        values, kind = self.same_kind(node, [self.value(result, scope) for result in results], keep_scale=True)
        branches = " ".join(f"WHEN {when} THEN {then.sql}" for when, then in zip(conditions, values[1:], strict=True))
        return Value(f"(CASE {branches} ELSE {values[0].sql} END)", kind)

    def _coalesce(self, node: Any, scope: Scope) -> Value:  # noqa: ANN401 also Greatest and Least
        only(node, "this", "expressions")
        word = type(node).__name__
        values, kind = self.same_kind(node, [self.value(item, scope) for item in (node.this, *node.expressions)], keep_scale=True)
        if word != "Coalesce" and kind.name not in allowed.COMPARABLE:
            refuse(node, "type", "comparing this type is not on DuckDB's allow list")
        return Value(f"{word.lower()}({', '.join(value.sql for value in values)})", kind)

    def _greatest(self, node: exp.Greatest, scope: Scope) -> Value:
        only(node, "this", "expressions", "ignore_nulls")
        return self._coalesce(type(node)(this=node.this, expressions=node.expressions), scope)

    _least = _greatest

    def _neg(self, node: exp.Neg, scope: Scope) -> Value:
        constant = node.this.unnest()
        if isinstance(constant, exp.Literal) and constant.name in _LOWEST and not constant.is_string:
            kind = _LOWEST[constant.name]
            return Value(f"CAST('-{constant.name}' AS {kind.duckdb})", kind)
        return self._by_line(node, scope)

    def _nullif(self, node: exp.Nullif, scope: Scope) -> Value:
        left, right = self._pair(node, node.this, node.expression, scope)
        own = self.typed(node.this, scope)
        if left.kind.name != own.kind.name:
            refuse(node, "type", "NULLIF over two types is not on DuckDB's allow list")
        own = Value(own.sql, TEXT) if own.kind.name == "text" else own
        return Value(f"(CASE WHEN {left.sql} = {right.sql} THEN NULL ELSE {own.sql} END)", own.kind)

    # all the rest: lines of the list

    def _by_line(self, node: exp.Expr, scope: Scope) -> Value:
        name = node.name.lower() if isinstance(node, exp.Anonymous) else type(node).__name__.lower()
        if name not in allowed.BY_NODE or isinstance(node, exp.Anonymous):
            what = node.name if isinstance(node, exp.Anonymous) else name
            refuse(node, "not_allowed", f"{what} is not on DuckDB's allow list")
        return self._line(node, [self.value(item, scope) for item in _operands(node)])

    def _line(self, node: exp.Expr, values: Sequence[Value], name: str | None = None) -> Value:
        name = name or type(node).__name__.lower()
        for line in allowed.BY_NODE.get(name, ()):
            if len(line.operands) != len(values):
                continue
            made = [_fitting(value, of) for value, of in zip(values, line.operands, strict=True)]
            if all(made):
                self.used.add(line)
                kind = _result(line, [value.kind for value in values])
                sql = line.render.format(*[value.sql for value in made if value], type=kind.duckdb)
                return Value(f"CAST({sql} AS {kind.duckdb})" if line.result == "decimal0" else sql, kind)
        shown = ", ".join(value.kind.pg for value in values)
        return refuse(node, "not_allowed", f"{name}({shown}) is not on DuckDB's allow list")


def _operands(node: exp.Expr) -> list[exp.Expr]:
    operands = []
    for name, value in node.args.items():
        if name in _HINTS or not value:
            continue
        if not isinstance(value, exp.Expr):
            refuse(node, "syntax", f"its part {name} is not on DuckDB's allow list")
        operands.append(value)
    return operands


def quotient_key(value: Value) -> str:
    """A text in whose order, and only where it is equal, the quotients are."""
    places = NO_PLACES if value.kind.places is None else value.kind.places
    return f"{KEY_FUNCTION}(CAST(({value.sql}).s AS VARCHAR), CAST(({value.sql}).n AS VARCHAR), {places})"


def _fitting(value: Value, of: str) -> Value | None:
    """The value where it is of kind ``of``; an untyped constant may become it."""
    if value.kind.name == of:
        return value
    if value.kind.name == "unknown" and value.literal is not None and of == "text":
        sql = take_kind(value.literal, TEXT)
        return None if sql is None else Value(sql, TEXT)
    if value.kind.name == "int2" and of == "int4":
        return Value(f"CAST({value.sql} AS INTEGER)", INT4)
    return None


def _result(line: allowed.Line, kinds: Sequence[Kind]) -> Kind:
    if line.result == "decimal":
        return kinds[0].plain
    if line.result == "decimal0":
        return Kind("decimal", "numeric", min(kinds[0].precision + 1, 38), 0)
    return SIMPLE[line.result]
