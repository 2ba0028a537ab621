"""The connector itself: what is asked of it becomes statements for shards, or a reason why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.datapool.access import ShardAccess
from virtualization.connectors.datapool.client import Client
from virtualization.connectors.datapool.faults import ShardError
from virtualization.connectors.datapool.fragments import Merge, Route, ShardsFragment
from virtualization.connectors.datapool.locality import Locality
from virtualization.connectors.datapool.merge import Engine
from virtualization.connectors.datapool.pruning import Prune, placement_of
from virtualization.connectors.datapool.rows import Rows, ScatteredError
from virtualization.connectors.datapool.splitting import Split, split
from virtualization.connectors.datapool.statements import Rendering, runs_on_shards
from virtualization.connectors.datapool.tickets import Tickets
from virtualization.duckdb_sql.checks import mismatch
from virtualization.duckdb_sql.kinds import Kind
from virtualization.duckdb_sql.settings import output_columns
from virtualization.duckdb_sql.statements import Columns, Translated, translate_kinds
from virtualization.errors import DefinitionError, UnknownColumnError
from virtualization.plan import Accepted, Declined, Detected, FragmentRequest, Kept, RemoteObject, Scanned, TestedSource

Splitting = Callable[[], Split]


class DatapoolConnector:
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource, access: ShardAccess | None = None) -> None:
        if access is None:
            raise DefinitionError(
                f'data source "{source.name}" is the data pool, which only the compute pool can read', hint="Query it through the cluster."
            )
        self._source = source.name
        self._access = access
        self._client = Client(access)
        self._engine = Engine(access)

    def test(self) -> TestedSource:
        """One round trip to each shard; the first one that does not answer is the error."""
        start = time.perf_counter()
        versions = [self._client.hello(number)["version"] for number in sorted(self._access.locations)]
        return TestedSource(str(min(versions, default="no shards")), (time.perf_counter() - start) * 1000)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """None: tables of the data pool are made by ``bdc.create_data_table``."""
        return []

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Tables of the data pool are made, not found."""
        raise DefinitionError("tables of the data pool are not found but made", hint="CALL bdc.create_data_table(…).")

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns, and the predicates that mean the same in DuckDB. No column asked for: the first one (rows are what counts)."""
        names = list(columns) or [table.columns[0].name]
        _check_columns(table, names)
        tables = {table.name: table}
        taken: list[exp.Expr] = []
        left: list[exp.Expression] = []
        kept: list[Kept] = []
        for predicate in predicates:
            condition = _qualified(predicate, table)
            query = _select(table, names, [condition])
            made = Rendering(query, tables).translated(query)
            if isinstance(made, Kept):
                left.append(predicate)
                kept.append(made)
            else:
                taken.append(condition)
        every = [_qualified(predicate, table) for predicate in predicates]
        prune = Prune()
        rows = Locality(tables, prune).block(_select(table, names, every), {})
        fragment = self._fragment(_select(table, names, taken), tables, lambda: Split(_select(table, names, taken), rows), prune)
        if isinstance(fragment, Kept):  # columns alone are always taken
            raise DefinitionError(f'"{table.schema}.{table.name}" can\'t be read from the data pool: {fragment.why}', detail=fragment.what)
        return Scanned(fragment, tuple(left), tuple(kept))

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """The whole request, or nothing."""
        prune = Prune()
        locality = Locality(request.tables, prune)
        try:
            made = self._fragment(request.query, request.tables, lambda: split(request.query, locality), prune)
        except ScatteredError as scattered:
            return Declined((scattered.kept,))
        return Declined((made,)) if isinstance(made, Kept) else Accepted(made)

    def close(self) -> None:
        """End the connections."""
        self._client.close()
        self._engine.close()

    def _fragment(self, query: exp.Query, tables: Mapping[str, VirtualTable], splitting: Splitting, prune: Prune) -> ShardsFragment | Kept:
        _check_owned(tables)
        rendering = Rendering(query, tables)
        whole = rendering.translated(query)
        if isinstance(whole, Kept):
            return whole
        made = splitting()
        shard = self._shard_statement(made, rendering, query)
        if isinstance(shard, Kept):
            return shard
        merge = self._merge(made, [kind for _, kind in shard.columns])
        if isinstance(merge, Kept):
            return merge
        wanted = [kind.pg for _, kind in whole.columns]
        if [kind.pg for kind in merge.kinds[: len(wanted)]] != wanted:
            return Kept(query.sql("postgres")[:200], "engine_types", "the merged rows would have other types")
        named = [(item.alias_or_name or "?column?", kind) for item, kind in zip(query.selects, merge.kinds, strict=False)]
        return ShardsFragment(
            source=self._source,
            columns=output_columns(named),
            tables=tuple(sorted({table.key for table in tables.values()})),
            statement=rendering.statement(shard),
            route=_route(made.rows, tables, prune),
            merge=Merge(merge.sql, merge.kinds[: len(wanted)], made.first),
            client=self._client,
            engine=self._engine,
            tickets=Tickets(self._access.sign),
        )

    def _shard_statement(self, made: Split, rendering: Rendering, query: exp.Query) -> Translated | Kept:
        for candidate in (made.shard, made.unlimited):
            if candidate is None:
                continue
            translated = rendering.translated(candidate)
            if isinstance(translated, Kept):
                return translated
            if runs_on_shards(translated):
                return self._checked(translated, rendering.columns, candidate) or translated
        return Kept(query.sql("postgres")[:200], "quotient_on_shards", "quotients are compared in the pool, not on shards")

    def _merge(self, made: Split, kinds: Sequence[Kind]) -> Merge | Kept:
        if made.merge is None:
            return Merge(None, tuple(kinds))
        query = made.merge(kinds)
        columns: list[Columns] = [[(f"c{place}", kind) for place, kind in enumerate(kinds)]]
        translated = translate_kinds(query, columns)
        if isinstance(translated, Kept):
            return translated
        return self._checked(translated, columns, query) or Merge(translated.sql, tuple(kind for _, kind in translated.columns))

    def _checked(self, translated: Translated, columns: Sequence[Columns], query: exp.Query) -> Kept | None:
        cursor = self._engine.cursor()
        try:
            return mismatch(cursor, translated, columns, query)
        finally:
            cursor.close()


def _check_owned(tables: Mapping[str, VirtualTable]) -> None:
    for table in tables.values():
        if not placement_of(table).owned:
            raise ShardError(
                "55000",
                f'the rows of "{table.schema}.{table.name}" belong to another database',
                detail="This database was copied or restored from the one that loaded them.",
                hint='CALL bdc.adopt_data_tables() makes it an empty table; "bdc data restore" brings the rows of a backup.',
            )


def _check_columns(table: VirtualTable, names: Sequence[str]) -> None:
    known = {column.name for column in table.columns}
    for name in names:
        if name not in known:
            raise UnknownColumnError(f'column "{name}" of virtual table "{table.schema}.{table.name}" does not exist')


def _route(rows: Rows, tables: Mapping[str, VirtualTable], prune: Prune) -> Route:
    every = {shard.number for table in tables.values() for shard in placement_of(table).shards}
    notes = list(dict.fromkeys(prune.notes))
    key = prune.key if len(tables) == 1 and len(notes) == 1 and len(rows.shards) == 1 else None
    return Route(tuple(sorted(rows.shards)), rows.replicated, len(every), "; ".join(notes), key)


def _qualified(predicate: exp.Expr, table: VirtualTable) -> exp.Expr:
    condition = predicate.copy()
    for column in condition.find_all(exp.Column):
        column.set("table", exp.to_identifier(table.name, quoted=True))
    return condition


def _select(table: VirtualTable, names: Sequence[str], conditions: Sequence[exp.Expr]) -> exp.Select:
    items = [exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table.name, quoted=True)) for name in names]
    source = exp.Table(this=exp.to_identifier(table.name, quoted=True), db=exp.to_identifier(table.schema or "public", quoted=True))
    made = exp.Select(expressions=items).from_(source, copy=False)
    if conditions:
        made.set("where", exp.Where(this=exp.and_(*(condition.copy() for condition in conditions), copy=False)))
    return made
