"""What the client seals the pool opens: both are bound by one golden vector."""

from __future__ import annotations

import base64
import json
import pathlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bdc.sealing import seal
from pools.compute.sealing import read_key, unseal
from virtualization.errors import DefinitionError

VECTOR = pathlib.Path(__file__).parents[2] / "bdc" / "sealing_vector.json"
KEY = bytes(range(32))
PUBLIC = base64.b64encode(X25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()).decode()


def test_golden_vector() -> None:
    vector = json.loads(VECTOR.read_text())
    assert unseal(vector["sealed"], base64.b64decode(vector["recipient_private_key"])) == vector["secret"]


def test_round_trip() -> None:
    assert unseal(seal("pässword ' \\ 🔑", PUBLIC), KEY) == "pässword ' \\ 🔑"


@pytest.mark.parametrize("text", ["plain", "sealed:v1:", "sealed:v1:AAAA", "sealed:v1:!!!", seal("x", PUBLIC)[:-4] + "AAAA"])
def test_damaged(text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        unseal(text, KEY)
    assert "AAAA" not in str(caught.value)


def test_another_clusters_key() -> None:
    with pytest.raises(DefinitionError, match="another cluster"):
        unseal(seal("x", PUBLIC), bytes(32))


def test_key_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sealing.key"
    for content in (KEY, base64.b64encode(KEY), base64.urlsafe_b64encode(KEY) + b"\n"):
        path.write_bytes(content)
        assert read_key(path) == KEY
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="holds no X25519 key"):
        read_key(path)
