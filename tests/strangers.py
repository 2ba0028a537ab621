"""What another OS user of this machine gets who tries a port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from controller.supervisor import packet_filter


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "only root makes pools OS users of their own, and becomes others to try"
    try:
        packet_filter.tables()
    except OSError as error:
        return f"the kernel sets no packet filters here: {error}"
    return None


WHY_NOT = _why_not()
only_root = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
REFUSED, OPEN = "ConnectionRefusedError", "open"
TRY = """
import json, socket, sys
found = {}
for family, protocol, host in ((socket.AF_INET, 0, "127.0.0.1"), (socket.AF_INET6, 0, "::ffff:127.0.0.1"), (socket.AF_INET, 262, "127.0.0.1")):
    for port in sys.argv[1:]:
        try:
            with socket.socket(family, socket.SOCK_STREAM, protocol) as tried:
                tried.settimeout(60)
                tried.connect((host, int(port)))
                said = "open"
        except OSError as error:
            said = type(error).__name__
            if error.errno in (92, 93, 94, 97):  # no MPTCP or no IPv6 in this kernel: nobody gets in by it
                continue
        found.setdefault(port, set()).add(said)
print(json.dumps({port: ", ".join(sorted(said)) for port, said in found.items()}))
"""  # noqa: E501


def tried(user: str | int, ports: Iterable[int]) -> dict[int, str]:
    """Port → ``OPEN``, ``REFUSED`` or another error's name: by IPv4, by IPv6's way of writing it, and by MPTCP, which must agree."""
    answer = as_user(user, TRY, *map(str, ports))
    return {int(port): said for port, said in json.loads(answer.stdout).items()}


def as_user(user: str | int, source: str, *arguments: str, isolated: bool = True) -> subprocess.CompletedProcess[str]:
    """A Python program of that user, with no group but ``nogroup``. AssertionError when it fails."""
    options = ["-I", "-S"] if isolated else ["-B"]
    done = subprocess.run(
        [sys.executable, *options, "-c", source, *arguments],
        user=user, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/tmp"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done
