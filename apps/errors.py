"""The errors of apps. Foreign errors (YAML, tar, uv, sockets) stop here and become one of these.

AppError                code: stable word; status: of HTTP
├── SpecError             invalid_spec        400  every problem of spec.yaml at once, each with its line
├── PackageError          invalid_package     400  a folder or archive that is no package
│   └── PackageSizeError  too_large           413
├── StartError            app_start           500  its environment can't be had, or its code can't be loaded
├── InputError            invalid_input       422  ``where`` names the field
└── CallError             app_failed          500  the app raised, or gave something that its spec does not say
    ├── TimeLimitError    app_timeout         504
    ├── CrashError        app_crashed         500  its worker ended in the middle of the call
    └── OverloadError     app_busy            503  too many calls wait already
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class AppError(Exception):
    """``message`` says what was wrong, ``where`` names the place, ``hint`` the next step; none holds a secret or an input's value."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def envelope(self) -> dict[str, str | None]:
        """The inner object of ``{"error": …}``."""
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a spec. ``line`` counts from 1."""

    line: int
    field: str
    message: str

    def sentence(self, filename: str) -> str:
        """``spec.yaml:3: poolsize: must be …``."""
        named = f"{self.field}: " if self.field else ""
        return f"{filename}:{self.line}: {named}{self.message}"


class SpecError(AppError):
    """The spec is not valid; ``problems`` are all that were found, in the order of the lines."""

    code = "invalid_spec"
    status = 400

    def __init__(self, problems: tuple[Problem, ...], filename: str = "spec.yaml") -> None:
        self.problems = tuple(sorted(problems))
        text = "\n".join(problem.sentence(filename) for problem in self.problems)
        super().__init__(text, where=filename, hint="docs/guide/apps.md lists every field")


class PackageError(AppError):
    """A folder or an archive that can't be a package."""

    code = "invalid_package"
    status = 400


class PackageSizeError(PackageError):
    """It is larger than a package may be."""

    code = "too_large"
    status = 413


class StartError(AppError):
    """The app can't be started: requirements that can't be had, an import that fails, no entrypoint."""

    code = "app_start"


class InputError(AppError):
    """An input that is missing, unknown or of another type; ``where`` is its name."""

    code = "invalid_input"
    status = 422


class CallError(AppError):
    """The app raised an exception, or gave what its spec does not say. ``console``: what it printed until then."""

    code = "app_failed"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None, console: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.console = console


class TimeLimitError(CallError):
    """It took longer than the spec's ``timeout``; its worker was ended."""

    code = "app_timeout"
    status = 504


class CrashError(CallError):
    """Its worker process ended in the middle of the call."""

    code = "app_crashed"


class OverloadError(CallError):
    """More calls wait than are let in."""

    code = "app_busy"
    status = 503
