"""``update``: UPDATE of 1 % of TPC-H lineitem (6 M rows, two shards, primary key) and upserts of a million rows from Parquet on the
cluster's HDFS by ``bdc.merge``; beside the Python package ``deltalake`` (UPDATE and MERGE of the same rows from local files). In turns."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.loading import Login, load_file
from benchmarks.report import Figure, Report, median
from benchmarks.tpch import tables, throw_away
from tests.services import cluster as stage

DELTALAKE = "1.6.6"
CHANGED, ADDED = 900_000, 100_000
NEW_KEYS = 10_000_000
"""Order keys above are of nobody: added rows get theirs, another range in each round."""

TYPES = {"int64": "bigint", "int32": "integer", "date32[day]": "date", "string": "text"}
KEYS = ("l_orderkey", "l_linenumber")
PEER = Path(__file__).parent / "peer_jobs" / "delta.py"
Session = psycopg.Connection[tuple[Any, ...]]


def changes(file: Path, folder: Path, round_: int) -> Path:
    """Parquet of the rows of one upsert: ``CHANGED`` of the table's own with another comment, ``ADDED`` with new keys; spread over it."""
    rows = pq.read_table(file)
    step = rows.num_rows // (CHANGED + ADDED)
    taken = rows.take(np.arange(round_ % step, rows.num_rows, step)).slice(0, CHANGED + ADDED)
    added = taken.slice(CHANGED)
    keys = pc.add(added.column("l_orderkey"), pa.scalar(NEW_KEYS * (round_ + 1), pa.int64()))
    added = added.set_column(0, "l_orderkey", keys)
    taken = pa.concat_tables([taken.slice(0, CHANGED), added])
    comments = pa.repeat(f"changed in round {round_}", taken.num_rows)
    taken = taken.set_column(taken.column_names.index("l_comment"), "l_comment", comments)
    path = folder / f"changes_{round_}.parquet"
    pq.write_table(taken, path, row_group_size=250_000)
    return path


@contextmanager
def peer(file: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """``deltalake`` in a process of its own with the same rows; one JSON line per task in, one with its seconds out."""
    command = throw_away(f"deltalake=={DELTALAKE}", "pyarrow")
    command += [str(PEER), str(file), str(folder / "delta")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _said(process)
        yield process
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(60)


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline()  # type: ignore[union-attr]
    if not line:
        raise RuntimeError("the peer ended early")
    said: dict[str, Any] = json.loads(line)
    return said


def _asked(process: subprocess.Popen[str], task: Mapping[str, object]) -> dict[str, Any]:
    stdin: IO[str] = process.stdin  # type: ignore[assignment]
    print(json.dumps(task), file=stdin, flush=True)
    return _said(process)


def _prepare(place: stage.Stage, session: Session, file: Path) -> None:
    columns = [
        {"name": field.name, "type": TYPES.get(str(field.type)) or f"numeric({field.type.precision},{field.type.scale})"}
        for field in pq.read_schema(file)
    ]
    call = "CALL bdc.create_data_table('upd_lineitem', %s::jsonb, 'HASH(l_orderkey)', %s)"
    session.execute(call.encode(), [json.dumps(columns), list(KEYS)])
    load_file(Login.at(place), "upd_lineitem", file, "HASH(l_orderkey)")
    place.bdc("hdfs", "mkdir", "hdfs:/bench", output=None)


def _source(place: stage.Stage, file: Path) -> str:
    name = file.stem
    place.bdc("hdfs", "cp", str(file), f"hdfs:/bench/{file.name}", output=None)
    place.bdc("table", "create", name, "--source", "hdfs", "--location", f"/bench/{file.name}", output=None)
    return name


def _timed(session: Session, statement: str) -> float:
    began = time.perf_counter()
    session.execute(statement.encode())
    return time.perf_counter() - began


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each side's task per round; RuntimeError where the sides end with other rows."""
    spent: dict[str, list[float]] = {name: [] for name in ("update", "delta_update", "upsert", "delta_upsert")}
    file = tables(1, "lineitem")["lineitem"]
    with stage.cluster() as place, place.sql() as session:
        _prepare(place, session, file)
        with peer(file, place.folder) as delta:
            for round_ in range(rounds + 1):
                where = f"l_partkey % 100 = {round_}"
                spent["update"].append(_timed(session, f"UPDATE upd_lineitem SET l_quantity = l_quantity + 1 WHERE {where}"))
                spent["delta_update"].append(_asked(delta, {"update": {"l_quantity": "l_quantity + 1"}, "where": where})["seconds"])
                changed = changes(file, place.folder, round_)
                source = _source(place, changed)
                spent["upsert"].append(_timed(session, f"CALL bdc.merge('upd_lineitem', '{source}')"))
                spent["delta_upsert"].append(_asked(delta, {"merge": str(changed), "keys": list(KEYS)})["seconds"])
            _compare(session, _asked(delta, {"totals": ["l_quantity", "l_orderkey"]}))
    return spent


def _compare(session: Session, theirs: Mapping[str, Any]) -> None:
    row = session.execute("SELECT count(*)::text, sum(l_quantity)::text, sum(l_orderkey)::text FROM upd_lineitem").fetchone()
    if list(row or ()) != theirs["totals"]:
        raise RuntimeError(f"the pool ends with {row}, deltalake with {theirs['totals']}")


def run(rounds: int | None) -> Report:
    """The first round warms up and does not count."""
    spent = measure(rounds or 3)
    seconds = {name: median(values[1:]) for name, values in spent.items()}
    update, upsert = (seconds[name] / seconds[f"delta_{name}"] for name in ("update", "upsert"))
    return Report(
        "update",
        (
            Figure("vs_deltalake", max(update, upsert), "ratio", "<= 1.5", "our seconds ÷ theirs, the worse of the two"),
            Figure("upsert_vs_delta", upsert, "ratio"),
            Figure("update_vs_delta", update, "ratio"),
            Figure("upsert_s", seconds["upsert"], "s", None, "1 M rows: 900 k replaced, 100 k added"),
            Figure("update_s", seconds["update"], "s", None, "60 k rows"),
        ),
        tuple(f"{name}: {', '.join(f'{one:.2f}' for one in values)} s" for name, values in spent.items()),
        {"rounds": rounds or 3, "deltalake": DELTALAKE},
    )
