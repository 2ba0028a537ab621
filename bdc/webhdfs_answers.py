"""What WebHDFS answers, as our own: entries of folders, and errors with what to do next."""

from __future__ import annotations

import http.client
import json
import shlex
from dataclasses import dataclass

from bdc.errors import AuthenticationError, BdcError, ConflictError, ForbiddenError, InternalError, NotFoundError, ServiceError, UserError

_BY_EXCEPTION: dict[str, type[BdcError]] = {
    "FileNotFoundException": NotFoundError,
    "AccessControlException": ForbiddenError,
    "SecurityException": ForbiddenError,
    "FileAlreadyExistsException": ConflictError,
    "PathIsNotEmptyDirectoryException": ConflictError,
    "ParentNotDirectoryException": ConflictError,
    "IllegalArgumentException": UserError,
    "UnsupportedOperationException": UserError,
    "InvalidPathException": UserError,
}


@dataclass(frozen=True)
class FileStatus:
    """A file or folder: sizes in bytes, times in milliseconds since the epoch, ``permission`` octal (``755``)."""

    path: str
    name: str
    folder: bool
    length: int
    owner: str
    group: str
    permission: str
    modified: int
    replication: int
    block_size: int


def expect(response: http.client.HTTPResponse, wanted: int, base: str, path: str) -> None:
    """The error that another status than ``wanted`` means. ``base`` and ``path``: what was asked for, for messages."""
    if response.status == wanted:
        return
    raw = response.read(65536)
    try:
        answer = decoded(raw, base)
    except BdcError:
        answer = {}
    if isinstance(said := answer.get("error"), dict):
        raise refused(response.status, said, f"{base} {path}")
    found = answer.get("RemoteException")
    remote = found if isinstance(found, dict) else {}
    name = str(remote.get("exception", f"HTTP {response.status}"))
    default = UserError if 400 <= response.status < 500 and not remote else ServiceError
    message = str(remote.get("message") or "").splitlines()
    raise _BY_EXCEPTION.get(name, default)(
        message[0] if message else f"HDFS refused the operation on {path}",
        where=f"{base} {path}",
        code=name,
        hint=hint_of(name, path),
    )


def refused(status: int, said: dict[str, object], where: str) -> BdcError:
    """The gateway's own word, not HDFS's."""
    kinds = {401: AuthenticationError, 403: ForbiddenError, 404: NotFoundError}
    kind = kinds.get(status, UserError if 400 <= status < 500 else ServiceError)
    hint = said.get("hint")
    return kind(str(said.get("message")), where=where, code=str(said.get("code")), hint=str(hint) if hint else None)


def hint_of(name: str, path: str) -> str | None:
    """What to do about an exception of Hadoop's."""
    if name in ("SafeModeException", "RetriableException", "StandbyException"):
        return "HDFS is starting: 'bdc status --service hdfs' says how far it is"
    shown = shlex.quote(path.rpartition("/")[0] or "/")
    return {
        "AccessControlException": "'bdc hdfs ls -d' shows owner and permission",
        "FileNotFoundException": f"bdc hdfs ls {shown}",
        "ParentNotDirectoryException": f"bdc hdfs ls {shown}",
        "FileAlreadyExistsException": "--force replaces a file that exists, where the command has it",
    }.get(name)


def decoded(raw: bytes, where: str) -> dict[str, object]:
    """The object of an answer; ServiceError, InternalError."""
    try:
        document = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise ServiceError("what answered is not WebHDFS", where=where, hint="'bdc endpoint list' shows the address") from error
    if not isinstance(document, dict):
        raise InternalError("WebHDFS answered something that is no object", where=where)
    return document


def part_of(document: dict[str, object], key: str) -> dict[str, object]:
    """An object within; InternalError."""
    part = document.get(key)
    if not isinstance(part, dict):
        raise InternalError(f"WebHDFS answered without {key!r}")
    return part


def entries_of(document: dict[str, object]) -> list[dict[str, object]]:
    """The entries of a listing; InternalError."""
    entries = document.get("FileStatus")
    if not isinstance(entries, list):
        raise InternalError("WebHDFS answered without 'FileStatus'")
    return entries


def status_of(path: str, suffix: str, entry: dict[str, object]) -> FileStatus:
    """Of the entry ``suffix`` in ``path``, or of ``path`` itself."""

    def number(key: str) -> int:
        return int(str(entry.get(key, 0)))

    return FileStatus(
        path=f"{path.rstrip('/')}/{suffix}" if suffix else path,
        name=suffix or path.rpartition("/")[2],
        folder=entry.get("type") == "DIRECTORY",
        length=number("length"),
        owner=str(entry.get("owner", "")),
        group=str(entry.get("group", "")),
        permission=str(entry.get("permission", "")).rjust(3, "0"),
        modified=number("modificationTime"),
        replication=number("replication"),
        block_size=number("blockSize"),
    )
