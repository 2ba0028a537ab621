"""REJECT_TYPE, REJECT_VALUE, REJECT_SAMPLE_VALUE; the list of rejected rows; where a value is that fails a query."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.virtualization.connectors.conformance import read
from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import detected, fragment, rows, table
from virtualization.catalog import VirtualTable
from virtualization.errors import DataError, DefinitionError

COLUMNS = "id bigint; v numeric(5,2); s text"
BAD = 'id,v,s\n1,1.5,a\n\n2,x,"two\nlines"\n3,1234.5,c\n4,4,d,too many\n5,5\n6,6.125,"f\n"\nseven,7,g\n8,8,h\n'


def rejected(lake: Lake, location: str, of: str, **options: str) -> list[tuple[object, ...]]:
    found = lake.connector.detect(location, {**options, "rejected_of": of})
    made = VirtualTable("public", "t", "src", location, found.columns, dict(found.options))
    return rows(lake, made)


def test_rows_and_their_rejects(lake: Lake) -> None:
    lake.write("/a/x.csv", BAD)
    of = table("/a", COLUMNS, format="csv", reject_value="5")
    assert [(row[0], str(row[1])) for row in rows(lake, of)] == [(1, "1.50"), (6, "6.13"), (8, "8.00")]
    assert rejected(lake, "/a/x.csv", "id bigint, v numeric(5, 2), s text") == [
        ("/a/x.csv", 4, "v", "x", "not a value of type numeric(5,2)"),
        ("/a/x.csv", 6, "v", "1234.5", "not a value of type numeric(5,2)"),
        ("/a/x.csv", 7, None, "Expected Number of Columns: 3 Found: 4: 4,4,d,too many", "the record can't be taken apart"),
        ("/a/x.csv", 8, None, "Expected Number of Columns: 3 Found: 2: 5,5", "the record can't be taken apart"),
        ("/a/x.csv", 11, "id", "seven", "not a value of type bigint"),
    ]


def test_which_columns_are_asked_for_does_not_matter(lake: Lake) -> None:
    lake.write("/a.csv", BAD)
    of = table("/a.csv", COLUMNS, reject_value="5")
    assert rows(lake, of, columns=["s"]) == [("a",), ("f\n",), ("h",)]
    assert rows(lake, of, '"v" > 5', "\"s\" <> 'h'", columns=["id"]) == [(6,)]
    assert read(lake.connector.scan(of, [], []).fragment).num_rows == 3
    assert fragment(lake, of).duckdb_sql() is None


def test_limits_by_rows(lake: Lake) -> None:
    lake.write("/a.csv", BAD)
    for limit in ("4", "2", "0"):
        with pytest.raises(
            DataError, match=r'more than the \d rows of reject_value; the first: column "v" .* in /a\.csv, line 4: not a value: x'
        ):
            rows(lake, table("/a.csv", COLUMNS, reject_type="value", reject_value=limit))


@pytest.mark.parametrize(
    ("value", "sample", "passes"),
    [("30", "10", True), ("30", "4", False), ("49", "4", False), ("50", "4", True), ("24", "100", False), ("26", "100", True)],
)
def test_limits_by_share(lake: Lake, value: str, sample: str, passes: bool) -> None:
    """8 rows, bad are the 3rd and 4th: half of the first 4, a quarter of all."""
    lake.write("/a.csv", "id\n1\n2\nx\ny\n5\n6\n7\n8\n")
    of = table("/a.csv", "id bigint", reject_type="percentage", reject_value=value, reject_sample_value=sample)
    if passes:
        assert len(rows(lake, of)) == 6
    else:
        with pytest.raises(DataError, match="per cent of reject_value"):
            rows(lake, of)


def test_limits_hold_over_all_files(lake: Lake) -> None:
    for number in range(4):
        lake.write(f"/a/{number}.csv", f"id\n{number}\nx\n")
    lake.write("/a/4.csv", "")
    assert len(rows(lake, table("/a", "id bigint", format="csv", reject_value="4"))) == 4
    with pytest.raises(DataError, match="4 of 8 rows were rejected"):
        rows(lake, table("/a", "id bigint", format="csv", reject_value="3"))
    found = rejected(lake, "/a", "id bigint", format="csv")
    assert [row[:2] for row in found] == [(f"/a/{number}.csv", 3) for number in range(4)]


def test_json_lines(lake: Lake) -> None:
    lines = [b'{"id": 1, "v": 1.5}', b"", b"[]", b'{"id": "x", "v": {"k": 1.50}}', b"{", b'{"id": "\xff"}', b'{"id": 2, "v": null}']
    lake.write("/a.json.gz", gzip.compress(b"\n".join(lines)))
    of = table("/a.json.gz", "id bigint; v jsonb", reject_value="4")
    assert rows(lake, of) == [(1, "1.5"), (2, None)]
    found = rejected(lake, "/a.json.gz", "id bigint, v jsonb", format="json")
    assert [row[1:3] for row in found] == [(3, None), (4, "id"), (5, None), (6, None)]
    assert [row[4] for row in found][:2] == ["the line is no JSON object", "not a value of type bigint"]


def test_of_detected_columns(lake: Lake) -> None:
    lake.write("/d.csv", "id,odd name\n" + "1,2024-01-01\n" * 6000 + "x,2024-13-01\n")
    made = detected(lake, "/d.csv", rejected_of="detected")
    assert [c.name for c in made.columns] == ["file", "line", "column", "value", "reason"]
    assert rows(lake, made, columns=["value", "line"]) == [("x", 6002)]


@pytest.mark.parametrize(
    "options",
    [
        {"reject_type": "share"},
        {"reject_value": "-1"},
        {"reject_type": "percentage", "reject_value": "101", "reject_sample_value": "1"},
        {"reject_type": "percentage", "reject_value": "10"},
        {"reject_sample_value": "5"},
        {"reject_value": "1", "format": "parquet"},
    ],
)
def test_bad_options(lake: Lake, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match="reject"):
        rows(lake, table("/a.csv", COLUMNS, **options))


def test_a_failing_query_names_the_line(lake: Lake) -> None:
    lake.write("/a.csv", "\n\nid,v,s\n" + '1,2,"a\nb"\n' * 1000 + "2,x,c\n")
    with pytest.raises(DataError, match=r'column "v" \(numeric\(5,2\)\) in /a\.csv, line 2004: not a value: x'):
        rows(lake, table("/a.csv", COLUMNS, first_row="3"), columns=["v"])
    lake.write("/a.json", '{"id": 1}\n\n{"id": "y"}\n')
    with pytest.raises(DataError, match=r'column "id" \(bigint\) in /a\.json, line 3: not a value: y'):
        rows(lake, table("/a.json", "id bigint"))


_CELLS = st.text(st.sampled_from('ab,"\nx '), max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(st.sampled_from(["1", "2", "x", "1.5"]), _CELLS), max_size=12))
def test_good_and_bad_rows_are_all_rows(lake: Lake, cells: list[tuple[str, str]]) -> None:
    quoted = ['"' + text.replace('"', '""') + '"' for _, text in cells]
    lake.write("/p.csv", "id,s\n" + "".join(f"{number},{text}\n" for (number, _), text in zip(cells, quoted, strict=True)))
    good = rows(lake, table("/p.csv", "id bigint; s text", reject_value="12"))
    bad = rejected(lake, "/p.csv", "id bigint, s text", header="true")
    assert good == [(int(number), text) for number, text in cells if number in "12"]
    lines = [2 + sum(1 + text.count("\n") for _, text in cells[:at]) for at, (number, _) in enumerate(cells) if number not in "12"]
    assert [row[1] for row in bad] == lines


@pytest.mark.parametrize(("header", "lines"), [("true", "id,s\n"), ("false", "")])
def test_lines_after_skipped_ones(lake: Lake, header: str, lines: str) -> None:
    lake.write("/skip.csv", "made by\n\n" + lines + '1,"a\nb"\n2\nx,c\n')
    start = 3 + len(lines.splitlines())
    found = rejected(lake, "/skip.csv", "id bigint, s text", first_row="3", header=header)
    assert [row[1:3] for row in found] == [(start + 2, None), (start + 3, "id")]


def test_columns_named_like_anything(lake: Lake) -> None:
    lake.write("/n.csv", "t1,t0,f\n1,2,x\ny,3,z\n")
    of = table("/n.csv", "t1 bigint; t0 text; f text", reject_value="1")
    assert rows(lake, of, '"t1" = 1') == [(1, "2", "x")]
