"""Inputs of apps from the command line: ``k=v,k=v``, ``@file.json``, or a run spec of the original (``run-spec.yaml``)."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

import click

from apps.checking import from_text, parse
from bdc.errors import UserError
from bdc.publishing import told

WITH_COMMAS = frozenset({"str", "list", "dict", "dataframe"})
"""Types whose values may hold commas."""


EXTRA: dict[str, bool] = {"allow_extra_args": True}
"""Of commands that take inputs: ``refuse_extra`` says it better than click."""


def refuse_extra(context: click.Context) -> None:
    """UsageError for what is written without its option, naming that where it looks like inputs."""
    if not context.args:
        return
    words = " ".join(context.args)
    looks = all("=" in word for word in context.args)
    way = f"; inputs follow their option: --inputs {','.join(context.args)}" if looks else ""
    raise click.UsageError(f"Got unexpected extra argument{'s' if len(context.args) > 1 else ''} ({words}){way}", context)


def inputs(given: Sequence[str], kinds: Mapping[str, str]) -> dict[str, object]:
    """As JSON values of the types in ``kinds`` (name → type). UserError."""
    found: dict[str, object] = {}
    for text in given:
        found |= _file(pathlib.Path(text[1:])) if text.startswith("@") else _pairs(text, kinds)
    return found


def _file(path: pathlib.Path) -> dict[str, object]:
    with told():
        found = parse(path.read_bytes())
    if not isinstance(found, dict):
        raise UserError("must hold an object with the inputs", where=str(path), hint='such as {"x": 1, "y": 2}')
    return found


def _pairs(text: str, kinds: Mapping[str, str]) -> dict[str, object]:
    """A comma that no input's ``name=`` follows belongs to the value, where that may hold one; else a name that no input has is told."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and _continues(parts[-1], part, kinds):
            parts[-1] += "," + part
        else:
            parts.append(part)
    found = [_pair(part, kinds) for part in parts if part.strip()]
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{twice} comes twice", where=twice, hint="leave one of them out")
    return dict(found)


def _continues(before: str, part: str, kinds: Mapping[str, str]) -> bool:
    name, equals, _ = part.partition("=")
    return not equals or (name.strip() not in kinds and kinds.get(_name(before)) in WITH_COMMAS)


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _pair(text: str, kinds: Mapping[str, str]) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise UserError(f"{text[:60]!r} is no input", hint="write --inputs x=1,y=2; or --inputs @file.json")
    known = ", ".join(f"{one} ({kind})" for one, kind in kinds.items())
    if name not in kinds:
        raise UserError(f"there is no input {name[:60]!r}", where=name[:60], hint=f"inputs are: {known or 'none'}")
    try:
        return name, from_text(value, kinds[name])
    except ValueError as error:
        raise UserError(str(error), where=name, hint=f"inputs are: {known}") from None


def shown(value: object) -> str:
    """An output in a sentence."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
