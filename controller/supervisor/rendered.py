"""A rendered workload: what a pool wants to run with every placeholder filled in, as it crosses the socket and lies in processes.json.

JSON object → ``Rendered`` (checked) → JSON object. The digest of the canonical JSON says whether two are the same;
``difference`` says where they differ. Secrets are named, never held: the supervisor reads them from the store when it lays them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from controller.supervisor.errors import SupervisorError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
WITHOUT_RESTART = frozenset({"ready", "requires", "stop_signal", "stop_seconds", "ready_seconds"})
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class RenderedFile:
    """A file below the workload's config folder; ``path`` is relative to it."""

    path: str
    content: str


@dataclass(frozen=True)
class RenderedSecret:
    """Entry ``name`` of the secret store, laid as ``file`` in the workload's secrets folder."""

    name: str
    file: str


@dataclass(frozen=True)
class RenderedPrepare:
    """A one-shot command before the first start; skipped once ``creates`` exists. ``removes`` is deleted before each attempt."""

    name: str
    command: tuple[str, ...]
    creates: str
    removes: str | None = None
    seconds: float = 120.0


@dataclass(frozen=True)
class RenderedProbe:
    """How to see that it serves; ``port`` is a number on ``host``, ``seconds`` the limit of one attempt."""

    kind: str
    port: int | None = None
    path: str = "/"
    command: tuple[str, ...] = ()
    seconds: float = 5.0
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Rendered:
    """One workload. ``pool`` names the OS user by the supervisor's own table (users.json), never a user directly.
    ``run`` is the name of the folder below ``run/`` that it shares with its pool instance."""

    name: str
    command: tuple[str, ...]
    pool: str
    run: str
    kind: str = "service"
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[RenderedFile, ...] = ()
    secrets: tuple[RenderedSecret, ...] = ()
    prepare: tuple[RenderedPrepare, ...] = ()
    ready: RenderedProbe | None = None
    requires: tuple[str, ...] = ()
    stop_signal: str = "TERM"
    stop_seconds: float = 10.0
    ready_seconds: float = 60.0

    def json(self) -> dict[str, Any]:
        """The JSON object of this workload."""
        made: dict[str, Any] = asdict(self)
        return made

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(json.dumps(self.json(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def parse(given: object) -> Rendered:
    """Check one JSON object; SupervisorError ``invalid_workload`` names the field."""
    if not isinstance(given, dict):
        raise _invalid("the workload is not an object")
    fields = dict(given)
    try:
        workload = Rendered(
            command=tuple(fields.pop("command")),
            files=tuple(RenderedFile(**entry) for entry in fields.pop("files", ())),
            secrets=tuple(RenderedSecret(**entry) for entry in fields.pop("secrets", ())),
            prepare=tuple(RenderedPrepare(**{**entry, "command": tuple(entry["command"])}) for entry in fields.pop("prepare", ())),
            ready=_probe(fields.pop("ready", None)),
            requires=tuple(fields.pop("requires", ())),
            environment=dict(fields.pop("environment", {})),
            **fields,
        )
    except (TypeError, KeyError, ValueError) as error:
        raise _invalid(f"the workload has a missing, unknown or ill-typed field: {error}") from error
    _check(workload)
    return workload


def _probe(given: Mapping[str, Any] | None) -> RenderedProbe | None:
    return None if given is None else RenderedProbe(**{**given, "command": tuple(given.get("command", ()))})


def _check(workload: Rendered) -> None:
    """Names become paths and are used as root, so they are held to plain characters here, whoever rendered them."""
    for what, value, pattern in (("name", workload.name, NAME), ("run", workload.run, NAME), ("pool", workload.pool, NAME)):
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _invalid(f"{what} {value!r} must be lower-case letters, digits and '-' (at most 63)")
    for secret in workload.secrets:
        if not SECRET_NAME.fullmatch(secret.name) or not SECRET_NAME.fullmatch(secret.file):
            raise _invalid(f"secret {secret.name!r} as file {secret.file!r}: plain file names only")
    for file in workload.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise _invalid(f"file {file.path!r} must lie below the config folder")
    if workload.kind not in ("service", "job", "batch"):
        raise _invalid(f"kind {workload.kind!r} is not service, job or batch")
    if not workload.command or not all(isinstance(part, str) and "\0" not in part for part in workload.command):
        raise _invalid("command must be a non-empty list of strings")
    if workload.ready is not None and workload.ready.kind not in ("tcp", "http", "exec"):
        raise _invalid(f"probe kind {workload.ready.kind!r} is not tcp, http or exec")


def _invalid(message: str) -> SupervisorError:
    return SupervisorError("invalid_workload", message)


def differences(old: Rendered, new: Rendered) -> tuple[str, ...]:
    """Every field that differs, as ``command[3]: '5432' → '5433'``; long values are named, not shown."""
    before, after = dict(_leaves("", old.json())), dict(_leaves("", new.json()))
    return tuple(
        f"{path}{_shown(before.get(path), after.get(path))}"
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    )


def needs_restart(found: tuple[str, ...]) -> bool:
    """Whether any of these ``differences`` touches the process itself, not only how it is watched or stopped."""
    return any(re.split(r"[.\[:]", difference, maxsplit=1)[0] not in WITHOUT_RESTART for difference in found)


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    else:
        yield path, value


def _shown(old: object, new: object) -> str:
    texts = [repr(old), repr(new)]
    return f": {texts[0]} → {texts[1]}" if all(len(text) <= SHOWN_CHARACTERS for text in texts) else " differs"
