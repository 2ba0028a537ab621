"""The Python SDK of OpenBDC: log in, run SQL, read and write files of HDFS, ask the controller, score DataFrames of Spark.

import bdc

with bdc.connect() as session:                       # the active context of ``bdc login``
    for row in session.sql("SELECT * FROM house LIMIT 3"):
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bdc import spark
    from bdc.session import Session, connect
    from bdc.spark import export_onnx

__all__ = ["Session", "connect", "export_onnx", "spark"]


def __getattr__(name: str) -> object:
    """The session comes on first use: the CLI imports this package for a few names and must not pay for the rest."""
    if name in ("Session", "connect"):
        from bdc import session

        return getattr(session, name)
    if name in ("spark", "export_onnx"):
        import importlib  # not "from bdc import spark": that asks here first

        package = importlib.import_module("bdc.spark")
        return package if name == "spark" else package.export_onnx
    raise AttributeError(f"module 'bdc' has no attribute {name!r}")


def __dir__() -> list[str]:
    """So that a prompt completes the names before they were used."""
    return sorted([*globals(), *__all__])
