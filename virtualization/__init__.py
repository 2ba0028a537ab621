"""Data virtualization as a library: SQL in PostgreSQL's dialect over tables that live elsewhere, answered as Arrow.

    import virtualization
    from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable

    shop = DataSource("shop", "postgresql", "postgresql://db.example:5432/shop", credential=Credential("reader", password))
    orders = VirtualTable("public", "orders", "shop", "public.orders", (Column("id", "integer"), Column("amount", "numeric(12,2)")))
    catalog = MemoryCatalog.of([shop], [orders])

    table = virtualization.query("SELECT count(*), sum(amount) FROM orders WHERE id > 1", catalog)     # a pyarrow.Table
    print(virtualization.explain("SELECT count(*), sum(amount) FROM orders WHERE id > 1", catalog).text())

What no source takes and DuckDB can't do exactly as PostgreSQL needs a PostgreSQL in which temporary tables may be made: pass its
address as ``scratch_dsn``. All errors are ``virtualization.errors.VirtualizationError``.

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
