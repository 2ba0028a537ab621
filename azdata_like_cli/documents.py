"""Data as JSON, YAML and TSV texts that a terminal can be shown: what a JSON string may hold but a terminal must not see is escaped."""

from __future__ import annotations

import json
import re

from azdata_like_cli.text import harmless

# DEL and C1, and the signs that turn direction
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def json_text(data: object, indent: int | None = None) -> str:
    """``data`` as JSON; what JSON does not know (times, decimals) as its text."""
    return escaped(json.dumps(data, indent=indent, ensure_ascii=False, default=str))


def escaped(text: str) -> str:
    """A JSON text with what must not reach a terminal as ``\\u…``."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def yaml_text(data: object) -> str:
    """``data`` as a YAML document without its ``---``."""
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=140)
    if _UNSAFE.search(text):  # then with everything beyond ASCII as escapes
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=140)
    return text


def tsv_cell(cell: str | None) -> str:
    """A cell as PostgreSQL's COPY writes it: ``\\N`` is NULL, backslashes and control characters are escapes."""
    return "\\N" if cell is None else harmless(cell.replace("\\", "\\\\"))
