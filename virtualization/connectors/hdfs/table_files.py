"""The files of a table as they are now, and those of them that a scan has to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from virtualization.catalog import VirtualTable
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.delta import Snapshot, Snapshots, physical_name
from virtualization.connectors.hdfs.delta_types import file_bounds
from virtualization.connectors.hdfs.engine import Engine, fault
from virtualization.connectors.hdfs.footers import column_bounds
from virtualization.connectors.hdfs.layout import Layout, Layouts
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.partitions import partition_columns, pruning_sql
from virtualization.connectors.hdfs.ranges import may_hold
from virtualization.connectors.hdfs.scan_sql import Scan
from virtualization.errors import RemoteObjectError

_AT_ONCE = 50
"""Files looked into together, when a column is looked for that the files to be read don't have."""


@dataclass(frozen=True)
class TableFiles:
    """``files``: all. ``snapshot``: of a Delta table, which tells its columns and partitions by itself (``shape`` has them)."""

    files: Sequence[RemoteFile]
    shape: FileFormat
    snapshot: Snapshot | None = None


@dataclass(frozen=True)
class Reader:
    """What looks into the files of one source."""

    client: Client
    layouts: Layouts
    snapshots: Snapshots
    engine: Engine

    def found(self, location: str, shape: FileFormat) -> TableFiles:
        """List now. RemoteObjectError where the table's partitions are not the Delta table's."""
        if shape.format != "delta":
            return TableFiles(self.client.files(location), shape)
        snapshot = self.snapshots.of(location, shape.version)
        strange = [name for name in shape.partitions if name not in snapshot.partitions]
        if strange:
            raise RemoteObjectError(f'Delta table {location} is not partitioned by "{strange[0]}"', hint="bdc table refresh NAME --columns")
        return TableFiles(snapshot.files, replace(shape, partitions=snapshot.partitions), snapshot)

    def to_read(self, scan: Scan, found: TableFiles) -> tuple[list[RemoteFile], list[Layout]]:
        """Without those whose folders or statistics say that no row of theirs is asked for."""
        files = self._by_statistics(scan, found, self._by_folders(scan, found))
        layouts = self.layouts.of(files, found.shape)
        kept = [at for at, layout in enumerate(layouts) if _may_hold(scan, layout)]
        files, layouts = [files[at] for at in kept], [layouts[at] for at in kept]
        self._check_columns(scan, found, layouts)
        return files, layouts

    def _by_folders(self, scan: Scan, found: TableFiles) -> list[RemoteFile]:
        files = list(found.files)
        if not scan.partition_predicates or not files:
            return files
        cursor = self.engine.cursor()
        try:
            kept: list[Any] = cursor.execute(pruning_sql(files, scan.table, scan.partition_predicates, found.shape)).fetchall()
        except duckdb.Error as error:
            raise fault(error, None, self.client.settings.source) from None
        finally:
            cursor.close()
        return [files[number] for (number,) in kept]

    def _by_statistics(self, scan: Scan, found: TableFiles, files: list[RemoteFile]) -> list[RemoteFile]:
        snapshot = found.snapshot
        if snapshot is None or not scan.ranges:
            return files
        asked = [(one, _remote_name(scan.table, one.column)) for one in scan.ranges]
        return [file for file in files if all(may_hold(file_bounds(snapshot, file.path, name, one), one) for one, name in asked)]

    def _check_columns(self, scan: Scan, found: TableFiles, layouts: Sequence[Layout]) -> None:
        """A column that some files lack is NULL there. One that no file of the table has is a mistake."""
        layouts = [layout for layout in layouts if layout.names]  # files without content have none
        if not layouts or not found.shape.names_its_columns:
            return
        folders = {column.name for column in partition_columns(scan.table, found.shape)}
        wanted = {column.remote_name for column in scan.needed if column.name not in folders}
        if found.snapshot is not None:
            wanted -= {physical_name(one) for one in found.snapshot.fields}
        for layout in layouts:
            wanted -= set(layout.names)
        if not wanted:
            return
        newest_first = sorted(found.files, key=lambda file: -(file.modified or 0))
        for start in range(0, len(newest_first), _AT_ONCE):
            for layout in self.layouts.of(newest_first[start : start + _AT_ONCE], found.shape):
                wanted -= set(layout.names)
            if not wanted:
                return
        shown = ", ".join(layouts[0].names[:20])
        raise RemoteObjectError(
            f'no file of {scan.table.location} has a column "{min(wanted)}"',
            hint=f"{found.files[0].path} has: {shown}. bdc table refresh NAME --columns takes over changed columns.",
        )


def _may_hold(scan: Scan, layout: Layout) -> bool:
    return all(may_hold(column_bounds(layout, _remote_name(scan.table, one.column)), one) for one in scan.ranges)


def _remote_name(table: VirtualTable, name: str) -> str:
    return next(column.remote_name for column in table.columns if column.name == name)
