"""``python -m controller.supervisor --cluster-folder F [--no-watcher]``: see docs/architecture.md. SIGTERM is an ordered shutdown."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path

from controller.supervisor import logs
from controller.supervisor.children import Children, become_subreaper
from controller.supervisor.folder import CLUSTER_MARKER, ClusterFolder
from controller.supervisor.host import PATH
from controller.supervisor.processes import stat
from controller.supervisor.server import serve
from controller.supervisor.supervisor import Supervisor
from controller.supervisor.watcher import fork_watcher

EXIT_LOCKED = 3
WATCHER_SECONDS = 0.5
logger = logging.getLogger("supervisor")


def main() -> int:
    """Exit codes: 0 after an ordered shutdown, 3 when another supervisor has the folder."""
    parser = argparse.ArgumentParser(prog="python -m controller.supervisor")
    parser.add_argument("--cluster-folder", type=Path, required=True)
    parser.add_argument("--no-watcher", action="store_true", help="under systemd, which starts it again by itself")
    arguments = parser.parse_args()
    folder = ClusterFolder(arguments.cluster_folder.resolve())
    os.umask(0o077)
    folder.supervisor.mkdir(mode=0o711, exist_ok=True)
    holder = _lock(folder)
    if holder is not None:
        sys.stderr.write(f"the cluster folder {folder.path} already has a supervisor, pid {holder}\n")
        return EXIT_LOCKED
    logs.configure(folder.log)
    environment = _environment(folder)
    if dict(os.environ) != environment:  # the marker must be in /proc/self/environ, and secrets of who started us must not
        os.execve(sys.executable, _command(folder, arguments.no_watcher), environment)  # noqa: S606 - no shell is the point
    become_subreaper()
    try:
        asyncio.run(_run(folder, arguments.no_watcher))
    except BaseException:
        logger.exception("the supervisor failed")
        raise
    return 0


def _environment(folder: ClusterFolder) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
    return {"PATH": PATH, "LANG": "C.UTF-8", CLUSTER_MARKER: str(folder.path), **kept}


def _command(folder: ClusterFolder, no_watcher: bool) -> list[str]:
    more = ["--no-watcher"] if no_watcher else []
    return [sys.executable, "-m", "controller.supervisor", "--cluster-folder", str(folder.path), *more]


def _lock(folder: ClusterFolder) -> str | None:
    """Take the folder's lock for the life of this process; else the pid of who has it."""
    handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return None


async def _run(folder: ClusterFolder, no_watcher: bool) -> None:
    loop = asyncio.get_running_loop()
    supervisor = Supervisor(folder, Children(loop))
    logger.info("supervisor %d of %s", os.getpid(), folder.path)
    supervisor.resume()
    server = await serve(supervisor, folder.socket)
    # not before all stands: a supervisor that can't start at all must not be started for ever
    watcher = None if no_watcher else fork_watcher(_command(folder, no_watcher))
    tasks = [loop.create_task(supervisor.rotate_forever()), loop.create_task(supervisor.closing.watch())]
    if watcher is not None:
        watching = loop.create_task(_keep_watcher(folder, watcher))
        tasks.append(watching)
    shutting: list[asyncio.Task[object]] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: shutting.append(loop.create_task(supervisor.shutdown())))
    await supervisor.ended.wait()
    await asyncio.sleep(0.02)  # lets the answer to ``shutdown`` out
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, *shutting, return_exceptions=True)
    server.close()
    folder.socket.unlink(missing_ok=True)


async def _keep_watcher(folder: ClusterFolder, pid: int) -> None:
    """One watcher at all times; it goes when we go in order."""
    try:
        while True:
            await asyncio.sleep(WATCHER_SECONDS)
            found = stat(pid)
            if found is None or found.state in "ZX" or found.parent != os.getpid():
                logger.warning("the watcher %d is gone, another one is started", pid)
                pid = fork_watcher(_command(folder, no_watcher=False))
    finally:
        os.kill(pid, signal.SIGKILL)
