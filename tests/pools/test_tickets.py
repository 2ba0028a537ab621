"""Tickets: what is accepted, and everything that is not."""

import base64
import pathlib
import time

import jwt
import pytest

from controller.secret_values import ticket_public_keys
from pools.keyring import KeyFile, added, dropped
from pools.tickets import Signer, TicketError, Verifier, make_private_key, public_key_of

KEY = make_private_key()
SIGNER = Signer(KEY)
VERIFIER = Verifier(SIGNER.public_key, clock_seconds=5)


def test_claims_come_back() -> None:
    ticket = SIGNER.sign("data-shard", "put", 60, {"db": "d", "tables": [{"id": 1}], "shard": None})
    claims = VERIFIER.verify(ticket, "data-shard", {"put"})
    assert (claims["db"], claims["tables"], "shard" in claims) == ("d", [{"id": 1}], False)


@pytest.mark.parametrize(
    ("ticket", "why"),
    [
        ("", "damaged"),
        ("a.b.c", "damaged"),
        (Signer(make_private_key()).sign("data-shard", "put", 3600, {}), "not one of this cluster"),
        (SIGNER.sign("data-shard", "put", -60, {}), "expired"),
        (SIGNER.sign("bdc-flight", "put", 3600, {}), "another kind of service"),
        (SIGNER.sign("data-shard", "read", 3600, {}), 'for "read" does not allow "put"'),
        (jwt.encode({"aud": "data-shard", "op": "put", "exp": 1 << 40}, "x" * 64, "HS256"), "not one of this cluster"),
        (jwt.encode({"aud": "data-shard", "op": "put", "exp": 1 << 40}, None, "none"), "not one of this cluster"),
        (jwt.encode({"aud": "data-shard", "op": "put"}, SIGNER._all()[0], "EdDSA"), "not one of this cluster"),
    ],
)
def test_refusals(ticket: str, why: str) -> None:
    with pytest.raises(TicketError, match=why):
        VERIFIER.verify(ticket, "data-shard", {"put"})


def test_clocks_may_be_apart() -> None:
    ticket = SIGNER.sign("data-shard", "put", -60, {})
    assert Verifier(SIGNER.public_key).verify(ticket, "data-shard", {"put"})["op"] == "put"


def test_any_changed_byte_is_noticed() -> None:
    head, body, signature = SIGNER.sign("data-shard", "put", 60, {"db": "one"}).split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "==").replace(b"one", b"two")).decode().rstrip("=")
    with pytest.raises(TicketError):
        VERIFIER.verify(f"{head}.{forged}.{signature}", "data-shard", {"put"})


def test_key_files(tmp_path) -> None:
    raw, text, bad = tmp_path / "raw", tmp_path / "text", tmp_path / "bad"
    raw.write_bytes(KEY)
    text.write_bytes(base64.b64encode(KEY) + b"\n")
    bad.write_bytes(b"nothing")
    assert Signer.read(raw).public_key == Signer.read(text).public_key == public_key_of(KEY)
    with pytest.raises(ValueError, match="bad holds no"):
        Signer.read(bad)


def test_a_known_ticket_expires_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, ticket = Verifier(SIGNER.public_key, clock_seconds=0), SIGNER.sign("data-shard", "put", 60, {"db": "d"})
    assert verifier.verify(ticket, "data-shard", {"put"}) is verifier.verify(ticket, "data-shard", {"put"})
    for audience, op in (("bdc-flight", "put"), ("data-shard", "read")):
        with pytest.raises(TicketError):
            verifier.verify(ticket, audience, {op})
    monkeypatch.setattr("time.time", lambda: float(1 << 40))
    monkeypatch.setattr(verifier, "_decoded", lambda *_: (_ for _ in ()).throw(TicketError("the ticket has expired")))
    with pytest.raises(TicketError, match="expired"):
        verifier.verify(ticket, "data-shard", {"put"})


def replaced(path: pathlib.Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def test_a_key_is_replaced_while_tickets_of_the_old_one_are_out(tmp_path: pathlib.Path) -> None:
    """The shards have the new public key first; tickets of the old key go on until it is dropped, then at once not."""
    private, public = tmp_path / "ticket.key", tmp_path / "ticket.pub"
    private.write_bytes(make_private_key())
    public.write_bytes(ticket_public_keys(private.read_bytes()))
    signer, shard = Signer(KeyFile(private)), Verifier(KeyFile(public))
    old = signer.sign("data-shard", "put", 60, {"sub": "old"})
    assert shard.verify(old, "data-shard", {"put"})["sub"] == "old"
    ring = added(private.read_bytes(), make_private_key(), time.time(), 100)
    replaced(public, ticket_public_keys(ring))
    assert shard.verify(old, "data-shard", {"put"})["sub"] == "old"
    replaced(private, ring)
    assert Signer.read(private).public_key != public_key_of(make_private_key())
    new = Signer.read(private).sign("data-shard", "put", 60, {"sub": "new"})
    # never seen before, and signed with a key that came this moment: the file is looked at
    assert shard.verify(new, "data-shard", {"put"})["sub"] == "new"
    assert shard.verify(old, "data-shard", {"put"})["sub"] == "old"
    assert Verifier(Signer.read(private).public_keys).verify(old, "data-shard", {"put"})["sub"] == "old"
    replaced(public, ticket_public_keys(dropped(ring)))
    fresh = Verifier(KeyFile(public))
    assert fresh.verify(new, "data-shard", {"put"})["sub"] == "new"
    with pytest.raises(TicketError, match="not one of this cluster"):
        fresh.verify(old, "data-shard", {"put"})
    shard._follow(now=True)
    with pytest.raises(TicketError, match="not one of this cluster"):
        shard.verify(old, "data-shard", {"put"})  # it was known, and is so no more
