"""Random FROM clauses: one to four tables, plain, derived, grouped or cut off, joined on columns that have values in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from virtualization.verify.chance import Chance
from virtualization.verify.expressions import Expressions
from virtualization.verify.kinds import Kind
from virtualization.verify.predicates import Predicates
from virtualization.verify.tables import Item, Link, TableFacts, links

MOST_ROWS = 30_000
"""A join that is estimated to give more rows is not made: it would test patience."""
MOST_INNER = 400
"""A table with more rows is not read by correlated sub-queries."""
SMALL = 200
"""A left side with more rows is not joined by ranges."""
WORDS = ("JOIN", "JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")


@dataclass(frozen=True)
class From:
    """The clause, the columns in scope, and an estimate of its rows."""

    text: str
    items: list[Item]
    rows: float


class Joins:
    """Makes them over given tables."""

    def __init__(self, tables: Sequence[TableFacts]) -> None:
        self._tables = tables
        self._sources = len({table.source for table in tables})
        self._steps: dict[int, list[tuple[int, tuple[int, int], int]]] = defaultdict(list)
        """Of each table: (its column, (other table, its column), values in common)."""
        for link in links(tables):
            for one, two in _ends(link):
                self._steps[one[0]].append((one[1], two, link.common))

    def clause(self, pick: Chance, most: int = 4) -> From:
        """``most``: tables; each gets the alias a, b, c, d."""
        count = max(pick.choice([n for n in (1, 1, 1, 2, 2, 2, 3, 3, 4) if n <= most]), min(self._sources, most))
        numbers = [pick.randrange(len(self._tables))]
        made = self._item(pick, numbers[0], "a")
        for _ in range(2 * count):  # some tries lead nowhere
            step = self._step(pick, numbers)
            if step is None or len(numbers) == count:
                break
            (known, left), (number, right), common = step
            key = (chr(ord("a") + known), self._tables[numbers[known]].columns[left].name)
            joined = self._joined(pick, made, key, chr(ord("a") + len(numbers)), (number, right))
            if joined is None:
                continue
            numbers.append(number)
            made = joined
            if common == 0:
                break
        return made

    def inner(self, pick: Chance, alias: str) -> tuple[str, list[Item]]:
        """The FROM of a sub-query: one small table."""
        small = [facts for facts in self._tables if facts.rows <= MOST_INNER] or [min(self._tables, key=lambda facts: facts.rows)]
        facts = pick.choice(small)
        return facts.from_item(alias), facts.items(alias)

    def _step(self, pick: Chance, numbers: list[int]) -> tuple[tuple[int, int], tuple[int, int], int] | None:
        """(place in ``numbers``, column), (new table, column), values in common."""
        found: list[tuple[tuple[int, int], tuple[int, int], int]] = []
        for place, table in enumerate(numbers):
            found += [((place, column), two, common) for column, two, common in self._steps[table]]
        others = [step for step in found if step[1][0] not in numbers]
        read = {self._tables[number].source for number in numbers}
        beyond = [step for step in others if self._tables[step[1][0]].source not in read]
        for better in (beyond, others):
            if better and pick.random() < 0.8:
                return pick.choice(better)
        return pick.choice(found) if found else None

    def _joined(self, pick: Chance, left: From, key: tuple[str, str], alias: str, end: tuple[int, int]) -> From | None:
        number, column = end
        facts = self._tables[number].columns[column]
        right = self._item(pick, number, alias)
        name = f'{key[0]}."{key[1].replace(chr(34), chr(34) * 2)}"'
        mine = next((item for item in left.items if item.sql == name), None)
        theirs = next((item for item in right.items if item.sql == f'{alias}."{facts.name.replace(chr(34), chr(34) * 2)}"'), None)
        if mine is None or theirs is None:
            return None
        rows = left.rows * right.rows / max(1, len(facts.values)) + left.rows + right.rows
        if rows > MOST_ROWS:
            return None
        word = pick.choice(WORDS)
        items = left.items + right.items
        if pick.random() < 0.05 and left.rows * right.rows < MOST_ROWS:
            return From(f"{left.text} CROSS JOIN {right.text}", items, left.rows * right.rows)
        bracketed = f"({left.text})" if " JOIN " in left.text and pick.random() < 0.5 else left.text
        return From(f"{bracketed} {word} {right.text} {_condition(pick, left, mine, theirs, word, items)}", items, rows)

    def _item(self, pick: Chance, number: int, alias: str) -> From:
        facts = self._tables[number]
        plain = From(facts.from_item(alias), facts.items(alias), facts.rows)
        kind = pick.choice(["table"] * 9 + ["filtered", "grouped", "first"])
        if kind == "table":
            return plain
        inner, text = facts.items("i"), facts.from_item("i")
        if kind == "filtered":
            return From(f"(SELECT * FROM {text} WHERE {Predicates(Expressions(pick, inner)).any(1)}) {alias}", plain.items, facts.rows)
        keys = [item for item in inner if item.key and item.kind is not Kind.OTHER]
        if not keys:
            return plain
        if kind == "first":
            if len(keys) < len(inner):
                return plain  # the order must be total
            order = ", ".join(item.sql + pick.choice(["", " DESC"]) for item in keys)
            return From(f"(SELECT * FROM {text} ORDER BY {order} LIMIT {pick.randint(1, 20)}) {alias}", plain.items, 20)
        key = pick.choice(keys)
        name = key.sql.split(".", 1)[1]
        items = [Item(f"{alias}.{name}", key.kind, key.constants, key.key), Item(f"{alias}.k", Kind.INTEGER, ("1", "2"))]
        return From(f"(SELECT {key.sql}, count(*) AS k FROM {text} GROUP BY {key.sql}) {alias}", items, facts.rows)


def _condition(pick: Chance, left: From, mine: Item, theirs: Item, word: str, items: list[Item]) -> str:
    """ON, or USING where both ends have one name that no other column on the left has."""
    name = theirs.sql.partition(".")[2]
    if mine.sql.endswith(f".{name}") and sum(item.sql.endswith(f".{name}") for item in left.items) == 1 and pick.random() < 0.25:
        return f"USING ({name})"
    on = f"{mine.sql} = {theirs.sql}"
    if word == "FULL JOIN":  # PostgreSQL needs mergeable conditions for it
        return f"ON {on}"
    if mine.kind is Kind.TEXT and pick.random() < 0.15:
        on = f"lower({mine.sql}) = lower({theirs.sql})"
    elif mine.kind is Kind.INTEGER and left.rows < SMALL and pick.random() < 0.1:
        on = f"{theirs.sql} BETWEEN least({mine.sql}, 7) AND {mine.sql}"  # nothing that could overflow
    if pick.random() < 0.3:
        on += f" AND ({Predicates(Expressions(pick, items)).any(pick.randint(0, 1))})"
    return f"ON {on}"


def _ends(link: Link) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return [(link.left, link.right), (link.right, link.left)]
