"""``sql history``: part of the group ``sql``. Queries of the compute pool that are over, and what they moved that could have stayed."""

from __future__ import annotations

from collections.abc import Mapping

import click

from azdata_like_cli.answers import Records, Report
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.progress import size
from azdata_like_cli.sqlsession import Login, connected, login_options, records

ORDERS = {
    "avoidable": "bytes_avoidable DESC, rows_avoidable DESC",
    "bytes": "bytes_moved DESC",
    "rows": "rows_moved DESC",
    "time": "milliseconds DESC",
}
"""What ``--top`` sorts by; else the newest come first."""

COLUMNS = {
    "started": "Started",
    "user": "User",
    "milliseconds": "Ms",
    "state": "State",
    "rows": "Rows",
    "rows_moved": "Rows moved",
    "moved": "Moved",
    "avoidable": "Avoidable",
    "reasons": "Because of",
    "text": "Sql",
}
TEXT_CHARACTERS = 80


@click.command(
    "history",
    cls=BdcCommand,
    examples=[
        "bdc sql history",
        "bdc sql history --top avoidable --limit 10",
        "bdc sql history --top bytes -o json -q '[].{sql: sql, bytes: bytes_moved, why: reasons}'",
        "bdc sql history --failed",
    ],
)
@click.option("--top", type=click.Choice(sorted(ORDERS)), help="The greatest first: bytes or rows moved, avoidable bytes, time.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="So many queries.")
@click.option("--failed", is_flag=True, help="Only queries that failed or were cancelled, with their error in place of the reasons.")
@login_options
@pass_settings
def history(settings: Settings, top: str | None, limit: int, failed: bool, login_database: str | None, login_user: str | None) -> Report:
    """List queries of the compute pool that are over: all of them for admins, else your own; the newest first.

    Moved: what came from the sources. Avoidable: so much less would have come, had all of the query run at its source; the reasons say
    why it did not ('bdc sql explain' says more). What DuckDB reads itself (files) is not counted.
    """
    order = ORDERS[top] if top is not None else "started DESC"
    condition = "state = 'failed'" if failed else "true"
    query = f"SELECT * FROM bdc.query_history WHERE {condition} ORDER BY {order}, started DESC LIMIT %s"
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, query, limit)
    return Report(data=found, blocks=[("", Records(rows=[_shown(row) for row in found], columns=COLUMNS))])


def _shown(row: Mapping[str, object]) -> dict[str, object]:
    """For people: sizes with units, one line of the text, the error where there is one."""
    text = " ".join(str(row["sql"]).split())
    error = f"{row['code']} {row['message']}" if row["code"] is not None else None
    return {
        **row,
        "started": str(row["started"])[:19],
        "milliseconds": round(float(str(row["milliseconds"])), 1),
        "moved": size(int(str(row["bytes_moved"]))),
        "avoidable": size(int(str(row["bytes_avoidable"]))),
        "reasons": error or row["reasons"],
        "text": text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1] + "…",
    }
