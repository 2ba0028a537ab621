"""Secrets of apps: values by name, kept by the proxy alone (0600), handed to the workers of just that app over their sockets. Neither
arguments nor environments of processes, nor logs, descriptions, packages or answers hold them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from apps.fields import NAME, VARIABLE
from pools.app.errors import KeepError, MissingSecretError, RequestError, UnknownAppError

MOST, LONGEST = 100, 32 * 1024
"""Secrets of an app, and bytes of one."""


class Secrets:
    """``<folder>/APP.json``: name of the secret → value, since when, by whom."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def told(self, app: str) -> list[dict[str, object]]:
        """All but the values, by name."""
        return [{"name": name, "since": one["since"], "by": one["by"]} for name, one in sorted(self._read(app).items())]

    def of(self, app: str, wanted: Sequence[str]) -> dict[str, str]:
        """Their values. MissingSecretError with what to run where one is not set."""
        found = self._read(app) if wanted else {}
        missing = [name for name in wanted if name not in found]
        if missing:
            commands = "; ".join(f"bdc app secret set {app} {name}" for name in missing)
            raise MissingSecretError(f"{app} asks for {', '.join(missing)}, not set: {commands}", where=app)
        return {name: str(found[name]["value"]) for name in wanted}

    def set(self, app: str, name: str, value: object, by: str) -> None:
        """From now on. RequestError for what can be none; KeepError."""
        self._check(app, name)
        if not isinstance(value, str) or not value or "\0" in value or len(value.encode(errors="replace")) > LONGEST:
            raise RequestError(f"the value must be a text of 1 to {LONGEST} bytes, without zero bytes", where=name)
        found = self._read(app)
        if name not in found and len(found) >= MOST:
            raise RequestError(f"{app} has {MOST} secrets already", where=name, hint=f"bdc app secret delete {app} NAME")
        self._write(app, {**found, name: {"value": value, "since": time.time(), "by": by}})

    def delete(self, app: str, name: str) -> None:
        """UnknownAppError where there is none."""
        self._check(app, name)
        found = self._read(app)
        if found.pop(name, None) is None:
            raise UnknownAppError(f"{app} has no secret {name}", where=name, hint=f"bdc app secret list {app}")
        self._write(app, found)

    def forget(self, app: str) -> None:
        """All of an app that is gone."""
        self._file(app).unlink(missing_ok=True)

    def _check(self, app: str, name: str) -> None:
        if not NAME.fullmatch(app):
            raise RequestError("this can't be the name of an app", where=app[:60])
        if not VARIABLE.fullmatch(name):
            raise RequestError("the name of a secret is capital letters, digits and '_', such as DB_PASSWORD", where=name[:60])

    def _file(self, app: str) -> pathlib.Path:
        return self._folder / f"{app}.json"

    def _read(self, app: str) -> dict[str, Mapping[str, Any]]:
        if not NAME.fullmatch(app):
            return {}
        try:
            found: dict[str, Mapping[str, Any]] = json.loads(self._file(app).read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:  # what can't be read is told without a word of its content
            raise KeepError(f"the secrets of {app} can't be read: {type(error).__name__}", where=app) from None
        return found

    def _write(self, app: str, content: Mapping[str, object]) -> None:
        """Whole or not at all."""
        half = self._file(app).with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                half.unlink()
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._file(app))
        except OSError as error:
            raise KeepError(f"the secret can't be kept: {error.strerror}", where=app) from None
