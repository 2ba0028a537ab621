"""A WebHDFS client on ``http.client``: every operation streams, and acts under the name of the context's user.

Source: https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html. Data goes straight to the DataNode
(``noredirect=true`` makes the NameNode answer its address as JSON).
"""

from __future__ import annotations

import http.client
import string
import urllib.parse
from collections.abc import Callable, Iterable, Iterator

from bdc.closed import closed
from bdc.errors import ConflictError, InternalError, NotFoundError, ServiceError, UserError
from bdc.paths import remote_path
from bdc.rest import open_connection, unreachable
from bdc.webhdfs_answers import FileStatus, decoded, entries_of, expect, hint_of, part_of, status_of

__all__ = ["BLOCK", "FileStatus", "WebHdfs"]

BLOCK = 1 << 20
"""Bytes that are held at once while a file is copied."""

UNREACHABLE = "'bdc status --service hdfs' says how HDFS is"


class WebHdfs:
    """The file system behind ``base`` (``http://host:port/webhdfs/v1``), used as ``user``.

    ``reach``: where the URL of a DataNode, as the NameNode names it, is reached from here. ``authority``: who has signed the
    certificate of ``https://…``. ``token``: for the cluster's gateway, which knows from it who asks; HDFS itself is shown none.
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
        return status_of(path, "", part_of(self._json("GET", path, "GETFILESTATUS"), "FileStatus"))

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
            answer = part_of(self._json("GET", path, "LISTSTATUS_BATCH", startAfter=after), "DirectoryListing")
            entries = entries_of(part_of(part_of(answer, "partialListing"), "FileStatuses"))
            for entry in entries:
                found = status_of(path, str(entry.get("pathSuffix", "")), entry)
                after = found.name
                yield found
            if not entries or not answer.get("remainingEntries"):
                return

    def summary(self, path: str) -> dict[str, object]:
        """Number of files and folders, bytes, bytes with all replicas, quotas."""
        return part_of(self._json("GET", path, "GETCONTENTSUMMARY"), "ContentSummary")

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
            raise NotFoundError(f"there is no {path}", where=self._base, hint=hint_of("FileNotFoundException", path))

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
            expect(response, 200, self._base, path)
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
            expect(response, 201, self._base, path)
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
            expect(response, 200, self._base, path)
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise closed(self._base, error) or unreachable(self._base, error, UNREACHABLE) from error
        finally:
            connection.close()
        return decoded(raw, self._base)


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
