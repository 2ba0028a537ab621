"""What counts as the same answer."""

from __future__ import annotations

from virtualization.plan import OutputColumn
from virtualization.verify.answers import UNKNOWN, Answer, Promise, Refusal, Row, difference
from virtualization.verify.promises import promise_of, spared, unconditional, without_cut


def answer(*rows: Row, types: str = "integer,text") -> Answer:
    return Answer(tuple(OutputColumn(f"c{n}", of) for n, of in enumerate(types.split(","))), list(rows))


def differs(expected: Answer, actual: Answer, promise: Promise = Promise(), full: Answer | None = None) -> str | None:  # noqa: B008
    found = difference(expected, actual, promise, lambda: full or Refusal("", ""))
    return None if found is None else found.kind


def test_rows_are_compared_as_multisets() -> None:
    one, two = ("1", "a"), ("2", None)
    assert differs(answer(one, two, two), answer(two, one, two)) is None
    assert differs(answer(one, two, two), answer(two, one, one)) == "rows"
    assert differs(answer(one), answer(one, one)) == "rows"
    assert differs(answer(("1", "")), answer(("1", None))) == "rows"
    assert differs(answer(one), answer(one, types="bigint,text")) == "columns"


def test_an_order_is_held_and_ties_are_free() -> None:
    full = answer(("1", "a"), ("2", "b"), ("2", "c"), ("3", "d"))
    expected, other = answer(("1", "a"), ("2", "b")), answer(("1", "a"), ("2", "c"))
    promise = Promise((0,), cut=True)
    assert differs(expected, other, promise, full) is None
    assert differs(expected, answer(("1", "a"), ("2", "x")), promise, full) == "rows", "a row that there is not"
    assert differs(expected, answer(("1", "a"), ("2", "x")), promise) == UNKNOWN, "all rows can't be asked for: one of them is an error"
    assert differs(expected, answer(("2", "b"), ("1", "a")), promise, full) == "order"
    assert differs(expected, answer(("1", "a"), ("3", "d")), promise, full) == "order"
    assert differs(answer(("2", "b"), ("2", "c")), answer(("2", "b"), ("2", "b")), promise, full) == "rows", "one row twice"


def test_equal_values_of_several_texts_tie_in_an_order() -> None:
    for of, one, two, other in (("character(3)", "a", "a ", "b"), ("numeric", "1.5", "1.50", "1.51"), ("text", "a", "a", "a ")):
        rows = answer((one, "x"), (two, "y"), types=f"{of},text")
        swapped, wrong = answer((two, "y"), (one, "x"), types=f"{of},text"), answer((other, "y"), (one, "x"), types=f"{of},text")
        assert differs(rows, swapped, Promise((0,))) is None
        assert differs(rows, wrong, Promise((0,))) == "order"
    assert differs(answer(("1.5",), types="numeric"), answer(("1.50",), types="numeric"), Promise((0,))) == "rows"


def test_floats_have_a_tolerance_and_numerics_none() -> None:
    floats = "double precision"
    assert differs(answer(("0.30000000000000004",), types=floats), answer(("0.3",), types=floats)) is None
    assert differs(answer(("0.3",), types=floats), answer(("0.30001",), types=floats)) == "rows"
    assert differs(answer(("-0",), ("NaN",), types=floats), answer(("NaN",), ("0",), types=floats)) is None, "equal values"
    assert differs(answer(("NaN",), types=floats), answer(("0",), types=floats)) == "rows"
    assert differs(answer(("1.50",), types="numeric"), answer(("1.5",), types="numeric")) == "rows", "the scale is part of the answer"


def test_promises_are_read_from_the_text() -> None:
    assert promise_of("SELECT a, b FROM t ORDER BY 2 DESC, 1 LIMIT 3") == Promise((1, 0), cut=True)
    assert promise_of("SELECT a FROM t UNION SELECT b FROM t ORDER BY 1") == Promise((0,), cut=False)
    assert promise_of("SELECT a FROM t") == Promise()
    assert without_cut("SELECT a FROM (SELECT a FROM t LIMIT 1) q ORDER BY 1 LIMIT 3 OFFSET 1").endswith("ORDER BY 1")


def test_all_rows_of_a_statement() -> None:
    sql = "SELECT a FROM t WHERE a > 1 INTERSECT ALL (SELECT b FROM (SELECT b FROM u LIMIT 1) q EXCEPT SELECT c FROM v)"
    computed = "SELECT a FROM t WHERE NOT COALESCE(a > 1, TRUE) IS NULL"
    assert unconditional(sql) == f"{computed} UNION ALL (SELECT b FROM (SELECT b FROM u) AS q UNION ALL SELECT c FROM v)"
    both = "NOT COALESCE((CAST((a) AS INT) + CAST((b) AS INT) > -1), TRUE) IS NULL"
    assert unconditional("SELECT 1 FROM t WHERE a OR b") == f"SELECT 1 FROM t WHERE {both}", "the second side is computed too"


def test_rows_that_a_join_leaves_out_are_computed_too() -> None:
    sql = "SELECT 1 / b.k FROM a JOIN b ON a.k = b.k LEFT JOIN c ON c.k = b.k WHERE a.k > 1"
    whole = "WHERE NOT COALESCE(a.k > 1, TRUE) IS NULL"
    assert list(spared(sql)) == [
        unconditional(sql),
        f"SELECT 1 / b.k FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN c ON c.k = b.k {whole}",
        f"SELECT 1 / b.k FROM a RIGHT JOIN b ON a.k = b.k LEFT JOIN c ON c.k = b.k {whole}",
    ]
    assert list(spared("SELECT 1 / k FROM a LIMIT 1")) == ["SELECT 1 / k FROM a"]
