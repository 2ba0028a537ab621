"""A shard's metrics after real streams, questions, refusals and rounds of compaction."""

from __future__ import annotations

import contextlib
import pathlib
import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import flight

from pools.data.metric_table import TABLE
from pools.data.question import Asked
from pools.data.shard import Shard
from tests.pools.data.stand import Client, RefusedError, table
from tests.pools.scraping import Told, scraped
from virtualization.connectors.datapool.client import numbered
from virtualization.plan import QueryContext

Ask = Callable[[], Told]


@pytest.fixture
def told(running: tuple[Client, Shard], tmp_path: pathlib.Path) -> Iterator[Ask]:
    shard = running[1]
    listener = shard.meters.listen(str(tmp_path), shard.store)
    assert listener is not None

    with contextlib.closing(listener):
        yield lambda: scraped(tmp_path)


def test_streams_questions_and_refusals(client: Client, told: Ask) -> None:
    of, before = table({"k": "bigint"}), told()
    rows = pa.table({"k": pa.array(range(1000), pa.int64())})
    client.load(of, rows, 1)
    assert client.column(of, 1, "SELECT count(*) FROM t") == [1000]
    with pytest.raises(RefusedError):
        client.act("no such action")
    with pytest.raises(RefusedError):
        client.read(of, 1, "SELECT absent FROM t")
    after = told()

    def more(name: str, *labels: str) -> float:
        return after.get((name, labels), 0) - before.get((name, labels), 0)

    assert more("openbdc_data_received_rows_total") == 1000 and more("openbdc_data_received_bytes_total") >= 8000
    assert more("openbdc_data_sent_rows_total") == 1
    assert more("openbdc_data_call_seconds_count", "put") == more("openbdc_data_call_seconds_count", "seal") == 1
    assert more("openbdc_data_call_errors_total", "unknown", "08P01") == 1
    assert sum(value for (name, labels), value in after.items() if name == "openbdc_data_call_errors_total" and labels[0] == "read") >= 1
    assert more("openbdc_data_tables") == 1 and more("openbdc_data_segments", "published") == 1 and more("openbdc_data_rows") == 1000
    assert after["openbdc_data_disk_bytes", ()] > 0 and after["openbdc_data_memory_resident_bytes", ()] > 0
    assert after["openbdc_data_calls_running", ()] == 0


def test_a_load_that_nobody_decides_grows_old(client: Client, told: Ask) -> None:
    of, load = table({"k": "bigint"}), str(uuid.uuid4())
    client.put(of, pa.table({"k": pa.array([1], pa.int64())}), load)
    assert told()["openbdc_data_segments", ("staged",)] == 1 and told()["openbdc_data_oldest_undecided_seconds", ()] > 0
    client.act("abort", load=load)
    client.act("compact", table=of["id"])
    after = told()
    assert after["openbdc_data_oldest_undecided_seconds", ()] == 0 and after["openbdc_data_segments", ("staged",)] == 0
    assert after["openbdc_data_compaction_rounds_total", ("did",)] >= 1 and after["openbdc_data_compaction_rows_removed_total", ()] >= 1


def test_the_table_names_each_metric_once() -> None:
    assert len({metric.name for metric in TABLE}) == len(TABLE)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in TABLE)


def test_a_question_that_fails_names_the_query_that_asked(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    of = table({"k": "bigint"})
    client.load(of, pa.table({"k": pa.array([1], pa.int64())}), 1)
    claims = {"tables": [of | {"alias": "t"}], "snapshot": 1, "pending": [], "sql": "SELECT absent FROM t"}
    with pytest.raises(pa.ArrowException):
        client.flight.do_get(flight.Ticket(f"{client.ticket('read', **claims)}  4711".encode())).read_all()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "call failed" in line]
    assert "4711" in line and "read" in line


@given(st.from_regex(r"[A-Za-z0-9._-]+", fullmatch=True), st.sampled_from(["", "1", "12,7"]), st.from_regex(r"[0-9]{0,19}", fullmatch=True))
def test_a_ticket_with_what_stands_behind_it(signed: str, values: str, query: str) -> None:
    sent = signed + (f" {values}" if values else "")
    assert Asked.of(sent) == (signed, values, "")
    context = QueryContext()
    context.number = query
    assert Asked.of(numbered(sent.encode(), context).decode()) == (signed, values, query)
