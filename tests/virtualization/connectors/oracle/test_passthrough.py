"""Texts in Oracle's own words, by ``bdc.remote_query``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.services.oracle import StandIn
from virtualization.connectors.oracle import OracleConnector
from virtualization.connectors.oracle.passthrough import READ_ONLY
from virtualization.errors import CancelledError, RemoteObjectError, SourceError
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def connector(stand_in: StandIn) -> Iterator[OracleConnector]:
    columns = [("ID", "NUMBER(9,0)"), ("X", "NUMBER"), ("NAME", "VARCHAR2(100)"), ("LONG_", "CLOB")]
    rows = [(1, Decimal("0.5"), 'a"ß', "x" * 5000), (2, Decimal("12345678901234567890123456789.01"), None, None)]
    stand_in.database.create("OWN_WORDS", columns, rows + [(number, None, None, None) for number in range(3, 1501)])
    made = OracleConnector(stand_in.source())
    yield made
    made.close()


def rows(connector: OracleConnector, text: str, context: QueryContext | None = None) -> list[str]:
    batches = connector.passthrough(text, context or QueryContext())
    try:
        return [row for batch in batches for row in batch.column(0).to_pylist()]
    finally:
        batches.close()


def test_rows_are_json_with_every_digit(connector: OracleConnector, stand_in: StandIn) -> None:
    text = 'SELECT "ID", "X", "NAME", "LONG_" FROM "SHOP"."OWN_WORDS" ORDER BY "ID"'
    found = rows(connector, text + ";")
    assert found[:2] == [
        json.dumps({"ID": 1, "X": 0.5, "NAME": 'a"ß', "LONG_": "x" * 5000}, ensure_ascii=False, separators=(",", ":")),
        '{"ID":2,"X":12345678901234567890123456789.01,"NAME":null,"LONG_":null}',
    ]
    assert len(found) == 1500
    assert stand_in.statements[-2:] == [READ_ONLY, text]


@pytest.mark.parametrize("text", ['DELETE FROM "SHOP"."OWN_WORDS"', "BEGIN NULL; END;", "SELECT 1 FROM dual; SELECT 2 FROM dual", " "])
def test_what_a_text_may_not(connector: OracleConnector, text: str) -> None:
    with pytest.raises(SourceError, match="one statement that reads"):
        rows(connector, text)


def test_the_sources_own_words_for_what_is_wrong(connector: OracleConnector) -> None:
    with pytest.raises(RemoteObjectError, match="ORA-00942"):
        rows(connector, 'SELECT * FROM "SHOP"."NOWHERE"')


def test_cancel(connector: OracleConnector) -> None:
    context = QueryContext()
    batches = connector.passthrough('SELECT "ID" FROM "SHOP"."OWN_WORDS"', context)
    iterator = iter(batches)
    next(iterator)
    context.cancel()
    with pytest.raises(CancelledError):
        list(iterator)
    batches.close()
