"""Folders of apps for tests."""

from __future__ import annotations

import pathlib
import textwrap

SPEC = """\
name: add
version: v1
runtime: Python
src: ./add.py
entrypoint: add
replicas: 1
poolsize: 1
inputs:
  x: int
  y: int
output:
  result: int
"""
CODE = "def add(x, y):\n    return x + y\n"


def app(folder: pathlib.Path, spec: str = SPEC, **files: str | bytes) -> pathlib.Path:
    """``spec.yaml`` and files: ``add_py=…`` is ``add.py``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(spec)
    for name, content in {"add_py": CODE, **files}.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(textwrap.dedent(content))
    return folder


def python(folder: pathlib.Path, code: str, inputs: str = "{}", output: str = "{result: int}", more: str = "") -> pathlib.Path:
    """An app of one Python file ``app.py`` with the function ``run``."""
    spec = f"name: t\nversion: v1\nruntime: python\nsrc: app.py\nentrypoint: run\ninputs: {inputs}\noutput: {output}\n{more}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(spec)
    (folder / "app.py").write_text(textwrap.dedent(code))
    return folder
