"""``doctor``: what is wrong with the machine and the cluster, and the fix. Works with the controller down, and without a login."""

from __future__ import annotations

import click

from azdata_like_cli import local, output
from azdata_like_cli.answers import Records
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from bdc import machine
from bdc.errors import BdcError, UserError

Json = dict[str, object]

PROBLEMS = 1
"""Exit code when there is a problem; warnings are none."""


@click.command("doctor", cls=BdcCommand, examples=["bdc doctor", "bdc doctor demo", "bdc doctor -o json -q \"[?state!='ok']\""])
@click.argument("name", required=False)
@click.option("--all", "-a", "everything", is_flag=True, help="Also what is in order.")
@pass_settings
def doctor(settings: Settings, name: str | None, everything: bool) -> Records:
    """Examine this machine and the cluster NAME (or its only one): programs, memory, disk, ports, clock, users, processes, logs.

    Each finding comes with its fix. What only the controller knows needs a login; the rest does not. Exit code 1 when there is a problem.
    """
    found = [{"where": "machine", **one} for one in _machine(settings, name)]
    found += [{"where": "cluster", **one} for one in _cluster(settings)]
    bad = [one for one in found if one["state"] != "ok"]
    if not bad:
        output.message(f"All is well: {len(found)} checks, nothing found. They are listed with --all.")
    columns = {"where": "Of", "check": "Check", "state": "State", "message": "Finding", "fix": "Fix"}
    code = PROBLEMS if any(one["state"] == "problem" for one in bad) else 0
    return Records(rows=found if everything or settings.output != "table" else bad, columns=columns, exit_code=code)


def _machine(settings: Settings, name: str | None) -> list[Json]:
    """Of this machine, where it has the cluster distribution."""
    try:
        local.require_cluster_distribution()
    except UserError:
        if name is not None:
            raise
        return []
    known = [one.name for one in machine.clusters()]
    chosen = name or (known[0] if len(known) == 1 else None)
    if name is None and len(known) > 1:
        output.message(f"this machine has several clusters ({', '.join(known)}): name one to have it examined too")
    findings = local.run("doctor", chosen, debug=settings.debug).get("findings")
    return findings if isinstance(findings, list) else []


def _cluster(settings: Settings) -> list[Json]:
    """As its controller sees it; who is not logged in, or finds it down, is told so."""
    try:
        return settings.session().controller.doctor()
    except BdcError as error:
        message = f"the controller can't be asked: {error.message}"
        return [
            {
                "check": "controller",
                "state": "warning" if error.category in ("user", "authentication") else "problem",
                "message": message,
                "fix": error.hint,
            }
        ]
