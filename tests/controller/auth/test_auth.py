from __future__ import annotations

import json
import pathlib
import threading
import time

import jwt
import pytest

from controller.auth import passwords
from controller.auth.keys import TokenKeys
from controller.auth.passwords import check_rules, hash_password, verify_password
from controller.auth.throttle import Throttle
from controller.auth.tokens import Tokens
from controller.auth.users import Users, create_first_admin
from controller.errors import ConflictError, PasswordRuleError, RateLimitError, StoreError, TokenError
from controller.store import Store
from pools.master.scram import is_scram_verifier

PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: pathlib.Path) -> Users:
    return Users(Store(tmp_path / "store"))


def test_hashes_keep_their_parameters_and_salt() -> None:
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first["hash"] != second["hash"]
    assert verify_password(PASSWORD, first)
    assert not verify_password(PASSWORD + "x", first)
    assert not verify_password(PASSWORD, None)


def test_old_parameters_stay_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "N", 2**10)
    old = hash_password(PASSWORD)
    monkeypatch.undo()
    assert verify_password(PASSWORD, old)


def test_unknown_users_cost_the_same(users: Users) -> None:
    users.add("alice", PASSWORD)
    users.verify("nobody", "x")  # makes the stand-in hash

    def seconds(name: str) -> float:
        begun = time.process_time()
        assert users.verify(name, "wrong password") is None
        return time.process_time() - begun

    known, unknown = (min(seconds(name) for _ in range(3)) for name in ("alice", "nobody"))
    assert 0.2 < known / unknown < 5  # a login that is not tried costs a thousandth


@pytest.mark.parametrize("password", ["tiny", "x" * 257, "aaaaaaaaaa", "Password", "alice-the-great", "with\nnewline", "with\x00zero"])
def test_password_rules(password: str) -> None:
    with pytest.raises(PasswordRuleError) as caught:
        check_rules("alice-the-great", password)
    assert password not in caught.value.message


def test_the_file_holds_no_password_and_a_verifier_for_postgresql(users: Users) -> None:
    users.add("alice", PASSWORD)
    text = (users.store.folder / "users.json").read_text()
    assert PASSWORD not in text
    assert is_scram_verifier(json.loads(text)["users"]["alice"]["verifier"])


def test_first_admin_can_be_made_again(users: Users) -> None:
    create_first_admin(users.store, "admin", PASSWORD)
    create_first_admin(users.store, "admin", "another password")
    assert users.verify("admin", "another password")
    assert users.get("admin")["roles"] == ["admin", "user"]


def test_two_admins_can_not_remove_each_other_at_once(users: Users) -> None:
    users.add("a", PASSWORD, ("admin",))
    users.add("b", PASSWORD, ("admin",))
    refused: list[str] = []

    def remove(name: str) -> None:
        try:
            users.remove(name)
        except ConflictError:
            refused.append(name)

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [user["name"] for user in users.all()] == refused


@pytest.mark.parametrize("content", ["[]", '{"version": 1}', '{"version": 99, "users": {}, "removed": {}}', "{"])
def test_a_damaged_user_file_is_a_clear_error(users: Users, content: str) -> None:
    users.store.folder.mkdir()
    (users.store.folder / "users.json").write_text(content)
    with pytest.raises(StoreError, match=r"users\.json"):
        users.all()
    with pytest.raises(StoreError):
        users.add("alice", PASSWORD)
    assert (users.store.folder / "users.json").read_text() == content


def test_throttle_counts_in_a_row_and_forgets_by_itself() -> None:
    now = [0.0]
    throttle = Throttle(3, 60, lambda: now[0])
    for _ in range(2):
        throttle.check("a")
    throttle.succeeded("a")
    for _ in range(3):
        throttle.check("a")
    with pytest.raises(RateLimitError) as caught:
        throttle.check("a")
    assert caught.value.retry_after == 60
    throttle.check("b")
    now[0] = 60.0
    throttle.check("a")


def test_throttle_holds_against_parallel_attempts() -> None:
    throttle = Throttle(5, 60)
    passed: list[int] = []

    def attempt() -> None:
        try:
            throttle.check("a")
            passed.append(1)
        except RateLimitError:
            pass

    threads = [threading.Thread(target=attempt) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 5


def test_keys_rotate_without_ending_tokens(users: Users) -> None:
    user = users.add("alice", PASSWORD)
    keys = TokenKeys(users.store)
    tokens = Tokens("id", keys, users, 12)
    old = tokens.issue(user)
    time.sleep(0.002)
    keys.rotate(3600)
    assert tokens.check(old).name == "alice"
    assert len(keys.jwks()["keys"]) == 2
    assert jwt.get_unverified_header(tokens.issue(user))["kid"] == keys.jwks()["keys"][0]["kid"]
    time.sleep(0.002)
    keys.rotate(0)
    assert len(keys.jwks()["keys"]) == 1 or len(keys.jwks()["keys"]) == 2
    time.sleep(0.01)
    keys.rotate(0)
    with pytest.raises(TokenError):
        tokens.check(old)
    again = TokenKeys(users.store)
    assert again.jwks() == keys.jwks()


def test_key_files_are_private_and_damaged_ones_named(users: Users) -> None:
    keys = TokenKeys(users.store)
    keys.all()
    (path,) = keys.folder.glob("*.pem")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("not a key")
    with pytest.raises(StoreError, match=r"\.pem is not a token key"):
        TokenKeys(users.store).all()
