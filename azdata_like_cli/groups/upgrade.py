"""``upgrade``: a cluster goes over to the version of this client, or on Kubernetes to another tag of its images."""

from __future__ import annotations

import click

from azdata_like_cli import local, output
from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, argument, confirm, legacy_option, pass_settings
from azdata_like_cli.groups.session import find_local
from azdata_like_cli.kubernetes.places import place_options
from azdata_like_cli.progress import WorkloadProgress
from bdc import contexts, machine
from bdc.errors import UserError


@click.command(
    "upgrade",
    cls=BdcCommand,
    examples=[
        "bdc upgrade",
        "/opt/openbdc-0.2/bin/bdc upgrade demo --yes",
        "bdc upgrade sales --tag 0.2.1 --registry registry.example.com",
    ],
)
@argument("name", "--name", "-n", needed=False)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--timeout", type=click.IntRange(1, 86400), default=300, show_default=True, help="Seconds that each pool may take.")
@click.option("--tag", "-t", metavar="TAG", help="Kubernetes: the tag of all images. Default: this client's version.")
@click.option("--registry", metavar="HOST/PATH", help="Kubernetes: from where they are pulled. Default: as before.")
@click.option("--keep-controller", is_flag=True, help="Kubernetes: the pools only; somebody else upgrades the controller (GitOps).")
@place_options("--kube-namespace")
@legacy_option("--repository", "-r")
@legacy_option("--controller-timeout", "-k")
@legacy_option("--component-timeout", "-p")
@legacy_option("--stability-threshold", "-s")
@pass_settings
def upgrade(  # noqa: PLR0913 - one parameter per option
    settings: Settings, name: str | None, yes: bool, timeout: int, tag: str | None, registry: str | None, keep_controller: bool
) -> Value:
    """Have the running cluster NAME (or the only one of this machine) run with this version, pool by pool, each probed before the next.

    On this machine: install the new version into an environment of its own and run its `bdc upgrade`: when a part does not come up,
    everything is started with the old version again. Installed over the old one, there is nothing to go back to.

    On Kubernetes (a cluster that you are logged in to): the controller first, by helm; then the pools' images, one pod after the other.
    When a part does not come up, the images of before are put back, and the controller of before. Images: of this client's version, or
    --tag.

    Each pool restarts once; the master's sessions end with it. Older versions than the one that runs are refused.
    """
    session = _on_kubernetes(name, settings.context)
    if session is not None and session.kubernetes is not None:
        from azdata_like_cli.kubernetes import upgrading

        wanted = upgrading.Wanted(session, session.kubernetes, tag, registry, timeout, keep_controller)
        release = upgrading.check(wanted)
        _ask(session.cluster, yes)
        done = upgrading.upgrade(wanted, release)
        return Value(data={"name": session.cluster, **done}, sentence=f"Cluster {session.cluster}: {done['phase']}.")
    if tag or registry or keep_controller:
        raise click.UsageError("--tag, --registry and --keep-controller are for clusters on Kubernetes: bdc login NAME --kubernetes first.")
    found = find_local(name)
    _ask(found.name, yes)
    with WorkloadProgress(f"Upgrading cluster {found.name}") as show:
        result = local.run("upgrade", found.name, arguments=["--timeout", str(timeout)], show=show, debug=settings.debug)
    return Value(data={"name": found.name, **result}, sentence=f"Cluster {found.name} runs with this version.")


def _ask(name: str, yes: bool) -> None:
    if not yes:
        output.message(f"Each pool of the cluster {name} restarts, one after the other; sessions and queries on it end.")
        confirm("Go on?")


def _on_kubernetes(name: str | None, context: str | None) -> contexts.Session | None:
    """The login of a cluster on Kubernetes; None: it is one of this machine."""
    from azdata_like_cli.kubernetes import upgrading

    found = upgrading.cluster(name, context)
    if found is not None and any(one.name == found.cluster for one in machine.clusters()):
        hint = "for that on Kubernetes: bdc context delete, then bdc login NAME --kubernetes under another --name"
        raise UserError(f"there is a cluster {found.cluster!r} on this machine and one on Kubernetes", hint=hint)
    return found
