"""Environments of apps: one per set of requirements, built once with uv, kept by the digest of all that goes into it.

Only wheels are installed: nothing of a package runs while it is installed. With a folder ``wheels/`` in the package nothing is fetched.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apps.errors import StartError

WHEELHOUSE = "wheels"
OPENED = ".open"
BUILD_SECONDS = 600
PASSED_ON = ("SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_OFFLINE", "HTTPS_PROXY", "https_proxy", "NO_PROXY")
"""Variables that decide where packages come from. They are uv's alone: workers don't get them."""


@dataclass(frozen=True)
class Environments:
    """``folder``: where they are kept, with uv's cache. ``shared``: other OS users run what is in them, if they know where it lies."""

    folder: Path
    shared: bool = False

    def python(self, requirements: tuple[str, ...], package: Path) -> str:
        """The interpreter with these requirements; blocks while it is built. StartError with what uv says."""
        if not requirements:
            return sys.executable
        wheels = package / WHEELHOUSE
        place = self.folder / _key(requirements, wheels)
        python = place / "bin" / "python"
        if not python.exists():
            self._build(requirements, wheels if wheels.is_dir() else None, place)
        if self.shared and not (place / OPENED).exists():
            self._open(place)
        return str(python)

    def _open(self, place: Path) -> None:
        """Readable for all who may go through; the folder of all of them can't be listed, and a digest can't be guessed."""
        self.folder.chmod(0o711)
        for folder, _, files in os.walk(place):
            for path in (Path(folder), *(Path(folder) / name for name in files)):
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
        (place / OPENED).touch()

    def _build(self, requirements: tuple[str, ...], wheels: Path | None, place: Path) -> None:
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix="half-", dir=self.folder))
        try:
            half.chmod(0o755)
            made = half / "environment"
            self._uv("venv", "--quiet", "--relocatable", "--no-project", "--python", sys.executable, str(made))
            where = ["--no-index", "--find-links", str(wheels)] if wheels is not None else []
            install = ["--quiet", "--only-binary", ":all:", "--link-mode", "copy", *where, "--python", str(made / "bin" / "python")]
            self._uv("pip", "install", *install, "--", *requirements)
            if not (place / "bin" / "python").exists():
                shutil.rmtree(place, ignore_errors=True)  # of a backup, which holds no links
            if not place.exists():  # another version with the same requirements may have been faster
                made.rename(place)
        finally:
            shutil.rmtree(half, ignore_errors=True)

    def _uv(self, *arguments: str) -> None:
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        given |= {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "UV_CACHE_DIR": str(self.folder / "cache"),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        try:
            done = subprocess.run(
                [uv(), *arguments], env=given, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise StartError(f"the requirements were not installed within {BUILD_SECONDS} s", where="requirements") from None
        except OSError as error:
            raise StartError(f"uv can't be run: {error.strerror}", where="requirements") from None
        if done.returncode:
            said = " ".join(line.strip(" ×╰─▶│├\t") for line in done.stderr.splitlines() if line.strip())
            raise StartError(
                f"the requirements can't be had: {said[-800:]}",
                where="requirements",
                hint="only wheels are taken; without a network lay them into the folder 'wheels' beside spec.yaml",
            )


def uv() -> str:
    """The program. StartError where there is none."""
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        return str(find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise StartError("an app with requirements needs uv, which is not installed", where="requirements", hint="pip install uv")
    return found


def _key(requirements: tuple[str, ...], wheels: Path) -> str:
    """Of all that decides what is installed."""
    digest = hashlib.sha256(f"{sys.executable}\0{platform.python_version()}\0{platform.machine()}".encode())
    for requirement in sorted(requirements):
        digest.update(b"\0" + requirement.encode())
    for wheel in sorted(wheels.glob("*.whl")):
        digest.update(b"\0\0" + wheel.name.encode() + hashlib.sha256(wheel.read_bytes()).digest())
    return digest.hexdigest()[:32]
