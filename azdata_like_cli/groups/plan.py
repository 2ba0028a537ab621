"""Changing a running cluster by its spec: ``plan``, ``apply``, ``scale``, ``operation``."""

from __future__ import annotations

import pathlib

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcCommand, BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.operations import ended, follow, is_changed, plan_blocks
from azdata_like_cli.passwords import standard_input
from bdc.errors import UserError

CHANGES = 2
"""Exit code of ``bdc plan`` when something would change, as with other tools that plan."""

REFUSED = 1
TIMEOUT = click.option("--timeout", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds until all must be ready.")
YES = click.option("--yes", "-y", is_flag=True, help="Don't ask.")
COLUMNS = {"number": "Operation", "kind": "Kind", "state": "State", "user": "User", "begun_at": "Begun", "phase": "What"}


@click.command("plan", cls=BdcCommand, examples=["bdc plan -f bdc.yaml", "bdc plan", "bdc plan -f bdc.yaml -o json -q 'workloads[].name'"])
@click.option("--file", "-f", "--spec", "file", type=click.Path(), metavar="FILE", help="A bdc.yaml; - is standard input.")
@pass_settings
def plan(settings: Settings, file: str | None) -> Report | Value:
    """Show what a spec would change in the running cluster, which processes would restart and why, and what is refused.

    Without a file: where what runs differs from the spec in force. Nothing is changed. Exit code 0: nothing would change; 2: something
    would; 1: a part is refused.
    """
    found = settings.session().controller.plan(None if file is None else _text(file))
    if not is_changed(found):
        said = found.get("notes")
        more = [f"Note: {note}" for note in said] if isinstance(said, list) else []
        return Value(data=found, sentence="\n".join([f"Cluster {found['name']}: nothing would change.", *more]))
    return Report(data=found, blocks=plan_blocks(found), exit_code=REFUSED if found.get("refused") else CHANGES)


@click.command("apply", cls=BdcCommand, examples=["bdc apply -f bdc.yaml", "bdc apply -f bdc.yaml --yes --timeout 1200"])
@click.option("--file", "-f", "--spec", "file", type=click.Path(), metavar="FILE", required=True, help="A bdc.yaml; - is standard input.")
@YES
@TIMEOUT
@pass_settings
def apply(settings: Settings, file: str, yes: bool, timeout: int) -> Value:
    """Make the running cluster what a spec says: shows the plan, asks, applies it, and follows until all is ready.

    The controller goes on when this is interrupted; `bdc operation follow` watches it again. One operation at a time: a second apply is
    told which one is under way.
    """
    text, controller = _text(file), settings.session().controller
    found = controller.plan(text)
    show_plan(found)
    if found.get("refused"):
        _refuse(found)
    if not is_changed(found):
        return Value(data={"plan": found, "operation": None}, sentence="Nothing to do: the cluster is what the spec says.")
    if not yes:
        if file == "-":
            raise UserError("standard input holds the spec, so nobody can be asked", hint="--yes answers beforehand")
        confirm("Apply it?")
    begun = controller.apply(text, str(found["base"]), timeout)
    operation = begun["operation"]
    if not isinstance(operation, dict):
        return Value(data=begun, sentence="Nothing to do: the cluster is what the spec says.")
    done = follow(controller, operation, f"Applying to cluster {found['name']}")
    return Value(data={"plan": found, "operation": done}, sentence=f"Cluster {found['name']} is what the spec says.")


@click.command(
    "scale", cls=BdcCommand, examples=["bdc scale compute 2", "bdc scale data 3", "bdc scale data 2 --yes", "bdc scale storage 3"]
)
@click.argument("pool", type=click.Choice(["compute", "data", "storage"]))
@click.argument("count", type=click.IntRange(0, 1000), metavar="N")
@YES
@TIMEOUT
@pass_settings
def scale(settings: Settings, pool: str, count: int, yes: bool, timeout: int) -> Value:
    """Give a pool N members: compute replicas, shards of the data pool, DataNodes of the storage pool.

    Shards: new ones are started, then all tables are spread over them; before some go, their rows are moved to the others. Tables can be
    read all the time; the one that is being moved can't be written for that while. What was interrupted, by Ctrl-C or a killed controller,
    goes on by itself. DataNodes can be added; they can't be taken away.
    """
    controller = settings.session().controller
    if not yes and count == 0:
        confirm(f"Take away all of the {pool} pool?")
    begun = controller.scale(pool, count, timeout)
    plan_found, operation = begun["plan"], begun["operation"]
    if isinstance(plan_found, dict):
        show_plan({**plan_found, "refused": []})
    assert isinstance(operation, dict)
    done = follow(controller, operation, f"Scaling the {pool} pool to {count}")
    return Value(data=done, sentence=f"{str(done['phase'])[0].upper()}{str(done['phase'])[1:]}.")


@click.group("operation", cls=BdcGroup)
def operation() -> None:
    """What changes the cluster: applies, scalings, upgrades, backups."""


@operation.command("list", examples=["bdc operation list", "bdc operation list -o json"])
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many, the latest first.")
@pass_settings
def list_operations(settings: Settings, limit: int) -> Records:
    """List the last operations: how far they are, what became of them."""
    from datetime import UTC, datetime

    rows = [
        {**one, "begun_at": datetime.fromtimestamp(float(str(one["begun_at"])), UTC).isoformat(timespec="seconds")}
        for one in settings.session().controller.operations(limit)
    ]
    return Records(rows=rows, columns=COLUMNS)


@operation.command("follow", examples=["bdc operation follow 3"])
@click.argument("number", type=click.IntRange(1))
@pass_settings
def follow_operation(settings: Settings, number: int) -> Value:
    """Watch an operation until its end."""
    controller = settings.session().controller
    found = controller.operation(number)
    done = follow(controller, found, f"Operation {number}") if found["state"] == "running" else ended(found)
    return Value(data=done, sentence=str(done["phase"]))


@operation.command("cancel", examples=["bdc operation cancel 3"])
@click.argument("number", type=click.IntRange(1))
@pass_settings
def cancel_operation(settings: Settings, number: int) -> Value:
    """End an operation where it stands; what it has done so far stays. `bdc plan` then shows what is."""
    done = settings.session().controller.cancel_operation(number)
    return Value(data=done, sentence=f"Operation {number} is cancelled.")


def _text(file: str) -> str:
    if file == "-":
        return standard_input().read()
    path = pathlib.Path(file)
    path = path / "bdc.yaml" if path.is_dir() else path
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a UTF-8 text", where=str(path)) from None
    except FileNotFoundError:
        raise UserError(f"there is no spec {path}", where=str(path), hint="'bdc config init' writes one") from None


def show_plan(found: dict[str, object]) -> None:
    """On standard error: the result of ``apply`` is what became of it."""
    if is_changed(found):
        output.message(output.shown(Report(blocks=plan_blocks(found))))


def _refuse(found: dict[str, object]) -> None:
    refused = found["refused"]
    assert isinstance(refused, list)
    first, more = refused[0], len(refused) - 1
    raise UserError(
        f"refused: {first['message']}" + (f" (and {more} more)" if more else ""),
        where=str(first["path"]),
        hint=str(first["hint"]),
        code="refused",
    )
