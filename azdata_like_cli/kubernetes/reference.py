"""``python -m azdata_like_cli.kubernetes.reference`` renders docs/reference/chart.md from the chart's schema and defaults.

The schema says what a value means, ``values.yaml`` what it is by default: each is written once. ``--check`` only compares.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from azdata_like_cli.kubernetes.chart import folder

PAGE = pathlib.Path(__file__).parent.parent.parent / "docs" / "reference" / "chart.md"

HEAD = """# The chart `openbdc`

Made by `python -m azdata_like_cli.kubernetes.reference`; don't edit.

`helm/openbdc` installs the controller of one cluster, with its rights, its Service and its NetworkPolicy; the release is named `openbdc`,
one per namespace. What the cluster is like is not said here but in its `BigDataCluster` resource ([spec](spec.md)), which the controller
carries out: no object has two owners. `bdc create --profile kubernetes --values FILE` hands values on; [the guide](../guide/kubernetes.md)
shows the whole way. A value that is not listed is refused.

| value | default | what |
|---|---|---|
"""


def render() -> str:
    """The whole page."""
    schema = json.loads((folder() / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((folder() / "values.yaml").read_text(encoding="utf-8"))
    return HEAD + "".join(f"| `{name}` | {default} | {text} |\n" for name, default, text in rows(schema, values))


def rows(schema: dict[str, Any], values: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each value, in the schema's order; an object with named values is a line of its own above them."""
    for name, about in schema["properties"].items():
        if name not in values:
            continue
        full, default = f"{path}{name}", values[name]
        text = str(about["description"]).replace("|", "\\|") + _choices(about)
        if "properties" in about:
            yield full, "", text
            yield from rows(about, default, f"{full}.")
        else:
            yield full, f"`{json.dumps(default, ensure_ascii=False)}`", text


def _choices(about: dict[str, Any]) -> str:
    if "enum" in about:
        return f" One of {', '.join(f'`{one}`' for one in about['enum'])}."
    if "minimum" in about:
        return f" {about['minimum']} to {about['maximum']}."
    return ""


if __name__ == "__main__":
    page = render()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page else 1)
    PAGE.write_text(page, encoding="utf-8")
