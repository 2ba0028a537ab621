"""The module ``bdc_offload`` of the master: C sources, and the name that a library built from them has.

It is optional: built where there is a C compiler (``building``), and loaded by the sessions of a master whose settings name it. The
sources say what it does (``offload.c`` first).
"""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def sources() -> tuple[Path, ...]:
    """What the compiler is given, and the header beside it."""
    return tuple(sorted((*FOLDER.glob("*.c"), *FOLDER.glob("*.h"))))


@lru_cache(maxsize=8)
def file_name(version: int) -> str:
    """Of the library for a major version of PostgreSQL on this kind of machine; another one when a source changes."""
    digest = hashlib.sha256(f"{version} {platform.machine()}".encode())
    for source in sources():
        digest.update(source.read_bytes())
    return f"bdc_offload-{version}-{digest.hexdigest()[:16]}.so"
