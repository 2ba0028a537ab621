"""Printing: widths, dangerous signs, statements, old spellings."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azdata_like_cli import sqlrows
from azdata_like_cli.answers import SqlRows
from azdata_like_cli.groups.monitor import new_lines
from azdata_like_cli.groups.table import columns_of
from azdata_like_cli.spellings import modern
from azdata_like_cli.statements import count, split
from azdata_like_cli.tables import write_table
from azdata_like_cli.text import harmless, pad, width
from bdc.errors import UserError


@given(st.text())
def test_nothing_dangerous_is_left(text: str) -> None:
    shown = harmless(text)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u202e\u2066\u200f" for sign in shown)


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👍", 2), ("", 0), ("ｆ", 2), ("👩\u200d🔬", 4)])
def test_widths(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(pad(text, 10)) == 10


@given(st.lists(st.lists(st.one_of(st.none(), st.text()), min_size=2, max_size=2)))
def test_a_table_has_one_line_per_row(rows: list[list[str | None]]) -> None:
    to = io.StringIO()
    assert write_table(["a", "b"], [False, True], rows, to) == len(rows)
    assert to.getvalue().count("\n") == len(rows) + 2


@given(st.lists(st.tuples(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False)))))
def test_json_gives_back_what_came(rows: list[tuple[str | None, object]]) -> None:
    import decimal

    to = io.StringIO()
    cells = [(text, None if number is None else f"{number:f}") for text, number in rows]
    sqlrows.write_rows(SqlRows(names=["t", "n"], kinds=["text", "number"], rows=cells), "json", to)
    found = json.loads(to.getvalue(), parse_float=decimal.Decimal, parse_int=decimal.Decimal)
    assert [(row["t"], row["n"]) for row in found] == [(text, None if n is None else decimal.Decimal(n)) for text, n in cells]


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"], ""),
        ("SELECT ';' ; x", ["SELECT ';'"], " x"),
        ("SELECT 'it''s;'; ", ["SELECT 'it''s;'"], " "),
        (r"SELECT E'\';'; ", [r"SELECT E'\';'"], " "),
        ('SELECT "a;""b";', ['SELECT "a;""b"'], ""),
        ("SELECT $a$ ; $$ ; $a$;", ["SELECT $a$ ; $$ ; $a$"], ""),
        ("-- ;\nSELECT 1;", ["-- ;\nSELECT 1"], ""),
        ("/* ; /* ; */ ; */ SELECT 1;", ["/* ; /* ; */ ; */ SELECT 1"], ""),
        ("SELECT '; ", [], "SELECT '; "),
        ("SELECT $$ ; ", [], "SELECT $$ ; "),
        ("/* ;", [], "/* ;"),
        ("SELECT $1;", ["SELECT $1"], ""),
        (";;", [], ""),
        ("SELECT '';", ["SELECT ''"], ""),
        ("SELECT 'a;", [], "SELECT 'a;"),
    ],
)
def test_where_statements_end(text: str, statements: list[str], rest: str) -> None:
    assert split(text) == (statements, rest)


@given(st.text(alphabet="ab';\"$-/*\\ \nE"))
def test_nothing_is_lost_between_statements(text: str) -> None:
    statements, rest = split(text)
    assert sum(map(len, statements)) + len(rest) <= len(text)
    assert text.endswith(rest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bdc status show", "status"),
        ("bdc sql status show --resource master --all", "status --service sql --resource master --all"),
        ("bdc control status show", "status --service control"),
        ("bdc hdfs status show", "status --service hdfs"),
        ("hdfs status", "hdfs status"),
        ("bdc hdfs rmr --path /x", "hdfs rm --recursive --path /x"),
        ("bdc config replace -p custom -j $.a.b=1,c=2", "config set -p custom --set a.b=1 --set c=2"),
        ("bdc endpoint list -e controller", "endpoint list -e controller"),
        ("sql query -q bdc", "sql query -q bdc"),
        ("", ""),
        ("bdc", ""),
    ],
)
def test_old_spellings(old: str, new: str) -> None:
    assert modern(old.split()) == new.split()


@given(st.lists(st.text()))
def test_any_words_are_taken(words: list[str]) -> None:
    modern(words)


def test_columns_of_a_table() -> None:
    assert columns_of(("price numeric(10, 2) NOT NULL", '"odd ""name" text')) == [
        {"name": "price", "type": "numeric(10, 2)", "nullable": False, "remote": "price"},
        {"name": 'odd "name', "type": "text", "nullable": True, "remote": 'odd "name'},
    ]
    assert columns_of(()) is None
    with pytest.raises(UserError):
        columns_of(("price",))


@pytest.mark.parametrize(
    ("seen", "latest", "new"),
    [
        (["a", "b"], ["a", "b", "c"], ["c"]),
        (["a", "b"], ["b", "c"], ["c"]),
        (["a"], ["a"], []),
        ([], ["a"], ["a"]),
        (["a", "b"], ["x", "y"], ["x", "y"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a"], [], []),
    ],
)
def test_what_a_log_added(seen: list[str], latest: list[str], new: list[str]) -> None:
    assert new_lines(seen, latest) == new


@pytest.mark.parametrize(
    ("text", "found"),
    [("SELECT 1", 1), ("SELECT 1;\n-- done\n", 1), ("SELECT 1; SELECT ';'", 2), ("/* none */ ;", 0), ("SELECT '--'; SELECT 2;", 2)],
)
def test_comments_are_no_statements(text: str, found: int) -> None:
    assert count(text) == found
