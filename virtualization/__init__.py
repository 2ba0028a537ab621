"""Data virtualization as a library: SQL in PostgreSQL's dialect over tables that live elsewhere, answered as Arrow.

    import virtualization
    table = virtualization.query("SELECT …", catalog)       # pyarrow.Table
    print(virtualization.explain("SELECT …", catalog).text())

Imports neither ``controller`` nor ``pools``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualization.in_process import default_engine, explain, query

__all__ = ["default_engine", "explain", "query"]


def __getattr__(name: str) -> object:
    """Loaded on use: whoever needs only ``virtualization.errors`` should not pay for the engines."""
    if name not in __all__:
        raise AttributeError(f"module 'virtualization' has no attribute '{name}'")
    from virtualization import in_process

    return getattr(in_process, name)
