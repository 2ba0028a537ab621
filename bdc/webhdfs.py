"""A WebHDFS client on ``http.client``: every operation streams, and acts under the name of the context's user.

Source: https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html. Data goes straight to the DataNode
(``noredirect=true`` makes the NameNode answer its address as JSON).
"""

from __future__ import annotations

import http.client
import json
import shlex
import string
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bdc.closed import closed
from bdc.errors import AuthenticationError, BdcError, ConflictError, ForbiddenError, InternalError, NotFoundError, ServiceError, UserError
from bdc.paths import remote_path
from bdc.rest import open_connection, unreachable

BLOCK = 1 << 20
"""Bytes that are held at once while a file is copied."""

UNREACHABLE = "'bdc status --service hdfs' says how HDFS is"

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


class WebHdfs:
    """The file system behind ``base`` (``http://host:port/webhdfs/v1``), used as ``user``.

    ``reach``: where the URL of a DataNode, as the NameNode names it, is reached from here. ``token``, ``authority``: for the cluster's
    gateway (``https://…``), which knows from the token who asks; HDFS itself is shown none.
    """

    def __init__(
        self,
        base: str,
        user: str,
        timeout: float = 60.0,
        reach: Callable[[str], str] = str,
        token: Callable[[], str] | None = None,
        authority: str | None = "",
    ) -> None:
        self._base = base.rstrip("/")
        self._prefix = urllib.parse.urlsplit(self._base).path
        self._user = user
        self._timeout = timeout
        self._reach = reach
        self._token = token
        self._authority = authority

    def status(self, path: str) -> FileStatus:
        """What ``path`` is; NotFoundError."""
        return _status(path, "", _part(self._json("GET", path, "GETFILESTATUS"), "FileStatus"))

    def exists(self, path: str) -> bool:
        """Whether there is anything at ``path``."""
        try:
            self.status(path)
        except NotFoundError:
            return False
        return True

    def listing(self, path: str) -> Iterator[FileStatus]:
        """What is in a folder (a file lists itself), by name, fetched batch by batch so that a huge folder fits."""
        after = ""
        while True:
            answer = _part(self._json("GET", path, "LISTSTATUS_BATCH", startAfter=after), "DirectoryListing")
            entries = _entries(_part(_part(answer, "partialListing"), "FileStatuses"))
            for entry in entries:
                found = _status(path, str(entry.get("pathSuffix", "")), entry)
                after = found.name
                yield found
            if not entries or not answer.get("remainingEntries"):
                return

    def summary(self, path: str) -> dict[str, object]:
        """Number of files and folders, bytes, bytes with all replicas, quotas."""
        return _part(self._json("GET", path, "GETCONTENTSUMMARY"), "ContentSummary")

    def mkdir(self, path: str, permission: str | None = None) -> None:
        """Make a folder and those above it; an existing folder is fine."""
        # MKDIRS&permission also sets the parents that it makes: set it on the one folder instead
        self._truth("PUT", path, "MKDIRS", f"{path} can't be made: something that is no folder is in the way")
        if permission is not None:
            self.chmod(path, permission)

    def delete(self, path: str, *, recursive: bool = False) -> None:
        """Remove; ConflictError for a folder that is not empty unless ``recursive``; NotFoundError."""
        answer = self._json("DELETE", path, "DELETE", recursive=recursive)
        if answer.get("boolean") is not True:
            raise NotFoundError(f"there is no {path}", where=self._base, hint=_hint("FileNotFoundException", path))

    def rename(self, source: str, target: str, *, overwrite: bool = False) -> None:
        """Move within HDFS, in one step for whoever looks. ``overwrite`` replaces a file (or an empty folder)."""
        options = {"renameoptions": "OVERWRITE"} if overwrite else {"renameoptions": "NONE"}
        self._json("PUT", source, "RENAME", destination=target, **options)

    def chmod(self, path: str, permission: str) -> None:
        """Set the permission, octal (``755``)."""
        self._json("PUT", path, "SETPERMISSION", permission=permission)

    def chown(self, path: str, owner: str | None, group: str | None) -> None:
        """Set owner, group or both."""
        self._json("PUT", path, "SETOWNER", owner=owner, group=group)

    def read(self, path: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file's bytes in blocks. Breaks off with ServiceError when fewer come than promised."""
        location = self._location("GET", path, "OPEN", offset=offset or None, length=length)
        connection, response = self._transfer("GET", location, None)
        try:
            self._expect(response, 200, path)
            yield from self._blocks(response, path)
        finally:
            connection.close()

    def write(self, path: str, blocks: Iterable[bytes] | bytes, *, overwrite: bool = False) -> None:
        """Create a file from ``blocks``, which are sent as they come. ConflictError when it exists and ``overwrite`` is not set."""
        if isinstance(blocks, str):
            raise UserError("a file's content is bytes, not str", where=path, hint="text.encode()")
        blocks = [blocks] if isinstance(blocks, bytes) else blocks
        location = self._location("PUT", path, "CREATE", overwrite=overwrite)
        connection, response = self._transfer("PUT", location, blocks)
        try:
            self._expect(response, 201, path)
            response.read()
        finally:
            connection.close()

    def _blocks(self, response: http.client.HTTPResponse, path: str) -> Iterator[bytes]:
        try:
            while block := response.read(BLOCK):
                yield block
            if response.length:
                raise ServiceError(
                    f"{path} broke off {response.length} bytes before its end", hint="'bdc status --service hdfs', then again"
                )
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(f"reading {path} broke off", where=self._base, why=str(error), hint="try again") from error

    def _location(self, method: str, path: str, operation: str, **query: str | int | bool | None) -> str:
        location = self._json(method, path, operation, noredirect=True, **query).get("Location")
        if not isinstance(location, str):
            raise InternalError(f"the NameNode answered {operation} without an address", where=self._base)
        return self._reach(location)

    def _transfer(
        self, method: str, location: str, body: Iterable[bytes] | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(location)
        connection = open_connection(location, self._timeout, self._authority)
        headers = self._login(location) | ({"Content-Type": "application/octet-stream"} if body is not None else {})
        sent = _Guarded(body) if body is not None else None
        try:
            # the NameNode leaves signs beyond ASCII as they are; everything else is escaped already
            target = urllib.parse.quote(f"{parts.path}?{parts.query}", safe=string.punctuation)
            connection.request(method, target, sent, headers, encode_chunked=body is not None)
            return connection, connection.getresponse()
        except _SourceError as error:
            connection.close()
            assert error.__cause__ is not None
            raise error.__cause__ from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise closed(location, error) or unreachable(location, error, UNREACHABLE) from error
        except BaseException:
            connection.close()
            raise

    def _login(self, url: str) -> dict[str, str]:
        """Nobody but the gateway, over TLS, gets the token."""
        given, ours = urllib.parse.urlsplit(url), urllib.parse.urlsplit(self._base)
        if self._token is None or ours.scheme != "https" or (given.scheme, given.netloc) != (ours.scheme, ours.netloc):
            return {}
        return {"Authorization": f"Bearer {self._token()}"}

    def _truth(self, method: str, path: str, operation: str, otherwise: str) -> None:
        if self._json(method, path, operation).get("boolean") is not True:
            raise ConflictError(otherwise, where=self._base)

    def _json(self, method: str, path: str, operation: str, **query: str | int | bool | None) -> dict[str, object]:
        path = path if path.startswith("/") else remote_path(path)
        pairs = {"op": operation, "user.name": self._user}
        pairs |= {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items() if value is not None}
        target = f"{self._prefix}{urllib.parse.quote(path)}?{urllib.parse.urlencode(pairs)}"
        connection = open_connection(self._base, self._timeout, self._authority)
        try:
            connection.request(method, target, headers=self._login(self._base))
            response = connection.getresponse()
            self._expect(response, 200, path)
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise closed(self._base, error) or unreachable(self._base, error, UNREACHABLE) from error
        finally:
            connection.close()
        return _decode(raw, self._base)

    def _expect(self, response: http.client.HTTPResponse, wanted: int, path: str) -> None:
        if response.status == wanted:
            return
        raw = response.read(65536)
        try:
            answer = _decode(raw, self._base)
        except BdcError:
            answer = {}
        if isinstance(said := answer.get("error"), dict):
            raise _refused(response.status, said, f"{self._base} {path}")
        found = answer.get("RemoteException")
        remote = found if isinstance(found, dict) else {}
        name = str(remote.get("exception", f"HTTP {response.status}"))
        default = UserError if 400 <= response.status < 500 and not remote else ServiceError
        message = str(remote.get("message") or "").splitlines()
        raise _BY_EXCEPTION.get(name, default)(
            message[0] if message else f"HDFS refused the operation on {path}",
            where=f"{self._base} {path}",
            code=name,
            hint=_hint(name, path),
        )


class _SourceError(Exception):
    """Carries an OSError of the data's source past the handling of the network's."""


class _Guarded:
    """Blocks on their way to the network; a failure of their source is not the network's."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except OSError as error:
            raise _SourceError from error


def _refused(status: int, said: dict[str, object], where: str) -> BdcError:
    """The gateway's own word, not HDFS's."""
    kinds = {401: AuthenticationError, 403: ForbiddenError, 404: NotFoundError}
    kind = kinds.get(status, UserError if 400 <= status < 500 else ServiceError)
    hint = said.get("hint")
    return kind(str(said.get("message")), where=where, code=str(said.get("code")), hint=str(hint) if hint else None)


def _hint(name: str, path: str) -> str | None:
    if name in ("SafeModeException", "RetriableException", "StandbyException"):
        return "HDFS is starting: 'bdc status --service hdfs' says how far it is"
    shown = shlex.quote(path.rpartition("/")[0] or "/")
    return {
        "AccessControlException": "'bdc hdfs ls -d' shows owner and permission",
        "FileNotFoundException": f"bdc hdfs ls {shown}",
        "ParentNotDirectoryException": f"bdc hdfs ls {shown}",
        "FileAlreadyExistsException": "--force replaces a file that exists, where the command has it",
    }.get(name)


def _decode(raw: bytes, where: str) -> dict[str, object]:
    try:
        document = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise ServiceError("what answered is not WebHDFS", where=where, hint="'bdc endpoint list' shows the address") from error
    if not isinstance(document, dict):
        raise InternalError("WebHDFS answered something that is no object", where=where)
    return document


def _part(document: dict[str, object], key: str) -> dict[str, object]:
    part = document.get(key)
    if not isinstance(part, dict):
        raise InternalError(f"WebHDFS answered without {key!r}")
    return part


def _entries(document: dict[str, object]) -> list[dict[str, object]]:
    entries = document.get("FileStatus")
    if not isinstance(entries, list):
        raise InternalError("WebHDFS answered without 'FileStatus'")
    return entries


def _status(path: str, suffix: str, entry: dict[str, object]) -> FileStatus:
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
