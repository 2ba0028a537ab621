"""The password for SQL of who logs in with a directory account, in a file of PostgreSQL's form (``passfile=``, PGPASSFILE), mode 0600, one
per context, beside the contexts. It ends with the login."""

from __future__ import annotations

import os
import pathlib
import tempfile

from bdc import contexts
from bdc.names import context_name

FOLDER = "pgpass"


def path_of(context: str) -> pathlib.Path:
    """Where a context's file is, or would be."""
    return contexts.folder() / FOLDER / context_name(context)


def write(context: str, host: str, port: int, user: str, password: str) -> pathlib.Path:
    """Make or replace it; its path."""
    path = path_of(context)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = ":".join(_escaped(part) for part in (host, str(port), "*", user, password))
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # 0600, and put there whole
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(line + "\n")
        pathlib.Path(temporary).replace(path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    return path


def remove(context: str) -> None:
    """No error when there is none."""
    path_of(context).unlink(missing_ok=True)


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace(":", "\\:")
