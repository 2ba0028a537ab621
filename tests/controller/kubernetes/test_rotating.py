"""Keys that are replaced while pods run: nobody uses one before everybody who has to know it was given it."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.errors import ConflictError, StoreError
from controller.kubernetes import rotating
from controller.kubernetes.names import SECRETS
from controller.kubernetes.secrets import ClusterSecrets
from controller.kubernetes.store import SecretStore
from controller.secret_values import SEALING_KEY, TICKET_KEY, TICKET_KEYS, new_value, ticket_public_keys
from pools.keyring import keys
from tests.controller.kubernetes.conftest import Place

WEEK = 7 * 24 * 3600
NOW = 1_000_000.0
USED = NOW + rotating.LAID_SECONDS


def changed(values: dict[str, bytes], changes: rotating.Changes) -> dict[str, bytes]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def made() -> dict[str, bytes]:
    ticket = new_value(TICKET_KEY)
    return {TICKET_KEY: ticket, TICKET_KEYS: ticket_public_keys(ticket), SEALING_KEY: new_value(SEALING_KEY)}


def held(values: dict[str, bytes], name: str, now: float) -> tuple[bytes, ...]:
    return keys(values[name], name, now)


def public(private: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@pytest.mark.parametrize(("kind", "name"), sorted(rotating.KEYS.items()))
def test_a_new_key_is_known_first_and_used_later(kind: str, name: str) -> None:
    before = made()
    (old,) = held(before, name, NOW)
    laid = changed(before, rotating.begun(kind, before, NOW, WEEK))
    first, fresh = held(laid, name, NOW)
    assert (first, fresh != old) == (old, True), "it is known and not used"
    assert rotating.due(laid, USED - 1) == {}
    used = changed(laid, rotating.due(laid, USED))
    assert held(used, name, USED) == (fresh, old)
    assert held(used, name, USED + WEEK + 1) == (fresh,)
    assert set(used) == set(before), "nothing is left behind"
    assert rotating.due(used, USED) == {}


def test_whoever_verifies_tickets_knows_the_same_keys() -> None:
    before = made()
    laid = changed(before, rotating.begun("tickets", before, NOW, WEEK))
    for values in (before, laid, changed(laid, rotating.due(laid, USED))):
        assert held(values, TICKET_KEYS, NOW) == tuple(map(public, held(values, TICKET_KEY, NOW)))


def test_one_after_the_other() -> None:
    before = made()
    laid = changed(before, rotating.begun("tickets", before, NOW, WEEK))
    with pytest.raises(ConflictError, match="being laid already") as failure:
        rotating.begun("tickets", laid, NOW + 40, WEEK)
    assert "200 s" in str(failure.value.hint)
    both = changed(laid, rotating.begun("sealing", laid, NOW, WEEK))
    assert {rotating.NEXT[name] for name in (TICKET_KEY, SEALING_KEY)} <= both.keys()


def test_a_stolen_one_is_worth_nothing_at_once() -> None:
    before = made()
    laid = changed(before, rotating.begun("tickets", before, NOW, WEEK))
    (now,) = held(after := changed(laid, rotating.replaced(laid, NOW)), TICKET_KEY, NOW)
    assert now not in held(laid, TICKET_KEY, NOW)
    assert held(after, TICKET_KEYS, NOW) == (public(now),)
    assert set(after) == set(before)


def test_a_stolen_sealing_key_goes_once_the_next_one_is_in_use() -> None:
    before = made()
    laid = changed(before, rotating.begun("sealing", before, NOW, WEEK))
    with pytest.raises(ConflictError, match="being laid still"):
        rotating.stolen("sealing", laid, NOW)
    used = changed(laid, rotating.due(laid, USED))
    fresh, _ = held(used, SEALING_KEY, USED)
    assert held(changed(used, rotating.stolen("sealing", used, USED)), SEALING_KEY, USED) == (fresh,)


def test_in_the_secret_of_a_cluster(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def secrets() -> ClusterSecrets:
        return ClusterSecrets(place.api, SecretStore(place.api, place.namespace, "demo"), place.namespace, "demo")

    def laid(name: str) -> bytes:
        found = place.api.get(place.path("Secret", SECRETS))
        assert found is not None
        return base64.b64decode(found["data"][name])

    monkeypatch.setattr(rotating, "LAID_SECONDS", 0)
    one, names = secrets(), (TICKET_KEY, TICKET_KEYS, SEALING_KEY)
    one.ensure(names)
    ticket, told = laid(TICKET_KEY), one.public_keys()
    one.rotate("tickets", "add", WEEK)
    one.rotate("sealing", "add", WEEK)
    assert one.public_keys() == told, "others are told once it is used"
    other = secrets()
    other.ensure(names)
    assert laid(TICKET_KEY) != ticket and ticket in laid(TICKET_KEY)
    assert laid(TICKET_KEYS) == ticket_public_keys(laid(TICKET_KEY))
    assert all(now != before for now, before in zip(other.public_keys(), told, strict=True))
    place.api.merge(place.path("Secret", SECRETS), {"data": {TICKET_KEYS: None}})
    other.ensure(names)
    assert laid(TICKET_KEYS) == ticket_public_keys(laid(TICKET_KEY)), "what follows from another key is made again"
    place.api.merge(place.path("Secret", SECRETS), {"data": {SEALING_KEY: None}})
    with pytest.raises(StoreError, match=r"has lost sealing\.key"):
        secrets().ensure(names)
