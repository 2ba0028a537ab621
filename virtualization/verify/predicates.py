"""Random conditions: comparisons with values present in the data, IN, LIKE with escapes, three-valued logic, sub-queries with NULLs."""

from __future__ import annotations

import re
from collections.abc import Callable

from virtualization.verify.expressions import Expressions
from virtualization.verify.kinds import Kind
from virtualization.verify.tables import Item

Inner = Callable[[], tuple[str, list[Item]]]
"""FROM of a sub-query, under an alias of its own, and its columns."""
COMPARISONS = ("=", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
ORDERED = (Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT)


class Predicates:
    """Over one scope. ``inner``: makes the FROM of a sub-query; None: there are none."""

    def __init__(self, expressions: Expressions, inner: Inner | None = None) -> None:
        self._of = expressions
        self._pick = expressions.pick
        self._inner = inner

    def any(self, depth: int = 2) -> str:
        """One condition."""
        forms: list[Callable[[Item, int], str]] = [self._null, self._in, self._in, self._columns, self._between]
        forms += [self._compare] * 5
        forms += [self._like] * 2 + [self._case, self._coalesced, self._boolean, self._computed]
        if depth > 0:
            forms += [self._and, self._or, self._or, self._not]
            if self._inner is not None:
                forms += [self._subquery] * 3
        return self._pick.choice(forms)(self._pick.choice(self._of.scope), depth)

    def _compare(self, item: Item, depth: int) -> str:
        if item.kind is Kind.OTHER:
            return self._null(item, depth)
        if item.kind is Kind.BOOLEAN:
            return self._boolean(item, depth)
        return f"{item.sql} {self._pick.choice(COMPARISONS)} {self._of.constant(item.kind, item)}"

    def _null(self, item: Item, depth: int) -> str:
        return f"{item.sql} IS {self._pick.choice(['', 'NOT '])}NULL"

    def _in(self, item: Item, depth: int) -> str:
        if item.kind is Kind.OTHER:
            return self._null(item, depth)
        values = [self._of.constant(item.kind, item) for _ in range(self._pick.choice([1, 2, 3, 3, 30]))]
        if self._pick.random() < 0.15:
            values.append("NULL")
        return f"{item.sql} {self._pick.choice(['', 'NOT '])}IN ({', '.join(values)})"

    def _columns(self, item: Item, depth: int) -> str:
        other = self._of.column(item.kind)
        if item.kind is Kind.OTHER or other is None:
            return self._null(item, depth)
        return f"{item.sql} {self._pick.choice(COMPARISONS)} {other.sql}"

    def _between(self, item: Item, depth: int) -> str:
        if item.kind not in ORDERED:
            return self._null(item, depth)
        low, high = self._of.constant(item.kind, item), self._of.constant(item.kind, item)
        return f"{item.sql} {self._pick.choice(['', 'NOT '])}BETWEEN {low} AND {high}"

    def _computed(self, item: Item, depth: int) -> str:
        if item.kind in (Kind.OTHER, Kind.FLOAT, Kind.BOOLEAN):
            return self._compare(item, depth)
        return f"{self._of.of(item.kind, 2)} {self._pick.choice(COMPARISONS)} {self._of.constant(item.kind, item)}"

    def _like(self, item: Item, depth: int) -> str:
        if item.kind is not Kind.TEXT:
            return self._compare(item, depth)
        value = re.sub(r"^E?'|'$", "", self._of.constant(Kind.TEXT, item)).replace("''", "'")
        at = self._pick.constants.randint(0, max(0, len(value) - 1))
        escape = self._pick.choice(["\\", "\\", "!"])
        part = re.sub(r"([%_\\!])", lambda found: (escape if found[1] in ("%", "_", escape) else "") + found[1], value[at : at + 3])
        pattern = self._pick.choice(
            [f"{part}%", f"%{part}", f"%{part}%", part, f"_{part}", f"{part}_%", f"%{part}\\%%" if escape == "\\" else part]
        )
        quoted = "'" + pattern.replace("'", "''") + "'"
        word = self._pick.choice(["LIKE", "LIKE", "NOT LIKE", "ILIKE"])
        return f"{item.sql} {word} {quoted}" + (f" ESCAPE '{escape}'" if escape != "\\" else "")

    def _case(self, item: Item, depth: int) -> str:
        otherwise = self._pick.choice(["NULL", "false", "true"])
        return f"CASE WHEN {self._compare(item, 0)} THEN true WHEN {item.sql} IS NULL THEN {otherwise} END"

    def _coalesced(self, item: Item, depth: int) -> str:
        return f"coalesce({self._compare(item, 0)}, {self._pick.choice(['true', 'false'])})"

    def _boolean(self, item: Item, depth: int) -> str:
        found = self._of.column(Kind.BOOLEAN)
        if found is None:
            return self._null(item, depth)
        return self._pick.choice(
            [found.sql, f"NOT {found.sql}", f"{found.sql} IS NOT TRUE", f"{found.sql} = false", f"{found.sql} IS UNKNOWN"]
        )

    def _and(self, item: Item, depth: int) -> str:
        return f"({self.any(depth - 1)}) AND ({self.any(depth - 1)})"

    def _or(self, item: Item, depth: int) -> str:
        return f"({self.any(depth - 1)}) OR ({self.any(depth - 1)})"

    def _not(self, item: Item, depth: int) -> str:
        return f"NOT ({self.any(depth - 1)})"

    def _subquery(self, item: Item, depth: int) -> str:
        assert self._inner is not None
        text, columns = self._inner()
        own = Predicates(Expressions(self._pick, columns))
        where = own.any(1)
        pairs = [column for column in columns if column.kind is item.kind and item.kind in ORDERED and item.kind is not Kind.FLOAT]
        if not pairs:
            return f"{self._pick.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM {text} WHERE {where})"
        column, outer = self._pick.choice(pairs).sql, item.sql
        word = self._pick.choice(COMPARISONS[:7])
        return self._pick.choice([
            f"{outer} IN (SELECT {column} FROM {text} WHERE {where})",
            f"{outer} NOT IN (SELECT {column} FROM {text} WHERE {where})",
            f"{outer} NOT IN (SELECT {column} FROM {text})",
            f"EXISTS (SELECT 1 FROM {text} WHERE {column} = {outer})",
            f"EXISTS (SELECT 1 FROM {text} WHERE {column} = {outer} AND {where})",
            f"NOT EXISTS (SELECT {column} FROM {text} WHERE {column} = {outer} AND {where})",
            f"NOT EXISTS (SELECT 1 FROM {text} WHERE {column} IS NOT DISTINCT FROM {outer})",
            f"{outer} {word} (SELECT {self._pick.choice(['max', 'min'])}({column}) FROM {text} WHERE {where})",
            f"{outer} {word} (SELECT max({column}) FROM {text} WHERE {column} <> {outer})",
            f"{outer} {word} {self._pick.choice(['ANY', 'ALL'])} (SELECT {column} FROM {text} WHERE {where})",
            f"(SELECT count(*) FROM {text} WHERE {column} = {outer}) {self._pick.choice(['=', '<', '>='])} {self._pick.randint(0, 3)}",
        ])  # fmt: skip
