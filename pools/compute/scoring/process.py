"""A model in a process of its own, seen from the pool: started on first use, one batch at a time, started again once if it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.scoring.columns import ARROW
from pools.compute.scoring.frames import read, receive, send, written
from pools.compute.scoring.proxy import App

START_SECONDS = 120.0
GONE_SECONDS = 10.0
MOST_ROWS = 8192
"""Of one batch, which the app's time limit is for."""
BASE_MB = 512
"""For the interpreter, numpy, Arrow and onnxruntime themselves, beside what the app's spec allows."""
MARKS = ("OPENBDC_CLUSTER_FOLDER", "OPENBDC_WORKLOAD")
MODEL = "model.onnx"
FAILED = "38000"


class StartingError(Exception):
    """The model can't be run here; the message says why."""


@dataclass(frozen=True)
class Place:
    """``folder`` holds ``MODEL``; ``threads`` of one batch."""

    folder: pathlib.Path
    threads: int


class ModelProcess:
    """Thread-safe: batches of several queries take turns."""

    def __init__(self, app: App, place: Place) -> None:
        self.app = app
        self._place = place
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._closed = False

    def start(self) -> None:
        """Until the model is loaded; harmless when it is. StartingError."""
        with self._turn:
            self._started()

    def score(self, batch: pa.RecordBatch) -> dict[str, pa.Array[Any]]:
        """The outputs by name. StatementError 38000: what the model says, or that its process ended or took too long."""
        if batch.num_rows <= MOST_ROWS:
            return self._scored(batch)
        parts = [self._scored(batch.slice(at, MOST_ROWS)) for at in range(0, batch.num_rows, MOST_ROWS)]
        return {name: pa.concat_arrays([part[name] for part in parts]) for name in self.app.outputs}

    def _scored(self, batch: pa.RecordBatch) -> dict[str, pa.Array[Any]]:
        content = written(batch)
        with self._turn:
            answer = self._asked(content) or self._asked(content)  # once more where its process had ended
        if answer is None:
            raise StatementError(
                FAILED,
                f"the process of {self.app.label} ended while it computed",
                hint="'resources.memory' in its spec.yaml may be too small.",
            )
        if answer[:1] != b"+":
            raise StatementError(
                FAILED, f"{self.app.label}: {answer[1:].decode(errors='replace')}", hint="bdc app describe shows what it takes."
            )
        found = read(memoryview(answer)[1:])
        return dict(zip(self.app.outputs, found.columns, strict=True))

    def _asked(self, content: bytes) -> bytearray | None:
        """None: the process is gone."""
        answer = None
        try:
            self._started()
        except StartingError as error:
            raise StatementError(FAILED, f"{self.app.label} can't be run in the compute pool: {error}") from None
        assert self._connection is not None
        try:
            send(self._connection, content)
            answer = receive(self._connection)
        except TimeoutError:
            self._end()
            raise StatementError(
                FAILED, f"{self.app.label} took longer than {self.app.timeout:g} s for a batch", hint="A longer 'timeout' in its spec.yaml."
            ) from None
        except OSError:
            answer = None
        if answer is None:
            self._end()
        return answer

    def _started(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        if self._closed:
            raise StartingError("the compute pool stops")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "pools.compute.scoring.helper", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._place.folder,
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "LANG": "C.UTF-8",
                    "MALLOC_ARENA_MAX": "2",
                    "OMP_NUM_THREADS": str(self._place.threads),
                    **{name: os.environ[name] for name in MARKS if name in os.environ},
                },
                pass_fds=(theirs.fileno(),),
            )
        self._connection = ours
        ours.settimeout(START_SECONDS)
        send(ours, json.dumps(self._init()).encode())
        try:
            first = receive(ours)
        except OSError:
            first = None
        if first is None or first[:1] != b"+":
            self._end()
            raise StartingError(first[1:].decode(errors="replace") if first else "its process ended while the model was loaded")
        ours.settimeout(self.app.timeout)

    def _init(self) -> dict[str, Any]:
        return {
            "runtime": self.app.runtime,
            "folder": str(self._place.folder),
            "src": MODEL,
            "inputs": dict(self.app.inputs),
            "outputs": dict(self.app.outputs),
            "memory_mb": self.app.memory_mb + BASE_MB,
            "threads": self._place.threads,
        }

    def _end(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GONE_SECONDS)

    def close(self) -> None:
        """End it, as soon as its batch is over."""
        self._closed = True
        with self._turn:
            self._end()
        shutil.rmtree(self._place.folder, ignore_errors=True)


def empty(app: App) -> dict[str, pa.Array[Any]]:
    """The outputs of no rows."""
    return {name: pa.array([], ARROW[kind]) for name, kind in app.outputs.items()}
