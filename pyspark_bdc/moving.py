"""The statements that move staged rows into a local table, all for one transaction. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark_bdc.targets import Field, created_type
from pyspark_bdc.write_options import WriteOptions

_TEXTS = re.compile(r"(text|name|character varying|character|bpchar)(\(\d+\))?")
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
ISOLATION = {
    "READ_UNCOMMITTED": "READ UNCOMMITTED",
    "READ_COMMITTED": "READ COMMITTED",
    "REPEATABLE_READ": "REPEATABLE READ",
    "SNAPSHOT": "REPEATABLE READ",
    "SERIALIZABLE": "SERIALIZABLE",
}


@dataclass(frozen=True)
class LocalTable:
    """What the master says about a table; ``exists`` False: its schema and name are where it would be made."""

    schema: str
    name: str
    exists: bool
    columns: tuple[tuple[str, str], ...] = ()
    """(name, type) of those that can be written."""
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class StagedColumn:
    """One column: as it is staged, and where it goes."""

    name: str
    staged: str
    target: str

    @property
    def moved(self) -> str:
        """The expression that is inserted. Only texts are cast: a cast would cut what is too long."""
        texts = _TEXTS.fullmatch
        return f"CAST({_name(self.name)} AS {self.target})" if texts(self.staged) and not texts(self.target) else _name(self.name)

    @property
    def rounded(self) -> str | None:
        """What holds for a value that the table's type would round; None where it can't."""
        staged, target = _NUMERIC.fullmatch(self.staged), _NUMERIC.fullmatch(self.target)
        whole = self.target in ("smallint", "integer", "bigint")
        if staged is None or not (whole or target) or int(staged[2]) <= (0 if whole else int(target[2]) if target else 0):
            return None
        return f"round({_name(self.name)}, {target[2] if target else 0}) <> {_name(self.name)}"


@dataclass(frozen=True)
class Target:
    """The table and what is asked of the transaction."""

    schema: str
    name: str
    columns: tuple[StagedColumn, ...]
    mode: str
    key: tuple[str, ...]
    created: str | None = None
    """The columns' definitions where the table has to be made."""
    lock: bool = False
    isolation: str | None = None
    keep_identity: bool = False

    @classmethod
    def of(cls, options: WriteOptions, fields: Sequence[Field], names: Sequence[str], found: LocalTable) -> Target:
        """``names``: the table's column of each field."""
        types = dict(found.columns)
        columns = tuple(StagedColumn(name, created_type(field), types[name]) for field, name in zip(fields, names, strict=True))
        key = found.key or options.primary_key
        definition = ", ".join(f"{_name(one.name)} {one.target}" for one in columns)
        definition += f", PRIMARY KEY ({', '.join(map(_name, key))})" if key else ""
        created = None if found.exists else definition
        return cls(
            found.schema, found.name, columns, options.mode, key, created, options.table_lock, options.isolation, options.keep_identity
        )

    @property
    def quoted(self) -> str:
        """As SQL reads it."""
        return quoted(self.schema, self.name)

    @property
    def staging(self) -> str:
        """The definitions of a staging table's columns: what the frame has, so that COPY's binary form fits."""
        return ", ".join(f"{_name(one.name)} {one.staged}" for one in self.columns)


def quoted(schema: str, name: str) -> str:
    """``"schema"."name"``."""
    return f"{_name(schema)}.{_name(name)}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def moving_statements(target: Target, tables: Sequence[str]) -> list[str]:
    """In their order. ``tables``: the staging tables whose rows count."""
    statements = []
    if target.isolation:
        statements.append(f"SET TRANSACTION ISOLATION LEVEL {ISOLATION[target.isolation]}")
    if target.created is not None:
        statements.append(f"CREATE TABLE {target.quoted} ({target.created})")
    elif target.lock:
        statements.append(f"LOCK TABLE {target.quoted} IN EXCLUSIVE MODE")
    if target.mode == "overwrite" and target.created is None:
        statements.append(f"TRUNCATE {target.quoted}")
    if tables:
        statements += [_refusal(one, target, tables) for one in target.columns if one.rounded]
        statements.append(_insert(target, tables))
    return statements


def _refusal(column: StagedColumn, target: Target, tables: Sequence[str]) -> str:
    """Fails where a value would be rounded."""
    said = f"column {column.name!r}: a value has more digits than {column.target} holds".replace("'", "''")
    rows = " UNION ALL ".join(f"SELECT {_name(column.name)} FROM {quoted(target.schema, table)}" for table in tables)
    return f"""DO $bdc$ BEGIN IF EXISTS (SELECT FROM ({rows}) AS staged WHERE {column.rounded}) THEN
  RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = '{said}'; END IF; END $bdc$"""


def _insert(target: Target, tables: Sequence[str]) -> str:
    moved = ", ".join(one.moved for one in target.columns)
    rows = " UNION ALL ".join(f"SELECT {moved} FROM {quoted(target.schema, table)}" for table in tables)
    names = ", ".join(_name(one.name) for one in target.columns)
    overriding = " OVERRIDING SYSTEM VALUE" if target.keep_identity else ""
    return f"INSERT INTO {target.quoted} ({names}){overriding} {rows}{_conflict(target) if target.mode == 'upsert' else ''}"


def _conflict(target: Target) -> str:
    others = [_name(one.name) for one in target.columns if one.name not in target.key]
    then = f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in others)}" if others else "NOTHING"
    return f" ON CONFLICT ({', '.join(map(_name, target.key))}) DO {then}"
