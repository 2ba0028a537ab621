"""How ``bdc data import`` brings a file into a table of the data pool.

The client holds no Parquet reader and sees no shard: the file lies in HDFS (a local one is put there for the while), becomes a virtual
table for the while, and one SQL transaction takes its rows over, so that all of them are there afterwards, or none. A text file's
columns are read as the types of the target's columns of the same names: a text column keeps its leading zeros.
"""

from __future__ import annotations

import json
import pathlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azdata_like_cli import output
from azdata_like_cli.progress import TransferProgress
from azdata_like_cli.sqlsession import call, records
from bdc.copies import Copier
from bdc.errors import BdcError, NotFoundError, UserError
from bdc.paths import is_remote, join, remote_path

if TYPE_CHECKING:
    import psycopg

    from bdc.webhdfs import WebHdfs

    Connection = psycopg.Connection[Any]

SOURCE = "hdfs"
FOLDER = "/tmp"  # noqa: S108 - of HDFS
PARQUET = (".parquet", ".parq", ".pq")
MODES = ("append", "overwrite", "upsert")
_OURS = re.compile(r'^virtual table "[^"]*bdc_import_[0-9a-f]+": |^data source "hdfs": ')


@dataclass(frozen=True)
class Target:
    """A table of the data pool: columns as the catalog has them (``{"name", "type", …}``), the names of its primary key."""

    schema: str
    name: str
    columns: Sequence[Mapping[str, Any]]
    key: Sequence[str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Target:
        """From a row of ``bdc.data_tables_view``."""
        return cls(str(found["schema_name"]), str(found["table_name"]), found["columns"], found["primary_key"] or ())

    def written(self, connection: Connection) -> str:
        """The name as SQL writes it."""
        from psycopg import sql

        return sql.Identifier(self.schema, self.name).as_string(connection)


@contextmanager
def lying_in_hdfs(place: str, files: WebHdfs) -> Iterator[str]:
    """The path in HDFS; a local file is put there first and removed at the end."""
    if is_remote(place):
        yield remote_path(place)
        return
    local = pathlib.Path(place)
    if not local.exists():
        raise NotFoundError(f"there is no {local}", hint="a file in HDFS is written hdfs:/folder/file")
    folder = f"{FOLDER}/bdc-import-{secrets.token_hex(8)}"
    progress = TransferProgress()
    files.mkdir(folder)
    try:
        path = join(folder, local.resolve().name)
        Copier(files, recursive=True, progress=progress).upload(local, path)
        progress.close()
        yield path
    finally:
        progress.close()
        _quietly(lambda: files.delete(folder, recursive=True), f"hdfs:{folder}")


@contextmanager
def in_words_of(place: str, path: str) -> Iterator[None]:
    """Errors name the file as the user did, not where it lay in the meantime."""
    try:
        yield
    except BdcError as error:
        said = _OURS.sub("", error.message)
        error.message = said if is_remote(place) else said.replace(f"location {path}", path).replace(path, place)
        raise


@contextmanager
def as_virtual_table(connection: Connection, target: Target, path: str, options: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    """(the virtual table's name, its columns), beside the target; dropped at the end."""
    from psycopg import sql

    name = sql.Identifier(target.schema, f"bdc_import_{secrets.token_hex(8)}").as_string(connection)
    columns = _columns(connection, name, target, path, options)
    call(connection, "bdc.create_virtual_table", name, SOURCE, path, json.dumps(columns), json.dumps(options))
    try:
        yield name, [str(column["name"]) for column in columns]
    finally:
        _quietly(lambda: call(connection, "bdc.drop_virtual_table", name), f"the virtual table {name}")


def take_over(connection: Connection, target: Target, source: str, names: Sequence[str], mode: str) -> int:
    """Rows of ``source`` into the target, in one transaction; how many."""
    from psycopg import sql

    from bdc.sql import translated

    table = sql.Identifier(target.schema, target.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM ").format(table, columns, columns) + sql.SQL(source)
    with translated(), connection.transaction():
        if mode == "upsert":
            rows = connection.execute(sql.SQL("SELECT count(*) FROM ") + sql.SQL(source)).fetchone()
            connection.execute("CALL bdc.merge(%s, %s, %s)", (table.as_string(connection), source, list(target.key)))
            return int(rows[0]) if rows else 0
        if mode == "overwrite":
            connection.execute(sql.SQL("TRUNCATE {}").format(table))
        return connection.execute(insert).rowcount


def _columns(connection: Connection, name: str, target: Target, path: str, options: Mapping[str, object]) -> list[dict[str, Any]]:
    """What the file holds, each under the target's type where that is a text file's to say; UserError for columns that don't fit."""
    with connection.transaction(force_rollback=True):
        call(connection, "bdc.create_virtual_table", name, SOURCE, path, None, json.dumps(options))
        (found,) = records(connection, "SELECT columns FROM bdc.virtual_tables WHERE relation = pg_catalog.to_regclass(%s)", name)
    detected = found["columns"]
    assert isinstance(detected, list)
    known = {str(column["name"]): str(column["type"]) for column in target.columns}
    strangers = [str(column["name"]) for column in detected if column["name"] not in known]
    if strangers:
        raise UserError(
            f"{path} has columns that {target.name} has not: {', '.join(strangers)}",
            why=f"the table has {', '.join(known)}",
            hint=_another_delimiter(strangers)
            or "columns are matched by name; a virtual table over the file and INSERT … SELECT rename them: bdc table create --help",
        )
    if _is_parquet(path, options):
        return detected
    return [{**column, "type": known[column["name"]]} for column in detected]


def _another_delimiter(names: Sequence[str]) -> str | None:
    """What to try when a whole line of names became one column."""
    found = next((mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), None)
    return found and f"is there another delimiter? --option 'delimiter={'tab' if found == chr(9) else found}'"


def _is_parquet(path: str, options: Mapping[str, object]) -> bool:
    form = str(options.get("format", "")).lower()
    return form == "parquet" or (not form and path.lower().endswith(PARQUET))


def _quietly(work: Any, what: str) -> None:  # noqa: ANN401 - a function
    """Clean up; what stays behind is told, and never hides what happened before."""
    try:
        work()
    except BdcError as error:
        output.message(f"warning: {what} could not be removed: {error.message}")
