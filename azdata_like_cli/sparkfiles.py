"""The files of a Spark job: those of this machine are copied into HDFS, where the job reads them under its submitter's name."""

from __future__ import annotations

import pathlib
import secrets
import time
import urllib.parse
from collections.abc import Sequence

from bdc.errors import NotFoundError, UserError
from bdc.webhdfs import WebHdfs

FOLDER = ".spark-jobs"
KEPT_SECONDS = 3600.0
"""A folder that no job names is left alone for so long: its job may be about to be submitted."""
BLOCK = 1 << 20


class Upload:
    """A folder of its own in HDFS for one job's files, made on first use: ``/user/<user>/.spark-jobs/<time>-<random>``."""

    def __init__(self, files: WebHdfs, user: str) -> None:
        self._files = files
        self._parent = f"/user/{user}/{FOLDER}"
        self._folder = f"{self._parent}/{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self._names: set[str] = set()

    def add(self, path: pathlib.Path) -> str:
        """Copy a file; its URL in HDFS."""
        if path.name in self._names:
            raise UserError(f"two files of the job are named {path.name}", where=str(path), hint="give them different names")
        self._names.add(path.name)
        target = f"{self._folder}/{path.name}"
        self._files.mkdir(self._folder, "700")
        with path.open("rb") as opened:
            self._files.write(target, iter(lambda: opened.read(BLOCK), b""))
        return f"hdfs://{urllib.parse.quote(target)}"

    def sweep(self, jobs: Sequence[dict[str, object]]) -> None:
        """Remove the folders of jobs that the cluster has forgotten."""
        named = {part for job in jobs for part in urllib.parse.unquote(str(job)).replace("'", "/").split("/")}
        try:
            folders = list(self._files.listing(self._parent))
        except NotFoundError:
            return
        for folder in folders:
            name = folder.path.rsplit("/", 1)[1]
            if folder.folder and name not in named and time.time() - folder.modified / 1000 > KEPT_SECONDS:
                self._files.delete(folder.path, recursive=True)


def url(given: str, upload: Upload) -> str:
    """``given`` if it is a URL, else that of its copy in HDFS."""
    if urllib.parse.urlsplit(given).scheme in ("hdfs", "http", "https"):
        return given
    path = pathlib.Path(given)
    if not path.is_file():
        raise UserError(f"there is no file {given}", hint="a path of this machine, or a URL such as hdfs:///user/ann/count.py")
    return upload.add(path)
