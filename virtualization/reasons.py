"""Every reason why a part of a query was not pushed or not taken: stable codes, what each means, and what would change it.

``python -m virtualization.reasons`` prints them as ``docs/reference/reasons.md``; a test holds code, table and page together.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

MASTER = "master (postgres_fdw)"
PLANNER, FILES, POSTGRESQL, DUCKDB, SCRATCH, DATAPOOL, MONGODB, ODBC, ORACLE = (
    "planner",
    "files",
    "postgresql",
    "duckdb",
    "scratch",
    "datapool",
    "mongodb",
    "odbc",
    "oracle",
)


@dataclass(frozen=True)
class Reason:
    """``by``: who gives it. ``fix``: what the user can do; None: nothing needs to be done, the answer only costs more."""

    by: tuple[str, ...]
    meaning: str
    fix: str | None = None


_DIRECT = "Send the SELECT to the compute pool itself (`bdc endpoint list -e compute-0`)."
_CAST_HERE = "Compare values of one type, or cast one side in the query."
_COLOCATE = "Distribute both tables by HASH of the columns that join them, or make the smaller one REPLICATED."
_WIDTH = "Declare the columns with fewer digits, for example numeric(15,2)."

REASONS: dict[str, Reason] = {
    "aggregate": Reason((DATAPOOL, DUCKDB, MONGODB, ODBC, ORACLE), "this aggregate over this type is not proved to be exact there"),
    "blank_padded": Reason(
        (ORACLE,), "CHAR with blanks at its end is compared by rules of its own at the source", "Declare the column text."
    ),
    "cast": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE, POSTGRESQL),
        "the cast prints or reads by rules that differ",
        "Declare the column with the type wanted.",
    ),
    "character_classes": Reason(
        (MONGODB, ORACLE, POSTGRESQL), "upper and lower case, or regular expressions, follow the source's own locale"
    ),
    "correlation": Reason((ODBC, ORACLE), "a sub-query inside a sub-query that looks at the outermost query"),
    "cost": Reason(
        (PLANNER,), "by what is known of its tables and of the link, the parts come sooner than the whole", "Set option pushdown to forced."
    ),
    "cut_texts": Reason((ODBC,), "the driver cuts off computed texts on their way"),
    "date_range": Reason((ORACLE,), "dates of the source end with the year 9999", "Add to the constant on the other side instead."),
    "date_style": Reason((POSTGRESQL,), "the text of a date is read by the clock or by settings", "Write dates as YYYY-MM-DD."),
    "date_trunc": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "only timestamps without time zone, and plain units", "Cast to timestamp first."),
    "distinct_on": Reason((DUCKDB, MONGODB, ODBC, ORACLE, POSTGRESQL), "which row DISTINCT ON keeps depends on an order that may differ"),
    "division_by_zero": Reason(
        (MONGODB, ODBC, ORACLE), "a remainder by zero is an error here and none at the source", "Divide by a constant."
    ),
    "double_order": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE), "the last digits of a sum of doubles depend on the order of work", "Use numeric."
    ),
    "empty_string": Reason((ORACLE,), "the empty text is NULL at the source", "Test with IS NULL."),
    "encoding": Reason((POSTGRESQL,), "the value shows the bytes or the numbers of characters, and the source's encoding is not UTF8"),
    "engine_refused": Reason((DUCKDB,), "DuckDB does not know the form"),
    "engine_types": Reason((DATAPOOL, DUCKDB), "DuckDB gives another type than PostgreSQL"),
    "extract": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "only the plain parts of dates and timestamps"),
    "fdw_above": Reason((MASTER,), "it works on rows that the master filters or puts together itself, for one of the other reasons"),
    "fdw_aggregate": Reason((MASTER,), "GROUPING SETS, or an aggregate or expression that postgres_fdw does not ship", _DIRECT),
    "fdw_cost": Reason((MASTER,), "by its estimates the master's planner holds it to be cheaper there", "`bdc table refresh`, or ANALYZE."),
    "fdw_distinct": Reason((MASTER,), "postgres_fdw ships no DISTINCT", "Write GROUP BY: that is shipped."),
    "fdw_filter": Reason(
        (MASTER,), "a condition that is not built in and immutable, such as now() or a function of your own", "Compare with constants."
    ),
    "fdw_join": Reason(
        (MASTER,),
        "a join that postgres_fdw can't ship, or that the master's planner holds to be dearer there",
        "`bdc table refresh`, or ANALYZE.",
    ),
    "fdw_local_table": Reason((MASTER,), "a local table of the master is joined", "Load it into the data pool."),
    "fdw_order": Reason((MASTER,), "an order or LIMIT that postgres_fdw does not ship", _DIRECT),
    "fdw_select_list": Reason((MASTER,), "expressions of a select list: postgres_fdw asks for columns and computes in the master", _DIRECT),
    "fdw_set_function": Reason((MASTER,), "a function that gives several rows", _DIRECT),
    "fdw_set_operation": Reason((MASTER,), "UNION, INTERSECT, EXCEPT: postgres_fdw ships each part by itself", _DIRECT),
    "fdw_sub_query": Reason((MASTER,), "a sub-query in an expression, or a WITH query that is read by itself", _DIRECT),
    "fdw_window": Reason((MASTER,), "postgres_fdw ships no window functions", _DIRECT),
    "fdw_write": Reason((MASTER,), "rows that are written go through the master, or one by one", "`CALL bdc.merge(…)`."),
    "groups_on_shards": Reason(
        (DATAPOOL,),
        "groups, windows or distinct rows whose rows lie on several shards",
        "Distribute by HASH of what is grouped by.",
    ),
    "join": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "this kind of join"),
    "like_pattern": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE), "LIKE patterns with a backslash, or computed ones", "Use a constant pattern without backslash."
    ),
    "limit": Reason((DATAPOOL, DUCKDB, MONGODB, ODBC, ORACLE), "LIMIT and OFFSET that are no plain numbers"),
    "limit_on_shards": Reason((DATAPOOL,), "LIMIT inside a query counts the rows of several shards"),
    "literal": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE), "a constant in a form that engines read differently", "Write it in ISO form, with a cast."
    ),
    "lob": Reason((ORACLE,), "LOBs and bytes are not compared at the source"),
    "mixed_types": Reason(
        (MONGODB,),
        "texts and documents that come as they are, whatever their type, are not compared at the source",
        "Declare the type that is meant, and mismatch=null.",
    ),
    "name": Reason((DUCKDB,), "a name that is not known at this place"),
    "no_capabilities": Reason(
        (ODBC,), "nothing is known of this ODBC driver, so only columns are chosen there", "See [any ODBC source](../guide/odbc.md)."
    ),
    "no_index": Reason(
        (MONGODB,),
        "nothing at the source serves the join, and each row would look through too many documents",
        "Create an index on the column at the source, and refresh the table.",
    ),
    "no_engine": Reason((FILES,), "files are only scanned; the executor does the rest right on the scan"),
    "not_a_select": Reason((SCRATCH,), "only reading is possible"),
    "not_a_table": Reason((DATAPOOL, MONGODB, ODBC, ORACLE, POSTGRESQL), "a name in FROM that is no table of the source"),
    "not_colocated": Reason((DATAPOOL,), "rows that belong together lie on different shards", _COLOCATE),
    "not_allowed": Reason((DUCKDB,), "the function or operator is not on the list of what is proved to be exact in DuckDB"),
    "not_on_list": Reason(
        (FILES, MONGODB, ODBC, ORACLE, POSTGRESQL), "the source is not asked to do this: it is not on the connector's list"
    ),
    "not_text": Reason((MONGODB, ORACLE), "|| over values that are no texts prints them by the session's settings", "Cast to text first."),
    "numeric_division": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE),
        "PostgreSQL chooses the digits of a numeric quotient by its value",
        "Divide aggregates, or doubles.",
    ),
    "numeric_to_double": Reason((DUCKDB,), "numerics of many digits may become another double", _WIDTH),
    "ordinal": Reason((DATAPOOL, DUCKDB, ODBC, ORACLE), "a constant in GROUP BY or ORDER BY"),
    "overflow": Reason(
        (ODBC, ORACLE),
        "an integer that could leave its type: an error here, and none at the source",
        "Declare a column bigint or numeric(p,s).",
    ),
    "precision": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "the result may need more digits than the source keeps", _WIDTH),
    "predict": Reason(
        (PLANNER, SCRATCH), "an app is called, in batches, by the engine of the compute pool alone; the line says where the app runs"
    ),
    "quotient_on_shards": Reason((DATAPOOL,), "averages are compared in the pool, not on shards"),
    "recursive": Reason((DATAPOOL, ODBC, ORACLE, POSTGRESQL), "recursive queries are not sent"),
    "round": Reason((DUCKDB, ODBC, ORACLE), "rounding to places that the value has not, or to computed ones"),
    "scale": Reason(
        (DUCKDB, ODBC, ORACLE),
        "numerics of different scales would be printed with the same one",
        "Write the constant with the column's scale.",
    ),
    "server_function": Reason((SCRATCH,), "it looks at or changes the executing server, not the data"),
    "server_type": Reason((SCRATCH,), "it looks names up in the executing server's catalog"),
    "session_function": Reason(
        (PLANNER,), "its value belongs to this session or clock, or changes at each call", "Compare with a constant."
    ),
    "set_types": Reason((DUCKDB, ODBC, ORACLE), "the arms of a set operation have different types", "Cast the columns to one type."),
    "several_distinct": Reason((DATAPOOL, MONGODB, ORACLE), "DISTINCT over several values at once", "Ask for one at a time."),
    "several_sources": Reason((PLANNER,), "its tables lie in several sources", "Move them to one source, or load one into the data pool."),
    "substring": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "places that are not constant, or below 1"),
    "switched_off": Reason((MONGODB, ODBC, ORACLE, PLANNER, POSTGRESQL), "somebody switched pushdown off", "Set option pushdown to on."),
    "syntax": Reason((DATAPOOL, DUCKDB), "a form of SQL that is not on DuckDB's list"),
    "table_function": Reason((DUCKDB,), "functions in FROM"),
    "text_order": Reason((ORACLE, POSTGRESQL), "the source orders texts otherwise"),
    "time_zone": Reason(
        (MONGODB, ORACLE, POSTGRESQL),
        "the value depends on the time zone, or on its rules, and the source's may differ",
        "Use timestamp without time zone.",
    ),
    "too_deep": Reason((DUCKDB,), "the expression is nested too deeply"),
    "type": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE), "values of these types are not compared or calculated with exactly as in PostgreSQL", _CAST_HERE
    ),
    "type_order": Reason((MONGODB,), "bytes are ordered otherwise"),
    "unknown_order": Reason((POSTGRESQL,), "whether texts are compared is not known", "Add a cast that says the type."),
    "unknown_table": Reason((SCRATCH,), "a table that is none of the query's"),
    "untyped_literal": Reason(
        (ORACLE, PLANNER), "a constant takes its type from the other arms of a set operation", "Cast it: NULL::text."
    ),
    "version": Reason((POSTGRESQL,), "older versions of the source give another type", "Upgrade the source."),
    "window": Reason((DUCKDB, MONGODB, ODBC, ORACLE), "this window function or frame"),
    "window_order": Reason(
        (DUCKDB, MONGODB, ODBC, ORACLE), "numbering rows without ORDER BY depends on the engine", "Add ORDER BY to the window."
    ),
}


def fix_of(code: str) -> str | None:
    """What the user can do about it, in general."""
    reason = REASONS.get(code)
    return reason.fix if reason is not None else None


def page() -> str:
    """The reference page."""
    lines = [
        "# Reasons in `bdc sql explain`",
        "",
        "Why a part of a query ran here and not at its source, or on the scratch PostgreSQL and not on DuckDB. The answer is right either",
        "way; a reason tells what would change it. The codes are stable. Generated by `python -m virtualization.reasons`.",
        "",
        "| code | said by | meaning | what to do |",
        "|---|---|---|---|",
    ]
    for code, reason in sorted(REASONS.items()):
        lines.append(f"| `{code}` | {', '.join(reason.by)} | {reason.meaning} | {reason.fix or '–'} |".replace("||", "\\|\\|"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
