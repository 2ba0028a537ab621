"""The job ``hdfs-setup``: waits until HDFS accepts writes and makes the folders that users expect (``/tmp``, ``/user``).

Repeatable; runs as the NameNode's OS user, who is HDFS's superuser.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
import urllib.error
import urllib.request

FOLDERS = (("/tmp", "1777"), ("/user", "1777"))  # noqa: S108 - a folder of HDFS


def call(webhdfs: str, path: str, operation: str, method: str = "GET", **parameters: str) -> dict[str, object]:
    """One WebHDFS call as the OS user of this process; RuntimeError with HDFS's own sentence when it refuses."""
    query = "&".join(f"{name}={value}" for name, value in {"op": operation, "user.name": getpass.getuser(), **parameters}.items())
    request = urllib.request.Request(f"{webhdfs}{path}?{query}", method=method)  # noqa: S310 - an address of our own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            body = answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(_reason(error.read())) from error
    return dict(json.loads(body)) if body else {}


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["RemoteException"]["message"])
    except (ValueError, KeyError):
        return body[:200].decode(errors="replace")


def make_folders(webhdfs: str, seconds: float) -> None:
    """Make ``FOLDERS``; while HDFS is in safe mode or without DataNodes, wait up to ``seconds``."""
    deadline, told = time.monotonic() + seconds, ""
    while True:
        try:
            for path, permission in FOLDERS:
                call(webhdfs, path, "MKDIRS", "PUT", permission=permission)
                call(webhdfs, path, "SETPERMISSION", "PUT", permission=permission)  # MKDIRS applies no sticky bit
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
    parser.add_argument("--webhdfs", required=True, help="http://host:port/webhdfs/v1")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    make_folders(arguments.webhdfs, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
