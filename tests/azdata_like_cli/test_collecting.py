"""`bdc debug copy-logs`: what is in the file, and that nothing secret is."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from azdata_like_cli.collecting import COVER, covered, write_archive
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController

PLANTED = "pl4nted-S3cret"
LINES = [
    f"ERROR: ALTER ROLE ann PASSWORD '{PLANTED}' VALID UNTIL 'infinity'",
    f"ERROR: CREATE USER MAPPING OPTIONS (user 'x', password '{PLANTED}')",
    f'{{"password": "{PLANTED}", "user": "ann"}}',
    f"could not connect: postgresql://ann:{PLANTED}@crm.example:5432/crm",
    f"mongodb+srv://ann:{PLANTED}@host/db?tls=true",
    f"Pwd={PLANTED};Server=x",
    f"Authorization: Bearer {PLANTED}{PLANTED}",
    f"token={PLANTED} next",
    f"rolpassword SCRAM-SHA-256$4096:{PLANTED}$x:y",
    f"credential sealed:v2:{PLANTED}",
    f"password => E'it''s {PLANTED}'",
    f"jwt eyJhbGciOiJFZERTQSJ9{PLANTED}.eyJzdWIiOiJhbm4ifQ.{PLANTED}",
]


@pytest.mark.parametrize("line", LINES)
def test_what_looks_like_a_secret_is_covered(line: str) -> None:
    assert PLANTED not in covered(line) and COVER in covered(line)


@pytest.mark.parametrize(
    "line",
    [
        "LOG:  database system is ready to accept connections",
        'ERROR: relation "tokens" does not exist at character 15',
        "GET http://127.0.0.1:30080/api/v1/bdc 200 12 ms",
        "2026-11-22 08:00:00 UTC [17] STATEMENT:  SELECT count(*) FROM sales.items",
    ],
)
def test_what_is_none_stays_readable(line: str) -> None:
    assert covered(line) == line


def test_an_archive_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "logs.tar.gz"
    assert write_archive(path, iter([("a/b.log", f"password={PLANTED}\nfine\n")]), True) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        content = archive.extractfile("a/b.log")
        assert content is not None and content.read() == f"password={COVER}\nfine\n".encode()


def test_the_command_writes_one_file_without_the_planted_secret(bdc: Run, logged_in: StandinController, tmp_path: Path) -> None:
    logged_in.log = ["first", *LINES]
    outcome = bdc("debug", "copy-logs", "-d", str(tmp_path / "out"), "-o", "json")
    assert outcome.code == 0, outcome.err
    with tarfile.open(outcome.json["file"]) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames()]
        texts = b"".join(file.read() for name in archive.getnames() if (file := archive.extractfile(name)) is not None)
    assert {"status.json", "cluster.json", "plan.json", "doctor.json", "machine.json", "logs/master-0.log"} <= set(names)
    assert PLANTED.encode() not in texts and PASSWORD.encode() not in texts and b"first" in texts


def test_an_unknown_workload_is_told(bdc: Run, logged_in: StandinController, tmp_path: Path) -> None:
    outcome = bdc("debug", "copy-logs", "-d", str(tmp_path), "--workload", "nobody-0")
    assert outcome.code != 0 and not list(tmp_path.glob("bdc-logs-*"))
