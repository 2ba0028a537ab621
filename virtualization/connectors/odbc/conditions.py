"""SQL conditions in the source's SQL. Its three values are those of the standard there too; what is compared, and with what, is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from virtualization.connectors.odbc.capabilities import Capabilities, Form
from virtualization.connectors.odbc.values import COMPARED, Operand, Resolve, constant, text_constant
from virtualization.refusal import refuse

_SIGNS: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_TURNED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_FAMILIES = ({"integer", "decimal"}, {"double"}, {"text"}, {"date"}, {"timestamp"})
_UNDERSTOOD = frozenset({"this", "expression", "low", "high", "expressions", "quoted", "table"})
_NEGATED = (exp.Is, exp.In, exp.Between, exp.Like)
_ESCAPE = "!"
_AS_IT_IS = Form()


class Conditions:
    """Writes conditions over what ``resolve`` knows. RefusedError from each call says why a condition stays here."""

    def __init__(self, resolve: Resolve, known: Capabilities) -> None:
        self._resolve = resolve
        self._known = known
        self._leaves: Mapping[type[exp.Expr], Callable[[exp.Expr], str]] = {
            exp.Is: self._is, exp.In: self._in, exp.Between: self._between, exp.Like: self._like, exp.Column: self._column,
            **dict.fromkeys(_SIGNS, self._comparison),
        }  # fmt: skip

    def sql(self, node: exp.Expr) -> str:
        """``node`` as a condition of the source."""
        for name, value in node.args.items():
            if value and name not in _UNDERSTOOD and not (name == "negate" and isinstance(node, _NEGATED)):
                raise refuse(
                    node, "not_on_list", f"the flag {name}"
                )  # a flag of the parser that is not known here may turn the meaning round
        if isinstance(node, exp.Paren):
            return self.sql(node.this)
        if isinstance(node, exp.Not):
            return f"NOT ({self.sql(node.this)})"
        if isinstance(node, (exp.And, exp.Or)):
            return f"({self.sql(node.this)} {'AND' if isinstance(node, exp.And) else 'OR'} {self.sql(node.expression)})"
        made = self._leaves.get(type(node))
        if made is None:
            raise refuse(node, "not_on_list", f"{type(node).__name__} is not on the connector's list")
        return f"NOT ({made(node)})" if node.args.get("negate") else made(node)

    def compared(self, node: exp.Expr) -> Operand:
        """The operand, which may be compared and ordered by."""
        found = self._resolve(node.unnest())
        if found is None:
            raise refuse(node, "not_on_list", "only columns are compared at the source")
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
        if self._resolve(left.unnest()) is None and self._resolve(right.unnest()) is not None:
            left, right, sign = right, left, _TURNED[sign]
        operand = self.compared(left)
        if sign not in ("=", "<>"):
            self.ordered(node, operand)
        if self._resolve(right.unnest()) is None:
            return self._with_constant(operand, sign, right)
        other = self.compared(right)
        if not any(operand.family in one and other.family in one for one in _FAMILIES):
            raise refuse(node, "type", "columns of these types are compared by rules that differ", "Declare both as one type.")
        return f"{operand.exact} {sign} {other.exact}"

    def _with_constant(self, operand: Operand, sign: str, node: exp.Expr) -> str:
        value = constant(node, operand, self._known)
        made = f"{operand.exact} {sign} {value}"
        if sign != "=" or operand.form.equal is None or operand.plain is None:
            return made
        plain = constant(node, replace(operand, form=_AS_IT_IS), self._known)
        return f"({operand.form.equal.format(c=operand.plain, k=plain)} AND {made})"

    def _is(self, node: exp.Expr) -> str:
        if not isinstance(node.expression, exp.Null):
            raise refuse(node, "not_on_list", "IS is taken with NULL only")
        operand = self._resolve(node.this.unnest())
        if operand is None or operand.plain is None:
            raise refuse(node, "not_on_list", "only columns are compared at the source")
        return f"{operand.plain} IS NULL"  # whatever its type

    def _in(self, node: exp.Expr) -> str:
        operand = self.compared(node.this)
        if not node.expressions:
            raise refuse(node, "not_on_list", "IN a sub-query")
        # NULL in a list is unknown everywhere; a list of keys that turned out empty is nothing else
        values = ["NULL" if isinstance(item.unnest(), exp.Null) else constant(item, operand, self._known) for item in node.expressions]
        return f"{operand.exact} IN ({', '.join(values)})"

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

    def _column(self, node: exp.Expr) -> str:
        operand = self.compared(node)
        if operand.family != "boolean":
            raise refuse(node, "type", "a condition that is no truth value")
        return f"{operand.exact} = {operand.form.constant.format('1')}"
