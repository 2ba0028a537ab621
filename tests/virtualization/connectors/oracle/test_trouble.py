"""An Oracle in trouble: see ``FaultConformance``. At the stand-in, which misbehaves as it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.services.oracle import StandIn
from tests.virtualization.connectors.conformance import FaultConformance, Trouble, failed, read, table
from virtualization.catalog import Column, Credential
from virtualization.connectors.oracle import OracleConnector
from virtualization.errors import DataError
from virtualization.plan import Connector

pytestmark = pytest.mark.service
ID = Column("id", "bigint", True, "ID")


class OracleTrouble(Trouble):
    rows = table("SHOP.TROUBLE", [ID, Column("n", "integer", True, "N")])
    endless, slow = table("SHOP.ENDLESS", [ID]), table("SHOP.SLOW", [ID])

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in, self.port = stand_in, stand_in.port

    def behind(self, port: int, **options: str) -> Connector:
        location = f"oracle://127.0.0.1:{port}/{self.stand_in.service}"
        return OracleConnector(replace(self.stand_in.source(**{"fetch_rows": "10", **options}), location=location))

    def stranger(self) -> Connector:
        return OracleConnector(replace(self.stand_in.source(), credential=Credential("scott", "planted-secret")))

    @contextmanager
    def without_right(self) -> Iterator[None]:
        self.stand_in.database.hidden.add("TROUBLE")
        yield
        self.stand_in.database.hidden.clear()

    @contextmanager
    def retyped(self) -> Iterator[None]:
        alter = 'ALTER TABLE "SHOP"."TROUBLE" ALTER "N" TYPE'
        self.stand_in.database.change(f"{alter} text USING 'abc'; UPDATE all_tab_columns SET data_type = 'VARCHAR2' "
                                      "WHERE table_name = 'TROUBLE' AND column_name = 'N'")  # fmt: skip
        yield
        self.stand_in.database.change(f"{alter} numeric USING \"ID\"; UPDATE all_tab_columns SET data_type = 'NUMBER' "
                                      "WHERE table_name = 'TROUBLE' AND column_name = 'N'")  # fmt: skip

    def running(self) -> Sequence[object]:
        return list(self.stand_in.waiting)


@pytest.fixture(scope="module")
def trouble(stand_in: StandIn) -> Iterator[OracleTrouble]:
    stand_in.database.create("TROUBLE", [("ID", "NUMBER(9,0)"), ("N", "NUMBER(9,0)")], [(1, 1), (2, 2), (3, 3)])
    stand_in.database.create("ENDLESS", [("ID", "NUMBER(9,0)")], [(number,) for number in range(1000)])
    stand_in.database.create("SLOW", [("ID", "NUMBER(9,0)")], [(1,)])
    stand_in.sleepers.add("SLOW")
    yield OracleTrouble(stand_in)
    stand_in.sleepers.clear()


@pytest.mark.filterwarnings("ignore:unclosed <socket", "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
class TestFaults(FaultConformance):
    """Everything. (The driver leaves a socket that was reset to the collector, which tells of it.)"""


def test_a_thousand_columns(trouble: OracleTrouble) -> None:
    """So many there can be."""
    columns = [(f"C{number}", "NUMBER(9,0)") for number in range(1000)]
    trouble.stand_in.database.create("WIDE", columns, [tuple(range(1000))])
    with trouble.connected() as made:
        detected = made.detect("SHOP.WIDE", {})
        wide = table("SHOP.WIDE", detected.columns)
        rows = read(made.scan(wide, [column.name for column in wide.columns], []).fragment)
    assert rows.num_columns == 1000 and rows["c999"].to_pylist() == [999]


def test_a_long_value(trouble: OracleTrouble) -> None:
    trouble.stand_in.database.create("LONGS", [("S", "CLOB")], [("x" * 3_000_000,)])
    with trouble.connected() as made:
        (value,) = read(made.scan(table("SHOP.LONGS", [Column("s", "text", True, "S")]), ["s"], []).fragment)["s"]
    assert len(value.as_py()) == 3_000_000


def test_texts_that_are_no_utf8(trouble: OracleTrouble) -> None:
    trouble.stand_in.database.create("TEXTS", [("S", "VARCHAR2(20)")], [("spoil-me",)])
    trouble.stand_in.spoiled = (b"spoil-me", b"\xffpoil-me")
    try:
        with trouble.connected() as made:
            error = failed(lambda: read(made.scan(table("SHOP.TEXTS", [Column("s", "text", True, "S")]), ["s"], []).fragment), "SHOP.TEXTS")
            assert type(error) is DataError
    finally:
        trouble.stand_in.spoiled = (b"\0never\0", b"")
