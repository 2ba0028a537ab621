"""An image whose only program ends at once, for versions that do not come up. Not in ``images.py``: what lies there is built once for a
machine, and again with every change of the file."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

from tests.services.kubernetes import images

SOURCE = """#include <unistd.h>
static const char words[] = WORDS;
int main(void) { return write(2, words, sizeof words - 1) < 0 ? 4 : 3; }
"""


def write(archive: Path, name: str, program: str, words: str) -> None:
    """It holds nothing but ``program``, which says ``words`` and ends with code 3; a C compiler makes it."""
    built, layer = archive.with_suffix(".program"), archive.with_suffix(".layer")
    source = SOURCE.replace("WORDS", json.dumps(f"{words}\n"))
    subprocess.run(["gcc", "-static", "-x", "c", "-o", built, "-"], input=source, text=True, check=True)
    with tarfile.open(layer, "w") as out:
        out.add(built, program.lstrip("/"))
    images.write(archive, name, {"Cmd": [program]}, layer)
    built.unlink()
    layer.unlink()
