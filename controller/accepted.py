"""The spec that is in force: what the file says, or, while the file is invalid, the last valid spec that the store remembers.

A mistake in an edited file must not stop a running cluster from being healed, nor its controller from starting.
"""

from __future__ import annotations

import pathlib

from controller.errors import ControllerError
from controller.spec import ClusterSpec, load_spec
from controller.store import Store

ACCEPTED_FILE = "spec.json"


def spec_in_force(folder: pathlib.Path) -> ClusterSpec:
    """Of the cluster in ``folder``. ControllerError when the file is invalid or unreadable and nothing is remembered."""
    path = folder / "bdc.yaml"
    try:
        return load_spec(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        found = remembered(Store(folder / "store"))
        if found is None:
            raise ControllerError(f"{path} can't be read: {error}", where=str(path)) from None
        return found
    except ControllerError:
        found = remembered(Store(folder / "store"))
        if found is None:
            raise
        return found


def remembered(store: Store) -> ClusterSpec | None:
    """The last valid spec; None when there is none, or it is of another version: then the file decides alone."""
    content = store.read(ACCEPTED_FILE)
    if content is None:
        return None
    try:
        return ClusterSpec.model_validate(content)
    except ValueError:
        return None
