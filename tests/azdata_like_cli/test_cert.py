"""``bdc cert``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController

DAY = 86400.0


def certificate(days: float, served: bool | None) -> dict[str, Any]:
    now = time.time()
    return {
        "name": "master-0", "subject": "CN=master-0", "hosts": ["localhost", "bdc.example.com"], "begins": now - DAY,
        "expires": now + days * DAY, "renewed": now + days * DAY * 2 / 3, "fingerprint": "30:DC", "used_by": "SQL", "served": served,
    }  # fmt: skip


def test_a_cluster_without_tls_says_so(bdc: Run, logged_in: StandinController) -> None:
    assert "it speaks no TLS" in bdc("cert", "list").out
    assert bdc("cert", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("days", "served", "said"), [(30.5, True, "served"), (30.5, False, "an older one is still served"), (-1, True, "expired")]
)
def test_list_says_what_is_shown(bdc: Run, logged_in: StandinController, days: float, served: bool, said: str) -> None:
    logged_in.certificates = [certificate(days, served)]
    (row,) = bdc("cert", "list", "-o", "json").json
    assert (row["state"], row["hosts"]) == (said, "localhost bdc.example.com")
    assert (row["left"] == 30) == (days > 0)
    assert bdc("cert", "show", "master-0", "-o", "json").json["fingerprint"] == "30:DC"


def test_rotate(bdc: Run, logged_in: StandinController) -> None:
    assert "a new certificate for master-0" in bdc("cert", "rotate", "master-0").out
    asked = {"names": ["master-0"], "authority": False, "at_once": False}
    assert logged_in.requests[-1] == ("POST", "/api/v1/bdc/certificates/rotate", asked)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rotate", "master-0", "--ca"], "give no names with --ca"),
        (["rotate", "--at-once"], "--at-once goes with --ca"),
        (["show"], "Missing argument"),
        (["show", "mastr-0"], "no certificate of 'mastr-0'"),
        (["show", "--ca"], "no authority is known"),
    ],
)
def test_mistakes(bdc: Run, logged_in: StandinController, words: list[str], said: str) -> None:
    answered = bdc("cert", *words)
    assert answered.code != 0
    assert said in answered.err
