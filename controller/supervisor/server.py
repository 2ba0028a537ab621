"""The socket: one JSON object per line, one answer per line. Only root, the supervisor's own user and the control user are heard."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from pathlib import Path
from typing import Any

from controller.supervisor.children import Identity
from controller.supervisor.errors import SupervisorError
from controller.supervisor.rendered import parse
from controller.supervisor.supervisor import Supervisor

LINE_BYTES = 4_000_000
logger = logging.getLogger("supervisor")


async def serve(supervisor: Supervisor, path: Path) -> asyncio.Server:
    """Listen at ``path``; the old socket file of a dead supervisor is replaced (the lock is held by now)."""
    path.unlink(missing_ok=True)
    control = _control(supervisor)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(lambda r, w: _connection(supervisor, r, w), path, limit=LINE_BYTES)
    finally:
        os.umask(before)
    if control is not None:
        os.chown(path, 0, control.gid)
        path.chmod(0o660)
    return server


async def _connection(supervisor: Supervisor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        if not _may(supervisor, writer):
            await reader.readline()  # so that the client is done sending, and hears why
            await _answer(
                writer, {"error": {"code": "forbidden", "message": "this socket is for root and the cluster's control user", "hint": None}}
            )
            return
        while line := await reader.readline():
            await _answer(writer, await _handle(supervisor, line))
    except (ConnectionError, ValueError) as error:  # the client went away, or sent a line beyond the limit
        logger.info("a client's connection ended: %s", error)
    finally:
        writer.close()


def _may(supervisor: Supervisor, writer: asyncio.StreamWriter) -> bool:
    connection: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    control = _control(supervisor)
    return uid in {0, os.geteuid()} or (control is not None and uid == control.uid)


def _control(supervisor: Supervisor) -> Identity | None:
    return supervisor.host.identity("control") if "control" in supervisor.host.users else None


async def _answer(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
    await writer.drain()


async def _handle(supervisor: Supervisor, line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise TypeError("not an object")
        return await _dispatch(supervisor, request)
    except SupervisorError as error:
        return {"error": error.envelope()}
    except (ValueError, KeyError, TypeError) as error:
        return {"error": {"code": "invalid_request", "message": f"the request can't be read: {error!r}", "hint": None}}


async def _dispatch(supervisor: Supervisor, request: dict[str, Any]) -> dict[str, Any]:
    match request.get("op"):
        case "ping":
            return {"pid": os.getpid(), "folder": str(supervisor.folder.path)}
        case "list":
            return {"workloads": supervisor.describe(), "warnings": supervisor.closing.warnings()}
        case "ensure":
            return await supervisor.ensure(parse(request["workload"]))
        case "stop":
            return await supervisor.stop(str(request["name"]), bool(request.get("forget", False)))
        case "tail":
            return {"lines": supervisor.tail(str(request["name"]), int(request.get("lines", 100)))}
        case "renew":
            return {"laid": await supervisor.renew(dict(request["values"]))}
        case "rotate":
            return await supervisor.rotate(request)
        case "amend":
            return await supervisor.amend(str(request["text"]))
        case "shutdown":
            return await supervisor.shutdown(bool(request.get("immediately", False)))
        case other:
            raise SupervisorError("invalid_request", f"no operation {other!r}")
