"""When a piece of syntax means the same at the source: one function per kind of node, each refusal one condition with its reason.

Both sides are PostgreSQL; what may differ is the collation and the table of letters, the encoding, the version, and how old the rules of
time zones are. Settings that turn values into text and back are fixed for our sessions (``options.SESSION``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.functions import LETTERS, TWO, UTF8, ZONE, Row, called, known
from virtualization.connectors.postgresql.kinds import (
    NUMBERS,
    TEXTS,
    WITHOUT_ZONE,
    ZONED,
    Type,
    is_string,
    is_text,
    kind,
    operands,
    orders_text,
)
from virtualization.plan import Kept

Check = Callable[[exp.Expr, Facts], Kept | None]
_WORD = re.compile(r"[^\W\d_]+")
_SETTLED_WORDS = frozenset({"t", "z", "bc", "ad", "am", "pm", "utc", "gmt", "infinity", "inf", "epoch"})
"""Words in the text of a date that mean the same everywhere and always; 'now' and 'today' ask the clock."""
_CASTS = (
    TEXTS
    | NUMBERS
    | WITHOUT_ZONE
    | ZONED
    | {Type.UUID, Type.BOOLEAN, Type.TIME, Type.INTERVAL, Type.JSON, Type.JSONB, Type.VARBINARY, Type.BINARY, Type.INET}
)


def keep(node: exp.Expr, code: str, why: str, fix: str | None = None) -> Kept:
    """A reason for ``node``."""
    return Kept(node.sql("postgres"), code, why, fix)


# Text order


def comparison(node: exp.Expr, facts: Facts) -> Kept | None:
    """<, <=, >, >=, BETWEEN."""
    parts = operands(node)
    lists = any(isinstance(part, exp.Tuple) or (isinstance(part, exp.Query) and kind(part) is None) for part in parts)
    alone = len(parts) == 1 and is_string(parts[0].unnest())  # 'x' > ALL (…): the others are not known
    return text_order(node, None if lists or alone else orders_text(parts), facts)


def text_order(node: exp.Expr, texts: bool | None, facts: Facts) -> Kept | None:
    """``texts``: does ``node`` order texts?"""
    if texts is None and not facts.orders_by_code_point:
        # a COLLATE clause on something that is no text would be an error at the source
        return keep(node, "unknown_order", "whether it orders texts is not known")
    if texts and not facts.utf8:
        # COLLATE "C" orders the bytes of the server's encoding: only those of UTF-8 are in the order of code points
        return keep(node, "text_order", f"the source stores texts as {facts.encoding}, whose byte order differs")
    return None


def ordered(node: exp.Expr, facts: Facts) -> Kept | None:
    """A key of ORDER BY, wherever."""
    return text_order(node, orders_text([order_key(node).unalias()]), facts)


def order_key(node: exp.Expr) -> exp.Expr:
    """What a key of ORDER BY orders by: the query's own may be numbers or names of outputs."""
    key: exp.Expr = node.this
    holder = node.parent.parent if node.parent is not None else None
    if not isinstance(holder, exp.Query):
        return key  # of a window or an aggregate
    if isinstance(key, exp.Literal) and not key.is_string:
        return holder.selects[int(key.name) - 1]
    if isinstance(key, exp.Column) and not key.table:
        return next((item for item in holder.selects if item.alias_or_name == key.name), key)
    return key


def least_greatest(node: exp.Expr, facts: Facts) -> Kept | None:
    """They compare."""
    return text_order(node, orders_text([node.this, *node.expressions]), facts)


def extreme(node: exp.Expr, facts: Facts) -> Kept | None:
    """min and max."""
    if node.expressions:
        return keep(node, "not_on_list", "more than one argument")
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return text_order(node, orders_text([inner]), facts)


def distinct(node: exp.Expr, facts: Facts) -> Kept | None:
    """DISTINCT ON keeps the first row of an order, which for texts can't be told to the source together with ON."""
    on = node.args.get("on")
    query = node.parent
    if on is None or facts.orders_by_code_point or not isinstance(query, exp.Select) or query.args.get("order") is None:
        return None
    if any(orders_text([order_key(key).unalias()]) is not False for key in query.args["order"].expressions):
        return keep(node, "distinct_on", "the source's collation differs, and COLLATE can't be said here")
    return None


# Letters


def letters(node: exp.Expr, facts: Facts) -> Kept | None:
    """Which letters are upper case depends on the source's LC_CTYPE (Turkish; C: ASCII only)."""
    if facts.same_character_classes or (facts.has_unicode_collation and is_text(first_argument(node))):
        return None
    return keep(node, "character_classes", "the source's character classes differ", "PostgreSQL 17 or later with UTF8 at the source")


def pattern(node: exp.Expr, facts: Facts) -> Kept | None:
    """Regular expressions: those of versions before 14 differ in corners."""
    if facts.version < 140000:
        return keep(node, "version", "regular expressions changed with version 14", "PostgreSQL 14 or later at the source")
    return letters(node, facts)


def first_argument(node: exp.Expr) -> exp.Expr | None:
    """Of a call or an operator."""
    if isinstance(node, exp.Anonymous):
        return node.expressions[0] if node.expressions else None
    found = node.args.get("this")
    return found if isinstance(found, exp.Expr) else None


def substring(node: exp.Expr, facts: Facts) -> Kept | None:
    """By places; with a pattern it is a regular expression."""
    return None if by_places(node) else pattern(node, facts)


def by_places(node: exp.Expr) -> bool:
    """substring(… FROM 2 FOR 3), surely?"""
    return all(kind(part) in NUMBERS for name in ("start", "length") if (part := node.args.get(name)) is not None)


# Dates and zones


def time_zones(node: exp.Expr, facts: Facts) -> Kept | None:
    """The session's zone is the caller's; what may differ are the rules, where the source has not been updated for years."""
    if facts.time_zones:
        return None
    return keep(node, "time_zone", "the source's rules of time zones are older than 2025", "Update PostgreSQL or tzdata at the source.")


def _zone_of_parts(node: exp.Expr, facts: Facts, parts: list[exp.Expr]) -> Kept | None:
    kinds = {kind(part) for part in parts if not is_string(part.unnest())}
    return time_zones(node, facts) if None in kinds or kinds & ZONED else None


def cast(node: exp.Expr, facts: Facts) -> Kept | None:
    """Between the types whose text form our sessions fix. Others look names up, or follow libraries of the server."""
    to = node.args["to"]
    while to.this == Type.ARRAY and to.expressions:
        to = to.expressions[0]
    if to.this not in _CASTS:
        return keep(node, "cast", "casts to this type stay here")
    dates = WITHOUT_ZONE | ZONED
    if to.this in dates and is_string(node.this):
        unsettled = _clock(node, node.this)
        if unsettled is not None:
            return unsettled
    if to.this in ZONED or kind(node.this) in ZONED or (kind(node.this) is None and to.this in dates | TEXTS and not _constant(node.this)):
        return time_zones(node, facts)
    return None


def _constant(node: exp.Expr) -> bool:
    return is_string(node) or isinstance(node, exp.Null)


def _clock(node: exp.Expr, literal: exp.Expr) -> Kept | None:
    if {word.lower() for word in _WORD.findall(literal.name)} <= _SETTLED_WORDS:
        return None
    # 'today' is read by the clock; abbreviations of zones and names of months by settings
    return keep(node, "date_style", "how it is read depends on settings; write it as YYYY-MM-DD HH:MM:SS")


def dates(node: exp.Expr, facts: Facts) -> Kept | None:
    """A comparison: a timestamp, or a constant, beside a timestamptz is read in the session's zone."""
    parts = operands(node)
    kinds = {kind(part) for part in parts if not is_string(part.unnest())}
    strings = [part for part in parts if is_string(part.unnest())]
    if kinds & (WITHOUT_ZONE | ZONED) or None in kinds:
        for string in strings:
            unsettled = _clock(node, string.unnest()) if None not in kinds or string.unnest().name.lower() in _CLOCK_WORDS else None
            if unsettled is not None:
                return unsettled
    if kinds & ZONED and (kinds - ZONED or strings):
        return time_zones(node, facts)
    return None


_CLOCK_WORDS = frozenset({"now", "today", "tomorrow", "yesterday"})


def interval_sum(node: exp.Expr, facts: Facts) -> Kept | None:
    """A day after a timestamptz is 23 or 25 hours at a change of the zone's offset."""
    return _zone_of_parts(node, facts, [node.args["this"], node.args["expression"]])


def joined_texts(node: exp.Expr, facts: Facts) -> Kept | None:
    """``||`` prints what is no text by the session's settings."""
    return _zone_of_parts(node, facts, [node.args["this"], node.args["expression"]])


# Functions


def function(node: exp.Expr, facts: Facts) -> Kept | None:
    """By the table."""
    name = called(node)
    row = known(name) if name is not None else None
    if row is None:
        return keep(node, "not_on_list", f"{name or type(node).__name__}() is not on the connector's list")
    if facts.version < row.since:
        version = row.since // 10000
        return keep(
            node, "version", f"{name}() is not the same there before version {version}", f"PostgreSQL {version} or later at the source"
        )
    return next((found for need in row.needs if (found := _NEEDS[need](node, facts)) is not None), None)


def _utf8(node: exp.Expr, facts: Facts) -> Kept | None:
    if facts.utf8:
        return None
    return keep(node, "encoding", f"it shows the bytes of texts, which the source stores as {facts.encoding}")


def _zone(node: exp.Expr, facts: Facts) -> Kept | None:
    parts = [part for part in node.iter_expressions() if not isinstance(part, (exp.Var, exp.Identifier, exp.DataType))]
    kinds = {kind(part) for part in parts}
    if called(node) == "date_trunc" and Type.DATE in kinds:
        return time_zones(node, facts)  # a date becomes a timestamp with time zone first
    return _zone_of_parts(node, facts, parts)


def _two(node: exp.Expr, facts: Facts) -> Kept | None:
    if len(node.expressions) == 2:
        return None
    return keep(node, "session_function", "with one argument it looks at the clock")


_NEEDS: Mapping[str, Check] = {LETTERS: letters, UTF8: _utf8, ZONE: _zone, TWO: _two}


def row_of(node: exp.Expr) -> Row | None:
    """The table's row of the function that a node calls."""
    name = called(node)
    return known(name) if name is not None else None


# Structure


def select(node: exp.Expr, facts: Facts) -> Kept | None:
    """What is no plain SELECT."""
    for part in ("locks", "hint", "laterals", "qualify", "into", "sample", "connect", "pivots", "match"):
        if node.args.get(part):
            return keep(node, "not_on_list", f"{part} are not taken")
    return None


def with_(node: exp.Expr, facts: Facts) -> Kept | None:
    """WITH RECURSIVE runs as a whole or not at all; the clauses SEARCH and CYCLE came with version 14."""
    return keep(node, "recursive", "SEARCH and CYCLE are not taken") if node.args.get("search") else None


def join(node: exp.Expr, facts: Facts) -> Kept | None:
    """Joins are written out by the binder."""
    if node.args.get("method") or node.args.get("using"):
        return keep(node, "not_on_list", "this form of join is not taken")
    return None


def lateral(node: exp.Expr, facts: Facts) -> Kept | None:
    """Of a sub-query; functions that give rows are not taken."""
    if isinstance(node.this, exp.Subquery) and not node.args.get("view") and not node.args.get("outer"):
        return None
    return keep(node, "not_on_list", "only a sub-query is taken in LATERAL")


def limit(node: exp.Expr, facts: Facts) -> Kept | None:
    """Plain numbers."""
    if isinstance(node.expression, exp.Literal):
        return None
    return keep(node, "not_on_list", "only a plain number is taken")


def collation(node: exp.Expr, facts: Facts) -> Kept | None:
    """COLLATE "C" is the same everywhere where the encoding is; beside a collation for letters it would be an error."""
    if node.expression.name == "C" and facts.utf8 and facts.same_character_classes:
        return None
    return keep(node, "text_order", 'only COLLATE "C" is known to be the same at the source')


def both(*checks: Check) -> Check:
    """One after the other."""

    def check(node: exp.Expr, facts: Facts) -> Kept | None:
        return next((found for one in checks if (found := one(node, facts)) is not None), None)

    return check


CONDITIONS: Mapping[type[exp.Expr], Check] = {
    exp.Select: select,
    exp.Distinct: distinct,
    exp.With: with_,
    exp.Join: join,
    exp.Lateral: lateral,
    exp.Limit: limit,
    exp.Collate: collation,
    exp.LT: both(dates, comparison),
    exp.LTE: both(dates, comparison),
    exp.GT: both(dates, comparison),
    exp.GTE: both(dates, comparison),
    exp.Between: both(dates, comparison),
    exp.EQ: dates,
    exp.NEQ: dates,
    exp.In: dates,
    exp.NullSafeEQ: dates,
    exp.NullSafeNEQ: dates,
    exp.Ordered: ordered,
    exp.Min: extreme,
    exp.Max: extreme,
    exp.Greatest: both(dates, least_greatest),
    exp.Least: both(dates, least_greatest),
    exp.ILike: letters,
    exp.RegexpLike: pattern,
    exp.RegexpILike: pattern,
    exp.SimilarTo: pattern,
    exp.DPipe: joined_texts,
    exp.Substring: substring,
    exp.Cast: cast,
    exp.Add: interval_sum,
    exp.Sub: interval_sum,
}
