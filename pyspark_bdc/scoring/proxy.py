"""Batches over HTTP to the app proxy, with the token of the user who scores. One connection for a task."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.parse
from typing import Any

import pyarrow as pa

from pyspark_bdc.errors import ScoreError
from pyspark_bdc.scoring.columns import as_json, from_json
from pyspark_bdc.scoring.task import Task

BATCH_ROWS = 1000
"""Of one request; how many of them it answers, the proxy says."""
BATCH_BYTES = 4 * 2**20
AFTER_SECONDS = 15.0
"""What a batch may take beside one call's own limit."""
AGAIN_SECONDS = 60.0
"""For so long a proxy that is away, starts anew or has too many calls is asked again."""
MAX_ANSWER = 400 * 2**20
ENDED = "call bdc.spark.score again for a new token; rows of this app are called while it lasts (security.login.accessMinutes)"
_ROW = re.compile(r"^row \d+: ")


class Proxy:
    """As one task asks it."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._connection: http.client.HTTPConnection | None = None

    def score(self, batch: pa.RecordBatch) -> list[Any]:
        """The outputs as Arrow arrays, in the order of the spec. ScoreError: what the proxy or the app says."""
        gathered: dict[str, list[Any]] = {name: [] for name in self._task.outputs}
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)))
        done = 0
        while done < batch.num_rows:
            answer = self._answer(json.dumps({"inputs": as_json(batch.slice(done, rows))}, separators=(",", ":")).encode())
            for name, values in gathered.items():
                values += answer["outputs"][name]
            done += int(answer["rows"])
        return [from_json(kind, gathered[name]) for name, kind in self._task.outputs.items()]

    def _answer(self, body: bytes) -> dict[str, Any]:
        until, pause = time.monotonic() + AGAIN_SECONDS, 0.1
        while True:
            try:
                status, content = self._asked(body)
                failed = self._failure(status, content) if status != 200 else None
            except (OSError, http.client.HTTPException) as error:
                self.close()
                why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
                status, failed = 503, ScoreError(f"the app proxy at {self._task.url} does not answer: {why}", "bdc status")
                if isinstance(error, TimeoutError):
                    raise failed from None
            if failed is None:
                return dict(json.loads(content))
            if status != 503 or time.monotonic() > until:
                raise failed
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _failure(self, status: int, content: bytes) -> ScoreError:
        try:
            found = json.loads(content)
        except ValueError:
            found = {}
        inner = found.get("error") or {}
        said = _ROW.sub("", str(inner.get("message") or found.get("errorMessage") or f"HTTP {status}"))
        return ScoreError(f"{self._task.label}: {said}", ENDED if status == 401 else inner.get("hint"))

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        headers = {"Authorization": f"Bearer {self._task.token}", "Content-Type": "application/json"}
        self._connection.request("POST", self._task.path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER)

    def _connect(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self._task.url)
        seconds = self._task.timeout + AFTER_SECONDS
        if parts.scheme != "https":
            return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=seconds)
        context = ssl.create_default_context(cadata=self._task.authority or None)
        return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=seconds, context=context)

    def close(self) -> None:
        """The next request connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
