"""Models of an MLflow registry, fetched without MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bdc import registry
from bdc.errors import AuthenticationError, BdcError, NotFoundError, ServiceError, UnreachableError, UserError
from tests.bdc.mlflow_registry import MLMODEL, Registry, serving

CANDIDATE = registry.reference("models:/house@candidate")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGISTRY_URI", "TRACKING_URI", "TRACKING_TOKEN", "TRACKING_USERNAME", "TRACKING_PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[Registry]:
    with serving(files={"MLmodel": MLMODEL, "code/a b.py": b"x = 1", "code/deep/é.bin": b"\0" * 3_000_000}) as found:
        yield found


def asked(server: Registry, token: str = "good") -> registry.Registry:
    return registry.Registry(server.address, lambda: f"Bearer {token}")


def test_all_of_a_version_is_fetched(server: Registry, tmp_path: Path) -> None:
    assert asked(server).fetch(CANDIDATE, tmp_path) == "3"
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == server.files
    assert asked(server).fetch(registry.reference("models:/house/3"), tmp_path / "again") == "3"


@pytest.mark.parametrize("text", ["models:/house", "models:/house@", "models:/house/Production", "models:/house/0", "models:/a/b/1", "x"])
def test_what_names_no_version(text: str) -> None:
    with pytest.raises(UserError, match="names no version of a model"):
        registry.reference(text)


@pytest.mark.parametrize(
    ("text", "token", "error", "said"),
    [
        ("models:/house@no", "good", NotFoundError, "alias no not found"),
        ("models:/house/9", "good", NotFoundError, "version=9"),
        ("models:/house@candidate", "bad", AuthenticationError, "no bearer token"),
    ],
)
def test_what_the_server_refuses(server: Registry, tmp_path: Path, text: str, token: str, error: type[BdcError], said: str) -> None:
    with pytest.raises(error, match=said) as refused:
        asked(server, token).fetch(registry.reference(text), tmp_path)
    assert token not in str(refused.value.hint)


@pytest.mark.parametrize("name", ["../evil", "..", "", "a/b", "/etc/passwd"])
def test_a_server_writes_nowhere_else(server: Registry, tmp_path: Path, name: str) -> None:
    server.listed = [{"path": name, "is_dir": False}]
    with pytest.raises(ServiceError, match="names a file"):
        asked(server).fetch(CANDIDATE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_without_end_and_files_too_large(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.listed = [{"path": "again", "is_dir": True}]
    monkeypatch.setattr(registry, "MOST_FILES", 20)
    with pytest.raises(UserError, match="more than 20 files"):
        asked(server).fetch(CANDIDATE, tmp_path)
    server.listed = None
    monkeypatch.setattr(registry, "MOST_BYTES", 1 << 20)
    with pytest.raises(UserError, match="larger than 1 MB"):
        asked(server).fetch(CANDIDATE, tmp_path)


def test_what_is_elsewhere_and_what_is_no_mlflow(server: Registry, tmp_path: Path) -> None:
    server.place = "s3://bucket/x"
    with pytest.raises(UserError, match="lie at s3"):
        asked(server).fetch(CANDIDATE, tmp_path)
    with pytest.raises(UnreachableError):
        registry.Registry("http://127.0.0.1:1", str).fetch(CANDIDATE, tmp_path)


def test_where_and_as_whom(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def own() -> tuple[str, object]:
        return server.address, lambda: "good"

    def fetched(found: registry.Registry) -> str | None:
        found.version(CANDIDATE)
        return server.heard[-1]

    with pytest.raises(UserError, match="no MLflow server to ask"):
        registry.registry(lambda: None)
    assert fetched(registry.registry(own)) == "Bearer good"  # type: ignore[arg-type]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address + "/")
    assert fetched(registry.registry(own)) == "Bearer good"  # type: ignore[arg-type]
    with pytest.raises(AuthenticationError):  # another server does not hear of the login
        registry.registry(lambda: ("http://127.0.0.1:2", lambda: "good")).version(CANDIDATE)
    assert server.heard[-1] is None
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    assert fetched(registry.registry(own)) == "Basic YW5uOnB3"  # type: ignore[arg-type]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with pytest.raises(UserError, match="no address of an MLflow server"):
        registry.registry(own)  # type: ignore[arg-type]
