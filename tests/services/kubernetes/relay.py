"""Hands connections from one network namespace into another: a test's process reaches the API server and Services, a pod reaches a
server of the test. Run as a program: ``relay.py LISTEN_NAMESPACE LISTEN_IP LISTEN_PORT CONNECT_NAMESPACE HOST PORT``, namespaces as
files below /proc. It prints the port that it listens on (useful for port 0) and runs until it is told to end.

A socket stays in the namespace it was made in. So the program enters one, listens, and enters the other for good.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000
OWN = "/proc/self/ns/net"
BLOCK_BYTES = 1 << 18


def of(pid: int) -> str:
    """The network namespace of a process."""
    return f"/proc/{pid}/ns/net"


def enter(namespace: str) -> None:
    """This thread's network becomes that one."""
    with Path(namespace).open("rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't enter {namespace}: {os.strerror(ctypes.get_errno())}")


@dataclass(frozen=True)
class Relay:
    """A running one. ``port`` is what it listens on."""

    process: subprocess.Popen[str]
    port: int

    def end(self) -> None:
        """Stop it; connections under way are cut."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def start(listen: tuple[str, str, int], connect: tuple[str, str, int]) -> Relay:
    """Start one: each side is namespace, host and port. It ends with this process. RuntimeError where it can't listen."""
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(Path(__file__)), *map(str, (*listen, *connect))]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.isdigit():
        process.wait()
        process.stdout.close()
        raise RuntimeError(f"no relay from {listen} to {connect}: {line or 'it ended at once'}")
    return Relay(process, int(line))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, to its end, also one that is cut."""
    with suppress(OSError):
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Until the process ends."""
    under_way = set()  # asyncio itself holds tasks weakly

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        under_way.add(task)
        try:
            await joined(reader, writer)
        finally:
            under_way.discard(task)

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port, limit=BLOCK_BYTES)
        except OSError:
            writer.transport.abort()  # the caller sees a reset: nobody listens there
            return
        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()

    server = await asyncio.start_server(connected, sock=listener, limit=BLOCK_BYTES)
    await server.serve_forever()


def main() -> None:
    """The program."""
    listen_namespace, listen_ip, listen_port, connect_namespace, host, port = sys.argv[1:]
    home = Path(OWN).open("rb")  # noqa: SIM115 - held for the life of the program
    try:
        if listen_namespace != OWN:
            enter(listen_namespace)
        listener = socket.create_server((listen_ip, int(listen_port)), backlog=128)
        enter(f"/proc/self/fd/{home.fileno()}" if connect_namespace == OWN else connect_namespace)
    except OSError as error:
        print(error, flush=True)
        sys.exit(1)
    print(listener.getsockname()[1], flush=True)
    asyncio.run(serve(listener, host, int(port)))


if __name__ == "__main__":
    main()
