"""Which columns are equal to which, and to which constants, in every row that passes a conjunction. Exact equality only: values of two
types that merely compare as equal (a numeric and a double) are kept apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from sqlglot import exp

from virtualization.connectors.datapool.types import family

Ref = tuple[str, str]
"""(alias, column)."""
TypeOf = Callable[[Ref], str | None]


def ref(node: exp.Expr | None) -> Ref | None:
    """The column that ``node`` is, brackets taken off."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Column) and node.table and isinstance(node.this, exp.Identifier):
        return (node.table, node.name)
    return None


class Equalities:
    """Classes of equal columns; per column the lists of constants, one of which it is equal to."""

    def __init__(self, type_of: TypeOf) -> None:
        self._type_of = type_of
        self._parents: dict[Hashable, Hashable] = {}
        self._constants: dict[Ref, list[list[exp.Expr]]] = {}

    @classmethod
    def of(cls, conditions: Iterable[exp.Expr], type_of: TypeOf) -> Equalities:
        """What a conjunction says."""
        made = cls(type_of)
        made._add(conditions)
        return made

    def plus(self, conditions: Iterable[exp.Expr]) -> Equalities:
        """A copy that knows more."""
        made = Equalities(self._type_of)
        made._parents = dict(self._parents)
        made._constants = {column: list(lists) for column, lists in self._constants.items()}
        made._add(conditions)
        return made

    def none(self) -> Equalities:
        """Nothing known, over the same tables."""
        return Equalities(self._type_of)

    def same(self, left: Hashable, right: Hashable) -> bool:
        """Are these columns equal?"""
        return left == right or self._find(left) == self._find(right)

    def like(self, column: Hashable) -> set[Hashable]:
        """The column and all that are equal to it."""
        root = self._find(column)
        return {column} | {other for other in self._parents if self._find(other) == root}

    def constants(self, column: Hashable) -> list[list[exp.Expr]]:
        """Lists of constants: the column is equal to one of each list."""
        return [given for other in self.like(column) for given in self._constants.get(other, ())]  # type: ignore[call-overload]

    def _add(self, conditions: Iterable[exp.Expr]) -> None:
        for condition in conditions:
            if isinstance(condition, exp.EQ):
                self._equal(condition.this, condition.expression)
            elif isinstance(condition, exp.In) and condition.expressions and not condition.args.get("negate"):
                column = ref(condition.this)
                if column is not None and all(is_constant(item) for item in condition.expressions):
                    self._constants.setdefault(column, []).append(list(condition.expressions))
            elif isinstance(condition, exp.Or):
                self._alternatives(condition)

    def _equal(self, left: exp.Expr, right: exp.Expr) -> None:
        one, two = ref(left), ref(right)
        if one is not None and two is not None:
            if self._comparable(one, two):
                self._parents[self._find(one)] = self._find(two)
        elif one is not None and is_constant(right):
            self._constants.setdefault(one, []).append([right])
        elif two is not None and is_constant(left):
            self._constants.setdefault(two, []).append([left])

    def _alternatives(self, condition: exp.Or) -> None:
        """``a = 1 OR a = 2``."""
        columns, items = set(), []
        for part in condition.flatten():
            part = part.unnest()
            column = ref(part.this) if isinstance(part, exp.EQ) else None
            if column is None or not is_constant(part.expression):
                return
            columns.add(column)
            items.append(part.expression)
        if len(columns) == 1:
            self._constants.setdefault(columns.pop(), []).append(items)

    def _comparable(self, one: Ref, two: Ref) -> bool:
        left, right = self._type_of(one), self._type_of(two)
        return left is not None and right is not None and (family(left) == family(right))

    def _find(self, column: Hashable) -> Hashable:
        self._parents.setdefault(column, column)
        while self._parents[column] != column:
            column = self._parents[column]
        return column


def is_constant(node: exp.Expr) -> bool:
    """A literal, perhaps signed, in brackets, or cast."""
    while isinstance(node, (exp.Paren, exp.Neg, exp.Cast)):
        node = node.this
    return isinstance(node, exp.Literal | exp.Boolean)
