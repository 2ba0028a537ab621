"""Spark and the cluster's apps, from where the session ``spark`` was made: ``bdc.spark.score``, and ``bdc.export_onnx``.

scoring   a DataFrame's columns as an app's inputs, its outputs as further columns; classic Spark and Spark Connect
asking    the app proxy, with the user's own token: what an app takes, and its model
export    a model of Spark ML as ONNX, compared with Spark
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bdc.spark.export import export_onnx
    from bdc.spark.scoring import score

__all__ = ["export_onnx", "score"]


def __getattr__(name: str) -> object:
    """On first use: Spark is not everywhere."""
    if name == "score":
        from bdc.spark.scoring import score

        return score
    if name == "export_onnx":
        from bdc.spark.export import export_onnx

        return export_onnx
    raise AttributeError(f"module 'bdc.spark' has no attribute {name!r}")
