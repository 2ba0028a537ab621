"""Runs in an environment of its own (``benchmarks/update.py``): a Delta table of a Parquet file's rows, then tasks, a line of JSON each."""

import json
import sys
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake  # type: ignore[import-not-found]  # in the environment of its own only


def carry_out(table: DeltaTable, task: dict[str, Any]) -> dict[str, Any]:
    """``{"update", "where"}``, ``{"merge": file, "keys"}``: seconds; ``{"totals": columns}``: rows and sums as text."""
    began = time.perf_counter()
    if "update" in task:
        table.update(updates=task["update"], predicate=task["where"])
    elif "merge" in task:
        source = pq.ParquetFile(task["merge"]).iter_batches()
        schema = pq.read_schema(task["merge"])
        same = " AND ".join(f"t.{key} = s.{key}" for key in task["keys"])
        merge = table.merge(pa.RecordBatchReader.from_batches(schema, source), predicate=same, source_alias="s", target_alias="t")
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
    else:
        rows = ds.dataset(table.file_uris(), format="parquet").to_table(columns=task["totals"])
        return {"totals": [str(rows.num_rows), *(str(sum_of(rows, name)) for name in task["totals"])]}
    return {"seconds": time.perf_counter() - began}


def sum_of(rows: pa.Table, name: str) -> object:
    """Exact."""
    return pc.sum(rows[name]).as_py()


def main() -> None:
    """Until standard input ends."""
    file, folder = sys.argv[1:]
    write_deltalake(folder, pq.read_table(file))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(carry_out(DeltaTable(folder), json.loads(line))), flush=True)


main()
