"""docs/reference is made from the code; a difference means that it was not made anew."""

from __future__ import annotations

import json
import pathlib

from controller.api.app import document
from controller.spec.reference import reference_page

REFERENCE = pathlib.Path(__file__).parents[2] / "docs" / "reference"


def test_spec_page() -> None:
    expected = reference_page()
    assert (REFERENCE / "spec.md").read_text().strip() == expected.strip(), (
        "run: python -m controller.config reference > docs/reference/spec.md"
    )


def test_openapi_document() -> None:
    assert json.loads((REFERENCE / "openapi.json").read_text()) == document(), "run: python -m controller.api > docs/reference/openapi.json"
