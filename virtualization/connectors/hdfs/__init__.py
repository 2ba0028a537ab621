"""The connector ``hdfs``: CSV, JSON, Parquet, ORC and Avro files and Delta tables of an HDFS as tables.

Location ``hdfs://host:port``, or ``https://host:port`` for WebHDFS over TLS; a table's location is the path of a file, a folder
(recursive) or a glob. Options: see ``options``.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.hdfs.client import Client
from virtualization.connectors.hdfs.delta import Snapshots
from virtualization.connectors.hdfs.detect import detect
from virtualization.connectors.hdfs.engine import Engine
from virtualization.connectors.hdfs.fragments import FilesFragment
from virtualization.connectors.hdfs.layout import Layouts
from virtualization.connectors.hdfs.options import FileFormat, format_of_path, settings, table_format
from virtualization.connectors.hdfs.partitions import partition_columns
from virtualization.connectors.hdfs.ranges import Range, ranges
from virtualization.connectors.hdfs.rewrites import duckdb_predicate
from virtualization.connectors.hdfs.scan_sql import Scan
from virtualization.connectors.hdfs.statistics import statistics
from virtualization.connectors.hdfs.summaries import FORMATS as SUMMARY_FORMATS
from virtualization.connectors.hdfs.summaries import FootersFragment, summaries
from virtualization.connectors.hdfs.table_files import Reader
from virtualization.connectors.hdfs.types import duckdb_type
from virtualization.errors import UnknownColumnError
from virtualization.plan import Accepted, Declined, Detected, FragmentRequest, Kept, RemoteObject, Scanned, TestedSource
from virtualization.types import pg_type


class HdfsConnector:
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource, client: Client | None = None) -> None:
        self._settings = settings(source)
        self._client = client or Client(self._settings)
        self._engine = Engine()
        self._reader = Reader(self._client, Layouts(self._client), Snapshots(self._client), self._engine)

    def test(self) -> TestedSource:
        """One request to the NameNode. HDFS tells no version over this protocol."""
        self._client.call(lambda native: native.get_file_info("/"), "/")
        start = time.perf_counter()
        self._client.call(lambda native: native.get_file_info("/"), "/")
        return TestedSource("HDFS", (time.perf_counter() - start) * 1000)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """Files of a known format, and folders, that lie in the folder ``schema`` (default: the root)."""
        folder = schema or "/"
        return [
            RemoteObject(folder, posixpath.basename(path), path, "folder" if is_folder else "file")
            for path, is_folder in self._client.entries(folder)
            if is_folder or format_of_path(path)
        ]

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns and types by what the files hold, statistics too."""
        found = detect(self._reader, location, options)
        if "rejected_of" in found.options:
            return found
        table = VirtualTable("", location, "", location, found.columns, found.options, found.rows)
        scan = self._files(Scan(table, found.columns, (), (), found.columns), table_format(table, location))
        return replace(found, statistics=statistics(self._client, scan, table))

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns, and comparisons with constants. No column asked for: the first one (rows are what counts)."""
        by_name = {column.name: column for column in table.columns}
        for name in columns:
            if name not in by_name:
                raise UnknownColumnError(f'column "{name}" of virtual table "{table.schema}.{table.name}" does not exist')
        wanted = tuple(by_name[name] for name in columns) or table.columns[:1]
        shape = table_format(table, table.location)
        if shape.rejected_of is not None:
            why = tuple(
                Kept(one.sql("postgres"), "not_on_list", "the list of rejected rows is made while the files are read") for one in predicates
            )
            return Scanned(self._files(Scan(table, wanted, (), (), wanted), shape), tuple(predicates), why)
        folders = {column.name for column in partition_columns(table, shape)}
        types = {column.name: pg_type(column.type) for column in table.columns}
        taken: list[str] = []
        asked: list[Range] = []
        pruning: list[str] = []
        left: list[exp.Expression] = []
        kept: list[Kept] = []
        looked_at = {column.name for column in wanted}
        for predicate in predicates:
            made = duckdb_predicate(predicate, types)
            if isinstance(made, Kept):
                left.append(predicate)
                kept.append(made)
                continue
            names = {column.name for column in predicate.find_all(exp.Column)}
            if names <= folders:
                pruning.append(made)
            else:
                taken.append(made)
                looked_at |= names
                asked += [one for one in ranges(predicate, types) if one.column not in folders]
        needed = wanted + tuple(column for column in table.columns if column.name in looked_at and column not in wanted)
        for column in needed:
            duckdb_type(types[column.name], column.name)
        scan = Scan(table, wanted, tuple(taken), tuple(pruning), needed, tuple(asked))
        return Scanned(self._files(scan, shape), tuple(left), tuple(kept))

    def _files(self, scan: Scan, shape: FileFormat) -> FilesFragment:
        text = _in_words(self._settings.location, scan, shape.format)
        return FilesFragment(self._settings.source, scan, shape, text, self._reader)

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """Count, least and greatest values by footers. Else files are scanned; the executor sees the scan inline and does the rest
        beside it."""
        asked = summaries(request)
        if asked is not None:
            made, table, parts = asked
            looked_at = tuple(dict.fromkeys(one.column.name for one in made if one.column is not None))
            bare = [cast(exp.Expression, part.transform(_unqualified)) for part in parts]
            scanned = self.scan(table, looked_at, bare) if table_format(table, table.location).format in SUMMARY_FORMATS else None
            fragment = scanned.fragment if scanned is not None and not scanned.left else None
            if isinstance(fragment, FilesFragment) and not fragment.scan.predicates:
                return Accepted(FootersFragment(fragment, made))
        why = "files have no engine of their own; the executor runs this over the scan"
        return Declined((Kept(request.query.sql("postgres"), "no_engine", why),))

    def close(self) -> None:
        """Streams that still run keep their cursors."""
        self._engine.close()


def _unqualified(node: exp.Expr) -> exp.Expr:
    return exp.column(node.this) if isinstance(node, exp.Column) else node


def _in_words(root: str, scan: Scan, kind: str) -> str:
    words = f"scan {root}{scan.table.location} ({kind}): columns {', '.join(column.remote_name for column in scan.columns)}"
    if scan.predicates:
        words += f"; rows where {' AND '.join(scan.predicates)}"
    if scan.partition_predicates:
        words += f"; folders where {' AND '.join(scan.partition_predicates)}"
    return words
