from __future__ import annotations

import json
import pathlib
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from controller.auth import passwords
from controller.auth.keys import AHEAD_SECONDS, LONGEST_TOKEN_SECONDS, TokenKeys, adopt_key_files, thumbprint
from controller.auth.passwords import check_rules, hash_password, verify_password
from controller.auth.throttle import Throttle
from controller.auth.tokens import Tokens
from controller.auth.users import Users, create_first_admin
from controller.errors import ConflictError, PasswordRuleError, RateLimitError, StoreError, TokenError
from controller.store import FolderStore
from pools.master.scram import is_scram_verifier

PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: pathlib.Path) -> Users:
    return Users(FolderStore(tmp_path / "store"))


def store_folder(users: Users) -> pathlib.Path:
    assert isinstance(users.store, FolderStore)
    return users.store.folder


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
    text = (store_folder(users) / "users.json").read_text()
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
    store_folder(users).mkdir()
    (store_folder(users) / "users.json").write_text(content)
    with pytest.raises(StoreError, match=r"users\.json"):
        users.all()
    with pytest.raises(StoreError):
        users.add("alice", PASSWORD)
    assert (store_folder(users) / "users.json").read_text() == content


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


def aged(keys: TokenKeys, users: Users, seconds: float) -> None:
    """Put all keys so far into the past."""

    def older(content: list[dict[str, int]]) -> list[dict[str, int]]:
        fields = ("created_at", "signs_from")
        return [{name: value - int(seconds * 1000) if name in fields else value for name, value in key.items()} for key in content]

    users.store.update("keys.json", older)
    keys.find("unknown")  # makes it look


def signer_of(tokens: Tokens, users: Users) -> str:
    found: str = jwt.get_unverified_header(tokens.begin(users.get("alice")).access)["kid"]
    return found


def test_keys_rotate_without_ending_tokens(users: Users) -> None:
    user = users.add("alice", PASSWORD)
    keys = TokenKeys(users.store)
    tokens = Tokens("id", keys, users, 12)
    old, first = tokens.begin(user).access, keys.signing().kid
    second = keys.rotate().kid
    assert [key["kid"] for key in keys.jwks()["keys"]] == [second, first]
    assert signer_of(tokens, users) == first, "who verifies may not have the new one yet"
    aged(keys, users, AHEAD_SECONDS + 1)
    assert signer_of(tokens, users) == second
    assert tokens.check(old).name == "alice", "the old key verifies until its last token has expired"
    aged(keys, users, LONGEST_TOKEN_SECONDS + 1)
    keys.rotate()
    assert first not in [key.kid for key in keys.all()]
    assert second in [key.kid for key in keys.all()]
    with pytest.raises(TokenError):
        tokens.check(old)
    assert TokenKeys(users.store).jwks() == keys.jwks()


def test_a_stolen_key_verifies_nothing_more(users: Users) -> None:
    keys = TokenKeys(users.store)
    tokens = Tokens("id", keys, users, 12)
    pair = tokens.begin(users.add("alice", PASSWORD))
    fresh = keys.rotate(compromised=True).kid
    assert [key.kid for key in keys.all()] == [fresh]
    with pytest.raises(TokenError, match="not signed with a key"):
        tokens.check(pair.access)
    assert tokens.check(tokens.renew(pair.refresh).access).name == "alice", "who holds a refresh token goes on"


@pytest.mark.parametrize("content", ['[{"created_at": 1, "pem": "not a key"}]', "{}", '[{"created_at": 1}]', '["x"]'])
def test_the_key_file_is_private_and_a_damaged_one_is_named(users: Users, content: str) -> None:
    TokenKeys(users.store).all()
    path = store_folder(users) / "keys.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(content)
    with pytest.raises(StoreError, match=r"keys\.json does not hold token keys"):
        TokenKeys(users.store).all()
    with pytest.raises(StoreError):
        TokenKeys(users.store).rotate()
    assert path.read_text() == content


def test_keys_of_a_cluster_that_kept_them_as_files_are_taken_over(tmp_path: pathlib.Path) -> None:
    store, folder = FolderStore(tmp_path), tmp_path / "keys"
    folder.mkdir()
    old = [Ed25519PrivateKey.generate() for _ in range(2)]
    for number, key in enumerate(old):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"jwt-{1000 + number}.pem").write_bytes(pem)
    adopt_key_files(store)
    keys = TokenKeys(store)
    assert [key.kid for key in keys.all()] == [thumbprint(key.public_key()) for key in reversed(old)]
    assert not folder.exists()
    adopt_key_files(store)
    assert TokenKeys(store).jwks() == keys.jwks()


def test_a_key_that_another_controller_made_is_found(users: Users) -> None:
    here, there = TokenKeys(users.store), TokenKeys(users.store)
    here.all()
    made = there.rotate()
    assert here.find(made.kid) is not None
    assert here.find("unknown") is None
