"""A statement cut where integers stand that may be others in the next query of the same shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Pieces:
    """``texts`` has one more element than ``values``, which stand between them."""

    texts: tuple[str, ...]
    values: tuple[int, ...] = ()

    @cached_property
    def text(self) -> str:
        """All of it."""
        return joined(self.texts, self.values)

    def split(self, separator: str) -> Iterator[Pieces]:
        """As ``str.split``; the separator stands in texts only."""
        texts: list[str] = []
        values: list[int] = []
        for place, text in enumerate(self.texts):
            first, *others = text.split(separator)
            texts.append(first)
            for other in others:
                yield Pieces(tuple(texts), tuple(values))
                texts, values = [other], []
            values += self.values[place : place + 1]
        yield Pieces(tuple(texts), tuple(values))


def joined(texts: Sequence[str], values: Sequence[int]) -> str:
    """ValueError where the lengths don't fit."""
    parts = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        parts += (str(value), text)
    return "".join(parts)
