"""Imported before anything else of a pool's process: keeps out what nothing here uses.

Arrow imports pandas with the first array, if it is installed at all: some 60 MB and a second. structlog imports rich, which the client
brings, for coloured tracebacks: 17 MB and 0.3 s.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType


class _WithoutPandas(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As if it were not installed."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=fullname)
        return None


sys.meta_path.insert(0, _WithoutPandas())


def _structlog_without_rich() -> None:
    """Whoever imports rich later (the client, in a process of both) gets it."""
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails: structlog does without
        try:
            importlib.import_module("structlog")
        finally:
            del sys.modules["rich"]


_structlog_without_rich()
