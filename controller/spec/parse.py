"""From the text of ``bdc.yaml`` to a ClusterSpec, with every problem named by path and line."""

from __future__ import annotations

import difflib
import types
import typing
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from controller.errors import Problem, SpecError
from controller.spec.document import Document, Path, read_document
from controller.spec.model import ClusterSpec
from controller.spec.rules import RULES

WORDS = {
    "int_type": "a whole number is expected",
    "string_type": "a text is expected",
    "bool_type": "true or false is expected",
    "model_type": "a mapping is expected",
    "tuple_type": "a list is expected",
    "missing": "is missing",
}
NAME_RULE = "lower-case letters, digits and '-', starting with a letter and not ending with '-', at most 20 characters"
PATTERN_WORDS = {"name": NAME_RULE, "bin": "an absolute path is expected", "profile": "lower-case letters, digits and '-'"}


def load_spec(text: str, filename: str = "bdc.yaml") -> ClusterSpec:
    """The spec in ``text``. SpecError lists everything that is wrong, in the order of the lines."""
    return _checked(read_document(text, filename), filename)


def spec_of(data: dict[str, Any], place: str) -> ClusterSpec:
    """The spec in plain data that never was a text; problems name ``place`` and no lines. SpecError."""
    return _checked(Document(data), place)


def _checked(document: Document, filename: str) -> ClusterSpec:
    problems = list(document.problems)
    spec: ClusterSpec | None = None
    try:
        spec = ClusterSpec.model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        problems += [found for found in (_problem(item, document) for item in error.errors()) if found.path not in known]
    if spec is not None:
        problems += _rule_problems(spec, document)
    if spec is None or problems:
        raise SpecError(tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.path))), filename)
    return spec


def check_spec(spec: ClusterSpec) -> None:
    """The rules over several fields, for a spec that was made in Python. SpecError as in load_spec, without lines."""
    problems = _rule_problems(spec, Document(None))
    if problems:
        raise SpecError(tuple(problems))


def dump_spec(spec: ClusterSpec) -> str:
    """YAML text with every field written out; ``load_spec(dump_spec(s)) == s``."""
    return yaml.safe_dump(spec.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)


def model_at(path: Path) -> type[BaseModel] | None:
    """The section at ``path`` (``()`` is the document), or None when there is no section."""
    model: type[BaseModel] = ClusterSpec
    for key in path:
        annotation = field_types(model).get(key)
        if annotation is None:
            return None
        model = annotation
    return model


def field_types(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """The keys of a section as they are written; the value is the section below, None for a plain value."""
    return {info.alias or name: _section(info.annotation) for name, info in model.model_fields.items()}


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 (a type annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next((found for found in map(_section, typing.get_args(annotation)) if found), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _rule_problems(spec: ClusterSpec, document: Document) -> list[Problem]:
    return [Problem(".".join(path), message, document.line(path), hint) for rule in RULES for path, message, hint in rule(spec)]


def _problem(item: Any, document: Document) -> Problem:  # noqa: ANN401 (pydantic's ErrorDetails)
    path = tuple(str(part) for part in item["loc"])
    message, hint = _words(item, path)
    return Problem(".".join(path), message, document.line(path), hint)


def _words(item: Any, path: Path) -> tuple[str, str | None]:  # noqa: ANN401 (pydantic's ErrorDetails)
    """Pydantic's finding in our words; values are repeated only where they can't be secrets (the spec holds none)."""
    kind, value = item["type"], item["input"]
    if kind == "extra_forbidden":
        return "unknown key", suggestion(path)
    if kind == "string_pattern_mismatch":
        field = path[-1] if not path[-1].isdigit() else path[-2]
        if field == "databases":
            return f"{value!r} is not a database name: lower-case letters, digits and '_', at most 63 characters", None
        return f"{value!r} is not allowed: {PATTERN_WORDS.get(field, item['ctx']['pattern'])}", None
    if kind == "literal_error":
        return f"{value!r} is not known; {item['ctx']['expected']} is expected", None
    if kind == "missing":
        return WORDS[kind], None
    if kind in WORDS:
        return f"{WORDS[kind]}, not {_shown(value)}", None
    return f"{str(item['msg'])[0].lower()}{str(item['msg'])[1:]}, not {_shown(value)}", None


def _shown(value: Any) -> str:  # noqa: ANN401 (a YAML value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return "a list" if not isinstance(value, dict) else "a mapping"
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"


def suggestion(path: Path) -> str | None:
    """*did you mean*: the nearest key of the section that `path` points into, else the keys it knows."""
    model = model_at(path[:-1])
    if model is None:
        return None
    keys = list(field_types(model))
    lowered = {key.lower(): key for key in keys}
    wanted = path[-1].lower().replace("_", "")
    near = difflib.get_close_matches(wanted, list(lowered), n=1, cutoff=0.7)
    if near:
        return f"did you mean {lowered[near[0]]!r}?"
    return f"known here: {', '.join(keys)}"
