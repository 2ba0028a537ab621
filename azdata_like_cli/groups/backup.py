"""``backup`` and ``restore`` of a whole cluster, of this machine or on Kubernetes."""

from __future__ import annotations

from pathlib import Path

import click

from azdata_like_cli import local, output
from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, confirm, pass_settings
from azdata_like_cli.groups.session import find_local
from azdata_like_cli.kubernetes import places
from azdata_like_cli.kubernetes.places import place_options
from azdata_like_cli.progress import WorkloadProgress, size
from bdc.names import cluster_name

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
TIMEOUT = click.option("--timeout", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds for stop and for start.")


@click.command(
    "backup",
    cls=BdcCommand,
    examples=[
        "bdc backup monday.tar",
        "bdc backup /backups/demo.tar.gz --name demo --yes",
        "bdc backup sales.tar.gz --name sales --kubernetes",
    ],
)
@FILE
@click.option("--name", "-n", help="The cluster. Default: the only one of this machine.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@TIMEOUT
@click.option("--kubernetes", is_flag=True, help="A cluster on Kubernetes, not of this machine.")
@place_options("--namespace", "--kube-namespace")
@pass_settings
def backup(settings: Settings, file: Path, name: str | None, yes: bool, timeout: int, kubernetes: bool) -> Value:
    """Write everything that a cluster keeps to FILE: databases, catalog, users, keys, data pool, HDFS, spec.

    All of it is of one moment: the cluster is stopped in order while the file is written, and started again. Without that pause
    `bdc data backup` saves tables of the data pool, and pg_dump databases. FILE holds keys and users: keep it like the cluster itself.
    A name that ends in .gz is compressed. On Kubernetes (--kubernetes, or known from an earlier login) the volumes are read through pods,
    which takes the rights to make pods, to run commands in them, and to read Secrets.
    """
    there = places.named(cluster_name(name) if name is not None else None, kubernetes)
    found = there or find_local(name).name
    if not yes:
        output.message(f"Cluster {found} is stopped while the backup is written: sessions, queries and loads end.")
        confirm("Go on?")
    if there is not None:
        from azdata_like_cli.kubernetes import commands

        return commands.backup(there, file, float(timeout))
    with WorkloadProgress(f"Backing up cluster {found}") as show:
        arguments = ["--file", str(file.absolute()), "--timeout", str(timeout)]
        done = local.run("backup", found, arguments=arguments, show=show, debug=settings.debug)
    return Value(data=done, sentence=f"Wrote {file}: {done['files']} files, {size(float(str(done['bytes'])))}.")


@click.command(
    "restore",
    cls=BdcCommand,
    examples=["bdc restore monday.tar", "bdc restore monday.tar --name copy", "bdc restore monday.tar --kubernetes --namespace sales"],
)
@FILE
@click.option("--name", "-n", help="Another name for the cluster. Default: the one it had.")
@TIMEOUT
@click.option("--kubernetes", is_flag=True, help="Restore into Kubernetes, also what was backed up on one machine.")
@place_options("--namespace", "--kube-namespace")
@click.option(
    "--values",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Kubernetes: a file with values of the chart, as of `bdc create`.",
)
@pass_settings
def restore(settings: Settings, file: Path, name: str | None, timeout: int, kubernetes: bool, values: tuple[Path, ...]) -> Value:
    """Make a cluster from FILE, as it was when the backup was made: users and passwords included.

    There must be none of that name. Its ports are those it had, or the next free block. When it fails nothing is left.
    """
    wanted = cluster_name(name) if name is not None else None
    if kubernetes or places.option("kube_context") or places.option("kube_namespace"):
        from azdata_like_cli.kubernetes import commands

        return commands.restore(wanted, file, values, float(timeout))
    with WorkloadProgress(f"Restoring {file}") as show:
        arguments = ["--file", str(file.absolute()), "--timeout", str(timeout)]
        done = local.run("restore", wanted, arguments=arguments, show=show, debug=settings.debug)
    sentence = f"Cluster {done['name']} is as it was at {done['made_at']}. Controller: {done['controller']}\nNext: bdc login {done['name']}"
    return Value(data=done, sentence=sentence)
