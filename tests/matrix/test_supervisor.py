"""The supervisor's socket: every operation × who sends it, by the OS user that the kernel names."""

from __future__ import annotations

import inspect
import json
import os
import re
import socket
import subprocess

import pytest

from controller.supervisor import server
from tests.controller.supervisor.running import Running, running_supervisor
from tests.matrix.cells import cells

OPERATIONS = tuple(sorted(set(re.findall(r'case "(\w+)"', inspect.getsource(server._dispatch)))))
CHANGING = {"shutdown", "amend"}
"""Not sent by who may: they would end what the other cells ask."""
ASK = """
import json, socket, sys
for line in sys.stdin:
    asked = socket.socket(socket.AF_UNIX)
    asked.connect(sys.argv[1])
    asked.sendall(line.encode())
    print(asked.makefile().readline().strip(), flush=True)
"""


def request(operation: str) -> str:
    return json.dumps({"op": operation, "name": "nobody-knows", "workload": {}, "text": ""}) + "\n"


def word(answer: str) -> str:
    error = json.loads(answer).get("error") or {}
    return "forbidden" if error.get("code") == "forbidden" else "in"


def as_root(supervisor: Running, operation: str) -> str:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(supervisor.folder.socket))
        asked.sendall(request(operation).encode())
        return word(asked.makefile().readline())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_operations_by_os_user() -> None:
    with cells("supervisor", least=16) as matrix, running_supervisor(users={"control": "nobody"}) as supervisor:
        supervisor.folder.supervisor.chmod(0o755)
        supervisor.folder.socket.chmod(0o666)  # as if the mode alone did not hold
        for user, declared in (("nobody", "in"), ("daemon", "forbidden"), ("bin", "forbidden"), ("mail", "forbidden")):
            sent = [each for each in OPERATIONS if declared == "forbidden" or each not in CHANGING]
            asked = subprocess.run(
                ["/usr/bin/python3", "-c", ASK, str(supervisor.folder.socket)],
                input="".join(map(request, sent)),
                capture_output=True,
                text=True,
                timeout=120,
                user=user,
                group="nogroup",
                extra_groups=[],
            )
            answers = asked.stdout.splitlines()
            assert len(answers) == len(sent), asked.stderr
            for operation, answer in zip(sent, answers, strict=True):
                whose = "control's user" if user == "nobody" else user
                matrix.add(f"{operation} × {whose}", declared, word(answer))
        for operation in sorted(set(OPERATIONS) - CHANGING):
            matrix.add(f"{operation} × root", "in", as_root(supervisor, operation))
