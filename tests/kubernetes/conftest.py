"""One cluster in pods for the tests of the product: ``place``, filled as ``lake.py`` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes import lake
from tests.services.kubernetes import Node
from tests.services.kubernetes.product import SMALL, Product, product
from tests.services.postgresql import PostgresqlServer, postgresql_server


@pytest.fixture(scope="session")
def outside() -> Iterator[PostgresqlServer]:
    """A database that is no part of the cluster."""
    with postgresql_server() as server:
        lake.fill_source(server)
        yield server


@pytest.fixture(scope="session")
def place(kubernetes_node: Node, outside: PostgresqlServer) -> Iterator[Product]:
    """A cluster with something in it. Tests leave it as they found it."""
    with product(kubernetes_node, "lake") as made:
        made.install()
        made.apply(SMALL)
        made.wait_ready()
        made.login()
        lake.fill(made, outside)
        yield made


@pytest.fixture(scope="session")
def expected(place: Product) -> list[tuple[object, ...]]:
    """The main query's rows."""
    return lake.answer(place)
