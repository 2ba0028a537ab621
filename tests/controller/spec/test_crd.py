"""The definition as data; what a real API server makes of it is in tests/controller/kubernetes/test_definition.py."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import yaml

from controller.spec.crd import BOUNDS, CEL, LEFT_TO_CONTROLLER, STATUS, definition, resource_schema
from controller.spec.rules import RULES
from controller.spec.schema import structural_schema

REVIEWED = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "crd.yaml"
ANNOTATION_LIMIT = 262_144


def walk(path: str, node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(path, node)]
    for name, below in node.get("properties", {}).items():
        found += walk(f"{path}.{name}", below)
    for kind in ("items", "additionalProperties"):
        found += walk(f"{path}[]", node[kind]) if kind in node else []
    return found


def test_the_reviewed_copy_is_what_the_controller_applies() -> None:
    assert yaml.safe_load(REVIEWED.read_text()) == definition(), "run: python -m controller.config crd > docs/reference/crd.yaml"


def test_every_rule_is_said_in_cel_or_named_as_the_controllers() -> None:
    said = {name for rules in CEL.values() for name in rules}
    assert said | LEFT_TO_CONTROLLER == {rule.__name__ for rule in RULES}
    assert not said & LEFT_TO_CONTROLLER


def test_every_field_of_the_spec_is_there() -> None:
    document = structural_schema()["properties"]["spec"]
    assert [path for path, _ in walk("", resource_schema()["properties"]["spec"])] == [path for path, _ in walk("", document)]


def test_names_of_metadata_are_left_to_kubernetes_and_the_status_is_described() -> None:
    schema = resource_schema()
    assert set(schema["properties"]["metadata"]["properties"]) == {"name"}  # a schema may say no more of metadata
    for path, node in walk("status", STATUS):
        assert path.endswith(("[]", ".lastTransitionTime")) or node["description"].endswith("."), path


def test_descriptions_are_one_line_and_the_whole_fits_an_annotation() -> None:
    for path, node in walk("", resource_schema()):
        assert "\n" not in node.get("description", ""), path
        assert "``" not in node.get("description", ""), path
    assert len(json.dumps(definition())) < ANNOTATION_LIMIT  # what kubectl apply without --server-side keeps of it


def test_bounds_are_no_narrower_than_the_model() -> None:
    for path in BOUNDS:
        node = structural_schema()["properties"]["spec"]
        for key in path:
            node = node["items"] if key == "[]" else node["additionalProperties"] if key == "{}" else node["properties"][key]
        assert not BOUNDS[path].keys() & node.keys(), path
