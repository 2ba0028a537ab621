"""What is known of a table's values: what its source says, and of the rest what a bounded number of its rows tells.

The first rows are no fair sample: they tell how often values come again, how long they are and how many are missing, not where they end.
So what they say is for the planner here alone; the master's, which would take a range outside of them for empty, is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from virtualization.catalog import Catalog, Column, ColumnFacts, DataSource, MemoryCatalog, VirtualTable
from virtualization.plan import Connector, OutputColumn, Plan, QueryContext, Result
from virtualization.statistics import ColumnStatistics, sampled_facts, whole_statistics
from virtualization.types import schema_of


class Runner(Protocol):
    """What is needed of an engine."""

    def plan(self, sql: str, catalog: Catalog) -> Plan:
        """See ``virtualization.engine.Engine``."""
        ...

    def run(self, plan: Plan, context: QueryContext) -> Result:
        """See ``virtualization.engine.Engine``."""
        ...

    def connector(self, source: DataSource) -> Connector:
        """See ``virtualization.engine.Engine``."""
        ...


@dataclass(frozen=True)
class Analyzed:
    """``statistics`` by the names that columns have at the source; ``sampled`` by their own, of other columns."""

    rows: float | None
    statistics: Mapping[str, ColumnStatistics]
    sampled: Mapping[str, ColumnFacts] = field(default_factory=dict)


def analyzed(engine: Runner, source: DataSource, table: VirtualTable, sample: int) -> Analyzed:
    """Ask the source; read up to ``sample`` rows where it does not know all columns."""
    found = engine.connector(source).detect(table.location, table.options)
    missing = [column for column in table.columns if column.remote_name not in found.statistics]
    if not missing:
        return Analyzed(found.rows, found.statistics)
    catalog = MemoryCatalog.of([source], [table])
    name = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    rows = _read(engine, f"SELECT {', '.join(_quoted(column.name) for column in missing)} FROM {name} LIMIT {sample}", catalog)
    if rows.num_rows < sample:
        whole = whole_statistics(rows, missing)
        remote = {column.name: column.remote_name for column in missing}
        return Analyzed(float(rows.num_rows), {**found.statistics, **{remote[name]: one for name, one in whole.items()}})
    count = found.rows if found.rows is not None else _read(engine, f"SELECT count(*) FROM {name}", catalog).column(0)[0].as_py()
    return Analyzed(float(count), found.statistics, sampled_facts(rows, missing, float(count)))


def _read(engine: Runner, sql: str, catalog: MemoryCatalog) -> pa.Table:
    result = engine.run(engine.plan(sql, catalog), QueryContext())
    try:
        schema = _schema(result.columns)
        return pa.Table.from_batches([batch.cast(schema) for batch in result], schema)
    finally:
        result.close()


def _schema(columns: tuple[OutputColumn, ...]) -> pa.Schema:
    return schema_of([Column(column.name, column.type) for column in columns])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
