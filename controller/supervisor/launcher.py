"""Starts the workers of apps as OS users other than the app proxy's: ``python -I -S -B launcher.py SOCKET UID:GID…``, run by the supervisor
as root.

It has the capabilities to become another user and to end processes, and no others; it becomes nobody but the users that it was started for,
whatever it is asked. The proxy asks over a socket pair that nobody else has (one message, one JSON object):

    {"id", "op": "start", "user": 2, "command", "environment", "folder", "said"}, with two descriptors: the worker's socket (it gets it as
    descriptor 3) and its output → {"id", "pid"} or {"id", "error"}; later {"exit": pid, "code"}
    {"op": "end", "pid"}: only a worker that it started itself, with its session
    {"id", "op": "clear", "user", "folder"}: what is in it, as that user → {"id", "code"}

Once the proxy is gone, so are all workers: their sessions, and whatever else runs as one of these users. Standard library only, one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

LARGEST = 1 << 17
"""Bytes of one message: less than a socket's buffer."""
WORKER_SOCKET = 3
CAP_KILL, CAP_SETGID, CAP_SETUID = 5, 6, 7
CAPABILITIES = 1 << CAP_KILL | 1 << CAP_SETGID | 1 << CAP_SETUID
CAPABILITY_VERSION_3 = 0x20080522
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
HIGHEST_CAPABILITY = 64
CLEARED_AGAIN = 5
libc = ctypes.CDLL(None, use_errno=True)


class Launcher:
    """``users``: (uid, gid) of each worker's user, counted from 0."""

    def __init__(self, proxy: socket.socket, users: list[tuple[int, int]]) -> None:
        self.proxy = proxy
        self.users = users
        self._workers: dict[int, int] = {}
        """Process → user."""
        self._clearing: dict[int, dict[str, Any]] = {}
        """Process → what was asked."""

    def serve(self) -> None:
        """Until the proxy is gone; then nothing of the workers is left."""
        awake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever ends a whole session means the proxy, which ends us
        self._tell({"users": self.users})
        waiting = select.poll()
        waiting.register(self.proxy, select.POLLIN)
        waiting.register(awake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if awake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(awake, 4096)
                self._reap()
            if self.proxy.fileno() in ready and not self._asked():
                break
        self._end_all()

    def _asked(self) -> bool:
        """One message; False: the proxy is gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.proxy, LARGEST + 1, 4, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return False
        try:
            if not message:
                return False
            asked = json.loads(message)
            match asked["op"]:
                case "start":
                    self._tell({"id": asked["id"], **self._started(asked, descriptors)})
                case "clear":
                    self._clear(asked)
                case "end" if asked["pid"] in self._workers:
                    _kill_group(asked["pid"])
        except (ValueError, KeyError, TypeError) as error:
            _say(f"a request of the app proxy can't be read: {type(error).__name__}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _started(self, asked: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """A machine that has no room for one more process costs one start, not all that run."""
        try:
            return self._start(asked, descriptors)
        except OSError as error:
            return {"error": f"no process can be started: {error.strerror}"}

    def _start(self, asked: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        if len(descriptors) != 2:
            return {"error": "two descriptors are needed"}
        number = int(asked["user"])
        uid, gid = self._user(number)
        command = [str(part) for part in asked["command"]]
        environment = {str(name): str(value) for name, value in asked["environment"].items()}
        folder, (inner, output) = str(asked["folder"]), descriptors
        failed, failing = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become_worker(uid, gid, (inner, output, failing), folder, lambda: os.execve(command[0], command, environment))  # noqa: S606
        os.close(failing)
        with os.fdopen(failed, "rb") as pipe:
            why = pipe.read(200).decode(errors="replace")
        self._workers[pid] = number
        if why:
            return {"error": why}
        _say(f"started {pid} as uid {uid} for {str(asked.get('said'))[:100]}")
        return {"pid": pid}

    def _user(self, number: int) -> tuple[int, int]:
        """ValueError for one that it may not become. None of them is root."""
        if not 0 <= number < len(self.users):
            raise ValueError("no such user")
        return self.users[number]

    def _clear(self, asked: dict[str, Any]) -> None:
        uid, gid = self._user(int(asked["user"]))
        folder = str(asked["folder"])
        pid = os.fork()
        if pid == 0:
            _in_child(uid, gid, lambda: _empty(folder))
        self._clearing[pid] = asked

    def _reap(self) -> None:
        """Who ended. Its session goes before its number is free for others."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            pid = found.si_pid
            if pid in self._workers:
                _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        if (asked := self._clearing.pop(pid, None)) is not None:
            asked["times"] = asked.get("times", 0) + 1
            if code < 0 and asked["times"] < CLEARED_AGAIN:  # another worker of this user ended, and it was swept away with that
                self._clear(asked)
            else:
                self._tell({"id": asked["id"], "code": code})
        user = self._workers.pop(pid, None)
        if user is None:
            return
        if user not in self._workers.values():
            self._sweep(user)
        self._tell({"exit": pid, "code": code})

    def _sweep(self, user: int) -> None:
        """Nothing runs as this user that should: what left its session and its parents is ended too."""
        uid, gid = self.users[user]
        pid = os.fork()
        if pid == 0:
            _in_child(uid, gid, _kill_all_of_mine)
        os.waitpid(pid, 0)  # before another worker is started as this user

    def _end_all(self) -> None:
        for pid in tuple(self._workers):
            _kill_group(pid)
        for user in range(len(self.users)):
            self._sweep(user)

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a proxy that is gone is noticed by reading
            self.proxy.send(json.dumps(message).encode())


def _become_worker(uid: int, gid: int, descriptors: tuple[int, int, int], folder: str, execute: Callable[[], None]) -> NoReturn:
    """In the child: another session, another user, nothing open but its socket and its output; then the worker's program."""
    inner, output, failing = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in descriptors)
    try:
        os.setsid()
        _become(uid, gid)
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(inner, WORKER_SOCKET)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        execute()
    except BaseException as error:  # noqa: BLE001 - a fork must not return into the caller's code; the parent tells it
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        os.write(failing, why.encode())
    finally:
        os._exit(127)


def _in_child(uid: int, gid: int, action: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        _become(uid, gid)
        action()
        code = 0
    finally:
        os._exit(code)


def _become(uid: int, gid: int) -> None:
    """For good: the kernel takes all capabilities from who leaves uid 0. PermissionError if it did not."""
    if not uid or not gid:
        raise PermissionError(errno.EPERM, "never root")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o077)
    if os.getresuid() != (uid, uid, uid) or _effective():
        raise PermissionError(errno.EPERM, "it kept rights of root's")


def _effective() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 (small imports)
        return int(next(line for line in file if line.startswith("CapEff:")).split()[1], 16)


def _kill_all_of_mine() -> None:
    """All processes that this user may signal are this user's own: it has no capabilities (``_become`` made sure). None can fork away: the
    kernel lets nobody who has a signal waiting."""
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGKILL)


def _empty(folder: str) -> None:
    """What can't be removed stays; links are not followed."""
    for place, inner, files in os.walk(folder):
        for name in (*inner, *files):
            with contextlib.suppress(OSError):
                path = os.path.join(place, name)  # noqa: PTH118
                os.unlink(path) if name in files or os.path.islink(path) else os.chmod(path, 0o700)  # noqa: PTH101, PTH108, PTH114
    for place, inner, _ in os.walk(folder, topdown=False):
        for name in inner:
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(place, name))  # noqa: PTH106, PTH118


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it is no leader of a session yet


def drop_rights() -> None:
    """Keep what is needed to become a user and to end processes; nobody below gets more by a program that it runs. OSError."""
    for capability in range(HIGHEST_CAPABILITY):
        if not CAPABILITIES >> capability & 1:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # one that this kernel does not know is no error
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    rights = (ctypes.c_uint32 * 6)(CAPABILITIES, CAPABILITIES, 0, 0, 0, 0)  # effective, permitted, inheritable: low words, then high ones
    if libc.capset(header, rights) != 0 or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the launcher can't give up rights")


def _say(sentence: str) -> None:
    """To the log of the workload."""
    with contextlib.suppress(OSError):
        os.write(2, f"launcher: {sentence}\n".encode())


def main(arguments: list[str]) -> int:
    """The program."""
    os.set_inheritable(int(arguments[0]), False)
    users = [(int(uid), int(gid)) for uid, _, gid in (word.partition(":") for word in arguments[1:])]
    if not users or any(not uid or not gid for uid, gid in users):
        return 2
    drop_rights()
    Launcher(socket.socket(fileno=int(arguments[0])), users).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
