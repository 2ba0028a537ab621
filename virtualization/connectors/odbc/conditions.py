"""SQL conditions in the source's SQL. Its three values are those of the standard there too; what is compared, and with what, is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from virtualization.connectors.odbc.capabilities import Capabilities, Form
from virtualization.connectors.odbc.constants import constant, is_constant, text_constant
from virtualization.connectors.odbc.values import COMPARED, Operand, Resolve
from virtualization.refusal import refuse

_SIGNS: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_TURNED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_FAMILIES = ({"integer", "decimal"}, {"double"}, {"text"}, {"date"}, {"timestamp"}, {"boolean"})
_UNDERSTOOD = frozenset({"this", "expression", "low", "high", "expressions", "quoted", "table", "query"})
_NEGATED = (exp.Is, exp.In, exp.Between, exp.Like)
_SYNTAX = (exp.Connector, exp.Not, exp.Paren, exp.Predicate, exp.Column)
_ESCAPE = "!"
_AS_IT_IS = Form()


@dataclass(frozen=True)
class SubQuery:
    """``exact``: with its columns in the form in which they compare; ``single``: gives exactly one row."""

    text: str
    exact: str
    operands: tuple[Operand, ...]
    single: bool


class Conditions:
    """Writes conditions over what ``resolve`` knows. RefusedError from each call says why a condition stays here."""

    def __init__(self, resolve: Resolve, known: Capabilities, selects: Callable[[exp.Expr], SubQuery] | None = None) -> None:
        self._resolve = resolve
        self._known = known
        self._selects = selects
        self._leaves: Mapping[type[exp.Expr], Callable[[exp.Expr], str]] = {
            exp.Is: self._is, exp.In: self._in, exp.Between: self._between, exp.Like: self._like, exp.Exists: self._exists,
            exp.NullSafeEQ: self._same, exp.NullSafeNEQ: self._same, **dict.fromkeys(_SIGNS, self._comparison),
        }  # fmt: skip

    def sql(self, node: exp.Expr, *, told_apart: bool = False) -> str:
        """``node`` as a condition of the source; ``told_apart``: false and unknown are not the same where it stands."""
        for name, value in node.args.items() if isinstance(node, _SYNTAX) else ():
            if value and name not in _UNDERSTOOD and not (name == "negate" and isinstance(node, _NEGATED)):
                raise refuse(
                    node, "not_on_list", f"the flag {name}"
                )  # a flag of the parser that is not known here may turn the meaning round
        if isinstance(node, exp.Paren):
            return self.sql(node.this, told_apart=told_apart)
        if isinstance(node, exp.Not):
            return f"NOT ({self.sql(node.this, told_apart=True)})"
        if isinstance(node, (exp.And, exp.Or)):
            left, right = (self.sql(part, told_apart=told_apart) for part in (node.this, node.expression))
            return f"({left} {'AND' if isinstance(node, exp.And) else 'OR'} {right})"
        negated = bool(node.args.get("negate"))
        if (told_apart or negated) and not self._known.in_query_unknown and _asks_a_query(node):
            raise refuse(node, "not_on_list", "the source may take an unknown IN (SELECT …) for false", "Write EXISTS in its place.")
        made = self._leaves.get(type(node), self._truth)
        return f"NOT ({made(node)})" if negated else made(node)

    def compared(self, node: exp.Expr) -> Operand:
        """The operand, which may be compared and ordered by."""
        found = self._resolve(node.unnest())
        if found is None:
            raise refuse(node, "not_on_list", "a constant is not compared with a constant at the source")
        if found.why_not is not None or found.family not in COMPARED:
            raise refuse(node, "type", found.why_not or f"{found.of.text} is compared by other rules at the source")
        return found

    def ordered(self, node: exp.Expr, operand: Operand) -> Operand:
        """The operand, whose order is PostgreSQL's too."""
        if not operand.form.orders:
            raise refuse(node, "text_order", f"the source orders values that are {operand.of.text} otherwise")
        return operand

    def _comparison(self, node: exp.Expr) -> str:
        sign, left, right = _SIGNS[type(node)], node.this, node.expression
        if isinstance(right, exp.Any):
            return self._any(node, right.this.unnest())
        if is_constant(left) and not is_constant(right):
            left, right, sign = right, left, _TURNED[sign]
        operand = self.compared(left)
        if sign not in ("=", "<>"):
            self.ordered(node, operand)
        if is_constant(right):
            return self._with_constant(operand, sign, right)
        other = self._beside(node, operand, self.compared(right))
        return f"{operand.exact} {sign} {other.exact}"

    def _beside(self, node: exp.Expr, operand: Operand, other: Operand) -> Operand:
        """``other``, which compares with ``operand``."""
        if not any(operand.family in one and other.family in one for one in _FAMILIES):
            raise refuse(node, "type", "columns of these types are compared by rules that differ", "Declare both as one type.")
        return other

    def _same(self, node: exp.Expr) -> str:
        operand = self.compared(node.this)
        other = self._beside(node, operand, self.compared(node.expression)).exact
        equal = f"{operand.exact} = {other} OR ({operand.exact} IS NULL AND {other} IS NULL)"
        return f"CASE WHEN {equal} THEN 1 ELSE 0 END = {1 if isinstance(node, exp.NullSafeEQ) else 0}"

    def _with_constant(self, operand: Operand, sign: str, node: exp.Expr) -> str:
        value = constant(node, operand, self._known)
        made = f"{operand.exact} {sign} {value}"
        if sign != "=" or operand.form.equal is None or operand.plain is None:
            return made
        plain = constant(node, replace(operand, form=_AS_IT_IS), self._known)
        return f"({operand.form.equal.format(c=operand.plain, k=plain)} AND {made})"

    def _is(self, node: exp.Expr) -> str:
        if isinstance(node.expression, exp.Boolean):
            inner = self.sql(node.this, told_apart=not node.expression.this)
            return f"CASE WHEN {inner if node.expression.this else f'NOT ({inner})'} THEN 1 ELSE 0 END = 1"
        if not isinstance(node.expression, exp.Null):
            raise refuse(node, "not_on_list", "IS is taken with NULL and truth values only")
        operand = self._resolve(node.this.unnest())
        if operand is None:
            raise refuse(node, "not_on_list", "a constant is not compared with a constant at the source")
        return f"{operand.plain or self.compared(node.this).value} IS NULL"  # a column: whatever its type

    def _in(self, node: exp.Expr) -> str:
        query = node.args.get("query")
        if query is not None:
            return self._in_query(node, query.unnest())
        return self._in_list(node, node.expressions)

    def _any(self, node: exp.Expr, array: exp.Expr) -> str:
        if not isinstance(node, exp.EQ):
            raise refuse(node, "not_on_list", "ANY is taken with = only")
        if isinstance(array, exp.Query):
            return self._in_query(node, array)
        if not isinstance(array, exp.Array):
            raise refuse(node, "not_on_list", "ANY of an array that is no list of constants")
        return self._in_list(node, array.expressions)

    def _in_list(self, node: exp.Expr, items: Sequence[exp.Expr]) -> str:
        operand = self.compared(node.this)
        if not items:
            raise refuse(node, "not_on_list", "IN without a list")
        # NULL in a list is unknown everywhere; a list of keys that turned out empty is nothing else
        values = ["NULL" if isinstance(item.unnest(), exp.Null) else self._item(node, operand, item) for item in items]
        return f"{operand.exact} IN ({', '.join(values)})"

    def _item(self, node: exp.Expr, operand: Operand, item: exp.Expr) -> str:
        return constant(item, operand, self._known) if is_constant(item) else self._beside(node, operand, self.compared(item)).exact

    def _in_query(self, node: exp.Expr, query: exp.Expr) -> str:
        operand, selected = self.compared(node.this), self._selected(query)
        if len(selected.operands) != 1:
            raise refuse(node, "not_on_list", "a row is not compared")
        other = self._beside(node, operand, selected.operands[0])
        if other.why_not is not None:
            raise refuse(node, "type", other.why_not)
        return f"{operand.exact} IN ({selected.exact})"

    def _exists(self, node: exp.Expr) -> str:
        return f"EXISTS ({self._selected(node.this.unnest()).text})"

    def _selected(self, query: exp.Expr) -> SubQuery:
        if self._selects is None:
            raise refuse(query, "not_on_list", "sub-queries are not sent here")
        return self._selects(query)

    def _between(self, node: exp.Expr) -> str:
        operand = self.ordered(node, self.compared(node.this))
        low, high = (constant(node.args[name], operand, self._known) for name in ("low", "high"))
        return f"({operand.exact} >= {low} AND {operand.exact} <= {high})"

    def _like(self, node: exp.Expr) -> str:
        operand = self.compared(node.this)
        pattern = node.expression.unnest()
        if operand.family != "text" or not isinstance(pattern, exp.Literal) or not pattern.is_string or not self._known.like:
            raise refuse(node, "like_pattern", "LIKE is taken over texts, with a constant")
        return f"{operand.exact} LIKE {text_constant(self._pattern(node, pattern.name), self._known)} ESCAPE '{_ESCAPE}'"

    def _pattern(self, node: exp.Expr, pattern: str) -> str:
        """With an escape that no driver's parser knows, and escapes before what is a sign there only."""
        made, escaped = "", False
        for sign in pattern:
            if not escaped and sign == "\\":
                escaped = True
                continue
            meant = escaped or sign not in "%_"
            made += _ESCAPE + sign if meant and sign in self._known.like_signs + _ESCAPE else sign
            escaped = False
        if escaped or "\0" in made:
            raise refuse(node, "like_pattern", "LIKE pattern must not end with escape character")
        return made

    def _truth(self, node: exp.Expr) -> str:
        operand = self.compared(node)
        if operand.family != "boolean":
            raise refuse(node, "type", "a condition that is no truth value")
        return f"{operand.exact} = {operand.form.constant.format('1')}"


def _asks_a_query(node: exp.Expr) -> bool:
    """Is it IN (SELECT …), or = ANY (SELECT …)?"""
    listed = node.expression if isinstance(node, exp.EQ) else None
    return bool(node.args.get("query")) or (isinstance(listed, exp.Any) and isinstance(listed.this.unnest(), exp.Query))
