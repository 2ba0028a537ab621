"""Changes of a spec that would lose data, or that this way can't carry out; each with what to do instead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.operations.changes import spec_changes
from controller.spec import ClusterSpec

SHOWN_TABLES = 5
SHARDS = "spec.pools.data.shards"
DATANODES_STAY = "a DataNode would go with the blocks on it: taking one out of service (decommissioning) is not there yet"


@dataclass(frozen=True)
class PlacedTable:
    """A table of the data pool, and the numbers of the shards on which its rows lie."""

    database: str
    table: str
    shards: tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """A change that is not made. ``hint``: what to do instead."""

    path: str
    message: str
    hint: str


@dataclass(frozen=True)
class Ground:
    """What refusals are founded on besides the two specs. ``placed``: asked only where it matters; None: the master can't be asked now.
    ``machine_only``: fields that are changed on the machine itself, and how."""

    placed: Callable[[], tuple[PlacedTable, ...] | None]
    machine_only: tuple[str, ...] = ()
    machine_hint: str = ""


def refusals(before: ClusterSpec, after: ClusterSpec, ground: Ground) -> tuple[Refusal, ...]:
    """Everything about ``after`` that must not be carried out."""
    return tuple(refusal for rule in RULES for refusal in rule(before, after, ground))


def name_stays(before: ClusterSpec, after: ClusterSpec, _ground: Ground) -> Iterator[Refusal]:
    """Folders, OS users and objects carry the name."""
    if after.name != before.name:
        yield Refusal(
            "metadata.name",
            f"the name of a cluster can't change (it is {before.name!r})",
            f"write {before.name!r}; for another cluster: bdc create --spec FILE; data moves by bdc backup and bdc restore",
        )


def shards_hold_no_rows(before: ClusterSpec, after: ClusterSpec, ground: Ground) -> Iterator[Refusal]:
    """A shard that is taken away takes its rows along: they must be moved first."""
    old, new = before.spec.pools.data.shards, after.spec.pools.data.shards
    if new >= old:
        return
    placed = ground.placed()
    if placed is None:
        yield Refusal(
            SHARDS, "whether rows lie on the shards that would go is not known: the master does not answer", "bdc status; then try again"
        )
        return
    lost = [found for found in placed if any(number >= new for number in found.shards)]
    if not lost:
        return
    named = ", ".join(f"{found.table} in {found.database}" for found in lost[:SHOWN_TABLES])
    more = f" and {len(lost) - SHOWN_TABLES} more" if len(lost) > SHOWN_TABLES else ""
    hint = f"'bdc scale data {new}' moves them, and lowers it then" if new else "drop these tables first (bdc data drop), or keep a shard"
    yield Refusal(SHARDS, f"{old - new} of {old} shards would go, and tables lie on them: {named}{more}", hint)


def datanodes_stay(before: ClusterSpec, after: ClusterSpec, _ground: Ground) -> Iterator[Refusal]:
    """Each DataNode holds blocks, and HDFS has to copy them elsewhere before one may go."""
    old, new = before.spec.pools.storage, after.spec.pools.storage
    if old.enabled and new.enabled and new.data_nodes < old.data_nodes:
        yield Refusal(
            "spec.pools.storage.dataNodes",
            DATANODES_STAY,
            f"keep {old.data_nodes}; fewer copies of new files: spec.pools.storage.replication",
        )


def machine_fields_stay(before: ClusterSpec, after: ClusterSpec, ground: Ground) -> Iterator[Refusal]:
    """Fields that name programs or files of the machine are its owner's: who may log in as admin is not thereby root of the machine."""
    for change in spec_changes(before, after):
        if any(change.path == field or change.path.startswith(field + ".") for field in ground.machine_only):
            yield Refusal(
                change.path, "it names programs, files or addresses of the machine, and is changed there only", ground.machine_hint
            )


RULES = (name_stays, shards_hold_no_rows, datanodes_stay, machine_fields_stay)
