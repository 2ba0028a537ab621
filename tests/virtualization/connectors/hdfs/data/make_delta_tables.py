"""Makes the Delta tables of this folder, with deltalake 1.6.6 (no dependency of the project): ``python make_delta_tables.py FOLDER``."""

import datetime
import sys
from decimal import Decimal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

folder = sys.argv[1]
DAY, NOON = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 0, 0, 123456)


def sales(first: int, region: str | None) -> pa.Table:
    ids = list(range(first, first + 10))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "region": pa.array([region] * 10),
            "price": pa.array([Decimal(n) / 4 for n in ids], pa.decimal128(12, 2)),
            "day": pa.array([DAY + datetime.timedelta(n) for n in ids]),
            "at": pa.array([NOON + datetime.timedelta(hours=n) for n in ids], pa.timestamp("us")),
            "note": [f"note {n}" if n % 2 else None for n in ids],
        }
    )


path = f"{folder}/sales"
write_deltalake(path, sales(0, "a b"), partition_by=["region"])
write_deltalake(path, sales(10, "ü/=%"), mode="append")
write_deltalake(path, sales(20, None), mode="append")
DeltaTable(path).delete("id = 5")
write_deltalake(path, sales(30, "a b").append_column("extra", pa.array([["x"]] * 10)), mode="append", schema_mode="merge")
DeltaTable(path).create_checkpoint()
write_deltalake(path, sales(40, "c").append_column("extra", pa.array([None] * 10, pa.list_(pa.string()))), mode="append")
DeltaTable(path).delete("region = 'ü/=%'")
