"""Each image's lock is what its programs import, no less: also what is imported late, when a function is called."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest

from tests.images.dockerfile import ROOT, pins

OURS = ("apps", "azdata_like_cli", "bdc", "controller", "pools", "pyspark_bdc", "virtualization")
CONNECTORS = tuple(
    f"virtualization.connectors.{path.name}" for path in (ROOT / "virtualization/connectors").iterdir() if (path / "__init__.py").exists()
)
PROGRAMS = {
    "controller": (
        "controller.kubernetes",
        "controller.substrates.kubernetes",
        "controller.main",
        "pools.master.setup",
        "pools.gateway.service",
    ),
    "compute": ("pools.compute.service", "virtualization", *CONNECTORS),
    "data": ("pools.data.service",),
    "storage": ("pools.storage.setup", "pools.storage.spark_launch"),
    "app": ("azdata_like_cli.main", "bdc", "pools.app.service", "apps"),
    "spark": ("pyspark_bdc",),
}
"""Lock → what is run with it; a package stands for all of its modules."""

ELSEWHERE = {
    "controller": {"jgo": "fetches Hadoop's jars on one machine; an image has them"},
    "data": dict.fromkeys(("adbc_driver_manager", "adbc_driver_postgresql"), "of virtualization's executors, which a shard does not have"),
    "app": {
        "pandas": "an app that wants frames brings it",
        "pyspark": "as on a client: openbdc[spark-client]",
        "jupyterlab": "bdc notebook",
        **dict.fromkeys(("onnx", "onnxmltools"), "bdc.export_onnx, where Spark is: pyspark-bdc[onnx]"),
        **dict.fromkeys(("adbc_driver_manager", "adbc_driver_postgresql"), "of pyspark_bdc, which bdc.spark names for Spark's executors"),
    },
}
"""What the code can import but the image need not have: why."""


def modules(package: str) -> list[str]:
    """The module, and those below it."""
    path = ROOT / package.replace(".", "/")
    if not path.is_dir():
        return [package]
    return [".".join(found.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for found in path.rglob("*.py")]


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Every name that the module imports, wherever it stands, but for type checkers only."""
    path = ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.expr):  # nothing is imported in an expression
            waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def ours(name: str) -> str | None:
    """The module of ours that an imported name is, or lies in."""
    path = ROOT / name.replace(".", "/")
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return name
    return None


def reached(programs: tuple[str, ...]) -> set[str]:
    """Top-level names of others' packages that can be imported, starting at ``programs``."""
    waiting, seen, foreign = [module for program in programs for module in modules(program)], set(), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imports(module):
            top = name.split(".")[0]
            if top not in OURS:
                foreign.add(top)
            elif found := ours(name):
                parts = found.split(".")
                waiting += [".".join(parts[: count + 1]) for count in range(len(parts)) if ours(".".join(parts[: count + 1]))]
    return foreign - set(sys.stdlib_module_names)


@functools.cache
def distributions() -> dict[str, set[str]]:
    """Importable name → distributions that have it."""
    return {
        name: {re.sub(r"[-_.]+", "-", one).lower() for one in found} for name, found in importlib.metadata.packages_distributions().items()
    }


@pytest.mark.parametrize("lock", PROGRAMS)
def test_what_its_programs_import_is_in_the_lock(lock: str) -> None:
    held = set(pins(lock))
    missing = {name for name in reached(PROGRAMS[lock]) if not distributions().get(name, {name}) & held}
    assert missing - set(ELSEWHERE.get(lock, ())) == set()


def test_the_controller_needs_nothing_of_the_data_path() -> None:
    assert not {"duckdb", "pyarrow", "sqlglot", "numpy", "pandas"} & set(pins("controller"))


def environment(lock: str, folder: pathlib.Path) -> None:
    """An import path of exactly the lock's packages: links to the files that the development environment has of them."""
    for name in pins(lock):
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another version of Python
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = folder / top
            if not link.exists():
                link.symlink_to(pathlib.Path(str(found.locate_file(top))))


def test_the_controller_starts_with_exactly_its_lock(tmp_path: pathlib.Path) -> None:
    """The other images: test_built.py."""
    environment("controller", tmp_path)
    for package in OURS:
        (tmp_path / package).symlink_to(ROOT / package)
    names = [name for program in PROGRAMS["controller"] for name in modules(program) if not name.endswith("__main__")]
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfor name in {names!r}:\n    __import__(name)\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
