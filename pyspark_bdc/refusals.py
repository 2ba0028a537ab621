"""Options that people bring along from other sources and that can't be carried out, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One option: its usual spelling, why it is refused, what to do instead."""

    name: str
    why: str
    hint: str | None = None


_WRITES = "it is an option of writing"
_STREAMS = "rows arrive as one stream per partition, nothing is fetched in steps"

_LIST = (
    Refusal("path", "tables have names, not paths", 'use .option("dbtable", "schema.table").load()'),
    Refusal("driver", "this source brings its own driver", "leave it away"),
    Refusal("fetchsize", _STREAMS, "leave it away"),
    Refusal("customSchema", "Spark has a way of its own to name columns and their types", 'use .schema("a int, b decimal(10,2)")'),
    Refusal("sessionInitStatement", "no statement of yours runs before the read", "put it into the query"),
    Refusal("prepareQuery", "no statement of yours runs before the read", "put a WITH clause into the query"),
    Refusal("queryTimeout", "there is no time limit on this side", "ALTER ROLE … SET statement_timeout on the server"),
    Refusal("pushDownAggregate", "Spark offers filters only to Python data sources", "write the aggregate into the query"),
    Refusal("pushDownLimit", "Spark offers filters only to Python data sources", "write LIMIT into the query"),
    Refusal("dataPoolDataSource", _WRITES, "a table of the data pool is read by its name"),
    Refusal("dataPoolDistPolicy", _WRITES),
    Refusal("reliabilityLevel", _WRITES),
    Refusal("batchsize", _WRITES),
    Refusal("tableLock", _WRITES),
    Refusal("distribution", _WRITES),
    Refusal("loadId", _WRITES),
    Refusal("primaryKey", _WRITES),
    Refusal("target", _WRITES),
    Refusal("writeMode", _WRITES),
    Refusal("mssqlIsolationLevel", _WRITES),
    Refusal("isolationLevel", _WRITES),
    Refusal("schemaCheckEnabled", _WRITES),
    Refusal("truncate", _WRITES),
    Refusal("ifExists", _WRITES),
    Refusal("checkConstraints", _WRITES),
    Refusal("fireTriggers", _WRITES),
    Refusal("keepIdentity", _WRITES),
    Refusal("keepNulls", _WRITES),
    Refusal("allowEncryptedValueModifications", "columns are not encrypted by the client", "leave it away"),
    Refusal("createTableOptions", "a new table has a distribution and a key only", "use distribution and primaryKey"),
    Refusal("createTableColumnTypes", "a new table has the DataFrame's types", "CALL bdc.create_data_table(…) first, then append"),
    Refusal("principal", "logins with Kerberos are not there yet", "use user and password"),
    Refusal("keytab", "logins with Kerberos are not there yet", "use user and password"),
    Refusal("accessToken", "logins with a token are not there yet", "use user and password"),
)
REFUSED = {refusal.name.lower(): refusal for refusal in _LIST}
