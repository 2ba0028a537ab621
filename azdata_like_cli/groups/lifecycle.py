"""A cluster's life: ``create`` and ``delete``, here or on Kubernetes; ``start``, ``stop``, ``list`` on this machine."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

import click

from azdata_like_cli import local, output, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcCommand, Settings, argument, confirm, legacy_option, pass_settings
from azdata_like_cli.groups.session import find_local, forget_cluster, sign_in_after_create
from azdata_like_cli.kubernetes import places
from azdata_like_cli.kubernetes.places import place_options
from azdata_like_cli.progress import WorkloadProgress
from bdc import machine
from bdc.errors import BdcError, UserError
from bdc.names import cluster_name

TIMEOUT = click.option("--timeout", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds after which to give up.")
THERE = click.option("--kubernetes", is_flag=True, help="NAME is a cluster on Kubernetes, not of this machine.")


def _timeout(seconds: int) -> list[str]:
    return ["--timeout", str(seconds)]


@click.command(
    "create",
    cls=BdcCommand,
    examples=[
        "bdc create demo",
        "bdc create --spec bdc.yaml",
        "BDC_PASSWORD=… bdc create demo --username admin -o json",
        "bdc create sales --profile kubernetes",
        "bdc create --spec bdc.yaml --profile kubernetes --kube-context prod --namespace sales --values chart.yaml",
    ],
)
@argument("name", "--name", "-n", needed=False)
@click.option(
    "--spec",
    "-f",
    type=click.Path(path_type=pathlib.Path),
    help="A bdc.yaml (see `bdc config init`); without it, the profile's defaults.",
)
@click.option(
    "--profile",
    "--config-profile",
    "-c",
    "profile",
    metavar="PROFILE|FOLDER",
    help="`local` or `kubernetes` (default: what the spec was made from, else local), or a folder with a bdc.yaml (as in the original).",
)
@place_options("--namespace", "--kube-namespace")
@click.option(
    "--values",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path),
    help="Kubernetes: a file with values of the chart (docs/reference/chart.md); may be given several times.",
)
@click.option("--username", "-u", envvar=["BDC_USERNAME", "AZDATA_USERNAME"], default="admin", show_default=True, help="The first admin.")
@TIMEOUT
@legacy_option("--accept-eula", "-a")
@legacy_option("--force", is_flag=True)
@pass_settings
def create(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str | None,
    spec: pathlib.Path | None,
    profile: str | None,
    values: tuple[pathlib.Path, ...],
    username: str,
    timeout: int,
) -> Value:
    """Create the cluster NAME, on this machine or on Kubernetes, or complete one whose creation broke off, and log in to it.

    The first admin's password comes from BDC_PASSWORD (or AZDATA_PASSWORD) or a prompt; without either it is generated, and shown once
    (on Kubernetes: kept in the Secret openbdc-admin).

    On Kubernetes (--profile kubernetes) kubectl and helm are needed; whatever is missing is said before anything is made.
    """
    from azdata_like_cli.kubernetes import commands

    asked = Asked(name, spec or _spec_of(profile), values, username, timeout)
    if asked.name is None and asked.spec is None:
        raise click.UsageError("Missing argument 'NAME' (or --spec FILE).")
    if asked.spec is not None and not asked.spec.is_file():
        raise UserError(f"there is no spec {asked.spec}", hint="'bdc config init' writes one")
    if commands.wanted_by(profile, asked.spec):
        return commands.create(asked)
    if values or places.option("kube_context") or places.option("kube_namespace"):
        raise click.UsageError("--values, --namespace and --kube-context are for clusters on Kubernetes: add --profile kubernetes.")
    return _create_here(settings, asked)


@dataclass(frozen=True)
class Asked:
    """What the options of ``create`` said."""

    name: str | None
    spec: pathlib.Path | None
    values: tuple[pathlib.Path, ...]
    username: str
    timeout: int

    def password(self) -> tuple[str, bool]:
        """The first admin's password, and whether it was generated."""
        return _first_password(self.username)


def _create_here(settings: Settings, asked: Asked) -> Value:
    local.require_cluster_distribution()
    name, spec, username = asked.name, asked.spec, asked.username
    arguments = (["--spec", str(spec)] if spec is not None else []) + _timeout(asked.timeout)
    password, generated = asked.password()
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


def _spec_of(profile: str | None) -> pathlib.Path | None:
    """``-c`` of the original: a folder with the spec, the spec, or a profile's name."""
    if profile in (None, "local", places.PROFILE):
        return None
    path = pathlib.Path(str(profile))
    if path.is_dir():
        return path / "bdc.yaml"
    if path.is_file():
        return path
    raise UserError(
        f"there is no profile and no folder {profile!r}", hint="'bdc config list' shows the profiles; 'bdc config init' makes a spec"
    )


def _first_password(username: str) -> tuple[str, bool]:
    given = passwords.from_environment()
    if given:
        return given, False
    if passwords.can_ask():
        return passwords.prompt(f"Password for {username}", confirm=True), False
    return passwords.generated(), True


@click.command("start", cls=BdcCommand, examples=["bdc start", "bdc start demo", "bdc start sales --kubernetes"])
@click.argument("name", required=False)
@TIMEOUT
@THERE
@place_options("--namespace", "--kube-namespace")
@pass_settings
def start(settings: Settings, name: str | None, timeout: int, kubernetes: bool) -> Value:
    """Start the cluster NAME of this machine (or its only one), after `bdc stop` or a reboot; on Kubernetes after `bdc stop`."""
    there = places.named(cluster_name(name) if name is not None else None, kubernetes)
    if there is not None:
        from azdata_like_cli.kubernetes import commands

        return commands.start(there, float(timeout))
    found = find_local(name)
    with WorkloadProgress(f"Starting cluster {found.name}") as show:
        result = local.run("start", found.name, arguments=_timeout(timeout), show=show, debug=settings.debug)
    return Value(data={"name": found.name, **result}, sentence=f"Cluster {found.name} is ready.")


@click.command("stop", cls=BdcCommand, examples=["bdc stop demo", "bdc stop sales --kubernetes"])
@click.argument("name", required=False)
@TIMEOUT
@THERE
@place_options("--namespace", "--kube-namespace")
@pass_settings
def stop(settings: Settings, name: str | None, timeout: int, kubernetes: bool) -> Value:
    """Stop all processes of the cluster NAME of this machine (or of its only one); its data stays. On Kubernetes: all its pods, in order;
    volumes, addresses and the controller stay."""
    there = places.named(cluster_name(name) if name is not None else None, kubernetes)
    if there is not None:
        from azdata_like_cli.kubernetes import commands

        return commands.stop(there, float(timeout))
    found = find_local(name)
    with WorkloadProgress(f"Stopping cluster {found.name}") as show:
        result = local.run("stop", found.name, arguments=_timeout(timeout), show=show, debug=settings.debug)
    return Value(data={"name": found.name, **result}, sentence=f"Cluster {found.name} is stopped.")


@click.command("delete", cls=BdcCommand, examples=["bdc delete demo", "bdc delete demo --yes"])
@argument("name", "--name", "-n")
@click.option("--yes", "-y", "--force", "-f", "yes", is_flag=True, help="Don't ask.")
@THERE
@click.option("--volumes", is_flag=True, help="Kubernetes: the volume claims too, with all data. Without it they stay.")
@place_options("--namespace", "--kube-namespace")
@pass_settings
def delete(settings: Settings, name: str, yes: bool, kubernetes: bool, volumes: bool) -> Value:
    """Delete the cluster NAME. Asks before.

    On this machine: its processes, its ports, its files, all its data. On Kubernetes (--kubernetes, or known from an earlier login) all
    but its volume claims, from which `bdc create` makes it again, and the namespace.
    """
    wanted = cluster_name(name)
    if places.means_kubernetes(wanted, kubernetes):
        return _delete_there(wanted, yes, volumes)
    if volumes:
        raise click.UsageError("--volumes is for clusters on Kubernetes; on this machine the data always goes.")
    if not yes:
        output.message(f"Cluster {wanted}: all databases, files and users in it will be gone.")
        confirm(f"Delete the cluster {wanted} with all its data?")
    controller = _controller_of(wanted)
    with WorkloadProgress(f"Deleting cluster {wanted}") as show:
        result = local.run("delete", wanted, show=show, debug=settings.debug)
    if controller is not None:
        forget_cluster(controller)
    return Value(data={"name": wanted, **result}, sentence=f"Cluster {wanted} is deleted.")


def _delete_there(name: str, yes: bool, volumes: bool) -> Value:
    from azdata_like_cli.kubernetes import commands

    found = commands.check_delete(name)
    if not yes:
        output.message(
            f"{found}: its pods and users will be gone" + (", and its volumes with all data." if volumes else "; its volumes stay.")
        )
        confirm(f"Delete the cluster {name}" + (" with all its data?" if volumes else "?"))
    return commands.delete(name, volumes=volumes)


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
        {"name": found.name, "controller": found.controller, "state": _answers(found), "folder": str(found.folder)}
        for found in machine.clusters()
    ]
    return Records(rows=rows, columns={"name": "Name", "state": "State", "controller": "Controller", "folder": "Folder"})


def _answers(found: machine.LocalCluster) -> str:
    from bdc.rest import JsonClient

    try:
        JsonClient(found.controller, timeout=2, authority=found.authority).get("/healthz")
    except BdcError as error:
        return "no answer" if error.category == "service" else "unknown"
    return "running"
