"""The connector's answers; see ``virtualization.plan.Connector``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.mongodb.client import Client
from virtualization.connectors.mongodb.detect import detect, objects
from virtualization.connectors.mongodb.fragments import fragment
from virtualization.connectors.mongodb.options import settings
from virtualization.connectors.mongodb.queries import query_pipeline
from virtualization.connectors.mongodb.scans import scan_pipeline
from virtualization.plan import Accepted, Declined, Detected, FragmentRequest, Kept, RemoteObject, Scanned, TestedSource
from virtualization.refusal import RefusedError


class MongodbConnector:
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource) -> None:
        self._settings = settings(source)
        self._client = Client(self._settings)

    def test(self) -> TestedSource:
        """One round trip as the source's user."""
        version = str(self._client.command({"buildInfo": 1}, what="a test").get("version", "unknown"))
        start = time.perf_counter()
        # a server answers ping before the login; this needs one
        self._client.command({"listCollections": 1, "nameOnly": True, "cursor": {"batchSize": 1}}, what="a test")
        return TestedSource(f"MongoDB {version}", (time.perf_counter() - start) * 1000)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """Collections, and the arrays in their sampled documents; ``schema`` must be the source's database where it is given."""
        return objects(self._client, schema)

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns by what sampled documents hold."""
        return detect(self._client, location, options)

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns and the predicates that mean the same there. No column asked for: the first one (rows are what counts)."""
        names = list(columns) or [table.columns[0].name]
        off = self._switched_off(predicates[0]) if predicates else None
        pipeline, left, kept = scan_pipeline(table, names, [] if off is not None else predicates)
        if off is not None:
            left, kept = tuple(predicates), (off,)
        return Scanned(fragment(self._client, pipeline, (table.key,)), tuple(left), tuple(kept))  # type: ignore[arg-type]

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """The whole request, or nothing."""
        off = self._switched_off(request.query)
        if off is not None:
            return Declined((off,))
        try:
            pipeline = query_pipeline(request.query, request.tables)
        except RefusedError as refused:
            return Declined((refused.kept,))
        keys = tuple(sorted({table.key for table in request.tables.values()}))
        return Accepted(fragment(self._client, pipeline, keys))

    def close(self) -> None:
        """End connections; running fragments finish first."""
        self._client.close()

    def _switched_off(self, what: exp.Expr) -> Kept | None:
        if self._settings.pushdown:
            return None
        return Kept(what.sql("postgres"), "switched_off", "the source's option pushdown is off", "ALTER the source: pushdown on")
