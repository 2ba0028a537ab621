"""OpenBDC for Apache Spark: the data source ``bdc`` reads tables and queries of a cluster's master into DataFrames, and writes them.

Spark imports every top-level package named ``pyspark_…`` and registers the ``DefaultSource`` it finds there, so installing this
distribution where Spark's Python runs is all that is needed: ``spark.read.format("bdc").options(…).load()``.
Only ``source`` and ``writer`` import Spark; they are loaded on use, so everything else can be imported and tested without Spark, and used:
``read_arrow`` and ``read_pandas`` take the same options.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DefaultSource", "read_arrow", "read_pandas"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class of a package that may not be installed
    """Load what is asked for, and nothing before."""
    if name == "DefaultSource":
        from pyspark_bdc.source import DefaultSource

        return DefaultSource
    if name in ("read_arrow", "read_pandas"):
        from pyspark_bdc import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
