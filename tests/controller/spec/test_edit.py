from __future__ import annotations

import pytest

from controller.errors import RequestError, SpecError
from controller.profiles import render_profile
from controller.spec import load_spec
from controller.spec.edit import get_value, set_value

TEXT = render_profile("local", "demo")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.pools.compute.replicas", "2", 2),
        ("$.spec.pools.compute.replicas", "2", 2),
        ("spec.ports.base", "1000", 1000),
        ("spec.ports.master", "5555", 5555),
        ("spec.pools.compute.maxConnections", "30", 30),
        ("spec.pools.master.statementTimeoutSeconds", "60", 60),
        ("spec.pools.master.databases", "[a, b]", ["a", "b"]),
        ("spec.pools.master.postgresql.bin", "/usr/lib/a b", "/usr/lib/a b"),
        ("spec.network.tls.certificate", "null", None),
        ("spec.pools.storage.enabled", "false", False),
        ("metadata.name", '"on"', "on"),
    ],
)
def test_a_value_is_set_and_every_comment_stays(path: str, value: str, expected: object) -> None:
    edited = set_value(TEXT, path, value)
    assert get_value(load_spec(edited), path) == expected
    assert [line.split("#")[1] for line in TEXT.splitlines() if "#" in line] == [
        line.split("#")[1] for line in edited.splitlines() if "#" in line
    ]


def test_flow_and_empty_mappings_and_missing_sections() -> None:
    text = "apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {name: demo}\n"
    text += "spec:\n  ports: {base: 0}\n  pools:\n    storage: {}\n"
    for path, value in (
        ("spec.ports.master", "7"),
        ("spec.pools.storage.dataNodes", "3"),
        ("spec.pools.master.postgresql.bin", "/x"),
        ("spec.security.login.tokenHours", "1"),
    ):
        text = set_value(text, path, value)
        assert str(get_value(load_spec(text), path)) == value
    text = set_value(text, "spec.pools.master.databases", "[a]")
    text = text.replace('["a"]', "\n      - a\n      - b  # kept?")
    assert get_value(load_spec(set_value(text, "spec.pools.master.databases", "[c]")), "spec.pools.master.databases[0]") == "c"


def test_without_a_newline_at_the_end() -> None:
    text = "apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {name: demo}"
    assert load_spec(set_value(text, "spec.ports.base", "1000")).spec.ports.base == 1000


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("spec.pools.compute.replica", "did you mean 'replicas'"),
        ("spec.pools.compute", "replicas"),
        ("spec.pols.compute.replicas", "did you mean"),
        ("", None),
        ("spec..x", None),
        ("spec.pools.compute.replicas[0]", None),
    ],
)
def test_unknown_paths_are_refused(path: str, words: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        set_value(TEXT, path, "2")
    if words:
        assert words in (caught.value.hint or "")


def test_a_value_that_breaks_the_spec_changes_nothing() -> None:
    with pytest.raises(SpecError, match="a whole number is expected, not 'two'"):
        set_value(TEXT, "spec.pools.compute.replicas", "two")
    with pytest.raises(SpecError, match="dataNodes is 2"):
        set_value(TEXT, "spec.pools.storage.replication", "5")


@pytest.mark.parametrize("path", ["spec.nothing", "spec.pools.master.databases[7]", "spec.pools.master.databases.x"])
def test_unknown_values_can_not_be_read(path: str) -> None:
    with pytest.raises(RequestError):
        get_value(load_spec(TEXT), path)
