"""The interactive session behind ``bdc sql shell``: reads statements, runs them, prints. Ctrl-C cancels a statement, Ctrl-D ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from azdata_like_cli import output
from azdata_like_cli.answers import Records
from azdata_like_cli.command import Settings
from azdata_like_cli.groups.sql import results
from azdata_like_cli.passwords import can_ask, standard_input
from azdata_like_cli.statements import split
from bdc.errors import BdcError, UnreachableError

if TYPE_CHECKING:
    import psycopg

HELP = """\\q  end            \\timing  show how long statements take
\\l  databases      \\d       tables, views and virtual tables
\\s  data sources   \\v       virtual tables
\\d NAME  columns of a table
Statements end with ; and may take several lines."""

_RELATIONS = """SELECT n.nspname AS schema, c.relname AS name,
  CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'virtual table' ELSE 'table' END AS kind,
  pg_catalog.pg_get_userbyid(c.relowner) AS owner
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bdc') AND n.nspname !~ '^pg_toast'
  AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2"""
_COLUMNS = """SELECT a.attname AS column, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable
FROM pg_catalog.pg_attribute a WHERE a.attrelid = %s::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_QUERIES = {
    "\\l": "SELECT datname AS name, pg_catalog.pg_get_userbyid(datdba) AS owner FROM pg_catalog.pg_database WHERE datallowconn ORDER BY 1",
    "\\d": _RELATIONS,
    "\\s": "SELECT name, connector, location, owner FROM bdc.data_sources ORDER BY 1",
    "\\v": "SELECT schema_name, table_name, source_name, location, owner FROM bdc.virtual_tables ORDER BY 1, 2",
}


class Shell:
    """One session over an open connection."""

    def __init__(self, connection: psycopg.Connection[Any], settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._timing = False
        self._pending = ""
        self._asking = can_ask()

    def run(self) -> None:
        """Read and run until the input ends. Without a terminal the first error ends it, as in a script."""
        with self._history():
            for line in self._lines():
                if line is None:  # Ctrl-C at the prompt drops what was typed
                    self._pending = ""
                elif not self._pending.strip() and line.strip().startswith("\\"):
                    if line.strip() in ("\\q", "\\quit"):
                        return
                    self._guarded(self._command, line.strip())
                else:
                    statements, self._pending = split(self._pending + line + "\n")
                    for statement in statements:
                        self._guarded(self._statement, statement)
            if self._pending.strip() and not self._asking:
                self._guarded(self._statement, self._pending)

    def _lines(self) -> Iterator[str | None]:
        if not self._asking:
            yield from (line.rstrip("\n") for line in standard_input())
            return
        output.message("Statements end with ;   \\? for help   \\q to end")
        while True:
            try:
                name = self._connection.info.dbname
                yield input(f"{name}{'->' if self._pending.strip() else '=>'} ")
            except EOFError:
                output.message("")
                return
            except KeyboardInterrupt:
                output.message("")
                yield None

    def _guarded(self, action: Callable[[str], None], text: str) -> None:
        """Run; at a terminal an error is told and the session goes on, unless the connection is gone."""
        started = time.monotonic()
        try:
            action(text)
        except UnreachableError:
            raise
        except BdcError as error:
            if not self._asking or self._connection.closed:
                raise
            output.error(error)
        except KeyboardInterrupt:
            if not self._asking:
                raise
            output.message("cancelled")
        if self._timing:
            output.message(f"{(time.monotonic() - started) * 1000:.1f} ms")

    def _statement(self, text: str) -> None:
        with contextlib.closing(results(self._connection, text)) as answers:  # Ctrl-C while printing: cancelled now, not some time later
            for answer in answers:
                output.write(answer, self._settings.output)

    def _command(self, line: str) -> None:
        from azdata_like_cli.sqlsession import records

        word, _, rest = line.partition(" ")
        if word == "\\?":
            output.message(HELP)
        elif word == "\\timing":
            self._timing = not self._timing
            output.message(f"Timing is {'on' if self._timing else 'off'}.")
        elif word == "\\d" and rest.strip():
            output.write(Records(rows=records(self._connection, _COLUMNS, rest.strip())), self._settings.output)
        elif word in _QUERIES:
            output.write(Records(rows=records(self._connection, _QUERIES[word])), self._settings.output)
        else:
            output.message(f"{word} is not known here; \\? lists what is. psql knows more: 'bdc endpoint list -e master' shows where.")

    @contextlib.contextmanager
    def _history(self) -> Iterator[None]:
        """Line editing at a terminal. History stays in memory: statements may hold secrets."""
        if self._asking:
            try:
                import readline
            except ImportError:  # a Python without readline still reads lines
                self._settings.say("no line editing: this Python has no readline")
            else:
                readline.set_history_length(1000)
        yield
