"""Which errors are defects."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from virtualization.plan import OutputColumn
from virtualization.verify.answers import Answer, Refusal
from virtualization.verify.judge import Judge

ROWS = Answer((OutputColumn("avg", "double precision"),), [("1",)])
OVERFLOW = Refusal("22003", "value out of range: overflow")


@dataclass
class Told:
    """Answers what it was told, whatever it is asked."""

    says: Answer | Refusal
    name: str = "told"
    zone: str = ""

    def ask(self, sql: str) -> Answer | Refusal:
        """``says``."""
        return self.says

    def explain(self, sql: str) -> str:
        """Nothing."""
        return sql


@pytest.mark.parametrize(
    ("sql", "says", "outcome"),
    [
        ("SELECT avg(f) FROM t", OVERFLOW, "skipped"),  # of other orders of the rows
        ("SELECT f * 1e308 FROM t", OVERFLOW, "different"),
        ("SELECT avg(i) FROM t", Refusal("22003", "integer out of range"), "different"),
        ("SELECT avg(f) FROM t", Refusal("0A000", "not here"), "unsupported"),
        ("SELECT avg(f) FROM t", ROWS, "same"),
    ],
)
def test_an_error_where_postgresql_answers(sql: str, says: Answer | Refusal, outcome: str) -> None:
    assert [verdict.outcome for verdict in Judge(Told(ROWS), [Told(says), Told(says)]).verdicts(sql)] == [outcome, outcome]


def test_an_error_of_the_data_on_one_side_only_is_another_order_of_the_work() -> None:
    verdicts = Judge(Told(ROWS), [Told(Refusal("22012", "division by zero")), Told(ROWS)]).verdicts("SELECT 1 / f FROM t")
    assert [verdict.outcome for verdict in verdicts] == ["skipped", "same"]


def test_an_error_of_a_row_that_no_join_keeps_is_another_order_of_the_work() -> None:
    class Computing(Told):
        """Overflows where the rows of the right side are kept; does not know what nobody asks."""

        def ask(self, sql: str) -> Answer | Refusal:
            return OVERFLOW if "RIGHT JOIN" in sql else Refusal("42601", "syntax") if "LEFT JOIN" in sql else ROWS

    overflows = Told(Refusal("22003", "bigint out of range"))
    sql = "SELECT b.big + 1 FROM a JOIN b ON a.k = b.k"
    assert [one.outcome for one in Judge(Computing(ROWS), [overflows]).verdicts(sql)] == ["skipped"]
    assert [one.outcome for one in Judge(Told(ROWS), [overflows]).verdicts(sql)] == ["different"]
    unparsed = Told(ROWS)
    unparsed.ask = lambda sql: Refusal("42601", "syntax") if "LEFT JOIN" in sql else ROWS  # type: ignore[method-assign]
    assert [one.outcome for one in Judge(unparsed, [overflows]).verdicts(sql)] == ["different"]
