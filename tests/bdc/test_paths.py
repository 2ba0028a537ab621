"""Names and paths: what is let through, whatever comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdc import names
from bdc.errors import InvalidNameError
from bdc.paths import expand, join, remote_path


@given(st.text())
def test_a_remote_path_is_absolute_and_stays_where_it_is(text: str) -> None:
    try:
        path = remote_path(text)
    except InvalidNameError:
        return
    assert path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")[1:]) or path == "/"
    assert remote_path(path) == path


@pytest.mark.parametrize(
    ("text", "path"), [("hdfs:/a/b", "/a/b"), ("hdfs:///a//./b/", "/a/b"), ("/", "/"), ("hdfs:/", "/"), ("/a b/ü", "/a b/ü")]
)
def test_paths(text: str, path: str) -> None:
    assert remote_path(text) == path


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "../x"])
def test_a_name_from_outside_stays_in_its_folder(name: str) -> None:
    with pytest.raises(InvalidNameError):
        join("/folder", name)


@given(st.text(max_size=30))
def test_cluster_names_are_plain(text: str) -> None:
    try:
        found = names.cluster_name(text)
    except InvalidNameError:
        return
    assert found.isascii() and found.replace("-", "a").isalnum() and found[0].isalpha()


@given(st.text(max_size=30))
def test_route_segments_can_not_walk(text: str) -> None:
    try:
        found = names.route_segment(text, "workload")
    except InvalidNameError:
        return
    assert not {"/", "%", "?", "#", "\\"} & set(found)
    assert ".." not in found


def test_expand() -> None:
    folders = {"/": ["a", "b", ".c"], "/a": ["1.csv", "2.txt", ".h.csv"], "/b": ["1.csv"]}

    def matches(pattern: str) -> list[str]:
        return expand(pattern, lambda folder: folders.get(folder, []))

    assert matches("/*/*.csv") == ["/a/1.csv", "/b/1.csv"]
    assert matches("/a/.*") == ["/a/.h.csv"]
    assert matches("/a/[12].*") == ["/a/1.csv", "/a/2.txt"]
    assert matches("/nix/*") == []
