"""Asking a process whether it serves. Each answers None (it does) or the sentence why not."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable, Sequence

from controller.supervisor.processes import kill
from controller.supervisor.rendered import RenderedProbe

Run = Callable[[Sequence[str]], tuple[int, "asyncio.Future[int]"]]


async def probe(how: RenderedProbe, run: Run) -> str | None:
    """One attempt within ``how.seconds``. ``run`` starts a command as the workload's user (exec probes)."""
    try:
        async with asyncio.timeout(how.seconds):
            if how.kind == "tcp":
                return await _tcp(how)
            if how.kind == "http":
                return await _http(how)
            return await _exec(how, run)
    except TimeoutError:
        return f"{_what(how)} did not answer within {how.seconds:g} s"


async def _tcp(how: RenderedProbe) -> str | None:
    try:
        _, writer = await _connected(how)
    except OSError as error:
        return f"{_what(how)} does not accept connections ({error.strerror or error})"
    writer.close()
    return None


async def _connected(how: RenderedProbe) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """OSError also where nobody but this very probe answers: a port in the range of outgoing connections on which nothing listens may
    be given to the connection itself, which then is connected to itself."""
    reader, writer = await asyncio.open_connection(how.host, how.port)
    if writer.get_extra_info("sockname") == writer.get_extra_info("peername"):
        writer.transport.abort()
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    return reader, writer


async def _http(how: RenderedProbe) -> str | None:
    try:
        reader, writer = await _connected(how)
    except OSError as error:
        return f"{_what(how)} does not accept connections ({error.strerror or error})"
    try:
        writer.write(f"GET {how.path} HTTP/1.1\r\nHost: {_authority(how)}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        status = (await reader.readline()).split()
    except OSError as error:
        return f"{_what(how)} broke the connection ({error.strerror or error})"
    finally:
        writer.close()
    if len(status) < 2 or not status[1].isdigit():
        return f"{_what(how)} does not speak HTTP"
    return None if status[1].startswith(b"2") else f"{_what(how)} answers {status[1].decode()}"


async def _exec(how: RenderedProbe, run: Run) -> str | None:
    try:
        pid, exited = run(how.command)
    except OSError as error:
        return f"{how.command[0]} can't be run ({error})"
    try:
        code = await asyncio.shield(exited)
    except asyncio.CancelledError:
        kill([pid], signal.SIGKILL)
        raise
    return None if code == 0 else f"{_what(how)} ended with {code}"


def _authority(how: RenderedProbe) -> str:
    return f"[{how.host}]:{how.port}" if ":" in how.host else f"{how.host}:{how.port}"


def _what(how: RenderedProbe) -> str:
    if how.kind == "exec":
        return f"the probe {how.command[0].rsplit('/', 1)[-1]}"
    return f"port {how.port}" + (how.path if how.kind == "http" else "")
