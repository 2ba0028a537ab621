"""Random SELECTs over the tables of ``mixed``: filters, joins, groups, sub-queries, windows and set operations of an analyst."""

from __future__ import annotations

import random
from collections.abc import Iterator

INTEGER, NUMBER, TEXT, DATE, TIME, BOOLEAN = "integer", "numeric", "text", "date", "timestamp", "boolean"
TABLES: dict[str, dict[str, str]] = {
    "customer": {"c_id": INTEGER, "c_name": TEXT, "c_nation": INTEGER, "c_balance": NUMBER, "c_segment": TEXT},
    "orders": {"o_id": INTEGER, "o_customer": INTEGER, "o_total": NUMBER, "o_date": DATE, "o_priority": TEXT},
    "nation": {"n_id": INTEGER, "n_name": TEXT, "n_region": INTEGER},
    "supplier": {"s_id": INTEGER, "s_nation": INTEGER, "s_balance": NUMBER, "s_since": TIME},
    "lineitem": {"l_order": INTEGER, "l_part": INTEGER, "l_supplier": INTEGER, "l_quantity": NUMBER, "l_price": NUMBER,
                 "l_discount": NUMBER, "l_flag": TEXT, "l_shipped": DATE, "l_mode": TEXT},
    "part": {"p_id": INTEGER, "p_name": TEXT, "p_brand": TEXT, "p_size": INTEGER, "p_retail": NUMBER},
    "event": {"e_id": INTEGER, "e_customer": INTEGER, "e_at": TIME, "e_kind": TEXT, "e_ok": BOOLEAN, "e_value": NUMBER},
}  # fmt: skip
JOINS = (
    ("customer", "orders", "c_id = o_customer"), ("customer", "nation", "c_nation = n_id"), ("supplier", "nation", "s_nation = n_id"),
    ("orders", "lineitem", "o_id = l_order"), ("part", "lineitem", "p_id = l_part"), ("supplier", "lineitem", "s_id = l_supplier"),
    ("customer", "event", "c_id = e_customer"), ("orders", "event", "o_customer = e_customer"), ("part", "event", "p_size = e_customer"),
)  # fmt: skip
CONSTANTS = {
    INTEGER: ("3", "7", "25", "'5'", "40::bigint", "12.5"),
    NUMBER: ("100", "2.5", "0.05", "1000::numeric", "'12.25'::numeric(10,2)", "-3"),
    TEXT: ("'AIR'", "'buy'", "'Brand#2'::text", "'1-URGENT'", "''", "'R'"),
    DATE: ("'2024-06-01'", "date '2024-09-15'", "'2024-03-10'::date", "timestamp '2024-06-01 12:00'"),
    TIME: ("'2024-04-01'", "timestamp '2024-04-20 10:00'", "'2021-05-05 01:02:03'"),
    BOOLEAN: ("true", "false"),
}
EXPRESSIONS = {
    INTEGER: ("{0} + 1", "{0} % 7", "{0} / 3", "-{0}", "coalesce({0}, 0)", "{0}::numeric", "{0} * 1.5", "abs({0})", "{0}::text"),
    NUMBER: ("{0} * 2", "{0} + 0.125", "round({0}, 1)", "{0}::integer", "{0} / 4", "{0} * {0}", "floor({0})", "nullif({0}, 2)"),
    TEXT: ("upper({0})", "length({0})", "left({0}, 3)", "{0} || '!'", "coalesce({0}, 'none')", "substring({0} FROM 2 FOR 3)", "md5({0})",
           "replace({0}, 'a', 'b')", "{0} LIKE '%a%'", "strpos({0}, 'r')"),
    DATE: ("extract(month FROM {0})", "{0} + 7", "{0} - date '2024-01-01'", "to_char({0}, 'YYYY-MM')",
           "{0}::timestamp", "{0} + interval '1 month'"),
    TIME: ("{0}::date", "date_trunc('month', {0})", "extract(hour FROM {0})", "date_trunc('day', {0})", "{0} - interval '1 day'"),
    BOOLEAN: ("NOT {0}", "coalesce({0}, false)", "{0} IS TRUE", "CASE WHEN {0} THEN 1 ELSE 0 END"),
}  # fmt: skip
AGGREGATES = {
    INTEGER: ("sum({0})", "avg({0})", "max({0})", "count(DISTINCT {0})", "round(avg({0}), 2)", "sum({0}) / count(*)"),
    NUMBER: ("sum({0})", "avg({0})", "min({0})", "sum({0} * 2)", "round(avg({0}), 3)",
             "sum({0}) / nullif(count({0}), 0)", "sum({0}) FILTER (WHERE {0} > 5)"),
    TEXT: ("max({0})", "min({0})", "count({0})", "count(DISTINCT {0})"),
    DATE: ("max({0})", "min({0})", "count({0})"),
    TIME: ("max({0})", "min({0})"),
    BOOLEAN: ("bool_or({0})", "bool_and({0})", "count({0})"),
}  # fmt: skip


class Statements:
    """One stream of statements: the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._pick = random.Random(seed)

    def statement(self) -> str:
        """One of all the forms."""
        kind = self._pick.choice(["plain", "plain", "grouped", "grouped", "grouped", "top", "set", "window", "derived", "cte", "distinct"])
        return getattr(self, f"_{kind}")()  # type: ignore[no-any-return]

    def _from(self) -> tuple[str, list[tuple[str, str]]]:
        first, second, on = self._pick.choice(JOINS)
        if self._pick.random() < 0.3:
            return first, list(TABLES[first].items())
        tables, text = {first, second}, f"{first} {self._join()} {second} ON {on}"
        if self._pick.random() < 0.5:
            more = [(a, b, c) for a, b, c in JOINS if (a in tables) != (b in tables)]
            a, b, c = self._pick.choice(more)
            new = b if a in tables else a
            tables.add(new)
            text += f" {self._join()} {new} ON {c}"
        return text, [column for table in sorted(tables) for column in TABLES[table].items()]

    def _join(self) -> str:
        return self._pick.choice(["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])

    def _predicate(self, columns: list[tuple[str, str]]) -> str:
        name, of = self._pick.choice(columns)
        kind = self._pick.randrange(8)
        constant = self._pick.choice(CONSTANTS[of])
        if kind == 0:
            return f"{name} IS {self._pick.choice(['', 'NOT '])}NULL"
        if kind == 1:
            return f"{name} {self._pick.choice(['', 'NOT '])}IN ({', '.join(self._pick.sample(CONSTANTS[of], 2))})"
        if kind == 2 and of not in (BOOLEAN, TEXT):
            return f"{name} BETWEEN {constant} AND {self._pick.choice(CONSTANTS[of])}"
        if kind == 3:
            return f"({self._predicate(columns)} OR {self._predicate(columns)})"
        if kind == 4 and of == INTEGER:
            table = self._pick.choice(list(TABLES))
            key = self._pick.choice([c for c, t in TABLES[table].items() if t == INTEGER])
            inner = self._predicate([(f"i.{c}", t) for c, t in TABLES[table].items()])
            return self._pick.choice([f"{name} IN (SELECT i.{key} FROM {table} i WHERE {inner})",
                                      f"EXISTS (SELECT 1 FROM {table} i WHERE i.{key} = {name} AND {inner})"])  # fmt: skip
        if kind == 5 and of == NUMBER:
            return f"{name} > (SELECT avg(l_discount) * 100 FROM lineitem)"
        return f"{name} {self._pick.choice(['=', '<', '>', '<=', '>=', '<>'])} {constant}"

    def _where(self, columns: list[tuple[str, str]]) -> str:
        parts = [self._predicate(columns) for _ in range(self._pick.choice([0, 1, 1, 2]))]
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _items(self, columns: list[tuple[str, str]]) -> list[str]:
        items = []
        for name, of in self._pick.sample(columns, min(3, len(columns))):
            items.append(self._pick.choice(EXPRESSIONS[of]).format(name) if self._pick.random() < 0.4 else name)
        return items

    def _plain(self) -> str:
        text, columns = self._from()
        return f"SELECT {', '.join(self._items(columns))} FROM {text}{self._where(columns)}"

    def _distinct(self) -> str:
        return self._plain().replace("SELECT", "SELECT DISTINCT", 1)

    def _grouped(self) -> str:
        text, columns = self._from()
        keys = self._items(columns)[: self._pick.choice([0, 1, 1, 2])]
        values = [self._pick.choice(AGGREGATES[of]).format(name) for name, of in self._pick.sample(columns, 2)]
        group = f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
        having = f" HAVING {self._pick.choice(['count(*) > 2', values[0] + ' IS NOT NULL'])}" if self._pick.random() < 0.3 else ""
        order = ""
        if keys and self._pick.random() < 0.5:
            direction = self._pick.choice(["", " DESC", " DESC NULLS LAST"])
            order = (
                f" ORDER BY {len(keys) + 2}{direction}, {', '.join(str(n + 1) for n in range(len(keys)))} LIMIT {self._pick.randint(1, 9)}"
            )
        return f"SELECT {', '.join([*keys, 'count(*)', *values])} FROM {text}{self._where(columns)}{group}{having}{order}"

    def _top(self) -> str:
        text, columns = self._from()
        order = ", ".join(
            f"{name}{self._pick.choice(['', ' DESC', ' NULLS FIRST'])}" for name, _ in self._pick.sample(columns, len(columns))
        )
        shown = ", ".join(name for name, _ in columns)
        return f"SELECT {shown} FROM {text}{self._where(columns)} ORDER BY {order} LIMIT {self._pick.randint(0, 12)}"

    def _window(self) -> str:
        text, columns = self._from()
        key, of = self._pick.choice(columns)
        order = ", ".join(name for name, _ in columns)
        call = self._pick.choice([self._pick.choice(AGGREGATES[of][:2]).format(key).replace("DISTINCT ", ""), f"lag({key})", "count(*)"])
        over = f"ORDER BY {order}" if call.startswith("lag") else f"PARTITION BY {self._pick.choice(columns)[0]}"
        if "/" in call or "round" in call or "FILTER" in call:
            call, over = "row_number()", f"ORDER BY {order}"
        return f"SELECT {columns[0][0]}, {call} OVER ({over}) FROM {text}{self._where(columns)}"

    def _set(self) -> str:
        word = self._pick.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
        a, b = self._pick.sample(list(TABLES), 2)
        one = next(c for c, t in TABLES[a].items() if t == INTEGER)
        same = (INTEGER,) if word == "INTERSECT" else (INTEGER, NUMBER)  # of equal values 1 and 1.00 PostgreSQL may give either
        two = self._pick.choice([c for c, t in TABLES[b].items() if t in same])
        both = f"SELECT {one} AS x FROM {a}{self._where(list(TABLES[a].items()))} {word} SELECT {two} FROM {b}"
        return self._pick.choice([both, f"SELECT x, count(*) FROM ({both}) q WHERE x < 20 GROUP BY x", f"{both} ORDER BY 1 LIMIT 7"])

    def _derived(self) -> str:
        text, columns = self._from()
        inner = f"SELECT {columns[0][0]} AS k, count(*) AS n FROM {text}{self._where(columns)} GROUP BY 1"
        table, of = self._pick.choice(list(TABLES.items()))
        key = next(c for c, t in of.items() if t == INTEGER)
        return f"SELECT q.k, q.n, t.{key} FROM ({inner}) q {self._join()} {table} t ON t.{key} = q.n WHERE q.n > 1"

    def _cte(self) -> str:
        return f"WITH w AS ({self._grouped()}) SELECT count(*) FROM w, (SELECT count(*) AS n FROM w) AS other"


def random_statements(seed: int, count: int) -> Iterator[str]:
    """``count`` statements; some are refused by PostgreSQL itself (types that don't fit), which is part of the game."""
    stream = Statements(seed)
    for _ in range(count):
        yield stream.statement()
