"""The watch at the end of each run sees what is left, and only that."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests import leftovers
from tests.leftovers import MARKER, Watch
from tests.patience import PATIENCE


def test_what_is_left_is_named_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(tempfile, "mkdtemp", tempfile.mkdtemp)
    monkeypatch.setenv(MARKER, os.environ[MARKER])
    with subprocess.Popen(["sleep", "60"]) as stranger:
        watch = Watch()
        folder = Path(tempfile.mkdtemp())
        marked = subprocess.Popen(["sleep", "60"])
        inside = subprocess.Popen(["sleep", "60"], cwd=folder, env={})
        found = watch.left()
        assert sorted(found) == sorted([f"process {marked.pid}: sleep 60", f"process {inside.pid}: sleep 60", f"folder {folder}"])
        assert marked.wait(PATIENCE) == inside.wait(PATIENCE) == -9 and stranger.poll() is None
        folder.rmdir()
        assert watch.left() == []
        stranger.kill()
