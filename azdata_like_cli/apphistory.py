"""``bdc app history``: what became of the runs of an app's schedule."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Records
from azdata_like_cli.appnames import LIVE, named
from azdata_like_cli.command import BdcCommand, Settings, pass_settings

COLUMNS = {"planned": "Planned", "started": "Started", "ended": "Ended", "result": "Result", "noticed": "Noticed", "why": "Reason"}


@click.command("history", cls=BdcCommand, examples=["bdc app history house@v1", "bdc app history house@live --lines 10 -o json"])
@named(default=LIVE)
@click.option("--lines", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs.")
@pass_settings
def history(settings: Settings, name: str, version: str, lines: int) -> Records:
    """Show the last runs of a version's schedule, the newest last: ok, error, missed, interrupted, running. Times are in UTC.

    Runs that were missed one after the other for the same reason are one line. `bdc app describe` says when it runs next (next_run).
    """
    found = settings.session().apps.history(name, version, lines)
    rows = [{**row, "why": _why(row)} for row in found]
    return Records(rows=rows, columns=COLUMNS)


def _why(row: dict[str, object]) -> str:
    reason = str(row.get("reason") or "")
    return f"{row['missed']} until {row['until']}: {reason}" if row.get("missed") not in (None, 1) else reason
