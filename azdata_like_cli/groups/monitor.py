"""How the cluster is: ``status``, ``endpoint list``, ``logs``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import click

from azdata_like_cli.answers import Lines, Records, Report
from azdata_like_cli.command import BdcCommand, BdcGroup, Settings, pass_settings
from bdc.controller import Controller
from bdc.errors import UserError

Json = dict[str, object]

TITLES = {"state": "State", "health": "Healthstatus", "details": "Details"}
FOLLOW_SECONDS = 1.0
FOLLOW_LINES = 2000


@click.command(
    "status",
    cls=BdcCommand,
    examples=[
        "bdc status",
        "bdc status --all",
        "bdc status --service hdfs",
        "bdc status -o json -q 'services[].{name: name, state: state}'",
    ],
)
@click.option("--service", "-s", metavar="NAME", help="Only this service: control, sql, hdfs.")
@click.option("--resource", "-r", metavar="NAME", help="Only this resource, such as master, compute-0, storage-0.")
@click.option("--all", "-a", "everything", is_flag=True, help="Also the instances (processes).")
@pass_settings
def status(settings: Settings, service: str | None, resource: str | None, everything: bool) -> Report:
    """Show how the cluster and its services are: a state, whether it is healthy, and a sentence that says why."""
    controller = settings.session().controller
    if resource is not None and service is None:
        service = _service_of(controller, resource)
    tree = controller.status(service, resource, everything=everything or resource is not None)
    if resource is not None:
        return Report(data=tree, blocks=[(_title(tree, "Resource"), _instances([tree]))])
    if service is not None:
        return Report(data=tree, blocks=[(_title(tree, "Service"), _resources(tree, everything))])
    return Report(data=tree, blocks=_cluster_blocks(tree, everything))


def _service_of(controller: Controller, resource: str) -> str:
    services = _children(controller.status(), "services")
    for service in services:
        if any(found["name"] == resource for found in _children(service, "resources")):
            return str(service["name"])
    known = sorted({str(found["name"]) for service in services for found in _children(service, "resources")})
    raise UserError(f"the cluster has no resource {resource!r}", hint=f"it has {', '.join(known)}")


def _cluster_blocks(tree: Json, everything: bool) -> list[tuple[str, Records]]:
    services = _children(tree, "services")
    blocks = [(_title(tree, "Cluster"), Records(rows=services, columns={"name": "Servicename", **TITLES}))]
    blocks += [(f"{str(service['name']).capitalize()} services", _resources(service, everything)) for service in services]
    return blocks


def _title(tree: Json, kind: str) -> str:
    lines = [f"{kind}: {tree.get('name')}", f"State: {tree.get('state')}", f"Health Status: {tree.get('health')}"]
    details = tree.get("details")
    return "\n".join([*lines, f"Details: {details}"] if details else lines)


def _resources(service: Json, everything: bool) -> Records:
    resources = _children(service, "resources")
    if everything:
        return _instances(resources)
    return Records(rows=resources, columns={"name": "Resourcename", **TITLES})


def _instances(resources: list[Json]) -> Records:
    rows = [{"resource": resource["name"], **instance} for resource in resources for instance in _children(resource, "instances")]
    columns = {"resource": "Resourcename", "name": "Instancename", "state": "State", "health": "Healthstatus"}
    return Records(rows=rows, columns={**columns, "pid": "Pid", "restarts": "Restarts", "details": "Details"})


def _children(node: Json, key: str) -> list[Json]:
    found = node.get(key)
    return found if isinstance(found, list) else []


@click.group("endpoint", cls=BdcGroup)
def endpoint() -> None:
    """Addresses of the cluster's services."""


@endpoint.command("list", examples=["bdc endpoint list", "bdc endpoint list -e master -o tsv -q endpoint"])
@click.option("--endpoint-name", "-e", "name", metavar="NAME", help="Only this endpoint.")
@pass_settings
def list_endpoints(settings: Settings, name: str | None) -> object:
    """List where the cluster's services are reached."""
    session = settings.session()
    columns = {"description": "Description", "endpoint": "Endpoint", "name": "Name", "protocol": "Protocol"}
    listed = session.endpoints()
    if name is not None:
        found = next((one for one in listed if one["name"] == name), None) or session.controller.endpoint(name)
        return Report(data=found, blocks=[("", Records(rows=[found], columns=columns))])
    return Records(rows=listed, columns=columns)


@click.command("logs", cls=BdcCommand, examples=["bdc logs master-0", "bdc logs compute-0 --lines 1000", "bdc logs control -f"])
@click.argument("workload")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many of the last lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now; Ctrl-C ends it.")
@pass_settings
def logs(settings: Settings, workload: str, lines: int, follow: bool) -> Lines:
    """Show what WORKLOAD wrote: an instance of `bdc status --all`, such as control, master-0, compute-0, nmnode-0."""
    controller = settings.session().controller
    if follow:
        return Lines(lines=followed(lambda most: controller.log(workload, most), first=lines), endless=True)
    return Lines(lines=controller.log(workload, lines))


def followed(tail: Callable[[int], list[str]], ended: Callable[[], bool] = lambda: False, first: int = FOLLOW_LINES) -> Iterator[str]:
    """The lines of a growing log, ``tail(n)`` being its last ones, beginning with the last ``first``; until ``ended``."""
    seen = tail(FOLLOW_LINES)
    yield from seen[-first:]
    last = False
    while not last:
        time.sleep(FOLLOW_SECONDS)
        last = ended()  # asked before the log is read, so that its last lines are not missed
        latest = tail(FOLLOW_LINES)
        yield from new_lines(seen, latest)
        seen = latest or seen


def new_lines(seen: list[str], latest: list[str]) -> list[str]:
    """What of ``latest`` comes after ``seen``: both are tails of one growing file, the same number of lines at most.

    So ``latest`` begins with what is left of ``seen`` after some lines fell off its front; nothing is left when the log was rotated.
    """
    for gone in range(len(seen) + 1):
        left = len(seen) - gone
        if seen[gone:] == latest[:left]:
            return latest[left:]
    return latest
