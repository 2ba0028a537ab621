"""What virtual tables and data sources a database has, as of one version: immutable, built from ``bdc.pool_catalog()``. Pure."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virtualization.catalog import Column, ColumnFacts, Credential, DataSource, VirtualTable
from virtualization.errors import DefinitionError, UnknownTableError
from virtualization.placement import DataPlacement

Open = Callable[[str, str, str | None], str]
"""Opens a sealed secret; besides it takes the location and the user of the source, for which alone it opens."""


@dataclass(frozen=True)
class Snapshot:
    """A ``virtualization.catalog.Catalog``. ``version`` names everything that decides what a text means: plans are cached by it."""

    database: str
    version: str
    sources: Mapping[str, DataSource] = field(repr=False)
    virtual_tables: Mapping[tuple[str, str], VirtualTable] = field(repr=False)
    search_path: tuple[str, ...] = ("public",)
    broken: Mapping[str, str] = field(default_factory=dict)
    """Data sources whose credential can't be opened: name → why."""

    read_version: str = ""
    """``version`` without the session's own; empty while there is none."""

    identity: str = ""
    """Of the database: a copy has another one."""

    pushdown: str = "on"
    """What the session asks for."""

    @property
    def knows_data_pool(self) -> bool:
        """Is there the data pool's source (made by master-setup where the cluster has shards)?"""
        return any(source.connector == "datapool" for source in self.sources.values())

    @property
    def has_data(self) -> bool:
        """Are there tables of the data pool?"""
        return any(table.data is not None for table in self.virtual_tables.values())

    def along(self, search_path: tuple[str, ...], pushdown: str = "on") -> Snapshot:
        """The same, with unqualified names looked for in ``search_path``, and with as much ``pushdown`` as the session asks for."""
        if search_path == self.search_path and pushdown == self.pushdown:
            return self
        read = self.read_version or self.version
        version = f"{read}|{search_path!r}|{pushdown}"
        return dataclasses.replace(self, search_path=search_path, pushdown=pushdown, version=version, read_version=read)

    def table(self, schema: str | None, name: str) -> VirtualTable:
        """See ``Catalog``."""
        for candidate in (schema,) if schema is not None else self.search_path:
            found = self.virtual_tables.get((candidate, name))
            if found is not None:
                return found
        shown = name if schema is None else f"{schema}.{name}"
        raise UnknownTableError(f'virtual table "{shown}" does not exist', hint="SELECT * FROM bdc.virtual_tables lists them.")

    def source(self, name: str) -> DataSource:
        """See ``Catalog``."""
        if name in self.broken:
            raise DefinitionError(
                f'the credential of data source "{name}" can\'t be used: {self.broken[name]}',
                hint=f"Give it again: bdc source alter {shlex.quote(name)}",
            )
        found = self.sources.get(name)
        if found is None:
            raise DefinitionError(f'data source "{name}" does not exist', hint="SELECT * FROM bdc.data_sources lists them.")
        return found

    def tables(self) -> Iterable[VirtualTable]:
        """See ``Catalog``."""
        return self.virtual_tables.values()


def empty(database: str) -> Snapshot:
    """Of a database of which nothing is known yet."""
    return Snapshot(database, "", {}, {})


def _strings(options: Mapping[str, Any] | None) -> dict[str, str]:
    def text(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {name: text(value) for name, value in (options or {}).items() if value is not None}


def read_source(entry: Mapping[str, Any], database: str, unseal: Open) -> DataSource:
    """From its jsonb form; DefinitionError when the credential can't be opened."""
    given = entry.get("credential") or {}
    if given.get("mounted"):
        raise DefinitionError("mounted secrets are not supported by this version", hint="Seal the password with the CLI.")
    secret = unseal(given["sealed"], entry["location"], given.get("user")) if given.get("sealed") else None
    return DataSource(
        name=entry["name"],
        connector=entry["connector"],
        location=entry["location"],
        options=_strings(entry.get("options")),
        credential=Credential(given.get("user"), secret),
        version=f"{database}/{entry.get('id', '')}/{entry.get('version', '')}",
    )


def read_table(entry: Mapping[str, Any], identity: str | None = None) -> VirtualTable:
    """From its jsonb form; ``identity`` of the database tells whether rows in the data pool are its own."""
    columns = tuple(
        Column(column["name"], column["type"], column.get("nullable", True), column.get("remote")) for column in entry["columns"]
    )
    return VirtualTable(
        schema=entry.get("schema_name", entry.get("schema", "")),
        name=entry.get("table_name", entry.get("name", "")),
        source=entry.get("source_name", entry.get("source", "")),
        location=entry["location"],
        columns=columns,
        options=_strings(entry.get("options")),
        rows=entry.get("rows"),
        facts={name: ColumnFacts(*known) for name, known in (entry.get("facts") or {}).items()},
        analyzed=entry.get("analyzed_at"),
        data=DataPlacement.read(entry["data"], identity) if entry.get("data") else None,
    )


def read(content: Mapping[str, Any], unseal: Open) -> Snapshot:
    """From ``bdc.pool_catalog()``. A source that can't be opened spoils only its own tables."""
    database = content["database"]
    sources: dict[str, DataSource] = {}
    broken: dict[str, str] = {}
    for entry in content.get("sources") or ():
        try:
            sources[entry["name"]] = read_source(entry, database, unseal)
        except DefinitionError as error:
            broken[entry["name"]] = error.message
    tables = [read_table(entry, content.get("identity")) for entry in content.get("tables") or ()]
    version = f"{database}:{content.get('identity')}:{content['version']}"
    identity = str(content.get("identity") or "")
    return Snapshot(database, version, sources, {table.key: table for table in tables}, broken=broken, identity=identity)
