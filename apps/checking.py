"""A call's inputs against the spec, before any worker sees them. InputError names the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.errors import InputError
from apps.types import TYPES, WrongTypeError


class _NotStrictError(ValueError):
    pass


def parse(body: bytes) -> object:
    """JSON, strictly: no NaN, no name twice. InputError."""
    try:
        return json.loads(body, parse_constant=_refuse, object_pairs_hook=_once) if body.strip() else {}
    except _NotStrictError as error:
        raise InputError(str(error), where="body") from None
    except (ValueError, RecursionError):
        raise InputError("the body is not valid JSON", where="body", hint='send an object such as {"x": 1}') from None


def check(given: object, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The inputs, each of its type and none too many."""
    if type(given) is not dict:
        raise InputError("the body must be an object with the inputs", where="body")
    if len(given) != len(inputs) or given.keys() != inputs.keys():
        _refuse_names(given, inputs)
    for name, kind in inputs.items():
        try:
            TYPES[kind].check(given[name])
        except WrongTypeError as error:
            raise InputError(f"{name} {error}", where=name) from None
    return given


def _refuse_names(given: Mapping[str, object], inputs: Mapping[str, str]) -> None:
    known = f"inputs are: {', '.join(inputs) or 'none'}"
    for name in given:
        if name not in inputs:
            raise InputError(f"there is no input {name[:60]!r}", where=name[:60], hint=known)
    for name, kind in inputs.items():
        if name not in given:
            raise InputError(f"{name} ({kind}) is missing", where=name, hint=known)


def _refuse(constant: str) -> None:
    raise _NotStrictError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotStrictError("a name comes twice")
    return found


def from_text(text: str, kind: str) -> object:
    """A value of the command line as JSON: ``5`` for an int, ``true`` for a bool, JSON for what has parts. ValueError: why not."""
    if kind in ("str", "date", "bytes"):
        return text
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no {kind}") from None
