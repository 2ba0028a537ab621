"""Reading a YAML text into plain data that remembers its lines.

PyYAML's safe loader neither keeps line numbers nor refuses duplicate keys, so the node tree is walked here. Only what the
spec needs is taken: mappings, lists and plain values; anchors and tags other than YAML's own plain ones are refused, because the
spec is to be read by people and by Kubernetes alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.errors import Problem, SpecError

Path = tuple[str, ...]
MAX_CHARACTERS = 1_000_000
PLAIN_TAGS = frozenset({f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")})


@dataclass
class Document:
    """``data``: plain dicts, lists and values; ``lines``: the line of each path (list items by their index), from 1."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """The line of ``path``, or of the nearest mapping above it when the path itself is not written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read_document(text: str, filename: str) -> Document:
    """The document in ``text``. SpecError when it is no YAML or not a mapping; duplicates are collected in ``problems``."""
    if len(text) > MAX_CHARACTERS:
        raise SpecError((Problem("", f"the file has {len(text)} characters; a spec has at most {MAX_CHARACTERS}"),), filename)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError((Problem("", f"not valid YAML: {error.problem or error}", mark.line + 1 if mark else None),), filename) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError((Problem("", f"not valid YAML: {str(error).splitlines()[0]}"),), filename) from None
    if not isinstance(node, yaml.MappingNode):
        raise SpecError((Problem("", "a mapping with apiVersion, kind, metadata and spec is expected", 1),), filename)
    document = Document(None)
    document.data = _Walk(document, loader).value(node, ())
    return document


class _Walk:
    """Turns nodes into data; keeps the set of nodes above, so that a text that refers to itself is refused, not followed."""

    def __init__(self, document: Document, loader: yaml.SafeLoader) -> None:
        self.document = document
        self.loader = loader
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 (a YAML value)
        line = node.start_mark.line + 1
        self.document.lines.setdefault(path, line)
        if id(node) in self.seen:
            return self.refuse(path, line, "anchors and aliases (&, *) are not taken in a spec")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, str(index))) for index, item in enumerate(node.value)]
        if node.tag not in PLAIN_TAGS:
            return self.scalar_text(node, path, line)
        try:
            return self.loader.construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            return self.refuse(path, line, f"not a value: {error}")

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        """Keys must be texts, each written once."""
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(path, line, "a key must be a plain text")
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in data:
                self.refuse(inner, line, f"written twice; first in line {self.document.lines[inner]}")
                continue
            self.document.lines[inner] = line
            data[key] = self.value(value_node, inner)
        return data

    def scalar_text(self, node: yaml.Node, path: Path, line: int) -> Any:  # noqa: ANN401 (a YAML value)
        """Dates and the like are texts here; tags written by hand (``!!python/…``, ``!x``) are refused."""
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"):
            return str(node.value)
        return self.refuse(path, line, f"the tag {node.tag!r} is not taken in a spec")

    def refuse(self, path: Path, line: int, message: str) -> None:
        """Collect a problem; the value counts as null."""
        self.document.problems.append(Problem(".".join(path), message, line))
