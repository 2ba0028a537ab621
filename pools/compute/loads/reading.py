"""The action ``read``: a table of the data pool as parts that clients fetch themselves, one read ticket per shard.

The query is planned as any other; where its plan is not "rows of one table, from its shards" there are no parts: the caller reads by SQL.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pools.compute.catalogs import Catalogs, Identity
from pools.compute.errors import StatementError
from pools.compute.loads.actions import Body, table_name
from pools.compute.loads.pins import Pins
from pools.compute.loads.shards import Shards
from pools.compute.runner import QueryRunner
from pools.compute.snapshot import Snapshot
from virtualization.errors import UnknownTableError
from virtualization.placement import ReadState
from virtualization.plan import Plan

_KNOWN = frozenset({"table", "sql", "columns", "where", "partitions", "pin"})


class Reader:
    """Of one replica."""

    def __init__(self, runner: Callable[[], QueryRunner], catalogs: Catalogs, shards: Shards) -> None:
        self._runner = runner
        self._catalogs = catalogs
        self._shards = shards
        self._pins = Pins()

    async def __call__(self, who: Identity, body: Body) -> dict[str, Any]:
        """See docs/architecture/load-protocol.md."""
        sql = read_query(body)
        asked = self._catalogs.confirm(who.database)
        state = self._pins.state(who, body.get("pin"), await asyncio.shield(asked) if asked is not None else None)
        plan = await self._planned(who, sql)
        await self._check_rights(who, plan)
        columns = [{"name": one.name, "type": one.type} for one in await asyncio.to_thread(self._runner().describe, plan)]
        if "sql" in body:
            return {"columns": columns, "parts": []}
        return {"columns": columns, **await asyncio.to_thread(self._parts, plan, state)}

    async def _planned(self, who: Identity, sql: str) -> Plan:
        def plan(catalog: Snapshot) -> Plan:
            return self._runner().plan(sql, catalog)

        try:
            return await asyncio.to_thread(plan, self._catalogs.current(who.database))
        except UnknownTableError:
            return await asyncio.to_thread(plan, await self._catalogs.refresh(who.database))

    async def _check_rights(self, who: Identity, plan: Plan) -> None:
        tables = {key for fragment in plan.fragments for key in fragment.tables}
        table = await self._catalogs.forbidden(who, tables) if tables else None
        if table is not None:
            raise StatementError("42501", f"permission denied for foreign table {table[1]}", detail=f"Schema: {table[0]}.")

    def _parts(self, plan: Plan, state: ReadState | None) -> dict[str, Any]:
        from virtualization.connectors.datapool.fragments import ShardsFragment
        from virtualization.connectors.datapool.merge import schema_of_columns
        from virtualization.connectors.datapool.snapshot import claims, refuse_behind, sure

        fragment = plan.fragments[0] if plan.residual is None else None
        if not isinstance(fragment, ShardsFragment) or fragment.merge.sql is not None or fragment.merge.first != (0, None):
            return {"parts": []}
        if state is None:
            raise StatementError("57P03", "the state of the data pool is not known: the master is away", hint="Try again.")
        parts = [
            {
                "shard": number,
                "address": self._shards.location(number),
                "ticket": fragment.sign(claims(fragment.statement, state, fragment.identities, number)),
            }
            for number in fragment.answering()
            if sure(refuse_behind(state), [number])
        ]
        schema = schema_of_columns(fragment.columns).serialize().to_pybytes()
        return {"schema": base64.b64encode(schema).decode(), "parts": parts}


def read_query(body: Mapping[str, Any]) -> str:
    """The SQL that is to be read; 22023 names what is wrong."""
    unknown = sorted(set(body) - _KNOWN)
    if unknown or ("table" in body) == ("sql" in body):
        raise StatementError("22023", f"read takes table or sql{', and does not know ' + ', '.join(unknown) if unknown else ''}")
    if "sql" in body:
        return str(body["sql"])
    schema, name = table_name(body["table"])
    where = f" WHERE {body['where']}" if body.get("where") else ""
    return f"SELECT {_names(body.get('columns'))} FROM {_quoted(schema)}.{_quoted(name)}{where}"


def _names(columns: object) -> str:
    if columns is None:
        return "*"
    if not isinstance(columns, Sequence) or isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise StatementError("22023", "columns must be a list of names")
    return ", ".join(_quoted(name) for name in columns) or "1"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
