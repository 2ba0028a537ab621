"""One slapd for the folder; tests take names of their own and leave it running, with its certificate."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from controller.auth.directory.asking import AskedDirectory
from controller.auth.directory.connecting import Servers
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.users import Users
from controller.spec.directory import Directory
from controller.store import FolderStore
from tests.services.directory.slapd import PASSWORD, Slapd, missing, slapd_server

Ask = Callable[[Directory], AskedDirectory]


@pytest.fixture(scope="package")
def slapd() -> Iterator[Slapd]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with slapd_server() as server:
        yield server


@pytest.fixture
def ask() -> Iterator[Ask]:
    """A directory as settings describe it; the search account's password is PASSWORD."""
    made: list[Servers] = []

    def asked(settings: Directory) -> AskedDirectory:
        made.append(Servers(settings, lambda: PASSWORD))
        return AskedDirectory(settings, made[-1])

    yield asked
    for servers in made:
        servers.close()


@pytest.fixture
def logins(tmp_path: pathlib.Path) -> DirectoryLogins:
    """Of a cluster of its own; ``configure`` it."""
    store = FolderStore(tmp_path / "store")
    found = DirectoryLogins(Users(store), store)
    found.set_search_password(PASSWORD)
    return found
