"""``source verify``: part of the group ``source``. The compute pool compares, a portion at a time: progress shows and Ctrl-C works."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import click

from azdata_like_cli import exits, output
from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.sqlsession import Login, connected, login_options, records

PORTION_SECONDS = 10.0
COUNTED = ("answers", "sources", "refused", "skipped", "unsupported")
TITLES = {
    "answers": "Answers",
    "sources": "By source",
    "refused": "Refused on both sides (PostgreSQL/here)",
    "unsupported": "Not supported",
    "skipped": "Not compared",
}
CALL = "SELECT bdc.verify_source(%s, %s, %s, %s, %s, %s, %s::text[], %s::text[]) AS report"


@click.command(
    "verify",
    cls=BdcCommand,
    examples=[
        "bdc source verify crm",
        "bdc source verify crm lake legacy --queries 20000 --seconds 600",
        "bdc source verify crm --table orders --seed 7 -o json",
    ],
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Only this virtual table of theirs; may be repeated.")
@click.option("--queries", "-n", type=click.IntRange(1), default=1000, show_default=True, help="Queries to compare.")
@click.option("--seed", type=int, metavar="N", help="Repeat a run: the same queries. Default: a new seed, which is shown.")
@click.option("--first", type=click.IntRange(0), default=0, help="Begin with the seed's query of this number.")
@click.option("--seconds", type=click.FloatRange(1), metavar="S", help="End after so long. Default: when all queries have been compared.")
@click.option("--rows", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="So many rows of a larger table take part.")
@login_options
@pass_settings
def verify(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    names: tuple[str, ...],
    tables: tuple[str, ...],
    queries: int,
    seed: int | None,
    first: int,
    seconds: float | None,
    rows: int,
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Compare random queries over the virtual tables of the data sources NAME…: with pushdown, without, and on PostgreSQL.

    Of several sources up to three are joined in one query. Sources receive SELECTs only.
    A query that differs is made as small as it can be. Exit code 1: something differs.
    """
    chosen = secrets.randbelow(10**9) if seed is None else seed
    output.message(f"seed {chosen}")
    deadline = None if seconds is None else time.monotonic() + seconds
    reports: list[Mapping[str, Any]] = []
    with connected(settings, Login(login_database, login_user)) as connection:
        done = 0
        while done < queries and (deadline is None or time.monotonic() < deadline):
            portion = PORTION_SECONDS if deadline is None else max(0.1, min(PORTION_SECONDS, deadline - time.monotonic()))
            arguments = (names[0], queries - done, chosen, first + done, portion, rows, list(names[1:]), list(tables))
            found = records(connection, CALL, *arguments)[0]["report"]
            assert isinstance(found, dict)
            reports.append(found)
            done += found["queries"]
            output.message(f"{done:,} of {queries:,} queries, {sum(report['differences'] for report in reports)} differences")
            if found["differences"]:
                break
    whole = _together(reports, chosen)
    code = exits.USER_ERROR if whole["differences"] else exits.OK
    return Value(data=whole, sentence="\n".join(_lines(whole)), exit_code=code)


def _together(reports: list[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    """The portions as one."""
    counted = {key: dict(sum((Counter(report[key]) for report in reports), Counter())) for key in COUNTED}
    return {
        "seed": seed,
        "queries": sum(report["queries"] for report in reports),
        "differences": sum(report["differences"] for report in reports),
        "seconds": round(sum(report["seconds"] for report in reports), 1),
        **counted,
        "tables": reports[0]["tables"],
        "notes": reports[0]["notes"],
        "findings": [finding for report in reports for finding in report["findings"]],
    }


def _lines(whole: Mapping[str, Any]) -> Iterator[str]:
    yield "Tables: " + ", ".join(f"{name} ({rows:,} rows)" for name, rows in whole["tables"].items())
    yield from whole["notes"]
    for finding in whole["findings"]:
        where = f"number {finding['number']}, {finding['side']}, time zone {finding['time_zone']}"
        yield f"\nDIFFERENT, {where}: {finding['what']}\n  {finding['small']};"
        yield f"  found as: {finding['sql']};"
        yield from (f"  {line}" for line in finding["explain"].splitlines())
    yield f"\n{whole['queries']:,} queries in {whole['seconds']:.0f} s (seed {whole['seed']}): {whole['differences']} differences"
    for key, title in TITLES.items():
        if len(whole[key]) > (key == "sources"):
            yield f"{title}: " + ", ".join(f"{what} {count:,}" for what, count in whole[key].items())
