"""OpenBDC for Apache Spark: the data source ``bdc`` reads tables and queries of a cluster's master into DataFrames.

Spark imports every top-level package named ``pyspark_…`` and registers the ``DefaultSource`` it finds there, so installing this
distribution where Spark's Python runs is all that is needed: ``spark.read.format("bdc").options(…).load()``.
Only ``source`` imports Spark; it is loaded on use, so everything else can be imported and tested without Spark.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DefaultSource"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class of a package that may not be installed
    """Load ``DefaultSource`` when it is asked for."""
    if name == "DefaultSource":
        from pyspark_bdc.source import DefaultSource

        return DefaultSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
