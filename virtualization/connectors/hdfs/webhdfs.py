"""HDFS by WebHDFS over TLS, for locations ``https://host:port``: what ``client`` asks of hdfs-native, answered by HTTP.

hdfs-native speaks Hadoop's own protocols, which without Kerberos are in clear. This one verifies who answers, NameNode and DataNodes, by
name: the machine's authorities are believed, and those of the file that the environment names in ``BDC_HDFS_AUTHORITY``. fsspec has a
WebHDFS too: it follows a redirect wherever that leads, does not see that a file was replaced between two ranges, gives up with the first
DataNode, and needs ``requests``.

Errors have the words and classes that ``client`` knows of hdfs-native. Source of the protocol:
https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html.
"""

from __future__ import annotations

import http.client
import json
import string
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtualization.connectors.hdfs.reader import NOBODY
from virtualization.connectors.hdfs.web_connections import Connections, UntrustedError

PREFIX = "/webhdfs/v1"
TRIES = 8
TRY_SECONDS = 0.5
"""A DataNode that does not answer is the last one that the NameNode names three seconds later."""
MOST_JSON = 64 << 20

_KINDS: dict[str, type[OSError]] = {
    "FileNotFoundException": FileNotFoundError,
    "AccessControlException": PermissionError,
    "SecurityException": PermissionError,
    "FileAlreadyExistsException": FileExistsError,
}
_NOWHERE = ("Failed to find datanode", "could only be written to 0")


class ReplacedError(OSError):
    """A file is not any more what it was when it was opened."""


@dataclass(frozen=True)
class Status:
    """As hdfs-native has it, and ``file_id``, which another file of the same name does not have."""

    path: str
    length: int
    isdir: bool
    modification_time: int
    block_size: int
    file_id: int


@dataclass(frozen=True)
class Asked:
    """A request: ``query`` without who asks."""

    method: str
    path: str
    operation: str
    query: dict[str, str]


class WebHdfs:
    """One user's view of the file system behind ``https://host:port``. Thread-safe."""

    def __init__(self, host: str, port: int, user: str, timeout: float) -> None:
        self._server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._user = user
        self.connections = Connections(timeout)

    def get_file_info(self, path: str) -> Status:
        """FileNotFoundError."""
        return _status(path, "", _part(self._json(Asked("GET", path, "GETFILESTATUS", {})), "FileStatus"))

    def list_status(self, path: str, recursive: bool) -> Iterator[Status]:
        """What lies in a folder, and below it; a file lists itself."""
        waiting = [path]
        while waiting:
            for found in self._listed(waiting.pop()):
                yield found
                if recursive and found.isdir:
                    waiting.append(found.path)

    def read(self, path: str) -> FileReader:
        """A reader of the file's state of now."""
        return FileReader(self, self.get_file_info(path))

    def mkdirs(self, path: str, permission: int, _create_parent: bool) -> None:
        """With its parents."""
        self._done(Asked("PUT", path, "MKDIRS", {"permission": f"{permission:o}"}))

    def rename(self, path: str, new: str) -> None:
        """In one step; OSError where it is not done."""
        self._done(Asked("PUT", path, "RENAME", {"destination": new}))

    def delete(self, path: str, recursive: bool) -> bool:
        """Whether there was anything."""
        return self._json(Asked("DELETE", path, "DELETE", {"recursive": str(recursive).lower()})).get("boolean") is True

    def create(self, path: str, _options: object) -> Writer:
        """A new file, with its folders. FileExistsError."""
        return Writer(self, path, self.location(Asked("PUT", path, "CREATE", {"overwrite": "false"})))

    def location(self, asked: Asked) -> urllib.parse.SplitResult:
        """The DataNode that is to be asked, and how."""
        said = self._json(Asked(asked.method, asked.path, asked.operation, {**asked.query, "noredirect": "true"})).get("Location")
        parts = urllib.parse.urlsplit(str(said))
        if parts.scheme != "https" or not parts.netloc:
            raise UntrustedError(f"{self._server} sends to a DataNode without TLS ({parts.scheme or 'no address'})")
        return parts

    def _listed(self, path: str) -> Iterator[Status]:
        after = ""
        while True:
            answer = _part(self._json(Asked("GET", path, "LISTSTATUS_BATCH", {"startAfter": after})), "DirectoryListing")
            entries = _part(_part(answer, "partialListing"), "FileStatuses").get("FileStatus") or []
            for entry in entries:
                after = str(entry.get("pathSuffix", ""))
                yield _status(path, after, entry)
            if not entries or not answer.get("remainingEntries"):
                return

    def _done(self, asked: Asked) -> None:
        if self._json(asked).get("boolean") is not True:
            raise OSError(f"{asked.operation} was not done")

    def _json(self, asked: Asked) -> dict[str, Any]:
        query = urllib.parse.urlencode({"op": asked.operation, "user.name": self._user, **asked.query})
        target = f"{PREFIX}{urllib.parse.quote(asked.path)}?{query}"
        status, body = self.connections.ask(self._server, asked.method, target, MOST_JSON)
        if status != 200:
            raise refusal(status, body)
        found = json.loads(body)
        if not isinstance(found, dict):
            raise OSError("what answers is not WebHDFS")
        return found


class FileReader:
    """Ranges of one state of a file: after each it is looked whether the file still is that one."""

    def __init__(self, files: WebHdfs, status: Status) -> None:
        self._files = files
        self._status = status
        self._places: dict[int, urllib.parse.SplitResult] = {}

    def __len__(self) -> int:
        return self._status.length

    def read_range(self, start: int, length: int) -> bytes:
        """ReplacedError where the file is another one by now; OSError where nobody gives it."""
        pieces: list[bytes] = []
        done = 0
        while done < length:
            pieces.append(self._piece(start + done, length - done))
            done += len(pieces[-1])
        self._look()
        return b"".join(pieces)

    def _look(self) -> None:
        """What came is of the state that was opened only if the file still is in that state."""
        if self._files.get_file_info(self._status.path) != self._status:
            raise ReplacedError(f"{self._status.path} was replaced")

    def _piece(self, start: int, length: int) -> bytes:
        """Of one block: other blocks are at other DataNodes."""
        size = max(1, self._status.block_size)
        block = start // size
        length = min(length, (block + 1) * size - start)
        end = time.monotonic() + self._files.connections.timeout
        for number in range(TRIES):
            place = self._places.get(block) or self._found(block, start)
            try:
                return self._ranged(place, start, length)
            except UntrustedError:
                raise
            except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
                self._places.pop(block, None)
                self._look()
                if number == TRIES - 1 or (number and time.monotonic() > end):  # in the words of hdfs-native, which ``reader.NODES`` reads
                    raise OSError(f'{NOBODY}: ip_addr: "{place.hostname}" xfer_port: {place.port}: {error}') from None
                time.sleep(TRY_SECONDS)
        raise AssertionError("the last try raises")

    def _found(self, block: int, start: int) -> urllib.parse.SplitResult:
        place = self._files.location(Asked("GET", self._status.path, "OPEN", {"offset": str(start)}))
        self._places[block] = place
        return place

    def _ranged(self, place: urllib.parse.SplitResult, start: int, length: int) -> bytes:
        named = [
            pair for pair in urllib.parse.parse_qsl(place.query, keep_blank_values=True) if pair[0].lower() not in ("offset", "length")
        ]
        query = urllib.parse.urlencode([*named, ("offset", str(start)), ("length", str(length))])
        status, body = self._files.connections.ask(place.netloc, "GET", f"{_escaped(place.path)}?{query}", length)
        if status != 200:
            self._look()
            raise refusal(status, body)
        if len(body) != length:
            raise ConnectionError(f"{length - len(body)} bytes are missing")
        return body


class Writer:
    """A new file: bytes go to a DataNode as they come, and the file is complete with ``close``."""

    def __init__(self, files: WebHdfs, path: str, place: urllib.parse.SplitResult) -> None:
        self._path = path
        self._connection = files.connections.open(place.netloc)
        self._connection.putrequest("PUT", _escaped(f"{place.path}?{place.query}"))
        self._connection.putheader("Content-Type", "application/octet-stream")
        self._connection.putheader("Transfer-Encoding", "chunked")
        self._connection.endheaders()

    def write(self, data: bytes) -> int:
        """All of it."""
        if data:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))
        return len(data)

    def close(self) -> None:
        """OSError where HDFS does not have it all."""
        try:
            self._connection.send(b"0\r\n\r\n")
            answer = self._connection.getresponse()
            body = answer.read(MOST_JSON)
        except http.client.HTTPException as error:
            raise ConnectionError(f"the DataNode broke off: {error}") from None
        finally:
            self._connection.close()
        if answer.status != 201:
            raise refusal(answer.status, body)


def refusal(status: int, body: bytes) -> OSError:
    """What HDFS said, as hdfs-native would."""
    try:
        said = json.loads(body)["RemoteException"]
        kind, message = str(said["exception"]), (str(said.get("message") or "").splitlines() or [""])[0]
    except (ValueError, KeyError, TypeError):
        return OSError(f"what answers is not WebHDFS (HTTP {status})")
    if any(words in message for words in _NOWHERE):
        return OSError(NOBODY)
    if kind == "SecurityException":
        kind = "AccessControlException"
    if kind == "RetriableException" and "safe mode" in message:
        kind = "SafeModeException"
    return _KINDS.get(kind, OSError)(f"{kind}: {message}")


def _escaped(target: str) -> str:
    """The NameNode leaves signs beyond ASCII as they are; everything else is escaped already."""
    return urllib.parse.quote(target, safe=string.punctuation)


def _part(document: dict[str, Any], key: str) -> dict[str, Any]:
    part = document.get(key)
    if not isinstance(part, dict):
        raise OSError(f"WebHDFS answered without {key}")
    return part


def _status(path: str, suffix: str, entry: dict[str, Any]) -> Status:
    return Status(
        path=f"{path.rstrip('/')}/{suffix}" if suffix else path,
        length=int(entry.get("length", 0)),
        isdir=entry.get("type") == "DIRECTORY",
        modification_time=int(entry.get("modificationTime", 0)),
        block_size=int(entry.get("blockSize", 0)),
        file_id=int(entry.get("fileId", 0)),
    )
