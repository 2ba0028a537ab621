"""An MLflow model folder as an app sees it: what its ``MLmodel`` says of inputs, outputs and packages. Nothing of MLflow's runs here.

A model with the flavour ``onnx`` is run with the cluster's own onnxruntime and needs no packages. Any other is run by its flavour
``python_function``, in an environment of its own with what its ``requirements.txt`` names; ``mlflow`` itself is taken as ``mlflow-skinny``
of the same version, which is the same code without the server, beside numpy and pandas.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apps.errors import SpecError
from apps.fields import PARAMETER, FieldError
from apps.mlflavors import file_of_onnx
from apps.nodes import document, plain
from apps.spec import AppSpec

FILE, REQUIREMENTS = "MLmodel", "requirements.txt"
MAX_BYTES = 2**20
TYPES = {
    "boolean": "bool", "integer": "int", "long": "int", "float": "float", "double": "float", "string": "str", "binary": "bytes",
    "datetime": "str", "object": "dict", "map": "dict", "array": "list",
}  # fmt: skip
"""MLflow's type of a column → ours. A ``datetime`` is a text as pandas reads it."""
KINDS = {"float": "float", "int": "int", "uint": "int", "bool": "bool", "str": "str", "object": "str", "<U": "str"}
"""How numpy's type of a tensor begins → ours."""
PLAIN = ("numpy", "pandas")
NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Parameters = dict[str, str]


@dataclass(frozen=True)
class MlModel:
    """``inputs``, ``outputs``: name → type, None where the model has no signature; ``onnx``: whether onnxruntime runs it;
    ``mlflow``: the version that wrote it."""

    inputs: Parameters | None
    outputs: Parameters | None
    onnx: bool
    mlflow: str


def read(folder: Path) -> MlModel:
    """FieldError with words that follow "src"."""
    path = folder / FILE
    try:
        content = plain(document(path.read_text(encoding="utf-8"), f"{folder.name}/{FILE}", MAX_BYTES))
    except FileNotFoundError:
        raise FieldError(f"{folder.name} is no MLflow model: there is no {FILE} in it") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise FieldError(f"{folder.name}/{FILE} can't be read: {error}") from None
    except SpecError as error:
        raise FieldError(error.message) from None
    flavors = content.get("flavors") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(flavors, dict):
        raise FieldError(f"{folder.name}/{FILE} names no flavors")
    onnx = file_of_onnx(flavors)
    if onnx is not None and not (folder / onnx).is_file():
        raise FieldError(f"{folder.name} holds no {onnx}, which its {FILE} names")
    if onnx is None and not isinstance(flavors.get("python_function"), dict):
        raise FieldError(f"{folder.name} has the flavors {', '.join(flavors)}: one of python_function and onnx is needed")
    signature = content.get("signature")
    inputs, outputs = (_parameters(signature, side) for side in ("inputs", "outputs"))
    return MlModel(inputs, outputs, onnx is not None, str(content.get("mlflow_version", "")))


def packages(model: MlModel, named: tuple[str, ...]) -> tuple[str, ...]:
    """What is installed for it, of what its requirements name."""
    if model.onnx:
        return ()
    found = tuple(re.sub(r"^mlflow(?![A-Za-z0-9._-])", "mlflow-skinny", one) for one in named)
    names = {match[0].lower().replace("_", "-") for one in found if (match := NAMED.match(one))}
    version = f"=={model.mlflow}" if re.fullmatch(r"[0-9.]+", model.mlflow) else ""
    own = [] if "mlflow-skinny" in names else [f"mlflow-skinny{version}"]
    return (*found, *own, *(name for name in PLAIN if name not in names))


def _parameters(signature: object, side: str) -> Parameters | None:
    """FieldError for a signature that can't be an app's."""
    text = signature.get(side) if isinstance(signature, dict) else None
    if not isinstance(text, str):
        return None
    try:
        columns = json.loads(text)
        found = dict(_column(column, side, number, len(columns)) for number, column in enumerate(columns))
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        raise FieldError(f"the signature's {side} in {FILE} can't be understood") from None
    if len(found) != len(columns):
        raise FieldError(
            f"the signature's {side} have names that can't be told apart as an app's: write {side.removesuffix('s')}s of your own"
        )
    return found


def _column(column: dict[str, Any], side: str, number: int, count: int) -> tuple[str, str]:
    name, kind = column.get("name"), column["type"]
    if name is None:
        name = ("input" if side == "inputs" else "prediction") + (f"_{number}" if count > 1 else "")
    if kind == "tensor":
        tensor = column["tensor-spec"]
        dtype = next((ours for begin, ours in KINDS.items() if str(tensor["dtype"]).startswith(begin)), None)
        ours = dtype if len(tensor["shape"]) < 2 else "list"
    else:
        ours = TYPES.get(kind)
    if ours is None:
        raise FieldError(f"the signature's {name} is a {kind}, which can't be carried: write inputs and output into spec.yaml")
    return fit(str(name)), ours


def fit(name: str) -> str:
    """As an app's parameter may be called: ``sepal length (cm)`` is ``sepal_length_cm``."""
    if PARAMETER.fullmatch(name):
        return name
    found = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return (found if found[:1].isalpha() else f"_{found}")[:63]


def completed(spec: AppSpec, model: MlModel) -> tuple[AppSpec, list[tuple[str, str]]]:
    """With the signature's inputs and outputs where the spec has none, and what is wrong: field and words. The spec's own go by the
    names of the signature's, or else in its order."""
    wrong, found = [], dict[str, Parameters]()
    for field, given, own in (("inputs", spec.inputs, model.inputs), ("output", spec.outputs, model.outputs)):
        if not given and own is None:
            wrong.append((field, "is missing, and the model has no signature that says it"))
        elif given and own is not None and len(given) != len(own):
            wrong.append((field, f"names {len(given)}; the model's signature has {len(own)}: {', '.join(own)}"))
        found[field] = dict(given or own or {})
    return replace(spec, inputs=found["inputs"], outputs=found["output"]), wrong
