"""Imports the app's file and finds its function. Runs in the worker."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apps.worker.child import LoadError


def load(init: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], object]:
    """The function, called with the inputs by name. LoadError where there is none; whatever the import raises."""
    folder, source = init["folder"], Path(init["folder"]) / init["src"]
    sys.path[:0] = list(dict.fromkeys((str(source.parent), folder)))
    found = importlib.util.spec_from_file_location(source.stem, source)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[source.stem] = module
    found.loader.exec_module(module)
    function = getattr(module, init["entrypoint"], None)
    if not callable(function):
        raise LoadError(f"{init['src']} has no function {init['entrypoint']}")
    _needs_pandas(init)
    return lambda inputs: function(**inputs)


def _needs_pandas(init: Mapping[str, Any]) -> None:
    if "dataframe" not in init["inputs"].values():
        return
    try:
        importlib.import_module("pandas")
    except ImportError:
        raise LoadError("an input is a dataframe, and pandas is not installed: add it to requirements.txt") from None
