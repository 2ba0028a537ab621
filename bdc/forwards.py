"""``kubectl port-forward``: one port of a Service on a free port of loopback.

It ends with whoever opened it, however that ends: its lifeline is a pipe, and when the pipe breaks a shell of one line ends kubectl.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections import deque

from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import BdcError, ServiceError

OPEN_SECONDS = 30.0
STOP_SECONDS = 5.0
LIFELINE = '"$@" & child=$!; exec >&- 2>&-; read -r _; kill "$child" 2>/dev/null; wait "$child" 2>/dev/null'
_LISTENING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


class Forward:
    """One port of a Service on a free port of loopback. The Service's name; ``port``: where it listens here."""

    def __init__(self, place: Place, service: str, remote: int) -> None:
        self._place, self._service = place, service
        self._said: deque[str] = deque(maxlen=5)
        self._answered = threading.Event()
        self.port = 0
        self.ended = False
        words = ("port-forward", "--address=127.0.0.1", "--pod-running-timeout=10s", f"service/{service}", f":{remote}")
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", LIFELINE, "sh", *kubectl.command(place, *words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: whoever is asked to cancel a query still needs the way there
        )
        self._reader = threading.Thread(target=self._listen, name=f"forward {service}", daemon=True)
        self._reader.start()
        try:
            self._opened()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> None:
        if not self._answered.wait(OPEN_SECONDS):
            raise ServiceError(f"no port-forward to {self._service}", where=self._place.namespace, why=f"nothing within {OPEN_SECONDS:g} s")
        if not self.port:
            raise self._failure()

    def _listen(self) -> None:
        """Reads until kubectl ends: it writes a line per connection, and would stand still at a full pipe."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = _LISTENING.match(line)
            if found is None:
                self._said.append(line.strip())
            elif not self.port:
                self.port = int(found[1])
                self._answered.set()
        self._process.stdout.close()
        self.ended = True
        self._answered.set()

    def _failure(self) -> BdcError:
        said = "\n".join(self._said)
        if "pod is not running" in said or "timed out waiting" in said or "no pods" in said.lower():
            hint = f"kubectl get pods --namespace {self._place.namespace}"
            return ServiceError(f"{self._service} is not running", where=self._place.namespace, why=said.splitlines()[-1], hint=hint)
        return kubectl.failure(self._place, said)

    def close(self) -> None:
        """End it."""
        process = self._process
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._reader.join(STOP_SECONDS)
