"""``bdc upgrade`` of a cluster on Kubernetes: the controller by Helm, then by the controller one pod group after the other. What does not
come up takes all of it back: the pools' images by the controller, also without this client; the controller by ``helm rollback``, here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azdata_like_cli import output
from azdata_like_cli.kubernetes import chart, checks, following, places
from azdata_like_cli.operations import follow
from azdata_like_cli.progress import WorkloadProgress
from bdc import contexts
from bdc.contexts import Place
from bdc.controller import Controller
from bdc.errors import BdcError, ConflictError, UserError
from bdc.session import Session

Json = dict[str, object]


@dataclass(frozen=True)
class Wanted:
    """``session``: of an admin of the cluster; ``tag``: None: this client's version; ``registry``: None: the one of before; ``seconds``:
    for each pod; ``keep``: the controller is somebody else's to upgrade."""

    session: contexts.Session
    place: Place
    tag: str | None
    registry: str | None
    seconds: int
    keep: bool

    @property
    def goal(self) -> str:
        """The tag of all images afterwards."""
        return self.tag or chart.version()


def cluster(name: str | None, context: str | None) -> contexts.Session | None:
    """The login of a cluster on Kubernetes: NAME's, or without one that of the active context; None: it is not on Kubernetes. UserError for
    one that nobody is logged in to."""
    found = places.saved(name, context)
    asked = places.option("kube_context") or places.option("kube_namespace")
    if found is None and asked:
        raise UserError("an upgrade needs a login to that cluster", hint="bdc login NAME --kubernetes, with the same options; then again")
    return found


def check(wanted: Wanted) -> chart.Release | None:
    """All that can be known beforehand: a release that is to be changed first, or None. Errors say why it can't be done."""
    checks.programs()
    checks.server(wanted.place)
    before = None if wanted.keep else chart.release(wanted.place)
    tag = before.image.rpartition(":")[2] if before is not None and "@" not in before.image else ""
    for what, old, new in (("client's chart", before.version if before else "", chart.version()), ("tag", tag, wanted.goal)):
        if chart.is_older(new, old):
            raise UserError(
                f"this {what} is {new}, and the controller runs {old}: an upgrade does not go backwards",
                where=f"namespace {wanted.place.namespace}",
                hint=f"use the newer client; after a failed upgrade: helm rollback {before.name if before else places.RELEASE} --namespace"
                f" {wanted.place.namespace}; else a backup of that time: bdc restore",
            )
    if before is None or (before.version == chart.version() and before.image == _image(before.image, wanted)):
        return None
    checks.rights(wanted.place, namespace_is_there=True)
    return before


def _image(now: str, wanted: Wanted) -> str:
    """The controller's reference after the upgrade."""
    repository = now.partition("@")[0]
    repository = repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository
    if wanted.registry:
        repository = f"{wanted.registry}/{'/'.join(repository.split('/')[-2:])}"
    return f"{repository}:{wanted.goal}"


def upgrade(wanted: Wanted, release: chart.Release | None) -> Json:
    """The operation that was carried out. BdcError, once everything is back."""
    under_way = _under_way(wanted)
    if under_way is not None:
        output.message(f"Upgrade {under_way['number']} is under way already; this follows it.")
        with Session(wanted.session) as session:
            return follow(session.controller, under_way, _title(wanted))
    with _going_back(wanted, release):
        if release is not None:
            with WorkloadProgress(f"Upgrading the controller of {wanted.session.cluster} to {wanted.goal}") as show:
                chart.upgrade(wanted.place, release.name, wanted.tag, wanted.registry)
                following.controller_ready(following.Wait(wanted.place, float(wanted.seconds), show))
        with Session(wanted.session) as session:
            begun = session.controller.upgrade(wanted.goal, wanted.registry, wanted.seconds)["operation"]
            assert isinstance(begun, dict)
            return follow(session.controller, begun, _title(wanted))


def _title(wanted: Wanted) -> str:
    return f"Upgrading the pools of {wanted.session.cluster} to {wanted.goal}"


def _under_way(wanted: Wanted) -> Json | None:
    """An upgrade that runs. UserError where the cluster is not ready, so that nothing could be probed."""
    with Session(wanted.session) as session:
        controller = session.controller
        running = _running(controller)
        if running is not None and running["kind"] == "upgrade":
            return running
        if running is not None:
            number = running["number"]
            raise ConflictError(
                f"{running['kind']} by {running['user']} is under way: {running['phase']}",
                where=f"operation {number}",
                hint=f"wait for it: bdc operation follow {number}",
            )
        status = controller.status()
        if status["state"] != "ready":
            raise UserError(
                "the cluster is not ready, so that nobody could tell what an upgrade breaks",
                where=f"cluster {wanted.session.cluster}",
                why=str(status["details"]),
                hint="bdc doctor; a wrong image is mended by bdc apply; an upgrade that broke off, by helm rollback or bdc operation list",
            )
        return None


def _running(controller: Controller) -> Json | None:
    return next((one for one in controller.operations(5) if one["state"] == "running"), None)


@contextmanager
def _going_back(wanted: Wanted, release: chart.Release | None) -> Iterator[None]:
    """Where the upgrade fails the controller of before comes back, and with it the pools' configuration of before where that differed."""
    try:
        yield
    except BdcError as error:
        if release is None:
            raise
        output.message(f"{error.message}: the controller of before comes back (helm rollback {release.name})")
        try:
            _back(wanted, release)
        except BdcError as second:
            error.hint = f"helm rollback {release.name} --namespace {wanted.place.namespace} (it failed: {second.message}); then bdc status"
            raise error from second
        error.message = f"{error.message}; the controller of before runs again"
        raise


def _back(wanted: Wanted, release: chart.Release) -> None:
    with WorkloadProgress(f"Going back to {release.image}") as show:
        chart.rollback(wanted.place, release.name)
        wait = following.Wait(wanted.place, 2.0 * wanted.seconds, show)
        following.controller_ready(wait)
        following.cluster_ready(wait, wanted.session.cluster)
