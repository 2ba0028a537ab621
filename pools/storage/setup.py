"""The job ``hdfs-setup``: waits until HDFS accepts writes and makes the folders that users expect (``/tmp``, ``/user``).

Repeatable; runs as the NameNode's OS user, who is HDFS's superuser.
"""

from __future__ import annotations

import argparse
import getpass
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

FOLDERS = (("/tmp", "1777"), ("/user", "1777"))  # noqa: S108 - a folder of HDFS


@dataclass(frozen=True)
class Place:
    """``webhdfs``: ``http(s)://host:port/webhdfs/v1``; ``authority``: a file, one of whose certificates has signed that of https."""

    webhdfs: str
    authority: str | None = None


def call(place: Place, path: str, operation: str, method: str = "GET", **parameters: str) -> dict[str, object]:
    """One WebHDFS call as the OS user of this process; RuntimeError with HDFS's own sentence when it refuses."""
    query = "&".join(f"{name}={value}" for name, value in {"op": operation, "user.name": getpass.getuser(), **parameters}.items())
    request = urllib.request.Request(f"{place.webhdfs}{path}?{query}", method=method)  # noqa: S310 - an address of our own
    trust = ssl.create_default_context(cafile=place.authority) if place.authority else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:  # noqa: S310
            body = answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(_reason(error.read())) from error
    return dict(json.loads(body)) if body else {}


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["RemoteException"]["message"])
    except (ValueError, KeyError):
        return body[:200].decode(errors="replace")


def make_folders(place: Place, seconds: float) -> None:
    """Make ``FOLDERS``; while HDFS is in safe mode or without DataNodes, wait up to ``seconds``."""
    deadline, told = time.monotonic() + seconds, ""
    while True:
        try:
            for path, permission in FOLDERS:
                call(place, path, "MKDIRS", "PUT", permission=permission)
                call(place, path, "SETPERMISSION", "PUT", permission=permission)  # MKDIRS applies no sticky bit
            return
        except (RuntimeError, OSError) as error:
            if time.monotonic() > deadline:
                raise
            if str(error) != told:
                told = str(error)
                print(f"waiting for HDFS: {told}", flush=True)  # noqa: T201 - the log of the job
            time.sleep(0.2)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhdfs", required=True, help="http://host:port/webhdfs/v1, or https")
    parser.add_argument("--authority", help="file with the certificates of which one has signed that of https")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    make_folders(Place(arguments.webhdfs, arguments.authority), arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
