"""JSON lines: each value as ``->>`` gives it, to the last digit, read as PostgreSQL reads its input."""

from __future__ import annotations

import datetime
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import detected, rows, table
from virtualization.errors import DataError


def test_values_to_the_last_digit(lake: Lake) -> None:
    lake.write(
        "/a.json",
        '{"n": 0.10000000000000000001, "s": 1.50, "j": {"k": [2.50, 1e400, "1.0"]}, "b": true, "d": "2024-02-29"}\n'
        "\n"
        '{"s": "q\\"u\\u00e9 1.0", "n": "12.5", "j": "x", "extra": 1}\n'
        '{"s": {"deep": 1.10}, "n": null, "j": 12345678901234567890123}\n',
    )
    of = table("/a.json", "n numeric; s text; j jsonb; b boolean; d date; gone text")
    assert rows(lake, of) == [
        ("0.10000000000000000001", "1.50", '{"k":[2.50,1e400,"1.0"]}', True, datetime.date(2024, 2, 29), None),
        ("12.5", 'q"ué 1.0', '"x"', None, None, None),
        (None, '{"deep":1.10}', "12345678901234567890123", None, None, None),
    ]
    assert rows(lake, table("/a.json", "n numeric(5,2)"))[0] == (Decimal("0.10"),)


@pytest.mark.parametrize("bad", ["[1]", "{", "1", '{"n": 1} x', '"x"'])
def test_line_that_is_no_object(lake: Lake, bad: str) -> None:
    lake.write("/bad.json", f'{{"n": 1}}\n{bad}\n')
    with pytest.raises(DataError, match=r"/bad\.json"):
        rows(lake, table("/bad.json", "n bigint"))


def test_keys_of_any_name_and_packed_files(lake: Lake) -> None:
    lake.write("/x/a.json.gz", gzip.compress(b'{"a/b~c": 1, "Ka\\"": "x"}\n'))
    of = table("/x", "a/b~c bigint", format="json")
    assert rows(lake, of) == [(1,)]
    assert rows(lake, detected(lake, "/x/a.json.gz")) == [(1, "x")]


def test_detection(lake: Lake) -> None:
    lake.write(
        "/d.jsonl", '{"i": 1, "f": 1, "w": "2024-01-01 10:00", "o": {"x": 1}, "m": 1, "t": "007"}\n{"f": 1.5, "m": "a", "ok": false}\n'
    )
    found = detected(lake, "/d.jsonl")
    assert {c.name: c.type for c in found.columns} == {
        "i": "bigint", "f": "double precision", "w": "timestamp without time zone", "o": "jsonb", "m": "text", "t": "text", "ok": "boolean",
    }  # fmt: skip
    assert rows(lake, found)[1] == (None, 1.5, None, None, "a", None, False)


_NUMBERS = st.one_of(st.integers(-(10**25), 10**25), st.decimals(allow_nan=False, allow_infinity=False, places=12))
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(_NUMBERS, _TEXTS), min_size=1, max_size=8))
def test_what_was_written_is_read(lake: Lake, values: list[tuple[Any, str]]) -> None:
    lake.write("/p.json", "".join(f'{{"t": {json.dumps(text)}, "n": {number}, "u": {json.dumps(text)}}}\n' for number, text in values))
    assert rows(lake, table("/p.json", "t text; n text; u text")) == [(text, str(number), text) for number, text in values]
