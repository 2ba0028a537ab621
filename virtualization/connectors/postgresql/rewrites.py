"""What this connector takes: an allow list of syntax with the conditions under which each means the same at the source.

Both sides are PostgreSQL, yet they may differ in collation and character classes, time zone, encoding and version. Whatever is
not listed here is refused by default. Each condition returns a ``Kept`` (the reason) or None, and has a test that the
statement then stayed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from virtualization.connectors.postgresql.facts import Facts
from virtualization.plan import Kept

Type = exp.DType
_TEXT = frozenset({Type.TEXT, Type.VARCHAR, Type.BPCHAR, Type.CHAR, Type.NCHAR, Type.NVARCHAR, Type.NAME})
_NUMBERS = frozenset({Type.SMALLINT, Type.INT, Type.BIGINT, Type.DECIMAL, Type.FLOAT, Type.DOUBLE})
_WITHOUT_ZONE = frozenset({Type.DATE, Type.TIMESTAMP, Type.TIMESTAMPNTZ})
_ISO = re.compile(r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$")

PLAIN: Mapping[type[exp.Expr], str] = {
    # structure
    exp.Select: "locks, hints, samples, DISTINCT ON and windows are refused below",
    exp.From: "", exp.Join: "LATERAL is refused", exp.Where: "", exp.Group: "sets of groups mean the same", exp.Having: "",
    exp.Order: "", exp.Limit: "", exp.Offset: "", exp.Subquery: "", exp.Exists: "", exp.Distinct: "not ON",
    exp.Union: "", exp.Intersect: "", exp.Except: "", exp.With: "not RECURSIVE", exp.CTE: "", exp.Table: "", exp.TableAlias: "",
    exp.Alias: "", exp.Identifier: "", exp.Column: "", exp.Star: "in count(*)", exp.Paren: "", exp.Tuple: "", exp.Filter: "",
    exp.Rollup: "", exp.Cube: "", exp.GroupingSets: "",
    # values
    exp.Literal: "standard_conforming_strings is on there", exp.Boolean: "", exp.Null: "", exp.DataType: "", exp.DataTypeParam: "",
    exp.Interval: "fixed intervalstyle", exp.Var: "units",
    # logic and comparison (equality of texts: deterministic collations only, see ``facts``)
    exp.And: "", exp.Or: "", exp.Not: "", exp.Is: "", exp.In: "", exp.EQ: "", exp.NEQ: "", exp.NullSafeEQ: "", exp.NullSafeNEQ: "",
    exp.Case: "", exp.If: "a branch of CASE", exp.Coalesce: "", exp.Nullif: "", exp.Any: "of a sub-query",
    # arithmetic: the same code on both sides, integer division and overflow errors included
    exp.Add: "", exp.Sub: "", exp.Mul: "", exp.Div: "", exp.Mod: "", exp.Neg: "", exp.Abs: "", exp.Ceil: "", exp.Floor: "",
    exp.Round: "", exp.Sign: "", exp.Pow: "", exp.Sqrt: "", exp.Exp: "", exp.Ln: "",
    exp.BitwiseAnd: "", exp.BitwiseOr: "", exp.BitwiseXor: "", exp.BitwiseNot: "",
    # texts, independent of character classes
    exp.Like: "code points, under deterministic collations", exp.Escape: "", exp.DPipe: "of texts only, see ``_concatenation``",
    exp.Length: "", exp.Trim: "", exp.Left: "", exp.Right: "", exp.Replace: "", exp.StrPosition: "", exp.Reverse: "", exp.Repeat: "",
    exp.Pad: "", exp.SplitPart: "",
    # aggregates
    exp.Count: "", exp.Sum: "", exp.Avg: "", exp.LogicalAnd: "", exp.LogicalOr: "", exp.Stddev: "", exp.StddevPop: "",
    exp.StddevSamp: "", exp.Variance: "", exp.VariancePop: "",
}  # fmt: skip
"""Syntax taken as it is; the notes say what makes it safe."""


def refusal(query: exp.Expr, facts: Facts) -> Kept | None:
    """Why ``query`` (with types annotated) can't run at a source with these ``facts``; None: it can."""
    for node in query.walk():
        check = CONDITIONS.get(type(node))
        if check is None and type(node) not in PLAIN:
            return _kept(node, "not_on_list", f"{_name(node)} is not on the connector's list")
        kept = check(node, facts) if check is not None else None
        if kept is not None:
            return kept
    return None


def _kept(node: exp.Expr, code: str, why: str, fix: str | None = None) -> Kept:
    return Kept(node.sql("postgres"), code, why, fix)


def _name(node: exp.Expr) -> str:
    return f"{node.name}()" if isinstance(node, exp.Anonymous) else type(node).__name__


def _kind(node: exp.Expr | None) -> exp.DType | None:
    """The type, or None where it is not known for sure."""
    if isinstance(node, exp.Paren):
        return _kind(node.this)
    if node is None or node.type is None or node.type.this in (Type.UNKNOWN, Type.NULL):
        return None
    kind = node.type.this
    return kind if isinstance(kind, exp.DType) else None


def is_text(node: exp.Expr | None) -> bool:
    """Is it surely a text?"""
    return _kind(node) in _TEXT


def orders_text(operands: list[exp.Expr]) -> bool | None:
    """Does comparing these compare texts? None: not known. An untyped string literal takes the type of the others."""
    told = [_kind(part) for part in operands if not (isinstance(part, exp.Literal) and part.is_string)]
    if not told:
        return True
    if any(kind is not None and kind not in _TEXT for kind in told):
        return False
    return None if None in told else True


def _comparison(node: exp.Expr, facts: Facts) -> Kept | None:
    operands = [part for name in ("this", "expression", "low", "high") if (part := node.args.get(name)) is not None]
    operands += node.args.get("expressions") or []
    if any(isinstance(part, (exp.Subquery, exp.Tuple, exp.Any)) and _kind(part) is None for part in operands):
        return _kept(node, "unknown_order", "whether it compares texts is not known")
    return _text_order(node, orders_text(operands), facts)


def _text_order(node: exp.Expr, texts: bool | None, facts: Facts) -> Kept | None:
    if texts is None and not facts.orders_by_code_point:
        # a COLLATE clause on something that is no text would be an error at the source
        return _kept(node, "unknown_order", "whether it orders texts is not known")
    if texts and not facts.utf8:
        # COLLATE "C" orders the bytes of the server's encoding: only those of UTF-8 are in the order of code points
        return _kept(node, "text_order", f"the source stores texts as {facts.encoding}, whose byte order differs")
    return None


def _ordered(node: exp.Expr, facts: Facts) -> Kept | None:
    key = node.this
    query = node.find_ancestor(exp.Query)
    if isinstance(key, exp.Literal) and query is not None:
        key = query.selects[int(key.name) - 1]
    elif isinstance(key, exp.Column) and not key.table and query is not None:
        key = next((item for item in query.selects if item.alias_or_name == key.name), key)
    texts = orders_text([key.unalias()])
    if texts is not False and not facts.orders_by_code_point and _only_outputs(query):
        # ORDER BY of a set operation or of SELECT DISTINCT takes output columns only, no COLLATE clause
        return _kept(node, "text_order", "the source's collation differs, and COLLATE can't be said here")
    return _text_order(node, texts, facts)


def _only_outputs(query: exp.Expr | None) -> bool:
    return isinstance(query, exp.SetOperation) or (query is not None and query.args.get("distinct") is not None)


def _least_greatest(node: exp.Expr, facts: Facts) -> Kept | None:
    return _text_order(node, orders_text([node.this, *node.expressions]), facts)


def _extreme(node: exp.Expr, facts: Facts) -> Kept | None:
    if node.expressions:
        return _kept(node, "not_on_list", "more than one argument")
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return _text_order(node, orders_text([inner]), facts)


def _character_class(node: exp.Expr, facts: Facts) -> Kept | None:
    if facts.same_character_classes or facts.has_unicode_collation:
        return None
    # which letters are upper case depends on the source's LC_CTYPE (Turkish, C: ASCII only)
    return _kept(node, "character_classes", "the source's character classes differ", "PostgreSQL 17 or later with UTF8 at the source")


def _concatenation(node: exp.Expr, facts: Facts) -> Kept | None:
    if is_text(node.args["this"]) and is_text(node.args["expression"]):
        return None
    # anynonarray || text prints its argument by the session's settings; arrays and bytea have other meanings
    return _kept(node, "not_text", "only texts are joined at the source")


def _substring(node: exp.Expr, facts: Facts) -> Kept | None:
    if all(_kind(part) in _NUMBERS for name in ("start", "length") if (part := node.args.get(name)) is not None):
        return None
    # substring(text FROM pattern): regular expressions know character classes
    return _kept(node, "character_classes", "regular expressions depend on the source's character classes")


def _cast(node: exp.Expr, facts: Facts) -> Kept | None:
    source, target = _kind(node.this), _kind_of_type(node.args["to"])
    literal = node.this
    if isinstance(literal, exp.Literal) and literal.is_string:
        if target in _WITHOUT_ZONE and not _ISO.match(literal.name):
            return _kept(node, "date_style", "how it is read depends on settings; write it as YYYY-MM-DD HH:MM:SS")
        return None if target in _TEXT | _NUMBERS | _WITHOUT_ZONE | {Type.UUID, Type.BOOLEAN} else _not_castable(node)
    if isinstance(literal, exp.Null):
        return None
    if source in _NUMBERS and target in _NUMBERS | {Type.TEXT, Type.VARCHAR}:
        return None
    if source in _TEXT and target in _TEXT | _NUMBERS | {Type.UUID}:
        return None
    if source in _WITHOUT_ZONE and target in _WITHOUT_ZONE:
        return None
    if source is not None and source == target:
        return None
    # to or from timestamptz depends on the session's time zone, which is the user's here and UTC there; text to date on DateStyle
    return _not_castable(node)


def _kind_of_type(node: exp.DataType) -> object:
    return node.this


def _not_castable(node: exp.Expr) -> Kept:
    return _kept(node, "cast", "this cast may depend on the session's settings")


def _date_part(node: exp.Expr, facts: Facts) -> Kept | None:
    if _kind(node.expression if isinstance(node, exp.Extract) else node.this) not in _WITHOUT_ZONE:
        # the parts of a timestamp with time zone depend on the session's zone
        return _kept(node, "time_zone", "its value may depend on the session's time zone")
    if isinstance(node, exp.Extract) and facts.version < 140000:
        return _kept(node, "version", "before version 14 extract() gives double precision", "PostgreSQL 14 or later at the source")
    return None


def _interval_sum(node: exp.Expr, facts: Facts) -> Kept | None:
    kinds = {_kind(node.args["this"]), _kind(node.args["expression"])}
    if kinds & {Type.TIMESTAMPTZ, Type.TIMETZ, Type.TIMESTAMPLTZ}:
        # a day after a timestamptz is 23 or 25 hours at a change of the zone's offset
        return _kept(node, "time_zone", "its value may depend on the session's time zone")
    if None in kinds and not all(
        isinstance(part.unnest(), (exp.Interval, exp.Literal, exp.Null)) or _kind(part)
        for part in (node.args["this"], node.args["expression"])
    ):
        return _kept(node, "unknown_type", "whether it depends on the time zone is not known")
    return None


def _mixed_zones(node: exp.Expr, facts: Facts) -> Kept | None:
    operands = [part for name in ("this", "expression", "low", "high") if isinstance(part := node.args.get(name), exp.Expr)]
    kinds = {_kind(part) for part in operands + list(node.args.get("expressions") or [])}
    strings = any(isinstance(part, exp.Literal) and part.is_string for part in node.iter_expressions())
    if kinds & {Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ} and (kinds & _WITHOUT_ZONE or strings):
        # a timestamp or an unzoned literal beside a timestamptz is read in the session's time zone
        return _kept(node, "time_zone", "the comparison may depend on the session's time zone")
    dates = kinds & _WITHOUT_ZONE
    if dates and any(isinstance(part, exp.Literal) and part.is_string and not _ISO.match(part.name) for part in node.iter_expressions()):
        # 'today', '1/2/2020': read by the clock or by DateStyle
        return _kept(node, "date_style", "how the literal is read depends on settings; write it as YYYY-MM-DD")
    return None


def _both(*checks: Callable[[exp.Expr, Facts], Kept | None]) -> Callable[[exp.Expr, Facts], Kept | None]:
    def check(node: exp.Expr, facts: Facts) -> Kept | None:
        return next((kept for one in checks if (kept := one(node, facts)) is not None), None)

    return check


def _select(node: exp.Expr, facts: Facts) -> Kept | None:
    for part in ("locks", "hint", "laterals", "windows", "qualify", "into", "sample", "connect", "pivots", "match"):
        if node.args.get(part):
            return _kept(node, "not_on_list", f"{part} are not taken")
    return None


def _distinct(node: exp.Expr, facts: Facts) -> Kept | None:
    # which row of a group DISTINCT ON keeps depends on an order that may differ
    return _kept(node, "distinct_on", "DISTINCT ON is not taken") if node.args.get("on") else None


def _with(node: exp.Expr, facts: Facts) -> Kept | None:
    return _kept(node, "recursive", "recursive queries are not taken") if node.args.get("recursive") else None


def _join(node: exp.Expr, facts: Facts) -> Kept | None:
    if isinstance(node.this, exp.Lateral) or node.args.get("method") or node.args.get("using"):
        return _kept(node, "not_on_list", "this form of join is not taken")
    return None


def _limit(node: exp.Expr, facts: Facts) -> Kept | None:
    if isinstance(node.expression, exp.Literal):
        return None
    return _kept(node, "not_on_list", "only a plain number is taken")


def _any(node: exp.Expr, facts: Facts) -> Kept | None:
    return None if isinstance(node.this, (exp.Subquery, exp.Query)) else _kept(node, "not_on_list", "ANY of an array is not taken")


CONDITIONS: Mapping[type[exp.Expr], Callable[[exp.Expr, Facts], Kept | None]] = {
    exp.Select: _select,
    exp.Distinct: _distinct,
    exp.With: _with,
    exp.Join: _join,
    exp.Limit: _limit,
    exp.Any: _any,
    exp.LT: _both(_mixed_zones, _comparison),
    exp.LTE: _both(_mixed_zones, _comparison),
    exp.GT: _both(_mixed_zones, _comparison),
    exp.GTE: _both(_mixed_zones, _comparison),
    exp.Between: _both(_mixed_zones, _comparison),
    exp.EQ: _mixed_zones,
    exp.NEQ: _mixed_zones,
    exp.In: _mixed_zones,
    exp.NullSafeEQ: _mixed_zones,
    exp.NullSafeNEQ: _mixed_zones,
    exp.Ordered: _ordered,
    exp.Min: _extreme,
    exp.Max: _extreme,
    exp.Greatest: _both(_mixed_zones, _least_greatest),
    exp.Least: _both(_mixed_zones, _least_greatest),
    exp.Lower: _character_class,
    exp.Upper: _character_class,
    exp.ILike: _character_class,
    exp.DPipe: _concatenation,
    exp.Substring: _substring,
    exp.Cast: _cast,
    exp.Extract: _date_part,
    exp.TimestampTrunc: _date_part,
    exp.Add: _interval_sum,
    exp.Sub: _interval_sum,
}


def collate(query: exp.Query | exp.Expr, facts: Facts) -> exp.Expr:
    """A copy in which every ordering of texts says ``COLLATE "C"`` and every use of character classes the Unicode collation,
    where the source's own collation does otherwise. ``refusal`` must have been None."""
    query = query.copy()
    if not facts.orders_by_code_point:
        for node in list(query.find_all(exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Min, exp.Max, exp.Least, exp.Greatest)):
            if orders_text(list(_compared(node))):
                _replace_first(node, '"C"')
        for ordered in list(query.find_all(exp.Ordered)):
            _collate_key(ordered)
    if not facts.same_character_classes:
        for node in list(query.find_all(exp.Lower, exp.Upper, exp.ILike)):
            _replace_first(node, 'pg_catalog."pg_c_utf8"')
    return query


def _compared(node: exp.Expr) -> Iterator[exp.Expr]:
    for name in ("this", "expression", "low", "high"):
        part = node.args.get(name)
        if isinstance(part, exp.Expr):
            yield part.expressions[0] if isinstance(part, exp.Distinct) else part
    yield from node.args.get("expressions") or []


def _replace_first(node: exp.Expr, collation: str) -> None:
    first = next(_compared(node))
    first.replace(_collated(first, collation))


def _collated(node: exp.Expr, collation: str) -> exp.Expr:
    made = exp.Collate(this=exp.paren(node.copy()) if isinstance(node, exp.Binary) else node.copy(), expression=exp.Var(this=collation))
    made.type = node.type
    return made


def _collate_key(ordered: exp.Ordered) -> None:
    key = ordered.this
    query = ordered.find_ancestor(exp.Select)
    if query is not None and ordered.find_ancestor(exp.Query) is query:
        if isinstance(key, exp.Literal):
            key = query.selects[int(key.name) - 1].unalias()
        elif isinstance(key, exp.Column) and not key.table:
            key = next((item.unalias() for item in query.selects if item.alias_or_name == key.name), key)
    if orders_text([key]):
        ordered.set("this", _collated(key, '"C"'))
