"""A spec that was changed by hand (an editor, kubectl) loses no data either: what `bdc apply` refuses, the loop does not accept."""

from __future__ import annotations

from collections.abc import Callable

from controller.accepted import remembered
from controller.errors import Problem, SpecError
from controller.operations.refusals import Ground, PlacedTable, refusals
from controller.spec import ClusterSpec
from controller.store import Store


def guarded(
    read: Callable[[], ClusterSpec], store: Store, placed: Callable[[], tuple[PlacedTable, ...] | None]
) -> Callable[[], ClusterSpec]:
    """``read``, which raises SpecError also for a spec that would lose data of the cluster as it was accepted last."""

    def guarded_read() -> ClusterSpec:
        spec, before = read(), remembered(store)
        if before is None or before == spec:
            return spec
        found = refusals(before, spec, Ground(placed))
        if found:
            raise SpecError(tuple(Problem(refusal.path, refusal.message, None, refusal.hint) for refusal in found), "the spec")
        return spec

    return guarded_read
