"""What ``bdc app init`` writes: one folder per template, in which ``NAME`` and ``VERSION`` of ``spec.yaml`` are filled in."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps import fields
from apps.errors import PackageError
from apps.reading import SPEC_FILE

TEMPLATES: dict[str, str] = {
    "mlflow": "A model folder of MLflow as a service; no code. With a small linear model to begin with.",
    "onnx": "A model in ONNX as a service; no code. With a small linear model to begin with.",
    "python": "A function of a Python file as a service.",
    "sql": "A query with parameters as a service.",
}
"""Name → what it is."""


def init(folder: Path, template: str, name: str, version: str, model: Path | None = None) -> tuple[str, ...]:
    """Write a template's files into ``folder``, which is made; their names. ``model``: takes the place of the template's own. PackageError
    where a file would be overwritten, or a name can't be an app's."""
    if template not in TEMPLATES:
        raise PackageError(f"there is no template {template!r}", where="template", hint=f"templates are: {', '.join(TEMPLATES)}")
    for reader, value, what in ((fields.name, name, "name"), (fields.version, version, "version")):
        try:
            reader(value)
        except fields.FieldError as error:
            raise PackageError(f"{what} {error}", where=what) from None
    if model is not None:
        _takes(template, model)
    source = Path(__file__).parent / template
    content = _files(source) if model is None else {SPEC_FILE: source / SPEC_FILE, **_of(template, model)}
    names = sorted(content)
    there = [entry for entry in names if (folder / entry).exists()]
    if there:
        raise PackageError(f"{there[0]} is there already", where=str(folder), hint="choose another folder: --destination")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in names:
            (folder / entry).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content[entry], folder / entry)
        spec = folder / SPEC_FILE
        spec.write_text(spec.read_text().replace("NAME", name).replace("VERSION", version))
    except OSError as error:
        raise PackageError(f"can't be written: {error.strerror}", where=str(error.filename or folder)) from None
    return tuple(names)


def _takes(template: str, model: Path) -> None:
    """PackageError where it is not a model of that template."""
    if template not in ("onnx", "mlflow"):
        raise PackageError(f"the template {template} takes no model", where="model")
    if (template == "mlflow") != model.is_dir():
        raise PackageError(
            f"the template {template} takes a {'folder' if template == 'mlflow' else 'file'}, {model} is none", where="model"
        )


def _of(template: str, model: Path) -> dict[str, Path]:
    """The files of a model of one's own, by their names in the app's folder."""
    return {"model.onnx": model} if template == "onnx" else {f"model/{name}": path for name, path in _files(model).items()}


def _files(folder: Path) -> dict[str, Path]:
    """All of them, by their names in it."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path.relative_to(folder).as_posix(): path for path in found}
