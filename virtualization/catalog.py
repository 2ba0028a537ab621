"""What the planner knows of the world: data sources, virtual tables, their columns.

In a cluster the compute pool fills a ``Catalog`` from schema ``bdc`` of each user database; as a library, ``MemoryCatalog`` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from virtualization.errors import DefinitionError, UnknownTableError
from virtualization.placement import DataPlacement


@dataclass(frozen=True)
class Credential:
    """A login at a source, opened (never printed: ``repr`` hides the secret)."""

    user: str | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DataSource:
    """``connector`` is a name of ``virtualization.connectors.CONNECTORS``; ``location`` its address,
    e.g. ``postgresql://host:5432/dbname`` or ``hdfs://host:port``; ``options`` are checked by the connector."""

    name: str
    connector: str
    location: str
    options: Mapping[str, str] = field(default_factory=dict)
    credential: Credential = field(default_factory=Credential)
    version: str = ""
    """Changes whenever the definition changes: connection caches are keyed by (name, version)."""


@dataclass(frozen=True)
class Column:
    """``type`` is a PostgreSQL type as ``format_type`` prints it: ``bigint``, ``numeric(12,2)``, ``text`` …
    ``remote`` is the column's name at the source (default: the same name)."""

    name: str
    type: str
    nullable: bool = True
    remote: str | None = None

    @property
    def remote_name(self) -> str:
        """The name at the source."""
        return self.remote or self.name


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of a column's values, in the terms of ``pg_stats``. ``distinct``: how many differ; negative: minus the share of the
    rows, -1 where each row has its own. ``nulls``: share of NULLs. ``width``: bytes. ``least`` and ``greatest``: as PostgreSQL writes
    them; None: nobody knows."""

    distinct: float
    nulls: float = 0.0
    width: float = 0.0
    least: str | None = None
    greatest: str | None = None

    @property
    def listed(self) -> list[float | str | None]:
        """As ``bdc.pool_catalog()`` gives it."""
        return [self.distinct, self.nulls, self.width, self.least, self.greatest]


@dataclass(frozen=True)
class VirtualTable:
    """A table of ``source``; ``location`` names it there: ``schema.table`` (parts quoted as SQL where needed),
    or an HDFS path of a file, a folder, or a glob. ``options``: format and its options for files."""

    schema: str
    name: str
    source: str
    location: str
    columns: tuple[Column, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    rows: float | None = None
    """Estimated number of rows, where statistics are known."""
    data: DataPlacement | None = None
    """Of a table of the data pool: where its rows lie."""
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict)
    """Of the columns of which something is known."""
    analyzed: str | None = None
    """When ``rows`` and ``facts`` were found (ISO 8601)."""

    @property
    def key(self) -> tuple[str, str]:
        """(schema, name)."""
        return (self.schema, self.name)


class Catalog(Protocol):
    """What a planner may ask; immutable for the time of one query."""

    @property
    def version(self) -> Hashable:
        """Differs between any two catalogs with different contents (in a cluster: database identity, version counter, search path):
        plans are cached by it."""
        ...

    @property
    def pushdown(self) -> str:
        """What this session asks for, beside the options of sources and tables: see ``virtualization.source_options.PUSHDOWN``."""
        ...

    def table(self, schema: str | None, name: str) -> VirtualTable:
        """The table, looked for in ``search_path`` where ``schema`` is None; UnknownTableError else."""
        ...

    def source(self, name: str) -> DataSource:
        """The data source; DefinitionError when a table names one that is gone."""
        ...

    def tables(self) -> Iterable[VirtualTable]:
        """All virtual tables."""
        ...


@dataclass(frozen=True)
class MemoryCatalog:
    """A catalog held in memory, for the library's users and for tests."""

    sources: Mapping[str, DataSource]
    virtual_tables: Mapping[tuple[str, str], VirtualTable]
    search_path: tuple[str, ...] = ("public",)
    pushdown: str = "on"

    @cached_property
    def version(self) -> Hashable:
        """See ``Catalog``: the contents themselves."""
        secrets = [(source.name, source.credential.user, source.credential.secret) for source in self.sources.values()]
        sources = sorted(self.sources.items(), key=lambda item: item[0])
        tables = sorted(self.virtual_tables.items(), key=lambda item: item[0])
        contents = f"{sources!r}{secrets!r}{tables!r}{self.search_path!r}{self.pushdown}"
        return hashlib.sha256(contents.encode()).hexdigest()

    @classmethod
    def of(cls, sources: Iterable[DataSource], tables: Iterable[VirtualTable]) -> MemoryCatalog:
        """From plain lists."""
        return cls({s.name: s for s in sources}, {t.key: t for t in tables})

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
        try:
            return self.sources[name]
        except KeyError:
            raise DefinitionError(f'data source "{name}" does not exist', hint="SELECT * FROM bdc.data_sources lists them.") from None

    def tables(self) -> Iterable[VirtualTable]:
        """See ``Catalog``."""
        return self.virtual_tables.values()
