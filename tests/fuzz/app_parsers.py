"""The parsers of apps: what callers send (inputs, batches, tensors), and what owners do (specs, schedules, packages)."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from apps import fields, package, reading, schedule
from apps.checking import check, parse
from apps.errors import AppError, SpecError
from apps.types import TYPES
from pools.app import batch, tensors
from tests.fuzz.targets import Target

INPUTS = {
    "b": "bool", "by": "bytes", "fr": "dataframe", "d": "date", "m": "dict", "f": "float", "i": "int", "l": "list", "s": "str",
}  # fmt: skip
ROW = {
    "b": True, "by": "YWI=", "fr": [{"x": 1}, {"x": 2}], "d": "2024-02-29", "m": {"a": [1]}, "f": 1.5, "i": -7, "l": [1, [2]],
    "s": "ä\u0000",
}  # fmt: skip
TENSORS = {"f": "float", "i": "int", "b": "bool", "s": "str", "d": "date", "l": "list"}
SPEC = """name: house
version: v1
runtime: python
src: house.py
entrypoint: price
replicas: 2
poolsize: 1
inputs: {rooms: int, area: float}
output: {price: float}
env: {MODE: fast}
secrets: [TOKEN]
requirements: [numpy==2.1.0]
resources: {memory: 512MB}
timeout: 3.5
traffic: 10
schedule: {cron: '30 6 * * MON-FRI', timezone: Europe/Berlin, inputs: {rooms: 3, area: 70.5}, missed: once}
"""
SMALL = b"{name: a, version: v2, runtime: onnx, src: m.onnx, inputs: {x: float}, output: {y: float}, schedule: '* * * * *'}"
SOME_TIME = datetime(2025, 3, 30, 0, 30, tzinfo=UTC).timestamp()


def targets() -> tuple[Target, ...]:
    """All of apps."""
    row, columns = json.dumps(ROW).encode(), json.dumps({"inputs": {name: [value, value] for name, value in ROW.items()}}).encode()
    crons = (b"30 6 * * MON-FRI", b"*/5 0-23/2 1,15 JAN-DEC 0", b"0 0 L 2 *", b"0 0 29 2 1#2", b"0 12 * * 5L")
    return (
        Target("app call", (row, json.dumps(ROW, ensure_ascii=False).encode()), _called, (AppError,), 80),
        Target("app batch", (columns,), _batch, (AppError,), 40),
        Target("tensors", _tensors(), _asked, (AppError,), 100),
        Target(
            "app spec",
            (SPEC.encode(), SMALL),
            _spec,
            (SpecError,),
            6,
        ),
        Target("cron", crons, _scheduled, (schedule.ScheduleError,), 4),
        Target("app package", _packages(), _unpacked, (AppError,), 2),
    )


def _called(data: bytes) -> str | None:
    """What is let through can be given to the app's function."""
    given = check(parse(data), INPUTS)
    for name, kind in INPUTS.items():
        if kind != "dataframe":  # pandas' own
            TYPES[kind].to_python(given[name])
    again = json.loads(json.dumps(given, allow_nan=False))
    return None if given.keys() == INPUTS.keys() and again == given else "not the spec's inputs"


def _batch(data: bytes) -> str | None:
    rows = batch._rows(parse(data), INPUTS)
    return None if 0 < len(rows) <= batch.MAX_ROWS and all(row.keys() == INPUTS.keys() for row in rows) else "not the spec's rows"


def _tensors() -> tuple[bytes, ...]:
    def tensor(name: str, datatype: str, data: object, *shape: int) -> dict[str, object]:
        return {"name": name, "datatype": datatype, "shape": list(shape), "data": data}

    flat = [
        tensor("f", "FP32", [1.5, 2], 2), tensor("i", "UINT8", [1, 255], 2, 1), tensor("b", "BOOL", [True, False], 2),
        tensor("s", "BYTES", ["a", ""], 2), tensor("d", "BYTES", ["2024-02-29", "0001-01-01"], 2), tensor("l", "INT64", [1, 2, 3, 4], 2, 2),
    ]  # fmt: skip
    nested = [*flat[:5], tensor("l", "FP64", [[[1.0], [2.0]], [[3.0], [4.5]]], 2, 2, 1)]
    return (
        json.dumps({"id": "7", "inputs": flat}).encode(),
        json.dumps({"inputs": nested, "outputs": [{"name": "l"}], "parameters": {}}).encode(),
    )


def _asked(data: bytes) -> str | None:
    found = tensors.asked(parse(data), TENSORS, TENSORS)
    if not 0 < len(found.rows) <= tensors.MAX_ROWS or any(row.keys() != TENSORS.keys() for row in found.rows):
        return "not the model's rows"
    if any(type(row["i"]) is not int or type(row["b"]) is not bool or not math.isfinite(row["f"]) for row in found.rows):
        return "a value of another type"
    if not set(found.outputs) <= TENSORS.keys():
        return "an output that is none"
    shown = tensors.answer([{**row, "l": [0]} for row in found.rows], found.outputs, TENSORS)
    return None if json.dumps(shown, allow_nan=False) else "no answer"


def _spec(data: bytes) -> str | None:
    spec = reading.read(data.decode("utf-8", "surrogateescape"))
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", spec.name) or "/" in spec.version:
        return f"an app called {spec.name!r} {spec.version!r}"
    if ".." in Path(spec.src).parts or spec.src.startswith("/"):
        return f"a source outside of the package: {spec.src!r}"
    return None if 0 < spec.workers <= fields.MAX_WORKERS else f"{spec.workers} workers"


def _scheduled(data: bytes) -> str | None:
    found = schedule.read(data.decode("utf-8", "replace"))
    at = found.next(SOME_TIME)
    if at is None or at <= SOME_TIME:
        return f"runs at {at}"
    due = found.due(SOME_TIME, SOME_TIME + 86_400)
    return None if due is None or SOME_TIME < due.first <= due.last <= SOME_TIME + 86_400 else f"is due at {due}"


def _packages() -> tuple[bytes, ...]:
    """Not compressed further: a changed byte shall mean something."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in (("spec.yaml", SPEC.encode()), ("sub/house.py", b"def price(): pass\n")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return (raw.getvalue()[:3072], raw.getvalue())


def _unpacked(data: bytes) -> str | None:
    """``data`` is the tar: gzip's checksum would refuse nearly every change before it is looked at."""
    with tempfile.TemporaryDirectory(prefix="openbdc-fuzz-") as place:
        folder = Path(place) / "in" / "app"
        try:
            package.unpack(gzip.compress(data, 1), folder, closed=False)
        finally:
            outside = [path for path in Path(place).rglob("*") if path not in (folder, folder.parent) and folder not in path.parents]
            odd = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
            package.remove(folder)
        return f"wrote {outside or odd}" if outside or odd else None
