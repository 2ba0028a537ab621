"""Texts in a source's own language: which are taken, and rows as JSON."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtualization.errors import SourceError
from virtualization.passthrough import check_reads, json_rows


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("tsql", "SELECT TOP 3 a, [delete] FROM t ORDER BY a -- DELETE"),
        ("tsql", "WITH c AS (SELECT 'DROP' AS a) SELECT * FROM c;"),
        ("", "(SELECT a FROM t)"),
        ("sqlite", "SELECT 'a;b', 1"),
        ("oracle", "SELECT a FROM t WHERE ROWNUM < 3 CONNECT BY PRIOR a = b"),
    ],
)
def test_one_statement_that_reads(dialect: str, text: str) -> None:
    for session_reads_only in (True, False):
        check_reads(text, dialect, "src", session_reads_only=session_reads_only)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("tsql", "SELECT a INTO x FROM t"),
        ("tsql", "SELECT 1 DELETE FROM t"),
        ("tsql", "SELECT * FROM OPENQUERY(other, 'DELETE FROM t')"),
        ("tsql", "SHOW TABLES"),
        ("", "SELECT a FROM t FOR UPDATE"),
        ("", "SELECT 'unclosed"),
    ],
)
def test_what_only_a_session_that_reads_only_takes(dialect: str, text: str) -> None:
    with pytest.raises(SourceError, match=r"src.*one statement that reads"):
        check_reads(text, dialect, "src", session_reads_only=False)


@pytest.mark.parametrize(
    "text", ["", ";", "DELETE FROM t", "SELECT 1; DELETE FROM t", "BEGIN NULL; END;", "WITH x AS (SELECT 1) DELETE FROM t"]
)
def test_what_is_never_taken(text: str) -> None:
    with pytest.raises(SourceError):
        check_reads(text, "sqlite", "src", session_reads_only=True)


@given(st.lists(st.tuples(st.text(), st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), st.booleans()), min_size=1, max_size=20))
def test_rows_are_json(rows: list[tuple[str, int | None, bool]]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text, _, _ in rows]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(texts, pa.string()), pa.array([n for _, n, _ in rows], pa.int64()), pa.array([flag for *_, flag in rows])],
        names=['a "b"', "n", "flag"],
    )
    found = [json.loads(row) for row in json_rows(batch).column(0).to_pylist()]
    assert found == [{'a "b"': text, "n": n, "flag": flag} for text, (_, n, flag) in zip(texts, rows, strict=True)]


def test_values_without_a_form_in_json() -> None:
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([Decimal("1.10"), None]), pa.array([float("nan"), 0.5]), pa.array([b"\0\xff", None]),
            pa.array([datetime.date(2024, 2, 29), None]),
        ],
        names=["d", "x", "b", "day"],
    )  # fmt: skip
    assert json_rows(batch).column(0).to_pylist() == [
        '{"d":1.10,"x":"nan","b":"\\\\x00ff","day":"2024-02-29"}',
        '{"d":null,"x":0.5,"b":null,"day":null}',
    ]
