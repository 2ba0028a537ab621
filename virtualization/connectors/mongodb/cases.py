"""``upper`` and ``lower``: PostgreSQL's follow Unicode's table of single letters, MongoDB's know ASCII only. So they are not calculated at
the source, but compared with constants of ASCII letters, by a regular expression that names each letter that becomes the one wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp

from virtualization.refusal import refuse

_MORE: Mapping[type[exp.Expr], Mapping[str, str]] = {exp.Upper: {"I": "ı", "S": "ſ"}, exp.Lower: {"i": "İ", "k": "\u212a"}}
"""Letters outside ASCII that become one in it. U+212A is the sign of the kelvin."""
_NEVER = r"(?!)"
END = r"(?![\s\S])"


def is_folded(node: exp.Expr) -> bool:
    """Is it a call of one of them?"""
    return type(node.unnest()) in _MORE


def regex(node: exp.Expr, constants: Sequence[str]) -> str:
    """Of the texts whose upper (or lower) case is one of ``constants``. RefusedError where they are not all ASCII."""
    if not all(text.isascii() for text in constants):
        raise refuse(node, "character_classes", "MongoDB knows upper and lower case of ASCII's letters only", "Compare with such letters.")
    fold = str.upper if isinstance(node, exp.Upper) else str.lower
    found = [text for text in constants if fold(text) == text]  # the others never come out
    return f"^(?:{'|'.join(_whole(type(node), text) for text in found) if found else _NEVER}){END}"


def _whole(of: type[exp.Expr], text: str) -> str:
    return "".join(f"[{sign.upper()}{sign.lower()}{_MORE[of].get(sign, '')}]" if sign.isalpha() else escaped(sign) for sign in text)


def escaped(sign: str) -> str:
    """A character in a regular expression that stands for itself."""
    return re.escape(sign) if sign.isascii() else sign
