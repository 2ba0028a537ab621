from __future__ import annotations

from typing import Any

from controller.spec.reference import reference_page
from controller.spec.schema import structural_schema

FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "const", "title"}


def nodes(path: str, node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(path, node)]
    for name, below in node.get("properties", {}).items():
        found += nodes(f"{path}.{name}", below)
    return found + (nodes(f"{path}[]", node["items"]) if "items" in node else [])


def test_it_is_structural_for_kubernetes() -> None:
    """One type per node, nothing that Kubernetes refuses in a structural schema, objects with fixed keys."""
    for path, node in nodes("", structural_schema()):
        assert not FORBIDDEN & node.keys(), path
        assert node["type"] in ("object", "array", "string", "integer", "boolean"), path
        # either keys that are known, or names that the user chooses: Kubernetes refuses both at once
        assert ("properties" in node) + ("additionalProperties" in node) == (node["type"] == "object"), path
        assert ("items" in node) == (node["type"] == "array"), path
        if node["type"] == "object":
            assert node.get("default", {}) == {}, path


def test_every_field_is_documented() -> None:
    for path, node in nodes("", structural_schema()):
        if not path.endswith("[]"):
            assert node.get("description", "").strip().endswith("."), path
        if node.get("nullable"):
            assert "null:" in node["description"], f"{path} does not say what null means"


def test_the_reference_page_names_every_field() -> None:
    page = reference_page()
    for path, node in nodes("", structural_schema()):
        if "properties" not in node and not path.endswith("[]"):
            assert f"| `{path.rsplit('.', 1)[1]}` |" in page
