"""What each field of ``spec.yaml`` may hold. A reader takes plain values and gives what ``AppSpec`` keeps, or raises FieldError with words
that follow the field's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from apps import schedule
from apps.runtimes import RUNTIMES
from apps.spec import MEMORY_MB, THREADS, Resources
from apps.types import ALIASES, TYPES, json_name

NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
VERSION = re.compile(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
REQUIREMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\s*(\[[A-Za-z0-9._, -]*\])?\s*([<>=!~][^;@]*)?(;.*)?")
MEMORY = re.compile(r"(\d+)\s*(M|MB|Mi|MiB|G|GB|Gi|GiB)")
RESERVED = ("PATH", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
MAX_WORKERS = 32
VERSION_ALIASES = ("live",)

ELSEWHERE = {
    "r": "R", "ssis": "SSIS", "mleap": "MLeap", "kms-plugin-python": "the KMS plug-in",
}  # fmt: skip
NOT_YET = {
    "bundleFileName": "is of the runtime MLeap, which is not run here",
}
"""Fields that can't act yet. What is asked for and not done would be worse than a refusal."""

Reader = Callable[[object], object]


class FieldError(Exception):
    """The words that follow the field's name."""


def name(value: object) -> str:
    """Of the app."""
    return _matching(value, NAME, "lower-case letters, digits and '-', starting with a letter, at most 40 characters")


def version(value: object) -> str:
    """Of this version."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise FieldError(f"must be a text, is {json_name(value)}: write it in quotes, or as v{value}")
    if value in VERSION_ALIASES:
        raise FieldError(f"{value} is the name of whatever version is live; write one such as v1")
    return _matching(value, VERSION, "lower-case letters, digits, '.' and '-', such as v1, at most 32 characters")


def runtime(value: object) -> str:
    """A key of the table of runtimes; the original's spelling (``Python``) too."""
    word = _text(value).lower()
    if word in ELSEWHERE:
        raise FieldError(f"{ELSEWHERE[word]} can't be run here; runtimes are: {', '.join(RUNTIMES)}")
    if word not in RUNTIMES:
        raise FieldError(f"there is no runtime {_short(value)}; runtimes are: {', '.join(RUNTIMES)}")
    return word


def path(value: object) -> str:
    """Of a file in the folder."""
    found = _text(value)
    parts = PurePosixPath(found.removeprefix("./"))
    if parts.is_absolute() or ".." in parts.parts or "\\" in found or not found.isprintable() or str(parts) == ".":
        raise FieldError("must be the path of a file inside of the app's folder")
    return str(parts)


def entrypoint(value: object) -> str:
    """A function's name."""
    found = _text(value)
    if not found.isidentifier():
        raise FieldError(f"must be the name of a function, is {_short(value)}")
    return found


def count(value: object) -> int:
    """Replicas, workers of one."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(f"must be a whole number, is {json_name(value)}")
    if not 1 <= value <= MAX_WORKERS:
        raise FieldError(f"must be from 1 to {MAX_WORKERS}, is {value}")
    return value


def timeout(value: object) -> float:
    """Seconds of a call."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(f"must be a number of seconds, is {json_name(value)}")
    if not 0.1 <= value <= 3600:
        raise FieldError("must be from 0.1 to 3600 seconds")
    return float(value)


def types(value: object) -> dict[str, str]:
    """Inputs or outputs: name → type."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FieldError(f"must map names to types, is {json_name(value)}")
    for parameter, kind in value.items():
        if not PARAMETER.fullmatch(parameter):
            raise FieldError(f"{_short(parameter)} can't be a name: letters, digits, '_' and '.', starting with a letter")
        if not isinstance(kind, str) or kind not in TYPES:
            meant = f" (write {ALIASES[str(kind).lower()]})" if str(kind).lower() in ALIASES else ""
            raise FieldError(f"{parameter}: there is no type {_short(kind)}{meant}; types are: {', '.join(TYPES)}")
    return dict(value)


def environment(value: object) -> dict[str, str]:
    """Variables of the workers."""
    if not isinstance(value, dict):
        raise FieldError(f"must map names to texts, is {json_name(value)}")
    for variable, text in value.items():
        if not VARIABLE.fullmatch(variable) or variable in RESERVED or variable.startswith("OPENBDC_"):
            raise FieldError(f"{_short(variable)} can't be set: capital letters, digits and '_', and none of the system's own")
        if not isinstance(text, str) or "\0" in text:
            raise FieldError(f"{variable}: must be a text, is {json_name(text)}; write it in quotes")
    return dict(value)


def secrets(value: object) -> tuple[str, ...]:
    """Names of variables that the workers get; the values are given to the cluster, not written into the package."""
    if not isinstance(value, list):
        raise FieldError(f"must be a list of names, is {json_name(value)}; values are set by: bdc app secret set APP NAME")
    for name in value:
        if not isinstance(name, str) or not VARIABLE.fullmatch(name) or name in RESERVED or name.startswith("OPENBDC_"):
            raise FieldError(f"{_short(name)} can't be a secret's name: capital letters, digits and '_', and none of the system's own")
    if len(set(value)) < len(value):
        raise FieldError("names one of them twice")
    return tuple(value)


def requirements(value: object) -> str | tuple[str, ...]:
    """The name of a file, or the requirements themselves."""
    if isinstance(value, str):
        return path(value)
    if not isinstance(value, list):
        raise FieldError(f"must be a list, or the name of a file, is {json_name(value)}")
    return tuple(requirement(line) for line in value)


def requirement(value: object) -> str:
    """One: a name with versions. Options and addresses would reach past the index or the wheelhouse that the cluster trusts."""
    found = _text(value).strip()
    if not REQUIREMENT.fullmatch(found):
        raise FieldError(f"{_short(found)} is not taken: a package's name with versions, such as 'numpy>=2'; no options, no addresses")
    return found


def resources(value: object) -> Resources:
    """``memory`` such as 512M, ``threads``."""
    if not isinstance(value, dict):
        raise FieldError(f"must hold memory and threads, is {json_name(value)}")
    for key in value:
        if key not in ("memory", "threads"):
            raise FieldError(f"{_short(key)} can't be limited; 'memory' (such as 512M) and 'threads' can")
    return Resources(_memory(value["memory"]) if "memory" in value else MEMORY_MB, count(value.get("threads", THREADS)))


def traffic(value: object) -> int:
    """Percent of the calls of ``NAME@live`` that it gets once it is ready."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise FieldError("must be a whole number from 0 to 100: the percent of the calls of NAME@live that it gets once it is ready")
    return value


def options(value: object) -> bool:
    """Whether its predictions are kept. The original's are arguments of SSIS, which is not run here."""
    if value in (None, {}, []):
        return False
    if not isinstance(value, dict) or set(value) != {"prediction_log"}:
        raise FieldError("there is one option: 'prediction_log: true' keeps inputs and outputs of calls")
    if not isinstance(value["prediction_log"], bool):
        raise FieldError(f"prediction_log: must be true or false, is {json_name(value['prediction_log'])}")
    return value["prediction_log"]


def _memory(value: object) -> int:
    found = MEMORY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise FieldError("memory: must be a size such as 512M or 2G")
    megabytes = int(found[1]) * (1024 if found[2].startswith("G") else 1)
    if not 64 <= megabytes <= 1024 * 1024:
        raise FieldError("memory: must be from 64M to 1024G")
    return megabytes


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise FieldError(f"must be a text, is {json_name(value)}")
    return value


def _matching(value: object, pattern: re.Pattern[str], words: str) -> str:
    if not pattern.fullmatch(_text(value)):
        raise FieldError(f"must be {words}")
    return str(value)


def _short(value: object) -> str:
    return repr(str(value)[:40])


READERS: dict[str, Reader] = {
    "name": name,
    "version": version,
    "runtime": runtime,
    "src": path,
    "entrypoint": entrypoint,
    "replicas": count,
    "poolsize": count,
    "inputs": types,
    "output": types,
    "options": options,
    "env": environment,
    "secrets": secrets,
    "requirements": requirements,
    "resources": resources,
    "timeout": timeout,
    "traffic": traffic,
    "schedule": schedule.read,
}
"""Field → what reads it."""
