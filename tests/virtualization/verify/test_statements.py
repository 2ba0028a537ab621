"""The generator by itself: repeatable, and within what our parser reads."""

from __future__ import annotations

from virtualization.parse import parse
from virtualization.verify.statements import Statements
from virtualization.verify.tables import TableColumn, TableFacts, links

VALUES = frozenset({"1", "2"})
TABLES = [
    TableFacts(
        '"Orders"',
        (
            TableColumn("id", "integer", ("1", "(-5)"), VALUES),
            TableColumn("order", "numeric(12,2)", ("'1.50'::numeric",), VALUES),
            TableColumn("note", "text", ("'a%b'", "''"), frozenset({"a"})),
            TableColumn("at", "timestamp without time zone"),
            TableColumn("doc", "jsonb"),
        ),
        50,
    ),
    TableFacts('"big"', (TableColumn("id", "bigint", ("7",), VALUES), TableColumn("ok", "boolean")), 10, '"id" < 100'),
    TableFacts('"words"', (TableColumn("note", "character(3)", ("'a'",), frozenset({"a"})), TableColumn("day", "date")), 0),
]


def test_a_number_of_a_seed_is_one_statement() -> None:
    one, two = Statements(TABLES, 7), Statements(TABLES, 7)
    assert [one.statement(number) for number in range(50)] == [two.statement(number) for number in reversed(range(50))][::-1]
    assert one.statement(3) != Statements(TABLES, 8).statement(3)


def test_all_forms_come_up_and_are_read() -> None:
    made = [Statements(TABLES, 1).statement(number) for number in range(600)]
    for sql in made:
        parse(sql)
    everything = "\n".join(made)
    words = """USING (, BETWEEN, lower(, UNION ALL SELECT, WHERE q.r, CASE, LEFT JOIN,
        FULL JOIN, UNION ALL, EXCEPT, INTERSECT, OVER (, FILTER (, HAVING, ROLLUP, GROUPING SETS, WITH w, NOT IN (SELECT,
        EXISTS (, LIMIT, OFFSET, LIKE, ESCAPE, CASE WHEN, DISTINCT ON, NULLS FIRST, ::numeric"""
    for word in words.split(","):
        assert word.strip() in everything, word


def test_a_large_table_is_read_in_part_everywhere() -> None:
    for number in range(300):
        sql = Statements(TABLES, 2).statement(number)
        assert sql.count('"big"') == sql.count('(SELECT * FROM "big" WHERE "id" < 100)'), sql


def test_tables_are_joined_on_values_in_common() -> None:
    found = {(link.left, link.right) for link in links(TABLES)}
    assert ((0, 0), (1, 0)) in found
    assert ((0, 2), (2, 0)) in found
    assert all(one != (2, 1) for one, _ in found), "there is no other date"
