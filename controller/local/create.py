"""``create``: from nothing, or from where an earlier create broke off, to a cluster whose every part is ready.

Ctrl-C (SIGINT) before the cluster was ready for the first time removes everything that was made; SIGTERM and SIGKILL leave what is there,
which ``create`` completes and ``delete`` removes.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.auth.passwords import check_rules
from controller.auth.users import check_name as check_user_name
from controller.auth.users import create_first_admin
from controller.certificates.policy import bound
from controller.errors import ControllerError, SpecError
from controller.local import daemon
from controller.local.delete import remove
from controller.local.errors import LocalError
from controller.local.following import forget_status, until_ready
from controller.local.laying import at_once, check_ports, lay, lay_spec, own_store, read_spec
from controller.local.locking import cluster_lock
from controller.local.opening import check_name, check_owner
from controller.local.progress import Progress
from controller.plan import by_requirement
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec, with_base
from controller.status import endpoints
from controller.substrates.local.claims import PortClaims
from controller.substrates.local.layout import ClusterHome, cluster_home
from controller.substrates.local.reachability import check_creatable
from controller.substrates.local.substrate import LocalSubstrate
from controller.substrates.local.users import ids, user_names
from pools.workload import Workload

PROFILE = "local"
PASSWORD_BYTES = 15


@dataclass(frozen=True)
class Admin:
    """The first admin. ``generated``: the password was made here and is shown once."""

    name: str
    password: str
    generated: bool


def first_admin(given: dict[str, object]) -> Admin:
    """From the object on standard input; checked before anything is made."""
    name, password = str(given.get("username") or "admin"), given.get("password")
    admin = Admin(name, str(password) if password else secrets.token_urlsafe(PASSWORD_BYTES), not password)
    check_user_name(admin.name)
    check_rules(admin.name, admin.password)
    return admin


def create(name: str | None, spec_file: Path | None, admin: Admin, seconds: float, progress: Progress) -> dict[str, object]:
    """The result of the ``done`` event."""
    text = _text(name, spec_file)
    wanted = load_spec(text, str(spec_file or "bdc.yaml"))
    if name is not None and wanted.name != name:
        raise LocalError(
            "invalid_name", f"the spec names the cluster {wanted.name!r}, not {name!r}", where=str(spec_file), hint="leave the name out"
        )
    check_name(wanted.name)
    home = cluster_home(wanted.name)
    check_creatable(home.path)
    with _interruptible(), cluster_lock(wanted.name):
        begun_before = home.path.exists()
        if begun_before:
            check_owner(home)
            _refuse_complete(home)
        try:
            return _create(home, _resumed(home, text, spec_file), admin, seconds, progress)
        except KeyboardInterrupt:
            raise _interrupted(home) from None
        except ControllerError:
            if not begun_before and not daemon.running(home):
                remove(home, progress)  # nothing was started: a mistake in the input leaves nothing behind
            raise


def _create(home: ClusterHome, text: str, admin: Admin, seconds: float, progress: Progress) -> dict[str, object]:
    progress.tell("cluster", "preparing", "choosing ports, laying folders, secrets and users")
    with PortClaims() as claims:
        spec = lay_spec(home, text, claims)
        workloads = lay(home, spec, progress, admin.name)
        create_first_admin(home.store, admin.name, admin.password)
        bring_up(home, workloads, seconds, progress)
    home.ready_once.touch(mode=0o600)
    more: dict[str, object] = {"username": admin.name, "password": admin.password} if admin.generated else {}
    return {**summary(spec, workloads), **more}


def bring_up(home: ClusterHome, workloads: tuple[Workload, ...], seconds: float, progress: Progress) -> None:
    """Start the supervisor and have it run everything, and wait until all is ready."""
    users = user_names(home.name)
    own_store(home, ids(users["control"]) if users else None)
    forget_status(home)
    daemon.start(home)
    substrate = LocalSubstrate(home.path)
    for sentence in substrate.observe().warnings:
        progress.tell("cluster", "preparing", sentence)
    for workload in by_requirement(at_once(workloads)):
        # what the controller is about to ask for, word by word: nothing waits for it to come up, and it finds all as it wants it
        substrate.ensure(workload)
    until_ready(home, at_once(workloads), seconds, progress)


def start(home: ClusterHome, seconds: float, progress: Progress) -> dict[str, object]:
    """``start``: after stop, a reboot, or the loss of the supervisor. What runs is adopted; what is ready already is no error."""
    spec = read_spec(home)
    with PortClaims() as claims:
        check_ports(home, spec, claims)
        workloads = lay(home, spec, progress)
        if daemon.running(home):
            LocalSubstrate(home.path).ensure(next(workload for workload in workloads if workload.name == "control"))
            LocalSubstrate(home.path).renew({})  # certificates that were renewed just now, in what runs
            until_ready(home, at_once(workloads), seconds, progress)
        else:
            bring_up(home, workloads, seconds, progress)
    return summary(spec, workloads)


def summary(spec: ClusterSpec, workloads: tuple[Workload, ...]) -> dict[str, object]:
    """Name, controller's address, all endpoints."""
    found = endpoints(workloads, lambda name: bound(spec, name))
    return {
        "name": spec.name,
        "controller": next(entry["endpoint"] for entry in found if entry["name"] == "controller"),
        "endpoints": found,
    }


def _text(name: str | None, spec_file: Path | None) -> str:
    if spec_file is None:
        if name is None:
            raise LocalError("invalid_name", "neither --name nor --spec is given", hint="bdc create NAME")
        check_name(name)
        return render_profile(PROFILE, name)
    try:
        return spec_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError("invalid_spec", f"the spec {spec_file} can't be read: {error}", where=str(spec_file)) from None


def _refuse_complete(home: ClusterHome) -> None:
    if home.ready_once.exists():
        raise LocalError(
            "name_taken",
            f"there is a cluster {home.name!r} on this machine already",
            where=str(home.path),
            hint=f"'bdc start {home.name}' starts it, 'bdc delete {home.name}' removes it; or choose another name",
        )


def _resumed(home: ClusterHome, text: str, spec_file: Path | None) -> str:
    """A create that is completed keeps its spec (and so its ports), unless another one is given or what lies there is damaged."""
    if not home.spec.exists():
        return text
    try:
        there = read_spec(home)
    except SpecError:
        return text
    if spec_file is not None and not _same(load_spec(text), there):
        return text
    return home.spec.read_text(encoding="utf-8")


def _same(given: ClusterSpec, there: ClusterSpec) -> bool:
    """But for the block of ports that the first attempt chose: what runs of it already is not to move."""
    base = there.spec.ports.base
    return (with_base(given, base) if given.spec.ports.base is None and base is not None else given) == there


def _interrupted(home: ClusterHome) -> LocalError:
    """Ctrl-C: nothing is left of a cluster that was never ready."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        remove(home, Progress())
    finally:
        signal.signal(signal.SIGINT, previous)
    return LocalError("interrupted", f"the creation of {home.name!r} was interrupted; everything that was made is removed again")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """A program started in the background has SIGINT ignored; Ctrl-C is passed on to this one as SIGINT all the same."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
