"""YAML as nodes with lines: what ``apps.reading`` reads ``spec.yaml`` from. No aliases (a small text could become a huge one), no tags."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from apps.errors import Problem, SpecError

MAX_BYTES = 64 * 1024
DEEPEST = 20
SCALARS = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": bool,
    "tag:yaml.org,2002:null": type(None),
}
"""YAML's tag → the Python type it becomes; dates (``2026-11-22``) and all else stay texts."""


def document(text: str, filename: str, limit: int = MAX_BYTES) -> yaml.MappingNode:
    """The text's only document, a mapping. SpecError with the line where it is none."""
    if len(text.encode(errors="surrogatepass")) > limit:
        raise SpecError((Problem(1, "", f"is larger than {limit // 1024} KB"),), filename)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise SpecError((Problem(line, "", "aliases (*name) are not taken; write it out"),), filename)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        if error.context == "while scanning an alias":
            raise SpecError((Problem(line, "", "a value that begins with '*' must be in quotes"),), filename) from None
        raise SpecError((Problem(line, "", f"is not YAML: {error.problem}"),), filename) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError((Problem(1, "", f"is not YAML: {str(error).splitlines()[0]}"),), filename) from None
    if not isinstance(node, yaml.MappingNode):
        raise SpecError((Problem(1, "", "must be a mapping with 'name:', 'version:', 'runtime:', …"),), filename)
    return node


def pairs(node: yaml.MappingNode) -> Iterator[tuple[str, int, yaml.Node]]:
    """(key, line, value) of each entry."""
    for key, value in node.value:
        yield str(key.value) if isinstance(key, yaml.ScalarNode) else "?", key.start_mark.line + 1, value


def line_of(node: yaml.Node) -> int:
    """Counts from 1."""
    return int(node.start_mark.line) + 1


def plain(node: yaml.Node, depth: int = 0) -> object:
    """As Python values. ValueError for what is nested too deep or is no value of JSON."""
    if depth > DEEPEST:
        raise ValueError("is nested too deep")
    if isinstance(node, yaml.SequenceNode):
        return [plain(inner, depth + 1) for inner in node.value]
    if isinstance(node, yaml.MappingNode):
        return {key: plain(value, depth + 1) for key, _, value in pairs(node)}
    return _scalar(node)


def _scalar(node: yaml.Node) -> object:
    kind = SCALARS.get(str(node.tag), str)
    text = str(node.value)
    if kind is bool:
        return text.lower() in ("yes", "true", "on")
    if kind is type(None):
        return None
    if kind is int:
        return int(text.replace("_", ""), 0) if not text.lstrip("+-").startswith("0") or text.strip("+-0") == "" else text
    if kind is float:
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
