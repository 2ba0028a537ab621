"""Where a substrate keeps the cluster's spec: ``bdc.yaml`` on one machine, the custom resource on Kubernetes."""

from __future__ import annotations

from typing import Protocol


class SpecDocument(Protocol):
    """The text of the spec. Errors are ControllerErrors."""

    @property
    def machine_only(self) -> tuple[str, ...]:
        """Paths of fields that ``write`` refuses to change: they name programs or files of a machine."""
        ...

    @property
    def machine_hint(self) -> str:
        """How these are changed."""
        ...

    @property
    def image_tag(self) -> str | None:
        """Tag of the pools' images where the spec names none; None: what runs are programs of the machine."""
        ...

    def read(self) -> str:
        """The text as it lies there, valid or not."""
        ...

    def write(self, text: str) -> None:
        """Replace it, and lay what a new spec needs before the next pass (secrets, programs, ports). On an error the old one stays."""
        ...
