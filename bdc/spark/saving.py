"""Where models are saved for the converter, which reads trees from the files that Spark writes. onnxmltools leaves those behind, and
finds their place by the JVM, which Spark Connect does not show.

A database of Spark with a folder of its own, in the file system that Spark has by default (HDFS in a cluster): dropping it is what removes
files also over Spark Connect, whose clients reach no file system.
"""

from __future__ import annotations

import importlib
import pkgutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ROOT = "/tmp"  # noqa: S108 - of Spark's file system; in HDFS everybody may write there
ROOT_SETTING = "ONNX_DFS_PATH"
"""onnxmltools' own: another folder, for a Spark of several machines whose default file system is not shared."""
_NAME = "save_read_sparkml_model_data"


@contextmanager
def saved_aside(spark: Any) -> Iterator[None]:  # noqa: ANN401 - a session, classic or Connect
    """While it lasts the converter saves to a folder that nothing is left of."""
    folder = _Folder(spark)
    modules = _modules()
    stock = [getattr(module, _NAME) for module in modules]
    try:
        _replace(modules, [folder.saved] * len(modules))
        yield
    finally:
        _replace(modules, stock)
        folder.remove()


class _Folder:
    """Made when the first model is saved: linear ones need none."""

    def __init__(self, spark: Any) -> None:  # noqa: ANN401 - a session, classic or Connect
        self._spark = spark
        self._database = f"bdc_export_{uuid.uuid4().hex}"
        self._path: str | None = None
        self._models = 0

    def saved(self, _: object, model: Any) -> Any:  # noqa: ANN401 - a DataFrame
        """What Spark wrote of a model."""
        if self._path is None:
            self._path = f"{self._spark.conf.get(ROOT_SETTING, ROOT)}/{self._database}"
            self._spark.sql(f"CREATE DATABASE {self._database} LOCATION '{self._path}'")
        self._models += 1
        path = f"{self._path}/{self._models}"
        model.write().save(path)
        return self._spark.read.parquet(f"{path}/data")

    def remove(self) -> None:
        if self._path is not None:
            self._spark.sql(f"DROP DATABASE IF EXISTS {self._database} CASCADE")


def _modules() -> list[Any]:
    """Those of the converter that have the function, each by a name of its own."""
    from onnxmltools.convert.sparkml import operator_converters as converters

    found = [importlib.import_module(f"{converters.__name__}.{entry.name}") for entry in pkgutil.iter_modules(converters.__path__)]
    return [module for module in found if hasattr(module, _NAME)]


def _replace(modules: list[Any], functions: list[Callable[..., Any]]) -> None:
    for module, function in zip(modules, functions, strict=True):
        setattr(module, _NAME, function)
