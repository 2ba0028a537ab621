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
from virtualization.connectors.mongodb.passthrough import passthrough
from virtualization.connectors.mongodb.queries import query_pipeline
from virtualization.connectors.mongodb.rejects import COLUMNS, DETECTED, columns_of, scan_rejected, text_of
from virtualization.connectors.mongodb.scans import scan_pipeline
from virtualization.connectors.mongodb.typed_columns import REJECTED_OF
from virtualization.plan import (
    Accepted,
    Batches,
    Declined,
    Detected,
    FragmentRequest,
    Kept,
    QueryContext,
    RemoteObject,
    Scanned,
    TestedSource,
)
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
        if REJECTED_OF not in options:
            return detect(self._client, location, options)
        others = {name: value for name, value in options.items() if name != REJECTED_OF}
        said = options[REJECTED_OF]
        columns = detect(self._client, location, others).columns if said == DETECTED else columns_of(said)
        return Detected(COLUMNS, {**options, REJECTED_OF: text_of(columns)})

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns and the predicates that mean the same there. No column asked for: the first one (rows are what counts)."""
        names = list(columns) or [table.columns[0].name]
        if REJECTED_OF in table.options:
            rejected, why = scan_rejected(table, names, predicates)
            return Scanned(fragment(self._client, rejected, (table.key,)), tuple(predicates), why)
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
        if any(REJECTED_OF in table.options for table in request.tables.values()):
            why = "the list of values that don't fit is made while it is read"
            return Declined((Kept(request.query.sql("postgres"), "not_on_list", why),))
        try:
            pipeline = query_pipeline(request.query, request.tables)
        except RefusedError as refused:
            return Declined((refused.kept,))
        keys = tuple(sorted({table.key for table in request.tables.values()}))
        return Accepted(fragment(self._client, pipeline, keys))

    def passthrough(self, text: str, context: QueryContext) -> Batches:
        """See ``virtualization.passthrough``."""
        return passthrough(self._client, self._settings.source, text, context)

    def close(self) -> None:
        """End connections; running fragments finish first."""
        self._client.close()

    def _switched_off(self, what: exp.Expr) -> Kept | None:
        if self._settings.pushdown:
            return None
        return Kept(what.sql("postgres"), "switched_off", "the source's option pushdown is off", "ALTER the source: pushdown on")
