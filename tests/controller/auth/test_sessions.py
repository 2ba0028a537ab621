"""Refresh tokens: each is good once, a copy ends the session, and so does everything that changes the user."""

from __future__ import annotations

import pathlib

import pytest

from controller.auth.keys import TokenKeys
from controller.auth.sessions import IN_ALL, PER_USER, Sessions
from controller.auth.tokens import Pair, Tokens
from controller.auth.users import User, Users
from controller.errors import RequestError, StoreError, TokenError
from controller.store import FolderStore

pytestmark = pytest.mark.usefixtures("cheap_hashes")

PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: pathlib.Path) -> Users:
    return Users(FolderStore(tmp_path))


@pytest.fixture
def tokens(users: Users) -> Tokens:
    return Tokens("id", TokenKeys(users.store), users, 12)


@pytest.fixture
def alice(users: Users) -> User:
    return users.add("alice", PASSWORD)


def refused(tokens: Tokens, refresh: str) -> bool:
    with pytest.raises(TokenError):
        tokens.renew(refresh)
    return True


def works(tokens: Tokens, pair: Pair) -> bool:
    try:
        return tokens.check(pair.access).name == "alice"
    except TokenError:
        return False


def test_a_chain_of_renewals(tokens: Tokens, alice: User) -> None:
    pair = tokens.begin(alice)
    for _ in range(5):
        before, pair = pair, tokens.renew(pair.refresh)
        assert pair.refresh != before.refresh
        assert works(tokens, before)
        assert works(tokens, pair), "access tokens live on until they expire"
    assert pair.seconds <= 1800 < pair.refresh_seconds <= 12 * 3600


def test_a_refresh_token_that_was_used_before_ends_the_session(tokens: Tokens, alice: User) -> None:
    other, stolen = tokens.begin(alice), tokens.begin(alice)
    robbed = tokens.renew(stolen.refresh)
    assert refused(tokens, stolen.refresh)
    assert refused(tokens, robbed.refresh)
    assert not works(tokens, robbed)
    assert works(tokens, other), "other logins of the user go on"


def test_who_knows_a_sessions_name_can_not_end_it(tokens: Tokens, alice: User) -> None:
    pair = tokens.begin(alice)
    name, generation, mac = pair.refresh.split(".")
    for made_up in (
        f"{name}.{generation}.{'0' * 64}",
        f"{name}.0.{mac}",
        f"{name}.2.{mac}",
        f"{name}.01.{mac}",
        name,
        "",
        "a.b.c",
        "x" * 9000,
    ):
        assert refused(tokens, made_up)
    assert works(tokens, tokens.renew(pair.refresh))


def test_a_log_out_counts_at_once(tokens: Tokens, alice: User) -> None:
    pair, other = tokens.begin(alice), tokens.begin(alice)
    tokens.sessions.end(tokens.check(pair.access).session)
    assert not works(tokens, pair)
    assert refused(tokens, pair.refresh)
    assert works(tokens, other)
    assert tokens.sessions.end_all("alice") == 1
    assert not works(tokens, other)


@pytest.mark.parametrize("change", ["password", "removed", "removed and made again"])
def test_a_user_who_changed_renews_nothing(users: Users, tokens: Tokens, alice: User, change: str) -> None:
    users.add("boss", PASSWORD, ("admin",))
    pair = tokens.begin(alice)
    if change == "password":
        users.set_password("alice", PASSWORD + "!")
    else:
        users.remove("alice")
        if change != "removed":
            users.forget_removed("alice")
            users.add("alice", PASSWORD)
    assert not works(tokens, pair)
    assert refused(tokens, pair.refresh)


def test_roles_of_a_renewed_token_are_todays(users: Users, tokens: Tokens, alice: User) -> None:
    pair = tokens.begin(alice)
    users.grant("alice", "admin")
    assert not tokens.check(pair.access).has("admin"), "a token never gains a role"
    pair = tokens.renew(pair.refresh)
    assert tokens.check(pair.access).has("admin")
    users.add("boss", PASSWORD, ("admin",))
    users.revoke("alice", "admin")
    assert not tokens.check(pair.access).has("admin"), "it loses one at once"


def test_tokens_for_services_that_do_not_exist(tokens: Tokens, alice: User) -> None:
    pair = tokens.begin(alice)
    with pytest.raises(RequestError, match="no service"):
        tokens.renew(pair.refresh, "nobody")
    assert tokens.renew(pair.refresh, "storage").seconds


def test_sessions_end_and_are_forgotten(users: Users, alice: User) -> None:
    now = [1000.0]
    sessions = Sessions(users.store, lambda: now[0])
    login = sessions.begin(alice, 60)
    assert sessions.alive(login.id, "alice")
    assert not sessions.alive(login.id, "bob")
    now[0] = 1061.0
    assert not sessions.alive(login.id, "alice")
    with pytest.raises(TokenError):
        sessions.renew(login.refresh, lambda name: alice["stamp"])
    again = sessions.begin(alice, 60)
    assert list(users.store.read("sessions.json") or {}) == [again.id]


def test_many_logins_push_out_the_users_own_oldest(users: Users, alice: User) -> None:
    sessions = Sessions(users.store)
    bobs = sessions.begin({**alice, "name": "bob"}, 60)
    mine = [sessions.begin(alice, 60) for _ in range(PER_USER + 1)]
    assert [sessions.alive(login.id, "alice") for login in mine] == [False] + [True] * PER_USER
    assert sessions.alive(bobs.id, "bob")
    like = (users.store.read("sessions.json") or {})[bobs.id]
    full = {f"s{number}": {**like, "user": f"u{number}", "began": like["began"] + number} for number in range(IN_ALL)}
    users.store.write("sessions.json", full)
    last = sessions.begin(alice, 60)
    kept = users.store.read("sessions.json") or {}
    assert (len(kept), "s0" in kept, last.id in kept) == (IN_ALL, False, True)


def test_the_file_lets_nobody_in_and_a_damaged_one_is_named(users: Users, tokens: Tokens, alice: User, tmp_path: pathlib.Path) -> None:
    pair = tokens.begin(alice)
    path = tmp_path / "sessions.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert pair.refresh.split(".")[2] not in path.read_text()
    path.write_text('{"a": 1}')
    with pytest.raises(StoreError, match="does not hold sessions"):
        tokens.check(pair.access)


def test_with_a_store_that_can_not_be_written_people_get_in_all_the_same(
    users: Users, tokens: Tokens, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **_more: object) -> None:
        raise StoreError("no space left")

    before = tokens.begin(alice)
    with monkeypatch.context() as patch:
        patch.setattr(users.store, "update", full)
        during = tokens.begin(alice)
        assert works(tokens, during)
        for pair in (before, during):
            again = tokens.renew(pair.refresh)
            assert again.refresh == pair.refresh, "nothing is used up that could not be noted"
            assert works(tokens, again)
        assert refused(tokens, before.refresh[:-1] + "0" * (before.refresh[-1] != "0"))
        with pytest.raises(StoreError):
            tokens.sessions.end_all("alice")
        assert not works(tokens, during), "what was in memory is gone at least"
        during = tokens.begin(alice)
    after = tokens.renew(during.refresh)
    assert after.refresh != during.refresh
    assert list(users.store.read("sessions.json") or {}).count(after.refresh.split(".")[0]) == 1
    assert refused(tokens, during.refresh)
    assert not works(tokens, after), "and from then on a copy ends the session"
