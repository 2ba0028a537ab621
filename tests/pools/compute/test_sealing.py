"""What the client seals the pool opens: both are bound by one golden vector."""

from __future__ import annotations

import base64
import json
import pathlib
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bdc import sealing as client
from bdc.sealing import Recipient, seal
from pools.compute import sealing as pool
from pools.compute.sealing import Opener, unseal
from pools.keyring import added, dropped
from virtualization.errors import DefinitionError

VECTOR = pathlib.Path(__file__).parents[2] / "bdc" / "sealing_vector.json"
KEY = bytes(range(32))
PUBLIC = base64.b64encode(X25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()).decode()
LOCATION = "postgresql://crm.example:5432/crm"
TO = Recipient(PUBLIC, LOCATION, "reader")


def test_golden_vector() -> None:
    vector = json.loads(VECTOR.read_text())
    key = base64.b64decode(vector["recipient_private_key"])
    assert unseal(vector["sealed"], vector["location"], vector["user"], key) == vector["secret"]
    assert pool.bound_to(vector["location"], vector["user"]) == base64.b64decode(vector["associated_data"])


def test_round_trip() -> None:
    assert unseal(seal("pässword ' \\ 🔑", TO), LOCATION, "reader", KEY) == "pässword ' \\ 🔑"


@pytest.mark.parametrize(
    "text", ["plain", "sealed:v2:", "sealed:v2:AAAA", "sealed:v2:!!!", "sealed:v1:" + seal("x", TO)[10:], seal("x", TO)[:-4] + "AAAA"]
)
def test_damaged(text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        unseal(text, LOCATION, "reader", KEY)
    assert "AAAA" not in str(caught.value)


def test_another_clusters_key() -> None:
    with pytest.raises(DefinitionError, match="another cluster"):
        unseal(seal("x", TO), LOCATION, "reader", bytes(32))


@pytest.mark.parametrize(
    "location", ["postgresql://crm.example/other", "postgres://CRM.Example:5432/crm?x", "postgresql://u@crm%2eexample:5432"]
)
def test_the_same_server_in_other_words(location: str) -> None:
    assert unseal(seal("x", TO), location, "reader", KEY) == "x"


@pytest.mark.parametrize(
    ("location", "user"),
    [(LOCATION, "other"), (LOCATION, None), (LOCATION, ""), ("postgresql://crm.example:5433/crm", "reader"),
     ("hdfs://crm.example", "reader"), ("postgresql://evil.example:5432/crm", "reader"),
     ("postgresql://crm.example:5432@evil.example/crm", "reader"),
     ("postgresql://crm.example,evil.example:5432/crm", "reader"), ("postgresql://crm.example:99999/crm", "reader"), ("", "reader")],
)  # fmt: skip
def test_it_opens_for_no_other_server_or_user(location: str, user: str | None) -> None:
    with pytest.raises(DefinitionError, match="another cluster, server or user"):
        unseal(seal("x", TO), location, user, KEY)


@pytest.mark.parametrize("location", [LOCATION, "hdfs://[::1]", "mongodb://A:1,b:2/x", "nonsense", "postgresql://[x/y", "x://h%2Fs:5"])
def test_both_sides_bind_to_the_same(location: str) -> None:
    assert client.bound_to(location, "ü") == pool.bound_to(location, "ü")


def test_key_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sealing.key"
    for content in (KEY, base64.b64encode(KEY), base64.urlsafe_b64encode(KEY) + b"\n"):
        path.write_bytes(content)
        assert Opener(path)(seal("x", TO), TO.location, TO.user) == "x"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"sealing\.key holds no key"):
        Opener(path)


def test_a_key_is_replaced_and_what_was_sealed_is_sealed_anew(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sealing.key"
    path.write_bytes(base64.b64encode(KEY))
    opener, old = Opener(path), seal("the password", TO)
    assert opener.resealed(old, TO.location, TO.user) is None
    first, newer = opener.public(), X25519PrivateKey.generate()
    ring = added(path.read_bytes(), newer.private_bytes_raw(), time.time(), 100)
    (tmp_path / "new").write_bytes(ring)
    (tmp_path / "new").replace(path)
    assert opener(old, TO.location, TO.user) == "the password"
    assert opener.public() == base64.b64encode(newer.public_key().public_bytes_raw()).decode() != first
    anew = opener.resealed(old, TO.location, TO.user)
    assert anew is not None and anew != old and opener.resealed(anew, TO.location, TO.user) is None
    by_client = seal("of a client", Recipient(base64.b64encode(newer.public_key().public_bytes_raw()).decode(), TO.location, TO.user))
    assert opener(by_client, TO.location, TO.user) == "of a client"
    (tmp_path / "new").write_bytes(dropped(ring))
    (tmp_path / "new").replace(path)
    assert opener(anew, TO.location, TO.user) == "the password"
    for given in ((old, TO.location, TO.user), (anew, "postgresql://evil.example/crm", TO.user)):
        with pytest.raises(DefinitionError):
            opener(*given)
        with pytest.raises(DefinitionError):
            opener.resealed(*given)


def test_a_location_without_a_server_in_its_place_counts_as_a_whole() -> None:
    """A connection string names its server anywhere; the secret must not open for another one."""
    shop = Recipient(TO.public_key, "odbc:Driver=MariaDB;Server=a;Database=shop", "reader")
    sealed = seal("x", shop)
    assert unseal(sealed, shop.location.upper(), "reader", KEY) == "x"
    with pytest.raises(DefinitionError):
        unseal(sealed, "odbc:Driver=MariaDB;Server=b;Database=shop", "reader", KEY)
