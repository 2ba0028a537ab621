"""Imported before Arrow is used: keeps pandas out of this process.

Arrow imports pandas with the first array, if it is installed at all; nothing here uses it, and it costs some 60 MB and a second.
"""

from __future__ import annotations

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
