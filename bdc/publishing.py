"""Packages of apps from here: a folder, or a function of a notebook; and the wait until the cluster serves them."""

from __future__ import annotations

import datetime
import inspect
import json
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_origin

from bdc.errors import BdcError, ServiceError, UserError

if TYPE_CHECKING:
    from apps.package import Package

Json = dict[str, object]
Types = str | type
"""Of one input or output: a name of docs/guide/apps.md (``"float"``), or Python's type."""
NAMES: dict[object, str] = {
    bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes", list: "list", dict: "dict", datetime.date: "date",
}  # fmt: skip
RESULT = "result"
PERIOD = 0.2
LOG_LINES = 15


@dataclass(frozen=True)
class Publication:
    """A function as an app. ``inputs``, ``output`` None: from its annotations; ``fields``: further ones of spec.yaml (``timeout``, …)."""

    function: Callable[..., object]
    name: str | None
    version: str
    inputs: Mapping[str, Types] | None = None
    output: Mapping[str, Types] | Types | None = None
    requirements: Sequence[str] = ()
    fields: Mapping[str, object] = field(default_factory=dict)

    def package(self) -> Package:
        """UserError where the function can't be an app, or the spec would be wrong."""
        import yaml

        from bdc.sources import source_of

        text = source_of(self.function, self.requirements)
        spec = {
            "name": self.name or self.function.__name__.replace("_", "-").lower(),
            "version": self.version,
            "runtime": "python",
            "src": "app.py",
            "entrypoint": self.function.__name__,
            "inputs": self._inputs(),
            "output": self._output(),
            **({"requirements": list(self.requirements)} if self.requirements else {}),
            **{name: value for name, value in self.fields.items() if name != "sample"},
        }
        with tempfile.TemporaryDirectory(prefix="openbdc-publish-") as temporary:
            folder = pathlib.Path(temporary)
            (folder / "app.py").write_text(text, encoding="utf-8")
            (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True), encoding="utf-8")
            if "sample" in self.fields:
                (folder / "sample.json").write_text(json.dumps(self.fields["sample"]), encoding="utf-8")
            return packed(folder)

    def _inputs(self) -> dict[str, str]:
        parameters = _signature(self.function).parameters
        for name, one in parameters.items():
            if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                raise UserError(f"the input {name} has no name of its own", where=name, hint="no *args, **kwargs and '/': name each input")
            if one.default is not one.empty:
                raise UserError(f"the input {name} has a default, and callers of an app give every input", where=name, hint="remove it")
        given = self.inputs
        if given is None:
            return {name: _kind(one.annotation, f"the input {name}", f"{name}: float") for name, one in parameters.items()}
        if set(given) != set(parameters):
            raise UserError(
                f"inputs names {', '.join(given) or 'none'}; {self.function.__name__} takes {', '.join(parameters) or 'none'}",
                where="inputs",
            )
        return {name: _kind(kind, f"the input {name}", f"{name}: float") for name, kind in given.items()}

    def _output(self) -> dict[str, str]:
        found = _signature(self.function).return_annotation if self.output is None else self.output
        if isinstance(found, Mapping):
            return {name: _kind(kind, f"the output {name}", "output={'prediction': float}") for name, kind in found.items()}
        return {RESULT: _kind(found, "what it returns", "-> float, or output={'prediction': float}")}


def _signature(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except Exception as error:  # noqa: BLE001 - an annotation is any code
        raise UserError(f"the annotations of {function.__name__} can't be read", why=str(error), where=function.__name__) from None


def _kind(given: object, what: str, hint: str) -> str:
    """The type's name in spec.yaml. UserError."""
    if isinstance(given, str):
        return given  # apps.reading knows which there are
    base = get_origin(given) or given
    if given is inspect.Parameter.empty or given is inspect.Signature.empty:
        raise UserError(f"{what} has no type", where=what, hint=f"annotate it, for example {hint}")
    if getattr(base, "__name__", "") == "DataFrame":
        return "dataframe"
    if base not in NAMES:
        known = ", ".join(sorted([*NAMES.values(), "dataframe"]))
        raise UserError(
            f"{what} is of a type that an app has not: {getattr(base, '__name__', base)}", where=what, hint=f"types are: {known}"
        )
    return NAMES[base]


@contextmanager
def told() -> Iterator[None]:
    """Errors of the library of apps as the SDK's own."""
    from apps.errors import AppError

    try:
        yield
    except AppError as error:
        kind: type[BdcError] = ServiceError if error.status >= 500 else UserError
        raise kind(error.message, where=error.where, hint=error.hint, code=error.code) from None


def packed(folder: pathlib.Path) -> Package:
    """The folder as an archive, after a look at all that can be found wrong here. UserError."""
    from apps import package
    from apps.reading import load

    if not folder.is_dir():
        hint = f"the folder that it is in: {folder.parent}" if folder.is_file() else "'bdc app init' writes one"
        raise UserError(f"{folder} is no folder", where=str(folder), hint=hint)
    with told():
        load(folder)
        return package.pack(folder)


def settled(apps: Any, found: Json, digest: str, seconds: float) -> Json:  # noqa: ANN401 - Apps, which needs this module
    """Its description once it is Ready. ServiceError with the reason and its last lines when it can't be started, or takes longer."""
    name, version, deadline = str(found["name"]), str(found["version"]), time.monotonic() + seconds
    while not (found["state"] in ("Ready", "Error") and found["settled"]):
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{name}@{version} is not ready after {seconds:g} s",
                where=name,
                why=str(found["reason"]),
                hint=f"bdc app describe {name}@{version}",
            )
        time.sleep(PERIOD)
        found = apps.describe(name, version)
    if found["state"] == "Error" or found["digest"] != digest:  # after an update that failed the old package goes on
        lines = "\n".join(f"    {line}" for line in apps.log(name, version, LOG_LINES))
        raise ServiceError(
            f"{name}@{version} can't be started", where=name, why=f"{found['reason']}\nlast lines of its log:\n{lines}",
            hint=f"correct it, then update; or session.apps.delete({name!r}, {version!r})",
        )  # fmt: skip
    return found
