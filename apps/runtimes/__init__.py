"""The runtimes: one row each, one folder each. A runtime's ``load`` module runs in the worker, in the app's own environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Runtime:
    """load          the worker's module with ``load(init) -> Callable[[inputs], outputs]``
    entrypoint    whether the spec names a function
    requirements  whether an environment of its own is built for it
    needs         a module that must be importable where it runs, and the extra that brings it
    signed        whether what it runs may say itself what it takes and gives
    model         whether it speaks of tensors: the Open Inference Protocol
    """

    load: str
    entrypoint: bool
    requirements: bool
    text: str
    needs: tuple[str, str] | None = None
    model: bool = False
    signed: bool = False


RUNTIMES: dict[str, Runtime] = {
    "onnx": Runtime(
        "apps.runtimes.onnx.load",
        False,
        False,
        "A model in ONNX; no code is needed.",
        ("onnxruntime", "openbdc-cluster[onnx]"),
        model=True,
    ),
    "mlflow": Runtime("apps.runtimes.mlflow.load", False, True, "A model folder of MLflow; no code is needed.", model=True, signed=True),
    "python": Runtime("apps.runtimes.python.load", True, True, "A function of a Python file."),
    "sql": Runtime(
        "apps.runtimes.sql.load",
        False,
        False,
        "A query with parameters.",
        ("psycopg", "psycopg[binary]"),
    ),
}
"""Name in ``spec.yaml`` → what runs it."""
