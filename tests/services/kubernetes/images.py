"""Images for a test cluster's own pods, made without a daemon, a network or a registry: the pod sandbox's, and a small Debian with Python.

``write`` makes an archive as ``docker save`` does, which containerd reads.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

PAUSE = "localhost/pause:1"
"""The sandbox's; named in ``templates/containerd.toml``."""

PYTHON = "localhost/python:1"
"""For small workloads of tests: ``sh``, Python, certificates."""

SUITE = "bookworm"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def write_all(folder: Path, programs: Path) -> None:
    """Both, into ``folder``."""
    layer = folder / "layer"
    with tarfile.open(layer, "w") as archive:
        archive.add(programs / "pause", "pause")
    write(folder / "pause.tar", PAUSE, {"Entrypoint": ["/pause"]}, layer)
    layer.unlink()
    less = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,ca-certificates", *less, SUITE, f"{layer}.tar"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    write(folder / "python.tar", PYTHON, {"Cmd": ["python3"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]}, Path(f"{layer}.tar"))
    Path(f"{layer}.tar").unlink()


def write(archive: Path, name: str, settings: dict[str, object], layer: Path) -> None:
    """An image of one layer; ``settings`` as in OCI's ``config`` (Cmd, Env, User, …)."""
    with layer.open("rb") as content:
        layer_id = hashlib.file_digest(content, "sha256").hexdigest()
    root = {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": settings, "rootfs": root}).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{layer_id}/layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as out:
        for member, data in ((config_name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        out.add(layer, f"{layer_id}/layer.tar")
