"""SCRAM-SHA-256 against the example of RFC 7677 and against libpq (in test_session)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.compute.errors import AuthenticationError, ProtocolError, ServiceError
from pools.compute.wire.scram import Channel, Dialogue, Verifier

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


def dialogue(password: str = "pencil", *, real: bool = True) -> Dialogue:
    return Dialogue("user", Verifier.of(password, SALT), real=real, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")


def test_example_of_rfc_7677() -> None:
    login = dialogue()
    assert login.first(FIRST) == SERVER_FIRST
    assert login.final(FINAL) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize("login", [dialogue("pen"), dialogue(real=False)])
def test_wrong_password_and_unknown_user_fail_alike(login: Dialogue) -> None:
    login.first(FIRST)
    with pytest.raises(AuthenticationError, match=r'^password authentication failed for user "user"$'):
        login.final(FINAL)


def test_verifier_text() -> None:
    verifier = Verifier.of("pencil", SALT)
    assert Verifier.parse(str(verifier)) == verifier
    for wrong in ("md5abc", "SCRAM-SHA-256$4096:x$y:z", "", "SCRAM-SHA-256$0:AA==$AA==:AA=="):
        assert Verifier.parse(wrong) is None


def test_pretended_salt_stays_the_same() -> None:
    first, second = Verifier.pretended("nobody", b"key"), Verifier.pretended("nobody", b"key")
    assert first.salt == second.salt != Verifier.pretended("somebody", b"key").salt


@pytest.mark.parametrize("message", [b"", b"p=tls-server-end-point,,n=,r=x", b"n,a=admin,n=,r=x", b"\xff", b"n,,n=,r="])
def test_bad_first_messages(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        dialogue().first(message)


def bound(flag: bytes, channel: Channel) -> bytes:
    login = Dialogue("user", Verifier.of("pencil", SALT), real=True, nonce="x", channel=channel)
    return login.first(flag + b",,n=user,r=rOprNGfwEbeRWgbNEkqO")


def test_binding_is_what_was_chosen_and_its_removal_is_noticed() -> None:
    assert bound(b"p=tls-server-end-point", Channel(b"end point", bound=True))
    assert bound(b"n", Channel(b"end point"))
    assert bound(b"y", Channel())
    for flag, channel in (
        (b"y", Channel(b"end point")),  # somebody took the offer away
        (b"n", Channel(b"end point", bound=True)),
        (b"p=tls-unique", Channel(b"end point", bound=True)),
        (b"p=tls-server-end-point", Channel(b"end point")),
    ):
        with pytest.raises(ProtocolError, match="bind"):
            bound(flag, channel)


def test_a_login_relayed_over_another_certificate_fails() -> None:
    login = Dialogue("user", Verifier.of("pencil", SALT), real=True, nonce="x", channel=Channel(b"ours", bound=True))
    login.first(b"p=tls-server-end-point,,n=user,r=r")
    seen = base64.b64encode(b"p=tls-server-end-point,," + b"theirs").decode()
    with pytest.raises(ProtocolError, match="does not fit"):
        login.final(f"c={seen},r=rx,p={base64.b64encode(bytes(32)).decode()}".encode())


@given(st.binary(max_size=120))
def test_garbage_never_logs_in(data: bytes) -> None:
    login = dialogue()
    login.first(FIRST)
    with pytest.raises(ServiceError):
        login.final(data)
