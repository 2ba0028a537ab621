"""A substrate for tests: fills in placeholders, lays files, runs ``prepare``, starts the process, waits for the probe. Runs PostgreSQL
as an unprivileged user when the tests are root."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pools.workload import Workload
from tests.patience import PATIENCE
from tests.services.postgresql import bin_folder, unprivileged


@dataclass
class Running:
    """A started workload."""

    workload: Workload
    folder: pathlib.Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def probe(self) -> int:
        assert self.workload.ready is not None
        command = [render(part, self.workload, self.folder) for part in self.workload.ready.command]
        return subprocess.run(command, capture_output=True, check=False, **unprivileged()).returncode

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(getattr(signal, f"SIG{self.workload.stop_signal}"))
            try:
                self.process.wait(self.workload.stop_seconds)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)  # PostgreSQL ends at once, its backends too
                self.process.wait(PATIENCE)
                raise


def render(text: str, workload: Workload, folder: pathlib.Path) -> str:
    values = {name: str(folder / name) for name in ("data", "config", "run", "secrets", "logs")}
    values |= {"python": sys.executable, "host:master-0": "127.0.0.1"}
    values |= {f"program:{name}": str(bin_folder() / name) for name in ("postgres", "initdb", "pg_isready")}
    values |= {f"port:{port.name}": str(port.number) for port in workload.ports}
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def lay(workload: Workload, folder: pathlib.Path, secrets: Mapping[str, str]) -> None:
    """Folders, files and secrets, owned by the user that will run it."""
    for name in ("data", "config", "run", "secrets", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for file in workload.files:
        path = folder / "config" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(file.content, workload, folder))
    for secret in workload.secrets:
        path = folder / "secrets" / secret.file
        path.unlink(missing_ok=True)
        path.write_text(secrets[secret.name])
        path.chmod(0o400)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            if "pgdata" not in path.parts:
                shutil.chown(path, "nobody", "nogroup")
    (folder / "run").chmod(0o700)


def prepare(workload: Workload, folder: pathlib.Path) -> None:
    for step in workload.prepare:
        if pathlib.Path(render(step.creates, workload, folder)).exists():
            continue
        if step.removes is not None:
            shutil.rmtree(render(step.removes, workload, folder), ignore_errors=True)
        command = [render(part, workload, folder) for part in step.command]
        done = subprocess.run(command, capture_output=True, check=False, cwd=folder, timeout=step.seconds, **unprivileged())
        assert done.returncode == 0, done.stderr.decode()


def start(workload: Workload, folder: pathlib.Path, secrets: Mapping[str, str]) -> Running:
    lay(workload, folder, secrets)
    prepare(workload, folder)
    environment = {name: render(value, workload, folder) for name, value in workload.environment.items()}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [render(part, workload, folder) for part in workload.command],
            stdout=log, stderr=log, cwd=folder, env={**os.environ, **environment}, **unprivileged(),
        )  # fmt: skip
    running = Running(workload, folder, process)
    deadline = time.monotonic() + workload.ready_seconds
    while running.probe() != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            running.stop()
            raise AssertionError(running.log[-3000:])
        time.sleep(0.02)
    return running


@contextmanager
def started(workload: Workload, folder: pathlib.Path, secrets: Mapping[str, str]) -> Iterator[Running]:
    running = start(workload, folder, secrets)
    try:
        yield running
    finally:
        running.stop()


def run_job(workload: Workload, folder: pathlib.Path, secrets: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The job to its end, as the user of the tests (the control pool's)."""
    lay(workload, folder, secrets)
    command = [render(part, workload, folder) for part in workload.command]
    return subprocess.run(command, capture_output=True, check=False, text=True, env={**os.environ, **workload.environment}, timeout=60)
