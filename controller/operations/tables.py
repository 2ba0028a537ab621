"""The data pool's tables as the master knows them: on which shards they lie, and moving them (the compute pool does that)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from controller.errors import ControllerError, NotReadyError
from controller.operations.refusals import PlacedTable

OWN = """
    SELECT bdc.data_table_name(d.table_id), ARRAY(SELECT (place ->> 'number')::int FROM jsonb_array_elements(d.shards) AS place ORDER BY 1)
    FROM bdc.data_tables AS d WHERE bdc.rows_identity(d) = bdc.identity() ORDER BY 1
"""
LOOK = "SELECT state, progress, problem FROM bdc.data_operations_view WHERE id = %s::uuid"


class TablesError(ControllerError):
    """The master or the compute pool refused; the message is its own."""

    code = "data_operation_failed"
    category = "service"
    status = 503


@dataclass(frozen=True)
class Moved:
    """One data operation: ``state`` waiting, running, done or failed; ``progress`` as the compute pool tells it."""

    state: str
    progress: dict[str, object]


class DataTables:
    """``dsn()``: a connection string of the master's superuser, password included; it stays out of messages."""

    def __init__(self, dsn: Callable[[], str]) -> None:
        self._dsn = dsn

    def placed(self) -> tuple[PlacedTable, ...]:
        """All tables with rows of their own, in all databases. NotReadyError without the master."""
        from pools.master.databases import each_database, has_extension

        found = []
        with master_errors():
            for name, connection in each_database(self._dsn()):
                if has_extension(connection):
                    rows = connection.execute(OWN).fetchall()
                    found += [
                        PlacedTable(name, str(table), tuple(int(str(number)) for number in numbers)) for table, numbers in _lists(rows)
                    ]
        return tuple(found)

    def placed_or_unknown(self) -> tuple[PlacedTable, ...] | None:
        """None where the master can't be asked now."""
        try:
            return self.placed()
        except ControllerError:
            return None

    def begin(self, database: str, kind: str, request: dict[str, object]) -> str:
        """Ask for a data operation; its id."""
        number = str(uuid.uuid4())
        from pools.master.databases import connect

        with master_errors(), closing(connect(self._dsn(), database)) as connection:
            connection.execute("CALL bdc.start_data_operation(%s, %s, %s)", [number, kind, json.dumps(request)])
        return number

    def look(self, database: str, number: str) -> Moved | None:
        """How far it is; None for one that nobody knows (the database was restored meanwhile). TablesError for one that failed."""
        from pools.master.databases import connect

        with master_errors(), closing(connect(self._dsn(), database)) as connection:
            row = connection.execute(LOOK, [number]).fetchone()
        if row is None:
            return None
        state, progress, problem = row
        if state == "failed":
            told = problem if isinstance(problem, dict) else {"message": "it failed, and nobody told why"}
            raise TablesError(f"{database}: {told.get('message')}", where=database, hint=told.get("hint") or "bdc logs compute-0")
        return Moved(str(state), progress if isinstance(progress, dict) else {})


def _lists(rows: list[tuple[object, ...]]) -> Iterator[tuple[object, list[object]]]:
    for table, numbers in rows:
        assert isinstance(numbers, list)
        yield table, numbers


@contextmanager
def master_errors() -> Iterator[None]:
    """Foreign errors stop here; only the server's primary message is kept."""
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        raise NotReadyError(f"the master does not answer: {error.diag.message_primary or type(error).__name__}") from None
    except psycopg.Error as error:
        raise TablesError(error.diag.message_primary or type(error).__name__, where="master-0", hint=error.diag.message_hint) from None
