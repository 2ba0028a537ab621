"""The spec's JSON schema in the form of a Kubernetes structural schema: no references, no unions, ``nullable`` instead of a null type.

The same document then serves editors, the custom resource definition and the reference page.
"""

from __future__ import annotations

from typing import Any

from controller.spec.model import ClusterSpec

KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)
Schema = dict[str, Any]


def structural_schema() -> Schema:
    """The whole document's schema. Unknown keys are refused by Kubernetes itself (it prunes or rejects what is not listed)."""
    raw = ClusterSpec.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    node, nullable = _without_null(_resolved(raw, definitions), definitions)
    result: Schema = {key: node[key] for key in KEPT if key in node}
    if "const" in node:
        result["enum"] = [node["const"]]
    if nullable:
        result["nullable"] = True
    if "default" in result and result["default"] is None:
        del result["default"]
    if node.get("type") == "object":
        if "default" in result:
            result["default"] = {}  # the fields' own defaults fill it in
        if isinstance(node.get("additionalProperties"), dict):  # names that the user chooses
            result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
            return result
        result["properties"] = {name: _structural(below, definitions) for name, below in node.get("properties", {}).items()}
        if node.get("required"):
            result["required"] = list(node["required"])
    if node.get("type") == "array":
        result["items"] = _structural(node["items"], definitions)
    return result


def _resolved(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follow ``$ref``; what is written beside it (the field's own description) wins."""
    if "$ref" not in raw:
        return raw
    target = definitions[raw["$ref"].rsplit("/", 1)[1]]
    return {**_resolved(target, definitions), **{key: value for key, value in raw.items() if key != "$ref"}}


def _without_null(node: Schema, definitions: dict[str, Schema]) -> tuple[Schema, bool]:
    """``anyOf [X, null]`` → X, nullable. Any other union can't be said structurally: TypeError, at build time."""
    if "anyOf" not in node:
        return node, False
    others = [option for option in node["anyOf"] if option.get("type") != "null"]
    if len(others) != 1:
        raise TypeError(f"a union of types is no structural schema: {node['anyOf']}")
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return {**_resolved(others[0], definitions), **rest}, True
