"""Tokens at who only verifies: every bad one, keys that come, go, and can't be had."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from controller.auth.keys import TokenKey
from controller.auth.tokens import ACCESS_MINUTES
from pools import bearer
from pools.bearer import BadTokenError, Keys, KeysAwayError, Tokens, key_id, verified

ISSUER, AUDIENCES = "openbdc:one", ("app", "gateway")


def key(kid: str) -> TokenKey:
    return TokenKey(kid, 0, Ed25519PrivateKey.generate())


def claims(**more: object) -> dict[str, object]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": ["controller", "gateway"], "sub": "alice", "roles": ["user"], "iat": now, "exp": now + 60, **more}


def signed(by: TokenKey, **more: object) -> str:
    content = {name: value for name, value in claims(**more).items() if value is not None}
    return jwt.encode(content, by.private, algorithm="EdDSA", headers={"kid": by.kid})


def header(token: str) -> bytes:
    return f"Bearer {token}".encode()


class Controller:
    """Publishes ``keys``; ``away``: does not answer. ``asked``: how often."""

    def __init__(self, *keys: TokenKey) -> None:
        self.keys = list(keys)
        self.away = False
        self.asked = 0

    def __call__(self) -> bytes:
        self.asked += 1
        if self.away:
            raise ConnectionRefusedError("nobody listens")
        return json.dumps({"keys": [one.jwk() for one in self.keys]}).encode()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for whoever keeps keys."""
    passed = 1000.0

    def later(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(bearer, "time", type("Clock", (), {"monotonic": staticmethod(lambda: passed), "time": staticmethod(time.time)}))
    return later


def test_a_good_token_says_who_calls() -> None:
    controller = Controller(key("a"))
    caller = asyncio.run(Tokens(Keys(controller), ISSUER, AUDIENCES).caller(header(signed(controller.keys[0]))))
    assert (caller.name, caller.roles, caller.kid) == ("alice", frozenset({"user"}), "a")
    assert caller.until > time.time()


@pytest.mark.parametrize("skew", [-600, 600])
def test_clocks_may_be_ten_minutes_apart(skew: int) -> None:
    """A token of the usual half an hour, made by a controller whose clock is off: who verifies it goes by his own, and it is good."""
    controller, made = Controller(key("a")), int(time.time()) + skew
    token = signed(controller.keys[0], iat=made, exp=made + ACCESS_MINUTES * 60)
    caller = asyncio.run(Tokens(Keys(controller), ISSUER, AUDIENCES).caller(header(token)))
    assert caller.until - time.time() > 60 * 15


def unsigned() -> str:
    return jwt.encode(claims(), "", algorithm="none", headers={"kid": "a"})


def hmac_over_the_public_key(own: TokenKey) -> str:
    """What a verifier takes that believes the token's own ``alg``."""
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "HS256", "kid": "a"}, claims())
    )
    public = own.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mark = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}." + base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


BAD: dict[str, tuple[Callable[[TokenKey], str], str]] = {
    "expired": (lambda own: signed(own, exp=int(time.time()) - 1), "has expired"),
    "audience": (lambda own: signed(own, aud="compute"), "meant for another service"),
    "no audience": (lambda own: signed(own, aud=None), "not valid"),
    "another issuer": (lambda own: signed(own, iss="openbdc:another"), "not valid"),
    "no issuer": (lambda own: signed(own, iss=None), "not valid"),
    "no end": (lambda own: signed(own, exp=None), "not valid"),
    "no subject": (lambda own: signed(own, sub=None), "not valid"),
    "a subject that is none": (lambda own: signed(own, sub=""), "not valid"),
    "a subject to break lines": (lambda own: signed(own, sub="a\nb"), "not valid"),
    "not yet": (lambda own: signed(own, nbf=int(time.time()) + 60), "not valid"),
    "forged": (lambda own: signed(key("a")), "not valid"),
    "a key of nobody": (lambda own: signed(key("b")), "not signed with a key of this cluster"),
    "no key": (lambda own: jwt.encode(claims(), own.private, algorithm="EdDSA"), "not signed with a key of this cluster"),
    "unsigned": (lambda own: unsigned(), "not valid"),
    "another algorithm": (hmac_over_the_public_key, "not valid"),
    "garbage": (lambda own: "a.b.c", "not valid"),
    "nested": (lambda own: base64.urlsafe_b64encode(b"[" * 6000).decode() + ".e30.AA", "not valid"),
    "long": (lambda own: "x" * 8193, "longer than 8192 characters"),
}


@pytest.mark.parametrize("kind", BAD)
def test_every_bad_token_is_refused(kind: str) -> None:
    make, said = BAD[kind]
    controller = Controller(key("a"))
    with pytest.raises(BadTokenError, match=said):
        asyncio.run(Tokens(Keys(controller), ISSUER, AUDIENCES).caller(header(make(controller.keys[0]))))


@pytest.mark.parametrize("given", [None, b"", b"Bearer", b"Bearer  ", b"Basic eDp5", b"\xff\xfe"])
def test_no_bearer_is_none(given: bytes | None) -> None:
    with pytest.raises(BadTokenError, match="no bearer token was sent"):
        asyncio.run(Tokens(Keys(Controller()), ISSUER, AUDIENCES).caller(given))


def test_who_has_no_issuer_believes_nobody() -> None:
    own = key("a")
    with pytest.raises(BadTokenError):
        verified(signed(own), own.private.public_key(), "", AUDIENCES)
    with pytest.raises(BadTokenError):
        verified(signed(own), own.private.public_key(), ISSUER, ())
    assert verified(signed(own), own.private.public_key(), ISSUER, AUDIENCES)["sub"] == "alice"
    assert key_id(signed(own)) == "a"


def test_roles_that_are_none_are_no_roles() -> None:
    controller = Controller(key("a"))
    tokens = Tokens(Keys(controller), ISSUER, AUDIENCES)
    for roles in ("admin", None, {"admin": 1}, [1, ["admin"]]):
        assert asyncio.run(tokens.caller(header(signed(controller.keys[0], roles=roles)))).roles == frozenset()


def test_a_key_that_was_thrown_away_opens_no_longer_also_for_who_is_remembered(clock: Callable[[float], None]) -> None:
    old = key("old")
    controller = Controller(old)
    tokens = Tokens(Keys(controller), ISSUER, AUDIENCES)
    token = header(signed(old))

    async def story() -> None:
        for _ in range(100):
            await tokens.caller(token)
        assert controller.asked == 1
        controller.keys = [key("new")]
        clock(bearer.KEEP_SECONDS - 1)
        await tokens.caller(token)
        clock(2)
        with pytest.raises(BadTokenError, match="not signed with a key of this cluster"):
            await tokens.caller(token)
        await tokens.caller(header(signed(controller.keys[0])))
        assert controller.asked == 2

    asyncio.run(story())


def test_a_new_key_is_asked_for_and_strangers_can_not_make_it_ask_always(clock: Callable[[float], None]) -> None:
    controller = Controller(key("a"))
    tokens = Tokens(Keys(controller), ISSUER, AUDIENCES)

    async def story() -> None:
        await tokens.caller(header(signed(controller.keys[0])))
        controller.keys.append(key("b"))
        clock(bearer.AGAIN_SECONDS + 0.1)
        assert (await tokens.caller(header(signed(controller.keys[1])))).kid == "b"
        for number in range(50):
            with pytest.raises(BadTokenError):
                await tokens.caller(header(signed(key(f"x{number}"))))
        assert controller.asked == 2

    asyncio.run(story())


def test_without_the_controller_known_keys_hold_also_after_a_restart(clock: Callable[[float], None], tmp_path: pathlib.Path) -> None:
    controller, kept, said = Controller(key("a")), tmp_path / "keys.json", list[str]()
    token = header(signed(controller.keys[0]))

    async def story() -> None:
        assert (await Tokens(Keys(controller, kept), ISSUER, AUDIENCES).caller(token)).name == "alice"
        controller.away = True
        again = Tokens(Keys(controller, kept, said.append), ISSUER, AUDIENCES)
        for _ in range(3):
            assert (await again.caller(token)).name == "alice"
            clock(bearer.KEEP_SECONDS + 1)
        assert said[0] == "the controller's keys can't be had, the known ones stay: nobody listens"
        with pytest.raises(KeysAwayError):
            await Tokens(Keys(controller), ISSUER, AUDIENCES).caller(token)

    asyncio.run(story())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b'{"keys": [{"kid": "a", "kty": "OKP", "crv": "Ed25519"}]}']
)
def test_what_is_no_list_of_keys_changes_nothing(content: bytes, clock: Callable[[float], None], tmp_path: pathlib.Path) -> None:
    kept, said, controller = tmp_path / "keys.json", list[str](), Controller(key("a"))
    kept.write_bytes(content)
    answers: list[Callable[[], bytes]] = [controller, lambda: content]
    keys = Keys(lambda: answers[0](), kept, said.append)
    assert said[0].startswith("the keys that were kept can't be read")

    async def story() -> None:
        assert await keys.find("a") is not None
        answers.pop(0)
        clock(bearer.KEEP_SECONDS + 1)
        assert await keys.find("a") is not None

    asyncio.run(story())
    assert said[-1].startswith("the controller's keys can't be had, the known ones stay")
    assert json.loads(kept.read_text())["keys"][0]["kid"] == "a"


def test_keys_of_another_kind_are_passed_over() -> None:
    controller = Controller(key("a"))
    other = {"kid": "r", "kty": "RSA", "n": "AQAB", "e": "AQAB"}
    published = json.dumps({"keys": [other, controller.keys[0].jwk()]}).encode()
    keys = Keys(lambda: published)
    assert asyncio.run(keys.find("r")) is None
    assert asyncio.run(keys.find("a")) is not None


def test_a_controller_that_hangs_holds_up_nobody_whose_key_is_known(clock: Callable[[float], None]) -> None:
    controller = Controller(key("a"))
    hanging, asked = threading.Event(), threading.Event()
    hanging.set()

    def fetch() -> bytes:
        asked.set()
        hanging.wait()
        return controller()

    tokens = Tokens(Keys(fetch), ISSUER, AUDIENCES)
    token = header(signed(controller.keys[0]))

    async def story() -> Any:
        await tokens.caller(token)
        asked.clear()
        hanging.clear()
        clock(bearer.KEEP_SECONDS + 1)
        first = asyncio.create_task(tokens.caller(token))
        try:
            await asyncio.to_thread(asked.wait)
            assert (await tokens.caller(token)).name == "alice"
            assert (await tokens.caller(header(signed(controller.keys[0], sub="bob")))).name == "bob"
            assert not first.done()
        finally:
            hanging.set()
        return await first

    assert asyncio.run(story()).name == "alice"
