"""The master's workloads as data."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pools.master.setup import SetupSettings, cluster_settings
from pools.master.workloads import MasterSettings, workloads
from pools.postgresql import ListenError


def test_names_order_and_secrets() -> None:
    server, job = workloads(MasterSettings(statement_timeout_seconds=1.5))
    assert (server.name, server.kind, server.requires, server.stop_signal) == ("master-0", "service", (), "INT")
    assert (job.name, job.kind, job.requires) == ("master-setup", "job", ("master-0",))
    assert [secret.name for secret in job.secrets] == ["master-superuser", "pool-password"]
    conf = next(file.content for file in server.files if file.path == "postgresql.conf")
    assert "statement_timeout = 1500\n" in conf and "extension_control_path = '{config}:$system'" in conf and "port = 31433\n" in conf
    assert {"extension/bdc.control", "extension/bdc--1.0.sql"} <= {file.path for file in server.files}


def test_the_job_reads_what_the_builder_writes(tmp_path) -> None:
    _, job = workloads(
        MasterSettings(
            pool_hosts=("127.0.0.1", "127.0.0.1"), pool_ports=(1, 2), sealing_key="k", more_databases=("two",), database='wé"ird'
        )
    )
    (tmp_path / "setup.json").write_text(job.files[0].content)
    settings = SetupSettings.read(tmp_path / "setup.json")
    assert settings.databases == ('wé"ird', "two") and json.loads(job.files[0].content)["dsn"].startswith("host={host:master-0} port=31433")
    assert cluster_settings(settings) == {
        "pool_hosts": "127.0.0.1,127.0.0.1",
        "pool_ports": "1,2",
        "flight_addresses": "",
        "pool_authority": "",
        "sealing_key": "k",
    }


def test_outside_without_tls_is_refused() -> None:
    with pytest.raises(ListenError):
        workloads(MasterSettings(addresses=("0.0.0.0",)))


def test_import_is_cheap() -> None:
    code = "import sys, pools.master.workloads; print([m for m in ('psycopg', 'pyarrow', 'sqlglot', 'duckdb') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
