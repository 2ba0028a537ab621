"""The sealing format, bound by the golden vector to the compute pool's opener."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bdc.errors import UserError
from bdc.sealing import PREFIX, Recipient, bound_to, seal, seal_with

VECTOR = json.loads(Path(__file__).with_name("sealing_vector.json").read_text(encoding="utf-8"))

TO = Recipient(VECTOR["recipient_public_key"], VECTOR["location"], VECTOR["user"])


def test_golden_vector() -> None:
    ephemeral, nonce = (base64.b64decode(VECTOR[name]) for name in ("ephemeral_private_key", "nonce"))
    assert seal_with(VECTOR["secret"], TO, ephemeral=ephemeral, nonce=nonce) == VECTOR["sealed"]
    assert bound_to(VECTOR["location"], VECTOR["user"]) == base64.b64decode(VECTOR["associated_data"])


def test_each_seal_is_different_and_hides_the_secret() -> None:
    one, two = seal("secret", TO), seal("secret", TO)
    assert one != two
    assert one.startswith(PREFIX)
    assert b"secret" not in base64.urlsafe_b64decode(one.removeprefix(PREFIX) + "==")


@pytest.mark.parametrize("key", ["", "nonsense!", base64.b64encode(b"short").decode()])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(UserError):
        seal("secret", Recipient(key, "postgresql://h/d", "u"))
