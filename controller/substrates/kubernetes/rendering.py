"""Placeholders of a workload as paths and names inside of a pod."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.errors import SubstrateError
from controller.substrates.kubernetes import programs
from controller.substrates.kubernetes.place import Place
from pools.workload import Workload

FOLDERS = {
    "data": "/var/lib/openbdc/data",
    "config": "/etc/openbdc/config",
    "secrets": "/etc/openbdc/secrets",
    "run": "/run/openbdc",
    "logs": "/var/log/openbdc",
}
TEMPORARY = "/tmp"  # noqa: S108 (an emptyDir of the pod)
PLACEHOLDER = re.compile(r"\{(cluster|data|config|run|secrets|logs|python|(?:program|classpath|host|port):[^{}\s]+)\}")


@dataclass(frozen=True)
class Filling:
    """Fills in the placeholders of one workload."""

    workload: Workload
    place: Place

    def text(self, text: str) -> str:
        """SubstrateError for a placeholder that means nothing in a pod."""
        return PLACEHOLDER.sub(lambda found: self._value(found[1]), text)

    def command(self, texts: tuple[str, ...]) -> list[str]:
        """A command line; Kubernetes itself would fill in ``$(NAME)``, so a dollar before a bracket is doubled."""
        return [escaped(self.text(text)) for text in texts]

    def port(self, name: str) -> int:
        """The number of one of the workload's ports."""
        numbers = {port.name: port.number for port in self.workload.ports}
        if name not in numbers:
            raise SubstrateError(f"{self.workload.name} has no port named {name!r}", where=self.workload.name)
        return numbers[name]

    def _value(self, placeholder: str) -> str:
        kind, _, name = placeholder.partition(":")
        match kind:
            case "python":
                return programs.PYTHON
            case "program":
                return programs.program(self.workload.pool, name)
            case "classpath":
                return programs.CLASSPATHS[name]
            case "host":
                return self.place.host(name)
            case "port":
                return str(self.port(name))
            case "cluster":
                raise SubstrateError("a cluster on Kubernetes has no folder", where=self.workload.name)
            case _:
                return FOLDERS[kind]


def escaped(text: str) -> str:
    """As Kubernetes takes it literally."""
    return text.replace("$(", "$$(")
