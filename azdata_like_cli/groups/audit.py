"""Who did what: ``audit query``."""

from __future__ import annotations

import datetime
import re

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report
from azdata_like_cli.command import BdcGroup, Settings, pass_settings
from bdc.errors import UserError

COLUMNS = {
    "when": "When",
    "service": "Service",
    "user": "User",
    "origin": "From",
    "action": "Action",
    "what": "What",
    "outcome": "Outcome",
    "because": "Rule",
    "session": "Session",
}
AGO = re.compile(r"(\d{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
OUTCOMES = ("allowed", "refused", "failed")
MOST = 10_000


@click.group("audit", cls=BdcGroup)
def audit() -> None:
    """Who did what, from where, and whether it was allowed."""


@audit.command(
    "query",
    examples=[
        "bdc audit query",
        "bdc audit query --since 24h --outcome refused",
        "bdc audit query --user alice --action sql --limit 20",
        "bdc audit query --session 6740a1c2.1f3 -o json",
    ],
)
@click.option("--user", help="Entries of this user.")
@click.option(
    "--since",
    metavar="WHEN",
    help="Not older: 90s, 30m, 24h, 7d, or a time such as 2026-11-22T08:00.",
)
@click.option("--action", help="This action, or all that begin with it: users, users.add, login, sql, flight, cluster.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="failed: it was allowed, and did not work.")
@click.option("--session", help="Entries of one login or SQL session.")
@click.option("--limit", type=click.IntRange(1, MOST), default=100, show_default=True, help="So many entries.")
@pass_settings
def query(settings: Settings, /, limit: int, since: str | None, **asked: str | None) -> Report:
    """List entries of the audit trails of all services, the newest first. For admins.

    A service that does not answer, or that could not write all entries, is named on standard error.
    """
    wanted: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    if since is not None:
        wanted["since"] = instant(since, datetime.datetime.now(datetime.UTC))
    found = settings.session().controller.audit(limit=limit, **wanted)
    entries, services = found["entries"], found["services"]
    assert isinstance(entries, list) and isinstance(services, list)
    for service in services:
        _warn(service)
    return Report(data=entries, blocks=[("", Records(rows=[_shown(entry) for entry in entries], columns=COLUMNS))])


def instant(text: str, now: datetime.datetime) -> str:
    """ISO 8601 with its offset; UserError for what is neither a time nor so long ago."""
    ago = AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return (now - datetime.timedelta(seconds=int(ago[1]) * SECONDS[ago[2]])).isoformat()
        return datetime.datetime.fromisoformat(text.strip()).astimezone().astimezone(datetime.UTC).isoformat()
    except (ValueError, OverflowError):
        raise UserError(f"--since {text!r} is no time", hint="90s, 30m, 24h, 7d, or 2026-11-22T08:00") from None


def _warn(service: dict[str, object]) -> None:
    if service.get("problem"):
        output.message(f"bdc: {service['service']}: {service['problem']}")
    if service.get("lost"):
        output.message(f"bdc: {service['service']} could not write {service['lost']} entries since it began ('--action audit.lost')")


def _shown(entry: dict[str, object]) -> dict[str, object]:
    """For people: local time, one text for what was touched, the rule with the reason."""
    objects = entry.get("objects")
    what = ", ".join(str(one) for one in objects) if isinstance(objects, list) else ""
    reason = f"{entry.get('rule')}: {entry['why']}" if entry.get("why") else entry.get("rule")
    try:
        when = datetime.datetime.fromisoformat(str(entry.get("at"))).astimezone().isoformat(" ", "seconds")[:19]
    except ValueError:
        when = str(entry.get("at"))
    return {**entry, "when": when, "what": what or entry.get("database"), "because": reason}
