"""DataFrame columns to table columns."""

from __future__ import annotations

import pytest

from pyspark_bdc.errors import OptionError
from pyspark_bdc.targets import Field, created_columns, created_type, matched


@pytest.mark.parametrize(
    ("spark", "postgresql"),
    [
        ("tinyint", "smallint"),
        ("int", "integer"),
        ("bigint", "bigint"),
        ("float", "real"),
        ("decimal(38,18)", "numeric(38,18)"),
        ("varchar(7)", "character varying(7)"),
        ("char(3)", "character(3)"),
        ("timestamp", "timestamp with time zone"),
        ("timestamp_ntz", "timestamp without time zone"),
        ("array<decimal(10,2)>", "numeric(10,2)[]"),
    ],
)
def test_types_of_a_new_table(spark: str, postgresql: str) -> None:
    assert created_type(Field("a", spark)) == postgresql


@pytest.mark.parametrize("spark", ["map<string,int>", "struct<a:int>", "array<array<int>>", "interval day to second", "variant"])
def test_a_type_without_a_counterpart_is_refused_with_its_column(spark: str) -> None:
    with pytest.raises(OptionError, match=r"'what'.*to_json"):
        created_type(Field("what", spark))


def test_only_key_columns_are_made_not_null() -> None:
    made = created_columns([Field("id", "bigint", nullable=True), Field("n", "int", nullable=False)], frozenset({"id"}))
    assert [column["nullable"] for column in made] == [False, True]


def test_names_match_exactly_first_then_without_case() -> None:
    columns = [("Id", "bigint"), ("id", "bigint"), ("name", "text")]
    assert matched([Field("id", "bigint"), Field("NAME", "string")], columns, checked=True) == ["id", "name"]


def test_ambiguous_and_unknown_names_are_refused() -> None:
    with pytest.raises(OptionError, match="no column 'ID'"):
        matched([Field("ID", "bigint")], [("Id", "bigint"), ("id", "bigint")], checked=True)
    with pytest.raises(OptionError, match=r"no column 'x'.*it has a"):
        matched([Field("x", "int")], [("a", "integer")], checked=True)
    with pytest.raises(OptionError, match="more than one column for 'a'"):
        matched([Field("a", "int"), Field("A", "int")], [("a", "integer")], checked=True)


@pytest.mark.parametrize(
    ("spark", "target"),
    [
        ("bigint", "integer"),
        ("string", "uuid"),
        ("string", "jsonb"),
        ("string", "interval day to second"),
        ("string", "integer[]"),
        ("array<int>", "integer[]"),
        ("decimal(10,2)", "numeric(38,18)"),
    ],
)
def test_types_that_may_fit_are_left_to_the_values(spark: str, target: str) -> None:
    assert matched([Field("a", spark)], [("a", target)], checked=True) == ["a"]


@pytest.mark.parametrize(
    ("spark", "target"), [("string", "integer"), ("double", "bigint"), ("date", "text"), ("timestamp", "date"), ("int", "boolean")]
)
def test_types_that_never_fit_are_refused_with_both(spark: str, target: str) -> None:
    with pytest.raises(OptionError, match=f"'a': the DataFrame has {spark}, the table {target}"):
        matched([Field("a", spark)], [("a", target)], checked=True)
    assert matched([Field("a", spark)], [("a", target)], checked=False) == ["a"]
