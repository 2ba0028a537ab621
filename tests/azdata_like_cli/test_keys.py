"""``bdc key``."""

from __future__ import annotations

from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController


def test_list_and_rotate(bdc: Run, logged_in: StandinController) -> None:
    assert bdc("key", "list", "-o", "json").json[0]["state"] == "next"
    assert "next" in bdc("key", "rotate", "tokens").out
    assert logged_in.requests[-1] == ("POST", "/api/v1/keys/tokens/rotate", {"compromised": False})


def test_a_theft_ends_all_tokens_and_is_asked_for(bdc: Run, logged_in: StandinController) -> None:
    asked = bdc("key", "rotate", "tokens", "--compromised")
    assert asked.code == 1
    assert ("POST", "/api/v1/keys/tokens/rotate", {"compromised": True}) not in logged_in.requests
    assert bdc("key", "rotate", "tokens", "--compromised", "--yes").code == 0
    assert logged_in.requests[-1] == ("POST", "/api/v1/keys/tokens/rotate", {"compromised": True})
    assert bdc("key", "rotate", "doors").code != 0


def test_keys_of_the_pools(bdc: Run, logged_in: StandinController) -> None:
    assert "it is done" in bdc("key", "rotate", "sealing").out
    assert logged_in.requests[-1] == ("POST", "/api/v1/keys/pools/rotate", {"kind": "sealing", "compromised": False})
    assert bdc("key", "rotate", "tickets", "--compromised").code == 1
    assert bdc("key", "rotate", "tickets", "--compromised", "--yes").code == 0
    assert logged_in.requests[-1] == ("POST", "/api/v1/keys/pools/rotate", {"kind": "tickets", "compromised": True})
