"""I/O with one MongoDB: pipelines that stream record batches, each in a session of its own so that it can be ended at the server."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pymongo import MongoClient, errors
from pymongo.client_session import ClientSession
from pymongo.collation import Collation

from virtualization.connectors.mongodb import rows
from virtualization.connectors.mongodb.faults import NO_BRANCH, fault
from virtualization.connectors.mongodb.options import Settings
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.errors import CancelledError, DataError, RemoteObjectError, VirtualizationError
from virtualization.plan import QueryContext

log = logging.getLogger(__name__)
Document = dict[str, Any]
_SIMPLE = "simple"
"""The collation under which texts compare byte by byte, in UTF-8: PostgreSQL's order here. A collection's own may be another."""


class Client:
    """Thread-safe; connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._client: MongoClient[Document] | None = None
        self._running = 0
        self._closing = False

    def command(self, document: Document, database: str | None = None, what: str = "a command") -> Document:
        """The answer of a command to the source's (or another) database."""
        with self._errors(what):
            return self._connected()[database or self.settings.database].command(document)

    def collections(self, database: str | None = None) -> list[Document]:
        """Name and kind (collection, view, timeseries) of each collection that is not the system's."""
        with self._errors("its catalog"):
            found = self._connected()[database or self.settings.database].list_collections(
                filter={"name": {"$not": {"$regex": "^system\\."}}}
            )
            return sorted(({"name": one["name"], "type": one.get("type", "collection")} for one in found), key=lambda one: str(one["name"]))

    def documents(self, collection: str, stages: Sequence[Document]) -> list[Document]:
        """All documents of a small answer."""
        with self._errors(f'collection "{collection}"'):
            cursor = self._collection(collection).aggregate_raw_batches(list(stages), **self._limits())
            return [one for data in cursor for one in rows.decoded(data, self.where(collection))]

    def estimated(self, collection: str) -> float | None:
        """The number of documents as the collection's metadata have it; None for a view."""
        try:
            return float(self._collection(collection).estimated_document_count())
        except errors.OperationFailure:
            return None  # a view knows none: an estimate is not worth a scan
        except errors.PyMongoError as error:
            raise fault(error, self.settings.source, f'collection "{collection}"') from None

    def indexed(self, collection: str) -> list[str]:
        """Paths by which a plain index begins that serves every equality of that path (not sparse, partial, hashed, of a collation …)."""
        try:
            found = list(self._collection(collection).list_indexes())
        except errors.OperationFailure:
            return []  # a view has none, a user may not see them: it is only about cost
        except errors.PyMongoError as error:
            raise fault(error, self.settings.source, f'collection "{collection}"') from None
        plain = [one for one in found if not set(one) & {"sparse", "partialFilterExpression", "collation", "hidden", "wildcardProjection"}]
        first = [next(iter(one["key"].items())) for one in plain]
        return sorted({str(path) for path, direction in first if direction in (1, -1) and "$" not in path})

    def validator(self, collection: str) -> Document | None:
        """What the collection checks its documents by; None: nothing."""
        with self._errors(f'collection "{collection}"'):
            found = next(iter(self._connected()[self.settings.database].list_collections(filter={"name": collection})), None)
        made: Document | None = (found or {}).get("options", {}).get("validator")
        return made

    def collation(self, collection: str) -> Collation | None:
        """What a pipeline must ask for so that texts compare by code points; None: nothing. RemoteObjectError where there is no such
        collection (the server takes it for an empty one)."""
        with self._errors(f'collection "{collection}"'):
            found = next(iter(self._connected()[self.settings.database].list_collections(filter={"name": collection})), None)
        if found is None:
            raise RemoteObjectError(
                f'{self.where(collection)} does not exist in database "{self.settings.database}"',
                hint="Names of collections are case-sensitive; bdc.import_schema shows what is there.",
            )
        if found.get("options", {}).get("collation", {}).get("locale", _SIMPLE) == _SIMPLE:
            return None
        if found.get("type") == "view":
            raise RemoteObjectError(
                f"{self.where(collection)} is a view with a collation of its own, which no query can change",
                hint="Read the collection below it, or make a view without collation.",
            )
        return Collation(locale=_SIMPLE)

    def where(self, collection: str) -> str:
        """For messages."""
        return f'data source "{self.settings.source}", collection "{collection}"'

    def stream(self, pipeline: Pipeline, context: QueryContext) -> Stream:
        """Start; nothing has been read yet."""
        if context.cancelled:
            raise CancelledError("canceling statement due to user request")
        with self._errors(f'collection "{pipeline.collection}"'):
            client = self._connected()
            with self._lock:
                self._running += 1
            return Stream(self, client, pipeline, context)

    def start(self, pipeline: Pipeline, session: ClientSession, label: str) -> Any:  # noqa: ANN401 the driver's raw cursor
        """The cursor of a pipeline."""
        collation = self.collation(pipeline.collection)
        for other in pipeline.joined:
            self.collation(other)  # is it there? It is compared by the collation of the whole
        return self._collection(pipeline.collection).aggregate_raw_batches(
            list(pipeline.stages), session=session, collation=collation, allowDiskUse=True, batchSize=self.settings.fetch_documents,
            comment=f"bdc {label}".strip(), **self._limits(),
        )  # fmt: skip

    def ended(self) -> None:
        """A stream ended."""
        with self._lock:
            self._running -= 1
            last = self._closing and not self._running
        if last:
            self._close()

    def close(self) -> None:
        """End connections; running streams finish first."""
        with self._lock:
            self._closing = True
            idle = not self._running
        if idle:
            self._close()

    def _close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _collection(self, name: str) -> Any:  # noqa: ANN401 raw and decoded cursors have types of their own
        return self._connected()[self.settings.database][name]

    def _limits(self) -> Mapping[str, Any]:
        return {"maxTimeMS": int(self.settings.statement_timeout * 1000)} if self.settings.statement_timeout else {}

    def _connected(self) -> MongoClient[Document]:
        with self._lock:
            if self._client is None:
                self._client = MongoClient(**self.settings.arguments())
            return self._client

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except errors.PyMongoError as error:
            raise fault(error, self.settings.source, f"{what} at {self.settings.address}") from None


class Stream:
    """Batches of one pipeline as they arrive. See ``virtualization.plan.Batches``.

    Cancel ends the session at the server (``killSessions``: the running operation and the cursor), from another connection."""

    def __init__(self, owner: Client, client: MongoClient[Document], pipeline: Pipeline, context: QueryContext) -> None:
        self._owner = owner
        self._client = client
        self._pipeline = pipeline
        self._context = context
        self._session = client.start_session(causal_consistency=False)
        self._lock = threading.Lock()
        self._over = False
        self._cursor: Any = None
        self.strangers: Counter[str] = Counter()
        """Values that did not fit their column and became NULL, by column."""
        self._withdraw: Callable[[], None] = context.on_cancel(self.interrupt)

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return rows.schema(self._pipeline.outputs)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        where = self._owner.where(self._pipeline.collection)
        count = 0
        try:
            for data in self._answers():
                documents = rows.decoded(data, where)
                count += len(documents)
                if documents:
                    yield rows.batch(documents, self._pipeline.outputs, self.strangers, where)
            if not self._over and not count:
                yield from self._nothing(where)
            self._report(where)
        finally:
            self.close()

    def close(self) -> None:
        """End the cursor at the server and free the session; harmless when repeated."""
        self._withdraw()
        with self._lock:
            if self._over:
                return
            self._over = True
        with contextlib.suppress(errors.PyMongoError):  # not to be reached any more: the server forgets idle sessions by itself
            if self._cursor is not None:
                self._cursor.close()
        with contextlib.suppress(errors.PyMongoError):
            self._session.end_session()
        self._owner.ended()

    def interrupt(self) -> None:
        """End what it waits for, at the server; harmless when repeated or after the end."""
        with self._lock:
            if self._over:
                return
        with contextlib.suppress(errors.PyMongoError):  # not to be reached just now: the context asks again
            self._client.admin.command("killSessions", [self._session.session_id])

    def _answers(self) -> Iterator[bytes]:
        try:
            if self._over:
                return
            if self._cursor is None:
                self._cursor = self._owner.start(self._pipeline, self._session, self._context.label)
            for data in self._cursor:
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request")
                yield data
        except errors.PyMongoError as error:
            raise self._fault(error) from None
        if self._context.cancelled:
            raise CancelledError("canceling statement due to user request")

    def _nothing(self, where: str) -> Iterator[pa.RecordBatch]:
        if self._pipeline.one_row is not None:
            yield rows.batch([dict(self._pipeline.one_row)], self._pipeline.outputs, self.strangers, where)

    def _fault(self, error: errors.PyMongoError) -> VirtualizationError:
        if getattr(error, "code", None) == NO_BRANCH and not self._context.cancelled:
            return self._culprit() or fault(error, self._owner.settings.source, f'collection "{self._pipeline.collection}"')
        return fault(error, self._owner.settings.source, f'collection "{self._pipeline.collection}"', self._context.cancelled)

    def _culprit(self) -> DataError | None:
        for one in self._pipeline.culprits:
            where = self._owner.where(one.collection)
            found = self._owner.documents(one.collection, one.stages)
            if found:
                return DataError(
                    f'{where}: column "{one.name}" is {one.declared}, the document with _id {rows.as_text(found[0].get("_id"))} '
                    f"has a value there of type {found[0].get('type')} that does not fit",
                    hint="Declare another type, or set the table's option mismatch to null (such values are NULL and are counted).",
                )
        return None

    def _report(self, where: str) -> None:
        for name, number in sorted(self.strangers.items()):
            log.warning("%s: column %s: %d values did not fit their declared type and were read as NULL", where, name, number)
