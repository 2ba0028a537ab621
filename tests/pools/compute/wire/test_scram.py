"""SCRAM-SHA-256 against the example of RFC 7677 and against libpq (in test_session)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.compute.errors import AuthenticationError, ProtocolError, ServiceError
from pools.compute.wire.scram import Dialogue, Verifier

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


@given(st.binary(max_size=120))
def test_garbage_never_logs_in(data: bytes) -> None:
    login = dialogue()
    login.first(FIRST)
    with pytest.raises(ServiceError):
        login.final(data)
