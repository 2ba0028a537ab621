"""The page docs/reference/spec.md, rendered from the schema, so that it can't differ from what is accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator

from controller.spec.schema import Schema, structural_schema

HEAD = """# The cluster's spec

Made from the model by `python -m controller.config reference`; don't edit. A spec is a YAML document; `bdc config init` writes a
commented one, `bdc config validate` checks one. Everything not given takes its default; unknown keys are refused.
"""
LIMITS = (("minimum", "at least"), ("maximum", "at most"), ("minItems", "at least"), ("maxItems", "at most"))
ITEMS = ("minItems", "maxItems")


def reference_page() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, *_sections("", structural_schema())])


def _sections(path: str, node: Schema) -> Iterator[str]:
    """A heading per mapping, its plain fields in a table, then the mappings below."""
    plain = {name: below for name, below in node["properties"].items() if "properties" not in below}
    yield f"## `{path}`\n" if path else "## The document\n"
    yield _one_line(node.get("description", "")) + "\n"
    if plain:
        yield "| field | type | default | what |\n|---|---|---|---|"
        required = node.get("required", [])
        for name, below in plain.items():
            yield f"| `{name}` | {_type(below)} | {_default(name, below, required)} | {_one_line(below.get('description', ''))} |"
        yield ""
    for name, below in node["properties"].items():
        if "properties" in below:
            yield from _sections(f"{path}.{name}".lstrip("."), below)
        for mark, inner in (("[]", "items"), (".*", "additionalProperties")):
            if "properties" in below.get(inner, {}):
                yield from _sections(f"{path}.{name}{mark}".lstrip("."), below[inner])


def _type(node: Schema) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if "properties" in node:
        return "mappings, see below"
    if node["type"] == "object":
        return f"mapping of names to {_type(node['additionalProperties'])}"
    name = {"array": "list", "integer": "whole number", "string": "text", "boolean": "true or false"}[node["type"]]
    if node["type"] == "array":
        name = f"list of {_type(node['items'])}"
    limits = [f"{word} {node[key]}{' entries' if key in ITEMS else ''}" for key, word in LIMITS if key in node]
    if "pattern" in node:
        limits.append(f"`{node['pattern']}`".replace("|", "\\|"))
    return name + (", " + ", ".join(limits) if limits else "") + (", or null" if node.get("nullable") else "")


def _default(name: str, node: Schema, required: list[str]) -> str:
    if name in required:
        return "must be given"
    return f"`{json.dumps(node['default'])}`" if "default" in node else "`null`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
