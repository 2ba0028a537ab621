"""Whatever is asked of tables spread over shards is answered as one PostgreSQL answers it."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from tests.virtualization.connectors.datapool.lab import LAYOUTS, Lab
from tests.virtualization.mixed_statements import Statements
from tests.virtualization.test_random_queries import statements

COMPANY_STATEMENTS = 40
SMALL_STATEMENTS = 25


@pytest.mark.parametrize("layout", LAYOUTS)
def test_statements_of_an_analyst(every_lab: dict[str, Lab], layout: str) -> None:
    lab, made = every_lab[f"company-{layout}"], Statements(20_261)
    wrong = [found for _ in range(COMPANY_STATEMENTS) if (found := lab.difference(made.statement())) is not None]
    assert not wrong, "\n\n".join(wrong[:5])


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_many_statements_of_an_analyst(every_lab: dict[str, Lab], layout: str) -> None:
    lab, made = every_lab[f"company-{layout}"], Statements(7)
    wrong = [found for _ in range(400) if (found := lab.difference(made.statement())) is not None]
    assert not wrong, "\n\n".join(wrong[:5])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_random_queries(every_lab: dict[str, Lab], layout: str) -> None:
    lab = every_lab[f"small-{layout}"]

    @settings(max_examples=SMALL_STATEMENTS, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(statements())
    def same(sql: str) -> None:
        try:
            lab.plain(sql)
        except psycopg.Error:
            return
        assert lab.difference(sql) is None, lab.difference(sql)

    same()
