"""Command lines of the original's ``azdata``, turned into today's. Pure: words in, words out.

With ``alias azdata=bdc`` scripts keep working: ``azdata bdc status show`` arrives as ``bdc bdc status show``.
Options keep their old names where they mean something (see the commands); only words are moved here.
"""

from __future__ import annotations

from collections.abc import Sequence

SERVICES = frozenset({"control", "sql", "hdfs", "spark", "gateway", "app"})
_CONFIG_VERBS = {"replace": "set", "add": "set"}


def modern(words: Sequence[str]) -> list[str]:
    """The command line as it is written today."""
    found = list(words)
    if found[:1] == ["bdc"]:
        found = found[1:]
    for rule in (_settings, _status_show, _service_status, _hdfs_rmr, _config_verbs, _config_json_values):
        found = rule(found)
    return found


def _settings(words: list[str]) -> list[str]:
    """``bdc settings cancel-apply``; ``bdc sql settings set`` is one cluster's settings too."""
    if len(words) >= 2 and words[0] in SERVICES and words[1] == "settings":
        words = words[1:]
    return ["settings", "revert", *words[2:]] if words[:2] == ["settings", "cancel-apply"] else words


def _status_show(words: list[str]) -> list[str]:
    return ["status", *words[2:]] if words[:2] == ["status", "show"] else words


def _service_status(words: list[str]) -> list[str]:
    if len(words) >= 3 and words[0] in SERVICES and words[1:3] == ["status", "show"]:
        return ["status", "--service", words[0], *words[3:]]
    if words[:2] == ["control", "status"]:
        return ["status", "--service", "control", *words[2:]]
    return words


def _hdfs_rmr(words: list[str]) -> list[str]:
    return ["hdfs", "rm", "--recursive", *words[2:]] if words[:2] == ["hdfs", "rmr"] else words


def _config_verbs(words: list[str]) -> list[str]:
    return (
        ["config", _CONFIG_VERBS[words[1]], *words[2:]] if words[:1] == ["config"] and words[1:2] and words[1] in _CONFIG_VERBS else words
    )


def _config_json_values(words: list[str]) -> list[str]:
    """``config replace -j "$.a.b=v,c=w"``: one option with several values becomes one ``--set`` each."""
    if words[:2] != ["config", "set"]:
        return words
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("-j", "--json-values"):
            for pair in next(rest, "").split(","):
                found += ["--set", pair.removeprefix("$.")]
        else:
            found.append(word)
    return found
