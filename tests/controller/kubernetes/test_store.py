from __future__ import annotations

import base64

import pytest

from controller.auth.keys import TokenKeys
from controller.auth.users import Users, create_first_admin
from controller.errors import NotReadyError, StoreError
from controller.kubernetes import store as store_module
from controller.kubernetes.names import SECRETS, STORE
from controller.kubernetes.secrets import ClusterSecrets
from controller.kubernetes.store import SecretStore
from controller.secret_values import SEALING_KEY, TICKET_KEY
from pools.app.wire import token
from pools.app.workloads import POD_TOKEN, PODS_KEY
from tests.controller.kubernetes.conftest import Place
from tests.controller.storing import a_change_may_change_another_document, updates_of_many_writers_are_all_there

PASSWORD = "correct horse battery"


@pytest.fixture
def store(place: Place) -> SecretStore:
    return SecretStore(place.api, place.namespace, "demo")


def another(place: Place) -> SecretStore:
    """Of another controller."""
    return SecretStore(place.api, place.namespace, "demo")


def test_documents_are_keys_of_one_secret_that_outlives_the_cluster(place: Place, store: SecretStore) -> None:
    assert store.read("a.json") is None
    store.write("a.json", {"x": [1, "ä"]})
    store.write("b.json", None)
    assert another(place).read("a.json") == {"x": [1, "ä"]}
    secret = place.api.get(place.path("Secret", STORE))
    assert secret is not None
    assert set(secret["data"]) == {"a.json"}  # None is as good as nothing
    assert "ownerReferences" not in secret["metadata"]
    assert secret["metadata"]["labels"]["openbdc.dev/cluster"] == "demo"


def test_updates_of_many_writers_are_all_there(place: Place) -> None:
    updates_of_many_writers_are_all_there(lambda: another(place), 6)


def test_a_change_may_change_another_document(store: SecretStore) -> None:
    a_change_may_change_another_document(store)


def test_another_controllers_change_is_seen(place: Place, store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FRESH_SECONDS", 0.0)
    store.write("a.json", 1)
    another(place).write("a.json", 2)
    assert store.read("a.json") == 2


def test_reads_that_follow_each_other_cost_no_call(place: Place, store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FRESH_SECONDS", 600.0)
    store.write("a.json", 1)
    before = place.api.calls
    assert [store.read("a.json") for _ in range(5)] == [1] * 5
    assert place.api.calls == before


def test_a_pass_sees_one_state(place: Place, store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FRESH_SECONDS", 0.0)
    store.write("a.json", 1)
    with store.steady():
        another(place).write("a.json", 2)
        assert store.read("a.json") == 1
        assert store.update("a.json", lambda before: before + 1) == 3  # a change is made on what is there
        assert store.read("a.json") == 3
    another(place).write("a.json", 4)
    assert store.read("a.json") == 4


def test_deleted_by_hand_it_is_made_again_from_memory(place: Place, store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FRESH_SECONDS", 0.0)
    store.write("a.json", 1)
    place.api.delete(place.path("Secret", STORE))
    assert store.read("a.json") == 1
    assert another(place).read("a.json") == 1
    store.close()
    place.api.delete(place.path("Secret", STORE))
    assert store.read("a.json") is None


def test_damaged_and_too_large(place: Place, store: SecretStore) -> None:
    store.write("a.json", 1)
    place.api.merge(place.path("Secret", STORE), {"data": {"a.json": base64.b64encode(b"{").decode()}})
    with pytest.raises(StoreError, match=r"key a\.json of Secret .*/openbdc-store is damaged") as caught:
        another(place).read("a.json")
    assert "kubectl" in (caught.value.hint or "")
    with pytest.raises(StoreError, match="can't be reached") as caught:
        store.write("b.json", "x" * 2_000_000)
    assert "1 MiB" in (caught.value.hint or "")


def test_users_and_keys_lie_in_it(place: Place, store: SecretStore) -> None:
    create_first_admin(store, "admin", PASSWORD)
    assert Users(another(place)).verify("admin", PASSWORD) is not None
    keys = TokenKeys(store)
    assert TokenKeys(another(place)).jwks() == keys.jwks()


def test_secrets_are_made_once_and_what_was_lost_is_said(place: Place, store: SecretStore) -> None:
    first = ClusterSecrets(place.api, store, place.namespace, "demo")
    with pytest.raises(NotReadyError, match="not made yet"):
        first.value("master-superuser")
    assert first.public_keys() == (None, None)
    assert first.ensure((SEALING_KEY, TICKET_KEY)) == (SEALING_KEY, TICKET_KEY)
    assert first.ensure((SEALING_KEY, "master-superuser")) == ("master-superuser",)
    value, public = first.value("master-superuser"), first.public_keys()
    second = ClusterSecrets(place.api, another(place), place.namespace, "demo")
    assert second.ensure((SEALING_KEY, "master-superuser")) == ()
    assert (second.value("master-superuser"), second.public_keys()) == (value, public)
    place.api.delete(place.path("Secret", SECRETS))
    third = ClusterSecrets(place.api, another(place), place.namespace, "demo")
    with pytest.raises(StoreError, match="has lost master-superuser, with which the cluster was made") as caught:
        third.ensure(("master-superuser",))
    assert "backup" in (caught.value.hint or "")
    assert first.ensure((SEALING_KEY, "master-superuser")) == ("master-superuser", SEALING_KEY)  # it remembers them
    assert third.value("master-superuser") == value


def test_tokens_of_pods_come_from_their_key_and_go_with_who_wanted_them(place: Place, store: SecretStore) -> None:
    one, pod = ClusterSecrets(place.api, store, place.namespace, "demo"), POD_TOKEN + "a" * 32

    def laid() -> dict[str, str]:
        found: dict[str, str] = place.api.get(place.path("Secret", SECRETS))["data"]  # type: ignore[index]
        return {name: base64.b64decode(value).decode() for name, value in found.items()}

    one.ensure((PODS_KEY, SEALING_KEY, pod), whole=True)
    assert laid()[pod] == token(laid()[PODS_KEY], "a" * 32)
    one.ensure((SEALING_KEY, TICKET_KEY))
    assert pod in laid()
    one.ensure((PODS_KEY, SEALING_KEY), whole=True)
    assert laid().keys() == {PODS_KEY, SEALING_KEY, TICKET_KEY}
