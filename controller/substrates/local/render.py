"""From a neutral Workload to a rendered one: placeholders become paths, programs and numbers of this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import SubstrateError
from controller.substrates.local.layout import ClusterHome
from controller.supervisor.rendered import Rendered, RenderedFile, RenderedPrepare, RenderedProbe, RenderedSecret
from pools.workload import Probe, Workload

PLACEHOLDER = re.compile(r"\{(cluster|data|config|run|secrets|logs|python|(?:program|classpath|host|port):[^{}\s]+)\}")
HOST = "127.0.0.1"
PASSED_ON = ("BDC_HOME", "BDC_ARTIFACTS", "BDC_JAVA", "JAVA_HOME", "BDC_SPARK_PYTHON")
"""Variables that decide where clusters, jars, Java and Spark lie. The control workload renders too, so it must see what create saw."""
PYTHON = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""What our own programs may need to run from a checkout."""


@dataclass(frozen=True)
class Programs:
    """How ``{program:…}`` and ``{classpath:…}`` are found."""

    program: Callable[[str], str]
    classpath: Callable[[str], str]


def render(workload: Workload, home: ClusterHome, programs: Programs) -> Rendered:
    """The rendered workload; SubstrateError for a placeholder that can't be filled."""
    run = workload.pool_instance or workload.name

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda found: _value(found[1], workload, home, programs), text)

    def fills(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(fill(text) for text in texts)

    environment = {name: fill(value) for name, value in workload.environment.items()}
    passed_on = (*PYTHON, *(PASSED_ON if workload.pool == "control" else ()))
    environment = {**{name: os.environ[name] for name in passed_on if name in os.environ}, **environment}
    return Rendered(
        name=workload.name,
        command=fills(workload.command),
        pool=workload.pool,
        run=run,
        kind=workload.kind,
        environment=environment,
        files=tuple(RenderedFile(file.path, file.content if file.literal else fill(file.content)) for file in workload.files),
        secrets=tuple(RenderedSecret(secret.name, secret.file) for secret in workload.secrets),
        prepare=tuple(
            RenderedPrepare(step.name, fills(step.command), fill(step.creates), fill(step.removes) if step.removes else None, step.seconds)
            for step in workload.prepare
        ),
        ready=_probe(workload, workload.ready, fills),
        requires=workload.requires,
        stop_signal=workload.stop_signal,
        stop_seconds=workload.stop_seconds,
        ready_seconds=workload.ready_seconds,
    )


def _probe(workload: Workload, probe: Probe | None, fills: Callable[[tuple[str, ...]], tuple[str, ...]]) -> RenderedProbe | None:
    if probe is None:
        return None
    port = _port(workload, probe.port) if probe.port is not None else None
    return RenderedProbe(probe.kind, port, probe.path, fills(probe.command), probe.seconds, probe.host or HOST)


def _value(placeholder: str, workload: Workload, home: ClusterHome, programs: Programs) -> str:
    kind, _, name = placeholder.partition(":")
    match kind:
        case "run":
            return str(home.run / (workload.pool_instance or workload.name))
        case "data" | "config" | "secrets" | "logs":
            return str(home.workload(workload.name) / kind)
        case "cluster":
            return str(home.path)
        case "python":
            return sys.executable
        case "program":
            return programs.program(name)
        case "classpath":
            return programs.classpath(name)
        case "host":
            return HOST
        case _:
            return str(_port(workload, name))


def _port(workload: Workload, name: str) -> int:
    numbers = {port.name: port.number for port in workload.ports}
    if name not in numbers:
        raise SubstrateError(f"{workload.name} has no port named {name!r}", where=workload.name)
    return numbers[name]
