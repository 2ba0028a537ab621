"""``bdc app history``: what became of the runs of an app's schedule."""

from __future__ import annotations

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records
from azdata_like_cli.appnames import LIVE, named
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from bdc.apps import Apps

COLUMNS = {"planned": "Planned", "started": "Started", "ended": "Ended", "result": "Result", "noticed": "Noticed", "why": "Reason"}


@click.command("history", cls=BdcCommand, examples=["bdc app history house@v1", "bdc app history house@live --lines 10 -o json"])
@named(default=LIVE)
@click.option("--lines", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs.")
@pass_settings
def history(settings: Settings, name: str, version: str, lines: int) -> Records:
    """Show the last runs of a version's schedule, the newest last: ok, error, missed, interrupted, running. Times are in UTC.

    Runs that were missed one after the other for the same reason are one line. `bdc app describe` says when it runs next (next_run).
    """
    apps = settings.session().apps
    found = apps.history(name, version, lines)
    if not found:
        output.message(_why_none(apps, name, version))
    rows = [{**row, "why": _why(row)} for row in found]
    return Records(rows=rows, columns=COLUMNS)


def _why(row: dict[str, object]) -> str:
    reason = str(row.get("reason") or "")
    return f"{row['missed']} until {row['until']}: {reason}" if row.get("missed") not in (None, 1) else reason


def _why_none(apps: Apps, name: str, version: str) -> str:
    found = apps.describe(name, version)
    label, coming = f"{found['name']}@{found['version']}", found.get("next_run")
    if not found.get("schedule"):
        return f"{label} has no schedule: it runs when it is called. One is set in its spec.yaml: schedule, then bdc app update"
    if not coming and found.get("percent") != 100:
        return f"{label} has a schedule that does not act: it is not {name}@live. bdc app promote {label} makes it that"
    return f"{label} has not run by its schedule yet" + (f"; the first time will be {coming}" if coming else "")
