"""Build hook: an editable install links the checkout's packages and copies none.

The packages lie at the root of the repository, so the wheels name them by ``force-include``; hatchling would copy those into the
environment for an editable install too, where they would hide later changes of the sources.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LinkedBuildHook(BuildHookInterface):
    """Replaces the copied packages by the licence, as an empty map means "copy as configured"."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling's ``BuildHookInterface``."""
        if version == "editable":
            build_data["force_include_editable"] = {"../../LICENSE": f"{self.metadata.core.name}.LICENSE"}
