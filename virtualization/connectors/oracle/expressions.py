"""Expressions in Oracle's SQL: an allow list of syntax, each with the conditions under which it means the same there.

``value`` gives an expression, ``condition`` what may stand in WHERE: before version 23 Oracle has no boolean type, so the two are apart.
A condition in a *positive* place (WHERE, ON, HAVING, CASE WHEN) may be unknown where PostgreSQL says false; below NOT it may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from sqlglot import exp

from virtualization.connectors.oracle import literals
from virtualization.connectors.oracle.comparisons import EQUALITY, ORDER, pair
from virtualization.connectors.oracle.scopes import Scope
from virtualization.connectors.oracle.values import INTEGERS, Value, boolean, wider
from virtualization.node_parts import asked_for_types, check
from virtualization.refusal import refuse
from virtualization.types import common_text, pg_type

MOST_IN_LIST = 1000
"""Elements of one IN list (ORA-01795)."""

_SIGNS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("=", EQUALITY), exp.NEQ: ("<>", EQUALITY), exp.LT: ("<", ORDER), exp.LTE: ("<=", ORDER),
    exp.GT: (">", ORDER), exp.GTE: (">=", ORDER),
}  # fmt: skip


class Selected(Protocol):
    """A sub-query: see ``statements``."""

    @property
    def text(self) -> str:
        """The SELECT."""
        ...

    @property
    def values(self) -> list[Value]:
        """Of its columns."""
        ...


Handler = Callable[["Expressions", exp.Expr], Value]
Selects = Callable[[exp.Expr, Scope], Selected]


class Expressions:
    """Of one SELECT. ``selects`` makes its sub-queries; ``handlers``: by type of node, everything that is not below."""

    def __init__(self, scope: Scope, selects: Selects, handlers: dict[type[exp.Expr], Handler]) -> None:
        self.scope = scope
        self.selects = selects
        self._handlers = handlers

    def value(self, node: exp.Expr) -> Value:
        """RefusedError for what does not mean the same."""
        check(node)
        handler = self._handlers.get(type(node))
        if handler is not None:
            return handler(self, node)
        if isinstance(node, exp.Paren):
            inner = self.value(node.this)
            return inner if inner.literal is not None else inner.but(text=f"({inner.text})")
        if isinstance(node, exp.Column):
            return self.scope.column(node)
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if isinstance(node, exp.Boolean):
            return Value("1" if node.this else "0", "boolean", condition="(1 = 1)" if node.this else "(1 = 0)", nullable=False)
        if isinstance(node, exp.Null):
            return Value("NULL", "null")
        if isinstance(node, exp.Subquery):
            return self._scalar(node)
        if isinstance(node, _CONDITIONS):
            return boolean(self.condition(node, positive=False))
        raise refuse(node, "not_on_list", f"{_name(node)} is not on the connector's list")

    def told(self, node: exp.Expr) -> Value:
        """``value``, with a constant that has no type made a text."""
        found = self.value(node)
        return literals.as_text(found) if found.kind == "unknown" else found

    def condition(self, node: exp.Expr, *, positive: bool = True) -> str:
        """As a condition."""
        check(node)
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this, positive=positive)})"
        if isinstance(node, exp.And | exp.Or):
            sign = "AND" if isinstance(node, exp.And) else "OR"
            parts = [self.condition(part, positive=positive) for part in node.flatten(unnest=False)]
            return "(" + f" {sign} ".join(parts) + ")"
        if isinstance(node, exp.Not):
            return f"NOT ({self.condition(node.this, positive=False)})"
        if type(node) in _SIGNS:
            return self._comparison(node, positive)
        made = _MAKERS.get(type(node))
        if made is not None:
            return made(self, node, positive)
        found = self.value(node)
        if found.condition is None:
            raise refuse(node, "type", "no condition")
        return found.condition

    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return literals.string(node, node.name, self.scope.utf8)
        return literals.number(node, node.name)

    def _scalar(self, node: exp.Subquery) -> Value:
        selected = self.selects(node.unnest(), self.scope)
        if len(selected.values) != 1:
            raise refuse(node, "not_on_list", "a row is not compared")
        return as_read(selected.values[0], f"({selected.text})").but(nullable=True)

    def _comparison(self, node: exp.Expr, positive: bool) -> str:
        sign, how = _SIGNS[type(node)]
        if isinstance(node.expression, exp.Any) and isinstance(node, exp.EQ):
            return self._any(node, positive)
        # '' <> 'a' is true here, and unknown there
        positive = positive and not isinstance(node, exp.NEQ)
        left, right = pair(node, self.value(node.this), self.value(node.expression), how, positive=positive)
        return f"({left.text} {sign} {right.text})"

    def _any(self, node: exp.Expr, positive: bool) -> str:
        array = node.expression.this.unnest()
        if isinstance(array, exp.Query):
            return self._in_query(node, self.value(node.this), array, positive)
        if not isinstance(array, exp.Array):
            raise refuse(node, "not_on_list", "ANY of an array that is no list of constants")
        return self.in_list(node, node.this, array.expressions, positive)

    def in_list(self, node: exp.Expr, left: exp.Expr, items: list[exp.Expr], positive: bool) -> str:
        """``left IN (items)``, in portions."""
        value = self.value(left)
        made = [pair(node, value, self.value(item), EQUALITY, positive=positive) for item in items]
        if len({one.text for one, _ in made}) != 1:
            raise refuse(node, "type", "the list holds values of several types")
        portions = [made[at : at + MOST_IN_LIST] for at in range(0, len(made), MOST_IN_LIST)]
        texts = [f"{made[0][0].text} IN ({', '.join(item.text for _, item in portion)})" for portion in portions]
        return f"({' OR '.join(texts)})"

    def _in_query(self, node: exp.Expr, value: Value, query: exp.Expr, positive: bool) -> str:
        selected = self.selects(query, self.scope)
        if len(selected.values) != 1:
            raise refuse(node, "not_on_list", "a row is not compared")
        left, right = pair(node, value, selected.values[0].but(literal=None), EQUALITY, positive=positive)
        if left.text != value.text or right.text != selected.values[0].text:
            raise refuse(node, "type", f"{value.pg} beside {right.pg} is not looked up at the source")
        return f"({left.text} IN ({selected.text}))"


def as_read(value: Value, text: str) -> Value:
    """A value of a sub-query where it is read as ``text``."""
    return value.but(text=text, literal=None, condition=f"({text} = 1)" if value.kind == "boolean" else None, column=False)


def _name(node: exp.Expr) -> str:
    return f"{node.name}()" if isinstance(node, exp.Anonymous) else type(node).__name__


def _in(made: Expressions, node: exp.Expr, positive: bool) -> str:
    query = node.args.get("query")
    if query is not None:
        return made._in_query(node, made.value(node.this), query.unnest(), positive)
    if not node.expressions:
        raise refuse(node, "not_on_list", "this form of IN")
    return made.in_list(node, node.this, node.expressions, positive)


def _between(made: Expressions, node: exp.Expr, positive: bool) -> str:
    value = made.value(node.this)
    low, least = pair(node, value, made.value(node.args["low"]), ORDER, positive=positive)
    high, most = pair(node, value, made.value(node.args["high"]), ORDER, positive=positive)
    if low.text == high.text:
        return f"({low.text} BETWEEN {least.text} AND {most.text})"
    return f"({low.text} >= {least.text} AND {high.text} <= {most.text})"


def _is(made: Expressions, node: exp.Expr, positive: bool) -> str:
    negated = bool(node.args.get("negate"))
    if isinstance(node.expression, exp.Null):
        value = made.value(node.this)
        if value.remote == "lob" and value.kind == "text":
            raise refuse(node, "lob", "an empty CLOB is not NULL at the source")
        if value.empty or value.kind in ("unknown", "null"):
            raise refuse(node, "empty_string", "the empty text is NULL at the source")
        return f"({value.text} IS {'NOT ' if negated else ''}NULL)"
    if isinstance(node.expression, exp.Boolean):
        condition = made.condition(node.this, positive=False)
        inner = condition if node.expression.this else f"NOT ({condition})"
        return f"(CASE WHEN {inner} THEN 1 ELSE 0 END = {0 if negated else 1})"
    raise refuse(node, "not_on_list", "this form of IS")


def _exists(made: Expressions, node: exp.Expr, positive: bool) -> str:
    return f"EXISTS ({made.selects(node.this.unnest(), made.scope).text})"


def _same(made: Expressions, node: exp.Expr, positive: bool) -> str:
    left, right = pair(node, made.value(node.this), made.value(node.expression), EQUALITY)
    equal = f"{left.text} = {right.text} OR ({left.text} IS NULL AND {right.text} IS NULL)"
    return f"(CASE WHEN {equal} THEN 1 ELSE 0 END = {1 if isinstance(node, exp.NullSafeEQ) else 0})"


def _like(made: Expressions, node: exp.Expr, positive: bool) -> str:
    pattern, negated = node.expression, bool(node.args.get("negate"))
    positive = positive and not negated
    if isinstance(node.parent, exp.Escape):
        raise refuse(node, "like_pattern", "LIKE with a sign of its own for escapes", "Use a backslash.")
    value = made.value(node.this)
    if value.kind != "text" or value.remote in ("lob", "collated", "converted") or (value.empty and not positive):
        raise refuse(node, "like_pattern", "LIKE is sent for plain texts")
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise refuse(node, "like_pattern", "only constant patterns are sent")
    if value.remote == "folded" and not pattern.name.isascii():
        raise refuse(node, "character_classes", "which letters belong together is the source's own table")
    text, matches_empty = _pattern(node, pattern.name)
    if matches_empty and (value.empty or not pattern.name):
        raise refuse(node, "empty_string", "the empty text is NULL at the source")
    shown = literals.string(pattern, text, made.scope.utf8).text
    escaped = " ESCAPE '\\'" if "\\" in text else ""
    return f"({value.text} {'NOT ' if negated else ''}LIKE {shown}{escaped})"


def _pattern(node: exp.Expr, given: str) -> tuple[str, bool]:
    """With a backslash only where Oracle allows one: before %, _ and itself; and whether '' matches."""
    text, at, plain = "", 0, False
    while at < len(given):
        sign = given[at]
        if sign == "\\":
            at += 1
            if at == len(given):
                raise refuse(node, "like_pattern", "a pattern that ends with a backslash")
            text += ("\\" if given[at] in "%_\\" else "") + given[at]
            plain = True
        else:
            text += sign
            plain = plain or sign != "%"
        at += 1
    return text, not plain


_MAKERS: dict[type[exp.Expr], Callable[[Expressions, exp.Expr, bool], str]] = {
    exp.In: _in, exp.Between: _between, exp.Is: _is, exp.Exists: _exists, exp.NullSafeEQ: _same, exp.NullSafeNEQ: _same, exp.Like: _like,
}  # fmt: skip
_CONDITIONS: tuple[type[exp.Expr], ...] = (exp.And, exp.Or, exp.Not, *_SIGNS, *_MAKERS)


def unified(made: Expressions, node: exp.Expr, parts: list[exp.Expr]) -> tuple[list[Value], Value]:
    """Branches of one expression (CASE, COALESCE, arms of a set operation), and what all of them are."""
    values = [made.told(part) if not isinstance(part, exp.Null) else None for part in parts]
    found = [value for value in values if value is not None]
    if not found:
        raise refuse(node, "type", "NULL without a type")
    shape = together(node, found)
    return [value if value is not None else Value("NULL", shape.pg) for value in values], shape


def together(node: exp.Expr, found: list[Value]) -> Value:
    """What values of several branches are (without a text)."""
    types, kinds = {value.pg for value in found}, {value.kind for value in found}
    nullable, empty = any(value.nullable for value in found), any(value.empty for value in found)
    remotes = {value.remote for value in found}
    shape = found[0].but(text="", nullable=nullable, empty=empty, literal=None, condition=None, column=False)
    if kinds == {"number"}:
        return _numbers(found, nullable)
    if len(kinds) > 1 or "opaque" in kinds or "lob" in remotes or "folded" in remotes:
        raise refuse(node, "type", "the branches have different types", "Cast them to one type.")
    if kinds == {"text"}:
        return shape.but(pg=common_text([pg_type(value.pg) for value in asked_for_types(node, found)]).text, remote=weakest(remotes))
    if len(types) > 1:
        raise refuse(node, "type", "the branches have different types", "Cast them to one type.")
    return shape.but(remote="timestamp" if "timestamp" in remotes else shape.remote)


def weakest(remotes: Iterable[str]) -> str:
    """Of texts that become one: what is not compared by its bytes makes all of it so."""
    told = set(remotes)
    return next((remote for remote in ("collated", "national") if remote in told), "")


def _numbers(found: list[Value], nullable: bool) -> Value:
    types = {value.pg for value in found}
    scales = {value.scale for value in found}
    wholes = [value.whole for value in found]
    whole = None if None in wholes else max(one for one in wholes if one is not None)
    if all(value.is_integer for value in found):
        of = found[0].pg
        for value in found:
            of = wider(of, value.pg)
        largest = max(INTEGERS[of] if value.largest is None else value.largest for value in found)
        return Value("", of, whole, 0, largest, nullable=nullable)
    pg = found[0].pg if len(types) == 1 else "numeric"
    natural = all(value.scale is None for value in found)
    if len(scales) > 1 and not natural:
        # each row would be shown with digits of its own branch
        return Value("", pg, whole, None, remote="mixed_scale", nullable=nullable)
    return Value("", pg, whole, scales.pop(), nullable=nullable)
