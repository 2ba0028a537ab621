"""``images``: what each image weighs in a registry: the sum of its layers, compressed with gzip as ``push`` does."""

from __future__ import annotations

import json
import subprocess
import tarfile
import zlib
from pathlib import Path

from benchmarks.report import Figure, Report

ROOT = Path(__file__).parent.parent
ARCHIVES = ROOT / ".cache/images"
NAMES = ("controller", "compute", "data", "storage", "app")
REACH = {"controller": "<= 150"}
MEGABYTE = 1e6
BLOCK = 1 << 20


def compressed(archive: tarfile.TarFile, layer: str) -> int:
    """Bytes of one layer of a docker archive after gzip at its usual level."""
    file = archive.extractfile(layer)
    if file is None:
        raise ValueError(f"{layer} is not a file of {archive.name!r}")
    squeeze, size = zlib.compressobj(level=6, wbits=31), 0
    with file:
        while block := file.read(BLOCK):
            size += len(squeeze.compress(block))
    return size + len(squeeze.flush())


def measure(path: Path, known: dict[str, int]) -> tuple[float, float]:
    """Megabytes of all layers of an image, and of those that are ours; ``known``: layers that other images have too."""
    with tarfile.open(path) as archive:
        manifest = archive.extractfile("manifest.json")
        if manifest is None:
            raise ValueError(f"{path} is no image")
        layers = json.load(manifest)[0]["Layers"]
        for layer in layers:
            if layer not in known:
                known[layer] = compressed(archive, layer)
    return sum(known[layer] for layer in layers) / MEGABYTE, sum(known[layer] for layer in layers[1:]) / MEGABYTE


def run(rounds: int | None) -> Report:
    """Build what is not there (``scripts/images.sh --local-bases``), then weigh. ``rounds`` is not used: a size has no spread."""
    if not all((ARCHIVES / f"{name}.tar").is_file() for name in NAMES):
        subprocess.run([ROOT / "scripts/images.sh", "--local-bases", *NAMES], check=True)
    known: dict[str, int] = {}
    figures, lines = [], []
    for name in NAMES:
        whole, ours = measure(ARCHIVES / f"{name}.tar", known)
        figures.append(Figure(f"{name}_mb", whole, "MB", REACH.get(name)))
        lines.append(f"{name:<12} {whole:7.1f} MB, of which {ours:7.1f} MB are not the base's")
    return Report("images", tuple(figures), tuple(lines))
