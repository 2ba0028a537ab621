"""What may run on the scratch server: a SELECT over its own fragments, and nothing that reaches the server itself.

Users' functions, files, settings, other sessions and the server's catalogs are out of reach; everything else PostgreSQL has is fine.
"""

from __future__ import annotations

from sqlglot import exp

from virtualization.plan import Kept
from virtualization.predictions import PREDICT

FRAGMENT_PREFIX = "__f"

REACHING_PREFIXES = ("pg_", "lo_", "dblink", "has_", "inet_", "txid_", "binary_upgrade_", "brin_", "gin_", "ts_stat", "xmlcomment_file")
"""Functions so named look at or change the server."""

HARMLESS = frozenset({"pg_sleep", "pg_typeof", "pg_size_pretty", "pg_column_size", "pg_client_encoding", "pg_input_is_valid"})

REACHING = frozenset(
    {
        "current_setting",
        "set_config",
        "nextval",
        "setval",
        "currval",
        "lastval",
        "version",
        "col_description",
        "obj_description",
        "shobj_description",
        "query_to_xml",
        "query_to_xmlschema",
        "query_to_xml_and_xmlschema",
        "cursor_to_xml",
        "cursor_to_xmlschema",
        "table_to_xml",
        "table_to_xmlschema",
        "table_to_xml_and_xmlschema",
        "schema_to_xml",
        "schema_to_xmlschema",
        "schema_to_xml_and_xmlschema",
        "database_to_xml",
        "database_to_xmlschema",
        "database_to_xml_and_xmlschema",
        "getdatabaseencoding",
        "suppress_redundant_updates_trigger",
        "currtid2",
        "row_security_active",
        "to_regclass",
        "to_regproc",
        "to_regrole",
        "to_regtype",
        "to_regnamespace",
        "to_regoper",
        "to_regoperator",
        "to_regprocedure",
        "to_regcollation",
        "ts_rewrite",
        "amvalidate",
        "fmgr_sql_validator",
    }
)
"""Single functions of the same kind."""

_STATEMENTS = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.Copy, exp.Set)
_SESSION = (exp.CurrentUser, exp.SessionUser, exp.CurrentSchema, exp.CurrentCatalog)


def refusal(residual: exp.Query, fragments: int) -> Kept | None:
    """Why ``residual`` over ``__f0`` … is not admitted, or None."""
    names = {f"{FRAGMENT_PREFIX}{number}" for number in range(fragments)}
    ctes = {cte.alias for cte in residual.find_all(exp.CTE)}
    for node in residual.walk():
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and (node.db or node.name not in names | ctes):
            return _kept(node, "unknown_table", "it is no table of this query")
        if isinstance(node, _STATEMENTS) and not isinstance(node, exp.Query):
            return _kept(node, "not_a_select", "only reading is possible")
        if isinstance(node, _SESSION):
            return _kept(node, "server_function", "it asks the executing server, which is not the database the user is connected to")
        if isinstance(node, exp.Anonymous) and node.name.lower() == PREDICT:
            return _kept(node, "predict", "only the engine of this process can call an app")
        if isinstance(node, exp.Func) and _reaches(_function_name(node)):
            return _kept(node, "server_function", "it reaches the executing server, not the data")
        if isinstance(node, exp.DataType) and node.sql("postgres").lower().removeprefix("pg_catalog.").startswith("reg"):
            return _kept(node, "server_type", "it looks names up in the executing server's catalog")
    return None


def _function_name(node: exp.Func) -> str:
    name = node.name if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else node.sql_name()
    return name.lower()


def _reaches(name: str) -> bool:
    return name in REACHING or (name.startswith(REACHING_PREFIXES) and name not in HARMLESS)


def _kept(node: exp.Expr, code: str, why: str) -> Kept:
    return Kept(node.sql("postgres"), code, why)
