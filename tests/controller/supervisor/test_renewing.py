"""Certificates that are renewed while their workload runs."""

from __future__ import annotations

import pytest

from controller.supervisor.errors import SupervisorError
from tests.controller.supervisor.running import Running

SECRETS = [{"name": "tls-master-0.crt", "file": "tls.crt"}, {"name": "tls-ca.crt", "file": "ca.crt"}]


def test_they_are_kept_and_laid_and_nothing_restarts(supervisor: Running) -> None:
    folder = supervisor.folder
    for name in ("tls-master-0.crt", "tls-ca.crt", "password"):
        (folder.secrets / name).write_text("old")
    supervisor.ensure("master-0", secrets=SECRETS)
    supervisor.ensure("other", secrets=[{"name": "password", "file": "pw"}])
    pid = supervisor.until_state("master-0", "ready", "starting")["pid"]
    supervisor.until(lambda: (folder.workload("master-0") / "secrets/tls.crt").exists(), "its files are laid")
    assert supervisor.client.call("renew", values={"tls-master-0.crt": "new", "tls-unused.key": "k"}) == {"laid": ["master-0"]}
    assert (folder.workload("master-0") / "secrets/tls.crt").read_text() == "new"
    assert (folder.workload("master-0") / "secrets/tls.crt").stat().st_mode & 0o777 == 0o400
    assert (folder.secrets / "tls-unused.key").stat().st_mode & 0o777 == 0o600
    assert supervisor.one("master-0")["pid"] == pid
    assert supervisor.one("master-0")["restarts"] == 0


@pytest.mark.parametrize("name", ["password", "tls-../../x.crt", "tls-a.pem", "/etc/passwd", "tls-.crt", "tls-x.crt\n"])
def test_nothing_else_can_be_replaced(supervisor: Running, name: str) -> None:
    (supervisor.folder.secrets / "password").write_text("old")
    with pytest.raises(SupervisorError, match="is no certificate of the cluster"):
        supervisor.client.call("renew", values={name: "new"})
    assert (supervisor.folder.secrets / "password").read_text() == "old"
