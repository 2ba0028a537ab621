"""What most fragments have in common: rows that only come through ``open``, and being made of another fragment.

See ``virtualization.plan.Fragment``, the contract.
"""

from __future__ import annotations

from virtualization.errors import VirtualizationError
from virtualization.plan import Batches, Fragment, OutputColumn, QueryContext, ReadByEngine, ReadInRanges


def by_engine(fragment: Fragment) -> bool:
    """Does ``duckdb_sql`` give a text?"""
    return fragment.by_engine if isinstance(fragment, ReadByEngine) else fragment.duckdb_sql() is not None


class RowsThroughOpen:
    """Nothing of it runs inside an engine."""

    by_engine = False
    """See ``virtualization.plan.ReadByEngine``."""

    def duckdb_sql(self) -> None:
        """Rows come through ``open``."""
        return

    def prepare_duckdb(self, connection: object) -> None:
        """Nothing to register."""

    def fault(self, error: Exception) -> VirtualizationError | None:
        """None of it."""
        return None


class FragmentOver:
    """Made of ``fragment``, and the same as it wherever a class does not say otherwise."""

    fragment: Fragment

    @property
    def source(self) -> str:
        """As the fragment."""
        return self.fragment.source

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """As the fragment."""
        return self.fragment.columns

    @property
    def text(self) -> str:
        """As the fragment."""
        return self.fragment.text

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """As the fragment."""
        return self.fragment.tables

    def ranges(self) -> str | None:
        """As the fragment."""
        return self.fragment.ranges() if isinstance(self.fragment, ReadInRanges) else None

    def open(self, context: QueryContext) -> Batches:
        """As the fragment."""
        return self.fragment.open(context)

    @property
    def by_engine(self) -> bool:
        """As the fragment."""
        return by_engine(self.fragment)

    def duckdb_sql(self) -> str | None:
        """As the fragment."""
        return self.fragment.duckdb_sql()

    def prepare_duckdb(self, connection: object) -> None:
        """As the fragment."""
        self.fragment.prepare_duckdb(connection)

    def fault(self, error: Exception) -> VirtualizationError | None:
        """As the fragment."""
        return self.fragment.fault(error)
