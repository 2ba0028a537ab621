"""Namespaces of a test cluster's own: network, mounts and processes. Killing their first process ends everything in them and takes
mounts and interfaces away with it; and it is killed by the kernel when the process that made them ends, however that happens."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

NODE_IP = "10.231.0.2"
"""The node's address; each cluster has a network of its own, so all have the same."""

HOLDER = Path(__file__).with_name("holder.sh")
CGROUPS = Path("/sys/fs/cgroup")
LAY_SECONDS = 30
END_SECONDS = 30


@dataclass(frozen=True)
class Namespaces:
    """``maker`` is ``unshare``, outside; ``holder`` the pid (seen from outside) of the first process inside."""

    maker: subprocess.Popen[bytes]
    holder: int
    cgroup: str

    def start(self, command: Sequence[str | Path], log: Path) -> tuple[subprocess.Popen[bytes], int]:
        """Start ``command`` in all of them, its output appended to ``log``: the process that waits for it, and its own pid."""
        enter = ["nsenter", "-t", str(self.holder), "--net", "--mount", "--pid", "--wd=/", "--"]
        with log.open("ab") as output:
            process = subprocess.Popen([*enter, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        return process, only_child(process)

    def in_network(self, command: Sequence[str | Path]) -> list[str]:
        """``command`` so that it runs in the cluster's network, with this machine's files."""
        return ["nsenter", "-t", str(self.holder), "--net", "--", *map(str, command)]

    def end(self) -> None:
        """Kill all that is in them, and remove the pods' cgroups."""
        kill(self.holder)
        self.maker.wait(END_SECONDS)
        remove_cgroups(self.cgroup)


def make(run: Path) -> Namespaces:
    """Make them; RuntimeError with what went wrong."""
    log = run / "log" / "holder.log"
    tied = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with log.open("wb") as output:
        maker = subprocess.Popen([*tied, "bash", HOLDER, run, NODE_IP], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    deadline = time.monotonic() + LAY_SECONDS
    while not (run / "cgroup").exists():
        if maker.poll() is not None or time.monotonic() > deadline:
            maker.kill()
            raise RuntimeError(f"no namespaces for the test cluster: {log.read_text(errors='replace')[-1000:].strip()}")
        time.sleep(0.02)
    return Namespaces(maker, only_child(maker), (run / "cgroup").read_text().strip())


def only_child(process: subprocess.Popen[bytes]) -> int:
    """The pid of the one process that ``process`` waits for; 0 if it has ended already."""
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            if children := psutil.Process(process.pid).children():
                return children[0].pid
        time.sleep(0.005)
    return 0


def remove_cgroups(name: str) -> None:
    """Of every controller, the deepest first; what the kernel still holds gets some seconds."""
    deadline = time.monotonic() + END_SECONDS
    roots = [folder / name for folder in (CGROUPS, *CGROUPS.glob("*")) if (folder / name).is_dir()]
    while roots and time.monotonic() < deadline:
        for root in roots:
            for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
                with suppress(OSError):  # busy: once more
                    folder.rmdir()
            with suppress(OSError):
                root.rmdir()
        roots = [root for root in roots if root.is_dir()]
        time.sleep(0.02)
    if roots:
        raise RuntimeError(f"can't remove cgroups: {', '.join(map(str, roots))}")


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process inside by its pid outside; one that has ended is no error."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).send_signal(number)


def resume(pid: int) -> None:
    """Let a stopped process go on, and ``nsenter``, which waits for it and has stopped itself with it."""
    with suppress(psutil.NoSuchProcess):
        stopped = psutil.Process(pid)
        for process in (stopped, stopped.parent()):
            if process is not None:
                process.send_signal(signal.SIGCONT)
