"""The parsers of what strangers send, each as a target: good inputs, and what is done with a bad one."""

from __future__ import annotations

import base64
import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

import yaml

from bdc.sealing import Recipient, seal_with
from controller.auth import basic
from controller.auth.directory.escaping import DnError, canonical_dn, dn_value, filter_value, parse_dn
from controller.auth.keys import TokenKeys
from controller.auth.sessions import Sessions
from controller.auth.tokens import Tokens
from controller.auth.users import User, Users
from controller.errors import ControllerError
from controller.profiles import render_profile
from controller.spec import load_spec
from pools.compute.errors import ServiceError
from pools.compute.loads import actions
from pools.compute.loads.flight import _read_json
from pools.compute.sealing import unseal
from pools.data.errors import ShardError
from pools.data.flight import _json
from pools.data.intake import Put
from pools.data.question import Asked, Question
from pools.tickets import Signer, TicketError, Verifier, make_private_key
from tests.fuzz import app_parsers, gateway_parsers, wire_parsers
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Outcome, Target
from virtualization.errors import VirtualizationError


class MemoryStore:
    """A stand-in for the controller's store: the file's cost is not what is looked at."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        return self.documents.get(name)

    look = read

    def write(self, name: str, content: Any) -> None:
        self.documents[name] = content

    def update(self, name: str, change: Callable[[Any], Any], *, durable: bool = True) -> Any:
        self.documents[name] = change(self.documents.get(name))
        return self.documents[name]

    def where(self, name: str) -> str:
        return name


def fuzz(inputs: int, seed: int, most_shown: int = 20) -> Outcome:
    """``inputs`` in all, by the targets' shares."""
    chance, outcome, made = random.Random(seed), Outcome(), targets()
    for target in made:
        count = max(1, inputs * target.share // sum(each.share for each in made))
        _fuzz_one(target, count, chance, outcome)
    outcome.crashes, outcome.accepted_wrongly = outcome.crashes[:most_shown], outcome.accepted_wrongly[:most_shown]
    return outcome


def _fuzz_one(target: Target, count: int, chance: random.Random, outcome: Outcome) -> None:
    for good in target.good:
        assert target.run(good) is None, f"{target.name}: a good input is not accepted as such"
    for _ in range(count):
        _judge(target, mutated(target.good, chance), outcome)
    outcome.inputs += count
    outcome.by_target[target.name] = count


def _judge(target: Target, data: bytes, outcome: Outcome) -> None:
    try:
        wrong = target.run(data)
    except target.refusals:
        return
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        outcome.crashes.append(f"{target.name}: {type(error).__name__}: {error} on {data[:300]!r}")
        return
    if wrong is not None:
        outcome.accepted_wrongly.append(f"{target.name}: {wrong} on {data[:300]!r}")


def targets() -> tuple[Target, ...]:
    """All of them."""
    return (
        *_tokens(),
        *_tickets(),
        *wire_parsers.targets(),
        *_flight(),
        *_directory(),
        _sealed(),
        _spec(),
        *app_parsers.targets(),
        *gateway_parsers.targets(),
    )


def _tokens() -> tuple[Target, ...]:
    store = MemoryStore()
    users = Users(store)
    alice = User(name="alice", roles=["user"], password={}, verifier="", stamp="s", created_at=0.0)  # type: ignore[typeddict-item]
    store.write("users.json", {"version": 1, "users": {"alice": alice}, "removed": {}})
    keys = TokenKeys(store)  # type: ignore[arg-type]
    tokens = Tokens("fuzz", keys, users, 12)
    keys._look = lambda: None  # type: ignore[method-assign]  # the store does not change, and is not what is tested
    good = [tokens.begin(alice).access.encode() for _ in range(3)]
    same = {_meaning(each) for each in good}

    def check(data: bytes) -> str | None:
        caller = tokens.check(data.decode("latin-1"))
        return None if _meaning(data) in same else f"let {caller.name} in"

    sessions = Sessions(store)  # type: ignore[arg-type]
    refresh = sessions.begin(alice, 3600).refresh.encode()

    def renew(data: bytes) -> str | None:
        before = store.documents["sessions.json"]
        try:
            sessions.renew(data.decode("latin-1"), lambda name: "s")
        finally:
            store.documents["sessions.json"] = before
        return None if data == refresh else "renewed a login"

    def header(data: bytes) -> str | None:
        found = basic.credentials(data.decode("latin-1"))
        return None if found is None or len(found) == 2 else "not a name and a password"

    return (
        Target("access token", tuple(good), check, (ControllerError,), 200),
        Target("refresh token", (refresh,), renew, (ControllerError,), 40),
        Target("basic header", (b"Basic " + base64.b64encode(b"alice:pass:word"), b"basic YTpi"), header, (), 40),
    )


def _meaning(token: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the signature itself: base64 has several spellings of one value."""
    signed, _, signature = token.rpartition(b".")
    return signed, base64.urlsafe_b64decode(signature + b"=" * (-len(signature) % 4))


def _tickets() -> tuple[Target, ...]:
    signer = Signer(make_private_key())
    verifier = Verifier(signer.public_key)
    table = {"id": "t", "generation": 1, "schema_version": 1, "key": None, "columns": [{"id": 1, "name": "id", "type": "bigint"}]}
    claims = {"db": "d", "load": "l", "mode": "append", "tables": [table], "shard": "s"}
    good = tuple(signer.sign("data-shard", "put", 600, claims).encode() for _ in range(2))
    same = {_meaning(each) for each in good}

    def verify(data: bytes) -> str | None:
        verifier.verify(data.decode("latin-1"), "data-shard", {"put"})
        return None if _meaning(data) in same else "a ticket that nobody signed"

    return (Target("ticket", good, verify, (TicketError,), 150),)


def _flight() -> tuple[Target, ...]:
    begin = json.dumps({"table": 'sales."T 1"', "mode": "append", "load_id": "x", "client": "y", "seconds": 60, "join": True}).encode()

    def begun(data: bytes) -> str | None:
        actions.begin_request(_read_json(data))
        return None

    commit = json.dumps({"load": "l", "winners": [[0, 1, {"0": 5, "1": 7}], [1, 0, {}]]}).encode()

    def committed(data: bytes) -> str | None:
        found = actions.read_winners(_read_json(data).get("winners", []))
        return None if all(isinstance(partition, int) for partition, _, _ in found) else "a winner that is none"

    table = {"id": "t", "generation": 1, "schema_version": 1, "key": None, "columns": [{"id": 1, "name": "id", "type": "bigint"}]}
    claims = {"db": "d", "load": "l", "mode": "append", "tables": [table]}
    command = json.dumps({"ticket": "x", "partition": 0, "attempt": 0, "savepoint": 1, "bytes": 100}).encode()

    def put(data: bytes) -> str | None:
        found = Put.of(claims, _json(data))
        return None if found.load == "l" else "another load than the ticket's"

    question = Question(claims | {"snapshot": 1, "pending": [], "sql": ["SELECT ", " FROM t"]})

    def asked(data: bytes) -> str | None:
        text = question.text(Asked.of(data.decode("latin-1")).values)
        return None if re.fullmatch(r"SELECT \(?-?[0-9]+\)? FROM t", text) else f"the statement became {text!r}"

    return (
        Target("flight begin", (begin, b'{"table": "t"}'), begun, (ServiceError,), 60),
        Target("flight commit", (commit,), committed, (ServiceError,), 40),
        Target("shard put", (command,), put, (ShardError,), 40),
        Target("shard ticket", (b"signed 42 7", b"signed 42"), asked, (ShardError,), 40),
    )


def _directory() -> tuple[Target, ...]:
    def filtered(data: bytes) -> str | None:
        text = data.decode("utf-8", "replace")
        escaped = filter_value(text)
        plain = re.sub(r"\\([0-9a-f]{2})", "", escaped)
        if any(sign in plain for sign in "\\*()\0"):
            return f"the filter says {escaped!r}"
        octets = re.sub(rb"\\([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), escaped.encode())
        return None if octets == text.encode() else f"the value became {octets!r}"

    def named(data: bytes) -> str | None:
        text = data.decode("utf-8", "replace")
        found = parse_dn(f"uid={dn_value(text)},ou=people,dc=example")
        if [level[0][0] for level in found] != ["uid", "ou", "dc"] or any(len(level) != 1 for level in found):
            return f"the name has other levels: {found!r}"
        return None if found[0][0][1] == text else f"the value became {found[0][0][1]!r}"

    def compared(data: bytes) -> str | None:
        text = data.decode("utf-8", "replace")
        once = canonical_dn(text)
        return None if isinstance(once, str) else "no text"

    people = (b"alice", "Zoë (ops)*\\,#=+".encode(), b" a b ", b"o'brien", b'x"<>;y')
    return (
        Target("ldap filter", people, filtered, (), 60),
        Target("ldap name", people, named, (DnError,), 60),
        Target("ldap names compared", (b"CN=a\\,b+uid=c,OU=x , dc=Y", b"cn=\\41,dc=z"), compared, (DnError,), 40),
    )


def _sealed() -> Target:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    recipient = Recipient(public, "postgresql://db:5432/x", "alice")
    good = seal_with("secret", recipient, ephemeral=bytes(range(32)), nonce=bytes(12)).encode()
    body = _sealed_bytes(good)

    def opened(data: bytes) -> str | None:
        unseal(data.decode("latin-1"), recipient.location, recipient.user, key.private_bytes_raw())
        return None if _sealed_bytes(data) == body else "opened a value that nobody sealed"

    return Target("sealed value", (good,), opened, (VirtualizationError,), 12)


def _sealed_bytes(text: bytes) -> bytes:
    encoded = text.removeprefix(b"sealed:v2:")
    return base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))


def _spec() -> Target:
    small = yaml.safe_dump({"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": "demo"}}).encode()
    some = small + b"spec:\n  ports: {base: 100}\n  pools:\n    data: {shards: 3}\n    master: {databases: [a, b]}\n"

    def loaded(data: bytes) -> str | None:
        spec = load_spec(data.decode("utf-8", "replace"))
        return None if re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", spec.name) else f"a cluster called {spec.name!r}"

    assert load_spec(render_profile("local", "demo"))
    return Target("spec", (small, some), loaded, (ControllerError,), 4)


def fresh_seed() -> int:
    """Another one each time; it is printed, so that a find can be made again."""
    return time.time_ns() % 2**32
