"""A cluster's life on this machine: ``create``, ``start``, ``stop``, ``delete``, ``list``."""

from __future__ import annotations

import pathlib

import click

from azdata_like_cli import local, output, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcCommand, Settings, argument, confirm, legacy_option, pass_settings
from azdata_like_cli.groups.session import find_local, forget_cluster, sign_in_after_create
from azdata_like_cli.progress import WorkloadProgress
from bdc import machine
from bdc.errors import BdcError, UserError
from bdc.names import cluster_name

TIMEOUT = click.option("--timeout", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds after which to give up.")


def _timeout(seconds: int) -> list[str]:
    return ["--timeout", str(seconds)]


@click.command(
    "create",
    cls=BdcCommand,
    examples=["bdc create demo", "bdc create --spec bdc.yaml", "BDC_PASSWORD=… bdc create demo --username admin -o json"],
)
@argument("name", "--name", "-n", needed=False)
@click.option(
    "--spec",
    "-f",
    type=click.Path(path_type=pathlib.Path),
    help="A bdc.yaml (see `bdc config init`); without it, profile local's defaults.",
)
@click.option(
    "--config-profile", "-c", metavar="PROFILE|FOLDER", help="A profile's name, or a folder that holds a bdc.yaml (as in the original)."
)
@click.option("--username", "-u", envvar=["BDC_USERNAME", "AZDATA_USERNAME"], default="admin", show_default=True, help="The first admin.")
@TIMEOUT
@legacy_option("--accept-eula", "-a")
@legacy_option("--force", is_flag=True)
@pass_settings
def create(
    settings: Settings, name: str | None, spec: pathlib.Path | None, config_profile: str | None, username: str, timeout: int
) -> Value:
    """Create the cluster NAME on this machine, or complete one whose creation broke off, and log in to it.

    The first admin's password comes from BDC_PASSWORD (or AZDATA_PASSWORD) or a prompt; without either it is generated and shown once.
    """
    local.require_cluster_distribution()
    spec = spec or _spec_of(config_profile)
    if name is None and spec is None:
        raise click.UsageError("Missing argument 'NAME' (or --spec FILE).")
    if spec is not None and not spec.is_file():
        raise UserError(f"there is no spec {spec}", hint="'bdc config init' writes one")
    arguments = (["--spec", str(spec)] if spec is not None else []) + _timeout(timeout)
    password, generated = _first_password(username)
    with WorkloadProgress(f"Creating cluster {name or spec}") as show:
        result = local.run(
            "create",
            cluster_name(name) if name is not None else None,
            arguments=arguments,
            secrets={"username": username, "password": password},
            show=show,
            debug=settings.debug,
        )
    made, controller = str(result.get("name") or name), str(result.get("controller") or "")
    if controller:
        sign_in_after_create(controller, username, password)
    data = {**result, "username": username, **({"password": password} if generated else {})}
    shown = f"Password of {username} (shown once): {password}\n" if generated else ""
    return Value(data=data, sentence=f"{shown}Cluster {made} is ready. Controller: {controller}\nNext: bdc status")


def _spec_of(config_profile: str | None) -> pathlib.Path | None:
    """``-c`` of the original: a folder with the spec, the spec, or a profile's name, of which there is one here."""
    if config_profile is None or config_profile == "local":
        return None
    path = pathlib.Path(config_profile)
    if path.is_dir():
        return path / "bdc.yaml"
    if path.is_file():
        return path
    raise UserError(
        f"there is no profile and no folder {config_profile!r}", hint="'bdc config list' shows the profiles; 'bdc config init' makes a spec"
    )


def _first_password(username: str) -> tuple[str, bool]:
    given = passwords.from_environment()
    if given:
        return given, False
    if passwords.can_ask():
        return passwords.prompt(f"Password for {username}", confirm=True), False
    return passwords.generated(), True


@click.command("start", cls=BdcCommand, examples=["bdc start", "bdc start demo"])
@click.argument("name", required=False)
@TIMEOUT
@pass_settings
def start(settings: Settings, name: str | None, timeout: int) -> Value:
    """Start the cluster NAME of this machine (or its only one), after `bdc stop` or a reboot."""
    found = find_local(name)
    with WorkloadProgress(f"Starting cluster {found.name}") as show:
        result = local.run("start", found.name, arguments=_timeout(timeout), show=show, debug=settings.debug)
    return Value(data={"name": found.name, **result}, sentence=f"Cluster {found.name} is ready.")


@click.command("stop", cls=BdcCommand, examples=["bdc stop demo"])
@click.argument("name", required=False)
@TIMEOUT
@pass_settings
def stop(settings: Settings, name: str | None, timeout: int) -> Value:
    """Stop all processes of the cluster NAME of this machine (or of its only one); its data stays."""
    found = find_local(name)
    with WorkloadProgress(f"Stopping cluster {found.name}") as show:
        result = local.run("stop", found.name, arguments=_timeout(timeout), show=show, debug=settings.debug)
    return Value(data={"name": found.name, **result}, sentence=f"Cluster {found.name} is stopped.")


@click.command("delete", cls=BdcCommand, examples=["bdc delete demo", "bdc delete demo --yes"])
@argument("name", "--name", "-n")
@click.option("--yes", "-y", "--force", "-f", "yes", is_flag=True, help="Don't ask.")
@pass_settings
def delete(settings: Settings, name: str, yes: bool) -> Value:
    """Delete the cluster NAME of this machine: its processes, its ports, its files, all its data. Asks before."""
    wanted = cluster_name(name)
    if not yes:
        output.message(f"Cluster {wanted}: all databases, files and users in it will be gone.")
        confirm(f"Delete the cluster {wanted} with all its data?")
    controller = _controller_of(wanted)
    with WorkloadProgress(f"Deleting cluster {wanted}") as show:
        result = local.run("delete", wanted, show=show, debug=settings.debug)
    if controller is not None:
        forget_cluster(controller)
    return Value(data={"name": wanted, **result}, sentence=f"Cluster {wanted} is deleted.")


def _controller_of(name: str) -> str | None:
    """The address, or None for a cluster whose creation broke off before it had one."""
    try:
        return machine.cluster(name).controller
    except BdcError:
        return None


@click.command("list", cls=BdcCommand, examples=["bdc list", "bdc list -o json"])
def list_clusters() -> Records:
    """List the clusters of this machine that you can see, and whether their controllers answer."""
    rows = [
        {"name": found.name, "controller": found.controller, "state": _answers(found.controller), "folder": str(found.folder)}
        for found in machine.clusters()
    ]
    return Records(rows=rows, columns={"name": "Name", "state": "State", "controller": "Controller", "folder": "Folder"})


def _answers(controller: str) -> str:
    from bdc.rest import JsonClient

    try:
        JsonClient(controller, timeout=2).get("/healthz")
    except BdcError as error:
        return "no answer" if error.category == "service" else "unknown"
    return "running"
