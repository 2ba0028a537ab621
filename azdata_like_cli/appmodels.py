"""``app init --model``: a file or folder of this machine, or a version of a model in an MLflow registry, which is fetched."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bdc.errors import AuthenticationError, NotFoundError, UserError

if TYPE_CHECKING:
    from azdata_like_cli.command import Settings


@dataclass(frozen=True)
class Given:
    """``path``: None, the template's own. ``label``: ``models:/NAME/VERSION`` of one that was fetched."""

    path: pathlib.Path | None
    label: str = ""

    @property
    def words(self) -> str:
        """For the sentence."""
        return f", of {self.label}" if self.label else ""


@contextmanager
def given(settings: Settings, template: str, model: str | None) -> Iterator[Given]:
    """The model, for as long as it takes to copy it. UserError for a path that is not there; what the registry says."""
    from bdc import registry

    if model is None or not model.startswith(registry.SCHEME):
        if model is not None and not pathlib.Path(model).exists():
            raise UserError(f"there is no file or folder {model}", where="--model", hint="or models:/NAME@ALIAS of an MLflow registry")
        yield Given(None if model is None else pathlib.Path(model))
        return
    wanted = registry.reference(model)
    with tempfile.TemporaryDirectory(prefix="openbdc-model-") as temporary:
        folder = pathlib.Path(temporary) / "model"
        folder.mkdir()
        number = registry.registry(lambda: _own(settings)).fetch(wanted, folder)
        yield Given(_onnx(folder) if template == "onnx" else folder, f"models:/{wanted.name}/{number}")


def _own(settings: Settings) -> tuple[str, Callable[[], str]] | None:
    """The cluster's server, where somebody is logged in to one that has it."""
    from bdc.registry import ENDPOINT

    try:
        session = settings.session()
        found = {str(one["name"]): str(one["endpoint"]) for one in session.controller.endpoints()}
    except (AuthenticationError, NotFoundError):
        return None
    return (found[ENDPOINT], session.access_token) if ENDPOINT in found else None


def _onnx(folder: pathlib.Path) -> pathlib.Path:
    """The one file of a model that needs no more. UserError."""
    import yaml

    from apps.mlflavors import file_of_onnx

    try:
        content = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
        name = file_of_onnx(content["flavors"])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        name = None
    if name is None or not (folder / name).is_file():
        raise UserError("the model has not the flavor onnx", where="--model", hint="bdc app init -t mlflow")
    return folder / name
