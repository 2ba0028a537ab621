"""Reading and changing single values of a spec by dotted path; a change edits the text in place, so comments and order stay."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from controller.errors import RequestError
from controller.spec.document import Path
from controller.spec.model import ClusterSpec
from controller.spec.parse import field_types, load_spec, model_at, suggestion

PART = re.compile(r"[^.\[\]]+")


def parse_path(text: str) -> Path:
    """``$.spec.pools.master.databases[0]`` → its keys; the ``$.`` may be left out."""
    bare = text.removeprefix("$").removeprefix(".")
    path = tuple(PART.findall(bare))
    if bare and (not path or not re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*", bare)):
        raise RequestError(f"{text[:200]!r} is not a path", where="path", hint="for example spec.pools.compute.replicas")
    return path


def get_value(spec: ClusterSpec, path: str) -> Any:  # noqa: ANN401 (a value of the spec)
    """The value at ``path``, defaults included. RequestError when the spec has no such field."""
    value: Any = spec.model_dump(mode="json", by_alias=True)
    keys = parse_path(path)
    for depth, key in enumerate(keys):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise _unknown(keys[: depth + 1])
    return value


def set_value(text: str, path: str, value: str, filename: str = "bdc.yaml") -> str:
    """``text`` with the field at ``path`` set to ``value`` (written as in YAML). SpecError when the result is not valid."""
    keys = parse_path(path)
    section = model_at(keys[:-1])
    if not keys or section is None or keys[-1] not in field_types(section) or model_at(keys) is not None:
        raise _unknown(keys)
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = value
    load_spec(text, filename)
    edited = _edit(text, keys, _rendered(parsed))
    load_spec(edited, filename)
    return edited


def scalar_text(value: Any) -> str:  # noqa: ANN401 (a plain value)
    """A plain value as one line of YAML, quoted where YAML would take it for something else."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _rendered(value: Any) -> str:  # noqa: ANN401 (a value of the spec)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else scalar_text(value)


def _edit(text: str, keys: Path, rendered: str) -> str:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    for depth, key in enumerate(keys):
        pair = next((pair for pair in node.value if pair[0].value == key), None)
        if pair is None:
            return _insert(text, node, keys[depth:], rendered)
        if depth == len(keys) - 1:
            return _replace(text, pair[0], pair[1], rendered)
        if not isinstance(pair[1], yaml.MappingNode):  # `storage:` with nothing below
            nested = ": {".join(keys[depth + 1 :])
            return _replace(text, pair[0], pair[1], f"{{{nested}: {rendered}{'}' * (len(keys) - depth - 1)}")
        node = pair[1]
    raise AssertionError("a path has at least one key")


def _replace(text: str, key: yaml.Node, value: yaml.Node, rendered: str) -> str:
    """Everything between the key's colon and the end of the value."""
    colon = text.index(":", key.end_mark.index) + 1
    end = max(colon, _end(value))
    return f"{text[:colon]} {rendered}{text[end:]}"


def _end(node: yaml.Node) -> int:
    """Where the node's own text ends: a block collection's mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    index: int = node.end_mark.index
    return index


def _insert(text: str, node: yaml.MappingNode, keys: Path, rendered: str) -> str:
    """New keys at the end of the mapping ``node``."""
    if node.flow_style:
        close = node.end_mark.index - 1
        nested = "".join(f"{key}: {{" for key in keys[:-1]) + f"{keys[-1]}: {rendered}" + "}" * (len(keys) - 1)
        before = text[:close].rstrip()
        comma = "" if not node.value or before.endswith(",") else ", "
        return f"{before}{comma}{nested}{text[close:]}"
    indent = node.value[0][0].start_mark.column
    lines = [f"{' ' * (indent + 2 * depth)}{key}:" for depth, key in enumerate(keys)]
    added = "\n".join(lines) + f" {rendered}"
    end = text.find("\n", _end(node))
    return f"{text[:end]}\n{added}{text[end:]}" if end >= 0 else f"{text}\n{added}\n"


def _unknown(keys: Path) -> RequestError:
    path = ".".join(keys)
    if keys and model_at(keys) is not None:
        return RequestError(
            f"{path} is a section; set its fields one by one", where=path, hint=", ".join(field_types(model_at(keys) or ClusterSpec))
        )
    known = 0
    while known < len(keys) - 1 and model_at(keys[: known + 1]) is not None:
        known += 1
    hint = suggestion(keys[: known + 1]) if keys else None
    return RequestError(f"the spec has no field {path[:200]!r}", where=path[:200], hint=hint)
