"""Random SELECT statements over given tables. Number *n* of a seed is always the same statement (over the same rows): no other number
has to be made before it.

Each statement has one answer that SQL promises, but for the choice among ties of an outer ORDER BY … LIMIT (``promise`` knows of it):
windows that count rows are ordered by all columns, sub-queries with a limit too, and what is grouped by looks the same where it is equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from virtualization.verify.calls import AGGREGATES, DIRECTIONS, FRAMES, NOT_OVER, NUMBERED, RANKED
from virtualization.verify.chance import Chance
from virtualization.verify.expressions import Expressions
from virtualization.verify.joins import From, Joins
from virtualization.verify.kinds import Kind
from virtualization.verify.predicates import Predicates
from virtualization.verify.tables import Item, TableFacts

SOURCES = (1, 1, 1, 1, 2, 2, 2, 3, 3)
"""Over how many sources one statement is."""
FAMILY = 4
"""So many statements in a row may be one shape with other constants: the planner keeps what it learnt of a shape."""
FAMILIES = 0.1


class Statements:
    """All statements of one seed."""

    def __init__(self, tables: Sequence[TableFacts], seed: int) -> None:
        self._tables = tables
        self._sources = sorted({table.source for table in tables})
        self._joins: dict[frozenset[str], Joins] = {}
        self._seed = seed

    def __iter__(self) -> Iterator[str]:
        """Without end, from number 0 on."""
        return (self.statement(number) for number in itertools.count())

    def statement(self, number: int) -> str:
        """Number ``number``."""
        shape = number
        first = number - number % FAMILY
        if Chance(f"{self._seed}/{first}/family", "").random() < FAMILIES:
            shape = first
        pick = Chance(f"{self._seed}/{shape}", f"{self._seed}/{number}/constants")
        return _One(self._over(pick), pick).statement()

    def _over(self, pick: Chance) -> Joins:
        """Tables of one to three sources."""
        sources = frozenset(pick.sample(self._sources, min(pick.choice(SOURCES), len(self._sources))))
        if sources not in self._joins:
            self._joins[sources] = Joins([table for table in self._tables if table.source in sources])
        return self._joins[sources]


class _One:
    """The making of one statement."""

    def __init__(self, joins: Joins, pick: Chance) -> None:
        self._joins = joins
        self._pick = pick
        self._aliases = itertools.count(1)

    def statement(self) -> str:
        forms: list[tuple[int, Callable[[], str]]] = [
            (4, self._plain), (1, self._distinct), (1, self._distinct_on), (2, self._top), (2, self._window), (1, self._ranked),
            (5, self._grouped), (2, self._cubed), (2, self._set), (2, self._united), (2, self._derived), (2, self._cte), (1, self._scalar),
            (1, self._lateral), (1, self._listed),
        ]  # fmt: skip
        return self._pick.choices([form for _, form in forms], [weight for weight, _ in forms])[0]()

    def _inner(self) -> tuple[str, list[Item]]:
        return self._joins.inner(self._pick, f"s{next(self._aliases)}")

    def _where(self, items: Sequence[Item], word: str = "WHERE") -> str:
        count = self._pick.choice([0, 1, 1, 1, 2])
        predicates = Predicates(Expressions(self._pick, items), self._inner)
        parts = [predicates.any() for _ in range(count)]
        return f" {word} {' AND '.join(f'({part})' if len(parts) > 1 else part for part in parts)}" if parts else ""

    def _clause(self, most: int = 4) -> tuple[From, Expressions, str]:
        made = self._joins.clause(self._pick, most)
        return made, Expressions(self._pick, made.items), self._where(made.items)

    def _plain(self) -> str:
        made, of, where = self._clause()
        if self._pick.random() < 0.1:
            return f"SELECT * FROM {made.text}{where}"
        return f"SELECT {', '.join(of.any()[0] for _ in range(self._pick.randint(1, 4)))} FROM {made.text}{where}"

    def _distinct(self) -> str:
        made, of, where = self._clause(3)
        keys = [sql for sql, _ in of.keys(self._pick.randint(1, 3))]
        order = self._ordered(len(keys)) if self._pick.random() < 0.3 else ""
        return f"SELECT DISTINCT {', '.join(keys)} FROM {made.text}{where}{order}"

    def _distinct_on(self) -> str:
        made, of, where = self._clause(2)
        keys = [sql for sql, _ in of.keys(self._pick.randint(1, 2))]
        order = _all_columns(made.items)
        if order is None:
            return self._distinct()
        shown = ", ".join(item.sql for item in self._pick.sample(made.items, min(3, len(made.items))))
        return f"SELECT DISTINCT ON ({', '.join(keys)}) {shown} FROM {made.text}{where} ORDER BY {', '.join(keys)}, {order}"

    def _top(self) -> str:
        made, of, where = self._clause(3)
        keys = [sql for sql, _ in of.keys(self._pick.randint(1, 2))]
        others = [of.any(1)[0] for _ in range(self._pick.randint(0, 2))]
        return f"SELECT {', '.join(keys + others)} FROM {made.text}{where}{self._ordered(len(keys))}"

    def _ordered(self, keys: int) -> str:
        return self._ordered_by(range(1, keys + 1))

    def _ordered_by(self, numbers: Sequence[int]) -> str:
        """Some of the columns with these numbers, from the first on."""
        order = ", ".join(f"{number}{self._pick.choice(DIRECTIONS)}" for number in numbers[: self._pick.randint(1, len(numbers))])
        offset = f" OFFSET {self._pick.randint(0, 5)}" if self._pick.random() < 0.3 else ""
        return f" ORDER BY {order}" + (f" LIMIT {self._pick.choice([0, 1, 3, 5, 10, 40])}{offset}" if self._pick.random() < 0.85 else "")

    def _aggregates(self, of: Expressions, count: int) -> list[str]:
        found = []
        for _ in range(count):
            item = self._pick.choice(of.scope)
            text = self._pick.choice(AGGREGATES[item.kind if item.key or item.kind is not Kind.TEXT else Kind.OTHER])
            inner = item.sql if self._pick.random() < 0.8 or item.kind in (Kind.OTHER, Kind.FLOAT) else of.of(item.kind, 1)
            made = text.format(inner)
            if self._pick.random() < 0.2 and text.count("(") == 1 and text.endswith(")"):
                made += f" FILTER (WHERE {Predicates(of).any(0)})"  # whose constants may hold braces
            found.append(made)
        return found

    def _grouped(self) -> str:
        made, of, where = self._clause()
        keys = of.keys(self._pick.choice([0, 1, 1, 1, 2, 2, 3]))
        values = self._aggregates(of, self._pick.randint(1, 3))
        return self._with_groups([sql for sql, _ in keys], values, f"{made.text}{where}", of)

    def _with_groups(self, keys: list[str], values: list[str], text: str, of: Expressions) -> str:
        numbers = ", ".join(str(n + 1) for n in range(len(keys)))
        group = f" GROUP BY {numbers if self._pick.random() < 0.6 else ', '.join(keys)}" if keys else ""
        if any(key.startswith(("NULL", "'")) or key.replace(".", "").isdigit() for key in keys):
            group = f" GROUP BY {numbers}"
        having = ""
        if self._pick.random() < 0.35:
            options = [
                "count(*) > 1",
                f"{values[0]} IS NOT NULL",
                f"count(*) < {self._pick.randint(1, 9)}",
                f"{self._aggregates(of, 1)[0]} IS NULL",
            ]
            having = f" HAVING {self._pick.choice(options)}"
        order = ""
        if keys and self._pick.random() < 0.45:  # by the keys, or the groups with most rows first
            order = self._ordered(len(keys)) if self._pick.random() < 0.5 else self._ordered_by([len(keys) + 1, *range(1, len(keys) + 1)])
        return f"SELECT {', '.join([*keys, 'count(*)', *values])} FROM {text}{group}{having}{order}"

    def _cubed(self) -> str:
        made, of, where = self._clause(2)
        columns = sorted({item.sql for item in self._pick.choices(made.items, k=2) if item.key and item.kind is not Kind.OTHER})
        if not columns:
            return self._grouped()
        sets = f"GROUPING SETS (({', '.join(columns)}), ({columns[0]}), ())"
        group = self._pick.choice([f"ROLLUP ({', '.join(columns)})", f"CUBE ({', '.join(columns)})", sets])
        shown = [*columns, f"grouping({columns[0]})", *self._aggregates(of, 1)]
        having = f" HAVING grouping({columns[0]}) = {self._pick.choice([0, 1])}" if self._pick.random() < 0.2 else ""
        return f"SELECT {', '.join(shown)} FROM {made.text}{where} GROUP BY {group}{having}"

    def _lateral(self) -> str:
        """A sub-query in FROM that looks at what stands left of it."""
        made, of, where = self._clause(2)
        text, items = self._inner()
        pairs = [(a, b) for a in made.items for b in items if a.kind is b.kind and a.kind in (Kind.INTEGER, Kind.TEXT, Kind.DATE)]
        if not pairs or made.rows > 1000:
            return self._scalar()
        one, two = self._pick.choice(pairs)
        value = self._pick.choice([item for item in items if item.kind is not Kind.OTHER] or items)
        inner = f"SELECT count({value.sql}) AS k FROM {text} WHERE {two.sql} = {one.sql}"
        joined = self._pick.choice([f", LATERAL ({inner}) l", f" LEFT JOIN LATERAL ({inner}) l ON l.k > 0"])
        if joined.startswith(","):
            return (
                f"SELECT {of.any(1)[0]}, l.k FROM ({made.text}){joined}{where}"
                if " JOIN " in made.text
                else (f"SELECT {of.any(1)[0]}, l.k FROM {made.text}{joined}{where}")
            )
        return f"SELECT {of.any(1)[0]}, l.k FROM {made.text}{joined}{where}"

    def _listed(self) -> str:
        """Joined with VALUES."""
        made, of, where = self._clause(2)
        item = self._pick.choice([item for item in made.items if item.kind in (Kind.INTEGER, Kind.TEXT)] or made.items[:1])
        if item.kind not in (Kind.INTEGER, Kind.TEXT) or made.rows > 5000:
            return self._plain()
        rows = ", ".join(f"({of.constant(item.kind, item)}, {number})" for number in range(self._pick.randint(1, 4)))
        word = self._pick.choice(["JOIN", "LEFT JOIN"])
        return f"SELECT {of.any(1)[0]}, v.y FROM {made.text} {word} (VALUES {rows}) v(x, y) ON v.x = {item.sql}{where}"

    def _window(self) -> str:
        made, _, where = self._clause(2)
        items = [item for item in made.items if item.key and item.kind is not Kind.OTHER]
        total = _all_columns(made.items)
        if not items:
            return self._plain()
        item, part = self._pick.choice(items), self._pick.choice(items)
        partition = f"PARTITION BY {part.sql}" if self._pick.random() < 0.7 else ""
        if total is not None and self._pick.random() < 0.5:
            call, over = self._pick.choice(NUMBERED), f"{partition} ORDER BY {total}"
            if call.startswith(("last", "first", "nth", "count", "max")) and self._pick.random() < 0.5:
                over += f" {self._pick.choice(FRAMES)}"
        elif self._pick.random() < 0.5:
            call, over = self._pick.choice(RANKED), f"{partition} ORDER BY {item.sql}{self._pick.choice(DIRECTIONS)}"
        else:
            call, over = (
                self._pick.choice([c for c in AGGREGATES[item.kind] if c.endswith(")") and c.count("(") == 1 and not NOT_OVER.search(c)]),
                partition,
            )
        shown = ", ".join(one.sql for one in self._pick.sample(made.items, min(2, len(made.items))))
        return f"SELECT {shown}, {call.format(item.sql)} OVER ({over.strip()}) FROM {made.text}{where}"

    def _branch(self, kinds: Sequence[Kind]) -> str:
        made, _, where = self._clause(2)
        of = Expressions(self._pick, [item for item in made.items if not item.padded])
        return f"SELECT {', '.join(of.key(kind) for kind in kinds)} FROM {made.text}{where}"

    def _set(self) -> str:
        kinds = [self._pick.choice([Kind.INTEGER, Kind.INTEGER, Kind.TEXT, Kind.DATE]) for _ in range(self._pick.randint(1, 2))]
        parts = [self._branch(kinds) for _ in range(self._pick.choice([2, 2, 3]))]
        words = [self._pick.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"]) for _ in parts[1:]]
        text = parts[0] + "".join(f" {word} {part}" for word, part in zip(words, parts[1:], strict=True))
        return text + (self._ordered(len(kinds)) if self._pick.random() < 0.4 else "")

    def _united(self) -> str:
        """What is asked of several tables together: UNION ALL (or UNION) below groups, an order or another condition."""
        kinds = [self._pick.choice([Kind.INTEGER, Kind.TEXT, Kind.DATE, Kind.BOOLEAN]) for _ in range(self._pick.randint(1, 2))]
        kinds.append(self._pick.choice([Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT, Kind.TIMESTAMP]))
        branches, rows = [], 0.0
        for number in range(self._pick.choice([2, 2, 3])):
            made, _, where = self._clause(2)
            rows += made.rows
            of = Expressions(self._pick, [item for item in made.items if not item.padded])
            shown = [f"{of.of(kind, 1)} AS c{at}" if number == 0 else of.of(kind, 1) for at, kind in enumerate(kinds, 1)]
            branches.append(f"SELECT {', '.join(shown)} FROM {made.text}{where}")
        # equal numerics of several branches may have different scales: they are summed up, not grouped by
        items = [Item(f"q.c{at}", kind, (), kind is not Kind.NUMERIC) for at, kind in enumerate(kinds, 1)]
        text = self._pick.choice([" UNION ALL ", " UNION ALL ", " UNION ALL ", " UNION "]).join(branches)
        if " UNION ALL " not in text:
            text = text if Kind.NUMERIC not in kinds and Kind.FLOAT not in kinds else text.replace(" UNION ", " UNION ALL ")
        return self._above(items, f"({text}) q")

    def _ranked(self) -> str:
        """The first rows of each group."""
        made, _, where = self._clause(2)
        total = _all_columns(made.items)
        keys = [item for item in made.items if item.key and item.kind is not Kind.OTHER]
        if total is None:
            return self._window()
        part, call = self._pick.choice(keys), self._pick.choice(["row_number()", "rank()", "dense_rank()"])
        shown = ", ".join(f"{item.sql} AS c{at}" for at, item in enumerate(self._pick.sample(made.items, min(3, len(made.items))), 1))
        order = f"{self._pick.choice(keys).sql}{self._pick.choice(DIRECTIONS)}, {total}"
        inner = f"SELECT {shown}, {call} OVER (PARTITION BY {part.sql} ORDER BY {order}) AS r FROM {made.text}{where}"
        return f"SELECT * FROM ({inner}) q WHERE q.r {self._pick.choice(['= 1', '<= 2', '> 1', 'BETWEEN 2 AND 3'])}"

    def _table(self, alias: str) -> From:
        """A derived table: filtered, grouped or distinct; its columns are c1, c2 …"""
        made, of, where = self._clause(3)
        keys = of.keys(self._pick.randint(1, 2))
        names = [f"{sql} AS c{number + 1}" for number, (sql, _) in enumerate(keys)]
        items = [Item(f"{alias}.c{number + 1}", kind) for number, (_, kind) in enumerate(keys)]
        form = self._pick.choice(["plain", "grouped", "distinct"])
        if form == "grouped":
            names.append("count(*) AS k")
            items.append(Item(f"{alias}.k", Kind.INTEGER, ("1", "2", "3")))
            where += f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}"
        word = "DISTINCT " if form == "distinct" else ""
        return From(f"SELECT {word}{', '.join(names)} FROM {made.text}{where}", items, made.rows)

    def _above(self, items: list[Item], text: str) -> str:
        of = Expressions(self._pick, items)
        where = self._where(items)
        keys = [sql for sql, _ in of.keys(1)]
        form = self._pick.choice(["plain", "grouped", "top", "count", "cut"])
        if form == "cut":  # how many rows are left is certain, which ones is not
            cut = f"LIMIT {self._pick.randint(0, 40)} OFFSET {self._pick.randint(0, 9)}"
            return f"SELECT count(*) FROM (SELECT 1 AS one FROM {text}{where} {cut}) z"
        if form == "plain":
            return f"SELECT {', '.join(of.any()[0] for _ in range(2))} FROM {text}{where}"
        if form == "top":
            return f"SELECT {', '.join([*keys, of.any(1)[0]])} FROM {text}{where}{self._ordered(1)}"
        return self._with_groups(keys if form == "grouped" else [], self._aggregates(of, 2), f"{text}{where}", of)

    def _derived(self) -> str:
        made = self._table("q")
        if self._pick.random() < 0.5:
            return self._above(made.items, f"({made.text}) q")
        text, items = self._joins.inner(self._pick, "t")
        pairs = [(a, b) for a in made.items for b in items if a.kind is b.kind and a.kind not in (Kind.FLOAT, Kind.OTHER, Kind.BOOLEAN)]
        if not pairs or made.rows > 5000:
            return self._above(made.items, f"({made.text}) q")
        one, two = self._pick.choice(pairs)
        return self._above(
            made.items + items, f"({made.text}) q {self._pick.choice(['JOIN', 'LEFT JOIN'])} {text} ON {one.sql} = {two.sql}"
        )

    def _cte(self) -> str:
        made = self._table("w")
        if self._pick.random() < 0.5 or made.rows > 1000:
            return f"WITH w AS ({made.text}) {self._above(made.items, 'w')}"
        other = [Item(item.sql.replace("w.", "v.", 1), item.kind, item.constants) for item in made.items]
        one = self._pick.randrange(len(other))
        on = f"{made.items[one].sql} = {other[one].sql}"
        return f"WITH w AS ({made.text}) {self._above(made.items + other, f'w JOIN w v ON {on}')}"

    def _scalar(self) -> str:
        made, of, where = self._clause(2)
        text, items = self._inner()
        pairs = [(a, b) for a in made.items for b in items if a.kind is b.kind and a.kind in (Kind.INTEGER, Kind.TEXT, Kind.DATE)]
        value = self._pick.choice([item for item in items if item.kind is not Kind.OTHER] or items)
        call = (
            "count(*)"
            if value.kind in (Kind.OTHER, Kind.BOOLEAN) or not value.key
            else self._pick.choice(["max({0})", "count({0})", "min({0})"]).format(value.sql)
        )
        if not pairs or made.rows > 3000:
            return f"SELECT {of.any()[0]}, (SELECT {call} FROM {text}{self._where(items)}) FROM {made.text}{where}"
        one, two = self._pick.choice(pairs)
        return f"SELECT {of.any()[0]}, (SELECT {call} FROM {text} WHERE {two.sql} = {one.sql}) FROM {made.text}{where}"


def _all_columns(items: Sequence[Item]) -> str | None:
    """ORDER BY all columns: rows that tie are the same row. None where a column has no certain order."""
    if not all(item.key and item.kind is not Kind.OTHER for item in items):
        return None
    return ", ".join(item.sql for item in items)
