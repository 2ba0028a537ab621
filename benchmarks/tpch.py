"""TPC-H data as Parquet, made once by DuckDB's own generator (an older DuckDB in a throw-away environment: the extension is published
for that one) and kept in ``.cache/tpch``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache"
_VERSION = "1.5.5"
_MAKE = """
import sys, duckdb
from duckdb_extensions import import_extension
import_extension("tpch")
c = duckdb.connect()
c.execute(f"LOAD tpch; SET threads=1; SET enable_progress_bar=false; CALL dbgen(sf={float(sys.argv[1])})")
for t in sys.argv[3:]:
    c.execute(f"COPY {t} TO '{sys.argv[2]}/{t}.parquet.part' (FORMAT parquet, ROW_GROUP_SIZE 250000)")
"""


def throw_away(*packages: str) -> list[str]:
    """The command of a Python with these packages, in an environment of its own that uv makes when it is run."""
    cache = os.environ.get("UV_CACHE_DIR", str(CACHE / "uv"))
    uv = [str(CACHE / "bootstrap" / "bin" / "uv"), "run", "-q", "--cache-dir", cache, "--no-project", "--python", sys.executable]
    return [*uv, *(part for one in packages for part in ("--with", one)), "python"]


def tables(scale: float, *names: str) -> dict[str, Path]:
    """The Parquet files of the tables named; scale 1: 1.5 M orders, 6 M lineitem."""
    folder = CACHE / "tpch" / f"sf{scale:g}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.parquet" for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        command = throw_away(f"duckdb=={_VERSION}", "duckdb-extensions", f"duckdb-extension-tpch=={_VERSION}")
        subprocess.run([*command, "-c", _MAKE, str(scale), str(folder), *missing], check=True)
        for name in missing:
            (folder / f"{name}.parquet.part").rename(files[name])
    return files
