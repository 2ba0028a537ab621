"""Who a group of the directory lets call an app: from the password to the worker's answer."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator

import pytest

from tests.apps.folders import python
from tests.pools.app.stand import Stand, stand
from tests.services.directory.slapd import PASSWORD, READER, Slapd


@pytest.fixture
def proxy(slapd: Slapd, tmp_path: pathlib.Path) -> Iterator[Stand]:
    with stand(tmp_path / "stand") as found:
        directory = found.api.services.directory
        assert directory is not None
        directory.set_search_password(PASSWORD)
        yield found
        directory.asked().servers.close()


def test_groups_say_who_may_call_and_who_may_change(proxy: Stand, slapd: Slapd, tmp_path: pathlib.Path) -> None:
    people = {name: slapd.person(f"app{name}") for name in ("reader", "owner", "other")}
    readers, owners = slapd.group("app-readers", people["reader"]), slapd.group("app-owners", people["owner"])
    directory = proxy.api.services.directory
    assert directory is not None
    roles = {"user": ("*",), "app_owner": (owners,), "app_reader": (readers,)}
    directory.configure(slapd.settings(roles=roles, cache_seconds=0), 12)

    def token(name: str) -> str:
        given = {"username": f"app{name}", "password": PASSWORD, "audience": "app"}
        answer = proxy.api.client.post("/api/v1/token", json=given)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    proxy.create(python(tmp_path / "app", "def run(n):\n    return n * 2\n", inputs="{n: int}"))
    tokens = {name: token(name) for name in people}
    called = {name: proxy.run(token=given, n=21).status_code for name, given in tokens.items()}
    assert called == {"reader": 200, "owner": 200, "other": 403}
    changed = {name: proxy.call("DELETE", "/api/v1/apps/nobody/v1", given).status_code for name, given in tokens.items()}
    assert changed == {"reader": 403, "owner": 404, "other": 403}

    slapd.change(readers, member=[READER])
    assert directory.check(time.time())[0] == ["appreader: other groups"]
    assert proxy.run(token=token("reader"), n=21).status_code == 403, "by the next token"
