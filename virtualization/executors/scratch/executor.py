"""Fragments become temporary tables of the declared types; the residual's text then runs unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader
from sqlglot import exp

from virtualization.driver_batches import to_contract
from virtualization.errors import UnsupportedError
from virtualization.executors.scratch.admission import FRAGMENT_PREFIX, refusal
from virtualization.executors.scratch.loading import load
from virtualization.executors.scratch.sessions import Session, Sessions
from virtualization.plan import Fragment, Kept, OutputColumn, QueryContext
from virtualization.types import PgType, arrow_field, pg_type

RESULT = "__result"


class ScratchExecutor:
    """See ``virtualization.plan.Executor``. ``dsn``: of a PostgreSQL that holds nothing but temporary tables."""

    name = "scratch"

    def __init__(self, dsn: str, *, max_connections: int = 4) -> None:
        self._sessions = Sessions(dsn, max_connections)

    def refuses(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Kept | None:
        """Only what reaches the server itself."""
        return refusal(residual, len(fragments))

    def describe(self, residual: exp.Query, fragments: Sequence[Fragment]) -> tuple[OutputColumn, ...]:
        """Names and types of the result, from PostgreSQL's own parser; nothing runs."""
        self._admit(residual, fragments)
        session = self._sessions.begin(QueryContext())
        try:
            for name, fragment in _read(residual, fragments):
                load(session, name, fragment, None)
            return _columns(_describe(session, residual))
        finally:
            session.close()

    def run(self, residual: exp.Query, fragments: Sequence[Fragment], context: QueryContext) -> ScratchResult:
        """Load the fragments, start the statement; the answer streams."""
        self._admit(residual, fragments)
        session = self._sessions.begin(context)
        try:
            for name, fragment in _read(residual, fragments):
                load(session, name, fragment, context)
            described = _describe(session, residual)
            session.execute("SET TRANSACTION READ ONLY")
            return ScratchResult(session, described)
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """Close connections; running queries finish first."""
        self._sessions.close()

    def _admit(self, residual: exp.Query, fragments: Sequence[Fragment]) -> None:
        kept = self.refuses(residual, fragments)
        if kept is not None:
            raise UnsupportedError(f"{kept.what} is not supported here: {kept.why}", hint=kept.fix)


class ScratchResult:
    """The streaming answer; ``close`` cancels what still runs."""

    def __init__(self, session: Session, described: Sequence[tuple[str, PgType]]) -> None:
        self._session = session
        self.columns = _columns(described)
        self._schema = pa.schema([arrow_field(name, of.text) for name, of in described])
        try:
            session.cursor.execute(_select(described))
            # fetch_record_batch would hand out pyarrow's own reader, whose errors have lost the server's SQLSTATE
            handle = session.cursor.fetch_arrow()
            self._reader = AdbcRecordBatchReader._import_from_c(handle.address)
        except adbc_driver_manager.Error as error:
            raise session.fault(error) from None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while True:
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
                except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                    raise self._session.fault(error) from None
                if batch.num_rows:
                    yield to_contract(batch, self._schema, "the scratch PostgreSQL")
        finally:
            self.close()

    def close(self) -> None:
        """End the transaction."""
        self._session.close()


def _read(residual: exp.Query, fragments: Sequence[Fragment]) -> Iterator[tuple[str, Fragment]]:
    """The fragments that the text names: others were read before it."""
    names = {table.name for table in residual.find_all(exp.Table)}
    for number, fragment in enumerate(fragments):
        if f"{FRAGMENT_PREFIX}{number}" in names:
            yield f"{FRAGMENT_PREFIX}{number}", fragment


def _describe(session: Session, residual: exp.Query) -> list[tuple[str, PgType]]:
    """The types of the result are those of a view over the very text."""
    text = residual.sql("postgres")
    session.execute(f"CREATE TEMP VIEW {RESULT} AS {text}")
    rows = session.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = 'pg_temp.{RESULT}'::regclass AND attnum > 0 ORDER BY attnum"
    )
    return [(str(name), pg_type(str(of))) for name, of in rows]


def _columns(described: Sequence[tuple[str, PgType]]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(name, of.text) for name, of in described)


def _select(described: Sequence[tuple[str, PgType]]) -> str:
    """Types that travel as text are asked for as text."""
    items = [f"{_quoted(name)}::text" if of.travels_as_text else _quoted(name) for name, of in described]
    return f"SELECT {', '.join(items)} FROM pg_temp.{RESULT}"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("postgres")
