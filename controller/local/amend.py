"""``amend``: a running cluster gets another spec. Asked for by its controller, by way of the supervisor, which runs this as its own user.

So it checks everything: the control user must not become root by writing which programs root runs.
"""

from __future__ import annotations

from pathlib import Path

from controller.errors import ControllerError, SpecError
from controller.local.errors import LocalError
from controller.local.laying import check_ports, lay
from controller.local.progress import Progress
from controller.operations.changes import spec_changes
from controller.spec import ClusterSpec, load_spec
from controller.substrates.local.claims import PortClaims
from controller.substrates.local.document import MACHINE_ONLY
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.substrate import LocalSubstrate
from controller.substrates.local.users import ids, user_names


def amend(home: ClusterHome, asked: Path, progress: Progress) -> dict[str, object]:
    """Write the spec, lay what it needs, and start the controller anew where that is what changed. On an error the old spec is back."""
    text, before = asked.read_text(encoding="utf-8"), home.spec.read_text(encoding="utf-8")
    wanted = load_spec(text)
    _check(_lying(home, before), wanted, home)
    users = user_names(home.name)
    control = ids(users["control"]) if users else None
    with PortClaims() as claims:
        check_ports(home, wanted, claims)
        home.write_spec(text, control)
        try:
            workloads = lay(home, wanted, progress)
        except ControllerError:
            home.write_spec(before, control)
            raise
        said = LocalSubstrate(home.path).ensure(next(workload for workload in workloads if workload.name == "control"))
    return {"name": home.name, "control": said}


def _lying(home: ClusterHome, text: str) -> ClusterSpec:
    """The spec of the file, and never what the store remembers: that is the control user's own."""
    try:
        return load_spec(text, str(home.spec))
    except SpecError as error:
        raise LocalError(
            "invalid_spec",
            f"the spec that lies there is not valid: {error.message}",
            where=str(home.spec),
            hint="correct it on the machine",
        ) from error


def _check(before: ClusterSpec, wanted: ClusterSpec, home: ClusterHome) -> None:
    if wanted.name != home.name:
        raise LocalError("invalid_name", f"the name of a cluster can't change (it is {home.name!r})", where="metadata.name")
    for change in spec_changes(before, wanted):
        if any(change.path == field or change.path.startswith(field + ".") for field in MACHINE_ONLY):
            raise LocalError(
                "machine_only",
                f"{change.path} names programs, files or addresses of the machine, and is changed there only",
                where=change.path,
                hint=f"change {home.spec} as its owner, then: bdc start {home.name}",
            )
