"""Single settings of a running cluster: ``settings show|set|apply|revert``. The file's counterpart is ``bdc apply``."""

from __future__ import annotations

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.plan import TIMEOUT, YES, show_plan
from azdata_like_cli.operations import follow
from bdc.errors import UserError

COLUMNS = {"name": "Setting", "value": "Value", "default": "Default", "pending": "Pending"}
FILTERS = ("userConfigured", "all", "configurable", "pending")


@click.group("settings", cls=BdcGroup)
def settings() -> None:
    """Settings of the running cluster: set them, look at what is pending, apply them together."""


@settings.command("show", examples=["bdc settings show", "bdc settings show --all", "bdc settings show --filter-option pending"])
@click.option("--all", "-a", "everything", is_flag=True, help="Also those that have their default.")
@click.option("--filter-option", type=click.Choice(FILTERS), default="userConfigured", help="As in the original.")
@pass_settings
def show(context: Settings, everything: bool, filter_option: str) -> Records:
    """Show the settings that are not the default, or that are pending; with --all all of them."""
    rows = context.session().controller.settings()
    if filter_option == "pending":
        rows = [row for row in rows if row["pending"] is not None]
    elif not everything and filter_option == "userConfigured":
        rows = [row for row in rows if row["value"] != row["default"] or row["pending"] is not None]
    return Records(rows=rows, columns=COLUMNS)


@settings.command(
    "set",
    examples=["bdc settings set pools.compute.memoryMegabytes=2048", "bdc settings set hdfs-site.dfs.replication=1 pools.data.threads=2"],
)
@click.argument("assignments", nargs=-1, metavar="KEY=VALUE…")
@click.option("--settings", "-s", "listed", metavar="KEY=VALUE,…", help="The original's way to give them.")
@pass_settings
def set_settings(context: Settings, assignments: tuple[str, ...], listed: str | None) -> Value:
    """Have settings pending; `bdc settings apply` brings them, `bdc settings revert` forgets them.

    KEY is a path of the spec (docs/reference/spec.md), with or without `spec.`, or a key of the original such as
    hdfs-site.dfs.replication or spark-defaults-conf.spark.sql.shuffle.partitions.
    """
    pairs = [*assignments, *(listed.split(",") if listed else ())]
    if not pairs:
        raise click.UsageError("Missing argument 'KEY=VALUE'.")
    values = dict(_pair(pair) for pair in pairs)
    pending = context.session().controller.set_settings(values)
    return Value(data={"pending": pending}, sentence=f"{_counted(pending)} pending. Next: bdc settings apply")


@settings.command("apply", examples=["bdc settings apply", "bdc settings apply --yes"])
@YES
@TIMEOUT
@pass_settings
def apply(context: Settings, yes: bool, timeout: int) -> Value:
    """Apply what is pending: what restarts is shown, asked about, and followed until all is ready."""
    controller = context.session().controller
    pending = [row for row in controller.settings() if row["pending"] is not None]
    output.message("\n".join(f"{row['name']}: {row['value']} → {row['pending']}" for row in pending) or "nothing that differs is pending")
    if not yes:
        confirm("Apply it?")
    begun = controller.apply_settings(timeout)
    plan, operation = begun["plan"], begun["operation"]
    if not isinstance(operation, dict):
        return Value(data=begun, sentence="Nothing to do: the cluster has these settings.")
    if isinstance(plan, dict):
        show_plan(plan)
    return Value(data=follow(controller, operation, "Applying settings"), sentence="The settings are applied.")


@settings.command("revert", examples=["bdc settings revert"])
@pass_settings
def revert(context: Settings) -> Value:
    """Forget what is pending. What was applied is changed back by setting it again."""
    before = context.session().controller.revert_settings()
    return Value(data={"reverted": before}, sentence=f"{_counted(before)} forgotten.")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UserError(f"{text[:200]!r} is not KEY=VALUE", hint="for example pools.compute.memoryMegabytes=2048")
    return key.strip(), value


def _counted(pending: dict[str, object]) -> str:
    return f"{len(pending)} setting{'' if len(pending) == 1 else 's'} {'is' if len(pending) == 1 else 'are'}"
