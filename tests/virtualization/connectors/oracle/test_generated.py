"""What Oracle receives, held against statements written by hand, and what it is not asked, each with its reason."""

from __future__ import annotations

import pathlib

import pytest

from tests.services.oracle.dialect import translated
from tests.virtualization.connectors.oracle.generated import generated
from virtualization.connectors.oracle.names import alias, location_parts
from virtualization.connectors.oracle.types import RemoteColumn, column_value, detected
from virtualization.errors import DefinitionError
from virtualization.refusal import RefusedError

GOLDEN = pathlib.Path(__file__).with_name("golden.sql")


def golden() -> list[tuple[str, str]]:
    lines = [line for line in GOLDEN.read_text().splitlines() if line and not line.startswith("--")]
    return list(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(("sql", "expected"), golden(), ids=[sql for sql, _ in golden()])
def test_golden(sql: str, expected: str) -> None:
    assert generated(sql).text == expected
    translated(expected)  # what the stand-in takes for Oracle's SQL


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("o_note = ''", "empty_string"),
        ("o_note <> ''", "empty_string"),
        ("NOT substring(o_note, 2) = 'x'", "empty_string"),
        ("substring(o_note, 2) <> 'x'", "empty_string"),
        ("o_id = (SELECT c_id FROM customer ORDER BY c_name LIMIT 1)", "limit"),
        ("o_note || '' = 'x'", "empty_string"),
        ("length(trim(o_note)) = 0", "empty_string"),
        ("o_char > 'a'", "blank_padded"),
        ("o_char = o_note", "blank_padded"),
        ("o_char LIKE 'a%'", "like_pattern"),
        ("o_lob = 'x'", "lob"),
        ("o_lob IS NULL", "lob"),
        ("o_folded = 'x'", "text_order"),
        ("o_national > 'x'", "text_order"),
        ("upper(o_note) = 'Ä'", "character_classes"),
        ("upper(o_note) > 'A'", "character_classes"),
        ("o_cust * o_cust > 5", "overflow"),
        ("o_id + 9223372036854775807 > 5", "overflow"),
        ("o_total / 3 > 1", "numeric_division"),
        ("o_any * 2 > 1", "scale"),
        ("o_dbl > 0.1", "literal"),
        ("o_dbl + 1 > 2", "type"),
        ("o_id % o_cust = 1", "division_by_zero"),
        ("o_at + INTERVAL '1 day' > '2024-01-01'", "date_range"),
        ("o_at > '1/2/2024'", "literal"),
        ("o_at > 'today'", "literal"),
        ("o_tz > '2024-01-01'", "time_zone"),
        ("extract(hour FROM o_tz) = 1", "time_zone"),
        ("o_note LIKE o_code", "like_pattern"),
        ("o_note SIMILAR TO 'a'", "not_on_list"),
        ("o_id IN (SELECT c.c_id FROM customer c WHERE EXISTS (SELECT 1 FROM customer d WHERE d.c_id = o_cust))", "correlation"),
    ],
)
def test_what_stays_here(what: str, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        generated(f"SELECT o_id FROM orders WHERE {what}")
    assert caught.value.kept.code == code


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT substring(o_note, 2) AS s FROM orders", "empty_string"),
        ("SELECT DISTINCT o_lob FROM orders", "lob"),
        ("SELECT o_id FROM orders ORDER BY o_lob", "lob"),
        ("SELECT o_id FROM orders ORDER BY o_char", "blank_padded"),
        ("SELECT sum(o_dbl) FROM orders", "double_order"),
        ("SELECT sum(o_any) FROM orders", "scale"),
        ("SELECT coalesce(o_total, 0) AS c FROM orders", "scale"),
        ("SELECT o_cust, avg(o_total) AS a FROM orders GROUP BY o_cust ORDER BY a", "numeric_division"),
        ("SELECT row_number() OVER () AS r FROM orders", "window_order"),
        ("SELECT o_id FROM orders EXCEPT ALL SELECT c_id FROM customer", "not_on_list"),
        ("SELECT DISTINCT ON (o_cust) o_id FROM orders", "distinct_on"),
        ("SELECT o_cust, count(DISTINCT (o_id, o_cust)) FROM orders GROUP BY 1", "not_on_list"),
    ],
)
def test_queries_that_stay_here(sql: str, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        generated(sql)
    assert caught.value.kept.code == code


def test_another_character_set() -> None:
    for what in ("o_note > 'a'", "o_note = 'ä'", "upper(o_note) = 'A'"):
        with pytest.raises(RefusedError):
            generated(f"SELECT o_id FROM orders WHERE {what}", utf8=False)
    assert "= 'a'" in generated("SELECT o_id FROM orders WHERE o_note = 'a'", utf8=False).text


def test_long_lists_are_split() -> None:
    text = generated(f"SELECT o_id FROM orders WHERE o_id IN ({', '.join(map(str, range(2500)))})").text
    assert text.count(" IN (") == 3 and text.count(" OR ") == 2
    translated(text)


def test_names() -> None:
    assert alias("a b") == '"a b"'
    assert len(alias("x" * 60).encode()) <= 32 and alias("x" * 60) != alias("x" * 61)
    assert alias('a"b') != alias("a_b") and alias("日本").isascii()
    assert location_parts("shop.orders") == ("SHOP", "ORDERS")
    assert location_parts('"Shop"."Order Lines"') == ("Shop", "Order Lines")
    assert location_parts("orders") == (None, "ORDERS")
    for wrong in ("", "a.b.c", "a..b", '"a', "a b"):
        with pytest.raises(DefinitionError):
            location_parts(wrong)


@pytest.mark.parametrize(
    ("data_type", "precision", "scale", "expected"),
    [
        ("NUMBER", 4, 0, "smallint"), ("NUMBER", 5, 0, "integer"), ("NUMBER", 9, 0, "integer"), ("NUMBER", 18, 0, "bigint"),
        ("NUMBER", 19, 0, "numeric(19,0)"), ("NUMBER", 12, 2, "numeric(12,2)"), ("NUMBER", 5, -2, "integer"),
        ("NUMBER", 2, 5, "numeric(5,5)"), ("NUMBER", None, None, "numeric(38,10)"), ("NUMBER", None, 0, "numeric(38,0)"),
        ("FLOAT", 126, None, "numeric(38,10)"), ("BINARY_FLOAT", None, None, "real"), ("DATE", None, None, "timestamp without time zone"),
        ("TIMESTAMP(9)", None, 9, "timestamp without time zone"),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", None, 6, "timestamp with time zone"),
        ("CLOB", None, None, "text"), ("RAW", None, None, "bytea"), ("XMLTYPE", None, None, None),
        ("INTERVAL DAY(2) TO SECOND(6)", 2, 6, None),
    ],
)  # fmt: skip
def test_detected_types(data_type: str, precision: int | None, scale: int | None, expected: str | None) -> None:
    column = RemoteColumn("C", data_type, 0, precision, scale, True)
    assert detected(column, "numeric(38,10)") == expected
    if expected is not None:
        assert column_value('"t"', expected, column, True).pg == expected


def test_a_declaration_that_can_not_be() -> None:
    column = RemoteColumn("C", "VARCHAR2", 10, None, None, True)
    for declared in ("integer", "date", "text[]", "bytea", "jsonb"):
        with pytest.raises(DefinitionError, match='"C" is VARCHAR2'):
            column_value('"t"', declared, column, True)
