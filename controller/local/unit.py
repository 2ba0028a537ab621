"""The systemd unit of a cluster: ``python -m controller.local unit --name N`` prints it; whoever wants it installs it."""

from __future__ import annotations

import sys

from controller.substrates.local.layout import ClusterHome

TEMPLATE = """\
[Unit]
Description=OpenBDC cluster {name}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={python} -m controller.supervisor --cluster-folder {folder} --no-watcher
WorkingDirectory=/
# only the supervisor is signalled: it stops the pools in order, and one that was killed is followed by one that adopts them
KillMode=process
KillSignal=SIGTERM
TimeoutStopSec=120
Restart=on-failure
RestartSec=1
UMask=0077

[Install]
WantedBy={target}
"""


def render_unit(home: ClusterHome, system: bool) -> str:
    """The unit's text. ``system``: for the system's systemd; else for a user's own (``systemctl --user``)."""
    target = "multi-user.target" if system else "default.target"
    return TEMPLATE.format(name=home.name, python=_quoted(sys.executable), folder=_quoted(str(home.path)), target=target)


def _quoted(path: str) -> str:
    """systemd's quoting: ``%`` starts a specifier, ``$`` a variable."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
