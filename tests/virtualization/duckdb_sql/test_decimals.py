"""Arithmetic with decimals: exact at the edges of DuckDB's widths, and summed without widening each value."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest
from sqlglot import parse_one

from virtualization.duckdb_sql import small_decimals
from virtualization.duckdb_sql.kinds import kind_of_text
from virtualization.duckdb_sql.statements import Translated, placeholder, translate_kinds


def answer(expression: str, types: tuple[str, str], a: str, b: str) -> tuple[str, object]:
    """The statement, and what DuckDB says for one row (a, b) of these types."""
    columns = [[("a", kind_of_text(types[0])), ("b", kind_of_text(types[1]))]]
    made = translate_kinds(parse_one(f'SELECT {expression} FROM "__f0"', dialect="postgres"), columns)  # type: ignore[arg-type]
    assert isinstance(made, Translated), made
    row = f"(SELECT '{a}'::{columns[0][0][1].duckdb} AS c0, '{b}'::{columns[0][1][1].duckdb} AS c1)"
    with duckdb.connect(":memory:") as session:
        result = session.sql(made.sql.replace(placeholder(0), row))
        assert [str(of) for of in result.types] == [kind.duckdb for _, kind in made.columns]
        ((found,),) = result.fetchall()
        return made.sql, found


@pytest.mark.parametrize("digits", [2, 8, 9, 16, 17, 18, 19, 36])
@pytest.mark.parametrize("sign", ["+", "-"])
def test_the_largest_values_of_each_width(digits: int, sign: str) -> None:
    largest = Decimal(10**digits - 1).scaleb(-1)
    other = -largest if sign == "-" else largest
    _, found = answer(f"__f0.a {sign} __f0.b", (f"numeric({digits},1)",) * 2, str(largest), str(other))
    assert found == 2 * largest


@pytest.mark.parametrize(("a", "b"), [(15, 15), (18, 18), (9, 10), (18, 1), (9, 9), (19, 19), (30, 8)])
def test_products_of_the_largest_values(a: int, b: int) -> None:
    types = (f"numeric({a},1)", f"numeric({b},0)")
    for expression in ("__f0.a * __f0.b", "sum(__f0.a * __f0.b)"):
        _, found = answer(expression, types, "9" * (a - 1) + ".9", "9" * b)
        assert str(found).replace(".", "") == str((10**a - 1) * (10**b - 1))


def test_mixed_scales_and_integers() -> None:
    assert answer("1 - __f0.a", ("numeric(15,2)", "integer"), "-9999999999999.99", "0")[1] == Decimal("10000000000000.99")
    assert answer("__f0.a + __f0.b", ("numeric(17,17)", "integer"), "0.99999999999999999", str(2**31 - 1))[1] == Decimal(
        "2147483647.99999999999999999"
    )


def test_a_sum_of_products_is_not_widened() -> None:
    sql, found = answer("sum(__f0.a * (1 - __f0.b))", ("numeric(15,2)", "numeric(15,2)"), "100.10", "0.10")
    assert found == Decimal("90.0900")
    assert "DECIMAL(31,4)" not in sql
    assert answer("sum((__f0.a * __f0.b)) FILTER (WHERE __f0.a > 0)", ("numeric(15,2)",) * 2, "2.00", "1.50")[1] == Decimal("3.0000")


def test_the_narrow_form() -> None:
    sql, _ = answer("sum(__f0.a * __f0.b)", ("numeric(15,2)",) * 2, "2.00", "1.50")
    narrow = small_decimals.narrow(sql)
    assert narrow is not None and "DECIMAL(19" not in narrow and "/*" not in narrow and "DECIMAL(15,2)" in narrow
    for nothing in (f"{sql} UNION ALL {sql}", sql.replace("SELECT", "SELECT 'DECIMAL(19,2)/*15*/',", 1), "SELECT CAST(a AS DECIMAL(19,2))"):
        assert small_decimals.narrow(nothing) is None
