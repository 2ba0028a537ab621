"""The spec that is in force: what people wrote, or, while that is invalid, the last valid spec that the store remembers.

A mistake in an edited file must not stop a running cluster from being healed, nor its controller from starting.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from controller.errors import ControllerError, Problem, SpecError
from controller.spec import ClusterSpec, load_spec
from controller.store import FolderStore, Store

ACCEPTED_FILE = "spec.json"


def read_spec_file(path: pathlib.Path) -> ClusterSpec:
    """The spec in ``path``; SpecError when it is invalid or can't be read."""
    try:
        return load_spec(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError((Problem("", f"can't be read: {error}"),), str(path)) from None


def spec_in_force(folder: pathlib.Path) -> ClusterSpec:
    """Of the cluster in ``folder`` of this machine. SpecError when the file is invalid or unreadable and nothing is remembered."""
    try:
        return read_spec_file(folder / "bdc.yaml")
    except ControllerError:
        found = remembered(FolderStore(folder / "store"))
        if found is None:
            raise
        return found


def accepted_spec(read: Callable[[], ClusterSpec], store: Store) -> tuple[ClusterSpec, str | None]:
    """The spec that ``read`` gives when it is valid, and remembered; else the last valid one, and why. SpecError when there is none."""
    try:
        spec = read()
        before = remembered(store)
        if before is not None and before.name != spec.name:
            raise SpecError((Problem("metadata.name", f"the name of a cluster can't change (it is {before.name!r})"),))
    except SpecError as error:
        last = remembered(store)
        if last is None:
            raise
        return last, f"{error.message} (the cluster goes on with the last valid spec)"
    if spec != before:
        store.write(ACCEPTED_FILE, spec.model_dump(mode="json", by_alias=True))
    return spec, None


def remembered(store: Store) -> ClusterSpec | None:
    """The last valid spec; None when there is none, or it is of another version: then the file decides alone."""
    content = store.read(ACCEPTED_FILE)
    if content is None:
        return None
    try:
        return ClusterSpec.model_validate(content)
    except ValueError:
        return None
