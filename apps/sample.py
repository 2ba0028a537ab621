"""``sample.json`` of a package: inputs of a call that must succeed. With it a version is tried before calls go to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.checking import check, parse
from apps.errors import InputError

SAMPLE = "sample.json"
MAX_BYTES = 16 * 2**20


def sample(folder: Path, inputs: Mapping[str, str]) -> dict[str, Any] | None:
    """The inputs, which are of the types of the spec; None: there is none. InputError."""
    try:
        with (folder / SAMPLE).open("rb") as file:
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"it can't be read: {error.strerror}", where=SAMPLE) from None
    return check(parse(content), inputs)
