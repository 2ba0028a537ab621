"""A launcher beside a service whose workers are OS users of their own: started before it, ended with it.

The service gets one end of a socket pair, the launcher (``launcher.py``) the other; there is no other way to speak to it. Its environment
is made here: nothing that the control user may set reaches a process of root's.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.supervisor.children import Launch
from controller.supervisor.folder import CLUSTER_MARKER, WORKLOAD_MARKER
from controller.supervisor.host import PATH, Host
from controller.supervisor.logs import open_log
from controller.supervisor.rendered import Rendered

PROGRAM = Path(__file__).with_name("launcher.py")
VARIABLE = "OPENBDC_LAUNCHER"
"""Tells the service which descriptor its end is."""


@contextmanager
def launcher(host: Host, workload: Rendered) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Variables and descriptors for the service, for as long as it is being started; nothing for one that has no workers of its own users.
    OSError, SupervisorError."""
    users = host.workers(workload.pool) if workload.kind == "service" else ()
    if not users:
        yield {}, ()
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        log = open_log(host.folder.workload_log(workload.name), host.identity(workload.pool))
        try:
            who = [f"{user.uid}:{user.gid}" for user in users]
            command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(theirs.fileno()), *who]
            marks = {CLUSTER_MARKER: str(host.folder.path), WORKLOAD_MARKER: workload.name}
            environment = {"PATH": PATH, "LANG": "C.UTF-8", **marks}
            host.children.start(Launch(command, environment, Path("/"), log, None, (theirs.fileno(),)))
        finally:
            os.close(log)
        yield {VARIABLE: str(ours.fileno())}, (ours.fileno(),)
