"""Chance, repeatable: one stream decides the shape of a statement, another one its constants."""

from __future__ import annotations

import random


class Chance(random.Random):
    """Of one statement. ``constants``: the other stream."""

    def __init__(self, shape: str, constants: str) -> None:
        super().__init__(shape)
        self.constants = random.Random(constants)  # noqa: S311 chance, not secrets
