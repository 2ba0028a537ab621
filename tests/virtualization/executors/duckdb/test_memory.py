"""Fifty million rows of a source, joined here: DuckDB keeps to its limit and spills, and no more than a piece of the stream is held before
it. In a process of its own, whose peak of resident memory is its answer."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
ROWS = 50_000_000
DUCKDB_BYTES = 256 << 20
MEGABYTES = 700
"""DuckDB's limit, what is read ahead, and some 200 of interpreter, Arrow and DuckDB itself. The rows are 800."""

JOIN = """
import json, pathlib, sys, time
import numpy as np
import pyarrow as pa
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.fragments import RowsThroughOpen
from virtualization.parse import parse
from virtualization.plan import OutputColumn, Plan

rows, limit, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
STEP = 100_000

class Numbers(RowsThroughOpen):
    source, text, tables = "src", "numbers", ()
    columns = (OutputColumn("id", "bigint"), OutputColumn("k", "bigint"))
    schema = pa.schema([("id", pa.int64()), ("k", pa.int64())])

    def __init__(self, rows):
        self.rows = rows

    def open(self, context):
        return self

    def __iter__(self):
        for start in range(0, self.rows, STEP):
            ids = np.arange(start, min(start + STEP, self.rows))
            yield pa.RecordBatch.from_arrays([pa.array(ids), pa.array(ids * 7919 % 1_000_003)], schema=self.schema)

    def close(self):
        pass

engine = Engine([DuckDbExecutor(limit, folder, 2)])
residual = parse("SELECT big.id AS id FROM __f0 AS big JOIN __f1 AS small ON big.k = small.id")
found, paused = 0, 0.0
for batch in engine.run(Plan("", (Numbers(rows), Numbers(1_000_003)), residual, "duckdb", None)):
    found += batch.num_rows
    if paused < 10:
        time.sleep(0.05)
        paused += 0.05
engine.close()
peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(json.dumps({"rows": found, "megabytes": int(peak) // 1024}))
"""


def test_a_stream_larger_than_memory_is_joined_for_a_slow_reader(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-c", JOIN, str(ROWS), str(DUCKDB_BYTES), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["rows"] == ROWS and found["megabytes"] < MEGABYTES, found
