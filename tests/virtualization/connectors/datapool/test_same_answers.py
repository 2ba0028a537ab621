"""Whatever is asked of tables spread over shards is answered as one PostgreSQL answers it."""

from __future__ import annotations

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.datapool.lab import LAYOUTS, Lab
from tests.virtualization.verify.checking import check, limits

COMPANY_STATEMENTS = 25
SMALL_STATEMENTS = 15


def verify(lab: Lab, server: PostgresqlServer, seed: int, queries: int) -> None:
    check(lab.engine, lab.catalog, server.dsn(), limits(seed, queries), contexts=lab.shards.context)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_statements_of_an_analyst(every_lab: dict[str, Lab], postgresql: PostgresqlServer, layout: str) -> None:
    verify(every_lab[f"company-{layout}"], postgresql, 20_261, COMPANY_STATEMENTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_random_queries(every_lab: dict[str, Lab], postgresql: PostgresqlServer, layout: str) -> None:
    verify(every_lab[f"small-{layout}"], postgresql, 1, SMALL_STATEMENTS)
